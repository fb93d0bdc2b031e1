"""The advice as one HTML page: the answer on its first screen, the evidence below."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Protocol

from imbench.report.figures.inline import inline_svg
from imbench.report.figures.reliability import reliability
from imbench.report.figures.spec import series_of
from imbench.report.reliability import curves
from imbench.stats.names import BASELINE, labelled

if TYPE_CHECKING:
    from jinja2 import Environment

    from imbench.advice.goals import Goal
    from imbench.advice.verdict import Advice
    from imbench.store.results import Results

RULES = {"argmax": "largest probability", "tuned": "tuned threshold", "recalibrated": "recalibrated"}
_PROBABILITIES = {"argmax": "as they are", "recalibrated": "recalibrated"}


class Answer(Protocol):
    """What a page shows: an `imbench.advice.advise.Advised`, which shows itself by `cell`."""

    @property
    def advice(self) -> Advice:
        """The answer."""

    @property
    def goal(self) -> Goal:
        """The question."""

    @property
    def table(self) -> str:
        """Spec of the table."""

    @property
    def results(self) -> Results:
        """The results behind it."""

    @property
    def sentences(self) -> list[str]:
        """The answer in words."""


def page(found: Answer) -> str:
    """The page; it needs no network and no script."""
    from jinja2 import PackageLoader

    environment = _environment()
    css = PackageLoader("imbench.report", "templates").get_source(environment, "report.css")[0]
    return environment.get_template("advice.html.j2").render(css=css, answer=_answer(found), figure=_figure(found))


def cell(found: Answer) -> str:
    """The answer and what was tried, as a part of a page such as a notebook."""
    return _environment().get_template("cell.html.j2").render(answer=_answer(found))


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("imbench.advice", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _answer(found: Answer) -> dict[str, Any]:
    advice, metric = found.advice, found.goal.metric
    ends = [0.0, *(end for one in advice.candidates for end in (one.low, one.high))]
    low, high = min(ends), max(ends)
    wide = (high - low) or 1.0

    def at(value: float) -> float:
        return round(100 * (value - low) / wide, 1)

    rows = [
        {
            "name": one.name,
            "rebalances": one.rebalances,
            "rule": RULES.get(one.rule, one.rule),
            "mean": f"{one.mean:.3f}",
            "gain": f"{one.effect:+.3f}",
            "interval": f"{one.low:+.3f} to {one.high:+.3f}",
            "left": at(one.low),
            "width": round(at(one.high) - at(one.low), 1),
            "at": at(one.effect),
            "p": "< .0001" if one.p < 1e-4 else f"{one.p:.2g}",
            "advised": (one.name, one.rule) == (advice.recipe, advice.rule),
        }
        for one in advice.candidates
    ]
    trust = [
        {
            "name": one.name,
            "rule": _PROBABILITIES[one.rule],
            "ece": f"{one.ece:.3f}",
            "interval": f"{one.low:.3f} to {one.high:.3f}",
            "slope": f"{one.slope:.2f}" if one.slope == one.slope else "–",
            "trusted": "yes" if one.trusted else "not shown",
        }
        for one in advice.probabilities
    ]
    return {
        "title": found.sentences[0],
        "table": found.table,
        "date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        "sentences": found.sentences,
        "metric": metric.title,
        "rows": rows,
        "zero": at(0.0),
        "basis": basis(found),
        "trust": trust,
        "facts": _facts(found),
    }


def basis(found: Answer) -> str:
    """How gains, intervals and p are to be read."""
    advice, metric = found.advice, found.goal.metric
    return (
        f"Gains are over {found.goal.doing_nothing} ({metric.title} {advice.control:.4f}; {metric.better} is better), "
        f"positive if better, over {advice.folds} folds. Intervals hold for all models at once at "
        f"{100 * (1 - 2 * advice.alpha):.0f} %. p is one-sided, corrected for folds that share rows (Nadeau and "
        "Bengio) and for the number of models (Bonferroni)."
    )


def _figure(found: Answer) -> str:
    rows = labelled(found.results.rows)
    (where,) = rows[["protocol", "task"]].drop_duplicates().astype(str).itertuples(index=False, name=None)
    names = list(dict.fromkeys([BASELINE, *(one.name for one in found.advice.probabilities)]))
    spec = reliability(curves(found.results, rows, {where: names}), series_of(names))
    return "" if spec is None else inline_svg(spec)


def _facts(found: Answer) -> list[tuple[str, str]]:
    rows = found.results.rows
    first = rows.iloc[0]
    return [
        ("Table", found.table),
        ("Rows for training and testing in a fold", f"{first['n_train']:,.0f} and {first['n_test']:,.0f}"),
        ("Protocol", str(first["protocol"])),
        ("SHA-256 of the data", str(first["data_hash"])),
        ("imbench", str(first["imbench"])),
        ("Everything behind it", f"imbench report --store {found.results.store}"),
    ]
