"""Nets for images on every core against plain loops: the paper's net, 32 x 32 in three colours, ReMix."""

import pytest

from imbench.execution import available_cores
from tests.benchmarks.images import our_nets, plain_loop
from tests.benchmarks.nets import in_processes


def test_nets_on_every_core_and_plain_loops(benchmark, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    cores = available_cores()
    one = min(in_processes(plain_loop, threads=n)[0][0] for n in (1, 2))
    each = 1 / sum(1 / ms for (ms,) in in_processes(plain_loop, count=cores))
    found = benchmark.pedantic(in_processes, (our_nets,), {"count": cores}, rounds=1)
    ours = 1 / sum(1 / ms for (ms,) in found)
    benchmark.extra_info.update(ours=ours, plain=one, plain_each=each, cores=cores)
    with capsys.disabled():
        print(
            f"\n{cores} cores: {ours:.1f} ms a step; plain loop {one:.1f} ms ({one / ours:.2f} x, wanted 1.5), "
            f"one a core {each:.1f} ms ({each / ours:.2f} x, wanted 1)"
        )
    assert one / ours > 0.75
