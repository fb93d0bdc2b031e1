"""A strategy in someone else's training loop, with all that it does."""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import imbench
from imbench import UsageError
from imbench.contract.batch import Batch
from imbench.contract.labels import soft_labels
from imbench.contract.strategy import TrainingInfo
from imbench.torch import Rebalancer
from tests.loops.made import COUNTS, Drawn, Mixed, Nearest, Paced, Priced, X, Y

TABULAR = ["baseline", "cost-adjusted", "batch-smote", "mixup", "remix"]


@pytest.mark.parametrize("spec", TABULAR)
def test_a_step_is_that_of_the_strategy(spec):
    r = Rebalancer(spec, class_counts=COUNTS, seed=3)
    x, y, weight = r(X, Y)
    strategy, info = imbench.strategy(spec), TrainingInfo(torch.tensor(COUNTS, dtype=torch.float32))
    noise = imbench.Noise([imbench.contract.streams.stream("rebalancer", "batch", 3, 0, 0)])
    expected = strategy.rebalance(Batch(X, soft_labels(Y, 2)), info, noise)
    logits = torch.randn(16, 2)
    losses = -(expected.y * torch.log_softmax(logits, -1)).sum(-1) * (1 if expected.weight is None else expected.weight)
    assert torch.equal(x, expected.x)
    assert torch.equal(y, expected.y)
    torch.testing.assert_close(r.loss(logits, y, weight), losses.mean())


def test_class_weights_count_in_the_gradient():
    """Against PyTorch's cross-entropy with class weights, whose mean is divided by the sum of weights."""
    r = Rebalancer("cost-adjusted", class_counts=COUNTS)
    logits = torch.randn(16, 2, dtype=torch.float64)
    _, y, weight = r(X.double(), Y)
    ratio = torch.tensor([100 / 180, 100 / 20], dtype=torch.float64)
    expected = torch.nn.functional.cross_entropy(logits, Y, ratio, reduction="sum") / 16
    torch.testing.assert_close(r.loss(logits, y, weight), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    ("strategy", "effect"),
    [
        (imbench.strategy("cost-adjusted"), "sets row weights"),
        (Priced(), "a loss of its own"),
        (Mixed(), "a forward pass of its own"),
        (Paced(), "from epoch to epoch"),
        (imbench.strategy("augmented:inner=cost-adjusted"), "sets row weights"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_plain_call_refuses_to_drop_an_effect(strategy, effect):
    with pytest.raises(UsageError, match=rf"{effect}.*imbench\.torch\.Rebalancer"):
        strategy(torch.zeros(16, 3, 8, 8) if strategy.name == "augmented" else X, Y)


def test_a_loss_and_a_schedule_take_effect():
    priced = Rebalancer(Priced(), class_counts=COUNTS, epochs=3)
    _, y, weight = priced(X, Y)
    logits = torch.zeros(16, 2)
    first = priced.loss(logits, y, weight)
    priced.epoch_end()
    torch.testing.assert_close(first, torch.tensor(2 * np.log(2), dtype=torch.float32))
    torch.testing.assert_close(priced.loss(logits, y, weight), first + 1)


def test_a_schedule_needs_the_number_of_epochs_and_ends_with_them():
    with pytest.raises(UsageError, match="pass epochs="):
        Rebalancer(Paced(), class_counts=COUNTS)
    r = Rebalancer(Paced(), class_counts=COUNTS, epochs=2)
    for epoch in range(2):
        torch.testing.assert_close(r(X, Y)[0], X + epoch)
        r.epoch_end()
    with pytest.raises(UsageError, match="2 epochs of this rebalancer have ended"):
        r(X, Y)


def test_hidden_values_are_mixed_as_a_loop_over_the_stages_does():
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    r, twin = (Rebalancer(Mixed(), class_counts=COUNTS, seed=1) for _ in range(2))
    seen = set()
    for step in range(20):
        x, y, _ = r(X, Y)
        logits, mixed = r.forward(model, x, y)
        noise = imbench.Noise([imbench.contract.streams.stream("rebalancer", "forward", 1, 0, step)])
        stage, partners = int(noise.choice(3)), noise.permutation(16)
        hidden = x
        for number, layer in enumerate(model):
            hidden = layer(0.5 * hidden + 0.5 * hidden[partners] if number == stage else hidden)
        seen.add(stage)
        torch.testing.assert_close(logits, hidden)
        torch.testing.assert_close(mixed, 0.5 * y + 0.5 * y[partners])
    assert seen == {0, 1, 2}
    assert (
        torch.equal(twin.forward(model, X, soft_labels(Y, 2))[1], twin.forward(model, X, soft_labels(Y, 2))[1]) is False
    )


def test_a_model_that_shows_no_stages_is_refused_where_they_are_needed():
    model = torch.nn.Linear(3, 2)
    r = Rebalancer(Mixed(), class_counts=COUNTS)
    with pytest.raises(UsageError, match="attribute stages"):
        r.forward(model, X, soft_labels(Y, 2))
    plain = Rebalancer("remix", class_counts=COUNTS)
    assert torch.equal(plain.forward(model, X, soft_labels(Y, 2))[0], model(X))


@given(st.integers(0, 5), st.integers(0, 3), st.integers(1, 6))
def test_runs_repeat_and_no_step_or_rank_or_seed_repeats_another(seed, rank, steps):
    def draws(seed, rank):
        r = Rebalancer("remix", class_counts=COUNTS, seed=seed, rank=rank)
        return [r(X, Y)[0] for _ in range(steps)]

    own = draws(seed, rank)
    assert all(torch.equal(a, b) for a, b in zip(own, draws(seed, rank), strict=True))
    others = [*own, *draws(seed + 1, rank), *draws(seed, rank + 1)]
    assert len({x.numpy().tobytes() for x in others}) == 3 * steps


def test_a_loaded_state_goes_on_where_it_was():
    r = Rebalancer(Paced(), class_counts=COUNTS, epochs=9, seed=4)
    r(X, Y)
    r.epoch_end()
    state = pickle.loads(pickle.dumps(r.state_dict()))
    later = r(X, Y)[0]
    again = Rebalancer(Paced(), class_counts=COUNTS, epochs=9)
    again.load_state_dict(state)
    assert torch.equal(again(X, Y)[0], later)
    with pytest.raises(UsageError, match="class_counts"):
        Rebalancer(Paced(), class_counts=[1, 2], epochs=9).load_state_dict(state)
    with pytest.raises(UsageError, match="strategy paced"):
        Rebalancer("remix", class_counts=COUNTS).load_state_dict(state)


def test_copies_go_on_alike():
    r = Rebalancer("remix", class_counts=COUNTS)
    r(X, Y)
    twins = copy.deepcopy(r), pickle.loads(pickle.dumps(r))
    expected = r(X, Y)[0]
    assert all(torch.equal(twin(X, Y)[0], expected) for twin in twins)


def test_global_generators_are_neither_read_nor_advanced():
    def states():
        return random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before, r = states(), Rebalancer("remix", class_counts=COUNTS)
    r(X, Y)
    assert states() == before


def test_a_batch_without_the_last_class_has_its_column():
    assert Rebalancer("baseline", class_counts=[5, 5, 5])(X, Y)[1].shape == (16, 3)


def test_token_ids_stay_whole_numbers():
    tokens = torch.arange(16 * 4).reshape(16, 4)
    x, y, _ = Rebalancer(Drawn(), class_counts=COUNTS)(tokens, Y)
    rows = x[:, 0] // 4
    assert x.dtype == torch.int64
    assert torch.equal(x, tokens[rows])
    assert torch.equal(y, soft_labels(Y, 2)[rows])
    assert torch.equal(y.sum(0), torch.tensor([8.0, 8.0]))


@pytest.mark.parametrize("strategy", ["baseline", "cost-adjusted", Priced()], ids=str)
def test_strategies_that_leave_rows_alone_take_whole_numbers(strategy):
    tokens = torch.arange(16 * 4).reshape(16, 4)
    r, floats = (Rebalancer(strategy, class_counts=COUNTS) for _ in range(2))
    x, _, weight = r(tokens, Y)
    assert torch.equal(x, tokens)
    torch.testing.assert_close(weight, floats(tokens.float(), Y)[2])


@pytest.mark.parametrize("strategy", ["remix", "mixup", "batch-smote", Nearest()], ids=str)
def test_whole_numbers_are_never_mixed_or_read(strategy):
    with pytest.raises(UsageError, match=r"x\.float\(\)"):
        Rebalancer(strategy, class_counts=COUNTS)(torch.arange(16 * 4).reshape(16, 4), Y)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("spec", TABULAR)
def test_features_keep_their_type(spec, dtype):
    r = Rebalancer(spec, class_counts=COUNTS)
    x, y, weight = r(X.to(dtype), Y)
    expected = Rebalancer(spec, class_counts=COUNTS)(X.to(dtype).to(torch.promote_types(dtype, torch.float32)), Y)[0]
    assert x.dtype == dtype
    assert torch.equal(x, expected.to(dtype))
    loss = r.loss(torch.randn(16, 2).to(dtype).requires_grad_(), y, weight)
    assert loss.dtype == torch.promote_types(dtype, torch.float32)
    loss.backward()


def test_images_are_rebalanced_as_images():
    images = torch.rand(16, 3, 8, 8)
    x, y, _ = Rebalancer("remix", class_counts=COUNTS)(images, Y)
    assert x.shape == images.shape
    assert abs(float(y[:, 1].mean()) - 0.5) < 0.2
    assert Rebalancer("augment", class_counts=COUNTS)(images, Y)[0].shape == images.shape
    with pytest.raises(UsageError, match="augment supports image data"):
        Rebalancer("augment", class_counts=COUNTS)(X, Y)


def test_the_loss_compiles_into_one_graph():
    r = Rebalancer("cost-adjusted", class_counts=COUNTS)
    model = torch.nn.Linear(3, 2)
    x, y, weight = r(X, Y)
    compiled = torch.compile(lambda x, y, w: r.loss(model(x), y, w), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, y, weight), r.loss(model(x), y, weight))


def test_weights_of_the_loop_multiply_those_of_the_strategy():
    r = Rebalancer("cost-adjusted", class_counts=COUNTS)
    given = torch.rand(16)
    torch.testing.assert_close(r(X, Y, given)[2], given * r(X, Y)[2])
    with pytest.raises(ValueError, match=r"weight must be \(16,\)"):
        r(X, Y, torch.rand(15))


@pytest.mark.parametrize(
    ("y", "reason"),
    [
        (Y[:, None], r"pass y.squeeze\(1\)"),
        (Y[:, None].float(), r"pass y.squeeze\(1\)"),
        (torch.rand(16, 2) + 1, "must sum to 1"),
        (torch.tensor([[1.5, -0.5]] * 16), "from 0 to 1"),
        (torch.full((16, 2), float("nan")), "from 0 to 1"),
        (torch.tensor([[1, 1]] * 16), "must sum to 1"),
        (torch.full((16, 3), 1 / 3), "3 columns, expected one for each of the 2 classes"),
        (Y[:15], "each of the 16 rows"),
        (Y + 1, "class numbers must be 0 to 1"),
        (torch.zeros(16, 2, 2), r"\(batch, classes\) soft labels"),
    ],
)
def test_labels_that_are_none_are_refused(y, reason):
    with pytest.raises(ValueError, match=reason):
        Rebalancer("remix", class_counts=COUNTS)(X, y)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.bool])
def test_soft_and_one_hot_labels_of_any_type_are_accepted(dtype):
    y = soft_labels(Y, 2).to(dtype)
    assert torch.equal(Rebalancer("baseline", class_counts=COUNTS)(X, y)[1], soft_labels(Y, 2))
    if dtype.is_floating_point:
        mixed = torch.rand(16, 7).softmax(-1).to(dtype)
        assert Rebalancer("baseline", class_counts=[1] * 7)(X, mixed)[1].shape == (16, 7)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"class_counts": [3]}, "at least 2"),
        ({"class_counts": [[3, 4]]}, "at least 2"),
        ({"class_counts": [3, -1]}, "from 0 up"),
        ({"class_counts": [0, 0]}, "not all 0"),
        ({"class_counts": "many"}, "must be numbers"),
        ({"seed": -1}, r"Rebalancer.seed .* got -1"),
        ({"epochs": 0}, r"Rebalancer.epochs .* got 0"),
        ({"rank": 1.5}, r"Rebalancer.rank .* got 1.5"),
        ({"strategy": "remixx"}, "remix"),
        ({"strategy": 3}, "a spec or a BatchStrategy"),
    ],
)
def test_a_mistake_is_named_at_once(changes, reason):
    given = {"strategy": "remix", "class_counts": COUNTS} | changes
    with pytest.raises(UsageError, match=reason):
        Rebalancer(given.pop("strategy"), **given)


def test_the_number_of_classes_is_learned_once_and_kept():
    strategy = imbench.strategy("remix")
    assert strategy(X, Y)[1].shape == (16, 2)
    assert strategy(X, torch.zeros(16, dtype=torch.long))[1].shape == (16, 2)
    with pytest.raises(UsageError, match="the first batch of this remix had 2 classes, this one has 3; pass classes="):
        strategy(X, Y + 1)
    with pytest.raises(UsageError, match="had 2 classes, this one has 3"):
        strategy(X, torch.full((16, 3), 1 / 3))
    assert strategy(X, Y + 1, classes=3)[1].shape == (16, 3)
    assert strategy(X, Y, class_counts=[9, 9, 9])[1].shape == (16, 3)
    assert strategy == imbench.strategy("remix")


def test_a_small_net_learns_the_rare_class_with_a_weighted_loss():
    """With weights dropped, as a loop without them did, the recall of the rare class is far lower."""
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(600) % 20 // 19
    x = torch.randn(600, 2, generator=rng) + 1.2 * y[:, None]

    def recall(strategy):
        torch.manual_seed(0)
        model, r = torch.nn.Linear(2, 2), Rebalancer(strategy, class_counts=torch.bincount(y))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        for start in range(0, 6000, 60):
            rows = torch.arange(start, start + 60) % 600
            x2, y2, weight = r(x[rows], y[rows])
            optimizer.zero_grad()
            r.loss(model(x2), y2, weight).backward()
            optimizer.step()
        return float((model(x).argmax(-1) == 1)[y == 1].float().mean())

    assert recall("cost-adjusted") > recall("baseline") + 0.3
