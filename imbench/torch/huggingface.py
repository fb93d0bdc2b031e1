"""RebalancedTrainer and RebalancingCollator, for Hugging Face transformers; needs the extra ``loops``."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, default_data_collator

from imbench.contract.errors import UsageError
from imbench.torch.collate import WorkerDraws
from imbench.torch.rebalancer import Rebalancer

# The key of the rows' weights in a batch.
WEIGHT = "imbench_weight"


class RebalancingCollator:
    """A ``data_collator`` for training batches: rows are selected, token ids stay whole numbers.

    The batch gets soft ``labels`` ``(batch, classes)`` and the weights of the rows in the loss ``(batch,)`` as
    ``imbench_weight``; `RebalancedTrainer` uses both. Strategies that mix rows cannot be used with token ids.

    Parameters
    ----------
    rebalancer : the rebalancer
    collator : makes a dictionary of tensors from a list of examples; default: `transformers.default_data_collator`

    Raises
    ------
    UsageError for a strategy that mixes rows or reads features, and for batches without ``labels`` ``(batch,)``.
    """

    def __init__(self, rebalancer: Rebalancer, collator: Callable[[list[Any]], Any] = default_data_collator) -> None:
        self.rebalancer, self.collator = rebalancer, collator
        self._draws = WorkerDraws(rebalancer)

    def __call__(self, examples: Sequence[Any]) -> MutableMapping[str, Any]:
        """The rebalanced batch of a list of examples."""
        batch: MutableMapping[str, Any] = self.collator(list(examples))
        labels = batch.get("labels")
        if not isinstance(labels, Tensor) or labels.ndim not in (1, 2):
            raise UsageError("RebalancingCollator needs labels (batch,) in each batch, one class for each text")
        rows, y, weight = self.rebalancer.select(labels, self._draws.next())
        for key, values in batch.items():
            if isinstance(values, Tensor) and values.ndim and len(values) == len(labels):
                batch[key] = values[rows]
        batch["labels"], batch[WEIGHT] = y, weight
        return batch


class RebalancedTrainer(Trainer):
    """A `transformers.Trainer` that rebalances its training batches, and no others, with the strategy's loss.

    Parameters
    ----------
    args, kwargs : as for `transformers.Trainer`
    rebalancer : the rebalancer; the trainer counts its epochs
    """

    data_collator: Any

    def __init__(self, *args: Any, rebalancer: Rebalancer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if rebalancer.strategy.overrides("forward"):
            raise UsageError(
                f"{rebalancer.strategy.spec} has a forward pass of its own, which a Trainer does not call; take "
                "another strategy, or Rebalancer.forward in a loop of your own"
            )
        self.rebalancer = rebalancer
        # The loss is a mean over rows, so the steps of an accumulated gradient are averaged.
        self.model_accepts_loss_kwargs = False
        self.add_callback(_EpochCount(rebalancer))

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The training batches, rebalanced."""
        plain: Any = self.data_collator
        self.data_collator = RebalancingCollator(self.rebalancer, plain)
        try:
            loader: DataLoader[Any] = super().get_train_dataloader()
            return loader
        finally:
            self.data_collator = plain

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: MutableMapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The strategy's loss of a rebalanced batch, and the model's own loss of any other."""
        if WEIGHT not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        inputs = dict(inputs)
        labels, weight = inputs.pop("labels"), inputs.pop(WEIGHT)
        outputs = model(**inputs)
        loss = self.rebalancer.loss(outputs["logits"], labels, weight)
        return (loss, outputs) if return_outputs else loss


class _EpochCount(TrainerCallback):
    def __init__(self, rebalancer: Rebalancer) -> None:
        self._rebalancer = rebalancer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._rebalancer.epoch_end()
