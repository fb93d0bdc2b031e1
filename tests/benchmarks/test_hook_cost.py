"""What a strategy's own loss, or mixing before a layer, adds to a step of the baseline on one core."""

import sys
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.protocol import Protocol
from imbench.engine.fused import FusedNets
from imbench.strategies.baseline import Baseline
from tests.benchmarks.nets import SHAPES, Epochs, in_processes, made


@dataclass(frozen=True)
class Focal(Baseline):
    """Cross-entropy times (1 - p)^2."""

    name: ClassVar[str] = "focal"

    def loss(self, logits, y, info):
        log_p = logits.log_softmax(dim=-1)
        return -(y * log_p * torch.expm1(log_p) ** 2).sum(dim=-1)


@dataclass(frozen=True)
class Hard(Baseline):
    """Cross-entropy of the likeliest class, which has no compiled form."""

    name: ClassVar[str] = "hard"

    def loss(self, logits, y, info):
        return -logits.log_softmax(dim=-1).gather(-1, y.argmax(dim=-1, keepdim=True)).squeeze(-1)


@dataclass(frozen=True)
class Mixing(HiddenMixStrategy):
    """Manifold MixUp."""

    name: ClassVar[str] = "mixing"

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        return HiddenMix(noise.choice(stages), noise.permutation(batch.size), noise.beta(2.0, 2.0))


# The most that a step may take, in steps of the baseline; None where it is told and not judged.
MOST = {
    ("compiled", "segment"): 1.4,
    ("compiled", "musk"): 1.2,
    ("autograd", "segment"): None,
    ("autograd", "musk"): None,
    ("mixing", "segment"): None,
    ("mixing", "musk"): 1.7,
    ("mixing", "seizure"): 1.7,
}
STRATEGIES = {"compiled": Focal(), "autograd": Hard(), "mixing": Mixing()}


def hook_cost(hook, shape):
    """Microseconds of the core's own time a net and step, of the baseline and with the hook, in turn."""
    features, size, rows, *_ = SHAPES[shape]
    data, protocol = made(features, rows), Protocol(batch_size=size)
    kinds = [Epochs(FusedNets, data, protocol, strategy) for strategy in (Baseline(), STRATEGIES[hook])]
    best = [np.inf, np.inf]
    for _ in range(8):
        for i, epochs in enumerate(kinds):
            start = time.thread_time()
            epochs.run()
            best[i] = min(best[i], (time.thread_time() - start) / epochs.net_steps * 1e6)
    return best


@pytest.mark.parametrize(("hook", "shape"), MOST)
def test_cost_of_a_hook(benchmark, hook, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    ((baseline, own),) = benchmark.pedantic(in_processes, (hook_cost, hook, shape), rounds=1)
    benchmark.extra_info.update(baseline=baseline, own=own)
    most = MOST[hook, shape]
    with capsys.disabled():
        print(f"\n{shape}, {hook}: {own:.1f} us a step, {own / baseline:.2f} of {baseline:.1f}; wanted {most}")
    assert most is None or own / baseline < most


if __name__ == "__main__":
    print(*globals()[sys.argv[1]](*sys.argv[2:]))
