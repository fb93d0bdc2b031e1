"""What a sceptical reader asks about Table 2, answered from its stored results."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbench.contract.records import TASKS
from imbench.reproduce.boards import board_of
from imbench.reproduce.context import TABULAR, basis_of
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.second_baseline import (
    BASELINE,
    SEED,
    second_scores,
    seed_of,
    seeded,
    train_second_baseline,
)
from imbench.reproduce.spread import percent
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import ARGMAX
from imbench.stats.names import HEADLINE
from imbench.stats.words import counted, listed, number, p_in_text

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from imbench import Evaluation, Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.stats.board import Board

TUNED = "tuned"
# Other draws of the minority are trained on the datasets whose nets take seconds.
SMALL, DRAWS = ("segment", "landsat_satellite", "ozone_onehr"), (1, 2)


def constant_bbs(classes: int) -> float:
    """The balanced Brier score of the constant probabilities 1/K, ½(1 − 1/K), on any data.

    On a row of class j, ½Σ_c(e_jc − 1/K)² = ½((1 − 1/K)² + (K − 1)/K²).

    >>> constant_bbs(2)
    0.25
    """
    return 0.5 * (1 - 1 / classes)


def questions(context: ReproductionContext) -> PaperItem:
    """Questions on the tabular configurations. Under ``smoke`` one dataset has one other draw."""
    results = context.train(TABULAR, suite="tabular")
    small, seeds = (SMALL[:1], DRAWS[:1]) if context.is_smoke else (SMALL, DRAWS)
    rows = results.rows[(results.rows["task"] == TASKS[0]) & results.rows["dataset"].isin(small)]
    pairs = rows[["dataset", "variant"]].drop_duplicates().itertuples(index=False, name=None)
    specs = [seeded(dataset, variant, seed) for dataset, variant in pairs for seed in seeds]
    draws = context.train(TABULAR, datasets=specs) if specs else None
    return questions_of(results, train_second_baseline(context, results), draws)


def questions_of(results: Results, second: Results | None = None, draws: Results | None = None) -> PaperItem:
    """The item for these results.

    Parameters
    ----------
    second : results of the baseline with another seed on the same configurations
    draws : results of all strategies with other seeds on some of them
    """
    boards = {(task, metric): board_of(results, task, metric) for task in TASKS for metric in HEADLINE}
    known = {key: board for key, board in boards.items() if board is not None and board.configurations}
    rows = training_rows(results, known)
    constant, tuned = against_constant(known, rows), tuned_thresholds(results)
    gains, moved = gain_shares(known), draw_means(results, draws)
    return PaperItem(
        name="questions",
        title="What a sceptical reader asks",
        printed=("The paper shows rank sums and mean gains of five strategies. It does not answer these questions.",),
        found=(
            *_on_constant(constant),
            *_on_tuning(results),
            *_on_datasets(known),
            *_on_rows(rows, gains),
            *_on_draws(moved),
            *_on_second(known.get((TASKS[0], "gmean")), second),
        ),
        tables=(
            Numbers(
                "constant-probability",
                "Balanced Brier score of constant probabilities 1/K, and of the strategies",
                constant,
            ),
            Numbers("tuned-thresholds", "G-mean by argmax and with a tuned threshold", tuned),
            Numbers("gains", "Gains over the baseline: mean, median, and share of the largest configuration", gains),
            Numbers("training-rows", "Rows that a net trains on, in all and of the rarest class", rows),
            Numbers("draws", "Means over the same configurations with other draws of the minority", moved),
        ),
        basis=(
            *basis_of(results),
            "A variant keeps some rows of its minority class. Seed 0 makes the published draw; other seeds draw other "
            "minority rows, folds, initial weights and batches.",
            "The tuned threshold of each net maximises its score on the net's validation rows.",
        ),
    )


def training_rows(results: Results, boards: Mapping[tuple[str, str], Board]) -> pd.DataFrame:
    """A row for each configuration: ``classes``, rows that a net trains on, and the fewest and most of a class."""
    found = []
    for task in TASKS:
        board = boards.get((task, "gmean"))
        for c in board.configurations if board else ():
            counts = np.array([p.train_counts for p in results.predictions(c.spec, BASELINE)])  # (folds, classes)
            rarest = counts.min(axis=1)
            found.append(
                {"task": task, "dataset": c.dataset, "variant": c.variant, "classes": counts.shape[1]}
                | {"training rows": int(counts.sum(axis=1).max())}
                | {"rarest class, fewest": int(rarest.min()), "rarest class, most": int(rarest.max())}
            )
    return pd.DataFrame(found)


def against_constant(boards: Mapping[tuple[str, str], Board], rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each configuration: the BBS of constant probabilities, of the best strategy, and how many are worse."""
    classes = {_where(row): int(row["classes"]) for row in rows.to_dict("records")}
    found = []
    for board in (boards[key] for key in ((task, "bbs") for task in TASKS) if key in boards):
        for c, scores in zip(board.configurations, board.scores, strict=True):
            task = board.task
            constant, best = constant_bbs(classes[task, c.dataset, c.variant]), int(scores.argmin())
            found.append(
                {"task": task, "dataset": c.dataset, "variant": c.variant, "constant": constant}
                | {"best strategy": board.names[best], "its BBS": float(scores[best])}
                | {"strategies": len(scores), "worse than the constant": int((scores > constant).sum())}
            )
    return pd.DataFrame(found)


def tuned_thresholds(results: Results) -> pd.DataFrame:
    """A row for each task and strategy: mean g-mean and average rank under both decision rules."""
    found = []
    for task in TASKS:
        frames = []
        for rule in (ARGMAX, TUNED):
            board = board_of(results, task, "gmean", rule)
            tests = _tests(board)
            if board is not None and tests is not None:
                columns = {f"g-mean, {rule}": board.means, f"average rank, {rule}": tests.average_ranks.to_numpy()}
                frames.append(pd.DataFrame(columns, index=pd.Index(board.names, name="strategy")))
        if frames:
            found.append(pd.concat(frames, axis=1).reset_index().assign(task=task))
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["task"])
    return table[["task", *(name for name in table if name != "task")]]


def gain_shares(boards: Mapping[tuple[str, str], Board]) -> pd.DataFrame:
    """A row for each board and strategy: mean and median gain, and the configuration with the largest one.

    ``share of the largest`` is its share of the sum of the strategy's gains; NaN if the sum is not positive.
    """
    found = []
    for (task, metric), board in boards.items():
        for i, name in enumerate(board.names):
            gains = board.gains[:, i]
            if name == board.control or np.isnan(gains).any():
                continue
            largest, total = int(gains.argmax()), float(gains.sum())
            found.append(
                {"task": task, "metric": metric, "strategy": name, "mean": float(gains.mean())}
                | {"median": float(np.median(gains)), "largest": board.configurations[largest].spec}
                | {"its gain": float(gains[largest])}
                | {"share of the largest": float(gains[largest]) / total if total > 0 else float("nan")}
            )
    return pd.DataFrame(found)


def draw_means(results: Results, draws: Results | None) -> pd.DataFrame:
    """A row for each draw and strategy: means of both metrics over the configurations that have every draw."""
    if draws is None:
        return pd.DataFrame()
    both = pd.concat([results.rows, draws.rows], ignore_index=True)
    both = both[both["error"] == ""]
    pairs = [seed_of(str(variant)) for variant in both["variant"]]
    both = both.assign(variant=[variant for variant, _ in pairs], draw=[seed for _, seed in pairs])
    means = both.groupby(["dataset", "variant", "strategy", "draw"], as_index=False)[list(HEADLINE)].mean()
    every = means["strategy"].nunique() * means["draw"].nunique()
    whole = means[means.groupby(["dataset", "variant"])["gmean"].transform("size") == every]
    return whole.groupby(["draw", "strategy"], as_index=False).agg(
        configurations=("gmean", "size"), gmean=("gmean", "mean"), bbs=("bbs", "mean")
    )


def _on_constant(constant: pd.DataFrame) -> list[str]:
    """On how many configurations constant probabilities are better than every strategy."""
    parts = []
    for task, rows in constant.groupby("task", sort=False) if len(constant) else ():
        beaten = rows[rows["worse than the constant"] == rows["strategies"]]
        names = listed([f"{row['dataset']} {row['variant']}" for row in beaten.to_dict("records")])
        where = f" ({names})" if names else ""
        parts.append(
            f"On {len(beaten)} of {counted(len(rows), f'{task} configuration')} the constant probability "
            f"{'.5' if task == TASKS[0] else '1/K'} has a better BBS than every strategy{where}."
        )
    return [f"Do the probabilities beat a constant? {' '.join(parts)}"] if parts else []


def _on_tuning(results: Results) -> list[str]:
    """Friedman's test with argmax and with tuned thresholds."""
    parts = []
    for task in TASKS:
        plain, tuned = (_tests(board_of(results, task, "gmean", rule)) for rule in (ARGMAX, TUNED))
        if plain and tuned:
            differ = int((tuned.wilcoxon["p_holm"] < tuned.alpha).sum())
            parts.append(
                f"On {task} data it gives {p_in_text(tuned.friedman.pvalue)}, and {differ} of "
                f"{counted(len(tuned.wilcoxon), 'pair')} differ (by argmax {p_in_text(plain.friedman.pvalue)})."
            )
    question = "Is it the strategy or the threshold? Friedman's test of g-mean with every strategy's threshold tuned:"
    return [f"{question} {' '.join(parts)}"] if parts else []


def _tests(board: Board | None) -> Evaluation | None:
    return None if board is None or isinstance(board.evaluation, str) else board.evaluation


def _on_datasets(boards: Mapping[tuple[str, str], Board]) -> list[str]:
    parts = [
        f"the {counted(len(board.configurations), f'{task} configuration')} come from "
        f"{counted(len(set(board.datasets)), 'dataset')}"
        for task in TASKS
        if (board := boards.get((task, "gmean")))
    ]
    return [f"How much independent evidence is there? {'; '.join(parts).capitalize()}."] if parts else []


def _on_rows(rows: pd.DataFrame, gains: pd.DataFrame) -> list[str]:
    """The configuration that makes the largest share of a strategy's gain, and how many minority rows it trains on."""
    binary = gains[(gains["task"] == TASKS[0]) & (gains["metric"] == "gmean")] if len(gains) else gains
    binary = binary.dropna(subset=["share of the largest"]) if len(binary) else binary
    if not len(binary):
        return []
    by_name = {row["strategy"]: row for row in binary.to_dict("records")}
    row = max(by_name.values(), key=lambda row: row["mean"])
    trained = {f"{one['dataset']}:{one['variant']}": one for one in rows.to_dict("records")}[row["largest"]]
    fewest, most = trained["rarest class, fewest"], trained["rarest class, most"]
    less = "" if fewest == most else f"{fewest} {'or' if most == fewest + 1 else 'to'} "
    return [
        f"Does one configuration make the result? {row['strategy']} has the largest mean gain in g-mean on binary "
        f"data, {number(row['mean'], 3, sign=True)} (median {number(row['median'], 3, sign=True)}). "
        f"{row['largest']} alone makes {percent(row['share of the largest'], 0)} of it; a net trains there on "
        f"{less}{counted(most, 'minority row')}."
    ]


def _on_draws(moved: pd.DataFrame) -> list[str]:
    """How far other draws move the mean of a strategy, compared with the gaps between neighbours in the ranking."""
    if not len(moved) or moved["draw"].nunique() < 2:
        return []
    configurations = counted(int(moved["configurations"].iloc[0]), "small binary configuration")
    parts = [f"Would other minority rows give the same? On {configurations}, {moved['draw'].nunique()} draws each:"]
    for metric in HEADLINE:
        table = moved.pivot_table(index="draw", columns="strategy", values=metric)
        moves = (table.max() - table.min()).sort_values()
        least, most = (f"{number(float(moves.iloc[at]), 3)} ({moves.index[at]})" for at in (0, -1))
        gaps = _gaps(table.loc[0])
        smaller = sum(gap < moves.iloc[-1] for gap in gaps)
        parts.append(
            f"The mean {METRICS[metric].title} of a strategy moves by {least} to {most}; {smaller} of {len(gaps)} gaps "
            f"between neighbours in the ranking are smaller than that ({_listed(gaps)})."
        )
    return [" ".join(parts)]


def _gaps(means: ArrayLike) -> list[float]:
    """The differences between neighbours in the ranking by mean."""
    return [high - low for low, high in pairwise(np.sort(np.asarray(means)).tolist())]


def _listed(gaps: Sequence[float]) -> str:
    return listed([number(gap, 3) for gap in gaps])


def _on_second(board: Board | None, second: Results | None) -> list[str]:
    """The baseline's mean with the published draw and with another one."""
    if board is None or second is None or BASELINE not in board.names:
        return []
    other = second_scores(board, second)
    if np.isnan(other).any():
        return []
    mine = board.scores[:, board.names.index(BASELINE)]
    return [
        f"And on all {counted(len(mine), 'configuration')}? The baseline's mean g-mean on binary data is "
        f"{number(mine.mean(), 3)} with the published draw and {number(other.mean(), 3)} with seed {SEED}; on one "
        f"configuration it moves by up to {number(np.abs(mine - other).max(), 3)}. Neighbours in the ranking are "
        f"{_listed(_gaps(board.means))} apart."
    ]


def _where(row: Mapping[Hashable, Any]) -> tuple[str, str, str]:
    return str(row["task"]), str(row["dataset"]), str(row["variant"])
