"""``imbench sweep``: one parameter of one strategy at several values, and whether the value matters."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import (
    device_option,
    jobs_option,
    json_option,
    mirror_option,
    no_checks_option,
    plugin_option,
    quiet_option,
    retrain_option,
    settings_option,
    store_option,
)
from imbench.cli.output import emit, emit_json, paragraph, say, table
from imbench.cli.run import outlook, settings_of
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError
from imbench.contract.protocol import caveats

if TYPE_CHECKING:
    from imbench.run.bench import Plan
    from imbench.stats.sweep import Sweep

_METRICS = ("gmean", "bbs")


@click.command(cls=Verb)
@click.option(
    "--strategy", "strategies", multiple=True, metavar="SPEC", help="Such as remix; what it states stays fixed."
)
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=A,B,C",
    help="The parameter and its values, such as alpha=0.1,0.3; the default is added if it is not among them.",
)
@click.option("--suite", metavar="NAME", help="Suite of datasets.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="SPEC", help="Such as segment:ir=0.05, or a table. Repeatable."
)
@click.option("--protocol", metavar="NAME", help="How nets are trained; default: the suite's own, or else standard.")
@settings_option
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Repeatable; default: gmean and bbs.")
@plugin_option
@store_option
@click.option("--to", metavar="DIR", help="Folder to write figures and numbers into.")
@mirror_option
@jobs_option
@device_option
@retrain_option
@no_checks_option
@click.option("--no-baseline", is_flag=True, help="Leave out the baseline, which is shown for reference.")
@click.option("--dry-run", is_flag=True, help="Show the plan; train and download nothing.")
@quiet_option
@json_option
@click.pass_obj
def sweep(
    session: Session,
    /,
    strategies: tuple[str, ...],
    parameters: tuple[str, ...],
    settings: tuple[str, ...],
    metrics: tuple[str, ...],
    to: str | None,
    jobs: int | None,
    device: str,
    no_baseline: bool,
    no_checks: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **request: Any,
) -> int:
    """Train a strategy at several values of one parameter, and tell whether the value matters.

    Results are kept in the store as they come, so running the same command again resumes.

    \b
    imbench sweep --strategy remix --param alpha=0.05,0.1,0.3 --dataset segment:ir=0.05
    imbench sweep --strategy mixup --param alpha=0.1,0.2,0.4 --suite tabular --to sweep
    """
    from imbench.run import bench
    from imbench.run.registry import Registry
    from imbench.run.sweeping import design

    strategy = _one("--strategy", strategies, "remix")
    parameter, values = _read(_one("--param", parameters, "alpha=0.05,0.1,0.3"))
    chosen = design(strategy, parameter, values, plugins=request["plugins"], baseline=not no_baseline)
    registry = Registry(request["plugins"])
    wanted = [registry.metric(name).name for name in metrics or _METRICS]
    if to is not None and Path(to).exists() and not Path(to).is_dir():
        raise UsageError(f"--to {to!r} is a file; give a folder")
    request |= {"settings": settings_of(settings), "strategies": chosen.strategies}
    bench.check_device(device)
    if dry_run:
        from imbench.cli.dry_run import show_plan

        show_plan(bench.plan(fetch=False, **request), as_json)
        return 0
    session.resumable = True
    # Planning without fetching finds every mistake in the request at once, and what is missing.
    plan = bench.plan(fetch=False, **request)
    if plan.unfetched:
        if not quiet:
            say(f"fetching {', '.join(plan.unfetched)}")
        plan = bench.plan(**request)
    results = plan.registry.with_metrics(_train(plan, jobs, device, not no_checks, quiet), metrics)
    return _show(chosen.read(results), wanted, to, quiet, as_json)


def _train(plan: Plan, jobs: int | None, device: str, checks: bool, quiet: bool) -> Any:
    from imbench.cli.progress import duration, reporter
    from imbench.run import bench

    if not quiet:
        for note in (*plan.notes, outlook(plan)):
            say(note)
    started = time.monotonic()
    with reporter(quiet) as progress:
        results = bench.run_plan(plan, jobs=jobs, device=device, checks=checks, progress=progress)
    if not quiet:
        failed = len(results.failures())
        say(f"{len(plan.pending) - failed} jobs done, {failed} failed, in {duration(time.monotonic() - started)}\n")
    return results


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
    failed = len(found.results.failures())
    if failed:
        say(f"{failed} jobs failed; imbench status --store {found.results.store} shows why")
    return 1 if failed else 0


def _text(found: Sweep, metric: str) -> str:
    """A metric's table, values by configurations, and a sentence on each configuration."""
    from imbench.scoring.metrics import known_metrics
    from imbench.stats.words import level

    rule, scores = known_metrics()[metric], found.scores(metric)
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
    headers = [found.parameter, *(_called(*one) for one in configurations)]
    rows = [[name, *(cells.get((*one, spec)) for one in configurations)] for spec, name in lines.items()]
    basis = "* the best value"
    if scores["low"].notna().any():
        basis += f"; intervals ({level(found.alpha)}) of the mean over folds, corrected for shared rows"
    below = [*caveats(found.results.rows["protocol"]), basis, *_verdicts(found, metric)]
    return "\n".join([table(headers, rows, title=title), *map(paragraph, below)])


def _cell(row: dict[Any, Any]) -> str:
    from imbench.stats.words import span

    between = span(row["low"], row["high"], 4)
    return f"{row['mean']:.4f}{'*' if row['best'] else ''}{f' ({between})' if between else ''}"


def _verdicts(found: Sweep, metric: str) -> Iterator[str]:
    from imbench.stats.words import number, p_said, span

    for row in found.verdicts(metric).to_dict("records"):
        where = _called(row["dataset"], row["variant"])
        if row["best"] == row["default"]:
            yield f"{where}: the default {row['default']} is the best; {row['verdict']}"
            continue
        between = span(row["low"], row["high"], 4, sign=True)
        measured = f"{number(row['gain'], 4, sign=True)}{f' ({between})' if between else ''}"
        yield (
            f"{where}: {row['best']} gains {measured} over the default {row['default']}, "
            f"{p_said(row['p_holm'])} after Holm: {row['verdict']}"
        )


def _called(dataset: str, variant: str) -> str:
    from imbench.stats.names import file_name

    return file_name(dataset) if variant == "natural" else f"{file_name(dataset)}:{variant}"


def _one(option: str, given: Sequence[str], example: str) -> str:
    if not given:
        raise UsageError(f"{option} is missing; write for example {option} {example}")
    if len(given) > 1:
        raise UsageError(f"{option} is given {len(given)} times, {' and '.join(given)}; one sweep has one, keep one")
    return given[0]


def _read(text: str) -> tuple[str, list[str]]:
    from imbench.contract.spec import split_values

    name, equals, values = (part.strip() for part in text.partition("="))
    if not (name and equals and values):
        raise UsageError(f"--param {text!r} is not NAME=A,B,C; write for example --param alpha=0.05,0.1,0.3")
    return name, split_values(values)
