"""`imbench run` on every core against plain loops, one alone and one a core, in one run."""

import time

import pytest

from imbench.engine.train import compile_once
from imbench.runs import bench
from imbench.runs.machine import available_cores
from tests.benchmarks.nets import (
    SHAPES,
    in_processes,
    kernel_gigaflops,
    plain_loop_microseconds,
)
from tests.benchmarks.whole_runs import table_spec

# How many plain loops (one alone, on one thread or two) two cores must replace; half of it where one runs on each core.
FLOORS = {"segment": 60, "coil": 25, "musk": 9, "seizure": 9}
SECONDS = 60.0
FOLDS = 20


@pytest.fixture
def run(tmp_path):
    """Plan and run ReMix on a table of this shape for so many epochs; gradient steps, and seconds of the whole run."""

    def steps_and_seconds(shape, epochs):
        features, size, rows, *_ = SHAPES[shape]
        plan = bench.plan(
            datasets=[table_spec(tmp_path / f"{shape}.parquet", features, rows)],
            strategies=["remix"],
            protocol=f"paper:epochs={epochs},batch_size={size}",
            store=tmp_path / f"store-{shape}",
            jobs=available_cores(),
        )
        start = time.perf_counter()
        results = bench.run_plan(plan)
        return results.frame()["steps"].sum(), time.perf_counter() - start

    return steps_and_seconds


@pytest.mark.parametrize("shape", FLOORS)
def test_the_whole_run_on_every_core(benchmark, shape, run, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    compile_once()
    cores = available_cores()
    _, size, rows, most, _ = SHAPES[shape]
    one = max(1e6 / in_processes(plain_loop_microseconds, shape, threads=n)[0][0] for n in (1, 2))
    each = sum(1e6 / us for (us,) in in_processes(plain_loop_microseconds, shape, count=cores))
    few, most_epochs = 8, max(60, round(SECONDS * cores / (FOLDS * (rows // size) * most * 1e-6)))
    steps, seconds = benchmark.pedantic(run, (shape, most_epochs), rounds=1)
    begun, before = run(shape, few)
    # A run of a few epochs does all that is done once (workers start and load, folds are made, results are stored).
    ours = (steps - begun) / (seconds - before)
    benchmark.extra_info.update(ours=ours, whole=steps / seconds, plain=one, plain_each=each, cores=cores)
    with capsys.disabled():
        print(
            f"\n{shape}, {cores} cores: {ours:,.0f} steps/s ({steps / seconds:,.0f} with the {before:.1f} s that a run "
            f"takes once); plain loop {one:,.0f} ({ours / one:.1f} x, wanted on 2 cores {FLOORS[shape]}), "
            f"one a core {each:,.0f} ({ours / each:.1f} x, wanted {FLOORS[shape] / 2:g})"
        )
    assert ours / one > FLOORS[shape] / 4


def test_the_kernel_beside_large_products_on_every_core_at_once(benchmark, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    rates = benchmark.pedantic(in_processes, (kernel_gigaflops, "musk"), {"count": available_cores()}, rounds=1)
    with capsys.disabled():
        for ours, peak in rates:
            print(f"\nmusk: {ours:.1f} of {peak:.1f} GF/s sgemm, {ours / peak:.0%} (wanted 60 %)")
    assert all(ours > 0.3 * peak for ours, peak in rates)
