"""Parameters fail at construction, with the thing, the value and the fix; specs say what was asked."""

import dataclasses
import pickle

import pytest
from longtail_made import EVERY

import imbench
import imbench_longtail as lt

WRONG = [
    (lt.ClassBalancedLoss, "beta", [-0.1, 1.0, 2]),
    (lt.Focal, "gamma", [-1.0]),
    (lt.Focal, "alpha", [0.0, 1.0, -0.5]),
    (lt.LDAM, "max_margin", [-0.5]),
    (lt.LDAM, "scale", [0.0, -1.0]),
    (lt.LDAMDRW, "max_margin", [-0.5]),
    (lt.LDAMDRW, "scale", [0.0]),
    (lt.LDAMDRW, "deferral", [-0.1, 1.1]),
    (lt.LDAMDRW, "beta", [1.0]),
    (lt.LogitAdjustment, "tau", [-1.0]),
    (lt.ChouRemix, "alpha", [0.0, -1.0]),
    (lt.ChouRemix, "kappa", [0.5]),
    (lt.ChouRemix, "tau", [-0.1, 1.5]),
    (lt.ManifoldMixUp, "alpha", [0.0]),
    (lt.ManifoldReMix, "alpha", [0.0]),
    (lt.CutMix, "alpha", [0.0]),
    (lt.UniMix, "alpha", [0.0]),
    (lt.UniMix, "tau", [0.5]),
]


@pytest.mark.parametrize(("kind", "field", "values"), WRONG, ids=lambda v: getattr(v, "__name__", None))
def test_wrong_values_are_named_with_a_fix(kind, field, values):
    for value in [*values, float("nan"), float("inf"), "much", True]:
        with pytest.raises(imbench.UsageError, match=rf"^{kind.__name__}\.{field} must be .*, got .*; .+") as error:
            kind(**{field: value})
        assert str(value) in str(error.value)


@pytest.mark.parametrize("kind", [lt.LDAM, lt.LDAMDRW])
def test_margin_in_units_of_scaled_logits_has_a_limit(kind):
    assert kind(max_margin=0.5, scale=30.0).scale == 30.0
    with pytest.raises(
        imbench.UsageError, match=rf"^{kind.__name__}\.scale times max_margin must be at most 15, got 30 \* 1"
    ):
        kind(max_margin=1.0, scale=30.0)


def test_every_parameter_is_judged():
    judged = {(kind, field) for kind, field, _ in WRONG}
    assert judged == {(type(s), f.name) for s in EVERY for f in dataclasses.fields(s)}


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: s.spec)
def test_spec_finds_the_strategy_again(strategy):
    again = imbench.strategy(strategy.spec)
    assert again == strategy
    assert hash(again) == hash(strategy)
    assert pickle.loads(pickle.dumps(strategy)) == strategy


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ("ldam-drw:deferral=0.5,beta=0.99", "deferral", 0.5),
        ("focal:alpha=none", "alpha", None),
        ("chou-remix:kappa=5", "kappa", 5.0),
        ("class-balanced-loss:beta=0", "beta", 0.0),
        ("unimix:tau=-1", "tau", -1.0),
    ],
)
def test_specs_are_read(spec, field, value):
    assert getattr(imbench.strategy(spec), field) == value
