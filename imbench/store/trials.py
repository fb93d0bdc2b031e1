"""Derived rows of a tuned run: default, tuned and ensembled, from stored predictions and without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.protocol import Place
from imbench.contract.records import Exposure, Predictions, Split
from imbench.scoring.columns import ORIGIN
from imbench.scoring.fold_scores import added_columns, scored
from imbench.scoring.metrics import METRICS, Metric
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.board import merit
from imbench.stats.names import CONFIGURATION, HEADLINE, labelled
from imbench.stats.references import KIND, beside, is_reference, with_distinct_names
from imbench.stats.scope import Scope
from imbench.stats.trials import best_so_far, ensemble_counts, mean_proba, validation_merits
from imbench.store.store import Store

if TYPE_CHECKING:
    from imbench.stats.leaderboard import Leaderboard

# The metric that selects, unless another one is asked for: it reads probabilities, so that it needs no threshold and
# rarely ties, and all classes count the same.
SELECT_BY = "bbs"

# The default configuration, as a selection.
DEFAULT = "default"

# Columns that say what a row is about; an ensemble has them from trial 1.
_SAME = (
    *("dataset", "variant", "task", "ir", "key", "data_hash", "rows_hash", "strategy_version", *ORIGIN),
    *("schema", "numbers", "error", "protocol_fields", KIND),
)
_GROUP = ["task", *CONFIGURATION, "strategy", "strategy_version", "protocol"]
_FOLD = list(Place._fields)


@dataclass(frozen=True, eq=False)
class Tuning:
    """What selection among the trials of a tuned run gives, by validation rows.

    Parameters
    ----------
    metric : the metric that selected
    trials : a row for each fold of every finished trial, trial 1 included, in the order of their numbers; ``strategy``,
        ``protocol`` and ``protocol_fields`` are those of trial 1, ``number`` is the trial's
    rows : a row for each fold and selection, with the columns of `imbench.Results.rows` and

        - ``selection``: ``default``; ``tuned@k``, the trial that is best on the fold's validation rows among the first
          k; ``ensemble@K``, an ensemble of all K of them (`imbench.stats.trials.ensemble_counts`)
        - ``k``: trials chosen from; ``members``: the chosen trials and how often, such as ``1+3+3``
        - ``budget_seconds``, ``budget_steps``: training time and gradient steps of all k trials
    metrics, scope : every metric by name, and the configurations of boards, as in `imbench.Results`
    """

    metric: Metric
    trials: pd.DataFrame
    rows: pd.DataFrame
    metrics: Mapping[str, Metric] = field(default_factory=lambda: METRICS)
    scope: Scope = field(default_factory=Scope)

    @property
    def selections(self) -> list[str]:
        """The selections in the order of their cost: ``default``, ``tuned@1`` to ``tuned@K``, ensembles."""
        return list(dict.fromkeys(self.rows.sort_values(["order", "k"], kind="stable")["selection"]))

    @property
    def shown(self) -> list[str]:
        """The selections that have boards: the default, and those of all trials."""
        last: dict[str, str] = {}
        for name in self.selections:
            last[name.partition("@")[0]] = name
        return list(last.values())

    def select(self, selection: str) -> pd.DataFrame:
        """The rows of one selection, to rank or to test like those of a run.

        Raises
        ------
        UsageError for a selection that these rows do not have.
        """
        known = self.selections
        if selection not in known:
            raise UsageError(f"no selection {selection!r} of trials; {suggest(selection, known)}")
        return self.rows[self.rows["selection"] == selection].reset_index(drop=True)

    def leaderboards(
        self, selection: str, metrics: Sequence[str] = HEADLINE, rule: str = "argmax", *, references: bool = False
    ) -> list[Leaderboard]:
        """The leaderboards of one selection, as `imbench.Results.leaderboards`."""
        from imbench.stats.leaderboard import leaderboards

        return leaderboards(self.select(selection), metrics, rule, self.scope, self.metrics, references)

    def curves(self, metric: str, rule: str = ARGMAX) -> pd.DataFrame:
        """How the test score of ``tuned@k`` and of the ensemble, under a decision rule, grows with the budget.

        Returns
        -------
        One row for each protocol, task, strategy and selection: ``mean``, the test score of the metric; ``regret``,
        what is missing in it to the trial that is best on the test rows, which no selection may look at;
        ``budget_seconds`` and ``budget_steps`` of a net. All are means over folds, then over configurations.
        """
        known = self.metrics
        if metric not in known:
            raise UsageError(f"unknown metric {metric!r}; {suggest(metric, known)}")
        one, column = known[metric], ruled_column(known[metric], rule)
        if column not in self.rows or column not in self.trials:
            raise UsageError(f"these trials have no column {column!r}; choose another decision rule than {rule!r}")
        merits = pd.Series(merit(one, self.trials[column].to_numpy(np.float64)), self.trials.index)
        best = merits.groupby([self.trials[name] for name in [*_GROUP, *_FOLD]], observed=True).max()
        rows = self.rows.assign(mean=self.rows[column], merit=merit(one, self.rows[column].to_numpy(np.float64)))
        oracle = best.reindex(pd.MultiIndex.from_frame(rows[[*_GROUP, *_FOLD]])).to_numpy()
        rows["regret"] = oracle - rows["merit"]
        # The names of boards: versions of a strategy and protocols of one name are apart.
        rows = beside(rows) if is_reference(rows).any() else labelled(rows)
        measured = ["mean", "regret", "budget_seconds", "budget_steps"]
        by = ["protocol", "task", "strategy", "selection", "order", "k"]
        of_configuration = rows.groupby([*by, *CONFIGURATION], observed=True)[measured].mean()
        found = of_configuration.groupby(by, observed=True).mean().reset_index()
        counts = of_configuration.groupby(by, observed=True).size().reset_index(name="configurations")
        whole = found.merge(counts).sort_values(["protocol", "task", "strategy", "order", "k"], kind="stable")
        return whole.drop(columns="order").reset_index(drop=True)


def tuning_of(
    rows: pd.DataFrame,
    store: Store,
    metric: str = SELECT_BY,
    *,
    added: Sequence[Metric] = (),
    scope: Scope | None = None,
) -> Tuning:
    """Select among the trials of these rows.

    Parameters
    ----------
    rows : rows of a store with trials of ``imbench run --tune``
    store : the store
    metric : the metric that selects; undefined values lose, and the lower trial number wins a tie
    added : metrics of plugins with columns in the rows
    scope : see `Tuning`

    Raises
    ------
    UsageError
        For an unknown metric, and results without trials.
    StoreError
        For damaged predictions.
    """
    known = METRICS | {one.name: one for one in added}
    if metric not in known:
        raise UsageError(f"unknown metric {metric!r}; {suggest(metric, known)}")
    trials = _trials(rows)
    if trials.empty:
        raise UsageError(f"store {store.path} has no trials; imbench run --tune K adds them")
    contents = store.contents()
    found: list[dict[str, Any]] = []
    for _, group in trials.groupby(_GROUP, observed=True, sort=False):
        numbers = {str(key): int(number) for key, number in zip(group["key"], group["number"], strict=True)}
        predictions = {
            number: {p.place: p for p in store.predictions(key, contents)} for key, number in numbers.items()
        }
        folds: dict[Place, dict[int, dict[str, Any]]] = {}
        for row in group.to_dict("records"):
            of_fold = folds.setdefault(Place(*(int(row[name]) for name in _FOLD)), {})
            of_fold[int(row["number"])] = {str(name): value for name, value in row.items()}
        planned = int(group["planned"].max())
        for fold, by_number in folds.items():
            own = {number: predictions[number][fold] for number in by_number}
            found += _derived(by_number, own, planned, known[metric], added)
    derived = pd.DataFrame(found).reindex(columns=[*rows.columns, *_ADDED])
    # Columns of text and of whole numbers have the types of the rows; a column with an empty cell is of numbers.
    kinds = {name: kind for name, kind in rows.dtypes.items() if kind != derived[name].dtype}
    full = {name: kind for name, kind in kinds.items() if not derived[name].isna().any()}
    # Copies are in one block for each type, which is quicker to add columns to.
    return Tuning(
        known[metric], trials.reset_index(drop=True).copy(), derived.astype(full).copy(), known, scope or Scope()
    )


def has_trials(rows: pd.DataFrame) -> bool:
    """Whether `tuning_of` can select among trials of these rows: some strategy's first trial is trained."""
    return not _trials(rows).empty


_ADDED = ("selection", "order", "k", "members", "budget_seconds", "budget_steps")


def _trials(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of `Tuning.trials`, with ``planned``: trials of the strategy up to the first that was not trained."""
    if "trial" not in rows or rows["trial"].isna().all():
        return rows.iloc[:0].copy().assign(number=0, planned=0)
    own = rows["trial"].notna()
    named = rows.assign(
        number=rows["trial"].fillna(1).astype(int),
        strategy=rows["strategy"].astype("str").where(~own, rows["trial_strategy"].astype("str")),
        protocol=rows["protocol"].astype("str").where(~own, rows["trial_protocol"].astype("str")),
    )
    named = with_distinct_names(named)
    plain, tuned = named[~own], named[own]
    keys = [name for name in _GROUP if name != "strategy_version"] + ["strategy_version"]
    wanted = pd.MultiIndex.from_frame(tuned[keys].drop_duplicates().astype("str"))
    first = plain[pd.MultiIndex.from_frame(plain[keys].astype("str")).isin(wanted)]
    both = pd.concat([first, tuned]).sort_values(["number"], kind="stable")
    kept = []
    for _, trials in both.groupby(keys, observed=True, sort=False):
        there = set(trials["number"])
        planned = next(k for k in range(1, len(there) + 2) if k + 1 not in there)
        done = trials[(trials["number"] <= planned) & (trials["error"] == "")]
        if 1 not in there or done.empty or not (done["number"] == 1).any():
            continue  # without a default configuration there is nothing to compare with
        fields = done.loc[done["number"] == 1, "protocol_fields"].iloc[0]
        kept.append(done.assign(planned=planned, protocol_fields=fields))
    return pd.concat(kept) if kept else both.iloc[:0].assign(planned=0)


def _derived(
    rows: Mapping[int, dict[str, Any]],
    predictions: Mapping[int, Predictions],
    planned: int,
    metric: Metric,
    added: Sequence[Metric],
) -> Iterator[dict[str, Any]]:
    """The rows of one fold: the default, the best of the first k trials, and the ensemble of all."""
    numbers = sorted(rows)
    validation = [predictions[number].validation for number in numbers]
    probas = [split.proba for split in validation]
    merits = validation_merits(metric, validation[0].y, probas)
    best = best_so_far(merits)
    default = rows[numbers[0]]

    def about(selection: str, order: int, k: int, members: Sequence[int]) -> dict[str, Any]:
        among = [rows[number] for number in numbers if number <= k]
        return {
            "strategy": default["strategy"],
            "protocol": default["protocol"],
            "key": default["key"],
            "trial": None,
            "trial_strategy": None,
            "trial_protocol": None,
            "selection": selection,
            "order": order,
            "k": k,
            "members": "+".join(map(str, members)),
            "budget_seconds": sum(float(row["seconds"]) for row in among),
            # References take no steps.
            "budget_steps": sum(float(row["steps"]) for row in among),
        }

    yield default | about(DEFAULT, 0, 1, [1])
    for k in range(1, planned + 1):
        last = sum(number <= k for number in numbers) - 1
        chosen = numbers[best[last]]
        yield rows[chosen] | about(f"tuned@{k}", 1, k, [chosen])
    counts = ensemble_counts(metric, validation[0].y, probas)
    together = _ensemble([predictions[number] for number in numbers], counts)
    members = np.repeat(numbers, counts).tolist()
    same = {name: default[name] for name in _SAME if name in default}
    scores = scored(together) | added_columns(added, together)
    yield same | scores | about(f"ensemble@{planned}", 2, planned, members)


def _ensemble(predictions: Sequence[Predictions], counts: np.ndarray) -> Predictions:
    """The predictions of an ensemble. Its time and steps are those of its members, its prior is the mean of theirs."""
    members = [p for p, count in zip(predictions, counts.tolist(), strict=True) if count]
    weights = counts[counts > 0] / counts.sum()

    def mean(part: str) -> Split:
        splits: list[Split] = [getattr(p, part) for p in predictions]
        return Split(splits[0].rows, splits[0].y, mean_proba(counts, [split.proba for split in splits]))

    exposures = [p.exposure for p in members]
    known = [one for one in exposures if one is not None]
    exposure = None
    if len(known) == len(members):
        shares = [one.fallback for one in known if one.fallback is not None]
        empty, before, after = (
            float(np.average([getattr(one, name) for one in known], weights=weights))
            for name in ("empty", "before", "after")
        )
        prior = np.average([one.prior for one in known], axis=0, weights=weights)
        inexact = next((one.inexact for one in known if one.inexact), "")
        fallback = float(np.average(shares, weights=weights)) if len(shares) == len(known) else None
        exposure = Exposure(empty, before, after, prior, inexact, fallback)
    first = members[0]
    return Predictions(
        first.repeat,
        first.fold,
        mean("validation"),
        mean("test"),
        first.train_counts,
        max(p.epochs for p in members),
        sum(p.steps for p in members),
        None,
        float(np.average([p.loss for p in members], weights=weights)),
        sum(p.seconds for p in members),
        exposure,
        first.draw,
        first.train_seed,
    )
