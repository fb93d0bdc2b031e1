"""Steps that are recorded and replayed, and nets in lockstep at different steps of their blocks, learn the same."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import TrainingInfo
from imbench.engine.adam import StackedAdam
from imbench.engine.inputs import Inputs
from imbench.engine.mlp import Mlp, glorot_uniform
from imbench.engine.runner import Graphed
from imbench.engine.stacked import StackedNets
from imbench.kernels import adam as kernels
from tests.engine.recorded import Recorder
from tests.engine.test_fused import advance, blocks
from tests.engine.test_train import ByStages, Focal, Plain

WIDTHS = (21, 17, 17, 17, 3)


def stack(strategy, *, nets=3, dropout=0.2, widths=WIDTHS, **options):
    weights = [glorot_uniform(widths, np.random.default_rng(i)) for i in range(nets)]
    streams = [np.random.default_rng(100 + i) for i in range(nets)]
    net = Mlp(widths[:1], widths[-1], tuple(widths[1:-1]), dropout)
    return StackedNets(net, weights, streams, strategy, Protocol(dropout=dropout), **options)


def recorded():
    """A runner that replays recordings, for which failing to record is an error."""
    warnings.simplefilter("error")
    return Graphed(Recorder())


@pytest.mark.parametrize("strategy", [Plain(), Focal(), ByStages()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_replayed_steps_give_the_bits_of_called_ones(strategy, dropout):
    called, replayed = (stack(strategy, dropout=dropout, runner=runner) for runner in (None, recorded()))
    ours, theirs = (advance(nets, [*blocks(3), *blocks(3)]) for nets in (replayed, called))
    assert (ours == theirs).all()
    for a, b in zip(replayed.parameters, called.parameters, strict=True):
        assert torch.equal(a, b)
    # A custom forward pass is never recorded; the others are, and again where rows outgrow the capacity.
    assert (replayed.runner._recorder.replays > 0) == (type(strategy) is not ByStages)


@pytest.mark.parametrize("name", ["_x", "_y", "_share", "_keys", "_step", "_draws"])
def test_an_input_that_is_not_copied_to_its_place_is_found_out(name, monkeypatch):
    # The test above has teeth: with any input put elsewhere than where the recording reads, it fails.
    load_inputs = Inputs.load

    def elsewhere(self, *arguments):
        setattr(self, name, getattr(self, name).clone())
        load_inputs(self, *arguments)

    expected = advance(stack(Plain(), capacity=(32, 48)), [*blocks(3), *blocks(3)])
    monkeypatch.setattr(Inputs, "load", elsewhere)
    replaying = stack(Plain(), capacity=(32, 48), runner=recorded())
    try:
        found = advance(replaying, [*blocks(3), *blocks(3)])
    except IndexError:  # a net that is never put back to its block's first step
        return
    assert not np.allclose(found, expected, atol=1e-4)


def test_rates_that_change_reach_recorded_steps():
    (batch, *_) = blocks(3)
    info, noise = TrainingInfo(torch.ones(3, 1, 3)), Noise([np.random.default_rng()] * 3, (3,))
    nets = [stack(Plain(), runner=runner) for runner in (None, recorded())]
    for rates in ([1e-3] * 3, [1e-3] * 3, [1e-3, 1e-4, 1e-2]):
        for each in nets:
            with torch.no_grad():
                each.advance(batch, info, noise, np.array(rates))
    for a, b in zip(nets[0].parameters, nets[1].parameters, strict=True):
        assert torch.equal(a, b)


def load(part, batch, chosen, rate=1e-3):
    own = Batch(batch.x[chosen], batch.y[chosen], None if batch.weight is None else batch.weight[chosen])
    count = own.stack[0]
    info = TrainingInfo(torch.ones(count, 1, 3))
    part.load(own, info, Noise([np.random.default_rng()] * count, (count,)), np.full(count, rate))


@pytest.mark.parametrize("runner", [lambda: None, recorded], ids=["called", "replayed"])
@pytest.mark.parametrize("strategy", [Plain(), Focal()], ids=lambda s: type(s).__name__)
def test_parts_with_blocks_and_batches_of_other_lengths_learn_what_they_learn_alone(strategy, runner):
    long, short, small = blocks(3)  # 32 and 20 steps of 48 rows, one step of 18
    together = stack(strategy, capacity=(32, 48), runner=runner())
    first, second = together.add_slice(0, 2), together.add_slice(2, 1)
    queues = {first: [long, small, short, long], second: [short, small, small, long, small, short]}
    chosen = {first: slice(0, 2), second: slice(2, 3)}
    taken = {first: [], second: []}
    losses = {first: [], second: []}
    with torch.no_grad():
        while all(part.steps_left or queue for part, queue in queues.items()):
            for part, queue in queues.items():
                if not part.steps_left:
                    losses[part].append(part.pop_losses().numpy())
                    taken[part].append(queue.pop(0))
                    load(part, taken[part][-1], chosen[part])
            together.run(min(first.steps_left, second.steps_left))
    assert min(len(blocks) for blocks in taken.values()) > 3
    for part in (first, second):
        alone = stack(strategy)
        alone.keep(part.positions)
        own = alone.add_slice(0, len(part.positions))
        alone._allocate(32, 48)
        expected = []
        with torch.no_grad():
            for number, batch in enumerate(taken[part], start=1):
                expected.append(own.pop_losses().numpy())
                load(own, batch, chosen[part])
                alone.run(own.steps_left - (part.steps_left if number == len(taken[part]) else 0))
        np.testing.assert_allclose(losses[part], expected, rtol=1e-6)
        for ours, theirs in zip(part.parameters, own.parameters, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_nets_that_ended_are_carried_along_until_packing_pays_and_change_nothing():
    runner = recorded()
    nets, widths = stack(Plain(), nets=8, capacity=(32, 48), runner=runner), []
    part = nets.add_slice(0, 8)
    live = np.arange(8)
    (batch, *_) = blocks(8)
    with torch.no_grad():
        for gone in (3, 0, 5, 2, 1):  # positions among those that are steps_left
            load(part, batch, torch.from_numpy(live))
            nets.run(part.steps_left)
            live = np.delete(live, gone)
            part.keep(np.delete(np.arange(len(part.positions)), gone))
            widths.append(len(nets.parameters[0]))
    assert widths == [8, 6, 6, 4, 3]  # once a quarter of those that are there has ended
    assert runner._recorder.recordings == 3
    alone = stack(Plain(), nets=8)
    alone.keep(live)
    own = alone.add_slice(0, len(live))
    alone._allocate(32, 48)
    with torch.no_grad():
        for _ in range(5):
            load(own, batch, torch.from_numpy(live))
            alone.run(own.steps_left)
    for ours, theirs in zip(part.parameters, own.parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("compiled", [None, kernels], ids=["torch", "compiled"])
def test_adam_is_torch_s_adam(compiled, decay):
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(1, 4, 3, generator=generator), torch.randn(1, 3, generator=generator)]
    protocol = Protocol(weight_decay=decay)
    ours = StackedAdam([p.clone() for p in start], protocol, compiled)
    ours.set_rates(slice(0, 1), np.array([3e-3]))
    theirs = [p.clone().requires_grad_() for p in start]
    groups = [{"params": theirs[:1], "weight_decay": decay}, {"params": theirs[1:], "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, 3e-3, (protocol.beta1, protocol.beta2), protocol.epsilon)
    for _ in range(1000):  # far enough for the bias corrections to fade
        for mine, other in zip(ours.gradients, theirs, strict=True):
            mine.copy_(torch.randn(mine.shape, generator=generator))
            other.grad = mine.clone()
        ours.step()
        adam.step()
    for mine, other in zip(ours.parameters, theirs, strict=True):
        np.testing.assert_allclose(mine, other.detach(), atol=1e-5)


@settings(deadline=None, derandomize=True, max_examples=25)
@given(
    nets=st.integers(1, 3),
    size=st.integers(1, 70),
    zeros=st.sampled_from([0.0, 0.5, 1.0]),
    small=st.sampled_from([1.0, 1e-12, 1e-22]),
    seed=st.integers(0, 2**32 - 1),
)
def test_adam_is_the_same_to_the_bit_compiled_and_in_torch(nets, size, zeros, small, seed):
    """Also where gradients are 0 or their squares are too small for a float, whose roots compiled code takes itself."""
    rng = np.random.default_rng(seed)
    start = [torch.as_tensor(rng.normal(size=(nets, *shape)), dtype=torch.float32) for shape in ((size, 3), (3,))]
    ways = [StackedAdam([p.clone() for p in start], Protocol(), compiled) for compiled in (None, kernels)]
    torch.set_flush_denormal(True)
    try:
        for _ in range(5):
            gradients = [rng.normal(size=p.shape) * small * (rng.random(p.shape) >= zeros) for p in start]
            for adam in ways:
                adam.set_rates(slice(0, nets), np.linspace(1e-5, 1e-3, nets))
                for place, gradient in zip(adam.gradients, gradients, strict=True):
                    place.copy_(torch.as_tensor(gradient))
                adam.step()
    finally:
        torch.set_flush_denormal(False)
    for ours, theirs in zip(*(adam.parameters for adam in ways), strict=True):
        assert torch.equal(ours.view(torch.int32), theirs.view(torch.int32))


def test_an_error_of_a_loss_ends_only_what_it_belongs_to():
    class Failing(Focal):
        def loss(self, logits, y, info):
            if info.epoch == 1:
                raise KeyError("the reason")
            return super().loss(logits, y, info)

    nets = stack(Failing(), capacity=(32, 48))
    good, bad = nets.add_slice(0, 2), nets.add_slice(2, 1)
    (batch, *_) = blocks(3)
    load(good, batch, slice(0, 2))
    load(bad, batch, slice(2, 3))
    bad._info = TrainingInfo(torch.ones(1, 3), epoch=1)
    with torch.no_grad():
        nets.run(32)
    assert isinstance(bad.error, KeyError)
    alone = stack(Failing(), nets=2, capacity=(32, 48))
    own = alone.add_slice(0, 2)
    load(own, batch, slice(0, 2))
    with torch.no_grad():
        alone.run(32)
    assert good.error is None
    np.testing.assert_allclose(good.pop_losses(), own.pop_losses(), rtol=1e-6)
    for ours, theirs in zip(good.parameters, own.parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
