"""A loss of a strategy's own, compiled, is the loss; what cannot be compiled trains through PyTorch all the same."""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.protocol import Protocol
from imbench.contract.strategy import TrainingInfo
from imbench.engine.losses import code as loss_code
from imbench.engine.losses.code import compile_loss
from imbench.engine.losses.custom import CompiledLoss, OwnLoss
from imbench.engine.losses.program import UntraceableError
from imbench.engine.losses.trace import trace
from tests.engine.test_fused import advance, blocks, both_engines
from tests.engine.test_train import Focal, Plain

POINTER = ctypes.POINTER(ctypes.c_float)
FUNCTION = ctypes.CFUNCTYPE(ctypes.c_float, *[POINTER] * 4, ctypes.c_int64, ctypes.c_float)


@dataclass(frozen=True)
class Own(Plain):
    """A loss given as a function."""

    function: Any = None

    def loss(self, logits, y, info):
        return self.function(logits, y, info)


def counts_of(info):
    return info.class_counts.clamp(min=1).unsqueeze(-2)


def cross_entropy(z, y, info):
    return -(y * z.log_softmax(dim=-1)).sum(dim=-1)


def adjusted(z, y, info):
    return cross_entropy(z + counts_of(info).log().to(z), y, info)


def focal(z, y, info):
    log_p = z.log_softmax(dim=-1)
    return -(y * (-torch.expm1(log_p)).clamp(min=1e-8) ** 1.5 * log_p).sum(dim=-1)


def margin(z, y, info):
    return cross_entropy((z - y * counts_of(info).to(z) ** -0.25).mul_(3), y, info)


def one_sigmoid_a_class(z, y, info):
    p = torch.sigmoid(z)
    return -(y * (p + 1e-6).log() + (1 - y) * (1 - p + 1e-6).log()).mean(dim=-1)


def generalised(z, y, info):
    return ((1 - ((y * z.softmax(dim=-1)).sum(dim=-1) + 1e-6) ** 0.7) / 0.7).reciprocal().rsqrt()


def by_largest(z, y, info):
    gap = z.amax(dim=-1, keepdim=True) - z
    return torch.where(gap > 0.5, y * gap.tanh(), 0.1 * gap.abs()).sum(dim=-1) + (y * gap).sum(-1).relu()


def by_log_sum(z, y, info):
    return torch.logsumexp(2.0 - z, dim=-1) + torch.log1p(z.exp()).masked_fill(z < -1.0, 0.0).sum(dim=-1)


def bounded(z, y, info):
    return (z.clamp(-1.0, 2.0).square() * y).sum(dim=-1).sqrt() + torch.minimum(z, y).sum(dim=-1) ** 2


KNOWN = [cross_entropy, adjusted, focal, margin, one_sigmoid_a_class, generalised, by_largest, by_log_sum, bounded]


def info_of(nets, classes, epoch=0):
    counts = np.random.default_rng(classes).integers(1, 300, (nets, classes))
    return TrainingInfo(torch.as_tensor(counts, dtype=torch.float32), epoch=epoch, epochs=9)


def made(nets, rows, classes, spread, kind=torch.float64):
    rng = np.random.default_rng(rows)
    z, y = rng.normal(0.0, spread, (nets, rows, classes)), rng.dirichlet(np.ones(classes), (nets, rows))
    return torch.as_tensor(z, dtype=kind), torch.as_tensor(y, dtype=kind)


def called(compiled, net, z, y, weight, scale):
    """The sum of the losses and the gradient ``(rows, classes)`` of one net's rows, as the code finds them."""
    rows, classes = z.shape
    logits, labels, delta = np.full((3, classes + 1, 16), np.nan, np.float32)
    logits[:-1, :rows], labels[:-1, :rows], labels[-1, :rows] = z.T, y.T, weight
    arrays = (logits, labels, delta, compiled.constants[net])
    total = FUNCTION(compiled.address)(*(a.ctypes.data_as(POINTER) for a in arrays), rows, scale)
    assert (delta[:-1, rows:] == 0).all()  # what is beyond the batch counts for nothing, were it not a number
    return total, delta[:-1, :rows].T


@settings(max_examples=60, deadline=None)
@given(
    function=st.sampled_from(KNOWN),
    nets=st.integers(1, 3),
    rows=st.integers(1, 16),
    classes=st.integers(2, 8),
    spread=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_compiled_losses_are_those_of_double_precision(function, nets, rows, classes, spread):
    info, (z, y) = info_of(nets, classes), made(nets, rows, classes, spread)
    compiled = OwnLoss(Own(function)).now(info)
    assert compiled is not None
    weight = np.random.default_rng(0).random((nets, rows)) + 0.5
    z = z.float().double().requires_grad_()  # the same logits in both precisions
    losses = function(z, y, info)
    (gradient,) = torch.autograd.grad((losses * torch.from_numpy(weight)).sum() / 4, z)
    for net in range(nets):
        total, delta = called(compiled, net, z[net].detach(), y[net], weight[net], 0.25)
        assert total == pytest.approx(float(losses[net].detach() @ torch.from_numpy(weight[net])), rel=1e-4, abs=1e-4)
        np.testing.assert_allclose(delta, gradient[net], rtol=1e-3, atol=2e-5)


FUNCTIONS = {
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": torch.log,
    "log1p": torch.log1p,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "abs": torch.abs,
    "sign": lambda x: x.sign() + x,
    "cube": lambda x: x**3,
    "root": lambda x: x**0.3,
    "clamp": lambda x: x.clamp(min=-0.5, max=0.5),
    "maximum": lambda x: torch.maximum(x, torch.tensor(0.25)),
    "not_less": lambda x: torch.where((x >= 0.1) & (x == x) | torch.logical_not(x <= 2.0), x, 2 * x),
}
INPUTS = [0.0, 1e-30, 1e-7, 1e-3, 0.1, 0.5, 1.0, 1.5, 3.0, 20.0, 80.0, 1e4, 1e30, np.inf, np.nan]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_those_of_double_precision_at_the_ends_of_their_range_too(name):
    # Traced without the test on numbers, which some of these functions fail: their losses need not be finite.
    inputs = torch.tensor([*INPUTS, *(-x for x in INPUTS)], dtype=torch.float32)
    program, constants = trace(lambda z, y: (FUNCTIONS[name](z) * y).sum(dim=-1), *made(1, 3, 2, 0.1, torch.float32))
    compiled = CompiledLoss(compile_loss(program), constants, torch.ones(1, 2), None)
    for x in inputs:
        z = torch.stack([x, torch.tensor(0.2)])[None].numpy()
        found, _ = called(compiled, 0, z, np.array([[1.0, 0.0]]), 1.0, 1.0)
        wanted = float(FUNCTIONS[name](x.double()).float())
        assert found == pytest.approx(wanted, rel=2e-5, abs=1e-37, nan_ok=True), float(x)


def by_numpy(z, y, info):
    scale = float(z.detach().numpy().mean())
    return cross_entropy(z, y, info) * (1 + scale)


def by_a_branch(z, y, info):
    return cross_entropy(z, y, info) * (2.0 if z.sum() > 0 else 1.0)


def over_the_batch(z, y, info):
    losses = cross_entropy(z, y, info)
    return losses / losses.detach().mean(dim=-1, keepdim=True)


def by_the_batch_size(z, y, info):
    return cross_entropy(z, y, info) * z.shape[-2]


def by_row_number(z, y, info):
    return cross_entropy(z, y, info) * torch.arange(1.0, z.shape[-2] + 1)


def by_gathering(z, y, info):
    return -z.log_softmax(dim=-1).gather(-1, y.argmax(dim=-1, keepdim=True)).squeeze(-1)


def in_place(z, y, info):
    doubled = 2 * z
    seen = doubled.view(z.shape)
    doubled.mul_(y + 1)
    return cross_entropy(seen, y, info)


def in_double(z, y, info):
    return cross_entropy(z.double(), y.double(), info).float()


REFUSED = [by_numpy, by_a_branch, over_the_batch, by_the_batch_size, by_row_number, by_gathering, in_place, in_double]


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_what_is_not_one_rows_arithmetic_is_left_to_pytorch_and_trains_the_same(function):
    assert OwnLoss(Own(function)).now(info_of(2, 3)) is None
    fused, stacked = both_engines(Own(function), Protocol(dropout=0.2))
    ours, theirs = advance(fused, blocks(3, steps=(20, 3))), advance(stacked, blocks(3, steps=(20, 3)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for a, b in zip(fused.parameters, stacked.parameters, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-4)


@pytest.mark.parametrize("function", [adjusted, focal, margin, by_log_sum], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_nets_learn_by_compiled_losses_what_they_learn_by_autograd(function, dropout):
    fused, stacked = both_engines(Own(function), Protocol(dropout=dropout))
    ours, theirs = advance(fused, blocks(3, steps=(20, 3))), advance(stacked, blocks(3, steps=(20, 3)))
    assert fused._own_loss.now(TrainingInfo(torch.ones(3, 3))) is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for a, b in zip(fused.parameters, stacked.parameters, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_a_compiled_loss_is_not_called_again():
    calls = []

    def counted(z, y, info):
        calls.append(z.shape)
        return adjusted(z, y, info)

    fused, _ = both_engines(Own(counted), Protocol())
    first, *rest = blocks(3)
    advance(fused, [first])
    before = len(calls)
    advance(fused, [first, *rest])
    assert before < 10
    assert len(calls) == before


def by_epoch(z, y, info):
    return cross_entropy(z * (1.5 + info.epoch), y, info)


def test_a_loss_that_asks_for_the_epoch_is_another_one_in_each_by_the_same_code():
    own, (z, y) = OwnLoss(Own(by_epoch)), made(1, 4, 3, 1.0)
    found = []
    for epoch in (0, 1, 4):
        info = info_of(1, 3, epoch)
        compiled = own.now(info)
        total, _ = called(compiled, 0, z[0], y[0], 1.0, 1.0)
        assert total == pytest.approx(float(by_epoch(z, y, info).sum()), rel=1e-5)
        found.append(compiled)
    assert len({compiled.address for compiled in found}) == 1
    assert own.now(info_of(1, 3, 4)) is found[-1]


def test_other_counts_make_other_constants_and_fewer_nets_keep_their_own():
    own, info = OwnLoss(Own(adjusted)), info_of(3, 4)
    first = own.now(info)
    own.keep(np.array([2, 0]))
    kept = own.now(TrainingInfo(info.class_counts[[2, 0]]))
    np.testing.assert_array_equal(kept.constants, first.constants[[2, 0]])
    other = own.now(TrainingInfo(info.class_counts[[1, 0]]))
    np.testing.assert_array_equal(other.constants, first.constants[[1, 0]])


def test_a_net_has_the_same_bits_whatever_trains_beside_it():
    together, _ = both_engines(Own(adjusted), Protocol(dropout=0.2))
    advance(together, blocks(3))
    alone, _ = both_engines(Own(adjusted), Protocol(dropout=0.2))
    alone.keep(np.array([1]))
    advance(alone, blocks(3), slice(1, 2))
    for a, b in zip(alone.parameters, together.parameters, strict=True):
        assert torch.equal(a[0], b[1])


def test_an_error_of_a_loss_is_raised_as_it_is():
    def failing(z, y, info):
        raise KeyError("the reason")

    fused, _ = both_engines(Own(failing), Protocol())
    with pytest.raises(KeyError, match="the reason"):
        advance(fused, blocks(3))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_shows_in_a_compiled_loss(value):
    nets, _ = both_engines(Focal(), Protocol())
    *_, batch = blocks(3)
    batch.x[1, 0, 4] = value
    losses = advance(nets, [batch])
    assert np.isfinite(losses[0]).tolist() == [True, False, True]


def test_a_loss_too_long_to_pay_is_left_alone():
    def long(z, y, info):
        for _ in range(300):
            z = z + z.tanh() / 1000
        return cross_entropy(z, y, info)

    with pytest.raises(UntraceableError, match="operations"):
        trace(lambda z, y: long(z, y, None), *made(1, 3, 2, 1.0, torch.float32))


def test_code_that_finds_other_numbers_is_not_used(monkeypatch):
    loss_code.compile_loss.cache_clear()
    monkeypatch.setitem(loss_code._ELEMENTWISE, "log", lambda x: x)
    try:
        assert OwnLoss(Own(focal)).now(info_of(2, 3)) is None
    finally:
        loss_code.compile_loss.cache_clear()
