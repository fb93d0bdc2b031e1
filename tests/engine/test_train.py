"""Every stacked computation must equal the plain loop."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench.contract.batch import Batch
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy
from imbench.engine.train import TrainingError, steps_per_epoch, train
from tests.engine.made import fit, make_dataset, make_folds, watched_ends
from tests.engine.plain import plain_loop


@dataclass(frozen=True)
class Plain(BatchStrategy):
    """Leaves the batch as it is."""

    name: ClassVar[str] = "plain"

    def rebalance(self, batch, info, noise):
        return batch


@dataclass(frozen=True)
class SoftAndWeighted(BatchStrategy):
    """Mixes labels and weighs rows at random."""

    name: ClassVar[str] = "soft-weighted"

    def rebalance(self, batch, info, noise):
        partner = batch.take(noise.permutation(batch.size))
        mixed = batch.mix(partner, noise.beta(2.0, 2.0))
        return mixed.weighted(noise.uniform(batch.size) + 0.5)


@dataclass(frozen=True)
class Focal(Plain):
    """Has a loss of its own."""

    name: ClassVar[str] = "focal"

    def loss(self, logits, y, info):
        p = (torch.softmax(logits, dim=-1) * y).sum(dim=-1)
        return -((1 - p) ** 2) * torch.log(p + 1e-7)


@dataclass(frozen=True)
class ByStages(SoftAndWeighted):
    """Runs the stages itself, with a forward of its own."""

    name: ClassVar[str] = "soft-weighted"

    def forward(self, net, batch, noise):
        x = batch.x
        for stage in net.stages:
            x = stage(x)
        return x, batch.y


STRATEGIES = [Plain(), SoftAndWeighted(), Focal(), ByStages()]
SHORT = Protocol(epochs=6, batch_size=16, dropout=0.0, schedule="constant")


def trained(dataset, folds, strategy, protocol):
    return train(dataset, folds, [fit(dataset, f, protocol.clip) for f in folds], strategy, protocol)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("drop_last", [True, False])
def test_the_stack_predicts_what_the_plain_loop_predicts(strategy, classes, drop_last):
    dataset = make_dataset(classes=classes)
    folds = make_folds(dataset)
    protocol = Protocol(epochs=6, batch_size=16, dropout=0.0, schedule="constant", drop_last=drop_last)
    stacked = trained(dataset, folds, strategy, protocol)
    for fold, ours in zip(folds, stacked, strict=True):
        fitted = fit(dataset, fold)
        _, model = plain_loop(dataset, fold, fitted, strategy, protocol)
        x = np.nan_to_num((dataset.x[fold.test] - fitted.center) * fitted.scale).clip(-5, 5)
        expected = torch.softmax(model(torch.from_numpy(x)), dim=-1).detach().numpy()
        np.testing.assert_allclose(ours.test.proba, expected, atol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("classes", [2, 10])
def test_the_stack_has_the_weights_of_the_plain_loop(strategy, classes):
    dataset = make_dataset(classes=classes)
    folds = make_folds(dataset, count=2, train=144)
    with watched_ends() as ends:
        trained(dataset, folds, strategy, SHORT)
    assert steps_per_epoch(144, SHORT) * SHORT.epochs >= 50
    for fold in folds:
        expected, _ = plain_loop(dataset, fold, fit(dataset, fold), strategy, SHORT)
        _, weights = ends[strategy, dataset.variant.spec, fold.repeat, fold.fold]
        for ours, theirs in zip(weights, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_net_does_not_depend_on_its_neighbours(dropout):
    dataset = make_dataset()
    folds = make_folds(dataset, count=4)
    protocol = Protocol(epochs=3, batch_size=16, dropout=dropout)
    together = trained(dataset, folds, SoftAndWeighted(), protocol)
    alone = trained(dataset, folds[2:3], SoftAndWeighted(), protocol)
    np.testing.assert_allclose(together[2].test.proba, alone[0].test.proba, atol=1e-6)
    assert together[2].steps == alone[0].steps


def test_training_twice_gives_the_same_bits():
    dataset = make_dataset()
    folds = make_folds(dataset)
    first, second = (trained(dataset, folds, SoftAndWeighted(), Protocol(epochs=3)) for _ in range(2))
    assert all((a.test.proba == b.test.proba).all() for a, b in zip(first, second, strict=True))


def test_nets_that_end_early_leave_the_others_as_they_are():
    dataset = make_dataset()
    folds = make_folds(dataset, count=4)
    changes = {"plateau_patience": 1, "patience": 2, "plateau_min_delta": 0.02, "learning_rate": 0.01, "batch_size": 16}
    protocol = Protocol(epochs=40, dropout=0.0, **changes)
    together = trained(dataset, folds, Plain(), protocol)
    assert len({p.epochs for p in together}) > 1
    for fold, ours in zip(folds, together, strict=True):
        (alone,) = trained(dataset, [fold], Plain(), protocol)
        assert (alone.epochs, alone.steps, alone.floor_epoch) == (ours.epochs, ours.steps, ours.floor_epoch)
        np.testing.assert_allclose(ours.test.proba, alone.test.proba, atol=1e-5)


def test_a_training_part_smaller_than_a_batch_is_one_batch():
    dataset = make_dataset()
    (result,) = trained(dataset, make_folds(dataset, count=1, train=40), Plain(), Protocol(epochs=5, batch_size=64))
    assert result.steps == 5


def test_predictions_name_the_source_rows_and_sum_to_one():
    dataset = make_dataset(classes=3)
    folds = make_folds(dataset)
    for fold, result in zip(folds, trained(dataset, folds, Plain(), SHORT), strict=True):
        assert (result.test.rows == fold.test + 1000).all()
        assert (result.validation.y == dataset.y[fold.validation]).all()
        np.testing.assert_allclose(result.test.proba.sum(axis=1), 1, atol=1e-5)
        assert result.train_counts.sum() == len(fold.train)


def test_a_net_learns_what_can_be_learnt():
    dataset = make_dataset(rows=600)
    folds = make_folds(dataset, train=300)
    results = trained(dataset, folds, Plain(), Protocol(epochs=30, batch_size=32))
    accuracy = np.mean([(r.test.proba.argmax(1) == r.test.y).mean() for r in results])
    assert accuracy > max(np.bincount(dataset.y)) / len(dataset.y) + 0.1


def test_a_loss_that_is_not_finite_is_an_error_that_names_the_fold():
    @dataclass(frozen=True)
    class Broken(Plain):
        def rebalance(self, batch, info, noise):
            return Batch(batch.x * 1e30, batch.y)

    dataset = make_dataset()
    with pytest.raises(TrainingError, match="repeat 0, fold 0 is nan after epoch 1"):
        trained(dataset, make_folds(dataset), Broken(), SHORT)


def test_the_best_checkpoint_is_that_of_the_least_validation_loss():
    dataset = make_dataset()
    folds = make_folds(dataset, count=2)
    protocol = Protocol(batch_size=14, learning_rate=0.02, schedule="constant")  # 10 steps an epoch

    def of(epochs, checkpoint="last"):
        return trained(dataset, folds, Plain(), replace(protocol, epochs=epochs, checkpoint=checkpoint))

    measured = [of(epochs) for epochs in (20, 40, 60, 70)]
    for i, best in enumerate(of(70, "best")):
        losses = [
            -np.log(r[i].validation.proba[np.arange(len(r[i].validation.y)), r[i].validation.y]).mean()
            for r in measured
        ]
        expected = measured[int(np.argmin(losses))][i]
        assert (best.test.proba == expected.test.proba).all()
        assert (best.validation.proba == expected.validation.proba).all()
        assert (best.epochs, best.steps) == (70, 700)
