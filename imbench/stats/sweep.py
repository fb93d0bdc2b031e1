"""One parameter of one strategy at several values: the scores at each, and whether the value matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from imbench.contract.spec import format_value
from imbench.scoring.metrics import Metric
from imbench.stats.names import CONFIGURATION
from imbench.stats.ranks import TRAINED, equal
from imbench.stats.within import FEWEST_FOLDS, TOO_FEW_FOLDS, compare_within, fold_interval, fold_means, tested_share

# The verdict on a configuration: the other values against the default, over the same folds.
BETTER, WORSE, UNDECIDED = "another value is better", "other values are worse", "no difference shown"

_SCORES = ["dataset", "variant", "task", "ir", "value", "strategy", "default", "best", "folds", "mean", "low", "high"]
_EFFECTS = ["dataset", "variant", "ir", "value", "default", "folds", "gain", "low", "high", "p", "p_holm"]
_VERDICTS = ["dataset", "variant", "ir", "best", "default", "gain", "low", "high", "p", "p_holm", "verdict"]


class FoldResults(Protocol):
    """Results as a sweep reads them, such as `imbench.Results`."""

    @property
    def rows(self) -> pd.DataFrame:
        """One row for each fold."""

    @property
    def store(self) -> Path:
        """Folder of the results."""

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Metrics by name."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes of the run, one sentence each."""

    def failures(self) -> pd.DataFrame:
        """One row for each failed job."""


@dataclass(frozen=True)
class Setting:
    """One value of the parameter.

    Parameters
    ----------
    value : a number, text, true or false, None, or several of these
    strategy : the spec of the strategy with this value, as in the rows
    """

    value: Any
    strategy: str

    @property
    def text(self) -> str:
        """The value as a spec has it."""
        return format_value(self.value)

    @property
    def plain(self) -> Any:
        """The value for a table: numbers and booleans unchanged, anything else as text."""
        return self.value if isinstance(self.value, bool | int | float) else self.text


@dataclass(frozen=True, eq=False)
class Sweep:
    """Results of a strategy at several values of one parameter, over the same folds.

    Parameters
    ----------
    strategy : name and fixed parameters
    parameter : the parameter that varies
    settings : values of the parameter, numbers in ascending order, including the default
    default : the setting that the others are compared with
    baseline : the spec of the reference, which has no such parameter; "" if there is none
    results : results of all settings and the baseline
    alpha : intervals have level 1 − alpha; a value differs from the default if its p after Holm's correction is at most
        alpha
    """

    strategy: str
    parameter: str
    settings: tuple[Setting, ...]
    default: Setting
    baseline: str
    results: FoldResults
    alpha: float = 0.05

    def scores(self, metric: str) -> pd.DataFrame:
        """The mean over folds at each value, on each configuration.

        Returns
        -------
        A row for each configuration and value, the baseline's last: ``dataset``, ``variant``, ``task``, ``ir``
        (minority / majority), ``value`` (None for the baseline), ``strategy``, whether it is the ``default`` and the
        ``best`` of the values, ``folds``, ``mean``, and its interval ``low`` to ``high`` by `corrected_t`,
        within the metric's bounds and NaN for fewer than four folds. Settings without results are omitted.
        """
        rule = self.results.metrics[metric]
        places = {one.strategy: place for place, one in enumerate(self._shown)}
        found = []
        for keys, rows in self._rows.groupby([*CONFIGURATION, "strategy"], sort=True):
            values = fold_means(rows, rule.name).dropna().to_numpy(dtype=np.float64)
            if not len(values):
                continue
            dataset, variant, _, strategy = map(str, keys)
            low, high = fold_interval(values, tested_share(rows), self.alpha, rule.bounds)
            setting = self._shown[places[strategy]]
            found.append(
                {
                    "dataset": dataset,
                    "variant": variant,
                    "task": rows["task"].iloc[0],
                    "ir": rows["ir"].iloc[0],
                    "value": setting.plain if strategy != self.baseline else None,
                    "strategy": strategy,
                    "default": strategy == self.default.strategy,
                    "best": False,
                    "folds": len(values),
                    "mean": values.mean(),
                    "low": low,
                    "high": high,
                    "place": places[strategy],
                }
            )
        table = pd.DataFrame(found, columns=[*_SCORES, "place"])
        table = table.sort_values(["task", "dataset", "ir", "variant", "place"], ignore_index=True)
        swept = table[table["strategy"] != self.baseline]
        for _, rows in swept.groupby(["dataset", "variant"]):
            scores = rule.ranked(rows["mean"].to_numpy())
            best = scores.max() if rule.higher_is_better else scores.min()
            least = equal(scores, np.full(len(scores), best), TRAINED)
            # Of tied values the default, so that a tie does not look like a gain.
            order = (~least, ~rows["default"].to_numpy())
            table.loc[rows.index[int(np.lexsort(order[::-1])[0])], "best"] = True
        return table.drop(columns="place").astype({"value": object})

    def effects(self, metric: str) -> pd.DataFrame:
        """Each value against the default over the folds of each configuration, by the corrected resampled t-test.

        Returns
        -------
        A row for each configuration and value except the default: ``dataset``, ``variant``, ``ir``, ``value``,
        ``default``, ``folds``, ``gain`` over the default, positive is better, its interval ``low`` to ``high``, ``p``,
        and ``p_holm``, Holm's correction over the values of one configuration. For a metric with a target the
        gain is the reduction of the distance from it.
        """
        rule = self.results.metrics[metric]
        swept = self._rows[self._rows["strategy"] != self.baseline]
        if self.default.strategy not in set(swept["strategy"]):
            return pd.DataFrame([], columns=_EFFECTS)
        found = compare_within(swept, rule, self.default.strategy, self.alpha)
        values = {setting.strategy: setting for setting in self.settings}
        irs = self._rows.groupby(["dataset", "variant"])["ir"].first()
        found["value"] = pd.Series([values[name].plain for name in found["strategy"]], dtype=object)
        found["default"] = pd.Series([self.default.plain] * len(found), dtype=object)
        found["ir"] = [irs[key] for key in zip(found["dataset"], found["variant"], strict=True)]
        place = found["strategy"].map({setting.strategy: i for i, setting in enumerate(self.settings)})
        ordered = found.assign(place=place).sort_values(["dataset", "ir", "variant", "place"], ignore_index=True)
        return ordered[_EFFECTS]

    def verdicts(self, metric: str) -> pd.DataFrame:
        """Whether the value matters on each configuration.

        Returns
        -------
        A row for each: ``dataset``, ``variant``, ``ir``, the ``best`` value by the mean, the ``default``, the best
        value's ``gain`` over it with ``low``, ``high``, ``p`` and ``p_holm`` (0 and NaN if the default is the best),
        and the ``verdict``: `BETTER` if that p is at most alpha, else `WORSE` if another value's is, else `UNDECIDED`.
        """
        scores, effects = self.scores(metric), self.effects(metric)
        found = []
        for row in scores[scores["best"]].to_dict("records"):
            here = effects[(effects["dataset"] == row["dataset"]) & (effects["variant"] == row["variant"])]
            best = here[[value == row["value"] for value in here["value"]]]
            tested = best.iloc[0] if len(best) else None
            significant = here[here["p_holm"] <= self.alpha]
            better = tested is not None and bool(tested["p_holm"] <= self.alpha)
            verdict = BETTER if better else WORSE if len(significant) else UNDECIDED
            measured = {n: np.nan if tested is None else float(tested[n]) for n in ("low", "high", "p", "p_holm")}
            found.append(
                {"dataset": row["dataset"], "variant": row["variant"], "ir": row["ir"], "best": row["value"]}
                | {"default": self.default.plain, "gain": 0.0 if tested is None else float(tested["gain"])}
                | measured
                | {"verdict": verdict}
            )
        return pd.DataFrame(found, columns=_VERDICTS)

    @property
    def notes(self) -> tuple[str, ...]:
        """Caveats: those of the results, and why intervals are missing."""
        folds = self._rows.groupby([*CONFIGURATION, "strategy"]).size()
        few = sorted(set(folds[folds < FEWEST_FOLDS]))
        few_folds = [TOO_FEW_FOLDS.format(" and ".join(map(str, few)))] if few else []
        return (*self.results.notes, *few_folds)

    @cached_property
    def _shown(self) -> tuple[Setting, ...]:
        """The settings, then the baseline."""
        return (*self.settings, *([Setting(None, self.baseline)] if self.baseline else []))

    @cached_property
    def _rows(self) -> pd.DataFrame:
        names = [setting.strategy for setting in self._shown]
        rows = self.results.rows
        return rows[rows["strategy"].isin(names) & (rows["error"] == "")]


def in_order(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Settings by ascending value if all are numbers, else as given."""
    if all(is_number(setting.value) for setting in settings):
        return tuple(sorted(settings, key=lambda setting: float(setting.value)))
    return tuple(settings)


def is_number(value: Any) -> bool:
    """Whether this is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
