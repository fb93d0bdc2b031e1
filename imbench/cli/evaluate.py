"""``imbench evaluate``: compare strategies from a table of scores or from a store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, paragraph, render, say, table
from imbench.cli.selection import Choice, strategy_options
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.protocol import caveats

if TYPE_CHECKING:
    import pandas as pd

    from imbench.runs.registry import Registry
    from imbench.scoring.metrics import Metric
    from imbench.stats.block_analyses import BlockAnalyses
    from imbench.stats.evaluation import Evaluation

# Options that apply to one kind of source only.
_OF_CSV = {"higher": "--higher or --lower", "blocks": "--blocks", "labels": "--label"}
_OF_STORE = {
    "metric": "--metric",
    "task": "--task",
    "protocol": "--protocol",
    "within": "--within",
    "rule": "--rule",
    "strategies": "--strategy",
    "datasets": "--dataset",
    "suites": "--suite",
    "with_references": "--with-references",
    "plugins": "--plugin",
}


@click.command(cls=Verb)
@click.argument("source", metavar="SCORES.csv|STORE|RESULTS.parquet")
@click.option("--higher/--lower", "higher", default=None, help="Whether higher or lower scores are better (CSV).")
@click.option("--alpha", type=float, default=0.05, show_default=True, metavar="A", help="Significance level.")
@click.option(
    "--blocks", metavar="COLUMN", help="Average rows with the same label, such as the variants of a dataset (CSV)."
)
@click.option(
    "--label", "labels", multiple=True, metavar="COLUMN", help="Column of labels instead of scores (CSV). Repeatable."
)
@click.option(
    "--reference",
    metavar="STRATEGY",
    help="Strategy that gains are measured against; default: baseline, or the first column.",
)
@click.option(
    "--rope",
    type=float,
    default=0.01,
    show_default=True,
    metavar="R",
    help="Largest difference that does not matter, in the scores' unit, for the Bayesian tests.",
)
@click.option("--metric", metavar="NAME", help="Metric to compare by, such as gmean (store).")
@click.option("--task", metavar="TASK", help="Use only this task: binary or multiclass (store).")
@click.option("--protocol", metavar="P", help="Use only results under this protocol (store).")
@click.option(
    "--within",
    is_flag=True,
    help="Also compare over the folds of each configuration; required for a single configuration (store).",
)
@click.option(
    "--rule",
    default="argmax",
    show_default=True,
    metavar="NAME",
    help="Decision rule: a name from `imbench list rules`, or each to compare all of them (store).",
)
@click.option("--with-references", is_flag=True, help="Compare references as well, on the same configurations (store).")
@strategy_options
@plugin_option
@json_option
@click.pass_obj
def evaluate(
    session: Session, /, source: str, alpha: float, reference: str | None, rope: float, as_json: bool, **options: Any
) -> None:
    """Compare strategies by statistical tests.

    Prints ranks, tests, effect sizes and intervals.

    SCORES.csv has one row per configuration and one column of scores per strategy. Leading columns of text are labels.
    If rows are folds, add the columns `repeat` and `fold`: folds share training rows and are not independent, so the
    folds of one dataset are compared by the corrected resampled t-test. STORE is a folder of results; RESULTS.parquet
    is the file that `imbench publish` writes.

    \b
    imbench evaluate scores.csv --higher
    imbench evaluate scores.csv --lower --blocks dataset
    imbench evaluate imbench-store --metric gmean --task binary
    imbench evaluate results.parquet --metric bbs
    """
    if not Path(source).exists():
        fix = "give the --store folder of an imbench run, or a .csv or .parquet file"
        raise UsageError(f"no such file or store: {source}; {fix}")
    from_store = Path(source).is_dir() or source.endswith(".parquet")
    _refuse_unused(_OF_CSV if from_store else _OF_STORE, "a table of scores" if from_store else "a store")
    if from_store:
        chosen = {name: options[name] for name in _OF_STORE if name in options}  # --plugin is in the session
        _evaluate_store(session.registry, source, alpha, reference, rope, as_json, **chosen)
    else:
        _evaluate_file(source, alpha, reference, rope, as_json, **{name: options[name] for name in _OF_CSV})


def _refuse_unused(unused: dict[str, str], what: str) -> None:
    context = click.get_current_context()
    for name, flag in unused.items():
        if context.get_parameter_source(name) != click.core.ParameterSource.DEFAULT:
            raise UsageError(f"{flag} applies only to {what}; remove it")


def _evaluate_file(
    path: str,
    alpha: float,
    reference: str | None,
    rope: float,
    as_json: bool,
    higher: bool | None,
    blocks: str | None,
    labels: tuple[str, ...],
) -> None:
    from imbench.stats.evaluate import evaluate
    from imbench.store.evaluation_files import read_scores, refuse_repeated_rows

    if higher is None:
        raise UsageError("give --higher or --lower to say whether higher or lower scores are better")
    scores = read_scores(path, (*labels, blocks) if blocks else labels)
    if blocks is None or scores.index.nlevels > 1:
        refuse_repeated_rows(path, scores)
    found = evaluate(scores, higher_is_better=higher, alpha=alpha, blocks=blocks, reference=reference, rope=rope)
    if as_json:
        emit_json({"scores": path, **found.to_dict()})
        return
    emit("\n\n".join([paragraph(f"{path}: {', '.join(map(str, scores.columns))}"), _text(found)]))


def _evaluate_store(
    registry: Registry,
    path: str,
    alpha: float,
    reference: str | None,
    rope: float,
    as_json: bool,
    metric: str | None,
    task: str | None,
    protocol: str | None,
    within: bool,
    rule: str,
    with_references: bool,
    **chosen: Any,
) -> None:
    from imbench.scoring.metrics import METRICS
    from imbench.scoring.rules import EACH, RULES
    from imbench.stats.block_analyses import evaluate_rows

    if metric is None:
        raise UsageError(f"--metric NAME is required to evaluate a store; use one of {', '.join(METRICS)}")
    if rule not in (*RULES, EACH):
        raise UsageError(f"--rule {rule!r} is not a decision rule; {suggest(rule, (*RULES, EACH))}")
    rows, known_metrics = _rows_of(registry, path, metric, rule)
    rows = Choice(**chosen).of(rows, registry)
    metric = metric.rpartition("/")[2]
    found = evaluate_rows(
        rows,
        metric,
        task=task,
        protocol=protocol,
        rule=rule,
        alpha=alpha,
        reference=reference,
        within=within,
        scope=registry.scope(),
        known_metrics=known_metrics,
        references=with_references,
        rope=rope,
    )
    if as_json:
        emit_json({"store": path, "evaluations": [_levels_json(levels, within) for levels in found]})
        return
    emit("\n\n\n".join(_levels_text(levels, within) for levels in found))


def _rows_of(registry: Registry, path: str, metric: str, rule: str) -> tuple[pd.DataFrame, Mapping[str, Metric]]:
    """The rows of a store or of a published Parquet file, and their metrics by name."""
    from imbench.scoring.metrics import METRICS
    from imbench.stats.block_analyses import analysis_columns
    from imbench.stats.score_table import SAME
    from imbench.store.evaluation_files import read_rows
    from imbench.store.results import damage_notes, load
    from imbench.store.store import Store

    if metric not in METRICS:  # a plugin metric, computed from predictions, which only a store contains
        registry.metric(metric)
        if not Path(path).is_dir():
            raise UsageError(f"metric {metric} needs predictions, and {path} has none; give the store instead")
        results = registry.with_metrics(load(path), [metric])
        return results.rows, results.metrics
    columns = analysis_columns(metric, rule)
    if not Path(path).is_dir():
        return read_rows(path, columns, beside=[name for name in SAME if name != metric]), METRICS
    contents = Store.open(path).contents()
    rows = contents.frame(columns=columns)
    for note in damage_notes(contents):
        say(f"note: {note}")
    return rows, METRICS


def _levels_text(levels: BlockAnalyses, within: bool) -> str:
    rule = "" if levels.rule == "argmax" else f", rule {levels.rule}"
    title = f"{levels.task}, {levels.metric.title}, protocol {levels.protocol}{rule}, {levels.over}"
    warnings = caveats([levels.protocol])
    parts = [
        f"{_heading(f'{title}: {name} as blocks', warnings)}\n\n{_text(found)}"
        for name, found in (("configurations", levels.configurations), ("datasets", levels.datasets))
        if found is not None
    ]
    if within and len(levels.within):
        parts.append(f"{_heading(f'{title}: within each configuration', warnings)}\n\n{_within_text(levels)}")
    return "\n\n".join([*parts, *map(paragraph, levels.notes)])


def _within_text(levels: BlockAnalyses) -> str:
    rows = [
        (
            f"{row['dataset']} {row['variant']}",
            row["strategy"],
            f"{row['gain']:+.4f}",
            "-" if math.isnan(row["low"]) else f"{row['low']:+.4f} to {row['high']:+.4f}",
            "-" if math.isnan(row["p_holm"]) else f"{row['p_holm']:.2g}",
        )
        for row in levels.within.to_dict("records")
    ]
    note = (
        "Gains are means over folds. p-values and intervals come from the corrected resampled t-test, because folds "
        "share rows; Holm's correction covers the strategies of a configuration."
    )
    headers = ("configuration", "strategy", "gain", "interval", "p Holm")
    return f"{table(headers, rows, right=('gain', 'p Holm'))}\n{paragraph(note)}"


def _heading(text: str, warnings: Sequence[str]) -> str:
    line = paragraph(text)
    return "\n".join([line, "=" * max(map(len, line.splitlines())), *map(paragraph, warnings)])


def _levels_json(levels: BlockAnalyses, within: bool) -> dict[str, Any]:
    return {
        "protocol": levels.protocol,
        "task": levels.task,
        "metric": levels.metric.name,
        "rule": levels.rule,
        "over": levels.over,
        "notes": [*caveats([levels.protocol]), *levels.notes],
        "configurations": levels.configurations and levels.configurations.to_dict(),
        "datasets": levels.datasets and levels.datasets.to_dict(),
        "within": levels.within.to_dict("records") if within else None,
    }


def _text(evaluation: Evaluation) -> str:
    from rich.text import Text

    from imbench.stats.evaluation import sections

    return "\n\n".join(
        "\n".join(
            [
                render(Text(section.title, style="bold")),
                *([table(section.headers, section.rows, right=section.right)] if section.headers else []),
                *map(paragraph, section.notes),
            ]
        )
        for section in sections(evaluation)
    )
