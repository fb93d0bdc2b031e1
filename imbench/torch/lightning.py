"""Rebalance: a Lightning callback; needs the extra ``loops``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.model_helpers import is_overridden

from imbench.contract.errors import UsageError
from imbench.torch.rebalancer import Rebalancer


class Rebalance(Callback):
    """Rebalance the training batches of a `lightning.pytorch.Trainer`, on the device, and no other batches.

    ``training_step`` receives ``x, y, weight`` in place of ``x, y``, and takes its loss from ``rebalancer.loss``. The
    state of the rebalancer is kept in Lightning's checkpoints.

    Parameters
    ----------
    rebalancer : the rebalancer; the callback counts its epochs

    Raises
    ------
    UsageError for batches that are not ``(x, y)``.
    """

    def __init__(self, rebalancer: Rebalancer) -> None:
        self.rebalancer = rebalancer
        self._replaced: list[tuple[Any, Callable[..., Any] | None]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take over the hook that sees each batch on its device."""
        data = getattr(trainer, "datamodule", None)
        # Lightning asks the data module if it overrides the hook, and the model if not.
        theirs = data is not None and is_overridden("on_after_batch_transfer", data)
        self._take_over(trainer, data if theirs else pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the epoch."""
        self.rebalancer.epoch_end()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give the hook back."""
        self._give_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the hook back."""
        self._give_back()

    def state_dict(self) -> dict[str, Any]:
        """The state of the rebalancer."""
        return self.rebalancer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state of the rebalancer."""
        self.rebalancer.load_state_dict(state_dict)

    def _take_over(self, trainer: Trainer, owner: Any) -> None:
        transferred = owner.on_after_batch_transfer

        def rebalanced(batch: Any, dataloader_idx: int) -> Any:
            batch = transferred(batch, dataloader_idx)
            if not trainer.training:
                return batch
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise UsageError(
                    f"Rebalance needs training batches (x, y), got a {type(batch).__name__}; return (x, y) from the "
                    "dataset, or call the rebalancer in training_step"
                )
            return self.rebalancer(*batch)

        self._replaced.append((owner, vars(owner).get("on_after_batch_transfer")))
        owner.on_after_batch_transfer = rebalanced

    def _give_back(self) -> None:
        for owner, before in self._replaced:
            if before is None:
                del owner.on_after_batch_transfer
            else:
                owner.on_after_batch_transfer = before
        self._replaced = []
