"""Jobs trained together, over strategies and variants, give what each gives alone, and fail alone."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Variant
from imbench.engine import group
from imbench.engine import trainers as together
from imbench.engine.batches import Table, batching
from imbench.engine.fused import FusedNets
from imbench.engine.group import train_group
from imbench.engine.net_group import NetGroup, Request
from imbench.engine.stacked import StackedNets
from imbench.engine.validation import TrainingError
from imbench.strategies.batch_smote import BatchSMOTE
from imbench.strategies.cost_adjusted import CostAdjusted
from imbench.strategies.remix import ReMix
from tests.engine.made import SMOOTH, fit, make_dataset, make_folds, watched_ends
from tests.engine.plain import plain_loop, tolerance
from tests.engine.test_stacked import recorded
from tests.engine.test_train import ByStages, Focal, Plain, SoftAndWeighted

RECIPES = [Plain(), SoftAndWeighted(), Focal(), ByStages(), ReMix(), CostAdjusted(), BatchSMOTE()]
# Ends early, at epochs of its own for each net; the last batch is smaller than the others. At small rates: where a unit
# wakes up, Adam turns a difference in rounding into a whole step, whatever the engine.
EARLY = Protocol(
    epochs=10,
    batch_size=16,
    dropout=0.2,
    plateau_patience=1,
    plateau_min_delta=0.02,
    patience=1,
    learning_rate=1.5e-3,
    learning_rate_floor=1e-3,
    drop_last=False,
)


def variant(seed, *, classes=2, train=140, nets=3):
    """A dataset of its own, whose epochs have a number of steps of their own, and its folds."""
    made = make_dataset(classes=classes, seed=seed)
    dataset = replace(made, variant=Variant("made", made.variant.task, seed=seed))
    return dataset, make_folds(dataset, nets, train)


def request(of, strategy, protocol=EARLY):
    dataset, folds = of
    return Request(dataset, folds, [fit(dataset, fold, protocol.clip) for fold in folds], strategy, protocol)


def results(requests, **options):
    found = dict(train_group(requests, engine=StackedNets, **options))
    return [found[i] for i in range(len(requests))]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert (a.repeat, a.fold, a.epochs, a.steps, a.floor_epoch) == (
            b.repeat,
            b.fold,
            b.epochs,
            b.steps,
            b.floor_epoch,
        )
        np.testing.assert_allclose(a.test.proba, b.test.proba, atol=1e-6)
        np.testing.assert_allclose(a.validation.proba, b.validation.proba, atol=1e-6)
        assert a.loss == pytest.approx(b.loss, rel=1e-5)


@pytest.mark.parametrize("runner", [lambda: None, recorded], ids=["called", "replayed"])
def test_a_job_does_not_depend_on_its_group(runner):
    variants = [variant(0), variant(1, train=100)]
    requests = [request(of, strategy) for of in variants for strategy in RECIPES]
    grouped = results(requests, runner=runner())
    assert len({p.epochs for job in grouped for p in job}) > 3
    for ours, alone in zip(grouped, requests, strict=True):
        assert_same(ours, results([alone])[0])


@settings(max_examples=4, deadline=None)
@given(
    classes=st.sampled_from([2, 3, 10]),
    sizes=st.lists(st.sampled_from([100, 143, 170]), min_size=1, max_size=2),
    strategies=st.lists(st.sampled_from(RECIPES[:4]), min_size=1, max_size=3, unique_by=lambda s: (type(s), s.name)),
    layers=st.integers(1, 4),
    batch_size=st.integers(5, 48),
    drop_last=st.booleans(),
)
def test_every_net_of_a_group_has_the_weights_of_the_plain_loop(
    classes, sizes, strategies, layers, batch_size, drop_last
):
    protocol = Protocol(
        batch_size=batch_size,
        drop_last=drop_last,
        hidden_layers=layers,
        dropout=0.0,
        schedule="constant",
        epsilon=SMOOTH,
    )
    protocol = replace(protocol, epochs=-(-50 // (min(sizes) // batch_size)))
    variants = [variant(i, classes=classes, train=size, nets=2) for i, size in enumerate(sizes)]
    requests = [request(of, strategy, protocol) for of in variants for strategy in strategies]
    with watched_ends() as ends:
        done = results(requests)
    assert min(p.steps for job in done for p in job) >= 50
    for asked in requests:
        for fold, fitted in zip(asked.folds, asked.preprocessing, strict=True):
            _, weights = ends[asked.strategy, asked.dataset.variant.spec, fold.repeat, fold.fold]
            expected, model = plain_loop(asked.dataset, fold, fitted, asked.strategy, protocol)
            for ours, theirs in zip(weights, expected, strict=True):
                np.testing.assert_allclose(ours, theirs, atol=tolerance(model.closest))


def test_the_general_engine_gives_what_the_fused_one_gives():
    requests = [request(variant(0), strategy, Protocol(epochs=4, batch_size=16)) for strategy in RECIPES]
    fused = dict(train_group(requests, engine=None))
    for i, ours in enumerate(results(requests)):
        for a, b in zip(ours, fused[i], strict=True):
            np.testing.assert_allclose(a.test.proba, b.test.proba, atol=1e-4)


def stacks_made(requests, monkeypatch, **options):
    """The number of nets of every stack."""
    made, build = [], StackedNets.__init__

    def counted(self, widths, weights, *arguments, **named):
        made.append(len(weights))
        build(self, widths, weights, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(StackedNets, "__init__", counted)
        results(requests, **options)
    return made


SHORT = Protocol(epochs=1, batch_size=16)


def test_strategies_and_variants_share_a_stack_and_other_widths_have_their_own(monkeypatch):
    variants = [variant(0), variant(1, train=100), variant(2, classes=3)]
    shared = [Plain(), SoftAndWeighted(), ReMix(), ReMix(alpha=0.3)]
    requests = [request(of, strategy, SHORT) for of in variants for strategy in shared]
    assert stacks_made(requests, monkeypatch) == [2 * 4 * 3, 4 * 3]


def test_losses_of_their_own_are_stacked_over_variants_and_forward_passes_over_folds(monkeypatch):
    requests = [request(variant(i), strategy, SHORT) for i in range(2) for strategy in (Focal(), ByStages())]
    # Three folds: the middle one has a training row more, so an epoch's last batch is of another size.
    assert stacks_made(requests, monkeypatch) == [6, 3, 3]


def test_other_protocols_are_other_stacks(monkeypatch):
    requests = [request(variant(0), Plain(), replace(SHORT, epochs=epochs)) for epochs in (1, 2, 1)]
    assert stacks_made(requests, monkeypatch) == [6, 3]


def test_a_stack_takes_no_more_than_its_budget_and_the_numbers_stay(monkeypatch):
    requests = [request(variant(i, train=144), Plain(), SHORT) for i in range(3)]
    net = group._net_bytes(requests[0], batching(144, SHORT))
    assert stacks_made(requests, monkeypatch, budget=7 * net) == [6, 3]
    assert stacks_made(requests, monkeypatch, budget=2 * net) == [2, 1] * 3
    assert stacks_made(requests, monkeypatch, budget=1) == [1] * 9
    for ours, theirs in zip(results(requests, budget=1), results(requests), strict=True):
        assert_same(ours, theirs)


def test_jobs_are_told_as_they_end():
    # Under one protocol, the fewer steps an epoch has the sooner it ends.
    requests = [
        request(variant(i, train=train), Plain(), Protocol(epochs=2, batch_size=16))
        for i, train in enumerate([171, 60, 120])
    ]
    assert [i for i, _ in train_group(requests, engine=StackedNets)] == [1, 2, 0]


@dataclass(frozen=True)
class Broken(Plain):
    """Fails in one way or another, on one variant only."""

    how: str = "raise"

    def rebalance(self, batch, info, noise):
        if info.epoch and info.class_counts.sum() > 3 * 110 * (len(info.class_counts) / 3):
            if self.how == "raise":
                raise KeyError("the reason")
            return Batch(batch.x * float(self.how), batch.y)
        return batch


@dataclass(frozen=True)
class BrokenLoss(Focal):
    """Fails on one variant only."""

    def loss(self, logits, y, info):
        if info.epoch and info.class_counts[0].sum() > 110:
            raise KeyError("the reason")
        return super().loss(logits, y, info)


@dataclass(frozen=True)
class BrokenShape(Plain):
    """Makes batches that do not fit."""

    def rebalance(self, batch, info, noise):
        return Batch(torch.cat([batch.x, batch.x], dim=-1), batch.y)


@pytest.mark.parametrize("runner", [lambda: None, recorded], ids=["called", "replayed"])
@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (Broken(), KeyError),
        (Broken(how="nan"), TrainingError),
        (Broken(how="inf"), TrainingError),
        (BrokenLoss(), KeyError),
        (BrokenShape(), TrainingError),
    ],
)
def test_a_job_that_fails_ends_no_other(broken, kind, runner):
    of, other = variant(0, train=140), variant(1, train=100)
    fine = Focal() if isinstance(broken, BrokenLoss) else Plain()
    requests = [request(of, fine), request(of, broken), request(other, broken), request(other, SoftAndWeighted())]
    found = results(requests, runner=runner())
    assert isinstance(found[1], kind)
    assert isinstance(found[2], kind) == isinstance(broken, BrokenShape)
    for i in (0, 3) if isinstance(broken, BrokenShape) else (0, 2, 3):
        assert_same(found[i], results([requests[i]])[0])


def test_of_a_job_that_fails_nothing_more_is_trained(monkeypatch):
    of = variant(0, nets=4)  # folds of 140 and 141 rows: two net groups of one job
    protocol = Protocol(epochs=30, batch_size=20, drop_last=False)
    steps, run = [], StackedNets.run
    monkeypatch.setattr(StackedNets, "run", lambda self, count: steps.append(count) or run(self, count))
    (found,) = results([request(of, Broken(how="nan"), protocol)])
    assert isinstance(found, TrainingError)
    assert sum(steps) < 5 * 8


def test_an_error_of_the_stack_as_a_whole_is_every_job_s(monkeypatch):
    def full(self, steps):
        raise torch.OutOfMemoryError("no memory left")

    monkeypatch.setattr(StackedNets, "run", full)
    found = results([request(variant(i), Plain(), SHORT) for i in range(2)])
    assert [str(error) for error in found] == ["no memory left"] * 2


def test_data_without_a_net_is_an_error_beside_jobs_that_train():
    images = make_dataset()
    object.__setattr__(images, "x", np.zeros((300, 3, 8, 8), np.uint8))
    object.__setattr__(images.card, "modality", "image")
    found = results([Request(images, [], [], Plain(), SHORT), request(variant(0), Plain(), SHORT)])
    assert isinstance(found[0], UsageError)
    assert len(found[1]) == 3


@pytest.mark.parametrize("strategy", [ReMix(), ByStages()], ids=lambda s: type(s).__name__)
def test_blocks_made_ahead_change_no_number(strategy):
    requests = [request(variant(i, train=144), strategy) for i in range(2)]
    if isinstance(strategy, ByStages):
        requests = requests[:1]
    with torch.no_grad():
        net_groups = [
            NetGroup(r, [0, 1, 2][::2], Table(r.dataset, "cpu"), batching(144, EARLY), ahead=True) for r in requests
        ]
        trainer, ended = together.StackedTrainer(net_groups), []
        while more := trainer.train_until_some_end():
            ended += more
    assert {error for _, error in ended} == {None}
    for net_group, asked in zip(net_groups, requests, strict=True):
        expected = results([asked])[0]
        assert_same([net_group.predictions[i] for i in (0, 2)], [expected[i] for i in (0, 2)])


def test_a_block_is_made_ahead_of_the_losses(monkeypatch):
    asked, order = request(variant(0, train=144, nets=1), ReMix(), Protocol(epochs=2, batch_size=16)), []
    rebalance, close = ReMix.rebalance, NetGroup._close_epoch
    monkeypatch.setattr(ReMix, "rebalance", lambda self, *a: order.append("block") or rebalance(self, *a))
    monkeypatch.setattr(NetGroup, "_close_epoch", lambda self, losses: order.append("losses") or close(self, losses))
    with torch.no_grad():
        net_group = NetGroup(asked, [0], Table(asked.dataset, "cpu"), batching(144, asked.protocol), ahead=True)
        together.StackedTrainer([net_group]).train_until_some_end()
    assert order == ["block", "block", "losses", "losses"]


def test_a_block_made_ahead_that_fails_matters_only_if_it_is_needed():
    @dataclass(frozen=True)
    class Late(Plain):
        def rebalance(self, batch, info, noise):
            if info.epoch >= 3:
                raise KeyError("the reason")
            return batch.weighted(torch.full(batch.y.shape[:-1], 1.0 + info.epoch))

    def ended(**changes):
        protocol = replace(SHORT, epochs=9, learning_rate=1e-6, learning_rate_floor=1e-6, **changes)
        asked = request(variant(0, train=144, nets=1), Late(), protocol)
        with torch.no_grad():
            net_group = NetGroup(asked, [0], Table(asked.dataset, "cpu"), batching(144, protocol), ahead=True)
            return together.StackedTrainer([net_group]).train_until_some_end()

    # At the floor from the first epoch, of 9 steps, and never better than in it: the net ends after its third.
    ((_, fine),) = ended(patience=18)
    ((_, needed),) = ended()
    assert fine is None
    assert isinstance(needed, KeyError)


def test_between_two_results_the_mode_of_training_is_off():
    requests = [request(variant(i), Plain(), SHORT) for i in range(2)]
    for _ in train_group(requests, engine=StackedNets):
        assert torch.is_grad_enabled()
        assert torch.tensor(1e-30) * 1e-10 > 0


def test_a_variant_s_jobs_share_one_table(monkeypatch):
    made, build = [], Table.__init__
    monkeypatch.setattr(Table, "__init__", lambda self, *a: made.append(self) or build(self, *a))
    of = variant(0)
    results([request(of, strategy, SHORT) for strategy in RECIPES])
    assert len(made) == 1


def test_the_fused_engine_trains_a_group_too():
    requests = [request(variant(i), Plain(), SHORT) for i in range(2)]
    with watched_ends() as ends:
        assert [i for i, _ in train_group(requests)] == [0, 1]
    assert {kind for kind, _ in ends.values()} == {FusedNets}


def test_time_is_shared_out_among_the_nets_that_take_it():
    found = results([request(variant(i), strategy) for i in range(2) for strategy in (Plain(), ReMix())])
    assert all(p.seconds > 0 for job in found for p in job)
    per_epoch = [p.seconds / p.epochs for job in found for p in job]
    assert max(per_epoch) < 20 * min(per_epoch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_what_a_cpu_gives():
    requests = [request(of, strategy) for of in (variant(0), variant(1, train=100)) for strategy in RECIPES]
    on_gpu = dict(train_group(requests, device="cuda"))
    for i, ours in enumerate(results(requests)):
        for a, b in zip(ours, on_gpu[i], strict=True):
            np.testing.assert_allclose(a.test.proba, b.test.proba, atol=1e-3)
