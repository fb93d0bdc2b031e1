"""Rebalancer: everything that a strategy does, for a training loop that is not imbench's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.labels import batch_labels
from imbench.contract.modality import TABULAR, modality_of_rows
from imbench.contract.noise import Noise
from imbench.contract.strategy import BatchStrategy, TrainingInfo
from imbench.contract.streams import stream
from imbench.runs import registry
from imbench.torch.ranks import this_rank, whole


class Rebalancer:
    """A strategy for your training loop, with its row weights, loss, forward pass, schedule and random numbers.

    The draws of each step depend on ``seed``, the rank and the number of the step only: a run repeats, no step repeats
    the draws of another, and the ranks of a distributed training differ. The global generators are neither read nor
    advanced.

    Parameters
    ----------
    strategy : spec such as ``"remix:alpha=0.3"``, or a `BatchStrategy`
    class_counts : ``(classes,)`` training rows of each class, for example ``torch.bincount(y_train)``
    epochs : number of epochs of the training; needed for strategies that change from epoch to epoch (`ldam-drw`)
    seed : whole number from 0 up
    rank : number of this process in a distributed training; default: that of `torch.distributed`, else of the
        environment variable ``RANK``, else 0

    Raises
    ------
    UsageError for an unknown strategy and for values outside these ranges.

    >>> r = Rebalancer("cost-adjusted", class_counts=[90, 10])
    >>> x, y, weight = r(torch.zeros(3, 2), torch.tensor([0, 0, 1]))
    >>> weight
    tensor([0.5556, 0.5556, 5.0000])
    >>> r.loss(torch.zeros(3, 2), y, weight)
    tensor(1.4121)
    """

    def __init__(
        self,
        strategy: str | BatchStrategy,
        *,
        class_counts: Sequence[float] | np.ndarray | Tensor,
        epochs: int | None = None,
        seed: int = 0,
        rank: int | None = None,
    ) -> None:
        self.strategy = registry.strategy(strategy) if isinstance(strategy, str) else strategy
        if not isinstance(self.strategy, BatchStrategy):
            raise UsageError(f"Rebalancer.strategy must be a spec or a BatchStrategy, got {type(strategy).__name__}")
        self.class_counts = _counts(class_counts)
        if epochs is None and self.strategy.scheduled:
            raise UsageError(f"{self.strategy.spec} changes from epoch to epoch: pass epochs=, their number")
        self.epochs = None if epochs is None else whole("Rebalancer", "epochs", epochs, 1, "the epochs of the training")
        self.seed = whole("Rebalancer", "seed", seed, 0, "0 is usual")
        self._rank = None if rank is None else whole("Rebalancer", "rank", rank, 0, "the number of this process")
        self._epoch, self._modality = 0, TABULAR.name
        self._shared: Tensor | None = None  # the epoch, where the worker processes of a DataLoader see it
        self._steps = {"batch": 0, "forward": 0}

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_counts)

    @property
    def epoch(self) -> int:
        """The current epoch, from 0: the number of calls of `epoch_end`."""
        return self._epoch if self._shared is None else int(self._shared)

    @property
    def rank(self) -> int:
        """The number of this process, which decides the draws together with ``seed`` and the step."""
        return this_rank() if self._rank is None else self._rank

    def __call__(self, x: Any, y: Any, weight: Any | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """The batch to train on in place of this one.

        Parameters
        ----------
        x : ``(batch, *features)`` array or tensor on any device; half precision is computed in float32 and returned in
            its own type. Whole numbers, such as token ids, stay whole: rows can be selected, but not mixed
        y : ``(batch,)`` class numbers, or ``(batch, classes)`` soft labels whose rows sum to 1
        weight : ``(batch,)`` weights of the rows in the loss, from 0 up; default: 1

        Returns
        -------
        x : as x, ``(batch, *features)``
        y : ``(batch, classes)`` float32 soft labels (float64 for features in float64)
        weight : ``(batch,)`` weights of the rows in the loss, of the type of y; 1 for strategies that set none

        Raises
        ------
        UsageError for features that this strategy cannot use.
        ValueError for invalid labels or weights.
        """
        return self._rebalanced(torch.as_tensor(x), y, weight, self._key("batch"))

    def forward(self, model: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and soft labels, both ``(batch, classes)``, for strategies that mix hidden values.

        Needed for strategies such as ``manifold-remix``; for all others it is ``model(x), y``.

        Parameters
        ----------
        model : returns logits ``(batch, classes)``. For a strategy with a forward pass of its own a
            `torch.nn.Sequential`, or a model with ``stages``, modules that equal the model when they are applied one
            after another. Hidden values are mixed before a stage chosen at random
        x, y : as a call of this object returned them

        Raises
        ------
        UsageError for a model without stages, if the strategy needs them.
        """
        if not self.strategy.overrides("forward"):
            return model(x), y
        net, noise = _Staged(model, self.strategy.spec), _noise(self._key("forward"), x.device)
        return self.strategy.forward(net, Batch(x, y), noise)

    def loss(self, logits: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """The loss to minimise, a scalar: the mean over the batch of the strategy's loss of each row times its weight.

        As in the engine and in Keras, the sum of weighted losses is divided by the number of rows, not by the sum of
        weights.

        Parameters
        ----------
        logits : ``(batch, classes)``; half precision is computed in float32
        y : ``(batch, classes)`` soft labels, as a call of this object returned them
        weight : ``(batch,)``, as a call of this object returned them; default: 1
        """
        if logits.shape != y.shape or logits.ndim != 2 or logits.shape[1] != self.classes:
            raise ValueError(
                f"logits and y must both be (batch, {self.classes}), got {tuple(logits.shape)} and {tuple(y.shape)}; y "
                "and weight are what the rebalancer returned for this batch"
            )
        logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
        losses = self.strategy.loss(logits, y.to(logits.dtype), self._info(logits, self._epoch))
        return (losses if weight is None else losses * weight).mean()

    def epoch_end(self) -> None:
        """Count an epoch; call it after each one, for strategies that change from epoch to epoch."""
        self._set_epoch(self._epoch + 1)

    def share_epoch(self) -> None:
        """Keep the epoch where the worker processes of a DataLoader see it."""
        if self._shared is None:
            self._shared = torch.tensor(self._epoch)
            self._shared.share_memory_()  # type: ignore[no-untyped-call]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on from here, as plain numbers and text."""
        return {
            "strategy": self.strategy.spec,
            "class_counts": self.class_counts.tolist(),
            "seed": self.seed,
            "epoch": self.epoch,
            "steps": dict(self._steps),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of `state_dict`; raises `UsageError` if its strategy or class counts are not these."""
        for name, own in (("strategy", self.strategy.spec), ("class_counts", self.class_counts.tolist())):
            if state[name] != own:
                raise UsageError(
                    f"this state is of a rebalancer with {name} {state[name]}, this one has {own}; make it with the "
                    "same arguments, then load the state"
                )
        self.seed = state["seed"]
        self._set_epoch(state["epoch"])
        self._steps = dict(state["steps"])

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is started afresh knows nothing of the process group.
        return vars(self) | {"_rank": self.rank}

    def __repr__(self) -> str:
        return f"Rebalancer({self.strategy.spec!r}, class_counts={self.class_counts.tolist()}, seed={self.seed})"

    def select(self, y: Any, key: tuple[str | int, ...] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """As a call, for batches whose features are not one tensor: row numbers ``(batch,)`` in place of x.

        Raises `UsageError` for a strategy that mixes rows or reads features.
        """
        labels = torch.as_tensor(y)
        key = self._key("batch") if key is None else key
        return self._selected(labels, None, key, "token ids")

    def rebalanced(self, x: Any, y: Any, key: tuple[str | int, ...] | None) -> tuple[Tensor, Tensor, Tensor]:
        """As a call, with the random numbers of this key; None for those of the next step."""
        key = self._key("batch") if key is None else key
        return self._rebalanced(torch.as_tensor(x), y, None, key)

    def _rebalanced(
        self, x: Tensor, y: Any, weight: Any | None, key: tuple[str | int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        if x.ndim < 2:
            raise ValueError(f"x must be (batch, *features), got the shape {tuple(x.shape)}")
        labels = torch.as_tensor(y, device=x.device)
        if not x.is_floating_point():
            rows, labels, weight = self._selected(labels, weight, key, f"whole numbers ({x.dtype})")
            return x[rows], labels, weight
        features = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        batch = self._batch(features, labels, weight, key)
        return batch.x.to(x.dtype), batch.y, _weights(batch)

    def _selected(
        self, labels: Tensor, weight: Any | None, key: tuple[str | int, ...], what: str
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Row numbers, labels and weights of a strategy whose result does not depend on the features."""
        probes = [torch.arange(float(len(labels)), dtype=torch.float64)]
        if self.strategy.reads_features:  # or says so by default: its choice must then be one for other features too
            probes.append(torch.as_tensor(stream("probe", *key).standard_normal(len(labels))))
        results = [self._of_probe(probe.to(labels.device), labels, weight, key) for probe in probes]
        first = results[0]
        if first is None or any(
            other is None or not all(torch.equal(a, b) for a, b in zip(first, other, strict=True)) for other in results
        ):
            raise UsageError(
                f"{self.strategy.spec} cannot rebalance {what}: it computes with features; pass floating point "
                "(x.float() for images), mix hidden values (manifold-remix), or take a strategy that selects rows "
                "(random-over)"
            )
        return first

    def _of_probe(
        self, probe: Tensor, labels: Tensor, weight: Any | None, key: tuple[str | int, ...]
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """As `_selected`, by what becomes of the features ``(batch,)``; None if they are mixed or changed."""
        # A point of a parabola for each row: a mixture of two different points lies off it.
        batch = self._batch(torch.stack([probe, probe**2], dim=1), labels, weight, key)
        matches = (batch.x[:, None] == torch.stack([probe, probe**2], dim=1)).all(dim=-1)  # (new batch, batch)
        if not bool(matches.any(dim=1).all()):
            return None
        return matches.int().argmax(dim=1), batch.y.float(), _weights(batch).float()

    def _batch(self, x: Tensor, labels: Tensor, weight: Any | None, key: tuple[str | int, ...]) -> Batch:
        y = batch_labels(labels, len(x), self.classes, x.dtype)
        given = None if weight is None else _row_weights(weight, y)
        self._modality = modality_of_rows(tuple(x.shape[1:])).name
        if self._modality not in self.strategy.modalities:
            raise UsageError(
                f"{self.strategy.spec} supports {' and '.join(self.strategy.modalities)} data, and x has the shape "
                f"{tuple(x.shape)}, {self._modality} data; take another strategy"
            )
        return self.strategy.rebalance(Batch(x, y, given), self._info(x, self.epoch), _noise(key, x.device))

    def _info(self, like: Tensor, epoch: int) -> TrainingInfo:
        epochs = self.epochs or 1
        if self.strategy.scheduled and epoch >= epochs:
            raise UsageError(
                f"the {epochs} epochs of this rebalancer have ended; make it with epochs=, the number that you train"
            )
        return TrainingInfo(self.class_counts.to(like), self._modality, epoch=epoch, epochs=epochs)

    def _set_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        if self._shared is not None:
            self._shared.fill_(epoch)

    def _key(self, kind: str) -> tuple[str | int, ...]:
        """What the draws of the next step depend on."""
        self._steps[kind] += 1
        return kind, self.seed, self.rank, self._steps[kind] - 1


class _Staged:
    """A model as a `Net`: logits of ``(batch, *features)``, and the stages that equal it."""

    def __init__(self, model: Callable[[Tensor], Tensor], spec: str) -> None:
        if isinstance(model, torch.nn.parallel.DistributedDataParallel):
            raise UsageError(
                f"{spec} mixes between the stages of the model, and DistributedDataParallel synchronises its own "
                "forward pass only; call Rebalancer.forward inside the forward method of the module that you wrap"
            )
        stages = list(model) if isinstance(model, torch.nn.Sequential) else list(getattr(model, "stages", ()))
        if not stages:
            raise UsageError(
                f"{spec} mixes the hidden values of the model, and {type(model).__name__} does not show them; pass a "
                "torch.nn.Sequential, or give the model an attribute stages, modules that equal it one after another"
            )
        self._model, self.stages = model, stages

    def __call__(self, x: Tensor) -> Tensor:
        return self._model(x)


def _counts(values: Any) -> Tensor:
    try:
        counts = torch.as_tensor(values, dtype=torch.float32).cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"Rebalancer.class_counts must be numbers, got {values!r}; for example [900, 100]") from error
    if counts.ndim != 1 or len(counts) < 2:
        raise UsageError(
            f"Rebalancer.class_counts must be (classes,), at least 2 of them, got the shape {tuple(counts.shape)}; for "
            "example torch.bincount(y_train)"
        )
    if not bool(((counts >= 0) & counts.isfinite()).all()) or float(counts.sum()) <= 0:
        raise UsageError(f"Rebalancer.class_counts must be from 0 up and not all 0, got {counts.tolist()}")
    return counts


def _row_weights(weight: Any, y: Tensor) -> Tensor:
    given = torch.as_tensor(weight, device=y.device).to(y.dtype)
    if given.shape != y.shape[:1] or not bool(((given >= 0) & given.isfinite()).all()):
        raise ValueError(f"weight must be ({len(y)},) finite numbers from 0 up, got {weight!r}")
    return given


def _weights(batch: Batch) -> Tensor:
    return torch.ones_like(batch.y[:, 0]) if batch.weight is None else batch.weight


def _noise(key: tuple[str | int, ...], device: torch.device) -> Noise:
    return Noise([stream("rebalancer", *key)], (), device)
