"""Rows on the move: PyTorch's way and the compiled one against plain loops, and against each other bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract import rows as module
from imbench.contract.batch import Batch

settled = settings(deadline=None, derandomize=True, max_examples=40)
shapes = pytest.mark.parametrize("stack", [(), (3,), (2, 4)])


def in_torch(function, *arguments, **options):
    """What PyTorch makes of it, compiled code put aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_row_kernels", lambda: None)
        return function(*arguments, **options)


def same_bits(a, b):
    return a.shape == b.shape and torch.equal(a.contiguous().view(torch.int32), b.contiguous().view(torch.int32))


def make_numbers(stack, size, below, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).integers(below, size=(*stack, size)))


def make_values(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


@pytest.mark.parametrize("piece", [1, 7, 100, 10**6])
@shapes
@pytest.mark.parametrize("features", [(), (5,), (3, 2, 2)])
@pytest.mark.parametrize("compiled", [True, False])
def test_mixed_rows_are_rows_taken_and_then_mixed(monkeypatch, piece, stack, features, compiled):
    monkeypatch.setattr(module, "PIECE", piece)
    if not compiled:
        monkeypatch.setattr(module, "_row_kernels", lambda: None)
    y = torch.nn.functional.one_hot(make_numbers(stack, 11, 3), 3).float()
    batch = Batch(make_values(*stack, 11, *features), y, y[..., 0] + 0.5)
    first, second, share = make_numbers(stack, 11, 11, 1), make_numbers(stack, 11, 11, 2), make_values(*stack).sigmoid()
    found, expected = batch.take_mixed(first, second, share), batch.take(first).mix(batch.take(second), share)
    torch.testing.assert_close(found.x, expected.x, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.y, expected.y, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.weight, expected.weight, rtol=0, atol=1e-6)


@settled
@given(
    stack=st.sampled_from([(1,), (3,), (2, 3)]),
    size=st.integers(1, 20),
    features=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_compiled_rows_between_two_rows_are_torchs_lerp_to_the_bit(stack, size, features, seed):
    rng = np.random.default_rng(seed)
    values = make_values(*stack, size, features, seed=seed)
    first, second = (make_numbers(stack, 9, size, seed + i) for i in (1, 2))
    share = torch.as_tensor(rng.choice([0.0, 0.3, 0.5, 0.8, 1.0, rng.random()], size=(*stack, 9)), dtype=torch.float32)
    found = module.between(values, first, second, share)
    assert same_bits(found, in_torch(module.between, values, first, second, share))
    same = first == second
    assert same_bits(found[same], values.gather(-2, first.unsqueeze(-1).expand(*stack, 9, features))[same])


def test_every_row_can_have_its_own_share():
    values, share = torch.tensor([[0.0], [10.0]]), torch.tensor([0.0, 0.25, 1.0])
    for stack in ((), (1,)):
        numbers = torch.zeros(*stack, 3, dtype=torch.long)
        found = module.between(values.expand(*stack, 2, 1), numbers, numbers + 1, share.expand(*stack, 3))
        assert found.flatten().tolist() == [0.0, 2.5, 10.0]


@settled
@given(
    nets=st.integers(1, 3),
    taken=st.sampled_from([(), (4,), (2, 5)]),
    features=st.integers(1, 70),
    gaps=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_scaled_rows_are_a_plain_formula_and_the_same_compiled(nets, taken, features, gaps, seed):
    rng = np.random.default_rng(seed)
    table = make_values(12, features, seed=seed) * 4
    table[0], table[1] = torch.inf, -torch.inf
    table[rng.random((12, features)) < 0.3 * gaps] = torch.nan
    center, scale = make_values(nets, features, seed=seed + 1), make_values(nets, features, seed=seed + 2).exp()
    numbers = make_numbers((nets,), int(np.prod(taken)), 12, seed).reshape(nets, *taken)
    found = module.scaled(table, numbers, center, scale, 5.0, has_missing=gaps)
    assert same_bits(found, in_torch(module.scaled, table, numbers, center, scale, 5.0, has_missing=gaps))
    for at in np.ndindex(numbers.shape):
        plain = (table[numbers[at]].numpy() - center[at[0]].numpy()) * scale[at[0]].numpy()
        np.testing.assert_array_equal(found[at], np.clip(np.where(np.isnan(plain), 0, plain), -5, 5))


@settled
@given(
    nets=st.integers(1, 3),
    taken=st.lists(st.integers(1, 5), min_size=1, max_size=2).map(tuple),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)),
    clip=st.sampled_from([0.1, 5.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_scaled_pixels_are_a_plain_formula_and_the_same_compiled(nets, taken, shape, clip, seed):
    table = torch.as_tensor(np.random.default_rng(seed).integers(256, size=(7, *shape), dtype=np.uint8))
    center, scale = (make_values(nets, shape[0], 1, 1, seed=seed + i) / 40 for i in (1, 2))
    numbers = make_numbers((nets,), int(np.prod(taken)), 7, seed).reshape(nets, *taken)
    found = module.scaled(table, numbers, center, scale, clip, has_missing=False)
    assert same_bits(found, in_torch(module.scaled, table, numbers, center, scale, clip, has_missing=False))
    for at in np.ndindex(numbers.shape):
        plain = (table[numbers[at]].float() - center[at[0]]) * scale[at[0]]
        np.testing.assert_array_equal(found[at], plain.clamp(-clip, clip))
    with pytest.raises(IndexError, match="from 0 to 6 for 7 rows"):
        module.scaled(table, numbers + 7, center, scale, clip)


def plain_balanced(labels, class_draws, row_draws):
    """One batch, in plain Python."""
    members = {c: np.flatnonzero(labels == c) for c in np.unique(labels)}
    turns = sorted(members, key=lambda c: class_draws[c])
    drawn = [members[turns[slot % len(turns)]] for slot in range(len(labels))]
    return [rows[min(int(luck * np.float32(len(rows))), len(rows) - 1)] for rows, luck in zip(drawn, row_draws)]  # noqa: B905


@settled
@given(
    stack=st.sampled_from([(), (1,), (3,), (2, 3)]),
    size=st.integers(1, 70),
    classes=st.integers(1, 12),
    skew=st.sampled_from([0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_balanced_draw_is_a_plain_loop_and_the_same_compiled(stack, size, classes, skew, seed):
    rng = np.random.default_rng(seed)
    labels = torch.as_tensor(rng.choice(classes, (*stack, size), p=rng.dirichlet(np.full(classes, skew))))
    y = torch.nn.functional.one_hot(labels, classes).float()
    luck = [torch.as_tensor(rng.random((*stack, n), dtype=np.float32)) for n in (classes, size)]
    found = module.balanced(y, *luck)
    assert torch.equal(found, in_torch(module.balanced, y, *luck))
    for at in np.ndindex(stack):
        assert found[at].tolist() == plain_balanced(labels[at].numpy(), *(part[at].numpy() for part in luck))


def test_soft_labels_are_drawn_by_the_largest_the_first_of_equals():
    y = torch.tensor([[[0.2, 0.8], [0.5, 0.5], [1.0, 0.0], [0.4, 0.6]]])
    luck = torch.tensor([[0.1, 0.2]]), torch.tensor([[0.0, 0.0, 0.9, 0.9]])
    assert module.balanced(y, *luck).tolist() == [[1, 0, 2, 3]]
    assert in_torch(module.balanced, y, *luck).tolist() == [[1, 0, 2, 3]]


@pytest.mark.parametrize("values", [torch.zeros(1, 2, 3).double(), torch.zeros(1, 2, 3).requires_grad_()])
def test_what_compiled_code_cannot_take_goes_to_torch(values):
    numbers = torch.zeros(1, 2, dtype=torch.long)
    found = module.between(values, numbers, numbers, torch.zeros(1, 1))
    assert (found.dtype, found.requires_grad) == (values.dtype, values.requires_grad)


def test_a_single_batch_compiles_nothing(monkeypatch):
    monkeypatch.setattr(module, "_row_kernels", lambda: pytest.fail("asked for compiled code"))
    numbers = torch.zeros(2, dtype=torch.long)
    module.between(torch.zeros(2, 3), numbers, numbers, torch.zeros(1))
    module.balanced(torch.eye(2), torch.zeros(2), torch.zeros(2))


@pytest.mark.parametrize("compiled", [True, False])
@settled
@given(
    stack=st.sampled_from([(), (1,), (2, 3)]),
    wrong=st.one_of(st.integers(7, 2**62), st.integers(-(2**62), -1)),
    at=st.integers(0, 2**31),
    which=st.sampled_from(["rows", "partners"]),
)
def test_a_row_number_out_of_range_is_an_error_and_no_row_of_another_batch(compiled, stack, wrong, at, which):
    batch = Batch(make_values(*stack, 7, 3), torch.full((*stack, 7, 2), 0.5))
    numbers = {"rows": make_numbers(stack, 5, 7), "partners": make_numbers(stack, 5, 7)}
    numbers[which].view(-1)[at % numbers[which].numel()] = wrong
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(module, "_row_kernels", lambda: None)
        with pytest.raises(IndexError, match="row numbers must be from 0 to 6 for 7 rows"):
            batch.take_mixed(**numbers, share=torch.ones(stack))
    with pytest.raises(IndexError, match="row numbers must be from 0 to 6 for 7 rows"):
        batch.take(numbers[which])


@pytest.mark.parametrize("change", [lambda v: v[..., :-1], lambda v: v[:1], lambda v: v.int(), lambda v: v.flatten()])
def test_rows_of_another_stack_or_kind_are_refused(change):
    values, numbers = make_values(2, 7, 3), make_numbers((2,), 5, 7)
    with pytest.raises(ValueError, match="must be int64 row numbers"):
        module.between(values, numbers, change(numbers), torch.ones(2, 1))


def test_a_scale_for_all_features_is_one_for_each():
    table, numbers = make_values(12, 5), make_numbers((2,), 4, 12)
    one = torch.ones(2, 1)
    assert same_bits(
        module.scaled(table, numbers, one, one, 5.0), module.scaled(table, numbers, *[one.expand(2, 5)] * 2, 5.0)
    )
    with pytest.raises(IndexError, match="from 0 to 11 for 12 rows"):
        module.scaled(table, numbers + 9, one, one, 5.0)
