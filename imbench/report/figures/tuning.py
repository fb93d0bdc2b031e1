"""What trials give: regret against their number, and quality against their training time."""

from __future__ import annotations

import math
import re

import pandas as pd

from imbench.report.figures.spec import SERIES, FigureSpec
from imbench.report.figures.value_lines import Point, Trace, value_lines
from imbench.stats.words import number

# Protocol, task and metric of a figure.
Subject = tuple[str, str, str]


def subjects(tuned: pd.DataFrame) -> list[Subject]:
    """The subjects of these rows of `imbench.report.model.Model.tuned`."""
    columns = ["protocol", "task", "metric"]
    return [] if tuned.empty else list(tuned[columns].drop_duplicates().itertuples(index=False, name=None))


def regret(tuned: pd.DataFrame, subject: Subject) -> FigureSpec | None:
    """Regret of ``tuned@k`` against k, a line for each strategy."""
    return _figure("regret", "Regret in {}", "trials k", tuned, subject, "k", "regret")


def budget(tuned: pd.DataFrame, subject: Subject) -> FigureSpec | None:
    """The test score of ``tuned@k`` against the training time of k trials; the last point is the ensemble's."""
    title = "{} against training time of all trials"
    return _figure("budget", title, "seconds a net and fold (all k trials)", tuned, subject, "budget_seconds", "mean")


def _figure(
    name: str, title: str, axis: str, tuned: pd.DataFrame, subject: Subject, across: str, up: str
) -> FigureSpec | None:
    protocol, task, metric = subject
    rows = tuned[(tuned["protocol"] == protocol) & (tuned["task"] == task) & (tuned["metric"] == metric)]
    wanted = rows["selection"].str.startswith("tuned@")
    if up == "mean":
        wanted |= rows["selection"].str.startswith("ensemble@")
    traces = []
    for strategy in list(dict.fromkeys(rows["strategy"]))[: SERIES - 1]:
        own = rows[wanted & (rows["strategy"] == strategy)]
        places = [int(x) if across == "k" else float(number(x, 3)) for x in own[across]]
        points = [Point(x, float(y), math.nan, math.nan) for x, y in zip(places, own[up], strict=True)]
        traces.append(Trace(f"{task}, {protocol}", str(strategy), tuple(points), math.nan))
    if not traces or max(len(trace.points) for trace in traces) < 2:
        return None
    slug = re.sub(r"[^a-z0-9]+", "-", f"{name}-{protocol}-{task}-{metric}".lower()).strip("-")
    heading = f"{title.format(metric)}: {task}, {protocol}"
    return value_lines(slug, heading, axis, "", traces, basis="means over folds, then over configurations")
