"""BatchStrategy: the interface of one recipe for the mini-batches a network trains on."""

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
from imbench.contract.spec import Specified, params_of, spec_of


@dataclass(frozen=True, eq=False)
class TrainingInfo:
    """What may be known before training: facts of the training rows, never of a validation or test row.

    Parameters
    ----------
    class_counts : Tensor, ``(*stack, classes)`` or broadcastable to it, training rows of each class, float32
    modality : ``"tabular"``, ``"image"``, or another key of `imbench.contract.modality.MODALITIES`
    feature_kinds : ``"numeric"`` or ``"categorical"`` for each feature (empty for images)
    epoch, epochs : the current epoch, from 0, and how many the protocol allows
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
    """What a strategy that overrides `BatchStrategy.forward` is given: the network as a chain of stages.

    ``net(x)`` is the logits, ``(*stack, batch, classes)``, and equals running all ``stages`` one after another;
    the values between two stages are the hidden representations that manifold methods mix.
    """

    @property
    def stages(self) -> Sequence[Callable[[Tensor], Tensor]]:
        """The hidden layers in order, dropout included, then the output layer."""

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``(*stack, batch, classes)`` of ``x`` ``(*stack, batch, *features)``."""


class BatchStrategy(Specified):
    """One recipe for the mini-batches a network trains on: a frozen dataclass of its parameters, with pure methods.

    A subclass sets `name` to its entry point's name (`imbench.contract.spec.check_name` says what it may be) and raises
    `version` whenever its batches change, so that stored results of the old recipe are not taken for the new one's.
    Methods are written with operations that leave leading axes alone; what cannot be written so derives from
    `PerBatchStrategy`.

    `modalities` are the kinds of data it can serve; a run that pairs it with another is refused before any work.
    `exemptions` names the properties of `imbench.checks` that do not hold for it, each with the reason.
    `run_by_default` is whether a run that names no strategies trains it; False for a wrapper of other strategies.
    `scheduled` is whether what it does depends on ``info.epoch``; its nets then train all epochs of the protocol, also
    where those of others may end early. A wrapper takes it over from what it wraps.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    modalities: ClassVar[tuple[str, ...]] = ("tabular", "image")
    exemptions: ClassVar[Mapping[str, str]] = {}
    run_by_default: ClassVar[bool] = True
    scheduled: ClassVar[bool] = False
    unasked = OldName("BatchStrategy.unasked", "run_by_default")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        adopt_old_attributes(cls, {"unasked": "run_by_default"})

    @abstractmethod
    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch to train on in place of ``batch``, which is left as it is.

        ``batch.x`` is ``(*stack, batch, *features)``, ``batch.y`` ``(*stack, batch, classes)``; the result has the
        same shapes. ``noise`` has the same stack. A strategy that falls back to something simpler in some
        batches, because they have too few rows for example, marks them in the result's ``fallback``.
        """

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """``(*stack, batch)`` loss of each row from logits and soft labels ``(*stack, batch, classes)``.

        The engine multiplies by ``batch.weight`` and takes the mean over the batch, as Keras does with class weights.
        Default: cross-entropy with soft labels, ``-sum_c y_c log softmax(logits)_c``.
        """
        return -(y * torch.log_softmax(logits, dim=-1)).sum(dim=-1)

    def forward(self, net: Net, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """The logits ``(*stack, batch, classes)`` and the soft labels of the same shape for the loss.

        Called at every step with the rebalanced batch; ``noise`` has the batch's stack. Default:
        ``net(batch.x), batch.y``. Methods that mix hidden representations override it.
        """
        return net(batch.x), batch.y

    def class_share(self, batch: Batch, info: TrainingInfo) -> Tensor | None:
        """``(*stack, classes)``: the class shares that this strategy trains towards, or None if it does not know them.

        That is the mean soft label over the rows of the rebalanced batch, weighted by their weights, as expected over
        the strategy's draws for the ``batch`` it is given. Default: None.
        """
        return None

    def overrides(self, hook: str) -> bool:
        """Whether ``"loss"`` or ``"forward"`` is this recipe's own; where it is not, engines have faster ways.

        A wrapper answers for what it wraps.
        """
        return getattr(type(self), hook) is not getattr(BatchStrategy, hook)

    @final
    @property
    def spec(self) -> str:
        """The canonical spec: parameters at their default left out, so that equal strategies have equal specs."""
        return spec_of(self.name, self)

    @final
    @property
    def params(self) -> dict[str, Any]:
        """Every parameter with its value, in the order of declaration; open-ended ones as any other."""
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
        """Rebalance one batch of your own training loop: ``x2, y2 = strategy(x, y)``.

        Parameters
        ----------
        x : ``(batch, *features)`` array or tensor
        y : ``(batch,)`` whole class numbers, or ``(batch, classes)`` soft labels
        classes : number of classes when ``y`` holds class numbers; default: the largest one plus 1
        class_counts : ``(classes,)`` training rows of each class; default: those of this batch
        seed, generator : source of the random draws, at most one of them; default: fresh entropy. The global
            generators of torch, numpy and random are neither read nor advanced.

        Returns
        -------
        x2 : ``(batch, *features)``, y2 : ``(batch, classes)`` soft labels, on x's device

        A strategy that weighs rows (``cost-adjusted``) changes neither; ask `rebalance` for ``batch.weight``.
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
    """A strategy written for one batch at a time; it is looped over the stack."""

    @abstractmethod
    def rebalance_one(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """As `BatchStrategy.rebalance`, for one batch: ``x`` is ``(batch, *features)``, ``y`` ``(batch, classes)``."""

    @final
    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """`rebalance_one` for every batch of the stack, a net's batches in order, each net from its own stream."""
        if not batch.stack:
            return self.rebalance_one(batch, info, noise)
        counts = info.class_counts.expand(*batch.stack, batch.classes)
        results = []
        for index in np.ndindex(*batch.stack):
            single = Batch(batch.x[index], batch.y[index], None if batch.weight is None else batch.weight[index])
            own = Noise([noise.generators[index[0]]], (), noise.device)
            results.append(self.rebalance_one(single, dataclasses.replace(info, class_counts=counts[index]), own))
        return Batch(
            _restack([r.x for r in results], batch.stack),
            _restack([r.y for r in results], batch.stack),
            _restack_some([r.weight for r in results], 1.0, batch.stack),
            _restack_some([r.fallback for r in results], False, batch.stack),
        )


def _restack(parts: Sequence[Tensor], stack: tuple[int, ...]) -> Tensor:
    return torch.stack(list(parts)).reshape(*stack, *parts[0].shape)


def _restack_some(parts: Sequence[Tensor | None], default: float | bool, stack: tuple[int, ...]) -> Tensor | None:
    """As `_restack`, with what the batches that say nothing mean; None if none of them says anything."""
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return _restack([torch.full_like(known, default) if part is None else part for part in parts], stack)


def soft_labels(y: Tensor, classes: int | None = None, dtype: torch.dtype = torch.float32) -> Tensor:
    """Class numbers ``(*stack, batch)`` as one-hot ``(*stack, batch, classes)``; soft labels pass through.

    Floating-point ``y`` of two or more axes is taken for soft labels. Raises ValueError for class numbers below 0 or
    not below ``classes``.
    """
    if y.is_floating_point() and y.ndim >= 2:
        return y.to(dtype)
    numbers = y.long()
    if y.is_floating_point() and not torch.equal(numbers.to(y.dtype), y):
        raise ValueError("y must hold whole class numbers, or be (batch, classes) soft labels")
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
