"""Tables: the numbers of the report as tidy data frames, and as CSV and Parquet."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from imbench.contract.records import REFERENCE, STRATEGY
from imbench.report.coverage import ZERO_RECALL
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.gains import Gain
from imbench.report.model import Model
from imbench.report.overview import UNRANKED, overviews
from imbench.scoring.rules import EACH
from imbench.stats.board import Board
from imbench.stats.names import strategy_of
from imbench.stats.score_table import ScoreTable
from imbench.stats.supplement import OUTCOMES


def overview(model: Model) -> pd.DataFrame:
    """A row for each protocol, task and strategy or reference of the first screen, strategies best first."""
    return _frame(
        [
            {"protocol": one.protocol, "task": one.task, "strategy": row.name, "reference": row in one.references}
            | {
                f"{board.metric.name}_{name}": value
                for board, standing in zip(one.boards, row.standings or [UNRANKED] * len(one.boards), strict=True)
                for name, value in (
                    ("average_rank", standing.rank),
                    ("rank_low", standing.low),
                    ("rank_high", standing.high),
                )
            }
            | {column.name: mean for column, mean in zip(one.columns, row.means, strict=True)}
            | {"seconds": row.seconds, "fallback_share": row.fallback, "checks": row.checks}
            for one in overviews(model)
            for row in (*one.rows, *one.references)
        ],
        ["protocol", "task", "strategy"],
    )


def leaderboard(model: Model) -> pd.DataFrame:
    """A row for each board and competitor, best first; every row repeats the tests of its board.

    Elo ratings and Bayesian tests are those of leading boards; other boards have none.
    """
    return leaderboard_of(model, model.boards)


def reference_leaderboard(model: Model) -> pd.DataFrame:
    """As `leaderboard`, for the boards that rank references among the strategies; ``kind`` tells them apart."""
    return _with_kinds(model, leaderboard_of(model, tuple(model.reference_boards.values())))


def _with_kinds(model: Model, table: pd.DataFrame) -> pd.DataFrame:
    kinds = [REFERENCE if strategy_of(name) in model.references else STRATEGY for name in table["strategy"]]
    table.insert(list(table.columns).index("strategy") + 1, "kind", kinds)
    return table


def tuned_leaderboard(model: Model) -> pd.DataFrame:
    """As `leaderboard`, for the boards of each ``selection`` among the trials of a tuned run."""
    return _of_selections(model, [one.boards for one in model.budgets])


def tuned_reference_leaderboard(model: Model) -> pd.DataFrame:
    """As `tuned_leaderboard`, for the boards that rank references with trials among the strategies."""
    return _with_kinds(model, _of_selections(model, [one.reference_boards for one in model.budgets]))


def _of_selections(model: Model, several: Sequence[Mapping[str, Board]]) -> pd.DataFrame:
    found = []
    for boards in several:
        for selection, board in boards.items():
            # Trials fall back in other batches than the default configuration, whose share the column has.
            table = leaderboard_of(model, [board]).drop(columns="fallback_share", errors="ignore")
            table.insert(0, "selection", selection)
            found.append(table)
    return pd.concat(found, ignore_index=True) if found else _frame([], ["selection", *_BOARD, "strategy"])


def reference_scores(model: Model) -> pd.DataFrame:
    """As `scores`, for the references."""
    found = [_scores(model, scores) for scores in model.reference_tables]
    table = pd.concat(found or [pd.DataFrame({"strategy": []})], ignore_index=True)
    return table[table["strategy"].isin(model.references)].reset_index(drop=True)


def image_leaderboard(model: Model) -> pd.DataFrame:
    """`leaderboard` for the boards over images only."""
    return leaderboard_of(model, model.images.boards if model.images else ())


def leaderboard_of(model: Model, boards: Sequence[Board]) -> pd.DataFrame:
    """A row for each competitor of these boards; with Elo ratings and Bayesian tests if any leads the report."""
    fallbacks = {(c.protocol, c.task, c.strategy): c.process.get("fallback_share", math.nan) for c in model.covered}
    leading = set(map(id, model.leading))
    supplemented = not leading.isdisjoint(map(id, boards))
    return _frame(
        [
            _of(board)
            | {"place": place}
            | vars(row)
            | supplement[place - 1]
            | {"fallback_share": fallbacks.get((board.protocol, board.task, strategy_of(row.name)), math.nan)}
            | {
                "configurations": len(board.configurations),
                "datasets": board.tests.datasets,
                "friedman": board.tests.friedman[0],
                "p": board.tests.friedman[1],
                "p_small_sample": board.tests.small_sample[0],
                "small_sample": board.tests.small_sample[1],
                "iman_davenport": board.tests.iman_davenport[0],
                "iman_davenport_p": board.tests.iman_davenport[1],
                "nemenyi_cd": board.tests.cd,
                "friedman_datasets": board.tests_by_dataset.friedman[0],
                "p_datasets": board.tests_by_dataset.friedman[1],
                "p_datasets_small_sample": board.tests_by_dataset.small_sample[0],
            }
            for board in boards
            for supplement in (_supplement(board, id(board) in leading) if supplemented else [{}] * len(board.names),)
            for place, row in enumerate(board.table, 1)
        ],
        [*_BOARD, "name"],
    ).rename(columns={"name": "strategy"})


def _supplement(board: Board, leads: bool) -> list[dict[str, float]]:
    """Elo ratings over configurations, and Bayesian tests with datasets as blocks, of each competitor, best first.

    Without the hierarchical test if the board ranks all decision rules together.
    """
    names = ("elo", "elo_low", "elo_high", "rope", *(f"{test}_{name}" for test, of in _TESTS.items() for name in of))
    if not leads:
        return [dict.fromkeys(names, math.nan) for _ in board.names]
    elo, by = board.supplement.elo, board.supplement_by_dataset
    none = np.full(len(board.names), math.nan)
    signed_rank = dict(zip(OUTCOMES, by.signed_rank.T, strict=True))
    columns = [*elo, np.full(len(board.names), board.rope)]
    columns += [signed_rank[name] for name in OUTCOMES]
    # For all decision rules together the test takes seconds, and the page does not show it.
    columns += [none if board.rule == EACH else by.hierarchical[name] for name in _TESTS["hierarchical"]]
    return [{name: float(column[i]) for name, column in zip(names, columns, strict=True)} for i in board.order]


_TESTS = {"signed_rank": OUTCOMES, "hierarchical": (*OUTCOMES, "gain", "low", "high", "r_hat")}


def evidence(model: Model) -> pd.DataFrame:
    """A row for each configuration: rows of the rarest class in the parts of its folds."""
    return _frame([vars(one) for one in model.evidence], ["protocol", "task", *_CONFIGURATION[:3]])


def pairs(model: Model) -> pd.DataFrame:
    """A row for each pair of competitors on each leading board, with configurations and with datasets as blocks."""
    return _frame(
        [
            _of(board) | {"blocks": blocks, "first": first, "second": second} | vars(pair)
            for board in model.leading
            for blocks, tests in (("configurations", board.tests), ("datasets", board.tests_by_dataset))
            for (first, second), pair in tests.pairs.items()
        ],
        _BOARD,
    )


def gains(model: Model) -> pd.DataFrame:
    """A row for each board, imbalance ratio and competitor."""
    return gains_of(model.leading, model.gains)


def gains_of(boards: Sequence[Board], gains: Mapping[str, Sequence[Gain]]) -> pd.DataFrame:
    """A row for each gain of these boards; ``gains`` has them by slug of the board."""
    return _frame([_of(board) | vars(gain) for board in boards for gain in gains[board.slug]], _BOARD).rename(
        columns={"name": "strategy"}
    )


def image_gains(model: Model) -> pd.DataFrame:
    """A row for each board over images only, imbalance ratio (``all`` for all ratios) and competitor."""
    return gains_of(model.images.boards, model.images.gains) if model.images else _frame([], _BOARD)


def sample_labels(grid: SampleGrid) -> pd.DataFrame:
    """A row for each image of a grid and class in its label; ``weight`` is the image's factor in the loss."""
    rows: list[dict[str, object]] = [
        {
            "strategy": row.name,
            "mini_batch": column + 1,
            "class": grid.class_names[number],
            "rare": int(number) in grid.minority,
            "share": float(label[number]),
            "weight": 1.0 if row.weights is None else float(row.weights[column]),
        }
        for row in grid.rows
        for column, label in enumerate(row.labels)
        for number in np.flatnonzero(label)
    ]
    return _frame(rows, ["strategy", "mini_batch", "class", "rare", "share", "weight"])


def reliability(model: Model) -> pd.DataFrame:
    """A row for each curve and bin of the predicted probability."""
    return _frame(
        [
            {
                "protocol": curve.protocol,
                "task": curve.task,
                "strategy": curve.strategy,
                "bin": i,
                "predicted": float(curve.predicted[i]),
                "observed": float(curve.observed[i]),
                "share": float(curve.share[i]),
                "predictions": int(curve.rows[i]),
                "configurations": curve.configurations,
            }
            for curve in model.curves
            for i in range(len(curve.rows))
        ],
        ["protocol", "task", "strategy", "bin"],
    )


def costs(model: Model) -> pd.DataFrame:
    """A row for each protocol, task and strategy with its training time."""
    return _frame([vars(cost) for cost in model.costs], ["protocol", "task", "strategy"])


def coverage(model: Model) -> pd.DataFrame:
    """A row for each protocol, task and strategy: jobs done and failed, and how training went."""
    rows = []
    for one in model.covered:
        plain = dataclasses.asdict(one)
        missed = {ZERO_RECALL[rule]: count for rule, count in plain.pop("zero_recall").items()}
        process = plain.pop("process")
        rows.append(plain | missed | process)
    return _frame(rows, ["protocol", "task", "strategy"])


def failures(model: Model) -> pd.DataFrame:
    """A row for each failed job, with its whole error message."""
    rows: list[dict[str, object]] = [dataclasses.asdict(failure) for failure in model.failures]
    return _frame(rows, ["dataset", "variant", "strategy", "protocol", "error"])


def sources(model: Model) -> pd.DataFrame:
    """A row for each strategy and source code that made its jobs."""
    rows: list[dict[str, object]] = [dataclasses.asdict(origin) for origin in model.origins]
    return _frame(rows, ["strategy"])


def facts(model: Model) -> pd.DataFrame:
    """A row for each value of each fact: versions, hardware, hashes of the data, and the fingerprint of all jobs."""
    pairs = [("SHA-256 of all job keys", model.fingerprint)]
    pairs += [(name, value) for name, values in model.facts.items() for value in values]
    pairs += [(f"SHA-256 of {name}", digest) for name, digest in model.data]
    return _frame([{"fact": name, "value": value} for name, value in pairs], ["fact", "value"])


def scores(model: Model) -> pd.DataFrame:
    """A row for each configuration and strategy: ``<metric>_mean`` and ``<metric>_sd`` over the folds that define it.

    ``folds`` counts trained folds, 0 for a failed job. The standard deviation (n − 1) is over folds, which share rows,
    so it is not a standard error. ``seconds`` is training time per net. A job neither done nor failed has no row.
    """
    return pd.concat([_scores(model, one) for one in model.score_tables] or [pd.DataFrame()], ignore_index=True)


def _scores(model: Model, score_table: ScoreTable) -> pd.DataFrame:
    n, k = score_table.folds.shape
    facts = {name: np.repeat([getattr(c, name) for c in score_table.configurations], k) for name in _CONFIGURATION}
    measured = {
        f"{name}_{kind}": values.ravel()
        for name in score_table.mean
        for kind, values in (("mean", score_table.mean[name]), ("sd", score_table.sd[name]))
    }
    table = pd.DataFrame(
        {"protocol": score_table.protocol, "task": score_table.task}
        | facts
        | {"strategy": np.tile(np.array(score_table.strategies, dtype=object), n), "folds": score_table.folds.ravel()}
        | measured
    )
    failed = {(f.dataset, f.variant, f.strategy, f.protocol) for f in model.failures}
    if (score_table.folds == 0).any():
        keys = zip(table["dataset"], table["variant"], table["strategy"], table["protocol"], strict=True)
        table = table[(table["folds"] > 0) | np.array([key in failed for key in keys])]
    return table


def intervals(model: Model) -> pd.DataFrame:
    """A row for each leading board and competitor: means and gains with intervals over nets (`NetInterval`)."""
    return _frame(
        [
            _of(board) | vars(one) | {"contains": "+".join(one.contains)}
            for board in model.leading
            for one in model.spread.intervals.get(board.slug, ())
        ],
        _BOARD,
    ).rename(columns={"name": "strategy"})


def variance_components(model: Model) -> pd.DataFrame:
    """A row for each configuration, strategy and headline column with several draws or training seeds."""
    rows = [dict(row) for row in model.spread.components]
    columns = ["protocol", "task", "dataset", "variant", "strategy", "column"]
    return _frame(rows, columns)[columns + [name for name in (rows[0] if rows else ()) if name not in columns]]


TABLES: Mapping[str, Callable[[Model], pd.DataFrame]] = {
    "overview": overview,
    "leaderboard": leaderboard,
    "scores": scores,
    "pairs": pairs,
    "gains": gains,
    "reliability": reliability,
    "costs": costs,
    "coverage": coverage,
    "failures": failures,
    "sources": sources,
    "facts": facts,
    "intervals": intervals,
    "variance-components": variance_components,
    "evidence": evidence,
}
# The tables of a report with trials of a tuned run.
TUNING_TABLES: Mapping[str, Callable[[Model], pd.DataFrame]] = {
    "tuning": lambda model: model.tuned,
    "tuned-leaderboard": tuned_leaderboard,
}
# The table of a report with trials of references.
TUNED_REFERENCE_TABLES: Mapping[str, Callable[[Model], pd.DataFrame]] = {
    "tuned-reference-leaderboard": tuned_reference_leaderboard
}
# The tables of a report with images.
IMAGE_TABLES: Mapping[str, Callable[[Model], pd.DataFrame]] = {
    "image-gains": image_gains,
    "image-leaderboard": image_leaderboard,
}
# Further tables of results with references.
REFERENCE_TABLES: Mapping[str, Callable[[Model], pd.DataFrame]] = {
    "reference-leaderboard": reference_leaderboard,
    "reference-scores": reference_scores,
}


def csv(table: pd.DataFrame) -> bytes:
    """A table as CSV: numbers as the shortest text that reads back as the same number, undefined ones empty.

    Text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    sink, safe = io.BytesIO(), table.apply(_without_formulas)
    sink.write((",".join(map(str, table.columns)) + "\n").encode())
    if len(table):
        # Quotes only where a text needs them; "needed" would quote all texts.
        for style in ("none", "needed"):
            body = pa.BufferOutputStream()
            try:
                arrow_csv.write_csv(
                    _arrow(safe), body, arrow_csv.WriteOptions(include_header=False, quoting_style=style)
                )
            except pa.ArrowInvalid:
                continue
            sink.write(body.getvalue().to_pybytes())
            break
    return sink.getvalue()


def without_formula(cell: object) -> object:
    """A cell as CSV may contain it: text that a spreadsheet would run as a formula begins with an apostrophe.

    >>> without_formula("=1+1"), without_formula("-0.5"), without_formula("remix")
    ("'=1+1", '-0.5', 'remix')
    """
    if not (isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r"))):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def _without_formulas(column: pd.Series) -> pd.Series:
    is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype | pd.CategoricalDtype)
    if not is_text:
        return column
    # Looked up once for each distinct text.
    numbers, texts = pd.factorize(column.astype(object))
    safe = [*map(without_formula, texts), None]
    return pd.Series(np.array(safe, dtype=object)[numbers], column.index, dtype=object)


def parquet(table: pd.DataFrame) -> bytes:
    """A table as Parquet, with null for undefined numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(_arrow(table), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _arrow(table: pd.DataFrame) -> object:
    import pyarrow as pa

    # Without the metadata of pandas, which contains its version.
    return pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)


def _of(board: Board) -> dict[str, object]:
    return {
        "protocol": board.protocol,
        "task": board.task,
        "metric": board.metric.name,
        "rule": board.rule,
        "higher_is_better": board.metric.higher_is_better,
    }


_BOARD = ["protocol", "task", "metric", "rule", "higher_is_better"]
_CONFIGURATION = ["dataset", "variant", "ir", "modality"]


def _frame(rows: list[dict[str, object]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
