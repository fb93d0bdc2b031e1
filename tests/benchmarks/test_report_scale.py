"""How long the page of a big store takes, and how big it is: 200 strategies on 500 configurations, 20 folds each."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

from imbench.report.figures.kinds import Figures
from imbench.report.model import Options, gather
from imbench.report.page import page
from imbench.store.results import Results
from imbench.store.store import Store
from tests.made_results import fill
from tests.report.made import scored_rows

STRATEGIES, CONFIGURATIONS, FOLDS = 200, 500, 20


def render(results: Results) -> str:
    """The page of these results."""
    model = gather(results, Options())
    return page(model, Figures(model))


def test_two_hundred_strategies_on_five_hundred_configurations(benchmark):
    # With --benchmark-disable, in the ordinary tests, a few rows show that it runs.
    size = (30, 20, 2) if benchmark.disabled else (STRATEGIES, CONFIGURATIONS, FOLDS)
    results = scored_rows(*size)
    start, busy = time.perf_counter(), time.process_time()
    text = benchmark.pedantic(render, (results,), rounds=1)
    wall, busy = time.perf_counter() - start, time.process_time() - busy
    megabytes = len(text.encode()) / 1e6
    print(f"\n{len(results.rows):,} rows: {megabytes:.1f} MB in {wall:.1f} s, {busy:.1f} s of processor time")
    assert megabytes < 10
    # Of processor time, so that a busy machine does not fail it; the page is made by one thread.
    assert busy < 30


def test_a_page_of_many_strategies_says_what_it_left_to_the_data_files():
    text = render(scored_rows(strategies=60, configurations=20, folds=2))
    for statement in ("Shown: the best 20 of 60; pairs.csv has all.", "scores.csv has all", "gains.csv has all"):
        assert statement in text
    assert len(text) < 3e6


def test_the_command_on_a_store_of_a_suite(benchmark, tmp_path):
    datasets = 2 if benchmark.disabled else 27
    store = Store.open(tmp_path / "store", create=True)
    fill(store, [f"dataset-{i:02d}" for i in range(datasets)], ["baseline", "cost-adjusted", "mixup", "remix", "smote"])
    command = [sys.executable, "-m", "imbench", "report", str(store.path), "--to", str(tmp_path / "report")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "stdout": subprocess.DEVNULL}, rounds=1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    benchmark.extra_info["table"] = {"row": f"report of {5 * datasets} jobs", "report": busy}
    assert (tmp_path / "report" / "index.html").exists()
