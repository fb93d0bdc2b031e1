"""Rows mixed before a layer in the fused kernel: what a plain loop learns, and what the general engine does."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import TrainingInfo
from imbench.engine import choice
from imbench.engine.fused import FusedNets
from imbench.engine.mlp import glorot_uniform
from imbench.engine.stacked import StackedNets
from tests.engine.made import SMOOTH
from tests.engine.plain import tolerance
from tests.engine.test_fused import both_engines


@dataclass(frozen=True)
class Mixing(HiddenMixStrategy):
    """Mixes rows with others drawn with replacement, so that one row may be the partner of many."""

    name: ClassVar[str] = "mixing"

    function: Any = None

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        return HiddenMix(noise.choice(stages), noise.choice(batch.size, batch.size), noise.beta(1.0, 1.0))

    def overrides(self, hook):
        return self.function is not None if hook == "loss" else super().overrides(hook)

    def loss(self, logits, y, info):
        return super().loss(logits, y, info) if self.function is None else self.function(logits, y)


def compiled(z, y):
    return -(y * z.log_softmax(dim=-1) * (1 - z.softmax(dim=-1)) ** 2).sum(dim=-1)


def left_to_pytorch(z, y):
    log_p = z.log_softmax(dim=-1)
    return -(y * log_p).sum(dim=-1) + log_p.gather(-1, y.argmax(dim=-1, keepdim=True)).squeeze(-1).square()


def made(nets, steps, size, widths, weighted=True):
    generator = torch.Generator().manual_seed(size)
    x = torch.randn(nets, steps, size, widths[0], generator=generator)
    y = torch.softmax(3 * torch.randn(nets, steps, size, widths[-1], generator=generator), dim=-1)
    return Batch(x, y, torch.rand(nets, steps, size, generator=generator) + 0.5 if weighted else None)


def streams(nets):
    return [np.random.default_rng(50 + i) for i in range(nets)]


def advance(kind, batch):
    nets = batch.stack[0]
    info, noise = TrainingInfo(torch.ones(nets, 1, batch.classes)), Noise(streams(nets), (nets,))
    with torch.no_grad():
        return kind.advance(batch, info, noise, np.full(nets, 2e-3))


def plain(strategy, batch, widths, net, protocol):
    """Weights of one net without dropout, each step as the definition has it: row by row, layer by layer.

    Beside them, how near to zero the input of any unit ever came.
    """
    arrays = [torch.from_numpy(a).requires_grad_() for a in glorot_uniform(widths, np.random.default_rng(net))]
    adam = torch.optim.Adam(arrays, 2e-3, (protocol.beta1, protocol.beta2), protocol.epsilon)
    noise, closest = Noise([streams(net + 1)[net]], (1,)), math.inf
    for step in range(batch.stack[1]):
        x, y, weight = batch.x[net, step], batch.y[net, step], batch.weight[net, step]
        mix = strategy.hidden_mix(len(widths) - 1, Batch(x[None], y[None]), noise)
        stage, partners, share = int(mix.stage), mix.partners[0].tolist(), float(mix.share)
        for layer in range(len(widths) - 1):
            if layer == stage:
                x = torch.stack([share * x[i] + (1 - share) * x[j] for i, j in enumerate(partners)])
            x = x @ arrays[2 * layer] + arrays[2 * layer + 1]
            if layer < len(widths) - 2:
                closest = min(closest, float(x.detach().abs().min()))
                x = x.relu()
        y = torch.stack([share * y[i] + (1 - share) * y[j] for i, j in enumerate(partners)])
        adam.zero_grad()
        (strategy.loss(x, y, None) * weight).mean().backward()
        adam.step()
    return [a.detach().numpy() for a in arrays], closest


@example(size=16, widths=(16, 2))
@example(size=1, widths=(3, 5, 5, 2))
@example(size=33, widths=(40, 17, 17, 17, 10))
@example(size=35, widths=(26, 13, 13, 13, 13, 13))
@settings(max_examples=20, deadline=None)
@given(
    size=st.integers(1, 40),
    widths=st.builds(
        lambda features, hidden, layers, classes: (features, *[hidden] * layers, classes),
        st.integers(1, 40),
        st.integers(1, 33),
        st.integers(0, 4),
        st.integers(2, 17),
    ),
)
def test_the_weights_of_the_plain_loop(size, widths):
    protocol = Protocol(dropout=0.0, epsilon=SMOOTH)
    fused, _ = both_engines(Mixing(), protocol, 2, widths)
    batch = made(2, 20, size, widths)
    advance(fused, batch)
    for net in range(2):
        expected, closest = plain(Mixing(), batch, widths, net, protocol)
        for ours, theirs in zip(fused.parameters, expected, strict=True):
            np.testing.assert_allclose(ours[net], theirs, atol=tolerance(closest))


@pytest.mark.parametrize("function", [None, compiled, left_to_pytorch], ids=["default", "compiled", "autograd"])
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [True, False])
def test_both_engines_mix_the_same_rows_and_learn_the_same(function, dropout, weighted):
    widths = (21, 17, 17, 17, 3)
    fused, stacked = both_engines(Mixing(function), Protocol(dropout=dropout, epsilon=SMOOTH), 3, widths)
    batches = [made(3, 20, 48, widths, weighted), made(3, 1, 18, widths, weighted)]
    ours, theirs = ([advance(kind, batch) for batch in batches] for kind in (fused, stacked))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for a, b in zip(fused.parameters, stacked.parameters, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_every_layer_is_mixed_before():
    # The tests above would not notice a stage that is never drawn.
    drawn = {int(s) for net in streams(3) for s in net.integers(4, size=20)}
    assert drawn == {0, 1, 2, 3}


def test_a_net_does_not_depend_on_its_neighbours_bit_for_bit():
    widths = (21, 17, 17, 17, 3)
    batch = made(3, 20, 48, widths)
    together, _ = both_engines(Mixing(), Protocol(dropout=0.2), 3, widths)
    advance(together, batch)
    alone, _ = both_engines(Mixing(), Protocol(dropout=0.2), 3, widths)
    alone.keep(np.array([0]))
    advance(alone, Batch(batch.x[:1], batch.y[:1], batch.weight[:1]))
    for a, b in zip(alone.parameters, together.parameters, strict=True):
        assert torch.equal(a[0], b[0])


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [("partners", 48, "0 to 47, got"), ("partners", -1, "0 to 47, got -1"), ("stage", 4, "0 to 3, got"),
     ("stage", -1, "0 to 3, got -1")],
)  # fmt: skip
def test_numbers_of_rows_and_stages_that_there_are_not_are_refused_before_the_kernel(part, value, said):
    @dataclass(frozen=True)
    class Outside(Mixing):
        def hidden_mix(self, stages, batch, noise):
            mix = super().hidden_mix(stages, batch, noise)
            changed = getattr(mix, part).clone()
            changed[..., -1] = value
            return replace(mix, **{part: changed})

    widths = (21, 17, 17, 17, 3)
    fused, _ = both_engines(Outside(), Protocol(), 3, widths)
    with pytest.raises(ValueError, match=f"HiddenMix.{part} of mixing must be from {said}"):
        advance(fused, made(3, 2, 48, widths))


def test_the_fused_engine_takes_what_states_its_mixing_and_the_general_one_the_rest():
    @dataclass(frozen=True)
    class ByHand(Mixing):
        def overrides(self, hook):
            return True

    assert choice.engine_for(Mixing(), torch.device("cpu")) is FusedNets
    assert choice.engine_for(Mixing(), torch.device("cuda")) is StackedNets
    assert choice.engine_for(Mixing(), torch.device("cpu"), "image") is StackedNets
    assert choice.is_independent(Mixing())
