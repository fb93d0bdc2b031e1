"""Microseconds of one training step of one net: fused, stacked in torch, and the best plain loop; all in one run.

Run by ``tox -e benchmark``. Each engine is timed over the whole of an epoch (gathering, strategy, steps), with the
shares printed.
"""

import itertools

import pytest
import torch

from imbench.contract.protocol import Protocol
from imbench.engine.fused import FusedNets
from imbench.engine.mlp import mlp_widths
from imbench.engine.stacked import StackedNets
from tests.benchmarks.nets import REPEATS, SHAPES, Epochs, fastest, made, plain_microseconds, sgemm_gigaflops


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
    widths = mlp_widths(features, 2, protocol)
    products = [a * b for a, b in itertools.pairwise(widths)]
    gigaflops = 2 * size * (3 * sum(products) - products[0]) / fused.shares["nets"] / 1e3
    parts = ", ".join(f"{name} {value:.1f}" for name, value in fused.shares.items())
    benchmark.extra_info.update(fused.shares, plain=plain, whole=whole, gigaflops=gigaflops, sgemm=peak, **times)
    with capsys.disabled():
        print(
            f"\n{shape}: fused {whole:.1f} us a step ({parts}), stacked {times['stacked']:.1f} "
            f"({times['stacked'] / whole:.1f} x), plain loop {plain:.0f} ({plain / whole:.1f} x); nets at "
            f"{gigaflops:.1f} of {peak:.1f} GF/s sgemm, floors: nets {most} us, {ratio} x"
        )
    # A quarter of what an idle core reaches: a shared machine passes, a kernel that lost its vectors does not.
    assert plain / whole > ratio / 4
