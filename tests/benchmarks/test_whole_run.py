"""Seconds of whole commands `imbench run` on every core: five strategies, 20 nets each, and the default run."""

import statistics

import pytest

import imbench
from imbench.engine.train import compile_once
from imbench.runs.machine import available_cores
from tests.benchmarks.nets import SHAPES, Peak
from tests.benchmarks.whole_runs import STRATEGIES, operations, run_command, table_spec, timed

# Steps of each net, about.
STEPS = 1000


def keep(benchmark, row, cost, peak, plan, capsys):
    """Add a whole run to the table: its seconds, and the share of all cores' sgemm that its steps are."""
    rate = statistics.mean(peak.rates)
    share = operations(plan) / cost.seconds / 1e9 / rate
    benchmark.extra_info["table"] = {"row": row, "sgemm": share, "seconds": cost.seconds}
    with capsys.disabled():
        print(f"\n{row}: {cost.seconds:.1f} s, {cost.cpu:.1f} s of all cores; {share:.0%} of {rate:.0f} GF/s sgemm")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_small_grid(benchmark, shape, tmp_path, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    compile_once()
    features, size, rows, *_ = SHAPES[shape]
    spec = table_spec(tmp_path / f"{shape}.parquet", features, rows)
    request = {"protocol": "paper", "epochs": str(round(STEPS / (rows // size))), "batch_size": str(size)}

    def run(store):
        return timed(run_command([spec], STRATEGIES, store=tmp_path / store, jobs=available_cores(), **request))

    costs = [run("first"), benchmark.pedantic(run, ("second",), rounds=1)]
    protocol, settings = request.pop("protocol"), request
    chosen = {"strategies": STRATEGIES, "references": (), "protocol": protocol, "settings": settings}
    plan = imbench.plan(datasets=[spec], store=tmp_path / "second", **chosen)
    with Peak(available_cores()) as peak:
        peak.measure()
    keep(benchmark, f"run of {shape}'s shape", min(costs, key=lambda cost: cost.seconds), peak, plan, capsys)


@pytest.mark.data
def test_the_default_run(benchmark, tmp_path, capsys, pytestconfig):
    if benchmark.disabled or not pytestconfig.getoption("--default-run", False):
        pytest.skip("takes half an hour: tox -e benchmark -- --default-run")
    compile_once()
    command = run_command("tabular", STRATEGIES, store=tmp_path / "store", jobs=available_cores())
    with Peak(available_cores()) as peak:
        cost = benchmark.pedantic(timed, (command, peak.measure), rounds=1)
    plan = imbench.plan(suite="tabular", strategies=STRATEGIES, references=(), store=tmp_path / "store")
    # The clock changes within minutes, so the cores' rate is that of the moments at which the run was stopped for it.
    keep(benchmark, "default run", cost, peak, plan, capsys)
    with capsys.disabled():
        print(f"sgemm at {len(peak.rates)} moments: {min(peak.rates):.0f} to {max(peak.rates):.0f} GF/s")
