"""BatchStrategyClassifier: a scikit-learn classifier whose net trains with a strategy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.strategy import BatchStrategy
from imbench.data.preprocess import fit as fit_preprocessing
from imbench.engine.choice import one_thread
from imbench.engine.mlp import FEWEST_UNITS, mlp_widths
from imbench.engine.prediction import probabilities
from imbench.engine.train import train
from imbench.runs.protocols import load_protocol
from imbench.sklearn.arrays import Columns, dataset_of, folds_of, plain
from imbench.sklearn.strategy_parameters import parameters_of, resolved, with_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from imbench.contract.records import Dataset, Preprocessing

_PREFIX = "strategy__"
_SEEDS = 2**31 - 1
_REPORTS = 10  # lines of a verbose fit


class BatchStrategyClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A dense net trained on mini-batches that a strategy rebalances.

    The engine, the net and the settings are those of ``imbench run`` under the protocol ``standard``, except that all
    rows are trained on by default and that hidden layers have at least 32 units. Columns are standardised and missing
    values (NaN) replaced by the mean inside `fit`.

    Parameters
    ----------
    strategy : spec such as ``"remix:alpha=0.3"``, or a `BatchStrategy`. Its parameters are ``strategy__alpha`` and so
        on, in `get_params`, `set_params` and searches
    hidden_layers : number of hidden layers
    hidden_width : units of each hidden layer; None for ``2 * (features + classes) / 3``, at least 32
    epochs : largest number of passes over the training rows
    batch_size : rows in a mini-batch
    learning_rate : first learning rate of Adam, which falls when the training loss stops improving
    dropout : dropout rate in [0, 1) after each hidden layer except the last
    weight_decay : decoupled weight decay, as in AdamW
    patience : training ends after so many gradient steps without improvement at the lowest learning rate; None for all
        epochs
    validation_fraction : share of the rows of each class, in [0, 1), that is held out to choose the weights of the
        least validation loss; 0 trains on all rows and keeps the last weights
    n_nets : number of nets, which differ in their random numbers only; their probabilities are averaged
    warm_start : whether `fit` goes on from the nets of the last `fit`, with their standardisation, instead of new ones
    random_state : int, `numpy.random.RandomState` or None. Equal ints give probabilities that are equal to the bit,
        whatever ``n_jobs`` of a search is
    device : where to train, such as ``"cpu"`` or ``"cuda:0"``
    verbose : whether `fit` prints its progress

    Attributes
    ----------
    classes_ : ``(classes,)`` sorted class labels
    n_features_in_, feature_names_in_ : number of columns, and their names if they have any
    strategy_ : the `BatchStrategy` of the last fit
    nets_ : for each net, its arrays ``[W0, b0, W1, b1, …]``, W ``(inputs, outputs)``
    n_iter_ : most epochs that a net trained in the last fit
    loss_ : mean over nets of the training loss of the last epoch

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> x, y = make_classification(400, weights=[0.9], random_state=0)
    >>> net = BatchStrategyClassifier("remix:alpha=0.3", epochs=20, random_state=0).fit(x, y)
    >>> net.predict_proba(x).shape
    (400, 2)
    """

    nets_: list[list[np.ndarray]]
    _columns: Columns
    _preprocessing: Preprocessing

    def __init__(
        self,
        strategy: str | BatchStrategy = "remix",
        *,
        hidden_layers: int = 3,
        hidden_width: int | None = None,
        epochs: int = 500,
        batch_size: int = 64,
        learning_rate: float = 1e-3,
        dropout: float = 0.1,
        weight_decay: float = 0.0,
        patience: int | None = 5000,
        validation_fraction: float = 0.0,
        n_nets: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
        device: str = "cpu",
        verbose: bool = False,
    ) -> None:
        self.strategy = strategy
        self.hidden_layers = hidden_layers
        self.hidden_width = hidden_width
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.n_nets = n_nets
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; with ``deep`` also those of the strategy, as ``strategy__alpha``."""
        params: dict[str, Any] = super().get_params(deep=False)
        if deep:
            try:
                inner = parameters_of(self.strategy)
            except UsageError:  # `fit` says what is wrong
                inner = {}
            params |= {_PREFIX + name: value for name, value in inner.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. A spec stays a spec: ``strategy__alpha=0.3`` makes ``remix`` ``remix:alpha=0.3``.

        Raises ValueError for an unknown name, and for an invalid value of a parameter of the strategy.
        """
        inner = {name.removeprefix(_PREFIX): value for name, value in params.items() if name.startswith(_PREFIX)}
        super().set_params(**{name: value for name, value in params.items() if not name.startswith(_PREFIX)})
        if inner:
            self.strategy = with_parameters(self.strategy, inner)
        return self

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train the nets.

        Parameters
        ----------
        X : ``(rows, features)`` numbers, NaN for missing values
        y : ``(rows,)`` class labels, of two classes or more
        sample_weight : ``(rows,)`` weights, 0 or more; None for 1. A row of weight 2 counts as two rows: batches
            contain it twice as often, whatever the strategy does with them. Only ratios count

        Raises
        ------
        ValueError for invalid parameters or data, before any training
        """
        goes_on = self.warm_start and hasattr(self, "nets_")
        x, y, weight = self._rows(X, y, sample_weight, reset=not goes_on)
        if not goes_on:
            self._begin(np.unique(y))
        return self._train(x, y, weight, goes_on=goes_on)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train one epoch on these rows, going on from the last call.

        The first call fixes the classes, and the standardisation from its rows. Strategies see the class counts of the
        rows of each call, so give parts that contain every class, or all rows each time to watch the progress. The
        learning rate does not change, and the optimiser's averages begin anew with each call.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
        classes : ``(classes,)`` all class labels, for the first call; None for those in y

        Raises
        ------
        ValueError for invalid parameters or data, and for a strategy that depends on the epoch
        """
        goes_on = hasattr(self, "nets_")
        if resolved(self.strategy).scheduled:
            raise UsageError(
                f"strategy {self.strategy!r} depends on the epoch, which partial_fit does not know; use fit instead"
            )
        x, y, weight = self._rows(X, y, sample_weight, reset=not goes_on)
        if not goes_on:
            self._begin(np.unique(y if classes is None else classes))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes must be those of the first call, {self.classes_.tolist()}; got {classes!r}")
        return self._train(x, y, weight, goes_on=goes_on, epochs=1, schedule="constant")

    def predict_proba(self, X: Any) -> np.ndarray:
        """``(rows, classes)`` float32 probabilities, columns in the order of ``classes_``."""
        check_is_fitted(self)
        x = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan")
        x = self._columns.converted(x)
        with one_thread():
            mean: np.ndarray = np.mean([probabilities(net, x, self._preprocessing) for net in self.nets_], axis=0)
        return mean

    def predict(self, X: Any) -> np.ndarray:
        """``(rows,)`` labels of the most probable classes."""
        proba = self.predict_proba(X)
        labels: np.ndarray = self.classes_[proba.argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        """Missing values are allowed."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _rows(self, X: Any, y: Any, sample_weight: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray, Any]:
        """Valid rows of positive weight, labels, and weights; None for equal weights."""
        numbers = [np.float64, np.float32]
        x, y = validate_data(self, X, y, reset=reset, dtype=numbers, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        if sample_weight is None:
            return x, y, None
        weight = _check_sample_weight(sample_weight, x, dtype=np.float64, ensure_non_negative=True)
        kept = weight > 0
        if not kept.any():
            raise ValueError("sample_weight is 0 for all rows; give some rows a positive weight")
        x, y, weight = x[kept], y[kept], weight[kept]
        return x, y, None if (weight == weight[0]).all() else weight

    def _begin(self, classes: np.ndarray) -> None:
        """Forget the nets of an earlier fit."""
        if len(classes) < 2:
            raise ValueError(f"y has one class, {plain(classes[0])!r}; a classifier needs rows of at least 2 classes")
        self.classes_ = classes
        self._seed = int(check_random_state(self.random_state).randint(_SEEDS))
        self._rounds = 0

    def _train(
        self, x: np.ndarray, labels: np.ndarray, weight: np.ndarray | None, *, goes_on: bool, **settings: Any
    ) -> Self:
        y = self._numbers(labels)
        strategy, share, nets = resolved(self.strategy), plain(self.validation_fraction), plain(self.n_nets)
        self._check(strategy, share, nets, goes_on)
        protocol = self._protocol(x.shape[1], {"checkpoint": "best" if share else "last", **settings})
        rarest = int(np.bincount(y, minlength=len(self.classes_))[np.unique(y)].min())
        if share and rarest < 2:
            raise ValueError("a class has 1 row; set validation_fraction=0, or give each class at least 2 rows")
        columns = self._columns if goes_on else Columns.of(x)
        dataset = dataset_of(columns.converted(x), y, weight, len(self.classes_), self._seed, columns)
        folds = folds_of(y, share, self._seed, nets, self._rounds)
        fitted = self._preprocessing if goes_on else fit_preprocessing(dataset, folds[0], protocol.clip)
        start = self.nets_ if goes_on else ()
        self._check_start(start, mlp_widths(x.shape[1], len(self.classes_), protocol))
        with one_thread():
            trained = train(
                dataset,
                folds,
                [fitted] * nets,
                strategy,
                protocol,
                device=self.device,
                start=start,
                keep_arrays=True,
                on_epoch=self._report(protocol, dataset) if self.verbose else None,
            )
        self._columns, self._preprocessing, self._rounds = columns, fitted, self._rounds + 1
        self.strategy_ = strategy
        self.nets_ = [list(net.arrays) for net in trained]
        self.n_iter_ = max(net.epochs for net in trained)
        self.loss_ = float(np.mean([net.loss for net in trained]))
        return self

    def _numbers(self, labels: np.ndarray) -> np.ndarray:
        """``(rows,)`` class numbers; raises ValueError for a label that no class has."""
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"y has the class {plain(unknown[0])!r}, but the classes are {self.classes_.tolist()}")
        numbers: np.ndarray = np.searchsorted(self.classes_, labels)
        return numbers

    def _check(self, strategy: BatchStrategy, share: Any, nets: Any, goes_on: bool) -> None:
        if "tabular" not in strategy.modalities:
            raise UsageError(
                f"strategy {strategy.spec} supports {' and '.join(strategy.modalities)} data only, not tables; choose "
                "another strategy (imbench list strategies)"
            )
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise UsageError(f"validation_fraction must be at least 0 and less than 1, got {share!r}")
        if isinstance(nets, bool) or not isinstance(nets, int) or nets < 1:
            raise UsageError(f"n_nets must be a positive whole number, got {nets!r}")
        if goes_on and nets != len(self.nets_):
            raise UsageError(f"n_nets is {nets}, but {len(self.nets_)} nets were fitted; set warm_start=False")

    def _protocol(self, features: int, settings: Mapping[str, Any]) -> Protocol:
        """``standard`` with the settings of this classifier."""
        names = ("hidden_layers", "epochs", "batch_size", "learning_rate", "dropout", "weight_decay", "patience")
        own = {name: plain(getattr(self, name)) for name in names}
        own["learning_rate_floor"] = min(1e-5, own["learning_rate"]) if _is_number(own["learning_rate"]) else 1e-5
        protocol = dataclasses.replace(
            load_protocol("standard"), name=type(self).__name__, exceptions={}, **{**own, **settings}
        )
        width, classes = plain(self.hidden_width), len(self.classes_)
        if width is None:
            width = max(FEWEST_UNITS, mlp_widths(features, classes, protocol)[1])
        if isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise UsageError(f"hidden_width must be a positive whole number or None, got {width!r}")
        divisor = 2 * (features + classes) / (width + 0.5)  # of which `mlp_widths` makes exactly this width
        return dataclasses.replace(protocol, width_divisor=divisor, multiclass_width_divisor=divisor)

    def _check_start(self, start: Any, widths: tuple[int, ...]) -> None:
        found = [tuple(len(weight) for weight in net[::2]) for net in start]
        if any(one != widths[:-1] for one in found):
            raise UsageError(
                f"the fitted nets have layers of {found[0]} inputs, but the parameters ask for {widths[:-1]}; set "
                "warm_start=False, or clone the classifier"
            )

    def _report(self, protocol: Protocol, dataset: Dataset) -> Callable[[int, np.ndarray], None]:
        each = max(1, protocol.epochs // _REPORTS)

        def report(epoch: int, losses: np.ndarray) -> None:
            if epoch % each == 0 or epoch == protocol.epochs:
                rows = f"{len(dataset.y):,} rows"
                print(f"epoch {epoch} of {protocol.epochs}, {rows}: training loss {losses.mean():.4f}", flush=True)

        return report


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
