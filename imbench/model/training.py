"""Train a recipe on a whole table, and fit recalibration and decision rule on rows that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Dataset, Fold, Predictions, Preprocessing, Split
from imbench.contract.reference import Reference
from imbench.contract.strategy import BatchStrategy
from imbench.data.preprocess import fit as fit_preprocessing
from imbench.data.whole_split import split_whole
from imbench.engine.choice import one_thread
from imbench.engine.train import train
from imbench.model.fitted import Scorer
from imbench.model.nets import Nets
from imbench.scoring.outcome import Floats

# Stated probabilities and those of the engine differ by rounding: it computes in float32.
_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Trained:
    """What was trained on a whole table.

    Parameters
    ----------
    scorer : computes probabilities
    fold : its training and validation rows
    validation : probabilities of the validation rows, which it has not trained on
    trained_prior : ``(classes,)`` class frequencies in the batches; None for a reference
    train_counts : ``(classes,)`` rows of each class that it was trained on
    epochs : epochs of each net; empty for a reference
    """

    scorer: Scorer
    fold: Fold
    validation: Split
    trained_prior: Floats | None
    train_counts: np.ndarray
    epochs: tuple[int, ...] = ()


def train_nets(dataset: Dataset, strategy: BatchStrategy, protocol: Protocol, nets: int) -> Trained:
    """Train nets that differ in their random numbers only.

    Parameters
    ----------
    protocol : with its exceptions for this dataset applied; ``validation`` is the share of validation rows
    nets : number of nets
    """
    fold, fitted = _prepared(dataset, protocol)
    folds = [replace(fold, train_seed=number) for number in range(nets)]
    with one_thread():
        trained = train(dataset, folds, [fitted] * nets, strategy, protocol, keep_arrays=True)
    scorer = Nets(fitted, tuple(tuple(net.arrays) for net in trained))
    validation = _validation(dataset, fold, scorer)
    _check_equal(validation, trained)
    priors = [net.exposure.prior for net in trained if net.exposure is not None]
    prior = np.mean(priors, axis=0) if len(priors) == nets else None
    counts = np.bincount(dataset.y[fold.train], minlength=dataset.classes)
    return Trained(scorer, fold, validation, prior, counts, tuple(net.epochs for net in trained))


def train_reference(dataset: Dataset, reference: Reference, protocol: Protocol) -> Trained:
    """Fit a reference once; the parameters are those of `train_nets`."""
    from threadpoolctl import threadpool_limits

    from imbench.model.estimators import scorer_of
    from imbench.runs.fitting import seed_of, values_of

    fold, fitted = _prepared(dataset, protocol)
    estimator = reference.make(seed_of(dataset, fold))
    with threadpool_limits(1):
        estimator.fit(values_of(dataset, fold.train, fitted), dataset.y[fold.train])
    scorer = scorer_of(estimator, fitted, dataset.classes)
    counts = np.bincount(dataset.y[fold.train], minlength=dataset.classes)
    return Trained(scorer, fold, _validation(dataset, fold, scorer), None, counts)


def _prepared(dataset: Dataset, protocol: Protocol) -> tuple[Fold, Preprocessing]:
    fold = split_whole(dataset, protocol)
    return fold, fit_preprocessing(dataset, fold, protocol.clip)


def _validation(dataset: Dataset, fold: Fold, scorer: Scorer) -> Split:
    rows = fold.validation
    return Split(dataset.rows[rows], dataset.y[rows], scorer.probabilities(dataset.x[rows]))


def _check_equal(validation: Split, trained: list[Predictions]) -> None:
    """Raise `UsageError` if the nets' probabilities are not those that the engine had."""
    engine = np.mean([net.validation.proba for net in trained], axis=0, dtype=np.float64)
    if np.abs(engine - validation.proba).max(initial=0.0) > _ROUNDING:
        raise UsageError(
            "the nets predict otherwise outside of the training engine; the strategy's forward pass may change "
            "predictions, which a model folder cannot store"
        )
