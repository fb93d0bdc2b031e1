"""``imbench run``: plan, train what is missing, show the leaderboards."""

from __future__ import annotations

import time
from collections.abc import Sequence
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
from imbench.cli.output import emit, emit_json, say
from imbench.cli.session import Session, Verb
from imbench.contract.errors import UsageError

if TYPE_CHECKING:
    from imbench.run.bench import Plan

_DEFAULT_SUITE = "tabular"


@click.command(cls=Verb)
@click.option("--suite", metavar="NAME", help="Suite of datasets; default: tabular, unless --dataset is given.")
@click.option(
    "--dataset", "datasets", multiple=True, metavar="SPEC", help="Such as segment:ir=0.05, or a table. Repeatable."
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="SPEC",
    help="Such as remix:alpha=0.3. Repeatable; default: every installed one, but for wrappers.",
)
@click.option("--protocol", metavar="NAME", help="How nets are trained; default: the suite's own, or else standard.")
@settings_option
@click.option("--net", metavar="NAME", help="paper, or resnet32 for images; as --set net=NAME.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Rank by this one. Repeatable; default: gmean and bbs."
)
@plugin_option
@store_option
@mirror_option
@jobs_option
@device_option
@click.option(
    "--rule",
    default="argmax",
    show_default=True,
    metavar="NAME",
    help="How the leaderboards decide: a name of `imbench list rules`, or each to let all compete.",
)
@retrain_option
@no_checks_option
@click.option("--strict", is_flag=True, help="Refuse to run if any data cannot be had, instead of leaving it out.")
@click.option("--dry-run", is_flag=True, help="Show the plan; train and download nothing.")
@quiet_option
@json_option
@click.pass_obj
def run(
    session: Session,
    /,
    settings: tuple[str, ...],
    net: str | None,
    metrics: tuple[str, ...],
    jobs: int | None,
    device: str,
    rule: str,
    no_checks: bool,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **request: Any,
) -> int:
    """Train, score and rank strategies on datasets.

    Results are kept in the store as they come, so running the same command again resumes.

    \b
    imbench run --suite tabular
    imbench run --dataset segment:ir=0.05 --strategy remix:alpha=0.3 --protocol smoke
    imbench run --dataset my_table.csv:target=churn --set epochs=50
    """
    from imbench.run import bench
    from imbench.run.registry import Registry
    from imbench.scoring.rules import EACH, RULES

    registry = Registry(request["plugins"])
    for name in metrics:  # one that does not exist is told before any work
        registry.metric(name)
    if rule not in (*RULES, EACH):
        raise UsageError(f"--rule {rule!r} is no decision rule; there are {', '.join(RULES)}, and {EACH}")
    if request["suite"] is None and not request["datasets"]:
        request["suite"] = _DEFAULT_SUITE
    request["settings"] = settings_of([*settings, f"net={net}"] if net else settings)
    request["strategies"] = request["strategies"] or None
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
    return _execute(plan, jobs, device, not no_checks, (metrics, rule), quiet, as_json)


def _execute(
    plan: Plan,
    jobs: int | None,
    device: str,
    checks: bool,
    shown: tuple[Sequence[str], str],
    quiet: bool,
    as_json: bool,
) -> int:
    from imbench.cli.boards import boards_json, boards_text
    from imbench.cli.progress import duration, reporter
    from imbench.run import bench

    if not quiet:
        for note in (*plan.notes, outlook(plan)):
            say(note)
    started = time.monotonic()
    with reporter(quiet) as progress:
        results = bench.run_plan(plan, jobs=jobs, device=device, checks=checks, progress=progress)
    results = plan.registry.with_metrics(results, shown[0])
    failed = len(results.failures())
    if not quiet:
        say(f"{len(plan.pending) - failed} jobs done, {failed} failed, in {duration(time.monotonic() - started)}\n")
    if as_json:
        emit_json(boards_json(results, *shown))
    else:
        emit(boards_text(results, *shown))
    if failed:
        say(f"{failed} of {len(plan.jobs)} jobs failed; imbench status --store {plan.store} shows why")
    return 1 if failed else 0


def outlook(plan: Plan) -> str:
    """What a run is about to do, in a line."""
    pending, held = len(plan.pending), len(plan.jobs) - len(plan.pending)
    kept = f"; {held} done before" if held else ""
    return f"{pending} jobs to do ({plan.nets:,} nets, at most {plan.steps:,} steps){kept}; store {plan.store}"


def settings_of(texts: Sequence[str]) -> dict[str, str]:
    """The fields of ``--set FIELD=VALUE``, each given once."""
    settings: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UsageError(f"--set {text!r} is not FIELD=VALUE; write for example --set epochs=50")
        if key in settings:
            raise UsageError(f"--set {key} is given twice, {settings[key]} and {value}; keep one")
        settings[key] = value
    return settings
