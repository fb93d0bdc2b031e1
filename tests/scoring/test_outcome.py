"""Labels and probabilities of any type that holds numbers are scored; what holds none is named, with the fix."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imbench import score
from imbench.contract.errors import UsageError
from imbench.scoring.outcome import Outcome

LABELS = [0, 1, 1, 0]
PROBA = [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [1.0, 0.0]]
EXACT = score(LABELS, PROBA)

LABEL_TYPES = {
    **{name: np.array(LABELS, dtype=name) for name in ("int8", "uint8", "int32", "int64", "uint64", "bool", "object")},
    **{name: np.array(LABELS, dtype=name) for name in ("float16", "float32", "float64", "longdouble")},
    "list": LABELS,
    "tuple of bool": (False, True, True, False),
    "objects of many types": np.array([0, True, np.int8(1), 0.0], dtype=object),
    "decimals": np.array([Decimal(0), Decimal("1.0"), Fraction(1), Decimal(0)], dtype=object),
    "a series": pd.Series(LABELS),
    "a nullable series": pd.Series(LABELS, dtype="Int64"),
    "a series of categories": pd.Series(pd.Categorical(LABELS)),
    "a tensor": torch.tensor(LABELS),
}
PROBA_TYPES = {
    **{name: np.array(PROBA, dtype=name) for name in ("float16", "float32", "float64", "longdouble", "object")},
    "decimals": np.array([[Decimal(str(p)) for p in row] for row in PROBA], dtype=object),
    "a frame": pd.DataFrame(PROBA),
    "a nullable frame": pd.DataFrame(PROBA).astype("Float64"),
    "a tensor of halves": torch.tensor(PROBA).half(),
}


@pytest.mark.parametrize("kind", LABEL_TYPES)
def test_labels_of_any_type_that_holds_whole_numbers_are_scored(kind):
    assert score(LABEL_TYPES[kind], PROBA) == pytest.approx(EXACT, nan_ok=True)


@pytest.mark.parametrize("kind", PROBA_TYPES)
def test_probabilities_of_any_type_that_holds_them_exactly_are_scored(kind):
    assert score(LABELS, PROBA_TYPES[kind]) == pytest.approx(EXACT, nan_ok=True)


@pytest.mark.parametrize("kind", ["int8", "int64", "bool", "object"])
def test_hard_decisions_as_whole_numbers_are_scored(kind):
    hard = np.eye(2)[LABELS]
    assert score(LABELS, hard.astype(kind)) == pytest.approx(score(LABELS, hard), nan_ok=True)


def softmax(logits):
    """Rows of probabilities, in the logits' own type."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True, dtype=logits.dtype)


def test_float16_that_does_not_sum_to_one_is_named_and_the_same_logits_in_float32_are_scored():
    logits = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float16)
    y = np.arange(50) % 10
    with pytest.raises(UsageError, match=r"proba is float16, .* convert logits to float32, then apply softmax"):
        score(y, softmax(logits))
    assert score(y, softmax(logits.astype(np.float32)))["log_loss"] > 0


class Unreadable:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("it is on another device")


BAD_LABELS = {
    "text": (np.array(["a", "b", "a", "b"]), r"text of dtype <U1, such as a; encode labels as 0 to K-1"),
    "digits as text": (np.array(["0", "1", "1", "0"]), "text of dtype <U1"),
    "bytes": (np.array([b"a"] * 4), r"text of dtype \|S1"),
    "objects of text": (np.array(["a", "b", "a", "b"], dtype=object), r"got 'a' \(str\) in row 0 \(dtype object\)"),
    "a missing object": (np.array([0, None, 1, 0], dtype=object), "got a missing value in row 1"),
    "a missing integer": (pd.array([0, pd.NA, 1, 0], dtype="Int64"), "a missing value in row 1|nan in row 1"),
    "not a number": ([0, float("nan"), 1, 0], "got nan in row 1 .float64."),
    "half a class": (np.array([0, 0.5, 1, 0], dtype=object), "got 0.5 in row 1 .object."),
    "half a class of float32": (np.array([0, 0.5, 1, 0], dtype=np.float32), "got 0.5 in row 1 .float32."),
    "an endless class": ([0, np.inf, 1, 0], "got inf in row 1"),
    "a class beyond int64": (np.array([0, 2**64 - 1, 1, 0], dtype=np.uint64), "got 0 to 18446744073709551615"),
    "a class beyond every type": (
        np.array([0, 10**30, 1, 0], dtype=object),
        "got 0 to 1000000000000000000000000000000",
    ),
    "a huge float": ([0, 1e300, 1, 0], "must be 0 to 1"),
    "complex numbers": (np.array(LABELS, dtype=complex), "dtype complex128"),
    "dates": (np.array(LABELS, dtype="datetime64[D]"), r"dtype datetime64\[D\]"),
    "spans of time": (np.array(LABELS, dtype="timedelta64[s]"), r"dtype timedelta64\[s\]"),
    "one-hot labels": (np.eye(2)[LABELS], r"got shape \(4, 2\)"),
    "an array nobody can read": (Unreadable(), "NumPy cannot read them from this Unreadable: it is on another device"),
}
BAD_PROBA = {
    "text": (np.array(PROBA).astype(str), "text of dtype <U32.*; give the probabilities as float32 or float64"),
    "objects of text": (np.array(PROBA).astype(str).astype(object), r"got '0.75' \(str\) in row 0 \(dtype object\)"),
    "a missing object": (np.array([[0.5, None]] * 4, dtype=object), "a missing value in row 0"),
    "complex numbers": (np.array(PROBA, dtype=complex), "dtype complex128"),
    "spans of time": (np.array(PROBA).astype("timedelta64[s]"), "dtype timedelta64"),
    "rows of other lengths": ([[0.5, 0.5], [1.0]], "NumPy cannot read them from this list"),
    "a tensor in training": (
        torch.tensor(PROBA, requires_grad=True),
        "NumPy cannot read them from this Tensor: .*detach",
    ),
}


@pytest.mark.parametrize("kind", BAD_LABELS)
def test_labels_that_are_no_class_numbers_are_named_with_their_type(kind):
    labels, message = BAD_LABELS[kind]
    with pytest.raises(UsageError, match=message):
        score(labels, PROBA)


@pytest.mark.parametrize("kind", BAD_PROBA)
def test_probabilities_that_are_no_numbers_are_named_with_their_type(kind):
    proba, message = BAD_PROBA[kind]
    with pytest.raises(UsageError, match=message):
        score(LABELS, proba)


@given(st.integers(2, 4), st.integers(1, 120), st.integers(0, 10**6), st.integers(1, 4))
def test_thresholds_are_those_of_a_plain_loop_over_distinct_probabilities(classes, rows, seed, levels):
    rng = np.random.default_rng(seed)
    y, odds = rng.integers(classes, size=rows), np.round(rng.normal(size=(rows, classes)) * levels)
    outcome = Outcome(y, np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True))
    for j, (true, false) in enumerate(outcome.thresholds):
        chosen = [outcome.proba[:, j] >= least for least in np.unique(outcome.proba[:, j])[::-1]]
        assert true.tolist() == [int((y[rows] == j).sum()) for rows in chosen]
        assert false.tolist() == [int((y[rows] != j).sum()) for rows in chosen]
