"""What each strategy's own work is of training: the share of a step that is spent before the nets see the batch."""

import pytest
import torch

from imbench.contract.protocol import Protocol
from imbench.engine.fused import FusedNets
from imbench.registry import strategies, strategy
from tests.benchmarks.nets import REPEATS, SHAPES, Epochs, made

# The most of a step on Musk's nets.
MOST = {"batch-smote": 0.30}
USUAL = 0.15


@pytest.mark.parametrize("shape", ["segment", "musk"])
@pytest.mark.parametrize("name", [entry.name for entry in strategies() if entry.package == "imbench"])
def test_share_of_a_step(benchmark, name, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    features, size, rows, *_ = SHAPES[shape]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        epochs = Epochs(FusedNets, made(features, rows), Protocol(batch_size=size), strategy(name))
        benchmark.pedantic(epochs.measure, rounds=3 * REPEATS, warmup_rounds=1)
    finally:
        torch.set_num_threads(threads)
    own, step = epochs.shares["strategy"], sum(epochs.shares.values())
    benchmark.extra_info.update(epochs.shares)
    with capsys.disabled():
        wanted = f", wanted {MOST.get(name, USUAL):.0%}" if shape == "musk" else ""
        print(f"\n{shape}, {name}: {own:.1f} of {step:.1f} us a step, {own / step:.1%}{wanted}")
    assert shape != "musk" or own / step < 2 * MOST.get(name, USUAL)
