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

        Strategies that only set row weights, such as ``cost-adjusted``, return x and y unchanged; `rebalance` returns
        the weights as ``batch.weight``.

        Parameters
        ----------
        x : ``(batch, *features)`` array or tensor
        y : ``(batch,)`` class numbers, or ``(batch, classes)`` soft labels
        classes : number of classes if ``y`` contains class numbers; default: the largest class number plus 1
        class_counts : ``(classes,)`` training rows of each class; default: the class counts of this batch
        seed, generator : source of random numbers, at most one of the two; default: fresh entropy. The global
            generators of torch, numpy and random are not used.

        Returns
        -------
        x2 : ``(batch, *features)`` on the device of x
        y2 : ``(batch, classes)`` soft labels on the device of x

        Raises
        ------
        ValueError for invalid class numbers, or if both ``seed`` and ``generator`` are given.
        """
        features = torch.as_tensor(x)
        features = features if features.is_floating_point() else features.to(torch.get_default_dtype())
        labels = soft_labels(torch.as_tensor(y, device=features.device), classes, features.dtype)
        counts = labels.sum(dim=0) if class_counts is None else torch.as_tensor(class_counts, device=features.device)
        noise = Noise([_generator(seed, generator)], (), features.device)
        info = TrainingInfo(counts.to(features.dtype), modality_of_rows(features.shape[1:]).name)
        batch = self.rebalance(Batch(features, labels), info, noise)
        return batch.x, batch.y


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


def soft_labels(y: Tensor, classes: int | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """One-hot labels ``(*stack, batch, classes)`` of class numbers ``(*stack, batch)``; soft labels are returned as is.

    Floating-point ``y`` with two or more axes is treated as soft labels. Raises ValueError for class numbers that are
    not integers in ``[0, classes)``.
    """
    if y.is_floating_point() and y.ndim >= 2:
        return y.to(dtype)
    numbers = y.long()
    if y.is_floating_point() and not torch.equal(numbers.to(y.dtype), y):
        raise ValueError("y must contain whole class numbers, or be (batch, classes) soft labels")
    count = int(numbers.max()) + 1 if classes is None else classes
    if numbers.numel() and (int(numbers.min()) < 0 or int(numbers.max()) >= count):
        raise ValueError(f"class numbers must be 0 to {count - 1}, got {int(numbers.min())} to {int(numbers.max())}")
    return torch.nn.functional.one_hot(numbers, count).to(dtype)


def _generator(seed: int | None, generator: torch.Generator | None) -> np.random.Generator:
    if seed is not None and generator is not None:
        raise ValueError("give seed or generator, not both")
    if generator is not None:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return np.random.Generator(np.random.PCG64DXSM(seed))
