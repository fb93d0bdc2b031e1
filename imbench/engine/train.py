"""Train one net on every fold of a variant: batches -> strategy -> nets -> predictions."""

from __future__ import annotations

import functools
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Predictions, Preprocessing, Split
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.contract.streams import stream
from imbench.engine.batches import BLOCK_STEPS, Batches, Table
from imbench.engine.exposure import ExposureMeter
from imbench.engine.mlp import glorot_uniform, mlp_widths
from imbench.engine.schedule import Schedule
from imbench.engine.stacked import StackedNets

if TYPE_CHECKING:
    from imbench.engine.fused import FusedNets

# Rows predicted at once: bounds the memory of a prediction, and changes no number.
PREDICTION_ROWS = 8192

# Bytes of one core's share of the last-level cache that a block of batches may take: changes speed, and no number.
CACHE_BYTES = 2**22


class TrainingError(RuntimeError):
    """Training that went wrong: a loss that is no longer a finite number."""


def train(
    dataset: Dataset,
    folds: Sequence[Fold],
    preprocessing: Sequence[Preprocessing],
    strategy: BatchStrategy,
    protocol: Protocol,
    *,
    device: torch.device | str = "cpu",
) -> list[Predictions]:
    """Train one net for each fold and predict its validation and test rows.

    Parameters
    ----------
    dataset, folds : the variant's arrays and its splits
    preprocessing : one for each fold, fitted inside it
    strategy, protocol : the recipe, and everything else (its exceptions applied)

    Returns
    -------
    One `Predictions` a fold, in the order of ``folds``. Each net's random streams are keyed by the variant, its repeat
    and fold, so its result does not depend on which folds are asked for together.

    Raises
    ------
    UsageError for a modality without a net, `TrainingError` when a training loss is not finite.
    """
    if dataset.x.ndim != 2:
        raise UsageError(
            f"{dataset.variant.spec} holds {dataset.card.modality} data of shape {dataset.x.shape[1:]}, and there is "
            "no net for it; choose a tabular dataset (imbench list datasets)"
        )
    table = Table(dataset, device)
    stacks = defaultdict(list)
    for i, fold in enumerate(folds):
        stacks[_batching(len(fold.train), protocol)].append(i)
    results: dict[int, Predictions] = {}
    with _flushed_denormals(), torch.no_grad():
        for (steps, batch_size, last), alike in stacks.items():
            most = _nets_together(strategy, table, min(steps, BLOCK_STEPS) * batch_size)
            for members in (alike[i : i + most] for i in range(0, len(alike), most)):
                of, fitted = [folds[i] for i in members], [preprocessing[i] for i in members]
                batches = Batches(table, dataset, of, fitted, steps, batch_size, last)
                stack = _Stack(dataset, of, fitted, strategy, protocol, table, batches)
                results.update(zip(members, stack.train(), strict=True))
    return [results[i] for i in range(len(folds))]


def steps_per_epoch(rows: int, protocol: Protocol) -> int:
    """Gradient steps that a net with this many training rows takes in an epoch."""
    steps, _, last = _batching(rows, protocol)
    return steps + bool(last)


def _batching(rows: int, protocol: Protocol) -> tuple[int, int, int]:
    """Whole batches an epoch, their size, and the size of the incomplete last one if it is used."""
    size = min(protocol.batch_size, rows)
    return rows // size, size, 0 if protocol.drop_last else rows % size


def _engine(strategy: BatchStrategy, device: torch.device) -> type[StackedNets] | type[FusedNets]:
    """The kind of nets to train: the fused ones on a CPU, unless the strategy has a forward pass of its own."""
    own_forward = type(strategy).forward is not BatchStrategy.forward
    return StackedNets if device.type != "cpu" or own_forward else _fused() or StackedNets


def _nets_together(strategy: BatchStrategy, table: Table, block_rows: int) -> int:
    """How many nets train side by side: for the fused engine, as many as have a block of batches fit the cache."""
    if _engine(strategy, table.x.device) is StackedNets:
        return sys.maxsize  # one operation for all nets is what makes that engine fast
    return max(1, CACHE_BYTES // (block_rows * table.x.shape[1] * table.x.element_size()))


def compile_once(device: torch.device | str = "cpu") -> float:
    """Compile what training on this device needs, so that worker processes find it on disk.

    Returns the seconds that took; 0 where it was there already, or there is nothing to compile.
    """
    start = time.perf_counter()
    if torch.device(device).type != "cpu" or "imbench.engine.kernel" in sys.modules or _fused() is None:
        return 0.0
    from imbench.engine.kernel import train_steps

    return time.perf_counter() - start if train_steps.stats.cache_misses else 0.0


@functools.cache
def _fused() -> type[FusedNets] | None:
    """The fused engine, which compiles on its first import on a machine; None, with one notice, without Numba."""
    try:
        from imbench.engine.fused import FusedNets
    except ImportError as error:
        warnings.warn(
            f"the fused engine needs Numba ({error}); nets train several times slower in torch: pip install numba",
            stacklevel=2,
        )
        return None
    return FusedNets


class _Stack:
    """Nets that take their steps together because their epochs have equally many."""

    def __init__(
        self,
        dataset: Dataset,
        folds: Sequence[Fold],
        preprocessing: Sequence[Preprocessing],
        strategy: BatchStrategy,
        protocol: Protocol,
        table: Table,
        batches: Batches,
    ) -> None:
        self.dataset, self.folds, self.preprocessing = dataset, folds, preprocessing
        self.strategy, self.protocol, self.table, self.batches = strategy, protocol, table, batches
        widths = mlp_widths(dataset.x.shape[1], dataset.classes, protocol)
        keys = [(*dataset.stream_key, fold.repeat, fold.fold) for fold in folds]
        self.nets = _engine(strategy, table.x.device)(
            widths,
            [glorot_uniform(widths, stream("weights", *key)) for key in keys],
            [stream("dropout", *key) for key in keys],
            strategy,
            protocol,
            table.x.device,
        )
        self.schedule = Schedule(len(folds), protocol)
        self.streams = [stream("strategy", *key, strategy.name) for key in keys]
        self.counts = np.stack([np.bincount(dataset.y[f.train], minlength=dataset.classes) for f in folds])
        self.exposure = ExposureMeter(self.counts, strategy, table.x.device)
        self.active = np.arange(len(folds))  # positions in `folds` of the nets still training
        self.seconds = np.zeros(len(folds))

    def train(self) -> list[Predictions]:
        """Train every net to its end; predictions in the order of the folds."""
        done: dict[int, Predictions] = {}
        for epoch in range(self.protocol.epochs):
            start = time.perf_counter()
            losses = self._epoch(epoch)
            self.schedule.step(losses)
            self.seconds[self.active] += (time.perf_counter() - start) / len(self.active)
            ended = self.schedule.ended | (epoch + 1 == self.protocol.epochs)
            for position in np.flatnonzero(ended):
                done[self.active[position]] = self._finish(int(position), epoch + 1, float(losses[position]))
            if ended.all():
                break
            if ended.any():
                self._keep(np.flatnonzero(~ended))
        return [done[i] for i in range(len(self.folds))]

    def _epoch(self, epoch: int) -> np.ndarray:
        """One pass over the training rows; ``(nets,)`` mean training losses."""
        counts = torch.as_tensor(self.counts[self.active], dtype=torch.float32, device=self.table.x.device)
        info = TrainingInfo(
            counts[:, None],  # (nets, 1, classes): the same for all steps
            self.dataset.card.modality,
            self.dataset.feature_kinds,
            epoch,
            self.protocol.epochs,
        )
        streams = [self.streams[i] for i in self.active]
        device = self.table.x.device
        total, rows = np.zeros(len(self.active)), 0
        for raw in self.batches.epoch():
            batch = self.strategy.rebalance(raw, info, Noise(streams, raw.stack, device))
            self.exposure.see(raw, batch, self.active, epoch)
            losses = self.nets.advance(batch, info, Noise(streams, raw.stack[:1], device), self.schedule.rates)
            total += losses * batch.size
            rows += batch.stack[1] * batch.size
        mean: np.ndarray = total / rows
        if not np.isfinite(mean).all():
            fold = self.folds[self.active[int(np.argmin(np.isfinite(mean)))]]
            raise TrainingError(
                f"the training loss of repeat {fold.repeat}, fold {fold.fold} is {mean[~np.isfinite(mean)][0]} after "
                f"epoch {epoch + 1}; the strategy's batches or loss may hold values that are not finite"
            )
        return mean

    def _keep(self, positions: np.ndarray) -> None:
        self.active = self.active[positions]
        for part in (self.nets, self.batches, self.schedule):
            part.keep(positions)

    def _finish(self, position: int, epochs: int, loss: float) -> Predictions:
        index = self.active[position]
        fold = self.folds[index]
        floor = int(self.schedule.floor_epoch[position])
        return Predictions(
            fold.repeat,
            fold.fold,
            self._predict(position, index, fold.validation),
            self._predict(position, index, fold.test),
            self.counts[index],
            epochs,
            epochs * (self.batches.steps + bool(self.batches.last)),
            floor if 0 < floor <= epochs else None,
            loss,
            float(self.seconds[index]),
            self.exposure.of(int(index)),
        )

    def _predict(self, position: int, index: int, rows: np.ndarray) -> Split:
        fitted = self.preprocessing[index]
        device = self.table.x.device
        center = torch.as_tensor(fitted.center, device=device)
        scale = torch.as_tensor(fitted.scale, device=device)
        parts = [
            torch.softmax(self.nets.logits(position, self.table.rows(numbers, center, scale, fitted.clip)), dim=-1)
            for numbers in torch.split(torch.as_tensor(rows, device=device), PREDICTION_ROWS)
        ]
        return Split(self.dataset.rows[rows], self.dataset.y[rows], torch.cat(parts).cpu().numpy())


@contextmanager
def _flushed_denormals() -> Iterator[None]:
    """Denormals read as 0 meanwhile: dead units make them, and they slow a step many times."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
