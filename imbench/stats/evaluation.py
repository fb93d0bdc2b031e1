"""The result of an evaluation: its numbers, the text that shows them, and plain JSON values."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import pandas as pd

from imbench.stats.friedman import Friedman, ImanDavenport, SmallSample
from imbench.stats.smallest_p import SmallestP, undecidable
from imbench.stats.supplement import OUTCOMES, Supplement
from imbench.stats.words import counted, level

# The text shows this many pairs, those with the smallest p-values.
SHOWN_PAIRS = 30
SHOWN_DROPPED = 10


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Strategies compared over blocks (configurations or datasets); made by `evaluate`.

    Series and matrices are indexed by strategy, in the order of the scores' columns.

    Parameters
    ----------
    higher_is_better, alpha : as given to `evaluate`
    average_ranks, rank_sums : 1 is best, so smaller is better; ties share the average rank
    rank_intervals : ``low`` and ``high``, intervals of level 1 − alpha of the average rank, over datasets
    reference : the strategy that gains are measured against
    gains : ``mean`` over blocks of the gain over the reference, in the scores' unit, positive is better, with its
        interval ``low``, ``high`` over datasets
    friedman : χ² with the correction for ties and its asymptotic p-value
    friedman_small_sample : the same test's p-value for few blocks, and its ``method``: ``exact``, ``permutation``, or
        ``asymptotic`` for many blocks
    iman_davenport : the F statistic and its asymptotic p-value
    nemenyi_cd : critical difference of average ranks at alpha
    nemenyi : p-value matrix
    wilcoxon : a row for each pair ``first``, ``second``, with the columns of `imbench.stats.pairwise.wilcoxon`; its
        family is all k(k − 1)/2 pairs
    against_reference : a row for each ``strategy`` except the ``reference``, best first, with the same columns for the
        strategy against it; its family is these k − 1 pairs, so its ``p_holm`` is smaller than that of all pairs
    control : the strategy of best average rank (``best``, the same in every row) against each other ``strategy``:
        Wilcoxon's ``p`` and its ``p_holm`` over these k − 1 tests, the ``effect`` of the best, and for comparison
        Demšar's ``z`` test of average ranks with its ``p_z`` and ``p_z_holm``
    groups : the largest sets of two or more strategies whose average ranks all lie within the critical difference, best
        first; a strategy in no set differs from all others
    groups_wilcoxon : the longest runs of strategies, consecutive by average rank, in which no pair differs at alpha
        after Holm's correction
    smallest_p : the smallest p-value that each family can reach with this many blocks; where it is not below alpha,
        no difference can be shown, and `undecidable` gives the reason
    n_folds : number of folds if rows are the folds of one dataset; 0 for blocks. With folds, ranks are those of the
        means, tests of ranks are NaN, and ``wilcoxon``, ``against_reference``, ``control`` and the intervals of gains
        come from the corrected resampled t-test, as ``method`` says
    n_blocks, n_rows, n_datasets : blocks ranked, complete rows averaged into them, datasets behind intervals
    supplement : the numbers of `elo`, `signed_rank` and `hierarchical`, computed on first use
    dropped : label of each omitted row, with the strategies that have no score there
    notes : caveats and undefined results, one sentence each
    """

    higher_is_better: bool
    alpha: float
    average_ranks: pd.Series[float]
    rank_sums: pd.Series[float]
    rank_intervals: pd.DataFrame
    reference: Any
    gains: pd.DataFrame
    friedman: Friedman
    friedman_small_sample: SmallSample
    iman_davenport: ImanDavenport
    nemenyi_cd: float
    nemenyi: pd.DataFrame
    wilcoxon: pd.DataFrame
    against_reference: pd.DataFrame
    control: pd.DataFrame
    groups: tuple[tuple[Any, ...], ...]
    groups_wilcoxon: tuple[tuple[Any, ...], ...]
    smallest_p: SmallestP
    n_blocks: int
    n_rows: int
    n_datasets: int
    dropped: Mapping[Any, tuple[Any, ...]]
    notes: tuple[str, ...]
    supplement: Supplement
    n_folds: int = 0

    @property
    def rope(self) -> float:
        """The largest difference that does not matter in the Bayesian tests."""
        return self.supplement.rope

    @cached_property
    def elo(self) -> pd.DataFrame:
        """Elo ratings: ``rating``, 1000 for the reference, and its interval ``low``, ``high`` over datasets.

        They depend on all strategies and are infinite for one that wins or loses every comparison (see
        `imbench.stats.elo.elo`). NaN for the folds of one dataset.
        """
        return self._by_strategy(self.supplement.elo._asdict())

    @cached_property
    def signed_rank(self) -> pd.DataFrame:
        """Bayesian signed-rank test against the reference: the probabilities that a strategy is ``better`` by more than
        the ROPE, practically ``equivalent``, or ``worse`` (see `imbench.stats.bayes.signed_rank`).
        """
        return self._by_strategy(dict(zip(OUTCOMES, self.supplement.signed_rank.T, strict=True)))

    @cached_property
    def hierarchical(self) -> pd.DataFrame:
        """Hierarchical correlated t-test against the reference: the same probabilities for the next dataset, the
        average ``gain`` with its credible interval ``low``, ``high``, and the convergence ``r_hat`` of the draws.

        It needs the scores of folds: at least 4 in each of at least 3 blocks; else everything is NaN (see
        `imbench.stats.bayes.hierarchical`).
        """
        return self._by_strategy(self.supplement.hierarchical)

    def _by_strategy(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        return pd.DataFrame(columns, self.average_ranks.index)

    def undecidable(self, family: str) -> str:
        """Why ``omnibus``, ``pairs`` or ``control`` tests cannot decide with this many blocks; "" if they can."""
        if self.n_folds:  # a t-test has no smallest p-value
            return ""
        return undecidable(family, self.n_blocks, len(self.average_ranks), self.alpha)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain JSON values; None for undefined and infinite numbers, which ``notes`` explain."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "supplement"]
        fields = {name: getattr(self, name) for name in (*names, "rope", "elo", "signed_rank", "hierarchical")}
        dropped = [{"row": label, "missing": list(missing)} for label, missing in self.dropped.items()]
        return {name: _json(value) for name, value in (fields | {"dropped": dropped}).items()}

    def __str__(self) -> str:
        return "\n\n".join(map(text, sections(self)))

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Section:
    """One section of an evaluation's text: a title, a table, notes.

    Parameters
    ----------
    title : one line
    headers, rows : the table; no headers, no table
    right : headers of right-aligned columns
    notes : sentences below the table
    """

    title: str
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    right: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def sections(evaluation: Evaluation) -> list[Section]:
    """The text in order: ranks and omnibus tests, gains, pairs, the best against the rest, further views, notes."""
    further = [] if evaluation.n_folds else [_further(evaluation)]
    return [part(evaluation) for part in (_ranks, _gains, _pairs, _control)] + further + _notes(evaluation)


def text(section: Section) -> str:
    """A section as plain text."""
    lines = [section.headers, *section.rows] if section.headers else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(
            cell.rjust(width) if header in section.right else cell.ljust(width)
            for cell, width, header in zip(line, widths, section.headers, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([section.title, *table, *section.notes])


def _ranks(evaluation: Evaluation) -> Section:
    e = evaluation
    if e.n_folds:
        return Section(
            f"Ranks by the mean over {e.n_folds} folds of one dataset; 1 is best, {_better(e)} scores are better",
            ("strategy", "rank"),
            tuple((str(name), f"{e.average_ranks[name]:g}") for name in _best_first(e)),
            ("rank",),
        )
    ends = e.rank_intervals
    averaged = f" (means of {e.n_rows} rows)" if e.n_rows != e.n_blocks else ""
    return Section(
        f"Average ranks over {e.n_blocks} blocks{averaged}; 1 is best, {_better(e)} scores are better",
        ("strategy", "avg rank", _level(e), "rank sum"),
        tuple(
            (str(name), f"{e.average_ranks[name]:.3f}", _range(ends.loc[name], ".2f"), f"{e.rank_sums[name]:g}")
            for name in _best_first(e)
        ),
        ("avg rank", "rank sum"),
        (
            _omnibus(e),
            f"Iman-Davenport: F = {_number(e.iman_davenport.statistic)}, asymptotic p = {_p(e.iman_davenport.pvalue)}.",
            _nemenyi(e),
        ),
    )


def _omnibus(e: Evaluation) -> str:
    small = e.friedman_small_sample
    values = [f"asymptotic p = {_p(e.friedman.pvalue)}"]
    if small.method in ("exact", "permutation"):
        values.append(f"{small.method} p = {_p(small.pvalue)}")
    return f"Friedman: χ² = {_number(e.friedman.statistic)}, {', '.join(values)}."


def _nemenyi(e: Evaluation) -> str:
    most = len(e.average_ranks) - 1
    if e.nemenyi_cd > most:
        return (
            f"Nemenyi, asymptotic: critical difference of average ranks {e.nemenyi_cd:.4f} at level {e.alpha:g}, more "
            f"than the largest possible difference, {most}."
        )
    groups = "" if e.undecidable("omnibus") else f" {_groups(e.groups)}"
    return f"Nemenyi, asymptotic: critical difference of average ranks {e.nemenyi_cd:.4f} at level {e.alpha:g}.{groups}"


def _gains(evaluation: Evaluation) -> Section:
    e = evaluation
    count = len(e.against_reference)
    different = int((e.against_reference["p_holm"] < e.alpha).sum())
    return Section(
        f"Mean gain over {e.reference}; positive is better",
        ("strategy", "gain", _level(e), "p Holm", "p", "W/T/L", "method"),
        tuple(
            (
                str(row["strategy"]),
                f"{e.gains['mean'][row['strategy']]:+.4f}",
                _range(e.gains.loc[row["strategy"]], "+.4f"),
                _p(row["p_holm"]),
                _p(row["p"]),
                f"{row['wins']}/{row['ties']}/{row['losses']}",
                row["method"],
            )
            for row in e.against_reference.to_dict("records")
        ),
        ("gain", "p Holm", "p"),
        (
            *([] if e.n_folds else [f"Intervals are Student's over {e.n_datasets} datasets."]),
            f"p{' and intervals' if e.n_folds else ''}: {_test(e)}{_corrected(count)}.",
            *(
                []
                if e.undecidable("control")
                else [f"{different} of {count} differ from {e.reference} at {e.alpha:g} after correction."]
            ),
        ),
    )


def _pairs(evaluation: Evaluation) -> Section:
    e = evaluation
    shown = e.wilcoxon.sort_values("p", kind="stable").head(SHOWN_PAIRS)
    different = int((e.wilcoxon["p_holm"] < e.alpha).sum())
    hidden = len(e.wilcoxon) - len(shown)
    unshown = f"; {hidden} with larger p-values are not shown." if hidden else "."
    found = (
        ((f"{hidden} pairs with larger p-values are not shown.",) if hidden else ())
        if e.undecidable("pairs")
        else (
            f"{different} of {counted(len(e.wilcoxon), 'pair')} {'differs' if len(e.wilcoxon) == 1 else 'differ'} at "
            f"{e.alpha:g} after correction{unshown}",
            _groups(e.groups_wilcoxon),
        )
    )
    return Section(
        f"All pairs by {_test(e)}{_corrected(len(e.wilcoxon))}",
        ("pair, better first", "p Holm", "p", "effect", "W/T/L", "method"),
        tuple(map(_pair, shown.to_dict("records"))),
        ("p Holm", "p", "effect"),
        (
            *found,
            "Effect: matched-pairs rank-biserial correlation, 0 to 1. W/T/L: wins, ties and losses of the first "
            "strategy.",
        ),
    )


def _pair(row: Mapping[Any, Any]) -> tuple[str, ...]:
    turned = row["effect"] < 0 if row["method"] != "corrected t" else row["statistic"] < 0
    better, worse = ("second", "first") if turned else ("first", "second")
    wins, losses = ("losses", "wins") if turned else ("wins", "losses")
    return (
        f"{row[better]} vs {row[worse]}",
        _p(row["p_holm"]),
        _p(row["p"]),
        f"{abs(row['effect']):.2f}",
        f"{row[wins]}/{row['ties']}/{row[losses]}",
        row["method"],
    )


def _control(evaluation: Evaluation) -> Section:
    e = evaluation
    return Section(
        f"{e.control['best'].iloc[0]}, best by {'mean' if e.n_folds else 'average rank'}, against each other strategy",
        ("strategy", "p Holm", "p", "effect", "method", *(() if e.n_folds else ("p Holm by ranks",))),
        tuple(
            (
                str(row["strategy"]),
                _p(row["p_holm"]),
                _p(row["p"]),
                f"{row['effect']:.2f}",
                row["method"],
                *(() if e.n_folds else (_p(row["p_z_holm"]),)),
            )
            for row in e.control.head(SHOWN_PAIRS).to_dict("records")
        ),
        ("p Holm", "p", "effect", "p Holm by ranks"),
        (
            f"{_test(e)[0].upper()}{_test(e)[1:]}{_corrected(len(e.control))}"
            + ("" if e.n_folds else "; by ranks: Demšar's z test of average ranks, asymptotic")
            + ". The best was chosen by the same scores, so these p-values are somewhat too small.",
        ),
    )


def _further(evaluation: Evaluation) -> Section:
    """Elo ratings and Bayesian tests."""
    e = evaluation
    tests = [("signed-rank", e.signed_rank)] + ([("hierarchical", e.hierarchical)] if _is_hierarchical(e) else [])
    rows = tuple(
        (
            str(name),
            _rating(e.elo.loc[name, "rating"]),
            "-" if name == e.reference else f"{_rating(e.elo.loc[name, 'low'])} to {_rating(e.elo.loc[name, 'high'])}",
            *("-" if name == e.reference else _outcomes(table.loc[name]) for _, table in tests),
        )
        for name in _best_first(e)
    )
    rope = f"more than {e.rope:g}"
    return Section(
        f"Elo, and Bayesian tests against {e.reference}",
        ("strategy", "Elo", _level(e), *(name for name, _ in tests)),
        rows,
        ("Elo",),
        (
            f"Elo: {e.reference} has 1000; the ratings depend on all strategies compared. "
            f"{' and '.join(name.capitalize() for name, _ in tests)}: probability that a strategy is better by "
            f"{rope} / practically equivalent / worse.",
            *(f"{note[0].upper()}{note[1:]}." for note in e.supplement.notes),
        ),
    )


def _is_hierarchical(e: Evaluation) -> bool:
    return not bool(e.hierarchical["better"].isna().all())


def _outcomes(probabilities: pd.Series[float]) -> str:
    return " / ".join(f"{probabilities[name]:.2f}" for name in OUTCOMES)


def _rating(value: Any) -> str:
    return ("∞" if value > 0 else "-∞") if math.isinf(value) else "-" if math.isnan(value) else f"{value:.0f}"


def _notes(evaluation: Evaluation) -> list[Section]:
    dropped = tuple(
        f"Row {_label(label)} is omitted because it has no score of {', '.join(map(str, missing))}."
        for label, missing in islice(evaluation.dropped.items(), SHOWN_DROPPED)
    )
    if len(evaluation.dropped) > SHOWN_DROPPED:
        dropped += (f"In total, {len(evaluation.dropped)} rows are omitted.",)
    notes = tuple(f"{note[0].upper()}{note[1:]}." for note in evaluation.notes)
    return [Section("Notes", notes=(*notes, *dropped))] if notes or dropped else []


def _test(e: Evaluation) -> str:
    return "the corrected resampled t-test" if e.n_folds else "Wilcoxon's signed-rank test"


def _corrected(pairs: int) -> str:
    return f" with Holm's correction over {pairs} pairs" if pairs > 1 else ""


def _groups(groups: Sequence[Sequence[Any]]) -> str:
    if not groups:
        return "All pairs differ."
    return "No difference shown within: " + "; ".join(", ".join(map(str, group)) for group in groups) + "."


def _best_first(evaluation: Evaluation) -> list[Any]:
    gains = evaluation.gains["mean"]
    ranks = evaluation.average_ranks
    return sorted(ranks.index, key=lambda name: (ranks[name], -gains[name]))


def _better(evaluation: Evaluation) -> str:
    return "higher" if evaluation.higher_is_better else "lower"


def _level(evaluation: Evaluation) -> str:
    return f"{level(evaluation.alpha)} interval"


def _range(ends: pd.Series[float], pattern: str) -> str:
    return "-" if math.isnan(ends["low"]) else f"{ends['low']:{pattern}} to {ends['high']:{pattern}}"


def _p(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2g}"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else "infinite" if math.isinf(value) else f"{value:.4f}"


def _label(label: Any) -> str:
    return " ".join(map(str, label)) if isinstance(label, tuple) else str(label)


def _json(value: Any) -> Any:
    """A value in JSON's types: a table with numbered rows becomes a list of records, any other table a mapping."""
    if isinstance(value, pd.Series):
        return {str(name): _json(part) for name, part in zip(value.index, value.tolist(), strict=True)}
    if isinstance(value, pd.DataFrame):
        columns = [str(name) for name in value.columns]
        rows = zip(*([_json(part) for part in value[name].tolist()] for name in value.columns), strict=True)
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        numbered = isinstance(value.index, pd.RangeIndex) and value.index.name is None
        return records if numbered else dict(zip(map(str, value.index), records, strict=True))
    if isinstance(value, Mapping):
        return {str(name): _json(part) for name, part in value.items()}
    if hasattr(value, "_asdict"):
        return _json(value._asdict())
    if isinstance(value, list | tuple):
        return [_json(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
