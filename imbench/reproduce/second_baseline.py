"""A second, independent run of the baseline: most likely what the paper prints as "Cost Adjusted"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imbench.reproduce.boards import with_column

if TYPE_CHECKING:
    from imbench import Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.scoring.outcome import Floats
    from imbench.stats.board import Board

BASELINE, COST_ADJUSTED = "baseline", "cost-adjusted"
SECOND = "second baseline"
# The seed of a variant changes its minority rows, its folds, and the initial weights and batch order of its nets.
SEED = 1

REASON = (
    "The authors' code passes class_weight to Keras as a NumPy array. Keras of TensorFlow 2.0 and 2.1 used class "
    "weights only if they were a dict, and later versions raise an error. So the printed “Cost Adjusted” is most "
    "likely the baseline run again; the version of Keras is not stated."
)


def train_second_baseline(context: ReproductionContext, results: Results) -> Results:
    """The baseline with another seed, on the configurations of these results."""
    pairs = results.rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False, name=None)
    return context.train((BASELINE,), datasets=[seeded(str(dataset), str(variant)) for dataset, variant in pairs])


def seeded(dataset: str, variant: str, seed: int = SEED) -> str:
    """The spec of a variant with another seed.

    >>> seeded("segment", "ir=0.05"), seeded("segment", "natural", 2)
    ('segment:ir=0.05,seed=1', 'segment:seed=2')
    """
    return f"{dataset}:{_seeded(variant, seed)}"


def _seeded(variant: str, seed: int) -> str:
    return f"seed={seed}" if variant == "natural" else f"{variant},seed={seed}"


def seed_of(variant: str) -> tuple[str, int]:
    """The name of a variant without its seed, and the seed.

    >>> seed_of("ir=0.05,seed=2"), seed_of("task=multiclass,ir=0.1")
    (('ir=0.05', 2), ('task=multiclass,ir=0.1', 0))
    """
    name, _, seed = variant.partition("seed=")
    return name.rstrip(",") or "natural", int(seed or 0)


def second_scores(board: Board, second: Results) -> Floats:
    """``(configurations,)`` means over folds of the second baseline where a board ranks; NaN without a result."""
    done = second.rows[second.rows["error"] == ""]
    means = done.groupby(["dataset", "variant"])[board.metric.name].mean()
    wanted = [(c.dataset, _seeded(c.variant, SEED)) for c in board.configurations]
    found: Floats = means.reindex(wanted).to_numpy(dtype=np.float64)
    return found


def with_second_baseline(board: Board | None, second: Results | None) -> Board | None:
    """The board with the second baseline in place of cost-adjusted.

    None if there is no board, cost-adjusted is not ranked on it, or a configuration has no result of the second
    baseline.
    """
    if board is None or second is None or COST_ADJUSTED not in board.names:
        return None
    scores = second_scores(board, second)
    return None if np.isnan(scores).any() else with_column(board, COST_ADJUSTED, SECOND, scores)
