"""All outputs of a strategy for one case: its batch, and its loss and forward pass if it overrides them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from imbench.checks.global_state import same_globals
from imbench.checks.made import Case, copied, parts
from imbench.checks.result import ViolationError
from imbench.contract.strategy import BatchStrategy
from imbench.engine.mlp import Mlp

HIDDEN = (8, 8)


def own_loss(strategy: BatchStrategy) -> bool:
    """Whether the strategy overrides the loss."""
    return strategy.overrides("loss")


def own_forward(strategy: BatchStrategy) -> bool:
    """Whether the strategy overrides the forward pass."""
    return strategy.overrides("forward")


class RecordedNet:
    """A small stack of nets that records which of its stages run; images are flattened first."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.calls: list[int] = []
        inputs, outputs = parameters[0].shape[1], parameters[-1].shape[-1]
        inner = Mlp((inputs,), outputs, HIDDEN).stages(parameters, (), training=True)
        self.stages: list[Callable[[Tensor], Tensor]] = [self._recorded(i, stage) for i, stage in enumerate(inner)]

    def __call__(self, x: Tensor) -> Tensor:
        """Logits, from running every stage."""
        for stage in self.stages:
            x = stage(x)
        return x

    def _recorded(self, number: int, stage: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(x: Tensor) -> Tensor:
            self.calls.append(number)
            return stage(x if number else x.flatten(2))

        return run


def parameters(case: Case) -> list[Tensor]:
    """Weights and biases of a net for each net of the case, ``(nets, inputs, outputs)`` and ``(nets, outputs)``."""
    features = int(np.prod(case.batch.x.shape[len(case.batch.stack) + 1 :]))
    widths = (features, *HIDDEN, case.batch.classes)
    values = []
    for layer, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        draws = [np.random.default_rng([layer, key]).normal(size=(inputs + 1, outputs)) for key in case.keys]
        both = torch.as_tensor(np.stack(draws) / np.sqrt(inputs), dtype=torch.float32)
        values += [both[:, :-1], both[:, -1]]
    return [value.requires_grad_() for value in values]


def logits_of(case: Case, scale: float = 3.0) -> Tensor:
    """Logits in the shape of the case's labels, different for each net."""
    shape = case.batch.y.shape[-2:]
    nets = [scale * np.random.default_rng([7, key]).normal(size=shape) for key in case.keys]
    logits = torch.as_tensor(np.stack(nets), dtype=torch.float32)
    return logits if case.batch.stack else logits[0]


def forwarded(strategy: BatchStrategy, case: Case, net: RecordedNet) -> tuple[Tensor, Tensor]:
    """Logits and labels of the strategy's forward pass over the case's rebalanced batch, of stack ``(nets,)``."""
    batch = copied(case.rebalanced(strategy))
    with same_globals():
        result = strategy.forward(net, batch, case.noise())
    if not (isinstance(result, tuple) and len(result) == 2):
        raise ViolationError(f"forward must return logits and labels, got {type(result).__name__}; return logits, y")
    return result


def computed(strategy: BatchStrategy, case: Case) -> dict[str, Tensor]:
    """All outputs of the strategy for this case by name; the case's stack is ``(nets,)``."""
    case = case.copy()
    result = strategy.rebalance(case.batch, case.info, case.noise())
    found = {f"rebalance {name}": value for name, value in parts(result).items()}
    if own_forward(strategy):
        logits, y = strategy.forward(RecordedNet(parameters(case)), copied(result), case.noise())
        found |= {"forward logits": logits.detach(), "forward y": y.detach()}
    if own_loss(strategy):
        found["loss"] = strategy.loss(logits_of(case), case.batch.y, case.info)
    return found


def different(one: dict[str, Tensor], other: dict[str, Tensor]) -> str:
    """The names of the outputs that differ in any digit; empty if none does."""
    names = [name for name in one if name not in other or not torch.equal(one[name], other[name])]
    return " and ".join([*names, *(name for name in other if name not in one)])


def far(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by more than ``tolerance`` times the largest absolute value of the second."""
    if one.shape != other.shape:
        return True
    largest = float(other.detach().abs().max()) if other.numel() else 0.0
    return bool(((one - other).abs() > tolerance * max(largest, 1e-30)).any())
