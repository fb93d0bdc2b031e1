"""Compare two stores: differences beyond the noise of folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.protocol import Place
from imbench.contract.records import STRATEGY
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, EACH, RULES, ruled_column
from imbench.stats.names import HEADLINE, called_alike
from imbench.stats.pairwise import holm
from imbench.stats.references import KIND
from imbench.stats.within import corrected_t, fold_means, tested_share

# Columns that identify a pair of jobs; protocols and versions of the strategy may differ.
_ABOUT = ["task", "data_hash", "variant", "strategy", KIND]
_NET = [*Place._fields, "rows_hash"]


@dataclass(frozen=True)
class Unpaired:
    """A job of one store without a counterpart in the other: ``store`` is ``A`` or ``B``; ``reason`` says why."""

    store: str
    dataset: str
    variant: str
    strategy: str
    protocol: str
    reason: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two stores, job by job.

    Parameters
    ----------
    table : a row for each pair of jobs and metric: ``dataset, variant, strategy, protocol`` (``A | B`` where they
        differ), ``metric``, ``folds`` paired, ``mean_a``, ``mean_b``, ``difference`` (B − A), ``t``, ``p``,
        ``p_holm``, and ``beyond_noise``; strongest evidence first
    unpaired : jobs without a counterpart
    rule : the decision rule
    alpha : ``beyond_noise`` is p_holm ≤ alpha
    """

    table: pd.DataFrame
    unpaired: tuple[Unpaired, ...]
    rule: str
    alpha: float

    @property
    def beyond_noise(self) -> pd.DataFrame:
        """The rows of the table that differ beyond noise."""
        return self.table[self.table["beyond_noise"]]


def compare(
    a: pd.DataFrame,
    b: pd.DataFrame,
    metrics: Sequence[str] = HEADLINE,
    rule: str = ARGMAX,
    alpha: float = 0.05,
    known_metrics: Mapping[str, Metric] = METRICS,
) -> Comparison:
    """Compare the rows of two stores (see `Store.frame`) over the folds that both have.

    Jobs are paired if they have the same data, variant and strategy; if there are several, also the same protocol and
    version of the strategy. A single remaining job in each store is a pair even under another protocol, so that a
    shortened protocol can be compared with the full one. Folds are paired if they tested and trained on the same rows.

    Each pair and metric has a two-sided corrected resampled t-test of the folds' differences,
    t = d̄ / √((1/n + n_test/n_train) s²) with n − 1 degrees of freedom (C. Nadeau and Y. Bengio, "Inference for the
    generalization error", Machine Learning 52, 2003): folds share rows, so their plain variance is too small.
    ``n_train`` counts the rows trained on, without validation rows. If all differences are equal, p is 1 if they
    are zero and 0 otherwise. Holm's correction is over the whole table.

    Raises
    ------
    UsageError
        For an unknown metric or rule, or an ``alpha`` outside 0 … 1.
    """
    for name in metrics:
        if name not in known_metrics:
            raise UsageError(f"unknown metric {name!r}; {suggest(name, known_metrics)}")
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must be between 0 and 1, got {alpha}; 0.05 is usual")
    columns = {name: ruled_column(known_metrics[name], rule) for name in metrics if rule != EACH}
    if rule == EACH:  # a metric that a rule does not change is compared once
        ruled = [ruled_column(known_metrics[name], each) for name in metrics for each in RULES]
        columns = {name: name for name in ruled if name in a and name in b}
    a, b = (frame if KIND in frame else frame.assign(**{KIND: STRATEGY}) for frame in (a, b))
    a, b = (frame[frame["error"] == ""] for frame in (a, b))
    a, b = called_alike(a, b)
    folds = {store: dict(iter(frame.groupby("key", observed=True))) for store, frame in (("A", a), ("B", b))}
    pairs, unpaired = _pairs(a, b)
    found = []
    for key_a, key_b in pairs:
        one, other = folds["A"][key_a], folds["B"][key_b]
        both = one.merge(other, on=_NET, suffixes=("_a", "_b"))
        if both.empty:
            reason = "its counterpart has no fold with the same rows"
            unpaired += [_unpaired("A", one.iloc[0], reason), _unpaired("B", other.iloc[0], reason)]
        found += [_compared(both, name, column) for name, column in columns.items() if len(both)]
    return Comparison(_table(found, alpha), tuple(unpaired), rule, alpha)


def _pairs(a: pd.DataFrame, b: pd.DataFrame) -> tuple[list[tuple[str, str]], list[Unpaired]]:
    """Keys of partners, and the jobs without one."""
    left = {store: frame.drop_duplicates("key").set_index("key") for store, frame in (("A", a), ("B", b))}
    pairs: list[tuple[str, str]] = []
    for alike in _ALIKE:
        groups = [_groups(jobs, alike) for jobs in left.values()]
        # Only unique matches: a choice among several would be arbitrary.
        new = [
            (keys[0], groups[1][what][0])
            for what, keys in groups[0].items()
            if len(keys) == 1 and len(groups[1].get(what, ())) == 1
        ]
        pairs += new
        left["A"], left["B"] = (left[s].drop([pair[i] for pair in new]) for i, s in enumerate(("A", "B")))
    unpaired = [
        _unpaired(store, job, "the other store has no job or several jobs with this data, variant and strategy")
        for store, jobs in left.items()
        for _, job in jobs.iterrows()
    ]
    return sorted(pairs), unpaired


def _groups(
    jobs: pd.DataFrame, alike: Callable[[pd.Series], tuple[object, ...]]
) -> dict[tuple[object, ...], list[str]]:
    found: dict[tuple[object, ...], list[str]] = {}
    for key, job in jobs.iterrows():
        found.setdefault(alike(job), []).append(str(key))
    return found


def _about(job: pd.Series) -> tuple[object, ...]:
    return tuple(job[name] for name in _ABOUT)


# Columns that paired jobs have in common, the closest match first.
_ALIKE: tuple[Callable[[pd.Series], tuple[object, ...]], ...] = (
    lambda job: (job.name,),
    lambda job: (*_about(job), job["protocol_fields"], job["strategy_version"]),
    lambda job: (*_about(job), job["protocol_fields"]),
    _about,
)


def _compared(both: pd.DataFrame, metric: str, column: str) -> dict[str, object]:
    """One row of the table."""
    first = both.iloc[0]
    defined = both[both[f"{column}_a"].notna() & both[f"{column}_b"].notna()]
    scores = fold_means(defined, [f"{column}_a", f"{column}_b"])
    one, other = (scores[f"{column}_{store}"].to_numpy(dtype=float) for store in ("a", "b"))
    share = tested_share(both.rename(columns={"n_test_a": "n_test", "n_train_a": "n_train"}))
    test = corrected_t(other - one, share) if len(scores) > 1 else None
    return {
        **{name: _either(first, name) for name in ("dataset", "variant", "strategy", "protocol")},
        "metric": metric,
        "folds": len(scores),
        "mean_a": float(one.mean()) if len(one) else np.nan,
        "mean_b": float(other.mean()) if len(other) else np.nan,
        "difference": float((other - one).mean()) if len(one) else np.nan,
        "t": test.statistic if test else np.nan,
        "p": test.pvalue if test else np.nan,
    }


def _either(first: pd.Series, name: str) -> str:
    if name in first:
        return str(first[name])
    one, other = str(first[f"{name}_a"]), str(first[f"{name}_b"])
    return one if one == other else f"{one} | {other}"


def _table(found: Sequence[dict[str, object]], alpha: float) -> pd.DataFrame:
    columns = ["dataset", "variant", "strategy", "protocol", "metric", "folds", "mean_a", "mean_b", "difference"]
    table = pd.DataFrame(found, columns=[*columns, "t", "p"])
    p = table["p"].to_numpy(dtype=float)
    adjusted = np.full(len(p), np.nan)
    adjusted[~np.isnan(p)] = holm(p[~np.isnan(p)])
    table = table.assign(p_holm=adjusted, beyond_noise=adjusted <= alpha)
    return table.sort_values(["p", *columns[:5]], ignore_index=True)


def _unpaired(store: str, job: pd.Series, reason: str) -> Unpaired:
    dataset, variant, strategy, protocol = (str(job[n]) for n in ("dataset", "variant", "strategy", "protocol"))
    return Unpaired(store, dataset, variant, strategy, protocol, reason)
