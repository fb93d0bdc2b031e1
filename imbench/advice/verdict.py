"""The verdict on one table, from the scores of its folds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from imbench.advice.decision import Decision, decision_of
from imbench.advice.goals import Goal
from imbench.contract.errors import UsageError
from imbench.contract.records import REFERENCE
from imbench.scoring.metrics import METRICS
from imbench.scoring.outcome import Floats
from imbench.scoring.rules import ARGMAX, ruled_column
from imbench.stats.names import BASELINE
from imbench.stats.within import FEWEST_FOLDS, FOLD, corrected_t

# A strategy rebalances if the classes that it trains on differ by more than this from those of the data.
SAME_PRIOR = 0.01
# The power that the smallest effect is stated for.
POWER = 0.8
# Probabilities are trusted if the mean distance of stated and observed frequencies is shown to be at most this.
TRUSTED_ECE = 0.05


@dataclass(frozen=True)
class Candidate:
    """One model under one decision rule, compared with doing nothing.

    Parameters
    ----------
    name : spec of the strategy or reference
    kind : ``strategy`` or ``reference``
    rebalances : whether it trains on other class frequencies than those of the data
    rule : decision rule
    mean : mean of the metric over folds
    effect : mean gain over doing nothing, positive if better
    low, high : interval of the effect, of level 1 - 2 alpha for all candidates at once
    p : one-sided p of Nadeau and Bengio's corrected t-test over folds, times the number of candidates, at most 1
    better : whether p is at most alpha
    """

    name: str
    kind: str
    rebalances: bool
    rule: str
    mean: float
    effect: float
    low: float
    high: float
    p: float
    better: bool


@dataclass(frozen=True)
class Trust:
    """Whether probabilities may be trusted: stated and observed frequencies of one model.

    Parameters
    ----------
    name, rule : the model
    ece : mean over folds of the expected calibration error; ``low`` and ``high`` are its interval over folds
    slope : mean calibration slope, 1 if right and below 1 if too extreme; NaN if undefined
    trusted : whether the whole interval of the calibration error is at most 0.05
    """

    name: str
    rule: str
    ece: float
    low: float
    high: float
    slope: float
    trusted: bool


@dataclass(frozen=True)
class Advice:
    """The answer for one table.

    Parameters
    ----------
    goal, metric : what was asked, and what decided
    learnable : whether any model is shown to rank rows better than guessing does
    rebalance : whether the advised recipe rebalances, and is shown to be better than the best model that does not
    recipe, rule : the advised model and decision rule
    effect, low, high, p : of the recipe over doing nothing; 0 and 1 where the advice is to do nothing
    detectable : smallest effect that is found with a power of 0.8
    alpha : largest chance that the recipe is worse than doing nothing
    control : mean of the metric for doing nothing
    folds : number of folds
    candidates : all that was tried, best first
    decision : the recipe's threshold, the rows that it finds, and what its training takes
    probabilities : trust in the plain net, the recipe and the best strategy that rebalances, as they are and
        recalibrated
    lacking : candidates that failed or lack folds
    passed_over : a rebalancing model with a better mean than the recipe, which is not shown to be better than it; ""
    """

    goal: str
    metric: str
    learnable: bool
    rebalance: bool
    recipe: str
    rule: str
    effect: float
    low: float
    high: float
    p: float
    detectable: float
    alpha: float
    control: float
    folds: int
    candidates: tuple[Candidate, ...]
    probabilities: tuple[Trust, ...]
    decision: Decision
    lacking: tuple[str, ...] = ()
    passed_over: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON, with ``interval`` as a pair and None for numbers that are not defined."""
        found = asdict(self)
        threshold = found["decision"]
        threshold["threshold_interval"] = [threshold.pop("low"), threshold.pop("high")]
        for one in (found, *found["candidates"], *found["probabilities"]):
            one["interval"] = [one.pop("low"), one.pop("high")]
        finite: dict[str, Any] = _finite(found)
        return finite


def advise_rows(
    rows: pd.DataFrame, goal: Goal, *, test_share: float, alpha: float = 0.05, classes: Sequence[str] = ("0", "1")
) -> Advice:
    """The advice of the rows of one configuration (see `imbench.store.results.Results.rows`).

    The recipe is the candidate with the best mean among those that a one-sided test over folds shows to be better than
    doing nothing, and that rank rows better than guessing. The test is corrected for the number of candidates
    (Bonferroni) and for folds that share training rows (Nadeau & Bengio 2003), so the chance that a recipe other than
    doing nothing is no better is at most ``alpha``. If the recipe rebalances, and models that do not are among those
    shown to be better, the best of these is the recipe instead, unless the same test shows that rebalancing is better
    than it: trees may be better than a net with and without rebalancing.

    Parameters
    ----------
    rows : one row for each net, with the metric's columns
    goal : what the model is for
    test_share : share of a fold's rows that are tested, in (0, 1)
    alpha : level of the tests, in (0, 1)
    classes : names of the classes

    Raises
    ------
    UsageError without a complete baseline, and for fewer than 4 folds.
    """
    rows = rows[~rows["strategy"].astype(str).isin(_constant(rows))]
    means = _fold_means(rows, goal)
    scores, lacking = _by_fold(means, goal)
    control = scores.get((BASELINE, goal.control))
    if control is None:
        raise UsageError("the baseline has no results on this table: see the failed jobs by imbench status")
    if len(control) < FEWEST_FOLDS:
        raise UsageError(f"advice needs at least {FEWEST_FOLDS} folds, got {len(control)}; raise the budget")
    about = {str(name): group for name, group in rows.groupby("strategy", observed=True)}
    prior = _prior(about[BASELINE])
    rebalances = {name: _rebalances(name, group, prior) for name, group in about.items()}
    others = [place for place in scores if place != (BASELINE, goal.control)]
    found, errors = [], []
    for name, rule in others:
        gains = (scores[name, rule] - control) * (1 if goal.metric.higher_is_better else -1)
        test = corrected_t(gains, test_share, 2 * alpha / len(others))
        p = min(1.0, len(others) * _one_sided(test.statistic, test.pvalue))
        errors.append(test.error)
        kind = REFERENCE if (about[name]["kind"] == REFERENCE).all() else "strategy"
        values = float(scores[name, rule].mean())
        found.append(
            Candidate(
                name, kind, rebalances[name], rule, values, test.mean, test.low, test.high, p,
                p <= alpha,
            )
        )  # fmt: skip
    found.sort(key=lambda one: -one.effect)
    detectable = _detectable(errors, len(control), alpha)
    return _chosen(rows, means, goal, found, scores, detectable, test_share, alpha, lacking, classes)


def _chosen(
    rows: pd.DataFrame,
    means: Mapping[str, pd.DataFrame],
    goal: Goal,
    candidates: Sequence[Candidate],
    scores: Mapping[tuple[str, str], Floats],
    detectable: float,
    test_share: float,
    alpha: float,
    lacking: Sequence[str],
    classes: Sequence[str],
) -> Advice:
    tried = dict.fromkeys([BASELINE, *(one.name for one in candidates)])
    better = [one for one in candidates if one.better and _ranks(means[one.name], test_share, alpha)]
    first = better[0] if better else None
    best = _plainest(better, scores, goal, test_share, alpha / len(candidates)) if better else None
    control = scores[BASELINE, goal.control]
    name, rule = (best.name, best.rule) if best else (BASELINE, goal.control)
    rebalancing = [one.name for one in candidates if one.rebalances and one.kind == "strategy"][:1]
    trust = [
        _trust(means[who], who, by, test_share)
        for who in dict.fromkeys([BASELINE, name, *rebalancing])
        for by in _CALIBRATED
    ]
    return Advice(
        goal=goal.name,
        metric=goal.metric.name,
        learnable=any(_ranks(means[who], test_share, alpha / len(tried)) for who in tried),
        rebalance=best is not None and best.rebalances,
        recipe=name,
        rule=rule,
        effect=best.effect if best else 0.0,
        low=best.low if best else 0.0,
        high=best.high if best else 0.0,
        p=best.p if best else 1.0,
        detectable=detectable,
        alpha=alpha,
        control=float(control.mean()),
        folds=len(control),
        candidates=tuple(candidates),
        probabilities=tuple(one for one in trust if one is not None),
        decision=decision_of(rows, goal, name, rule, classes),
        lacking=tuple(lacking),
        passed_over=first.name if first is not None and first is not best else "",
    )


def _plainest(
    better: Sequence[Candidate],
    scores: Mapping[tuple[str, str], Floats],
    goal: Goal,
    test_share: float,
    level: float,
) -> Candidate:
    """The first of these models, or the first that does not rebalance if the former is not shown to be better."""
    first, plain = better[0], next((one for one in better if not one.rebalances), None)
    if plain is None or plain is first:
        return first
    sign = 1 if goal.metric.higher_is_better else -1
    test = corrected_t((scores[first.name, first.rule] - scores[plain.name, plain.rule]) * sign, test_share)
    return first if _one_sided(test.statistic, test.pvalue) <= level else plain


_CALIBRATED = (ARGMAX, "recalibrated")
_TRUST = ("ece", "calibration_slope")


def _constant(rows: pd.DataFrame) -> set[str]:
    """Models that know nothing of the features, such as class frequencies: no candidates to test."""
    half = (rows["auroc"] - 0.5).abs() < 1e-12
    same = half.groupby(rows["strategy"].astype(str)).all()
    return set(same.index[same]) - {BASELINE}


def _fold_means(rows: pd.DataFrame, goal: Goal) -> dict[str, pd.DataFrame]:
    """For each model, a row for each fold that any model finished, in one order: the columns that the verdict needs."""
    metrics = (METRICS["auroc"], ARGMAX), *((METRICS[name], rule) for name in _TRUST for rule in _CALIBRATED)
    columns = [ruled_column(*one) for one in (*metrics, *((goal.metric, rule) for rule in goal.rules))]
    present = [name for name in dict.fromkeys(columns) if name in rows]
    names = rows["strategy"].astype(str)
    done = rows[rows["error"] == ""] if "error" in rows else rows
    means = done.groupby([names.loc[done.index].rename("model"), *FOLD], observed=True)[present].mean()
    folds = pd.MultiIndex.from_frame(done[FOLD].drop_duplicates().sort_values(FOLD))
    finished = {str(name): group.droplevel("model") for name, group in means.groupby(level="model")}
    none = means.iloc[:0].droplevel("model")
    return {name: finished.get(name, none).reindex(folds) for name in dict.fromkeys(names)}


def _by_fold(means: Mapping[str, pd.DataFrame], goal: Goal) -> tuple[dict[tuple[str, str], Floats], list[str]]:
    """Scores over folds in one order by (model, rule), and the models without a score on every fold."""
    found, lacking = {}, []
    for name, own in means.items():
        for rule in goal.rules:
            column = ruled_column(goal.metric, rule)
            ordered = own[column].to_numpy(dtype=np.float64) if column in own else np.empty(0)
            if len(ordered) and np.isfinite(ordered).all():
                found[name, rule] = ordered
            else:
                lacking.append(name)
    return found, list(dict.fromkeys(lacking))


def _one_sided(statistic: float, two_sided: float) -> float:
    if math.isnan(statistic):
        return 1.0
    return two_sided / 2 if statistic > 0 else 1 - two_sided / 2


def _prior(rows: pd.DataFrame) -> Floats:
    columns = sorted(name for name in rows.columns if name.startswith("train_prior["))
    return rows[columns].mean().to_numpy(dtype=np.float64)


def _rebalances(name: str, rows: pd.DataFrame, prior: Floats) -> bool:
    if (rows["kind"] == REFERENCE).all():
        return name.startswith("balanced-")  # references have no batches
    own = _prior(rows)
    return bool(len(own) == len(prior) and np.abs(own - prior).max(initial=0.0) > SAME_PRIOR)


def _ranks(means: pd.DataFrame, test_share: float, alpha: float) -> bool:
    """Whether a model is shown to rank rows better than guessing does: AUROC above one half."""
    values = means["auroc"].dropna().to_numpy(dtype=np.float64) - 0.5
    if len(values) < 2:
        return False
    test = corrected_t(values, test_share)
    return _one_sided(test.statistic, test.pvalue) <= alpha


def _detectable(errors: Sequence[float], folds: int, alpha: float) -> float:
    """The effect that a candidate of typical standard error is shown to have with a power of 0.8."""
    from scipy.special import stdtrit

    if not errors:
        return math.nan
    degrees = folds - 1
    return float(np.median(errors) * (stdtrit(degrees, 1 - alpha / len(errors)) + stdtrit(degrees, POWER)))


def _trust(means: pd.DataFrame, name: str, rule: str, test_share: float) -> Trust | None:
    ece, slope = (ruled_column(METRICS[metric], rule) for metric in _TRUST)
    values = means[ece].dropna().to_numpy(dtype=np.float64) if ece in means else np.empty(0)
    if len(values) < 2:
        return None
    test = corrected_t(values, test_share)
    high = min(1.0, test.high)
    return Trust(name, rule, test.mean, max(0.0, test.low), high, float(means[slope].mean()), high <= TRUSTED_ECE)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
