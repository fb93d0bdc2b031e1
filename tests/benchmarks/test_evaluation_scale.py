"""Seconds and peak memory of evaluating 1,000 strategies x 1,000 configurations x 20 folds: 20 million rows.

Run by ``tox -e benchmark``. It runs in a process of its own, so that the peak is that of the evaluation; the rows are
made there first, and their own size is printed: with names as plain strings, and as categories.
"""

import json
import subprocess
import sys

import pytest

STRATEGIES, CONFIGURATIONS, FOLDS = 1000, 1000, 20

SCRIPT = """
import json, resource, sys, time
import numpy as np, pandas as pd
from imbench.stats.board import make_board
from imbench.stats.score_table import make_score_tables
from imbench.scoring.metrics import METRICS

strategies, configurations, folds = map(int, sys.argv[1:4])
kind = sys.argv[4]
rng = np.random.default_rng(0)

def column(values, codes):
    whole = pd.Categorical.from_codes(codes.astype("int16"), values)
    return whole if kind == "category" else pd.Series(pd.Index(values).take(codes))

rows = configurations * strategies * folds
place = np.arange(rows, dtype=np.int32)
configuration, strategy = place // (strategies * folds), place // folds % strategies
merit = rng.normal(size=strategies).astype("float32") / 20
values = rng.normal(size=rows) / 10 + merit[strategy]
frame = pd.DataFrame({
    "protocol": column(["paper"], configuration * 0),
    "task": column(["binary"], configuration * 0),
    "dataset": column([f"dataset-{i}" for i in range((configurations + 2) // 3)], configuration // 3),
    "variant": column(["ir=0.01", "ir=0.025", "ir=0.05"], configuration % 3),
    "data_hash": column([f"{i:064x}" for i in range(configurations)], configuration),
    "strategy": column([f"strategy-{i}" for i in range(strategies)], strategy),
    "gmean": values,
}, copy=False)
del place, configuration, strategy, values
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
made, start, busy = peak(), time.perf_counter(), time.process_time()
(cells,) = make_score_tables(frame, ["gmean"])
averaged = time.perf_counter()
configurations_level = make_board(cells, METRICS["gmean"], ["argmax"], "argmax").evaluation
done = time.perf_counter()
best = int(configurations_level.average_ranks.idxmin().removeprefix("strategy-"))
assert merit[best] > merit.max() - 0.01  # noise may turn round who are so close
print(json.dumps({
    "kind": kind, "rows": rows, "frame_gb": frame.memory_usage(deep=True).sum() / 1e9, "made_gb": made,
    "cells_s": averaged - start, "evaluate_s": done - averaged, "total_s": done - start,
    "cpu_s": time.process_time() - busy, "peak_gb": peak(),
    "pairs": len(configurations_level.wilcoxon),
}))
"""


def measured(strategies, configurations, folds, kind):
    command = [sys.executable, "-c", SCRIPT, *map(str, (strategies, configurations, folds)), kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("kind", ["string", "category"])
def test_twenty_million_rows(benchmark, kind):
    # With --benchmark-disable, in the ordinary tests, a hundredth of the rows shows that it runs.
    size = (100, 100, FOLDS) if benchmark.disabled else (STRATEGIES, CONFIGURATIONS, FOLDS)
    found = benchmark.pedantic(measured, (*size, kind), rounds=1)
    print(f"\n{found['rows']:,} rows, {found['pairs']:,} pairs, columns of {kind}: {found}")
    assert found["pairs"] == size[0] * (size[0] - 1) // 2
    if not benchmark.disabled:
        # Of processor time, so that a busy machine does not fail it; alone, the wall clock shows no more than that.
        assert found["cpu_s"] < 60
        assert found["peak_gb"] < 4
