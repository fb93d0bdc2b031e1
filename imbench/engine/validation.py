"""What a strategy returns is validated before the engines compute with it: compiled code trusts what it is given."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from imbench.contract.batch import FLOATS, Batch, flaw_of
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.contract.text import shown

# What nets compute in.
DTYPE = torch.float32
# How far labels may be below 0, and a row's from a sum of 1: a strategy may add up many rounded numbers.
TOLERANCE = 1e-3
_ADVICE = "imbench plugin check tests this"


class TrainingError(RuntimeError):
    """Training that went wrong: a strategy that breaks its contract, or numbers that are no longer finite."""


def check_shapes(batch: Batch, nets: int, features: Sequence[int], classes: int) -> None:
    """Raise ValueError unless a batch of stack ``(nets, steps)`` is one for so many nets of these dimensions."""
    wanted = (nets, *batch.stack[1:2], batch.size)
    if batch.x.shape != (*wanted, *features) or batch.y.shape != (*wanted, classes):
        raise ValueError(
            f"{nets} nets of {tuple(features)} features and {classes} classes take x {(*wanted, *features)} and "
            f"y {(*wanted, classes)}, got {tuple(batch.x.shape)} and {tuple(batch.y.shape)}"
        )


@dataclass(frozen=True)
class Given:
    """The tensors of a batch that a strategy is given, as they are before it runs: it may change them in place."""

    batch: Batch
    shapes: tuple[torch.Size, torch.Size]
    versions: tuple[int, int]

    @classmethod
    def of(cls, batch: Batch) -> Given:
        """Take note of a batch."""
        return cls(batch, (batch.x.shape, batch.y.shape), (batch.x._version, batch.y._version))


class Validation:
    """Validates what one strategy returns, block by block.

    Shapes and types are looked at at once, everywhere. So are values on a CPU; on a GPU, which must not be waited for,
    they are added to what `settle` looks at later.
    """

    def __init__(self, strategy: BatchStrategy, device: torch.device | str) -> None:
        self.strategy = strategy
        self._at_once = torch.device(device).type == "cpu"
        self._shares = "labels_are_shares" not in strategy.exemptions
        self._positive = "weights_sound" not in strategy.exemptions
        self._pending: list[Callable[[], None]] = []

    def rebalanced(self, result: Any, given: Given) -> Batch:
        """What `BatchStrategy.rebalance` returned, in float32. Raises `TrainingError` if it breaks the contract."""
        hook = "rebalance"
        if not isinstance(result, Batch):
            raise self._error(hook, f"returned {type(result).__name__}", "return an imbench.Batch")
        x, y = given.batch.x, given.batch.y
        shape, labels_shape = given.shapes
        found_x = self._tensor(hook, "features", result.x, shape, x.device)
        found_y = self._tensor(hook, "labels", result.y, labels_shape, y.device, whole=True)
        weight = result.weight
        if weight is not None:
            weight = self._tensor(hook, "weights", weight, labels_shape[:-1], y.device, whole=True)
        self._fallback(hook, result.fallback, y)
        if found_x is result.x and found_y is result.y and weight is result.weight:
            batch = result
        else:
            batch = replace(result, x=found_x, y=found_y, weight=weight)
        if batch.x is not x or x._version != given.versions[0]:
            self._finite(hook, "features", batch.x)
        if batch.y is not y or y._version != given.versions[1]:
            self._labels(hook, batch.y)
        if batch.weight is not None:
            self._weights(hook, batch.weight)
        return batch

    def forwarded(self, result: Any, like: Tensor) -> tuple[Tensor, Tensor]:
        """The logits and labels that `BatchStrategy.forward` returned, both shaped as the labels ``like``."""
        hook = "forward"
        if not (isinstance(result, tuple) and len(result) == 2):
            raise self._error(hook, f"returned {type(result).__name__}", "return logits and labels")
        logits = self._tensor(hook, "logits", result[0], like.shape, like.device, gradient=True)
        y = self._tensor(hook, "labels", result[1], like.shape, like.device, whole=True)
        if y is not like:
            self._labels(hook, y)
        return logits, y

    def losses(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """``(nets, batch)`` losses of `BatchStrategy.loss`."""
        result = self.strategy.loss(logits, y, info)
        return self._tensor("loss", "losses", result, y.shape[:-1], y.device, gradient=True)

    @contextmanager
    def differentiating(self, hook: str) -> Iterator[None]:
        """Raise `TrainingError` for a result of this hook of which PyTorch finds no gradient meanwhile."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            wrong = f"returned what has no gradient ({shown(str(error), 200)})"
            raise self._error(hook, wrong, "compute it by torch from the logits") from error

    def settle(self) -> None:
        """Look at the values that have not been looked at yet. Raises `TrainingError` for wrong ones."""
        pending, self._pending = self._pending, []
        for check in pending:
            check()

    def _tensor(
        self,
        hook: str,
        thing: str,
        value: Any,
        shape: Sequence[int],
        device: torch.device,
        *,
        whole: bool = False,
        gradient: bool = False,
    ) -> Tensor:
        """The value as a dense float32 tensor of this shape. ``whole``: whether whole numbers lose nothing."""
        if not isinstance(value, Tensor):
            raise self._error(hook, f"returned {thing} of type {type(value).__name__}", "return a torch.Tensor")
        if flaw := flaw_of(value, device):
            raise self._error(hook, f"returned {thing} {flaw}", f"return dense tensors on {device}")
        if value.shape != tuple(shape):
            keep = "keep the rows, features and classes of the batch" if hook == "rebalance" else "return that shape"
            raise self._error(hook, f"returned {thing} of shape {tuple(value.shape)}, not {tuple(shape)}", keep)
        if value.requires_grad and not gradient:
            raise self._error(hook, f"returned {thing} with a gradient", "detach() them")
        if gradient and not value.requires_grad:
            raise self._error(hook, f"returned {thing} without a gradient", "compute them from the logits by torch")
        if gradient and value.dtype in FLOATS:
            return value
        if value.dtype == DTYPE:
            # Compiled code reads the bytes as they are: of whole numbers, with their own sign.
            return value.clone() if value.is_neg() or value.data_ptr() % value.element_size() else value
        kind = str(value.dtype).removeprefix("torch.")
        if value.is_complex() or not (value.is_floating_point() or whole):
            raise self._error(hook, f"returned {thing} of type {kind}", "return float32")
        _note_cast(self.strategy.name, thing, kind)
        return value.to(DTYPE)

    def _fallback(self, hook: str, value: Any, y: Tensor) -> None:
        """Raise `TrainingError` unless this is `Batch.fallback` for labels like these."""
        if value is None:
            return
        if not isinstance(value, Tensor) or value.dtype != torch.bool:
            found = str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__
            raise self._error(hook, f"returned a fallback of type {found}", "mark it with Batch.mark_fallback")
        if flaw := flaw_of(value, y.device):
            raise self._error(hook, f"returned a fallback {flaw}", f"return dense tensors on {y.device}")
        if value.shape != y.shape[:-2]:
            wrong = f"returned a fallback of shape {tuple(value.shape)}, not {tuple(y.shape[:-2])}"
            raise self._error(hook, wrong, "mark it with Batch.mark_fallback")

    def _finite(self, hook: str, thing: str, values: Tensor) -> None:
        # A sum reads a block at the speed of memory; it is finite only if every number is.
        total, fix = values.sum(), "return finite numbers"
        if self._at_once:
            if not math.isfinite(float(total)) and not (finite := values.isfinite()).all():
                raise self._error(hook, f"returned {thing} with the value {float(values[~finite][0])}", fix)
            return

        def check() -> None:
            if not math.isfinite(float(total)):
                raise self._error(hook, f"returned {thing} that add up to {float(total)}", fix)

        self._look(check)

    def _labels(self, hook: str, y: Tensor) -> None:
        if not self._shares:
            self._finite(hook, "labels", y)
            return
        # Column by column: a sum over so short an axis takes several times as long.
        sums = functools.reduce(torch.add, y.unbind(-1))
        found = y.min(), *sums.aminmax()

        def check() -> None:
            least, low, high = map(float, found)
            if not (low >= 1 - TOLERANCE and high <= 1 + TOLERANCE):
                wrong = f"returned labels that sum to {low:.6g} to {high:.6g} in a row"
                raise self._error(hook, wrong, "the labels of a row must sum to 1")
            if not least >= -TOLERANCE:
                raise self._error(hook, f"returned a label of {least:.6g}", "labels are shares from 0 to 1")

        self._look(check)

    def _weights(self, hook: str, weight: Tensor) -> None:
        if not self._positive:
            self._finite(hook, "weights", weight)
            return
        found = weight.aminmax()

        def check() -> None:
            least, most = map(float, found)
            if not (least >= 0 and most < math.inf):
                wrong = most if least >= 0 else least
                raise self._error(hook, f"returned a weight of {wrong:.6g}", "weights are finite and from 0 up")

        self._look(check)

    def _look(self, check: Callable[[], None]) -> None:
        self._pending.append(check)
        if self._at_once:
            self.settle()

    def _error(self, hook: str, found: str, fix: str) -> TrainingError:
        return TrainingError(f"{self.strategy.spec}: {hook} {found}; {fix} ({_ADVICE})")


@functools.cache
def _note_cast(name: str, thing: str, kind: str) -> None:
    """Say once a process that a strategy's numbers are rounded."""
    warnings.warn(
        f"{name} returns {thing} of type {kind}; nets train in float32, to which they are rounded", stacklevel=2
    )
