"""Model: what predicts classes and probabilities of new rows of one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pandas as pd

from imbench.contract.errors import DataError, UsageError
from imbench.model.columns import REFUSE
from imbench.model.decision import Decision
from imbench.model.encoding import Encoding, frame_like_file
from imbench.model.nets import blocks
from imbench.scoring.outcome import Floats
from imbench.scoring.recalibration import Recalibration

PREDICTED, PROBABILITY = "predicted", "probability_"


class Scorer(Protocol):
    """What computes probabilities before recalibration: nets, or a fitted reference."""

    @property
    def inputs(self) -> int:
        """Number of inputs."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    def probabilities(self, x: np.ndarray) -> Floats:
        """``(rows, classes)`` float64 of ``(rows, inputs)`` float32; a row's result depends on that row only."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions for a table.

    Parameters
    ----------
    probabilities : ``(rows, classes)`` float64, recalibrated
    classes : ``(rows,)`` numbers of the decided classes
    notes : what the reader should know about the table
    """

    probabilities: Floats
    classes: np.ndarray
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted model: encoding of columns, nets, recalibration, decision.

    Parameters
    ----------
    classes : labels, in the order of the probabilities
    encoding : from a table to inputs
    scorer : from inputs to probabilities
    recalibration : of the probabilities, fitted on validation rows
    decision : from probabilities to a class, fitted on validation rows
    recipe : spec of the strategy or reference
    about : plain values that describe data and training, for `model.json`
    card : the model card, as Markdown

    Raises
    ------
    UsageError if the parts do not fit each other.
    """

    classes: tuple[str, ...]
    encoding: Encoding
    scorer: Scorer
    recalibration: Recalibration
    decision: Decision
    recipe: str
    about: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""

    def __post_init__(self) -> None:
        sizes = {len(self.classes), self.scorer.classes, len(self.recalibration.bias), len(self.decision.weights)}
        if len(sizes) > 1 or len(self.encoding.inputs) != self.scorer.inputs:
            raise UsageError("the parts of the model do not fit each other")

    def predict_proba(self, frame: pd.DataFrame, *, unknown_levels: str = REFUSE) -> Floats:
        """``(rows, classes)`` float64 probabilities, recalibrated, columns in the order of ``classes``.

        Parameters
        ----------
        frame : rows with the columns of the training table, in any order; the target is not needed
        unknown_levels : ``refuse`` levels that the training table did not have, or read them as ``pooled`` rare ones

        Raises
        ------
        DataError for columns that are missing or do not fit.
        """
        return self._of_frame(frame, unknown_levels).probabilities

    def predict(self, frame: pd.DataFrame, *, unknown_levels: str = REFUSE) -> np.ndarray:
        """``(rows,)`` labels of the decided classes, as text; parameters and errors are those of `predict_proba`."""
        found = self._of_frame(frame, unknown_levels)
        labels: np.ndarray = np.array(self.classes, dtype=object)[found.classes]
        return labels

    def encode(self, frame: pd.DataFrame, *, unknown_levels: str = REFUSE) -> np.ndarray:
        """``(rows, inputs)`` float32, NaN for missing values: the inputs of the nets, and of the ONNX model.

        Parameters and errors are those of `predict_proba`; the names of the inputs are ``encoding.inputs``.
        """
        return self.encoding.encode(self._like_file(frame), unknown=unknown_levels).x

    def _of_frame(self, frame: pd.DataFrame, unknown: str) -> Predicted:
        return self.of_table(self._like_file(frame), unknown=unknown)

    def _like_file(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that the encoding looks at, with the types that a file has."""
        if not isinstance(frame, pd.DataFrame):
            raise UsageError(f"the table must be a pandas.DataFrame, got {type(frame).__name__}")
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            raise DataError(f"there are two columns named {twice[0]!r}; rename one of them")
        known = [name for name in frame.columns if str(name) in self.encoding.reads]
        return frame_like_file(frame[known])

    def of_table(
        self, frame: pd.DataFrame, *, decimal: str = "", separator: str = "", unknown: str = REFUSE
    ) -> Predicted:
        """Predictions for a table as its file was read; the parameters are those of `Encoding.encode`."""
        encoded = self.encoding.encode(frame, decimal=decimal, separator=separator, unknown=unknown)
        probabilities, classes = self.of_inputs(encoded.x)
        return Predicted(probabilities, classes, encoded.notes)

    def of_inputs(self, x: np.ndarray) -> tuple[Floats, np.ndarray]:
        """Recalibrated probabilities ``(rows, classes)`` and class numbers ``(rows,)`` of inputs ``(rows, inputs)``."""
        raw = self.scorer.probabilities(x)
        proba, decided = np.empty_like(raw), np.empty(len(raw), dtype=np.int64)
        for rows, block in blocks(raw):
            count = rows.stop - rows.start
            moved = self.recalibration(block)
            proba[rows], decided[rows] = moved[:count], self.decision(block, moved)[:count]
        return proba, decided

    def table(self, found: Predicted) -> pd.DataFrame:
        """Predictions as columns: one probability for each class, and the decided class."""
        columns: dict[str, Any] = {
            f"{PROBABILITY}{label}": found.probabilities[:, number] for number, label in enumerate(self.classes)
        }
        return pd.DataFrame({**columns, PREDICTED: np.array(self.classes, dtype=object)[found.classes]})
