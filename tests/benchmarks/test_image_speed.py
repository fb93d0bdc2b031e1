"""Nets for images on every core against plain loops: the paper's net, 32 x 32 in three colours, each strategy."""

from collections import defaultdict

import pytest

from imbench.runs.machine import available_cores
from imbench.runs.registry import strategies
from tests.benchmarks.images import SIZE, cifar_steps, our_nets, plain_loop
from tests.benchmarks.nets import in_processes

PLAIN = {"plain loops that keep freed memory": True, "plain loops as they come": False}
NAMES = [
    e.name
    for e in strategies()
    if e.package == "imbench" and "image" in e.load().modalities and e.load().run_by_default
]
# Batch sizes of the paper's binary and multi-class images, and the most of a step that a strategy's own work may be.
SIZES, MOST = (SIZE, 128), 0.10


@pytest.mark.parametrize("kept", PLAIN.values(), ids=PLAIN)
def test_nets_on_every_core_and_plain_loops(benchmark, kept, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    cores = available_cores()
    one = min(in_processes(plain_loop, threads=n, kept=kept)[0][0] for n in (1, 2))
    each = 1 / sum(1 / ms for ms, _ in in_processes(plain_loop, count=cores, kept=kept))
    found = benchmark.pedantic(in_processes, (our_nets,), {"count": cores}, rounds=1)
    ours = 1 / sum(1 / ms for ms, *_ in found)
    benchmark.extra_info.update(ours=ours, plain=one, plain_each=each, cores=cores, kept=kept)
    if kept:
        found = {"step": 1e3 * ours, "plain": 1e3 * one, "ratio": one / ours}
        benchmark.extra_info["table"] = {"row": "images, 32 x 32 in colour, all cores"} | found
    with capsys.disabled():
        memory = "kept" if kept else "as it comes"
        print(
            f"\n{cores} cores, memory {memory}: {ours:.1f} ms a step; plain loop {one:.1f} ms ({one / ours:.2f} x, "
            f"wanted 1.5), one a core {each:.1f} ms ({each / ours:.2f} x, wanted 1)"
        )
    assert one / ours > 1.5
    assert each / ours > 1


@pytest.fixture(scope="module")
def measured():
    """Milliseconds of a step on every core by the clock, and processor time, by strategy and batch size."""
    return {}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_step_of_each_strategy(benchmark, measured, name, size, capsys):
    """The share is of processor time, which other programs on the same cores change little."""
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    found = benchmark.pedantic(in_processes, (our_nets, name, str(size)), {"count": available_cores()}, rounds=1)
    ours = 1 / sum(1 / ms for ms, *_ in found)
    step, own = (min(values) for values in list(zip(*found, strict=True))[1:])
    measured[name, size] = ours, step
    benchmark.extra_info.update(microseconds=1e3 * step, strategy=1e3 * own, share=own / step)
    row = {"row": f"images, {name}, batches of {size}", "strategy": 1e3 * own, "step": 1e3 * step}
    lines = [f"{name}, {size}: {ours:.2f} ms a step on {available_cores()} cores, {step:.2f} ms of processor time"]
    lines += [f"{own:.2f} of it the strategy's ({own / step:.1%}, wanted {MOST:.0%})"]
    if size == SIZE:
        plain = {threads: in_processes(plain_loop, name, threads=threads)[0] for threads in (1, 2)}
        best = min(clock for clock, _ in plain.values())
        benchmark.extra_info.update(plain=1e3 * best, **{f"plain_{n}": 1e3 * clock for n, (clock, _) in plain.items()})
        row |= {"plain": 1e3 * best, "ratio": best / ours}
        lines += [
            f"plain loop on {n} threads {clock:.1f} ms ({clock / ours:.2f} x), {cpu:.1f} ms of processor time"
            for n, (clock, cpu) in plain.items()
        ]
    benchmark.extra_info["table"] = row
    with capsys.disabled():
        print("\n" + "; ".join(lines))
    assert own / step < 2 * MOST


def test_hours_of_the_papers_protocol_on_cifar_10(benchmark, measured, capsys):
    """Steps times the time of a step on every core: prediction, below 1 % of a net's time, is left out."""
    if benchmark.disabled or not measured:
        pytest.skip("timings are taken by tox -e benchmark")
    steps = benchmark.pedantic(cifar_steps, rounds=1)
    hours = {
        key: count * measured[key[2], key[1]][0] / 3.6e6
        for key, count in steps.items()
        if key[2:] + key[1:2] in measured
    }
    for title, place in (("configuration", 0), ("strategy", 2)):
        totals = defaultdict(float)
        for key, value in hours.items():
            totals[key[place]] += value
        with capsys.disabled():
            print(f"\nby {title}: " + ", ".join(f"{name} {value:.1f} h" for name, value in totals.items()))
    total = sum(hours.values())
    benchmark.extra_info.update(hours=total, steps=sum(steps.values()))
    with capsys.disabled():
        print(f"{sum(steps.values()):,} steps: {total:.1f} h = {total / 24:.1f} days on {available_cores()} cores")
    assert hours
