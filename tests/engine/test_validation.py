"""A strategy that breaks its contract is a failed job in every engine, and its neighbours train."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy, PerBatchStrategy, TrainingInfo
from imbench.engine import validation
from imbench.engine.architectures import architecture_of
from imbench.engine.fused import FusedNets
from imbench.engine.group import train_group
from imbench.engine.net_group import Request
from imbench.engine.stacked import StackedNets
from imbench.engine.validation import TrainingError, Validation
from tests.engine.made import fit, make_dataset, make_folds

ENGINES = pytest.mark.parametrize("engine", [FusedNets, StackedNets])
SHORT = Protocol(epochs=2, batch_size=20, hidden_layers=2)


@dataclass(frozen=True)
class Faulty(BatchStrategy):
    """Does this to the batches of one epoch."""

    name: ClassVar[str] = "faulty"
    scheduled: ClassVar[bool] = True
    change: Any = None
    epoch: int = 0

    def rebalance(self, batch, info, noise):
        return self.change(batch) if info.epoch == self.epoch else batch


@dataclass(frozen=True)
class FaultyOne(PerBatchStrategy):
    """The same, one batch at a time."""

    name: ClassVar[str] = "faulty-one"
    change: Any = None

    def rebalance_one(self, batch, info, noise):
        return self.change(batch)


def x_of(change):
    return lambda batch: replace(batch, x=change(batch.x))


def y_of(change):
    return lambda batch: replace(batch, y=change(batch.y))


def weight_of(value):
    return lambda batch: replace(batch, weight=spoilt(torch.ones(batch.y.shape[:-1]), value))


def spoilt(values, value):
    """A copy with one number replaced."""
    values = values.clone()
    values.view(-1)[values.numel() // 2] = value
    return values


def rows_of(change):
    return lambda batch: Batch(change(batch.x), change(batch.y))


def freed(values):
    """A copy whose memory was given back."""
    values = values.clone()
    values.untyped_storage().resize_(0)
    return values


def forced(batch, **parts):
    """The batch with parts that it would not let pass."""
    batch = replace(batch)
    for name, value in parts.items():
        object.__setattr__(batch, name, value)
    return batch


class NoBatch:
    """What only looks like a batch."""

    x = y = weight = fallback = None


# What is wrong, and words that the error must hold.
FAULTS = {
    "wide": (x_of(lambda x: torch.cat([x, x], -1)), r"features of shape .*14\), not .*7\)"),
    "very wide": (x_of(lambda x: x.repeat(*[1] * (x.ndim - 1), 2000)), "features of shape"),
    "narrow": (x_of(lambda x: x[..., :-1]), r"6\), not .*7\)"),
    "one feature": (x_of(lambda x: x[..., :1]), r"1\), not .*7\)"),
    "no feature": (x_of(lambda x: x[..., :0]), r"0\), not .*7\)"),
    "an axis more": (x_of(lambda x: x[..., None]), "7, 1\\), not"),
    "fewer rows": (rows_of(lambda v: v[..., :-1, :]), "19, 7\\), not"),
    "more rows": (rows_of(lambda v: torch.cat([v, v], -2)), "40, 7\\), not"),
    "more classes": (y_of(lambda y: torch.cat([y, torch.zeros_like(y)], -1)), "labels of shape .*4\\), not .*2\\)"),
    "fewer classes": (y_of(lambda y: torch.ones_like(y[..., :1])), "labels of shape .*1\\), not .*2\\)"),
    "whole features": (x_of(lambda x: x.long()), "features of type int64; return float32"),
    "complex features": (x_of(lambda x: x + 0j), "features of type complex64"),
    "sparse features": (x_of(lambda x: x.to_sparse()), "features on sparse_coo; return dense"),
    "features elsewhere": (x_of(lambda x: x.to("meta")), "features on meta; return dense tensors on cpu"),
    "nested features": (
        lambda batch: forced(batch, x=torch.nested.nested_tensor(list(batch.x))),
        "features in nested form",
    ),
    "freed features": (x_of(lambda x: freed(x)), "features whose memory was freed"),
    "a fallback that is none": (lambda batch: forced(batch, fallback=1), "a fallback of type int"),
    "a fallback of one axis": (
        lambda batch: forced(batch, fallback=torch.zeros(1, dtype=torch.bool)),
        r"a fallback of shape \(1,\)",
    ),
    "features with a gradient": (x_of(lambda x: x.clone().requires_grad_()), "with a gradient; detach"),
    "nan": (x_of(lambda x: spoilt(x, torch.nan)), "features with the value nan"),
    "inf": (x_of(lambda x: spoilt(x, torch.inf)), "features with the value inf"),
    "nan in place": (x_of(lambda x: x.mul_(torch.nan)), "features with the value nan"),
    "labels of less": (y_of(lambda y: y / 2), "labels that sum to 0.5 to 0.5"),
    "one label of more": (y_of(lambda y: spoilt(y, 7.0)), "labels that sum to 1 to (7|8)"),
    "nan labels": (y_of(lambda y: spoilt(y, torch.nan)), "labels that sum to nan"),
    "negative labels": (y_of(lambda y: 1.5 * y - 0.25 * torch.ones_like(y)), "a label of -0.25"),
    "negative weight": (weight_of(-1.0), "a weight of -1"),
    "infinite weight": (weight_of(torch.inf), "a weight of inf"),
    "nan weight": (weight_of(torch.nan), "a weight of nan"),
    "a pair": (lambda batch: (batch.x, batch.y), "returned tuple; return an imbench.Batch"),
    "nothing": (lambda batch: None, "returned NoneType"),
    "a look-alike": (lambda batch: NoBatch(), "returned NoBatch"),
    "numpy": (x_of(lambda x: x.numpy()), "features of type ndarray; return a torch.Tensor"),
}
# What cannot become a stack of batches is refused where it is stacked; stacking drops gradients.
STACKED_ONLY = (
    {"nested features", "freed features"}
    | {fault for fault in FAULTS if "fallback" in fault}
    | {"features with a gradient", "a pair", "nothing", "a look-alike", "numpy", "sparse features"}
)


def request(strategy, protocol=SHORT):
    dataset = make_dataset()
    folds = make_folds(dataset, 2)
    return Request(dataset, folds, [fit(dataset, fold, protocol.clip) for fold in folds], strategy, protocol)


def outcomes(engine, *strategies):
    found = dict(train_group([request(strategy) for strategy in strategies], engine=engine))
    return [found[i] for i in range(len(strategies))]


@ENGINES
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_batch_is_a_failed_job_that_says_what_is_wrong(fault, engine):
    change, words = FAULTS[fault]
    error, fine = outcomes(engine, Faulty(change, epoch=1), Faulty(lambda batch: batch))
    assert isinstance(error, TrainingError)
    assert str(error).startswith("faulty:")
    assert "rebalance returned" in str(error)
    assert "imbench plugin check" in str(error)
    with pytest.raises(TrainingError, match=words):
        raise error
    assert np.isfinite(fine[0].test.proba).all()


@ENGINES
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - STACKED_ONLY))
def test_a_strategy_for_one_batch_is_validated_too(fault, engine):
    (error,) = outcomes(engine, FaultyOne(FAULTS[fault][0]))
    assert isinstance(error, TrainingError)


@settings(deadline=None, max_examples=40)
@given(
    value=st.sampled_from([np.nan, np.inf, -np.inf, 3e38]),
    at=st.integers(0, 2**31),
    kind=st.sampled_from(["x", "y", "weight"]),
)
def test_one_wrong_number_anywhere_in_a_block_is_found(value, at, kind):
    batch = Batch(torch.randn(2, 5, 7, 3), torch.full((2, 5, 7, 4), 0.25), torch.ones(2, 5, 7))
    parts = {"x": batch.x.clone(), "y": batch.y.clone(), "weight": batch.weight.clone()}
    parts[kind].view(-1)[at % parts[kind].numel()] = value
    checked = Validation(Faulty(), "cpu")
    given_batch = validation.Given.of(batch)
    if value == 3e38 and kind != "y":  # finite: the sum of many may overflow, one number is none to refuse
        assert checked.rebalanced(Batch(**parts), given_batch).x is parts["x"]
    else:
        with pytest.raises(TrainingError, match="rebalance returned"):
            checked.rebalanced(Batch(**parts), given_batch)


def test_finite_numbers_whose_sum_is_not_are_no_fault():
    batch = Batch(torch.full((1, 1, 4, 3), 3e38), torch.full((1, 1, 4, 2), 0.5))
    given_batch = validation.Given.of(replace(batch, x=batch.x.clone()))
    assert Validation(Faulty(), "cpu").rebalanced(batch, given_batch) is not None


@pytest.mark.parametrize("fault", [f for f in FAULTS if "nan" in f or "label" in f or "weight" in f or f == "inf"])
def test_on_a_gpu_values_are_looked_at_when_it_is_waited_for(fault):
    batch = Batch(torch.randn(1, 2, 20, 7), torch.eye(2).repeat(10, 1).expand(1, 2, 20, 2).clone())
    later = Validation(Faulty(), "cuda")
    change, _ = FAULTS[fault]
    given_batch = validation.Given.of(batch)
    later.rebalanced(change(batch), given_batch)
    with pytest.raises(TrainingError, match="faulty: rebalance returned"):
        later.settle()
    later.settle()  # nothing is left


@pytest.mark.parametrize(
    ("exempt", "fault"), [("labels_are_shares", "labels of less"), ("weights_sound", "negative weight")]
)
def test_an_exemption_lets_a_finite_departure_train(exempt, fault):
    @dataclass(frozen=True)
    class Exempt(Faulty):
        exemptions: ClassVar = {exempt: "the method"}

    (found,) = outcomes(FusedNets, Exempt(FAULTS[fault][0]))
    assert not isinstance(found, Exception)
    (error,) = outcomes(FusedNets, Exempt(FAULTS["nan labels" if "label" in exempt else "nan weight"][0]))
    assert isinstance(error, TrainingError)


def unaligned(values):
    """The same numbers, one byte beside where the processor expects them."""
    content = bytearray(b"x" + values.contiguous().numpy().tobytes())
    return torch.frombuffer(content, dtype=values.dtype, offset=1).view(values.shape)


FORMS = {
    "float64": (x_of(lambda x: x.double()), "faulty returns features of type float64"),
    "whole labels": (y_of(lambda y: y.long()), "faulty returns labels of type int64"),
    "other strides": (x_of(lambda x: x.transpose(-1, -2).contiguous().transpose(-1, -2)), None),
    "a negated view": (x_of(lambda x: torch._neg_view(-x)), None),
    "bytes that are not aligned": (x_of(lambda x: unaligned(x)), None),
    "every second number": (x_of(lambda x: torch.stack([x, x], -1)[..., 0]), None),
}


@ENGINES
@pytest.mark.parametrize("form", FORMS)
def test_the_same_numbers_in_another_form_train_the_same_net(form, engine):
    change, note = FORMS[form]
    validation._note_cast.cache_clear()
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        (found,) = outcomes(engine, Faulty(change))
    (plain,) = outcomes(engine, Faulty(lambda batch: batch))
    for ours, theirs in zip(found, plain, strict=True):
        np.testing.assert_array_equal(ours.test.proba, theirs.test.proba)
    said = [str(one.message) for one in notes if "returns" in str(one.message)]
    assert len(said) == bool(note)  # once, not for each block
    assert not note or note in said[0]


@dataclass(frozen=True)
class FaultyLoss(Faulty):
    """Does this to the losses."""

    def rebalance(self, batch, info, noise):
        return batch

    def loss(self, logits, y, info):
        return self.change(super().loss(logits, y, info))


LOSSES = {
    "the mean over the batch": (lambda losses: losses.mean(-1), "losses of shape"),
    "the mean over all": (lambda losses: losses.mean(), r"losses of shape \(\), not"),
    "an axis more": (lambda losses: losses[..., None], "losses of shape"),
    "a number": (lambda losses: 0.5, "losses of type float"),
    "no gradient": (lambda losses: losses.detach(), "losses without a gradient"),
    "a gradient of something else": (lambda losses: losses.detach().requires_grad_(), "returned what has no gradient"),
    "freed memory": (freed, "losses whose memory was freed"),
    "nan": (lambda losses: losses * torch.nan, "is nan after epoch 1"),
    "a gradient of nan": (lambda losses: losses + (losses - losses.detach()).sqrt(), "predicts nan|is nan"),
}


@ENGINES
@pytest.mark.parametrize("fault", LOSSES)
def test_a_faulty_loss_is_a_failed_job(fault, engine):
    change, words = LOSSES[fault]
    error, fine = outcomes(engine, FaultyLoss(change), Faulty(lambda batch: batch))
    with pytest.raises(TrainingError, match=words):
        raise error
    assert not isinstance(fine, Exception)


@dataclass(frozen=True)
class FaultyForward(Faulty):
    """Does this to logits and labels."""

    def rebalance(self, batch, info, noise):
        return batch

    def forward(self, net, batch, noise):
        return self.change(net(batch.x), batch.y)


FORWARDS = {
    "logits alone": (lambda z, y: z, "Tensor; return logits and labels"),
    "fewer logits": (lambda z, y: (z[..., :1], y), "logits of shape"),
    "fewer rows": (lambda z, y: (z[:, :-1], y[:, :-1]), "logits of shape"),
    "one stack": (lambda z, y: (z[:1], y[:1]), "logits of shape"),
    "other labels": (lambda z, y: (z, y[..., :1]), "labels of shape"),
    "labels of less": (lambda z, y: (z, y * 0.9), "labels that sum to 0.9"),
    "labels with a gradient": (lambda z, y: (z, z.softmax(-1)), "labels with a gradient"),
    "logits of something else": (lambda z, y: (z.detach().requires_grad_(), y), "what has no gradient"),
    "logits without": (lambda z, y: (z.detach(), y), "logits without a gradient"),
}


@pytest.mark.parametrize("fault", FORWARDS)
def test_a_faulty_forward_pass_is_a_failed_job(fault):
    change, words = FORWARDS[fault]
    error, fine = outcomes(StackedNets, FaultyForward(change), Faulty(lambda batch: batch))
    with pytest.raises(TrainingError, match=f"forward returned (.* )?{words}"):
        raise error
    assert not isinstance(fine, Exception)


@dataclass(frozen=True)
class FaultyMix(HiddenMixStrategy):
    """Does this to a sound `HiddenMix`."""

    name: ClassVar[str] = "faulty-mix"
    change: Any = None

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        return self.change(HiddenMix(noise.choice(stages), noise.permutation(batch.size), noise.beta(1.0, 1.0)))


def mix_of(name, change):
    return lambda mix: replace(mix, **{name: change(getattr(mix, name))})


MIXES = {
    "partners beyond": (mix_of("partners", lambda v: v + 1), "partners of faulty-mix.* from 0 to 19, got 1 to 20"),
    "partners far beyond": (mix_of("partners", lambda v: v + 10**12), "partners"),
    "negative partners": (mix_of("partners", lambda v: v - 1), "from 0 to 19, got -1 to 18"),
    "partners as numbers": (mix_of("partners", lambda v: v.float()), "partners of faulty-mix.* must be int64"),
    "fewer partners": (mix_of("partners", lambda v: v[..., :1]), r"\(\*stack, batch\) = \(2, 20\), got \(2, 1\)"),
    "partners in a list": (lambda mix: forced(mix, partners=[1]), "partners of faulty-mix.* must be a torch.Tensor"),
    "a share without memory": (
        mix_of("share", freed),
        "share of faulty-mix.* must be a dense tensor on the device of the batch, got one whose memory was freed",
    ),
    "no mix": (lambda mix: (mix.stage, mix.partners), "faulty-mix.*: hidden_mix returned tuple"),
    "a stage too late": (mix_of("stage", lambda v: v + 5), "stage of faulty-mix"),
    "a stage too early": (mix_of("stage", lambda v: v - 9), "stage of faulty-mix"),
    "a share of more": (mix_of("share", lambda v: v + 1), "share of faulty-mix"),
    "a negative share": (mix_of("share", lambda v: v - 1.5), "share of faulty-mix"),
    "a share of nan": (mix_of("share", lambda v: v * torch.nan), "share of faulty-mix.* got nan"),
}


@ENGINES
@pytest.mark.parametrize("fault", MIXES)
def test_a_faulty_hidden_mix_is_a_failed_job(fault, engine):
    change, words = MIXES[fault]
    error, fine = outcomes(engine, FaultyMix(change), Faulty(lambda batch: batch))
    with pytest.raises(ValueError, match=words):
        raise error
    assert not isinstance(fine, Exception)


@ENGINES
@settings(deadline=None, max_examples=15)
@given(nets=st.integers(1, 3), features=st.integers(1, 40), rows=st.integers(1, 30), classes=st.integers(1, 5))
def test_nets_take_no_batches_that_are_not_theirs(engine, nets, features, rows, classes):
    architecture = architecture_of((7,), 2, SHORT, "tabular")
    rng = np.random.default_rng
    made = engine(architecture, [architecture.weights(rng(i)) for i in range(2)], [rng(0), rng(1)], Faulty(), SHORT)
    batch = Batch(torch.zeros(nets, 3, rows, features), torch.full((nets, 3, rows, classes), 1 / classes))
    block = batch, TrainingInfo(torch.ones(nets, 1, classes)), Noise([rng(i) for i in range(nets)], (nets,))
    if (nets, features, classes) == (2, 7, 2):
        return
    with pytest.raises(ValueError, match="take x"), torch.no_grad():
        made.advance(*block, np.full(nets, 1e-3))
