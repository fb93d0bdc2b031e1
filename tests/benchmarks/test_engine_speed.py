"""Microseconds of one training step of one net: fused, stacked in torch, and the best plain loop; all in one run.

Run by ``tox -e benchmark``. The plain loop is what a competent user writes: `torch.nn.Sequential`, fused Adam, batches
by index-select, on one thread or two, whichever is faster. Each engine is timed over the whole of an epoch (gathering,
strategy, steps), with the shares printed; the fastest of several repeats counts.
"""

import pytest
import torch

from imbench.contract.protocol import Protocol
from imbench.engine.fused import FusedNets
from imbench.engine.group import train_group
from imbench.engine.stacked import StackedNets
from imbench.strategies.remix import ReMix
from tests.benchmarks.nets import (
    NETS,
    REPEATS,
    SHAPES,
    Epochs,
    asked,
    fastest,
    made,
    plain_microseconds,
    sgemm_gigaflops,
    step_operations,
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_the_fused_engine(benchmark, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    features, size, rows, most, ratio = SHAPES[shape]
    dataset, protocol = made(features, rows), Protocol(batch_size=size)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fused, stacked = (Epochs(kind, dataset, protocol) for kind in (FusedNets, StackedNets))
        times = {"stacked": fastest(stacked.run, 2) / stacked.net_steps * 1e6}
        plain = plain_microseconds(dataset, protocol)
        peak = sgemm_gigaflops()
        for _ in range(REPEATS):
            fused.measure()
        benchmark.pedantic(fused.run, rounds=REPEATS, warmup_rounds=1)
        whole = benchmark.stats.stats.min / fused.net_steps * 1e6
    finally:
        torch.set_num_threads(threads)
    gigaflops = step_operations(features, 2, protocol) / fused.shares["nets"] / 1e3
    parts = ", ".join(f"{name} {value:.1f}" for name, value in fused.shares.items())
    benchmark.extra_info.update(fused.shares, plain=plain, whole=whole, gigaflops=gigaflops, sgemm=peak, **times)
    found = {"step": whole, "sgemm": gigaflops / peak, "plain": plain, "ratio": plain / whole}
    benchmark.extra_info["table"] = {"row": shape} | fused.shares | found
    with capsys.disabled():
        print(
            f"\n{shape}: fused {whole:.1f} us a step ({parts}), stacked {times['stacked']:.1f} "
            f"({times['stacked'] / whole:.1f} x), plain loop {plain:.0f} ({plain / whole:.1f} x); nets at "
            f"{gigaflops:.1f} of {peak:.1f} GF/s sgemm, floors: nets {most} us, {ratio} x"
        )
    # A quarter of what an idle core reaches: a shared machine passes, a kernel that lost its vectors does not.
    assert plain / whole > ratio / 4


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_one_stack_of_five_jobs(benchmark, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    features, size, rows, *_ = SHAPES[shape]
    dataset, protocol = made(features, rows), Protocol(batch_size=size, epochs=1)
    jobs = [asked(dataset, ReMix(alpha=alpha), protocol) for alpha in (0.1, 0.2, 0.3, 0.4, 0.5)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:

        def one_after_another():
            return [list(train_group([job], engine=StackedNets)) for job in jobs]

        apart = fastest(one_after_another, 2)
        benchmark.pedantic(lambda: list(train_group(jobs, engine=StackedNets)), rounds=2, warmup_rounds=1)
        ours = benchmark.stats.stats.min
    finally:
        torch.set_num_threads(threads)
    micro = 1e6 / (len(jobs) * NETS * (rows // size))
    with capsys.disabled():
        print(
            f"\n{shape}: one stack of 5 x 20 nets {ours * micro:.1f} us a net and step, five stacks of 20 "
            f"{apart * micro:.1f} ({apart / ours:.2f} x)"
        )
