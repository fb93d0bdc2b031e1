"""The plateau rule against torch's and a plain loop; each net for itself; and who ends early."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.protocol import Protocol
from imbench.engine.schedule import Schedule
from imbench.engine.train import train
from imbench.strategies.augmented import Augmented
from tests.engine.made import fit, make_dataset, make_folds
from tests.engine.test_images import PIXELS, make_images
from tests.engine.test_train import ByStages, Plain

LOSSES = st.lists(st.lists(st.sampled_from([0.5, 0.49995, 0.4998, 0.4, 0.3]), min_size=3, max_size=3), max_size=60)


def keras_plateau(losses, protocol):
    """Keras's rule, line by line, for one net; the rate after each epoch."""
    rate, best, wait, rates = protocol.learning_rate, np.inf, 0, []
    for loss in losses:
        if loss < best - protocol.plateau_min_delta:
            best, wait = loss, 0
        else:
            wait += 1
            if wait >= protocol.plateau_patience and rate > protocol.learning_rate_floor:
                rate = max(rate * protocol.plateau_factor, protocol.learning_rate_floor)
                wait = 0
        rates.append(rate)
    return rates


@given(LOSSES)
def test_each_net_follows_the_plateau_rule_alone(losses):
    protocol = Protocol()
    schedule = Schedule(3, protocol, 10)
    rates = []
    for epoch in losses:
        schedule.step(np.array(epoch))
        rates.append(schedule.rates)
    for net in range(3):
        assert [r[net] for r in rates] == keras_plateau([e[net] for e in losses], protocol)


def test_a_flat_loss_reaches_the_floor_after_three_cuts():
    schedule = Schedule(1, Protocol(), 10)
    epochs = 0
    while not schedule.floor_epoch[0]:
        schedule.step(np.array([1.0]))
        epochs += 1
    assert schedule.rates[0] == 1e-5
    assert epochs == 1 + 5 + 5 + 5
    assert schedule.floor_epoch[0] == epochs + 1


@pytest.mark.parametrize(
    ("patience", "steps", "ends_after"), [(3, 1, 19), (30, 10, 19), (25, 10, 19), (10, 1, 26), (None, 10, None)]
)
def test_a_net_ends_once_idle_at_the_floor_for_so_many_steps(patience, steps, ends_after):
    schedule = Schedule(1, Protocol(patience=patience), steps)
    ended = []
    for _ in range(40):
        schedule.step(np.array([1.0]))
        ended.append(bool(schedule.ended[0]))
    assert (ended.index(True) + 1 if any(ended) else None) == ends_after


def test_only_what_the_plateau_rule_calls_an_improvement_lets_a_net_go_on():
    schedule = Schedule(2, Protocol(patience=30), 10)
    for epoch in range(60):
        falling = 1.0 - 2e-4 * max(0, epoch - 15)  # from the floor on
        schedule.step(np.array([falling, 1.0 - 1e-7 * epoch]))
    assert schedule.floor_epoch.tolist() == [17, 17]
    assert schedule.ended.tolist() == [False, True]


def test_waiting_starts_at_the_floor():
    schedule = Schedule(1, Protocol(patience=10, plateau_patience=20), 10)
    for _ in range(1 + 3 * 20):
        schedule.step(np.array([1.0]))
        assert not schedule.ended[0]
    schedule.step(np.array([1.0]))
    assert schedule.ended[0]


@given(LOSSES, st.integers(1, 30), st.integers(1, 9))
def test_each_net_ends_by_its_own_losses(losses, patience, steps):
    protocol = Protocol(patience=patience, plateau_patience=1, plateau_factor=0.01)
    schedule = Schedule(3, protocol, steps)
    ends = []
    for epoch in losses:
        schedule.step(np.array(epoch))
        ends.append(schedule.ended.tolist())
    for net in range(3):
        assert [e[net] for e in ends] == plain_ends([e[net] for e in losses], protocol, steps)


def plain_ends(losses, protocol, steps):
    """The rule for one net in plain words: whether it has ended after each epoch."""
    rates, best = [protocol.learning_rate, *keras_plateau(losses, protocol)], np.inf
    ended, idle, at_end = False, 0, []
    for epoch, loss in enumerate(losses):
        improved = loss < best - protocol.plateau_min_delta
        best = loss if improved else best
        idle = 0 if improved or rates[epoch] > protocol.learning_rate_floor else idle + steps
        ended = ended or idle >= protocol.patience
        at_end.append(ended)
    return at_end


def test_cosine_equals_torch():
    protocol = Protocol(schedule="cosine", epochs=20)
    schedule = Schedule(2, protocol, 10)
    adam = torch.optim.Adam([torch.zeros(1, requires_grad=True)], protocol.learning_rate)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 20, protocol.learning_rate_floor)
    for _ in range(20):
        assert schedule.rates == pytest.approx(reference.get_last_lr()[0], rel=1e-9)
        adam.step()
        reference.step()
        schedule.step(np.zeros(2))


def test_constant_stays():
    schedule = Schedule(2, Protocol(schedule="constant"), 10)
    for _ in range(30):
        schedule.step(np.ones(2))
    assert (schedule.rates == 1e-3).all()


@dataclass(frozen=True)
class Scheduled(Plain):
    scheduled: ClassVar[bool] = True


@dataclass(frozen=True)
class ScheduledByStages(ByStages):
    scheduled: ClassVar[bool] = True


@pytest.mark.parametrize(("usual", "scheduled"), [(Plain(), Scheduled()), (ByStages(), ScheduledByStages())])
@pytest.mark.parametrize("modality", ["tabular", "image"])
def test_a_scheduled_strategy_trains_all_epochs_where_others_end(usual, scheduled, modality):
    dataset = make_dataset() if modality == "tabular" else make_images()
    folds = make_folds(dataset, count=2)
    fitted = [PIXELS if modality == "image" else fit(dataset, fold) for fold in folds]
    early = Protocol(epochs=6, batch_size=16, patience=1, plateau_patience=1, plateau_min_delta=1.0)
    early = replace(early, learning_rate_floor=early.learning_rate)  # at its floor from the beginning
    ended = train(dataset, folds, fitted, usual, early)
    never = train(dataset, folds, fitted, usual, replace(early, patience=None))
    whole = train(dataset, folds, fitted, scheduled, early)
    assert {p.epochs for p in ended} == {2}
    assert {p.epochs for p in whole} == {6}
    assert {p.steps for p in whole} == {p.steps for p in never}
    for ours, theirs in zip(whole, never, strict=True):
        assert np.array_equal(ours.test.proba, theirs.test.proba)


def test_a_wrapper_is_scheduled_as_what_it_wraps_is():
    assert Augmented(Scheduled()).scheduled
    assert not Augmented(Plain()).scheduled
