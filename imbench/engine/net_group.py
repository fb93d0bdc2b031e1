"""NetGroup: nets of one job that train in step, with their batches, schedule and predictions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol as Interface

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise, on_device
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Predictions, Preprocessing, Split
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.contract.streams import stream
from imbench.engine.architectures import architecture_of
from imbench.engine.batches import Batches, Table
from imbench.engine.exposure import ExposureMeter
from imbench.engine.schedule import Schedule
from imbench.engine.validation import Given, TrainingError, Validation

# Limits of the memory of a prediction: rows at once, and output values of a layer at once.
PREDICTION_ROWS, PREDICTION_NUMBERS = 8192, 2**24

# Gradient steps between two measurements of the validation loss, of nets that predict with their best weights: the loss
# takes as long as a few steps.
CHECKPOINT_STEPS = 200

# One block: batches of stack (nets, steps), their training info, noise, and learning rates (nets,).
Block = tuple[Batch, TrainingInfo, Noise, np.ndarray]


class Nets(Interface):
    """The trained nets of a group: `FusedNets`, or a slice of `StackedNets`."""

    def logits(self, net: int, x: Tensor) -> Tensor:
        """Logits ``(rows, classes)`` of one net for rows ``(rows, *features)``."""

    def copy(self, net: int) -> list[Tensor]:
        """A copy of the arrays of one net."""

    def logits_of(self, arrays: Sequence[Tensor], x: Tensor) -> Tensor:
        """As `logits`, of a net with these arrays."""

    def keep(self, nets: np.ndarray) -> None:
        """Keep only the nets at these positions."""


@dataclass(frozen=True, eq=False)
class Request:
    """The arrays and settings of one job; the first fields are the parameters of `imbench.engine.train.train`.

    Parameters
    ----------
    start : for each fold, the arrays that its net starts from, in the order of its architecture; empty for drawn ones
    keep_arrays : whether `Predictions.arrays` are wanted
    on_epoch : called after each epoch with its number, from 1, and the mean training loss of each net still training
    """

    dataset: Dataset
    folds: Sequence[Fold]
    preprocessing: Sequence[Preprocessing]
    strategy: BatchStrategy
    protocol: Protocol
    start: Sequence[Sequence[np.ndarray]] = ()
    keep_arrays: bool = False
    on_epoch: Callable[[int, np.ndarray], None] | None = None


@dataclass(frozen=True, eq=False)
class _Prepared:
    batch: Batch
    info: TrainingInfo
    ends_epoch: bool

    def keep(self, nets: Tensor) -> _Prepared:
        info = replace(self.info, class_counts=self.info.class_counts[nets])
        return _Prepared(self.batch.keep(nets), info, self.ends_epoch)


class NetGroup:
    """Nets of one job that have equally many and equally large batches, from initial weights to predictions.

    A trainer sets `nets`, gets blocks from `next_block`, and reports their losses to `close_block`.

    Parameters
    ----------
    request : the job
    members : positions of the group's folds in ``request.folds``
    table : the job's data on the device
    batching : ``(steps, batch size, size of the incomplete last batch or 0)``, see `imbench.engine.batches.batching`
    ahead : whether `prefetch` may prepare the next block before the current one is finished. Results do not change,
        since each net draws from its own streams. Ignored for a custom forward pass, which draws from the same streams.
    """

    nets: Nets
    _losses: Tensor

    def __init__(
        self,
        request: Request,
        members: Sequence[int],
        table: Table,
        batching: tuple[int, int, int],
        *,
        ahead: bool = False,
    ) -> None:
        self.request, self.members, self.table = request, list(members), table
        self.strategy, self.protocol, dataset = request.strategy, request.protocol, request.dataset
        self.folds = [request.folds[i] for i in members]
        self.preprocessing = [request.preprocessing[i] for i in members]
        self.batches = Batches(table, dataset, self.folds, self.preprocessing, *batching)
        self.architecture = architecture_of(dataset.x.shape[1:], dataset.classes, self.protocol, dataset.card.modality)
        self._keys: list[tuple[str | int, ...]] = [(*dataset.stream_key, *fold.place.key) for fold in self.folds]
        steps = self.batches.steps + bool(self.batches.last)
        self.schedule = Schedule(len(self.folds), self.protocol, steps, may_end=not self.strategy.scheduled)
        self.streams = [stream("strategy", *key, self.strategy.name) for key in self._keys]
        self.counts = np.stack([_class_counts(dataset, fold.train) for fold in self.folds])
        self.exposure = ExposureMeter(self.counts, self.strategy, table.x.device)
        self._validation = Validation(self.strategy, table.x.device)
        self.active = np.arange(len(self.folds))  # positions in `folds` of the nets still training
        self.seconds = np.zeros(len(self.folds))
        self.predictions: dict[int, Predictions] = {}  # by position in the request's folds
        # Of ``checkpoint="best"``: the least validation loss of each net so far, and its arrays then.
        self._best: dict[int, tuple[float, list[Tensor]]] = {}
        self._ahead = ahead and not self.strategy.overrides("forward")
        self._counts = on_device(self.counts.astype(np.float32)[:, None], table.x.device)  # the same for all steps
        self._source = self._rebalanced()
        self._prepared: _Prepared | None = None
        self._error: BaseException | None = None
        self._begin_epoch(0)

    def weights(self) -> list[list[np.ndarray]]:
        """Initial arrays of each net."""
        if self.request.start:
            return [list(self.request.start[i]) for i in self.members]
        return [self.architecture.weights(stream("weights", *key)) for key in self._keys]

    def dropout_streams(self) -> list[np.random.Generator]:
        """The random stream of each net's dropout."""
        return [stream("dropout", *key) for key in self._keys]

    @property
    def done(self) -> bool:
        """Whether all nets have finished training."""
        return len(self.predictions) == len(self.folds)

    def next_block(self) -> Block:
        """The next block of batches, with its learning rates."""
        if self._error is not None:
            raise self._error
        if self._prepared is None:
            self._prepare()
        assert self._prepared is not None
        self._current, self._prepared = self._prepared, None
        batch, info = self._current.batch, self._current.info
        return batch, info, self._noise(batch.stack[:1]), self.schedule.rates

    def prefetch(self) -> None:
        """Prepare the next block now if ``ahead`` is set, while a GPU still computes the current one."""
        if self._ahead and self._prepared is None:
            try:
                self._prepare()
            except (Exception, SystemExit) as error:  # raised by `next_block`, if any net still needs that block
                self._error = error

    @property
    def ends_epoch(self) -> bool:
        """Whether the current block is the last of its epoch."""
        return self._current.ends_epoch

    def close_block(self, losses: Tensor) -> None:
        """Record the sums of the losses of the current block, ``(nets,)`` float64; the device may still compute them.

        At the end of an epoch this waits for the losses, updates the learning rates, and predicts with the nets that
        have finished. Raises `TrainingError` for a loss or predictions that are not finite.
        """
        batch = self._current.batch
        self._losses = self._losses + losses * batch.size
        self._rows += batch.stack[1] * batch.size
        if self.ends_epoch:
            means = self._losses.div_(self._rows).cpu().numpy()
            self._validation.settle()
            self._close_epoch(means)

    def add_seconds(self, seconds: float) -> None:
        """Add training time to each active net."""
        self.seconds[self.active] += seconds

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch, self._rows = epoch, 0
        self._losses = torch.zeros(len(self.active), dtype=torch.float64, device=self.table.x.device)

    def _close_epoch(self, losses: np.ndarray) -> None:
        epochs = self._epoch + 1
        if not np.isfinite(losses).all():
            fold = self.folds[self.active[int(np.argmin(np.isfinite(losses)))]]
            raise TrainingError(
                f"{self.strategy.spec}: the training loss of {fold.place} is "
                f"{losses[~np.isfinite(losses)][0]} after epoch {epochs}; check the strategy's batches and loss for "
                "values that are not finite"
            )
        if self.request.on_epoch is not None:
            self.request.on_epoch(epochs, losses)
        self.schedule.step(losses)
        ended = self.schedule.ended | (epochs == self.protocol.epochs)
        if self.protocol.checkpoint == "best":
            start, steps = time.perf_counter(), self.batches.steps + bool(self.batches.last)
            due = epochs * steps // CHECKPOINT_STEPS > self._epoch * steps // CHECKPOINT_STEPS
            for position in np.flatnonzero(ended | due):
                self._keep_if_best(int(position))
            self.add_seconds((time.perf_counter() - start) / len(self.active))
        for position in np.flatnonzero(ended):
            result = self._finish(int(position), epochs, float(losses[position]))
            self.predictions[self.members[self.active[position]]] = result
        if ended.any():
            self._keep(np.flatnonzero(~ended))
        self._begin_epoch(epochs)

    def _prepare(self) -> None:
        start = time.perf_counter()
        self._prepared = next(self._source, None)
        self.add_seconds((time.perf_counter() - start) / len(self.active))

    def _rebalanced(self) -> Iterator[_Prepared]:
        """All blocks of all epochs, rebalanced; the number of active nets can shrink between blocks."""
        dataset = self.request.dataset
        for epoch in range(self.protocol.epochs):
            for number, raw in enumerate(self.batches.epoch(), start=1):
                info = TrainingInfo(
                    self._counts,  # (nets, 1, classes)
                    dataset.card.modality,
                    dataset.feature_kinds,
                    epoch,
                    self.protocol.epochs,
                )
                given = Given.of(raw)
                batch = self._validation.rebalanced(self.strategy.rebalance(raw, info, self._noise(raw.stack)), given)
                self.exposure.update(raw, batch, self.active, epoch)
                yield _Prepared(batch, info, number == self.batches.blocks)

    def _noise(self, stack: tuple[int, ...]) -> Noise:
        return Noise([self.streams[i] for i in self.active], stack, self.table.x.device)

    def _keep(self, positions: np.ndarray) -> None:
        self.nets.keep(positions)
        self.active = self.active[positions]
        if not len(positions):
            return
        for part in (self.batches, self.schedule):
            part.keep(positions)
        chosen = on_device(positions, self.table.x.device)
        self._counts = self._counts[chosen]
        self._prepared = None if self._prepared is None else self._prepared.keep(chosen)

    def _keep_if_best(self, position: int) -> None:
        """Copy the arrays of a net if no validation loss, the mean cross-entropy, was lower before; ties go first."""
        index = int(self.active[position])
        fold = self.folds[index]
        y = on_device(self.request.dataset.y[fold.validation], self.table.x.device)
        logits = self._logits(partial(self.nets.logits, position), index, fold.validation)
        weight = self.request.dataset.weight
        if weight is None:
            loss = float(torch.nn.functional.cross_entropy(logits.double(), y))
        else:
            losses = torch.nn.functional.cross_entropy(logits.double(), y, reduction="none").cpu().numpy()
            loss = float(np.average(losses, weights=weight[fold.validation]))
        if index not in self._best or loss < self._best[index][0]:
            self._best[index] = loss, self.nets.copy(position)

    def _finish(self, position: int, epochs: int, loss: float) -> Predictions:
        index = self.active[position]
        fold = self.folds[index]
        floor = int(self.schedule.floor_epoch[position])
        _, arrays = self._best.pop(index, (0.0, None))
        net = partial(self.nets.logits, position) if arrays is None else partial(self.nets.logits_of, arrays)
        kept: tuple[np.ndarray, ...] = ()
        if self.request.keep_arrays:
            own = self.nets.copy(position) if arrays is None else arrays
            shapes = self.architecture.shapes
            kept = tuple(a.cpu().numpy().reshape(shape) for a, shape in zip(own, shapes, strict=True))
        return Predictions(
            fold.repeat,
            fold.fold,
            self._predict(net, index, fold.validation),
            self._predict(net, index, fold.test),
            self.counts[index],
            epochs,
            epochs * (self.batches.steps + bool(self.batches.last)),
            floor if 0 < floor <= epochs else None,
            loss,
            float(self.seconds[index]),
            self.exposure.exposure(int(index)),
            fold.draw,
            fold.train_seed,
            kept,
        )

    def _logits(self, net: Callable[[Tensor], Tensor], index: int, rows: np.ndarray) -> Tensor:
        """Logits ``(rows, classes)`` of a net for these rows, prepared as those of its fold."""
        fitted = self.preprocessing[index]
        at_once = max(1, min(PREDICTION_ROWS, PREDICTION_NUMBERS // max(self.architecture.outputs)))
        device = self.table.x.device
        center, scale = on_device(fitted.center[None], device), on_device(fitted.scale[None], device)
        return torch.cat(
            [
                net(self.table.rows(numbers[None], center, scale, fitted.clip)[0])
                for numbers in torch.split(on_device(rows, device), at_once)
            ]
        )

    def _predict(self, net: Callable[[Tensor], Tensor], index: int, rows: np.ndarray) -> Split:
        predicted = torch.softmax(self._logits(net, index, rows), dim=-1).cpu().numpy()
        if not np.isfinite(predicted).all():
            fold = self.folds[index]
            raise TrainingError(
                f"{self.strategy.spec}: the net of {fold.place} predicts "
                f"{predicted[~np.isfinite(predicted)][0]} after epoch {self._epoch + 1}; a gradient was not finite, "
                "perhaps that of the strategy's loss: clamp before powers, roots and logarithms"
            )
        dataset = self.request.dataset
        return Split(dataset.rows[rows], dataset.y[rows], predicted)


def _class_counts(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """``(classes,)`` of these rows; with weights, those of rows of mean weight 1."""
    if dataset.weight is None:
        return np.bincount(dataset.y[rows], minlength=dataset.classes)
    weight = dataset.weight[rows]
    return np.bincount(dataset.y[rows], weight / weight.mean(), dataset.classes)
