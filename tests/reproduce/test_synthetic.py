"""Figures 2 and 3: what lies outside a hull, what is measured of samples, and sentences that turn with the data."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from imbench import RunRequest
from imbench.reproduce.context import ReproductionContext
from imbench.reproduce.mini_batches import Fed
from imbench.reproduce.synthetic import (
    REMIX,
    SAME,
    SHOWN,
    SMOTE,
    Hull,
    clouds,
    facts,
    figure2,
    figure3,
    found_of_batches,
    found_of_hulls,
    made,
    moons,
)


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    context = ReproductionContext(RunRequest(store=tmp_path_factory.mktemp("store"), protocol="smoke"))
    return {figure.__name__: (figure(context), figure(context)) for figure in (figure2, figure3)}


@pytest.mark.parametrize("seed", range(5))
def test_outside_of_a_hull_is_what_delaunay_says(seed):
    rng = np.random.default_rng(seed)
    of, asked = rng.normal(size=(12, 2)), rng.normal(size=(500, 2))
    outside = Hull(of).outside(asked)
    np.testing.assert_array_equal(outside, Delaunay(of).find_simplex(asked) < 0)
    assert 0 < outside.mean() < 1


@pytest.mark.parametrize("data_of", [clouds, moons])
@pytest.mark.parametrize("seed", range(3))
def test_smote_stays_in_the_hull_of_the_minority_and_remix_does_not(data_of, seed):
    data = data_of(seed)
    for spec, leaves in ((SMOTE, False), (SHOWN, True)):
        x, y = made("test", data, spec, 24, seed).rows()
        chosen = x[y[:, 1] >= 0.5].astype(np.float64)
        # A point of the hull's edge may be rounded to its outside.
        inside = Delaunay(data.minority.astype(np.float64)).find_simplex(chosen, tol=1e-5) >= 0
        assert (not inside.all()) == leaves


@pytest.mark.parametrize("spec", ["baseline", SMOTE, *REMIX])
def test_labels_sum_to_one_and_are_soft_for_remix_alone(spec):
    y = made("test", moons(0), spec, 24, 0).y
    np.testing.assert_allclose(y.sum(axis=-1), 1.0, atol=1e-6)
    soft = (y > 0) & (y < 1)
    assert soft.any() == spec.startswith("remix")


def test_what_is_measured_of_four_samples():
    data = clouds(0)
    corner, far = data.minority.max(axis=0) + 3, data.minority.mean(axis=0)
    x = np.stack([far, far + SAME / 2, corner, far])[None].astype(np.float32)
    y = np.array([[1.0, 0.8, 0.6, 0.05]])
    measured = facts(Fed(x, np.stack([1 - y, y], axis=-1).astype(np.float32), 0.25), data)
    # Three are of the minority, of which one lies outside and two are next to each other.
    assert measured["outside"] == pytest.approx(1 / 3)
    assert measured["repeats"] == pytest.approx(2 / 3)
    assert (measured["soft"], measured["hard_minority"], measured["hard_majority"]) == (0.5, 0.25, 0.25)
    assert measured["minority"] == pytest.approx(y.mean())
    assert measured["fallback"] == 0.25


def test_the_original_rows_have_no_more_spread_than_themselves():
    data = clouds(1)
    whole = Fed(data.x[None], np.eye(2, dtype=np.float32)[data.y][None], float("nan"))
    measured = facts(whole, data)
    assert measured["spread"] == pytest.approx(1)
    assert measured["area"] == pytest.approx(1)
    assert (measured["outside"], measured["minority"]) == (0, pytest.approx(data.y.mean()))


@pytest.mark.parametrize("name", ["figure2", "figure3"])
def test_the_same_again_gives_the_same_bytes(items, name):
    one, again = items[name]
    assert [figure.files for figure in one.figures] == [figure.files for figure in again.figures]
    assert one.found == again.found
    assert {"svg", "pdf", "png"} == set(one.figures[0].files)


def numbers_of(item):
    """The table of plain numbers, to be altered."""
    return item.tables[1].frame.copy()


def test_the_sentences_on_hulls_turn_with_the_numbers(items):
    frame = numbers_of(items["figure2"][0])
    assert "beyond the hull and SMOTE does not: supported" in found_of_hulls(frame)[0]
    frame.loc[frame["strategy"] == SMOTE, "outside"] = 0.2
    assert "beyond the hull and SMOTE does not: contradicted" in found_of_hulls(frame)[0]
    assert "20.0 %" in found_of_hulls(frame)[0]
    frame["spread_half"] = 0.001
    assert "SMOTE contracts the minority: supported" in found_of_hulls(frame)[2]
    frame.loc[frame["strategy"] == SMOTE, "spread"] = 1.5
    assert "SMOTE contracts the minority: contradicted" in found_of_hulls(frame)[2]
    frame.loc[frame["strategy"] == SMOTE, ["spread", "spread_half"]] = 1.01, 0.1
    assert "SMOTE contracts the minority: undecided" in found_of_hulls(frame)[2]
    frame["soft"] = 0.5
    assert "Even at α = 0.1" in found_of_hulls(frame)[1]


def test_the_sentences_on_batches_turn_with_the_numbers(items):
    frame = numbers_of(items["figure3"][0])
    frame[["area_half", "repeats_half"]] = 0.001
    assert "expands the minority's region: supported" in found_of_batches(frame)[1]
    assert "repeats are rare (here below 10 %): contradicted" in found_of_batches(frame)[3]
    frame.loc[frame["strategy"] == SHOWN, "area"] = 0.9
    frame["repeats"] = 0.01
    assert "expands the minority's region: contradicted" in found_of_batches(frame)[1]
    assert "repeats are rare (here below 10 %): supported" in found_of_batches(frame)[3]
    frame["repeats_half"] = 0.2
    assert "repeats are rare (here below 10 %): undecided" in found_of_batches(frame)[3]
