"""BatchStrategy: the interface of a strategy that rebalances the mini-batches of training."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final

import numpy as np
import torch
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.labels import batch_labels
from imbench.contract.modality import modality_of_rows
from imbench.contract.noise import Noise
from imbench.contract.old_names import OldName, adopt_old_attributes
from imbench.contract.search_space import SearchSpace
from imbench.contract.spec import Specified, params_of, spec_of
from imbench.contract.text import shown


@dataclass(frozen=True, eq=False)
class TrainingInfo:
    """Facts about the training rows that strategies may use; validation and test rows are not included.

    Parameters
    ----------
    class_counts : ``(*stack, classes)`` or broadcastable to it, float32, training rows of each class
    modality : ``"tabular"``, ``"image"``, or another key of `imbench.contract.modality.MODALITIES`
    feature_kinds : ``"numeric"`` or ``"categorical"`` for each feature
    epoch, epochs : the current epoch, from 0, and the number of epochs of the protocol
    """

    class_counts: Tensor
    modality: str = "tabular"
    feature_kinds: tuple[str, ...] = ()
    epoch: int = 0
    epochs: int = 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.class_counts.shape[-1]


class Net(Protocol):
    """The network as a chain of stages, for strategies that override `BatchStrategy.forward`.

    ``net(x)`` returns logits ``(*stack, batch, classes)`` and equals applying all ``stages`` one after another. The
    values between two stages are the hidden representations that manifold methods mix.
    """

    @property
    def stages(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """The hidden layers in order, including dropout, then the output layer."""

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(*stack, batch, classes)`` of ``x`` ``(*stack, batch, *features)``."""


class BatchStrategy(Specified):
    """A strategy that rebalances mini-batches: a frozen dataclass of its parameters, with pure methods.

    Methods must work for any number of leading ``stack`` axes. If that is difficult, derive from `PerBatchStrategy`,
    whose method handles one batch.

    Attributes
    ----------
    name : name of the strategy, equal to that of its entry point (see `imbench.contract.spec.check_name`)
    version : raise it whenever the batches change, so that stored results are not mistaken for those of the new version
    modalities : supported modalities; a run on other data is refused before any work
    exemptions : names of conformance checks that do not apply to this strategy, each with the reason
    run_by_default : whether a run without ``--strategy`` trains it; False for wrappers of other strategies
    reads_features : whether `rebalance` reads ``batch.x``. False for a strategy that leaves x alone, or selects and
        mixes rows by the methods of `Batch` only; more of its nets are then trained together, which is faster
    scheduled : whether the strategy depends on ``info.epoch``. Its nets then train all epochs of the protocol, without
        early stopping. A wrapper copies this from the strategy inside
    search_space : parameters that ``imbench run --tune`` varies, each with its distribution, such as
        ``{"alpha": LogUniform(0.05, 1.0, "where the range is from")}``; the default of each is that of the field
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    modalities: ClassVar[tuple[str, ...]] = ("tabular", "image")
    exemptions: ClassVar[Mapping[str, str]] = {}
    run_by_default: ClassVar[bool] = True
    reads_features: ClassVar[bool] = True
    scheduled: ClassVar[bool] = False
    search_space: ClassVar[SearchSpace] = {}
    unasked = OldName("BatchStrategy.unasked", "run_by_default")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt_old_attributes(cls, {"unasked": "run_by_default"})

    @abstractmethod
    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Return the batch to train on instead of ``batch``, which must not be changed.

        Parameters
        ----------
        batch : ``x`` is ``(*stack, batch, *features)``, ``y`` is ``(*stack, batch, classes)``
        info : facts about the training rows
        noise : the only source of random numbers, with the stack of the batch

        Returns
        -------
        A batch of the same shapes. A strategy with a fallback, for example for batches with too few rows, marks these
        batches with `Batch.mark_fallback`.
        """

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """Loss of each row, ``(*stack, batch)``, from logits and soft labels ``(*stack, batch, classes)``.

        The engine multiplies it by ``batch.weight`` and takes the mean over the batch, as Keras does with class
        weights. Default: cross-entropy with soft labels, ``-sum_c y_c log softmax(logits)_c``.
        """
        return -(y * torch.log_softmax(logits, dim=-1)).sum(dim=-1)

    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Logits, and soft labels for the loss, both ``(*stack, batch, classes)``.

        Called at every step with the rebalanced batch; ``noise`` has the stack of the batch. Default:
        ``net(batch.x), batch.y``. Override it to mix hidden representations, or derive from `HiddenMixStrategy`.
        """
        return net(batch.x), batch.y

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """Expected class shares of the rebalanced batch, ``(*stack, classes)``, or None if they are not known.

        The share of a class is its mean soft label over the rebalanced rows, weighted by their weights, in expectation
        over the random draws for this ``batch``. Default: None.
        """
        return None

    def overrides(self, hook: str) -> bool:
        """Whether this strategy overrides ``"loss"`` or ``"forward"``; engines are faster with the defaults.

        A wrapper returns the answer of the strategy inside.
        """
        return getattr(type(self), hook) is not getattr(BatchStrategy, hook)

    @final
    @property
    def spec(self) -> str:
        """The canonical spec; defaults are left out, so that equal strategies have equal specs."""
        return spec_of(self.name, self)

    @final
    @property
    def params(self) -> dict[str, Any]:
        """All parameters with their values, in the order of declaration, including open-ended ones."""
        return params_of(self)

    @final
    def __call__(
        self,
        x: Any,
        y: Any,
        *,
        classes: int | None = None,
        class_counts: Any | None = None,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Rebalance one batch in your own training loop: ``x2, y2 = strategy(x, y)``.

        For strategies whose batches are all that they change, such as ``remix``. Those that set row weights, have a
        loss or a forward pass of their own, or change from epoch to epoch need `imbench.torch.Rebalancer`, which also
        draws anew at each step of a reproducible run.

        Parameters
        ----------
        x : ``(batch, *features)`` array or tensor; whole numbers become floating point
        y : ``(batch,)`` class numbers, or ``(batch, classes)`` soft labels whose rows sum to 1
        classes : number of classes; default: that of ``class_counts``, or else of the first batch that this object
            receives, which must then contain the last class
        class_counts : ``(classes,)`` training rows of each class; default: the class counts of this batch
        seed, generator : source of random numbers, at most one of the two; default: fresh entropy. Equal seeds give
            equal draws, so a loop must pass a ``generator`` or another seed at each step. The global generators of
            torch, numpy and random are not used.

        Returns
        -------
        x2 : ``(batch, *features)`` on the device of x
        y2 : ``(batch, classes)`` soft labels on the device of x

        Raises
        ------
        UsageError for a strategy of which x and y are only a part, and for a number of classes other than before.
        ValueError for invalid labels, or if both ``seed`` and ``generator`` are given.
        """
        self._refuse_lost_hooks()
        features = torch.as_tensor(x)
        features = features if features.is_floating_point() else features.to(torch.get_default_dtype())
        counts = None if class_counts is None else torch.as_tensor(class_counts, device=features.device)
        known = classes if classes is not None or counts is None else len(counts)
        given = torch.as_tensor(y, device=features.device)
        labels = batch_labels(given, len(features), known, features.dtype)
        if known is None:
            labels = self._as_before(labels, numbers=given.ndim == 1)
        counts = labels.sum(dim=0) if counts is None else counts
        noise = Noise([_generator(seed, generator)], (), features.device)
        info = TrainingInfo(counts.to(features.dtype), modality_of_rows(features.shape[1:]).name)
        batch = self.rebalance(Batch(features, labels), info, noise)
        if batch.weight is not None:
            raise self._lost("sets row weights")
        return batch.x, batch.y

    def _refuse_lost_hooks(self) -> None:
        """Raise `UsageError` for a strategy whose effect is not in x and y alone."""
        for hook, effect in (("loss", "a loss of its own"), ("forward", "a forward pass of its own")):
            if self.overrides(hook):
                raise self._lost(f"has {effect}")
        if self.scheduled:
            raise self._lost("changes from epoch to epoch")

    def _lost(self, effect: str) -> UsageError:
        return UsageError(
            f"{self.spec} {effect}, which strategy(x, y) would drop; use "
            f'imbench.torch.Rebalancer("{self.spec}", class_counts=...) and its methods'
        )

    def _as_before(self, labels: Tensor, *, numbers: bool) -> Tensor:
        """Labels with the number of classes of the first batch, which they decide if they are that batch."""
        # Kept beside the fields: it is no parameter, and two strategies are equal without it.
        found, wanted = labels.shape[-1], vars(self).setdefault("_classes", labels.shape[-1])
        if found > wanted or (found < wanted and not numbers):
            raise UsageError(
                f"the first batch of this {self.spec} had {wanted} classes, this one has {found}; pass classes=, the "
                "number of classes of the training rows"
            )
        return torch.nn.functional.pad(labels, (0, wanted - found))


class PerBatchStrategy(BatchStrategy):
    """A strategy that is implemented for a single batch; batches of a stack are processed in a loop."""

    @abstractmethod
    def rebalance_one(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """As `BatchStrategy.rebalance`, for one batch: x is ``(batch, *features)``, y is ``(batch, classes)``."""

    @final
    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """Apply `rebalance_one` to each batch of the stack, in order, with the random stream of its net."""
        if not batch.stack:
            return self.rebalance_one(batch, info, noise)
        counts = info.class_counts.expand(*batch.stack, batch.classes)
        results = []
        for index in np.ndindex(*batch.stack):
            single = Batch(batch.x[index], batch.y[index], None if batch.weight is None else batch.weight[index])
            net_noise = Noise([noise.generators[index[0]]], (), noise.device)
            result: object = self.rebalance_one(
                single, dataclasses.replace(info, class_counts=counts[index]), net_noise
            )
            if not isinstance(result, Batch):
                found = type(result).__name__
                raise ValueError(f"{self.spec}: rebalance_one returned {found}; return an imbench.Batch")
            results.append(result)
        try:
            return Batch(
                _restack([r.x for r in results], batch.stack),
                _restack([r.y for r in results], batch.stack),
                _restack_some([r.weight for r in results], 1.0, batch.stack),
                _restack_some([r.fallback for r in results], False, batch.stack),
            )
        except (RuntimeError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{self.spec}: rebalance_one returned batches that cannot be stacked ({shown(str(error), 200)}); "
                "return dense tensors of the shapes, types and device of the batch"
            ) from error


def _restack(parts: Sequence[Tensor], stack: tuple[int, ...]) -> Tensor:
    return torch.stack(list(parts)).reshape(*stack, *parts[0].shape)


def _restack_some(parts: Sequence[Tensor | None], default: float | bool, stack: tuple[int, ...]) -> Tensor | None:
    """As `_restack`, with ``default`` in place of None; None if all parts are None."""
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return _restack([torch.full_like(known, default) if part is None else part for part in parts], stack)


def _generator(seed: int | None, generator: torch.Generator | None) -> np.random.Generator:
    if seed is not None and generator is not None:
        raise ValueError("give seed or generator, not both")
    if generator is not None:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return np.random.Generator(np.random.PCG64DXSM(seed))
