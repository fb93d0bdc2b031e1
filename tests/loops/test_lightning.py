"""Rebalancing in Lightning: training batches, and no others."""

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

pytest.importorskip("lightning")

from lightning.pytorch import LightningDataModule, LightningModule, Trainer

from imbench import UsageError
from imbench.torch import Rebalancer
from imbench.torch.lightning import Rebalance
from tests.loops.made import COUNTS, Paced, X, Y

ROWS = TensorDataset(X.repeat(4, 1), Y.repeat(4))


class Model(LightningModule):
    def __init__(self, rebalancer):
        super().__init__()
        self.net, self.rebalancer, self.seen = torch.nn.Linear(3, 2), rebalancer, {"train": [], "other": []}

    def training_step(self, batch, number):
        x, y, weight = batch
        self.seen["train"].append((x, y, weight))
        return self.rebalancer.loss(self.net(x), y, weight)

    def validation_step(self, batch, number):
        x, y = batch
        self.seen["other"].append((x, y))

    test_step = predict_step = validation_step

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Data(LightningDataModule):
    """Rows whose features are negated on their device."""

    def train_dataloader(self):
        return DataLoader(ROWS, batch_size=16)

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return [-batch[0], batch[1]]


def trainer(rebalancer, folder, epochs=2, **options):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return Trainer(max_epochs=epochs, callbacks=[Rebalance(rebalancer)], default_root_dir=folder, **quiet | options)


def loader():
    return DataLoader(ROWS, batch_size=16)


def test_training_batches_are_those_of_the_rebalancer_and_others_stay(tmp_path):
    r, twin = (Rebalancer("cost-adjusted", class_counts=COUNTS) for _ in range(2))
    model = Model(r)
    fitted = trainer(r, tmp_path)
    fitted.fit(model, loader(), loader())
    fitted.test(model, loader(), verbose=False)
    assert len(model.seen["train"]) == 8
    assert r.epoch == 2
    for found in model.seen["train"]:
        assert all(torch.equal(a, b) for a, b in zip(found, twin(X, Y), strict=True))
    assert all(torch.equal(x, X) and torch.equal(y, Y) for x, y in model.seen["other"])
    assert len(model.seen["other"]) >= 12
    assert "on_after_batch_transfer" not in vars(model)


def test_a_data_module_keeps_its_own_hook(tmp_path):
    r, twin = (Rebalancer("remix", class_counts=COUNTS) for _ in range(2))
    model = Model(r)
    trainer(r, tmp_path, epochs=1).fit(model, datamodule=Data())
    assert torch.equal(model.seen["train"][0][0], twin(-X, Y)[0])


def test_a_checkpoint_holds_epoch_and_draws(tmp_path):
    r = Rebalancer(Paced(), class_counts=COUNTS, epochs=9)
    trainer(r, tmp_path, enable_checkpointing=True).fit(Model(r), loader())
    (path,) = tmp_path.rglob("*.ckpt")
    again = Rebalancer(Paced(), class_counts=COUNTS, epochs=9)
    model = Model(again)
    trainer(again, tmp_path, epochs=3).fit(model, loader(), ckpt_path=path)
    assert torch.equal(model.seen["train"][0][0], X + 2)
    assert again.state_dict()["steps"] == {"batch": 12, "forward": 0}


def test_batches_that_are_no_pairs_are_refused(tmp_path):
    r = Rebalancer("remix", class_counts=COUNTS)
    with pytest.raises(UsageError, match=r"needs training batches \(x, y\)"):
        trainer(r, tmp_path).fit(Model(r), DataLoader(TensorDataset(X, Y, Y), batch_size=16))
