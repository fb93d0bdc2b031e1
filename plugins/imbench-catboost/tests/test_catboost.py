"""CatBoost by way of imbench equals CatBoost used directly."""

import numpy as np
import pytest

pytest.importorskip("catboost", reason="needs the package catboost")

from catboost import CatBoostClassifier
from imbench_catboost import balanced_catboost, catboost

from imbench.contract.reference import make_reference


@pytest.mark.parametrize(("factory", "weights"), [(catboost, None), (balanced_catboost, "Balanced")])
def test_probabilities_equal_those_of_catboost(factory, weights):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [120, 20])
    x = rng.normal(size=(140, 4)) + y[:, None]
    reference = make_reference("catboost", factory, {"iterations": "20", "depth": "3"}, "catboost")

    found = reference.make(seed=7).fit(x, y).predict_proba(x)

    directly = CatBoostClassifier(
        iterations=20,
        depth=3,
        random_seed=7,
        thread_count=1,
        verbose=False,
        auto_class_weights=weights,
        allow_writing_files=False,
    )
    np.testing.assert_allclose(found, directly.fit(x, y).predict_proba(x), rtol=0, atol=1e-12)


def test_defaults_are_not_written_and_balancing_is_declared():
    plain = make_reference("catboost", catboost, {"iterations": "1000"}, "catboost")
    balanced = make_reference("balanced-catboost", balanced_catboost, {}, "balanced-catboost")

    assert plain.spec == "catboost"
    assert not plain.balances(plain.make())
    assert balanced.balances(balanced.make())
