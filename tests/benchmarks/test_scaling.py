"""How time and memory of a whole `imbench run` grow with rows, nets and cores."""

import subprocess
import sys

import pytest

from imbench.runs.machine import available_cores
from tests.benchmarks.memory import run_measured
from tests.benchmarks.whole_runs import run_command

ROWS = (10_000, 100_000, 1_000_000)
FEATURES = 100
# A table of 1,000,000 x 100 must train within this.
MOST_BYTES = 4_000_000_000

MAKE = """
import sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
path, rows, features = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
rng, writer = np.random.default_rng(0), None
for start in range(0, rows, 50_000):
    count = min(50_000, rows - start)
    y = (rng.random(count) < 0.05).astype(np.int8)
    x = rng.standard_normal((count, features), dtype=np.float32) + y[:, None]
    table = pa.table({**{f"f{j}": x[:, j] for j in range(features)}, "y": y})
    writer = writer or pq.ParquetWriter(path, table.schema)
    writer.write_table(table)
writer.close()
"""


@pytest.fixture(scope="module")
def table_of(tmp_path_factory):
    """The path of a table of float32 with so many rows, made by another process lest its memory count."""

    def make(rows, features=FEATURES):
        path = tmp_path_factory.mktemp("tables") / f"{rows}.parquet"
        subprocess.run([sys.executable, "-c", MAKE, str(path), str(rows), str(features)], check=True)
        return path

    return make


def command(path, store, jobs, **settings):
    return run_command([f"{path}:target=y"], ["remix"], store=store, jobs=jobs, protocol="paper", **settings)


@pytest.mark.parametrize("rows", ROWS)
def test_rows(benchmark, table_of, tmp_path, rows, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    call = command(table_of(rows), tmp_path / "store", available_cores(), epochs=1, repeats=1)
    seconds, peak = benchmark.pedantic(run_measured, (call,), rounds=1)
    with capsys.disabled():
        size = rows * FEATURES * 4
        print(
            f"\n{rows:,} rows x {FEATURES}: {seconds:.1f} s for 2 nets, peak {peak / 1e9:.2f} GB ({peak / size:.1f} x)"
        )
    assert peak < MOST_BYTES


@pytest.mark.parametrize("nets", [2, 20, 200, 1000])
def test_nets(benchmark, table_of, tmp_path, nets, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    call = command(table_of(2000, 19), tmp_path / "store", available_cores(), epochs=10, repeats=nets // 2)
    seconds, peak = benchmark.pedantic(run_measured, (call,), rounds=1)
    with capsys.disabled():
        print(f"\n{nets} nets: {seconds:.1f} s, {nets / seconds:.1f} nets/s, peak {peak / 1e9:.2f} GB")


@pytest.mark.parametrize("cores", [1, 2, 4, 8])
def test_cores(benchmark, table_of, tmp_path, cores, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    if cores > available_cores():
        pytest.skip(f"this machine has {available_cores()} cores")
    table = table_of(6000, 166)

    def call(epochs):
        return command(table, tmp_path / f"store-{epochs}", cores, epochs=epochs)

    seconds, peak = benchmark.pedantic(run_measured, (call(300),), rounds=1)
    begun, _ = run_measured(call(1))
    with capsys.disabled():
        print(
            f"\n{cores} cores: {seconds:.1f} s for 20 nets of one job ({seconds - begun:.1f} s after the first epoch), "
            f"peak {peak / 1e9:.2f} GB"
        )
