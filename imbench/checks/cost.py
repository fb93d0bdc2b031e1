"""Cost of a gradient step with a strategy and with the baseline, on batches like those of Musk."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch

from imbench.checks.made import Case, made
from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.engine.architectures import architecture_of
from imbench.engine.choice import one_thread
from imbench.engine.stacked import StackedNets
from imbench.strategies.baseline import Baseline

FEATURES, COUNTS, STEPS = 166, (61, 3), 32  # Musk at an imbalance ratio of 0.05, and a block of steps in the engines
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Microseconds of one gradient step of one net on one thread, the fastest of several blocks.

    Parameters
    ----------
    rebalance : the strategy's own work on the batch
    step : a whole step, including the strategy's loss or forward pass; None if there is no net for its modality
    baseline : a whole step of the baseline
    """

    rebalance: float
    step: float | None
    baseline: float | None

    def to_json(self) -> dict[str, float | None]:
        """The numbers by name."""
        return asdict(self)

    def __str__(self) -> str:
        own = f"rebalance {self.rebalance:.1f} us"
        if self.step is None or self.baseline is None:
            return f"{own} per batch of images (no comparison with the baseline)"
        return f"{own}, whole step {self.step:.0f} us, {self.step / self.baseline:.2f} times the baseline's"


def measure_cost(strategy: BatchStrategy) -> Cost:
    """Time a strategy and the baseline in the general engine, which needs no compiling; takes about a second.

    Steps of the fused engine are shorter, so the strategy takes a larger share of them; that engine does not support
    custom forward passes. Timings depend on the machine and its load. Errors of the strategy are not caught.
    """
    with one_thread():
        if "tabular" not in strategy.modalities:
            images = _repeated(made(strategy, COUNTS))
            return Cost(_fastest(lambda: _rebalance(strategy, images))[0], None, None)
        case = _musk_like()
        blocks = (lambda: _rebalance(strategy, case), _training(strategy, case), _training(Baseline(), case))
        return Cost(*_fastest(*blocks))


def _rebalance(strategy: BatchStrategy, case: Case) -> Batch:
    return strategy.rebalance(case.batch, case.info, case.noise())


def _training(strategy: BatchStrategy, case: Case) -> Callable[[], object]:
    protocol = Protocol()
    net = architecture_of((FEATURES,), len(COUNTS), protocol)
    weights = [net.weights(np.random.default_rng(0))]
    nets = StackedNets(net, weights, [np.random.default_rng(1)], strategy, protocol, capacity=(STEPS, sum(COUNTS)))
    rates = np.array([1e-3])

    def block() -> None:
        nets.advance(_rebalance(strategy, case), case.info, Noise(case.noise().generators, (1,)), rates)

    return block


def _musk_like() -> Case:
    rng = np.random.default_rng(0)
    labels = torch.as_tensor(rng.permuted(np.tile(np.repeat([0, 1], COUNTS), (1, STEPS, 1)), axis=-1))
    x = torch.as_tensor(rng.normal(size=(*labels.shape, FEATURES)), dtype=torch.float32)
    counts = torch.tensor([[[2180.0, 109.0]]])  # (nets, 1, classes)
    info = TrainingInfo(counts, "tabular", ("numeric",) * FEATURES, 0, 500)
    return Case(Batch(x, torch.nn.functional.one_hot(labels, len(COUNTS)).float()), info)


def _repeated(case: Case) -> Case:
    x, y = case.batch.x, case.batch.y
    shape = (1, STEPS)
    info = TrainingInfo(case.info.class_counts[None, None], case.info.modality, case.info.feature_kinds, 0, 500)
    return Case(Batch(x.expand(*shape, *x.shape).clone(), y.expand(*shape, *y.shape).clone()), info)


def _fastest(*blocks: Callable[[], object]) -> list[float]:
    """Microseconds per step of each block; blocks alternate so that load affects all, and round one is a warm-up."""
    times = []
    for _ in range(REPEATS + 1):
        marks = [time.perf_counter()]
        for block in blocks:
            block()
            marks.append(time.perf_counter())
        times.append(np.diff(marks))
    return [float(seconds) / STEPS * 1e6 for seconds in np.min(times[1:], axis=0)]
