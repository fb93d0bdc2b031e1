"""The fused engine equals the plain loop and the torch engine, and falls back to it."""

import subprocess
import sys
import warnings
from dataclasses import replace

import numba
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbench.contract import rows
from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import TrainingInfo
from imbench.engine import choice, compiled_engines
from imbench.engine import train as training
from imbench.engine.dropout import block_keys, kept_units
from imbench.engine.fused import FusedNets
from imbench.engine.group import _training_mode
from imbench.engine.mlp import Mlp, glorot_uniform
from imbench.engine.stacked import StackedNets
from imbench.kernels import dense as kernel
from tests.contract.test_table_rows import SHAPES, both, numbers, shares
from tests.engine.made import SMOOTH, fit, make_dataset, make_folds, watched_ends
from tests.engine.plain import plain_loop, tolerance
from tests.engine.test_train import ByStages, Focal, Plain, SoftAndWeighted

RECIPES = [Plain(), SoftAndWeighted(), Focal()]


@example(strategy=Plain(), classes=16, features=1, divisor=4.0, layers=2, batch_size=10, drop_last=True)
@example(strategy=Plain(), classes=16, features=33, divisor=1.0, layers=4, batch_size=33, drop_last=True)
@settings(max_examples=25, deadline=None)
@given(
    strategy=st.sampled_from(RECIPES),
    classes=st.sampled_from([2, 3, 10, 16, 17]),
    features=st.integers(1, 40),
    divisor=st.floats(0.5, 4.0),
    layers=st.integers(1, 4),
    batch_size=st.integers(5, 48),
    drop_last=st.booleans(),
)
def test_every_shape_has_the_weights_of_the_plain_loop(
    strategy, classes, features, divisor, layers, batch_size, drop_last
):
    dataset = make_dataset(classes=classes, features=features)
    (fold,) = make_folds(dataset, count=1, train=143)
    protocol = Protocol(
        batch_size=batch_size,
        drop_last=drop_last,
        hidden_layers=layers,
        width_divisor=divisor,
        multiclass_width_divisor=divisor,
        dropout=0.0,
        schedule="constant",
        epsilon=SMOOTH,
    )
    protocol = replace(protocol, epochs=-(-50 // training.steps_per_epoch(143, protocol)))
    with watched_ends() as ends:
        (result,) = training.train(dataset, [fold], [fit(dataset, fold)], strategy, protocol)
    kind, weights = ends[strategy, dataset.variant.spec, 0, 0]
    assert kind is FusedNets
    assert result.steps >= 50
    expected, model = plain_loop(dataset, fold, fit(dataset, fold), strategy, protocol)
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance(model.closest))


def both_engines(strategy, protocol, nets=3, widths=(21, 17, 17, 17, 3)):
    """The two kinds of nets with the same beginning."""

    def build(kind):
        weights = [glorot_uniform(widths, np.random.default_rng(i)) for i in range(nets)]
        net = Mlp(widths[:1], widths[-1], tuple(widths[1:-1]), protocol.dropout)
        return kind(net, weights, [np.random.default_rng(100 + i) for i in range(nets)], strategy, protocol)

    return build(FusedNets), build(StackedNets)


def blocks(nets, steps=(32, 20, 1), size=48, features=21, classes=3):
    """Blocks of random batches with soft labels and weights, the last one of fewer rows."""
    generator = torch.Generator().manual_seed(0)
    for i, count in enumerate(steps):
        rows = size if i < len(steps) - 1 else size // 3 + 2
        x = torch.randn(nets, count, rows, features, generator=generator)
        y = torch.softmax(3 * torch.randn(nets, count, rows, classes, generator=generator), dim=-1)
        yield Batch(x, y, torch.rand(nets, count, rows, generator=generator) + 0.5)


def advance(nets, batches, chosen=slice(None)):
    """Advance nets over (their part of) the batches at rates of their own; the losses of every block."""
    losses = []
    for batch in batches:
        own = Batch(batch.x[chosen], batch.y[chosen], batch.weight[chosen])
        rates = np.geomspace(1e-3, 2e-3, batch.stack[0])[chosen]
        info = TrainingInfo(torch.ones(len(rates), 1, 3))
        with torch.no_grad():
            losses.append(nets.advance(own, info, Noise([np.random.default_rng()] * len(rates), (len(rates),)), rates))
    return np.array(losses)


@pytest.mark.parametrize("strategy", [Plain(), Focal()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize(("dropout", "decay"), [(0.0, 0.0), (0.1, 0.0), (0.5, 3.0)])
def test_both_engines_drop_the_same_units_and_learn_the_same(strategy, dropout, decay):
    fused, stacked = both_engines(strategy, Protocol(dropout=dropout, weight_decay=decay))
    ours, theirs = advance(fused, blocks(3)), advance(stacked, blocks(3))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    for a, b in zip(fused.parameters, stacked.parameters, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)
    x = torch.randn(5, 21)
    np.testing.assert_allclose(fused.logits(1, x).numpy(), stacked.logits(1, x).numpy(), atol=1e-4)


def bits(nets, net=0):
    return b"".join(p[net].numpy().tobytes() for p in nets.parameters)


def test_a_net_does_not_depend_on_its_neighbours_bit_for_bit():
    together, _ = both_engines(Plain(), Protocol(dropout=0.2))
    losses = advance(together, blocks(3))
    for net in range(3):
        alone, _ = both_engines(Plain(), Protocol(dropout=0.2))
        alone.keep(np.array([net]))
        assert (advance(alone, blocks(3), slice(net, net + 1))[:, 0] == losses[:, net]).all()
        assert bits(alone) == bits(together, net)


def test_nets_that_go_on_after_others_ended_keep_their_state_bit_for_bit():
    whole, _ = both_engines(Plain(), Protocol())
    advance(whole, [*blocks(3), *blocks(3)])
    fewer, _ = both_engines(Plain(), Protocol())
    advance(fewer, blocks(3))
    fewer.keep(np.array([2]))
    advance(fewer, blocks(3), slice(2, 3))
    assert bits(fewer) == bits(whole, 2)


def test_the_same_bits_twice_and_in_a_fresh_process_that_compiles_nothing():
    program = (
        "import hashlib; from tests.engine.test_fused import *\n"
        "nets, _ = both_engines(Plain(), Protocol()); advance(nets, blocks(3))\n"
        "print(hashlib.sha256(bits(nets)).hexdigest())\n"
        "print(sum(kernel.advance.stats.cache_hits.values()), sum(kernel.advance.stats.cache_misses.values()))"
    )
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in "ab"]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.split()[1:] == ["1", "0"]


@pytest.mark.parametrize("where", ["x", "y", "weight"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_shows_in_the_loss(where, value):
    nets, _ = both_engines(Plain(), Protocol())
    *_, batch = blocks(3)
    getattr(batch, where)[1, 0, 4] = value
    losses = advance(nets, [batch])
    assert np.isfinite(losses[0]).tolist() == [True, False, True]


def test_logits_of_any_size_give_a_finite_loss():
    nets, _ = both_engines(Plain(), Protocol(dropout=0.0))
    *_, batch = blocks(3)
    losses = advance(nets, [Batch(batch.x * 1e4, batch.y, batch.weight)])
    reference = both_engines(Plain(), Protocol(dropout=0.0))[1]
    np.testing.assert_allclose(losses, advance(reference, [Batch(batch.x * 1e4, batch.y, batch.weight)]), rtol=1e-4)


@pytest.fixture
def no_numba(monkeypatch):
    """Numba as it is where it is not installed, and nothing imported yet."""
    for room, name in (
        ("engine", "fused"),
        ("engine", "fused_plan"),
        ("kernels", "dense"),
        ("kernels", "row_kernels"),
    ):
        monkeypatch.delitem(sys.modules, f"imbench.{room}.{name}", raising=False)
        monkeypatch.delattr(f"imbench.{room}.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    for cached in (compiled_engines.fused_nets, rows._row_kernels):
        cached.cache_clear()
    yield
    for cached in (compiled_engines.fused_nets, rows._row_kernels):
        cached.cache_clear()


def test_without_numba_torch_takes_over_with_one_notice(no_numba):
    dataset = make_dataset()
    folds = make_folds(dataset, count=1)
    protocol = Protocol(epochs=2, batch_size=16)
    with pytest.warns(UserWarning, match="pip install numba"):
        first = training.train(dataset, folds, [fit(dataset, folds[0])], Plain(), protocol)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = training.train(dataset, folds, [fit(dataset, folds[0])], Plain(), protocol)
    assert (first[0].test.proba == second[0].test.proba).all()


@pytest.mark.parametrize(
    ("strategy", "device", "kind"),
    [(Plain(), "cpu", FusedNets), (Focal(), "cpu", FusedNets), (ByStages(), "cpu", StackedNets),
     (Plain(), "cuda", StackedNets)],
)  # fmt: skip
def test_the_engine_follows_device_and_strategy(strategy, device, kind):
    assert choice.engine_for(strategy, torch.device(device)) is kind


def test_another_device_is_refused():
    with pytest.raises(ValueError, match="StackedNets trains on any device"):
        FusedNets(Mlp((2,), 2, ()), [], [], Plain(), Protocol(), device="cuda")


def test_where_no_folder_can_hold_the_cache_it_compiles_all_the_same(monkeypatch):
    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl._locator_classes", [])
    double = kernel.compiled("float32(float32)", fused=False)(lambda x: x + x)
    assert double(np.float32(2)) == 4


def test_denormals_are_flushed_in_compiled_code_too():
    product = numba.njit("float32(float32, float32)")(lambda a, b: a * b)
    with _training_mode(torch.device("cpu")):
        assert product(np.float32(1e-30), np.float32(1e-10)) == 0
    assert product(np.float32(1e-30), np.float32(1e-10)) > 0


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_units_are_dropped_at_the_rate_and_independently(rate):
    keys = np.stack([block_keys(np.random.default_rng(i)) for i in range(2)])
    shape = (24, 2, 64, 50)
    numbers = torch.arange(np.prod(shape), dtype=torch.int32)
    kept = kept_units(numbers, torch.from_numpy(keys.view(np.int32)), rate).reshape(2, *shape).numpy().astype(float)
    draws = kept[0].size
    assert kept.mean() == pytest.approx(1 - rate, abs=4 * np.sqrt(rate * (1 - rate) / kept.size))
    pairs = {
        "nets": (kept[0], kept[1]),
        "steps": (kept[:, 1:], kept[:, :-1]),
        "layers": (kept[:, :, 0], kept[:, :, 1]),
        "rows": (kept[..., 1:, :], kept[..., :-1, :]),
        "units": (kept[..., 1:], kept[..., :-1]),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(draws), name


class ThroughAutograd(Plain):
    """Has a loss that cannot be compiled."""

    def loss(self, logits, y, info):
        log_p = logits.log_softmax(dim=-1)
        return -(y * log_p).sum(dim=-1) + log_p.gather(-1, y.argmax(dim=-1, keepdim=True)).squeeze(-1).square()


def test_the_keys_of_dropout_are_numpys_whole_numbers():
    ours, theirs = streams(1)[0], streams(1)[0]
    for _ in range(5):
        assert (block_keys(ours) == theirs.integers(0, 2**32, 2, np.uint32)).all()
    assert ours.random() == theirs.random()


def advance_over(nets, batch):
    """The losses of nets over one block of batches."""
    count = batch.stack[0]
    info, noise = TrainingInfo(torch.ones(count, 1, batch.classes)), Noise(streams(count), (count,))
    with torch.no_grad():
        return nets.advance(batch, info, noise, np.full(count, 1e-3))


def streams(count):
    return [np.random.default_rng(i) for i in range(count)]


@example(mixed=33, nets=2, steps=2, size=20, features=21, missing=True, seed=0)
@example(mixed=33, nets=2, steps=2, size=20, features=7, missing=True, seed=0)
@settings(max_examples=40, deadline=None)
@given(mixed=st.none() | st.integers(1, 40), **SHAPES)
def test_features_computed_in_the_kernel_train_to_the_same_bits(mixed, **shape):
    """So many rows are mixed: whole panels and rests of tables that are wider and narrower than one."""
    late, _, rng = both(**shape)
    if mixed:
        rows, partners, share = numbers(rng, late, mixed), numbers(rng, late, mixed), shares(rng, *late.stack, mixed)
        late = late.interpolated(rows, partners, share, late.y[..., :1, :].expand(*late.stack, mixed, 3))
    early = Batch(late.uncomputed.compute(), late.y)
    widths = (shape["features"], 7, 7, 3)
    for strategy in (Plain(), Focal(), ThroughAutograd()):
        found = []
        for batch in (late, early):
            nets, _ = both_engines(strategy, Protocol(), shape["nets"], widths)
            found.append([advance_over(nets, batch), *(values.numpy() for values in nets.parameters)])
        assert late.uncomputed is not None
        for ours, theirs in zip(*found, strict=True):
            assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("strategy", [Plain(), ThroughAutograd()])
@pytest.mark.parametrize("where", ["numbers", "partners"])
@pytest.mark.parametrize("wrong", [-1, 30])
def test_a_row_that_the_table_lacks_is_refused_before_training(strategy, where, wrong):
    late, _, rng = both(nets=2, steps=3, size=9, features=4, missing=False, seed=1)
    rows = late.uncomputed
    mixed = rows.between(numbers(rng, late, 9), numbers(rng, late, 9), shares(rng, *late.stack, 9))
    getattr(mixed, where)[1, 2, 5] = wrong
    nets, _ = both_engines(strategy, Protocol(), 2, (4, 7, 7, 3))
    before = [values.clone() for values in nets.parameters]
    with pytest.raises(IndexError, match="a row that its table does not have"):
        advance_over(nets, Batch.of_table(mixed, late.y))
    assert all(map(torch.equal, before, nets.parameters))
