"""``imbench sweep``: compare several values of one parameter of a strategy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import dry_run_option, json_option, quiet_option, request_options
from imbench.cli.output import emit, emit_json, paragraph, say, table
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, settings_with_split, table_options
from imbench.cli.training import plan_or_train, request_of
from imbench.contract.errors import UsageError
from imbench.contract.protocol import caveats

if TYPE_CHECKING:
    from imbench.stats.sweep import Sweep

_METRICS = ("gmean", "bbs")


@click.command(cls=Verb)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="SPEC",
    help="Strategy, such as remix; parameters in the spec stay fixed.",
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=A,B,C",
    help="Parameter and values, such as alpha=0.1,0.3; the default value is added if missing.",
)
@request_options
@table_options()
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Metric to compare by. Repeatable; default: gmean and bbs.",
)
@click.option("--to", metavar="DIR", help="Folder for figures and numbers.")
@click.option("--no-baseline", is_flag=True, help="Omit the baseline, which is shown for reference.")
@dry_run_option
@quiet_option
@json_option
@click.pass_obj
def sweep(
    session: Session,
    /,
    reading: TableOptions,
    strategies: tuple[str, ...],
    parameters: tuple[str, ...],
    metrics: tuple[str, ...],
    to: str | None,
    no_baseline: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Train with several values of one parameter.

    Tests whether the value matters. Results are stored as jobs finish, so running the same command again resumes.

    \b
    imbench sweep --strategy remix --param alpha=0.05,0.1,0.3 --dataset segment:ir=0.05
    imbench sweep --strategy mixup --param alpha=0.1,0.2,0.4 --suite tabular --to sweep
    """
    from imbench.runs.sweeping import design
    from imbench.store.outputs import check_output_folder

    strategy = _one("--strategy", strategies, "remix")
    parameter, values = _read(_one("--param", parameters, "alpha=0.05,0.1,0.3"))
    options["datasets"] = reading.added_to(options["datasets"])
    options["settings"] = settings_with_split(reading, options, options["settings"])
    request = request_of(session, options)
    chosen = design(strategy, parameter, values, request.registry, baseline=not no_baseline)
    wanted = [request.registry.metric(name).name for name in metrics or _METRICS]
    if to is not None:
        check_output_folder(to, "--to")

    def show(plan: Any, results: Any) -> int:
        return _show(chosen.read(plan.registry.with_metrics(results, metrics)), wanted, to, quiet, as_json)

    request = request.replace(strategies=chosen.strategies, references=())
    return plan_or_train(session, request, dry_run=dry_run, quiet=quiet, as_json=as_json, show=show)


def _show(found: Sweep, metrics: Sequence[str], to: str | None, quiet: bool, as_json: bool) -> int:
    from imbench.report.sweep_files import files, to_json

    if to is not None:
        from imbench.store.files import write_durably

        for name, content in files(found, metrics).items():
            write_durably(Path(to) / name, content)
    if as_json:
        emit_json(to_json(found, metrics))
    else:
        emit("\n\n".join([*(_text(found, metric) for metric in metrics), *map(paragraph, found.notes)]))
    if to is not None and not quiet:
        say(f"figures and numbers: {to}")
    return 0


def _text(found: Sweep, metric: str) -> str:
    """The table of a metric, values by configurations, and a sentence on each configuration."""
    from imbench.stats.words import level

    rule, scores = found.results.metrics[metric], found.scores(metric)
    best = "higher" if rule.higher_is_better else "lower"
    if rule.target is not None:
        best = f"nearer to {rule.target:g}"
    title = f"{found.strategy}, {rule.title} by {found.parameter} ({best} is better)"
    if not len(scores):
        return f"{title}\nno results"
    configurations = list(dict.fromkeys(zip(scores["dataset"], scores["variant"], strict=True)))
    cells = {(r["dataset"], r["variant"], r["strategy"]): _cell(r) for r in scores.to_dict("records")}
    lines = {setting.strategy: setting.text for setting in found.settings}
    lines[found.default.strategy] += " (default)"
    if found.baseline:
        lines[found.baseline] = found.baseline
    headers = [found.parameter, *(_label(*one) for one in configurations)]
    rows = [[name, *(cells.get((*one, spec)) for one in configurations)] for spec, name in lines.items()]
    basis = "* best value"
    if scores["low"].notna().any():
        basis += f"; intervals ({level(found.alpha)}) of the mean over folds, corrected for shared rows"
    below = [*caveats(found.results.rows["protocol"]), basis, *_verdicts(found, metric)]
    return "\n".join([table(headers, rows, title=title), *map(paragraph, below)])


def _cell(row: dict[Any, Any]) -> str:
    from imbench.stats.words import span

    between = span(row["low"], row["high"], 4)
    return f"{row['mean']:.4f}{'*' if row['best'] else ''}{f' ({between})' if between else ''}"


def _verdicts(found: Sweep, metric: str) -> Iterator[str]:
    from imbench.stats.words import number, p_in_text, span

    for row in found.verdicts(metric).to_dict("records"):
        where = _label(row["dataset"], row["variant"])
        if row["best"] == row["default"]:
            yield f"{where}: the default {row['default']} is the best; {row['verdict']}"
            continue
        between = span(row["low"], row["high"], 4, sign=True)
        measured = f"{number(row['gain'], 4, sign=True)}{f' ({between})' if between else ''}"
        yield (
            f"{where}: {row['best']} gains {measured} over the default {row['default']}, "
            f"{p_in_text(row['p_holm'])} after Holm: {row['verdict']}"
        )


def _label(dataset: str, variant: str) -> str:
    from imbench.stats.names import file_name

    return file_name(dataset) if variant == "natural" else f"{file_name(dataset)}:{variant}"


def _one(option: str, given: Sequence[str], example: str) -> str:
    if not given:
        raise UsageError(f"{option} is missing; write for example {option} {example}")
    if len(given) > 1:
        raise UsageError(f"{option} is given {len(given)} times, {' and '.join(given)}; keep one")
    return given[0]


def _read(text: str) -> tuple[str, list[str]]:
    from imbench.contract.spec import split_values

    name, equals, values = (part.strip() for part in text.partition("="))
    if not (name and equals and values):
        raise UsageError(f"--param {text!r} is not NAME=A,B,C; write for example --param alpha=0.05,0.1,0.3")
    return name, split_values(values)
