"""The advice in words that need no statistics to read."""

from __future__ import annotations

import math

from imbench.advice.goals import Goal
from imbench.advice.verdict import Advice, Candidate, Trust
from imbench.contract.records import REFERENCE
from imbench.contract.text import shown
from imbench.stats.names import BASELINE

# Characters of a class's name that a sentence repeats.
_NAME = 30
# Half of the last digit shown.
_VISIBLE = 0.0005

_RULES = {
    "argmax": "",
    "tuned": " with a tuned threshold",
    "recalibrated": " with recalibrated probabilities",
}


def headline(advice: Advice, goal: Goal) -> str:
    """The answer in one sentence."""
    if not advice.learnable:
        return "No model tried is shown to do better than guessing on this table: rebalancing cannot help here."
    if advice.recipe == BASELINE and advice.effect == 0:
        return f"Rebalancing does not help here: nothing tried is shown to beat {goal.doing_nothing} in {goal.purpose}."
    what = f"{advice.recipe}{_RULES[advice.rule]}"
    if advice.rebalance and _is_reference(advice):
        return (
            f"Another model is better here, one that rebalances: {what} beats {goal.doing_nothing} in {goal.purpose}."
        )
    if advice.rebalance:
        return f"Rebalancing helps here: {what} beats {goal.doing_nothing} in {goal.purpose}."
    if advice.recipe == BASELINE:
        return f"Rebalancing does not help here, but recalibration does: {what} beats {goal.doing_nothing}."
    return f"Another model is better here, without rebalancing: {what} beats {goal.doing_nothing} in {goal.purpose}."


def _is_reference(advice: Advice) -> bool:
    return any(one.kind == REFERENCE for one in advice.candidates if one.name == advice.recipe)


def sentences(advice: Advice, goal: Goal) -> list[str]:
    """The answer, its size and certainty, the probabilities, and what to do, a sentence or two each."""
    title = goal.metric.title
    found = [headline(advice, goal)]
    if advice.effect > 0:
        found.append(
            f"{title} is better by {advice.effect:.3f} (at least {max(advice.low, 0):.3f}, at most {advice.high:.3f}); "
            f"with nothing done it is {advice.control:.3f}. {title} is {goal.gloss}. The chance of advising a recipe "
            f"that is no better is at most {100 * advice.alpha:.0f} %."
        )
    elif advice.learnable:
        found.append(f"With nothing done, {title} is {advice.control:.3f}: {goal.gloss}.")
        if advice.detectable >= _VISIBLE:
            found[-1] += (
                f" A gain of {advice.detectable:.3f} or more would be found four times in five; a smaller one may be "
                "there and is not shown."
            )
    rebalancing = next((one for one in advice.candidates if one.rebalances and one.kind == "strategy"), None)
    if rebalancing is not None and advice.learnable and not advice.rebalance:
        found.append(_closest(rebalancing, title))
    found += [one for one in (_trusted(advice), _moved(advice, rebalancing)) if one]
    if advice.passed_over:
        found.append(
            f"{advice.passed_over} has a better mean, but is not shown to be better than {advice.recipe}: "
            "that rebalancing adds anything is not shown."
        )
    found += [_recommended(advice), *_decided(advice, goal)] if advice.learnable else [_recommended(advice)]
    if advice.lacking:
        found.append(f"Not compared, because results are missing: {', '.join(advice.lacking)}.")
    return found


def _closest(one: Candidate, title: str) -> str:
    if abs(one.effect) < _VISIBLE:
        return f"The best that rebalances, {one.name}, has the same {title}."
    sign = "better" if one.effect > 0 else "worse"
    shown = "which is shown" if one.better else "which noise can explain" if one.low < 0 < one.high else "by its mean"
    return f"The best that rebalances is {one.name}: {title} {sign} by {abs(one.effect):.3f}, {shown}."


def _trusted(advice: Advice) -> str:
    own = {one.rule: one for one in advice.probabilities if one.name == advice.recipe}
    plain, again = own.get("argmax"), own.get("recalibrated")
    whose = f"The probabilities of {_named(advice.recipe)}"
    if plain is not None and plain.trusted:
        return f"{whose} may be trusted as they are: {_off(plain)}."
    if again is not None and again.trusted:
        before = f" (as they are: {_off(plain)})" if plain is not None else ""
        return f"{whose} may be trusted after recalibration: {_off(again)}{before}."
    known = again or plain
    return f"{whose} are not shown to be trustworthy: {_off(known)}." if known is not None else ""


def _moved(advice: Advice, rebalancing: Candidate | None) -> str:
    """What rebalancing does to probabilities: those of the plain net beside the recipe's, or of the best that does."""
    other = BASELINE if advice.rebalance else None if rebalancing is None else rebalancing.name
    own = {one.rule: one for one in advice.probabilities if one.name == other}
    if not advice.learnable or "argmax" not in own or other == advice.recipe:
        return ""
    after = f", and by {own['recalibrated'].ece:.3f} after recalibration" if "recalibrated" in own else ""
    return f"With {_named(str(other))} they differ by {own['argmax'].ece:.3f} as they are{after}."


def _off(trust: Trust) -> str:
    return f"stated and observed frequencies differ by {trust.ece:.3f} on average ({trust.low:.3f} to {trust.high:.3f})"


def _recommended(advice: Advice) -> str:
    if not advice.learnable:
        return "What to do: look for better columns or more rows of the rare class before choosing a strategy."
    return f"What to do: train {_named(advice.recipe)}{_RULES[advice.rule]}."


def _decided(advice: Advice, goal: Goal) -> list[str]:
    """How many rows of each class the recipe finds at its threshold, and how long its training takes."""
    decision, said = advice.decision, []
    own, without = decision.found, decision.found_without
    nothing_done = (advice.recipe, advice.rule) == (BASELINE, goal.control)
    if len(own) == 2:
        rest, rare = (repr(shown(name, _NAME)) for name in decision.classes)
        at = f"At a threshold of {decision.threshold:.3f}" if math.isfinite(decision.threshold) else "Decided so"
        between = f" ({decision.low:.3f} to {decision.high:.3f} over folds)" if decision.high > decision.low else ""
        said.append(
            f"{at}{between} it finds {_of_100(own[1])} rows of {rare}, and takes {_of_100(1 - own[0])} of {rest} for "
            f"{rare}" + ("." if nothing_done or not without else f"; with nothing done, {_shares(without)}.")
        )
    elif own:
        least = min(range(len(own)), key=own.__getitem__)
        said.append(
            f"It finds {_of_100(sum(own) / len(own))} rows of a class on average, fewest of "
            f"{shown(decision.classes[least], _NAME)!r}: {_of_100(own[least])}."
        )
    if advice.recipe != BASELINE:
        said.append(
            f"One training takes {_seconds(decision.seconds)}; of the plain net, {_seconds(decision.seconds_without)}."
        )
    return [" ".join(said)] if said else []


def _named(model: str) -> str:
    return "the plain net (baseline)" if model == BASELINE else model


def _of_100(share: float) -> str:
    return f"{100 * share:.0f} of 100"


def _shares(found: tuple[float, ...]) -> str:
    return f"{100 * found[1]:.0f} and {100 * (1 - found[0]):.0f}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
