"""The advice in words that need no statistics to read."""

from __future__ import annotations

from imbench.advice.goals import Goal
from imbench.advice.verdict import Advice, Candidate, Trust
from imbench.stats.names import BASELINE

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
    if advice.rebalance:
        return f"Rebalancing helps here: {what} beats {goal.doing_nothing} in {goal.purpose}."
    if advice.recipe == BASELINE:
        return f"Rebalancing does not help here, but recalibration does: {what} beats {goal.doing_nothing}."
    return f"Another model is better here, without rebalancing: {what} beats {goal.doing_nothing} in {goal.purpose}."


def sentences(advice: Advice, goal: Goal) -> list[str]:
    """The answer, its size and certainty, the probabilities, and what to do, a sentence or two each."""
    title = goal.metric.title
    found = [headline(advice, goal)]
    if advice.effect > 0:
        found.append(
            f"{title} is better by {advice.effect:.3f} (at least {max(advice.low, 0):.3f}, at most {advice.high:.3f}); "
            f"with nothing done it is {advice.control:.3f}. The chance of advising a recipe that is no better is "
            f"at most {100 * advice.alpha:.0f} %."
        )
    elif advice.learnable:
        found.append(f"With nothing done, {title} is {advice.control:.3f}.")
        if advice.detectable >= _VISIBLE:
            found[-1] += (
                f" A gain of {advice.detectable:.3f} or more would be found four times in five; a smaller one may be "
                "there and is not shown."
            )
    rebalancing = next((one for one in advice.candidates if one.rebalances and one.kind == "strategy"), None)
    if rebalancing is not None and advice.learnable and not advice.rebalance:
        found.append(_closest(rebalancing, title))
    found += [_trusted(advice)] if advice.probabilities else []
    found.append(_recommended(advice))
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
    if plain is not None and plain.trusted:
        return f"Its probabilities may be trusted as they are: {_off(plain)}."
    if again is not None and again.trusted:
        before = f" (as they are: {_off(plain)})" if plain is not None else ""
        return f"Its probabilities may be trusted after recalibration: {_off(again)}{before}."
    known = again or plain
    return f"Its probabilities are not shown to be trustworthy: {_off(known)}." if known is not None else ""


def _off(trust: Trust) -> str:
    return f"stated and observed frequencies differ by {trust.ece:.3f} on average ({trust.low:.3f} to {trust.high:.3f})"


def _recommended(advice: Advice) -> str:
    if not advice.learnable:
        return "What to do: look for better columns or more rows of the rare class before choosing a strategy."
    return f"What to do: train {advice.recipe}{_RULES[advice.rule]}."
