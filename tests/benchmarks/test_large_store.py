"""Seconds and peak memory of status and load on a store of many jobs, whose rows the index has; cost a job.

Run by ``tox -e benchmark``. The files are made first, and read once, which is printed, too.
"""

import subprocess
import sys
import time

from imbench.store.store import Store
from tests.benchmarks.large_store import fill_large
from tests.made_results import fill

JOBS, STRATEGIES = 20_000, 200

SCRIPT = """
import resource, sys, time
from imbench.store.results import load
from imbench.store.store import Store
start = time.perf_counter()
found = len(load(sys.argv[1]).rows) if sys.argv[2] == "load" else Store.open(sys.argv[1]).status().done
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, found)
"""


def measured(store, what):
    command = [sys.executable, "-c", SCRIPT, str(store), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, gigabytes, found = done.stdout.split()
    return float(seconds), float(gigabytes), int(found)


def test_status_and_load_of_a_large_store(benchmark, tmp_path):
    # With --benchmark-disable, in the ordinary tests, a few jobs show that it runs.
    jobs, strategies = (8, 4) if benchmark.disabled else (JOBS, STRATEGIES)
    fill(Store.open(tmp_path / "small", create=True), ["a", "b"], ["baseline", "remix"])
    fill_large(tmp_path / "small", tmp_path / "large", jobs, strategies=strategies, repeats=2)
    time.sleep(2.1 * (not benchmark.disabled))  # files that changed a moment ago are not indexed
    for name in ("first status", "status", "load"):
        seconds, gigabytes, found = measured(tmp_path / "large", name)
        print(f"\n{name} of {jobs:,} jobs: {seconds:.1f} s, {1e3 * seconds / jobs:.3f} ms a job, {gigabytes:.2f} GB")
        assert found == (jobs * 4 if name == "load" else jobs)
    benchmark.pedantic(measured, (tmp_path / "large", "status"), rounds=1)
