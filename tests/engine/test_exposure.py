"""What is measured while training equals a plain count over the batches that the strategy saw and gave."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.contract.batch import Batch
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy
from imbench.engine.exposure import LABEL_EPOCHS
from imbench.engine.train import train
from imbench.strategies.baseline import Baseline
from imbench.strategies.batch_smote import BatchSMOTE
from imbench.strategies.cost_adjusted import CostAdjusted
from imbench.strategies.mixup import MixUp
from imbench.strategies.remix import ReMix
from tests.engine.made import fit, make_dataset, make_folds

PROTOCOL = Protocol(epochs=4, batch_size=16, drop_last=False)
STRATEGIES = [Baseline(), CostAdjusted(), BatchSMOTE(), MixUp(alpha=0.4), ReMix()]


@dataclasses.dataclass(frozen=True)
class Watched(BatchStrategy):
    """Another strategy, whose batches are kept for the test."""

    name: ClassVar[str] = "watched"
    inner: BatchStrategy = dataclasses.field(default_factory=Baseline)
    seen: list = dataclasses.field(default_factory=list)

    def rebalance(self, batch, info, noise):
        given = self.inner.rebalance(batch, info, noise)
        self.seen.append((batch, given))
        return given


def trained(strategy, classes=2, protocol=PROTOCOL):
    dataset = make_dataset(classes=classes)
    folds = make_folds(dataset, count=1)
    (found,) = train(dataset, folds, [fit(dataset, fold) for fold in folds], strategy, protocol)
    return found


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_exposure_equals_a_plain_count_over_the_batches(strategy, classes):
    watched = Watched(strategy)
    found = trained(watched, classes)
    rarest = int(np.argmin(found.train_counts))
    before, after, mass = [], [], np.zeros(classes)
    for raw, batch in watched.seen:
        for step in range(raw.stack[1]):
            before.append(float(raw.y[0, step, :, rarest].sum()))
            after.append(float(batch.y[0, step, :, rarest].sum()))
            for row in range(batch.size):
                weight = 1.0 if batch.weight is None else float(batch.weight[0, step, row])
                mass += weight * batch.y[0, step, row].double().numpy()
    assert found.exposure.empty == pytest.approx(np.mean(np.array(before) == 0))
    assert found.exposure.before == pytest.approx(np.mean(before))
    assert found.exposure.after == pytest.approx(np.mean(after), rel=1e-5)
    assert found.exposure.prior == pytest.approx(mass / mass.sum(), rel=1e-5)


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        (Baseline(), ""),
        (CostAdjusted(), ""),
        (BatchSMOTE(), "rows made up"),
        (MixUp(), "soft labels; rows made up"),
        (ReMix(), "soft labels; rows made up"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_recipe_whose_prior_does_not_tell_all_says_why(strategy, reason):
    assert trained(strategy).exposure.inexact == reason


class Oversampled(Baseline):
    """The batch's rows in another order, some of them twice: copies, and so nothing made up."""

    def rebalance(self, batch, info, noise):
        return batch.take(torch.arange(batch.size).flip(0).clamp(min=2).expand(*batch.stack, -1))


class Focal(Baseline):
    """A loss of its own."""

    def loss(self, logits, y, info):
        return super().loss(logits, y, info) ** 2


def test_copies_of_rows_are_not_made_up():
    assert trained(Oversampled()).exposure.inexact == ""


def test_a_loss_of_its_own_is_said():
    assert trained(Focal()).exposure.inexact == "a loss of its own"


def test_weights_in_the_loss_count_as_rows_do():
    prior = trained(CostAdjusted(), protocol=dataclasses.replace(PROTOCOL, epochs=20)).exposure.prior
    assert prior == pytest.approx([0.5, 0.5], abs=1e-6)


def test_a_net_that_ends_early_has_its_own_exposure():
    dataset = make_dataset()
    folds = make_folds(dataset, count=3)
    early = dataclasses.replace(PROTOCOL, epochs=40, patience=1, plateau_patience=1, learning_rate_floor=1e-3)
    fitted = [fit(dataset, fold) for fold in folds]
    together = train(dataset, folds, fitted, ReMix(), early)
    alone = [train(dataset, [f], [p], ReMix(), early)[0] for f, p in zip(folds, fitted, strict=True)]
    assert len({p.epochs for p in together}) > 1
    for a, b in zip(together, alone, strict=True):
        assert (a.exposure.empty, a.exposure.before) == (b.exposure.empty, b.exposure.before)
        assert a.exposure.prior == pytest.approx(b.exposure.prior, rel=1e-6)


def test_batches_that_fell_back_are_counted():
    watched = Watched(BatchSMOTE())
    found = trained(watched, classes=4)
    plain = [
        any(0 < int(count) < 3 for count in counts) or int((counts > 0).sum()) == 1
        for raw, _ in watched.seen
        for counts in raw.y[0].sum(dim=-2)
    ]
    assert 0 < np.mean(plain) < 1
    assert found.exposure.fallback == pytest.approx(np.mean(plain))


def test_a_strategy_that_does_not_say_has_no_share_of_fallbacks():
    assert trained(ReMix()).exposure.fallback is None


def test_only_the_first_epochs_are_looked_at():
    watched = Watched(Baseline())
    protocol = dataclasses.replace(PROTOCOL, epochs=LABEL_EPOCHS + 2)
    found = trained(watched, protocol=protocol)
    blocks = len(watched.seen) * LABEL_EPOCHS // (LABEL_EPOCHS + 2)
    first = [float(raw.y[0, step, :, 1].sum()) for raw, _ in watched.seen[:blocks] for step in range(raw.stack[1])]
    assert found.exposure.before == pytest.approx(np.mean(first))


@dataclasses.dataclass(frozen=True)
class WatchedToTheEnd(Watched):
    scheduled: ClassVar[bool] = True


def test_of_a_scheduled_strategy_all_epochs_are_looked_at():
    watched = WatchedToTheEnd(Baseline())
    found = trained(watched, protocol=dataclasses.replace(PROTOCOL, epochs=LABEL_EPOCHS + 2))
    every = [float(raw.y[0, step, :, 1].sum()) for raw, _ in watched.seen for step in range(raw.stack[1])]
    assert found.exposure.before == pytest.approx(np.mean(every))


def test_measuring_leaves_the_batches_as_they_are():
    y = torch.eye(2)[torch.tensor([0, 1, 0])].expand(1, 2, 3, 2).contiguous()
    raw = Batch(torch.rand(1, 2, 3, 4), y)
    from imbench.engine.exposure import ExposureMeter

    kept = raw.x.clone(), raw.y.clone()
    meter = ExposureMeter(np.array([[5, 2]]), Baseline(), torch.device("cpu"))
    meter.update(raw, Batch(raw.x + 1, raw.y), np.array([0]), 0)
    assert torch.equal(raw.x, kept[0])
    assert torch.equal(raw.y, kept[1])
    assert meter.exposure(0).inexact == "rows made up"
