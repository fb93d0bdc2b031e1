"""Batches whose features are not computed yet are those of computed features, to the bit, whatever is done to them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.batch import Batch
from imbench.contract.rows import TableRows, table_rows
from tests.contract.test_rows import in_torch, same_bits

drawn = settings(deadline=None, derandomize=True, max_examples=60)
SHAPES = {
    "nets": st.integers(1, 3),
    "steps": st.integers(1, 3),
    "size": st.integers(1, 20),
    "features": st.integers(1, 40),
    "missing": st.booleans(),
    "seed": st.integers(0, 2**32 - 1),
}


def made_rows(nets, steps, size, features, missing, seed):
    """Rows of a made-up table of 30 rows, some values of which are missing, far off or clipped."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(30, features)) * rng.choice([0.1, 1.0, 1e6], size=features)
    if missing:
        table[rng.random(table.shape) < 0.2] = np.nan
    center, scale = rng.normal(size=(nets, features)), rng.random((nets, features)) + 0.1
    table, center, scale = (torch.as_tensor(values, dtype=torch.float32) for values in (table, center, scale))
    numbers = torch.as_tensor(rng.integers(30, size=(nets, steps, size)))
    return table_rows(table, numbers, center, scale, 5.0, has_missing=missing)


def both(*, seed, **shape):
    """A batch of rows that are not computed, and one of the same rows computed."""
    rows = made_rows(seed=seed, **shape)
    assert isinstance(rows, TableRows)
    rng = np.random.default_rng(seed + 1)
    y = torch.as_tensor(rng.dirichlet(np.ones(3), size=rows.shape[:3]), dtype=torch.float32)
    return Batch.of_table(rows, y), Batch(in_torch(rows.compute), y), rng


def numbers(rng, batch, count):
    return torch.as_tensor(rng.integers(batch.size, size=(*batch.stack, count)))


def shares(rng, *shape):
    return torch.as_tensor(rng.choice([0.0, 0.3, 0.5, 0.8, 1.0, rng.random()], size=shape), dtype=torch.float32)


def steps_of(rng, batch):
    """What strategies do to batches, drawn."""
    rows, partners = numbers(rng, batch, 7), numbers(rng, batch, 7)
    share, of_rows = shares(rng, *batch.stack), shares(rng, *batch.stack, 7)
    y = batch.y[..., :1, :].expand(*batch.stack, 7, 3)
    weight, where = torch.rand(batch.y.shape[:-1]), torch.rand(batch.stack) < 0.5
    some = torch.as_tensor(rng.permutation(batch.stack[0])[:2].copy())
    return {
        "take": lambda batch: batch.take(rows),
        "take_mixed": lambda batch: batch.take_mixed(rows, partners, share),
        "interpolated": lambda batch: batch.interpolated(rows, partners, of_rows, y),
        "weighted": lambda batch: batch.weighted(weight),
        "mark_fallback": lambda batch: batch.mark_fallback(where),
        "keep": lambda batch: batch.keep(some),
        "replace": lambda batch: batch.replace(y=batch.y.flip(-1)),
    }


@drawn
@given(**SHAPES, data=st.data())
def test_every_method_gives_the_bits_of_computed_features(data, **shape):
    late, early, rng = both(**shape)
    for _ in range(2):
        name = data.draw(st.sampled_from(sorted(steps_of(np.random.default_rng(0), early))))
        step = steps_of(rng, early)[name]
        late, early = step(late), step(early)
        assert late.shape == early.x.shape
        assert late.stack == early.stack
        for ours, theirs in zip(
            (late.y, late.weight, late.fallback), (early.y, early.weight, early.fallback), strict=True
        ):
            assert ours is theirs or torch.equal(ours, theirs)
    some = torch.as_tensor(rng.integers(early.stack[0] * early.stack[1], size=4))
    rows = torch.as_tensor(rng.integers(early.size, size=(4, 3)))
    assert same_bits(late.features_of(some, rows), early.features_of(some, rows))
    step = int(rng.integers(early.stack[1]))
    assert same_bits(late.of_step(step).x, early.of_step(step).x)
    assert same_bits(late.x, early.x)
    assert late.uncomputed is None


@pytest.mark.parametrize("name", ["take", "take_mixed", "interpolated", "weighted", "mark_fallback", "keep", "replace"])
def test_no_method_computes_features(name):
    batch, _, rng = both(nets=2, steps=2, size=9, features=4, missing=False, seed=3)
    result = steps_of(rng, batch)[name](batch)
    assert batch.uncomputed is not None
    assert result.uncomputed is not None


def test_features_are_computed_once():
    batch, _, _ = both(nets=2, steps=2, size=9, features=4, missing=False, seed=3)
    assert batch.x is batch.x


def test_changes_in_place_are_seen_by_what_comes_after_and_by_nothing_else():
    batch, early, rng = both(nets=2, steps=2, size=9, features=4, missing=False, seed=3)
    rows, partners, share = numbers(rng, batch, 9), numbers(rng, batch, 9), shares(rng, *batch.stack)
    before, expected = batch.take_mixed(rows, partners, share), early.take_mixed(rows, partners, share)
    batch.x.add_(1.0)
    assert same_bits(before.x, expected.x)
    early.x.add_(1.0)
    assert same_bits(batch.take_mixed(rows, partners, share).x, early.take_mixed(rows, partners, share).x)


@pytest.mark.parametrize("wrong", [-1, 9])
def test_row_numbers_out_of_range_are_refused_before_anything_is_computed(wrong):
    for batch in both(nets=2, steps=2, size=9, features=4, missing=False, seed=3)[:2]:
        rows, share = torch.full((2, 2, 9), wrong), torch.ones(2, 2)
        with pytest.raises(IndexError, match="from 0 to 8"):
            batch.take(rows)
        with pytest.raises(IndexError, match="from 0 to 8"):
            batch.take_mixed(rows, rows, share)
        with pytest.raises(ValueError, match="int64 row numbers"):
            batch.interpolated(rows.float(), rows, share[..., None], batch.y)


def test_only_features_that_compiled_code_supports_wait():
    rows = made_rows(nets=2, steps=2, size=9, features=4, missing=False, seed=3)
    given = rows.numbers, rows.center, rows.scale, rows.clip
    assert isinstance(in_torch(table_rows, rows.table, *given, has_missing=False), torch.Tensor)
    double = rows.table.double(), rows.numbers, rows.center.double(), rows.scale.double(), rows.clip
    assert table_rows(*double, has_missing=False).dtype == torch.float64
