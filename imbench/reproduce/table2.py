"""Table 2: rank sums on the tabular configurations, their tests, and the paper's conclusions from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbench.reproduce.boards import board_of
from imbench.reproduce.claim_tests import (
    AGAIN,
    EQUIVALENT,
    REMIX,
    WITHOUT,
    by_configurations,
    by_datasets,
    further_tests,
)
from imbench.reproduce.context import TABULAR, basis_of
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.printed import CONFIGURATIONS, TABLE2
from imbench.reproduce.second_baseline import (
    COST_ADJUSTED,
    REASON,
    SECOND,
    SEED,
    train_second_baseline,
    with_second_baseline,
)
from imbench.reproduce.verdicts import ALPHA, MARGINS
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Outcome
from imbench.stats.friedman import friedman_from_sums, iman_davenport
from imbench.stats.names import labelled
from imbench.stats.nemenyi import critical_difference, nemenyi
from imbench.stats.score_table import make_score_tables
from imbench.stats.words import listed, number, p_in_text
from imbench.store.added import with_metrics

if TYPE_CHECKING:
    from imbench import Evaluation, Results
    from imbench.reproduce.context import ReproductionContext
    from imbench.stats.board import Board

# A board for each (task, metric) with results.
Columns = Mapping[tuple[str, str], "Board"]


def _authors_bbs(outcome: Outcome) -> float:
    if outcome.classes != 2:
        return float("nan")
    return float(outcome.class_means((1.0 - outcome.proba[:, 1]) ** 2)[outcome.present].mean())


AUTHORS_BBS = Metric(
    "bbs_authors_code",
    "Balanced Brier score as the authors' code computes it",
    _authors_bbs,
    higher_is_better=False,
    definition="Mean over both classes of the mean over the class's rows of (1 - p of the positive class)²: the code "
    "scores the rows of both classes against the positive column with target 1, so a perfect classifier gets 0.5 and "
    "one that always predicts the positive class gets 0. Defined for two classes.",
)


def table2(context: ReproductionContext) -> PaperItem:
    """The five strategies on the 27 tabular configurations, ranked as in the paper and tested."""
    results = context.train(TABULAR, suite="tabular")
    return table2_of(results, train_second_baseline(context, results))


def table2_of(results: Results, second: Results | None = None) -> PaperItem:
    """The item for these results.

    Parameters
    ----------
    second : results of a second baseline on the same configurations; None leaves its columns empty
    """
    columns = evaluated(results)
    again = with_second(columns, second)
    scored = with_metrics(results, [AUTHORS_BBS])
    authors = evaluated(scored, [("binary", AUTHORS_BBS.name)])
    return PaperItem(
        name="table2",
        title="Rank sums on tabular data",
        printed=(
            "Rank sums of five strategies over 18 binary and 9 multi-class configurations, by g-mean and by balanced "
            "Brier score; 1 is the best rank. ReMix has by far the smallest sum in all four columns.",
            "The paper prints no tests. Tests of the printed sums, computed without correction for ties, are shown "
            "beside ours.",
            REASON,
        ),
        found=tuple(_sentences(columns, again, authors)),
        tables=(
            Numbers(
                "rank-sums",
                "Rank sums, printed and ours. In the columns “second baseline” an independent run of the baseline "
                "replaces cost-adjusted",
                _rank_sums(columns, again),
            ),
            Numbers(
                "tests",
                "Friedman, Iman and Davenport, and Nemenyi's critical difference at .05",
                _tests(columns, again),
            ),
            Numbers(
                "claims",
                "The paper's claims, with cost-adjusted, without it, and with a second baseline in its place",
                _claims(columns, again),
                columns=(
                    "claim",
                    "by configurations",
                    EQUIVALENT,
                    "margin",
                    WITHOUT,
                    AGAIN,
                    "smallest p",
                    "by datasets",
                ),
            ),
            Numbers("pairs", "ReMix against each other strategy, printed and ours", _pairs(columns, again)),
            Numbers(
                "authors-score",
                "Rank sums of binary BBS by the paper's formula and by the authors' code",
                _authors(columns, authors),
            ),
            Numbers("means", "Means over folds", _means(scored, again), shown=False),
        ),
        basis=(*basis_of(results), *claim_basis()),
    )


def evaluated(results: Results, wanted: list[tuple[str, str]] | None = None) -> dict[tuple[str, str], Board]:
    """The board of each (task, metric) with results, by default those of Table 2."""
    boards = {key: board_of(results, *key) for key in wanted or list(TABLE2)}
    return {key: board for key, board in boards.items() if board is not None}


def with_second(columns: Columns, second: Results | None) -> dict[tuple[str, str], Board]:
    """The boards with a second baseline in place of cost-adjusted, where it has results."""
    boards = {key: with_second_baseline(board, second) for key, board in columns.items()}
    return {key: board for key, board in boards.items() if board is not None}


def _rank_sums(columns: Columns, again: Columns) -> pd.DataFrame:
    table: dict[str, list[Any]] = {"strategy": list(TABULAR)}
    for (task, metric), printed in TABLE2.items():
        label = f"{task} {metric}"
        table[f"{label} printed"] = [printed[name] for name in TABULAR]
        table[label] = _sums(columns.get((task, metric)), TABULAR)
        table[f"{label} {SECOND}"] = _sums(again.get((task, metric)), [_in_place(name) for name in TABULAR])
    return pd.DataFrame(table)


def _in_place(name: str) -> str:
    """The competitor that takes this one's place on boards with a second baseline."""
    return SECOND if name == COST_ADJUSTED else name


def _sums(board: Board | None, names: Sequence[str]) -> list[float]:
    """The rank sums of these competitors; NaN without tests."""
    found = _tested(board)
    return [float(found.rank_sums[name]) if found and name in found.rank_sums else np.nan for name in names]


def _tested(board: Board | None) -> Evaluation | None:
    """The tests over configurations, if there are any."""
    return None if board is None or isinstance(board.evaluation, str) else board.evaluation


def _tests(columns: Columns, again: Columns) -> pd.DataFrame:
    rows = []
    for (task, metric), printed in TABLE2.items():
        blocks, sums = CONFIGURATIONS[task], list(printed.values())
        omnibus = friedman_from_sums(sums, blocks)
        rows.append(
            {
                "column": f"{task} {metric}",
                "of": "printed",
                "blocks": blocks,
                "chi2": omnibus.statistic,
                "p": omnibus.pvalue,
                "F": iman_davenport(omnibus.statistic, blocks, len(sums)).statistic,
                "p of F": iman_davenport(omnibus.statistic, blocks, len(sums)).pvalue,
                "CD": critical_difference(len(sums), blocks),
            }
        )
        for of, found in _levels(columns.get((task, metric)), again.get((task, metric))):
            rows.append(
                {
                    "column": f"{task} {metric}",
                    "of": of,
                    "blocks": found.n_blocks,
                    "chi2": found.friedman.statistic,
                    "p": found.friedman.pvalue,
                    "F": found.iman_davenport.statistic,
                    "p of F": found.iman_davenport.pvalue,
                    "CD": found.nemenyi_cd,
                }
            )
    return pd.DataFrame(rows)


def _levels(board: Board | None, again: Board | None) -> list[tuple[str, Evaluation]]:
    """The available tests with their names: over configurations, over datasets, and with a second baseline."""
    named = {
        "configurations": board and board.evaluation,
        "datasets": board and board.evaluation_by_dataset,
        SECOND: again and again.evaluation,
    }
    return [(name, found) for name, found in named.items() if found and not isinstance(found, str)]


def _pairs(columns: Columns, again: Columns) -> pd.DataFrame:
    """ReMix against each other strategy: Nemenyi's p of the printed ranks, and our tests."""
    rows = []
    for (task, metric), printed in TABLE2.items():
        names, blocks = list(printed), CONFIGURATIONS[task]
        p = nemenyi([printed[name] / blocks for name in names], blocks)[names.index(REMIX)]
        levels = dict(_levels(columns.get((task, metric)), again.get((task, metric))))
        for i, name in enumerate(names):
            if name == REMIX:
                continue
            row: dict[str, Any] = {"column": f"{task} {metric}", "against": name, "Nemenyi p printed": float(p[i])}
            if "configurations" in levels:
                found = levels["configurations"]
                row["Nemenyi p"] = found.nemenyi[name][REMIX]
                row |= _wilcoxon(found, name, "")
            if "datasets" in levels:
                row |= _wilcoxon(levels["datasets"], name, " by datasets")
            if SECOND in levels:
                row |= _wilcoxon(levels[SECOND], _in_place(name), f", {SECOND}")
            rows.append(row)
    return pd.DataFrame(rows)


def _wilcoxon(found: Evaluation, other: str, suffix: str) -> dict[str, Any]:
    """Wins, losses, effect and p of ReMix against another strategy."""
    (pair,) = [row for row in found.wilcoxon.to_dict("records") if {row["first"], row["second"]} == {REMIX, other}]
    mine = pair["first"] == REMIX
    return {
        f"wins{suffix}": pair["wins" if mine else "losses"],
        f"losses{suffix}": pair["losses" if mine else "wins"],
        f"effect{suffix}": pair["effect"] if mine else -pair["effect"],
        f"Wilcoxon-Holm p{suffix}": pair["p_holm"],
    }


@dataclass(frozen=True)
class Claim:
    """A conclusion of the paper from one column of Table 2."""

    text: str
    task: str
    metric: str

    def verdicts(self, columns: Columns, again: Columns) -> dict[str, Any]:
        """The claim with its verdicts over configurations and over datasets, and `further_tests`."""
        board, second = (boards.get((self.task, self.metric)) for boards in (columns, again))
        by_configuration, by_dataset = by_configurations(board), by_datasets(board)
        return {
            "claim": self.text,
            "by configurations": by_configuration.word,
            "numbers": by_configuration.statistic,
            "by datasets": by_dataset.word,
            "numbers by datasets": by_dataset.statistic.replace("blocks", "datasets"),
            **further_tests(board, second, self.metric),
        }


CLAIMS = tuple(
    Claim(f"ReMix has the best {METRICS[metric].title} on {task} tabular data", task, metric) for task, metric in TABLE2
)


def _claims(columns: Columns, again: Columns) -> pd.DataFrame:
    return pd.DataFrame([claim.verdicts(columns, again) for claim in CLAIMS])


def claim_basis() -> tuple[str, ...]:
    """Notes on the verdicts for readers: tests, words, margins, and the second baseline."""
    margins = listed([f"{MARGINS[name]:g} in {METRICS[name].title}" for name in MARGINS])
    return (
        "A claim says that ReMix is better than each other strategy. It is supported if Wilcoxon's signed-rank test "
        "shows this for each of them, contradicted if the test shows that another one is better, and undecided "
        f"otherwise. Level {ALPHA:g}, Holm's correction over all pairs of strategies.",
        f"“Equivalent or better”: the same tests with ReMix's scores raised by a margin, {margins}, so that they ask "
        "whether ReMix is worse by less than the margin.",
        "The smallest p is what so many blocks can reach: for one pair 2 of the 2ⁿ patterns of signs, after Holm's "
        "correction that many times the number of pairs.",
        f"The second baseline has seed {SEED}: other minority rows, folds, initial weights and batches.",
    )


def _authors(columns: Columns, authors: Columns) -> pd.DataFrame:
    """Rank sums of binary BBS: printed, by the paper's formula, and by the authors' code."""
    table: dict[str, list[Any]] = {"strategy": list(TABULAR)}
    table["printed"] = [TABLE2["binary", "bbs"][name] for name in TABULAR]
    table["formula"] = _sums(columns.get(("binary", "bbs")), TABULAR)
    table["authors' line"] = _sums(authors.get(("binary", AUTHORS_BBS.name)), TABULAR)
    return pd.DataFrame(table)


def _means(results: Results, again: Columns) -> pd.DataFrame:
    """A row for each configuration, strategy and metric: the mean over folds."""
    frames = []
    for metric in ("gmean", "bbs", AUTHORS_BBS.name):
        for cells in make_score_tables(labelled(results.rows), [metric], scope=results.scope):
            index = pd.MultiIndex.from_tuples([(c.dataset, c.variant) for c in cells.configurations])
            means = pd.DataFrame(cells.mean[metric], index.set_names(["dataset", "variant"]), cells.strategies)
            long = means.reset_index().melt(id_vars=["dataset", "variant"], var_name="strategy", value_name="mean")
            frames.append(long.assign(metric=metric))
    for (_, metric), board in again.items():
        named = [{"dataset": c.dataset, "variant": c.variant, "strategy": SECOND} for c in board.configurations]
        scores = board.scores[:, board.names.index(SECOND)]
        frames.append(pd.DataFrame(named).assign(mean=scores, metric=metric))
    return pd.concat(frames, ignore_index=True).dropna(subset=["mean"])


def _sentences(columns: Columns, again: Columns, authors: Columns) -> list[str]:
    sentences = []
    for claim in CLAIMS:
        verdicts = claim.verdicts(columns, again)
        sentences.append(
            f"{claim.text}. Over configurations: {verdicts['by configurations']} ({verdicts['numbers']}). Over "
            f"datasets: {verdicts['by datasets']} ({verdicts['numbers by datasets']})."
        )
    for (task, metric), board in columns.items():
        found = _tested(board)
        if found is None:
            continue
        printed = TABLE2[task, metric]
        agree = _agreement(list(printed.values()), _sums(board, list(printed)))
        second = ""
        if (task, metric) in again:
            count = _agreement(list(printed.values()), _sums(again[task, metric], list(map(_in_place, printed))))
            second = f" With a second baseline in place of cost-adjusted, {count} are."
        sentences.append(
            f"{METRICS[metric].title} on {task} data: {agree} of the ten pairs of strategies are in the printed "
            f"order.{second} Friedman {p_in_text(found.friedman.pvalue)}."
        )
    sentences.append(_printed_binary_bbs())
    code = _tested(authors.get(("binary", AUTHORS_BBS.name)))
    if code is not None:
        ranks = code.average_ranks.sort_values(kind="stable")
        order = listed([f"{name} {number(float(rank), 2)}" for name, rank in ranks.items()])
        sentences.append(f"With BBS as the authors' code computes it, the average ranks on binary data are {order}.")
    return sentences


def _agreement(printed: Sequence[float], ours: Sequence[float]) -> int:
    """Number of pairs of strategies whose printed rank sums and ours differ in the same direction."""
    pairs = combinations(zip(printed, ours, strict=True), 2)
    return sum((one[0] - other[0]) * (one[1] - other[1]) > 0 for one, other in pairs)


def _printed_binary_bbs() -> str:
    total = sum(TABLE2["binary", "bbs"].values())
    ranks = len(TABULAR) * (len(TABULAR) + 1) // 2 * CONFIGURATIONS["binary"]
    return f"The printed binary BBS column sums to {total}; ranks over 18 configurations must sum to {ranks}."
