"""The strategies train in scikit-learn as they do in the engine, hooks included."""

from dataclasses import replace

import numpy as np
import pytest
from longtail_made import LOSSES, TABULAR

from imbench.contract.records import Fold
from imbench.data.preprocess import fit
from imbench.engine.train import train
from imbench.runs.protocols import load_protocol
from imbench.sklearn import BatchStrategyClassifier
from imbench.sklearn.arrays import Columns, dataset_of

RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.15).astype(int)
X = (RNG.normal(size=(300, 5)) + Y[:, None]).astype(np.float32)


def fitted(strategy):
    return BatchStrategyClassifier(strategy, epochs=6, hidden_width=12, random_state=0).fit(X, Y)


@pytest.mark.parametrize("strategy", TABULAR, ids=lambda s: s.spec)
def test_its_probabilities_are_those_of_the_engine(strategy):
    classifier = fitted(strategy)
    dataset = dataset_of(X, Y, None, 2, classifier._seed, Columns.of(X))
    fold = Fold(0, 0, np.arange(300), np.zeros(0, int), np.arange(300))
    protocol = replace(load_protocol("standard"), epochs=6, width_divisor=2 * 7 / 12.5, exceptions={})
    (found,) = train(dataset, [fold], [fit(dataset, fold, protocol.clip)], strategy, protocol)
    np.testing.assert_array_equal(classifier.predict_proba(X), found.test.proba)


@pytest.mark.parametrize("strategy", LOSSES, ids=lambda s: s.spec)
def test_a_loss_of_its_own_has_its_effect(strategy):
    class Batches(type(strategy)):
        """The batches of the strategy with the default loss."""

        def overrides(self, hook):
            return False

    without = Batches(**{name: getattr(strategy, name) for name in strategy.params})
    assert np.abs(fitted(strategy).predict_proba(X) - fitted(without).predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("name", ["manifold-mixup", "manifold-remix"])
def test_mixing_of_hidden_rows_has_its_effect(name):
    (strategy, *_) = [s for s in TABULAR if s.name == name]

    class Unmixed(type(strategy)):
        """The batches of the strategy, not mixed."""

        def hidden_mix(self, stages, batch, noise):
            mix = super().hidden_mix(stages, batch, noise)
            return replace(mix, share=mix.share * 0 + 1)

    without = Unmixed(**{name: getattr(strategy, name) for name in strategy.params})
    assert np.abs(fitted(strategy).predict_proba(X) - fitted(without).predict_proba(X)).max() > 1e-3


def test_a_scheduled_strategy_refuses_partial_fits():
    with pytest.raises(ValueError, match="depends on the epoch"):
        BatchStrategyClassifier(TABULAR[[s.name for s in TABULAR].index("ldam-drw")]).partial_fit(X, Y)
