"""What each strategy's own work is of training: the share of a step that is spent before the nets see the batch."""

import pytest

from imbench.runs.registry import strategies
from tests.benchmarks.nets import in_processes, step_parts

# The most of a step on Musk's nets.
MOST = {"batch-smote": 0.30}
USUAL = 0.15
OURS = [entry for entry in strategies() if entry.package == "imbench"]
FOR_TABLES = [entry.name for entry in OURS if "tabular" in entry.load().modalities]


@pytest.mark.parametrize("shape", ["segment", "musk"])
@pytest.mark.parametrize("name", FOR_TABLES)
def test_share_of_a_step(benchmark, name, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    ((gather, own, nets),) = benchmark.pedantic(in_processes, (step_parts, shape, name), rounds=1)
    step = gather + own + nets
    benchmark.extra_info.update(gather=gather, strategy=own, nets=nets)
    with capsys.disabled():
        wanted = f", wanted {MOST.get(name, USUAL):.0%}" if shape == "musk" else ""
        print(f"\n{shape}, {name}: {own:.1f} of {step:.1f} us a step, {own / step:.1%}{wanted}")
    assert shape != "musk" or own / step < 2 * MOST.get(name, USUAL)
