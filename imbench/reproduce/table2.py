"""Table 2: rank sums on the tabular configurations, their tests, and the paper's conclusions from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.reproduce.context import TABULAR, basis_of
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.printed import CONFIGURATIONS, TABLE2
from imbench.reproduce.verdicts import leads
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.outcome import Outcome
from imbench.stats.block_analyses import BlockAnalyses, evaluate_rows
from imbench.stats.friedman import friedman_from_sums, iman_davenport
from imbench.stats.names import labelled
from imbench.stats.nemenyi import critical_difference, nemenyi
from imbench.stats.score_table import make_score_tables
from imbench.stats.words import listed, number, p_in_text
from imbench.store.added import with_metrics

if TYPE_CHECKING:
    from imbench import Evaluation, Results
    from imbench.reproduce.context import ReproductionContext

REMIX = "remix"
Columns = Mapping[tuple[str, str], BlockAnalyses]


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
    return table2_of(context.train(TABULAR, suite="tabular"))


def table2_of(results: Results) -> PaperItem:
    """The item for these results."""
    columns = evaluated(results)
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
        ),
        found=tuple(_sentences(columns, authors)),
        tables=(
            Numbers("rank-sums", "Rank sums, printed and ours", _rank_sums(columns)),
            Numbers("tests", "Friedman, Iman and Davenport, and Nemenyi's critical difference at .05", _tests(columns)),
            Numbers("claims", "The paper's claims over configurations and over datasets", _claims(columns)),
            Numbers("pairs", "ReMix against each other strategy, printed and ours", _pairs(columns)),
            Numbers(
                "authors-score",
                "Rank sums of binary BBS by the paper's formula and by the authors' code",
                _authors(columns, authors),
            ),
            Numbers("means", "Means over folds", _means(scored), shown=False),
        ),
        basis=basis_of(results),
    )


def evaluated(results: Results, wanted: list[tuple[str, str]] | None = None) -> dict[tuple[str, str], BlockAnalyses]:
    """Analyses of each (task, metric), by default those of Table 2, without those that have too few results."""
    found = {}
    for task, metric in wanted or list(TABLE2):
        try:
            (found[task, metric],) = evaluate_rows(
                results.rows,
                metric,
                task=task,
                within=False,
                scope=results.scope,
                known_metrics=results.metrics,
            )
        except UsageError:  # no result of this task, or too few
            continue
    return found


def _rank_sums(columns: Columns) -> pd.DataFrame:
    table: dict[str, list[Any]] = {"strategy": list(TABULAR)}
    for (task, metric), printed in TABLE2.items():
        label = f"{task} {metric}"
        table[f"{label} printed"] = [printed[name] for name in TABULAR]
        found = columns[task, metric].configurations if (task, metric) in columns else None
        table[label] = [float(found.rank_sums[name]) if found else np.nan for name in TABULAR]
    return pd.DataFrame(table)


def _tests(columns: Columns) -> pd.DataFrame:
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
        for of, found in _both(columns.get((task, metric))):
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


def _both(levels: BlockAnalyses | None) -> list[tuple[str, Evaluation]]:
    """The available analyses, over configurations and over datasets, with their names."""
    if levels is None:
        return []
    both = (("configurations", levels.configurations), ("datasets", levels.datasets))
    return [(name, found) for name, found in both if found is not None]


def _pairs(columns: Columns) -> pd.DataFrame:
    """ReMix against each other strategy: Nemenyi's p of the printed ranks, and our tests."""
    rows = []
    for (task, metric), printed in TABLE2.items():
        names, blocks = list(printed), CONFIGURATIONS[task]
        p = nemenyi([printed[name] / blocks for name in names], blocks)[names.index(REMIX)]
        levels = dict(_both(columns.get((task, metric))))
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

    def verdicts(self, columns: Columns) -> dict[str, str]:
        """The claim with its verdicts over configurations and over datasets."""
        levels = columns.get((self.task, self.metric))
        by_configuration = leads(levels.configurations if levels else None, REMIX)
        by_dataset = leads(levels.datasets if levels else None, REMIX)
        return {
            "claim": self.text,
            "by configurations": by_configuration.word,
            "numbers": by_configuration.statistic,
            "by datasets": by_dataset.word.replace("blocks", "datasets"),
            "numbers by datasets": by_dataset.statistic,
        }


CLAIMS = tuple(
    Claim(f"ReMix has the best {METRICS[metric].title} on {task} tabular data", task, metric) for task, metric in TABLE2
)


def _claims(columns: Columns) -> pd.DataFrame:
    return pd.DataFrame([claim.verdicts(columns) for claim in CLAIMS])


def _authors(columns: Columns, authors: Columns) -> pd.DataFrame:
    """Rank sums of binary BBS: printed, by the paper's formula, and by the authors' code."""
    table: dict[str, list[Any]] = {"strategy": list(TABULAR)}
    table["printed"] = [TABLE2["binary", "bbs"][name] for name in TABULAR]
    formula, code = columns.get(("binary", "bbs")), authors.get(("binary", AUTHORS_BBS.name))
    for label, levels in (("formula", formula), ("authors' line", code)):
        found = levels.configurations if levels else None
        table[label] = [float(found.rank_sums[name]) if found else np.nan for name in TABULAR]
    return pd.DataFrame(table)


def _means(results: Results) -> pd.DataFrame:
    """A row for each configuration, strategy and metric: the mean over folds."""
    frames = []
    for metric in ("gmean", "bbs", AUTHORS_BBS.name):
        for cells in make_score_tables(labelled(results.rows), [metric], scope=results.scope):
            index = pd.MultiIndex.from_tuples([(c.dataset, c.variant) for c in cells.configurations])
            means = pd.DataFrame(cells.mean[metric], index.set_names(["dataset", "variant"]), cells.strategies)
            long = means.reset_index().melt(id_vars=["dataset", "variant"], var_name="strategy", value_name="mean")
            frames.append(long.assign(metric=metric))
    return pd.concat(frames, ignore_index=True).dropna(subset=["mean"])


def _sentences(columns: Columns, authors: Columns) -> list[str]:
    sentences = []
    for claim in CLAIMS:
        verdicts = claim.verdicts(columns)
        sentences.append(
            f"{claim.text}. Over configurations: {verdicts['by configurations']} ({verdicts['numbers']}). Over "
            f"datasets: {verdicts['by datasets']} ({verdicts['numbers by datasets']})."
        )
    for (task, metric), levels in columns.items():
        found = levels.configurations
        if found is None:
            continue
        printed = TABLE2[task, metric]
        agree = _agreement(found, printed)
        sentences.append(
            f"{METRICS[metric].title} on {task} data: {agree} of the ten pairs of strategies are in the printed order; "
            f"Friedman {p_in_text(found.friedman.pvalue)}."
        )
    sentences.append(_printed_binary_bbs())
    code = authors.get(("binary", AUTHORS_BBS.name))
    if code is not None and code.configurations is not None:
        ranks = code.configurations.average_ranks.sort_values(kind="stable")
        order = listed([f"{name} {number(float(rank), 2)}" for name, rank in ranks.items()])
        sentences.append(f"With BBS as the authors' code computes it, the average ranks on binary data are {order}.")
    return sentences


def _agreement(found: Evaluation, printed: Mapping[str, int]) -> int:
    """Number of pairs of strategies whose printed rank sums and ours differ in the same direction."""
    names, count = list(printed), 0
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            ours = float(found.rank_sums[one] - found.rank_sums[other])
            count += ours * (printed[one] - printed[other]) > 0
    return count


def _printed_binary_bbs() -> str:
    total = sum(TABLE2["binary", "bbs"].values())
    ranks = len(TABULAR) * (len(TABULAR) + 1) // 2 * CONFIGURATIONS["binary"]
    return f"The printed binary BBS column sums to {total}; ranks over 18 configurations must sum to {ranks}."
