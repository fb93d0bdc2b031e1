"""A sweep as figures, tables and plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from imbench.contract.protocol import caveats
from imbench.contract.spec import format_value
from imbench.report.figures.rendering import FORMATS, render
from imbench.report.figures.spec import FigureSpec
from imbench.report.figures.value_lines import Point, Trace, value_lines
from imbench.report.tables import csv
from imbench.stats.names import file_name
from imbench.stats.sweep import Sweep
from imbench.stats.words import level


def figure(sweep: Sweep, metric: str) -> FigureSpec:
    """The metric against the parameter: a panel for each dataset and task, a line for each variant."""
    scores, shown = sweep.scores(metric), sweep.results.metrics[metric]
    traces = []
    tasks = {str(dataset): set(rows["task"]) for dataset, rows in scores.groupby("dataset")}
    for (task, dataset, ir, variant), rows in scores.groupby(["task", "dataset", "ir", "variant"], sort=True):
        swept, reference = rows[rows["strategy"] != sweep.baseline], rows[rows["strategy"] == sweep.baseline]
        columns = zip(*(swept[name] for name in ("value", "mean", "low", "high")), strict=True)
        panel = file_name(str(dataset)) + (f", {task}" if len(tasks[str(dataset)]) > 1 else "")
        name = f"IR {ir:.3g}" if "ir=" in str(variant) else f"{variant}, IR {ir:.3g}"
        points = tuple(Point(*values) for values in columns)
        traces.append(Trace(panel, name, points, float(reference["mean"].iloc[0]) if len(reference) else math.nan))
    best = "higher" if shown.higher_is_better else "lower"
    title = f"{shown.title} of {sweep.strategy} against {sweep.parameter} ({best} is better)"
    return value_lines(f"sweep-{shown.name}", title, sweep.parameter, sweep.baseline, traces)


def tables(sweep: Sweep, metrics: Sequence[str]) -> dict[str, pd.DataFrame]:
    """``sweep``: scores at every value; ``effects``: each value against the default; ``verdicts``: the conclusions."""
    methods = {"sweep": sweep.scores, "effects": sweep.effects, "verdicts": sweep.verdicts}
    found = {}
    for name, method in methods.items():
        whole = [method(metric) for metric in metrics]
        for metric, frame in zip(metrics, whole, strict=True):
            frame.insert(0, "metric", metric)
        found[name] = pd.concat([frame for frame in whole if len(frame)] or whole[:1], ignore_index=True)
    return found


def to_json(sweep: Sweep, metrics: Sequence[str]) -> dict[str, Any]:
    """The sweep as plain values, with caveats and notes; NaN for undefined numbers."""
    found = tables(sweep, metrics)
    return {
        "strategy": sweep.strategy,
        "parameter": sweep.parameter,
        "values": [setting.plain for setting in sweep.settings],
        "default": sweep.default.plain,
        "baseline": sweep.baseline or None,
        "protocol": sorted(set(sweep.results.rows["protocol"])),
        "caveats": caveats(sweep.results.rows["protocol"]),
        "level": level(sweep.alpha),
        "notes": list(sweep.notes),
        "scores": found["sweep"].to_dict("records"),
        "effects": found["effects"].to_dict("records"),
        "verdicts": found["verdicts"].to_dict("records"),
        "failures": sweep.results.failures().to_dict("records"),
    }


def files(sweep: Sweep, metrics: Sequence[str]) -> dict[str, bytes]:
    """The files of a sweep, by name: figures as SVG, PDF and PNG, numbers as CSV and JSON."""
    written = {}
    for metric in metrics:
        spec = figure(sweep, metric)
        for kind, content in render(spec, (*FORMATS, "png")).items():
            written[f"{spec.name}.{kind}"] = content
    for name, table in tables(sweep, metrics).items():
        # A CSV column is all numbers or all text; JSON keeps the type of each value.
        for column in {"value", "default", "best"} & set(table.columns):
            if any(isinstance(value, str) for value in table[column]):
                table[column] = [None if value is None else format_value(value) for value in table[column]]
        written[f"{name}.csv"] = csv(table)
    text = json.dumps(_plain(to_json(sweep, metrics)), indent=1, ensure_ascii=False, allow_nan=False)
    return written | {"sweep.json": f"{text}\n".encode()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
