"""Nets for images on every core against plain loops: the paper's net, 32 x 32 in three colours, ReMix."""

import pytest

from imbench.runs.machine import available_cores
from tests.benchmarks.images import our_nets, plain_loop
from tests.benchmarks.nets import in_processes

PLAIN = {"plain loops that keep freed memory": True, "plain loops as they come": False}


@pytest.mark.parametrize("kept", PLAIN.values(), ids=PLAIN)
def test_nets_on_every_core_and_plain_loops(benchmark, kept, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    cores = available_cores()
    one = min(in_processes(plain_loop, threads=n, kept=kept)[0][0] for n in (1, 2))
    each = 1 / sum(1 / ms for (ms,) in in_processes(plain_loop, count=cores, kept=kept))
    found = benchmark.pedantic(in_processes, (our_nets,), {"count": cores}, rounds=1)
    ours = 1 / sum(1 / ms for ms, _ in found)
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


@pytest.mark.parametrize("name", ["baseline", "remix", "augment", "remix-aug"])
def test_share_of_a_step(benchmark, name, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    ((step, own),) = benchmark.pedantic(in_processes, (our_nets, name), rounds=1)
    benchmark.extra_info.update(step=step, strategy=own)
    with capsys.disabled():
        print(f"\n{name}: {own:.2f} of {step:.2f} ms a step, {own / step:.1%}")
    assert own < step / 2
