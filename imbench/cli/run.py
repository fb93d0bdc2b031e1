"""``imbench run``: train missing jobs and show the leaderboards."""

from __future__ import annotations

from typing import Any

import click

from imbench.cli.options import (
    dry_run_option,
    json_option,
    no_references_option,
    quiet_option,
    references_option,
    request_options,
    shard_option,
    tune_option,
)
from imbench.cli.output import emit, emit_json
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, settings_with_split, table_options
from imbench.cli.training import plan_or_train, request_of
from imbench.contract.errors import UsageError
from imbench.contract.names import suggest

_DEFAULT_SUITE = "tabular"


@click.command(cls=Verb)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="SPEC",
    help="Strategy, such as remix:alpha=0.3. Repeatable; default: all installed strategies except wrappers.",
)
@references_option
@no_references_option
@request_options
@table_options()
@shard_option
@tune_option
@click.option("--net", metavar="NAME", help="Architecture: paper, or resnet32 for images. Short for --set net=NAME.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Rank by this metric. Repeatable; default: gmean and bbs.",
)
@click.option(
    "--rule",
    default="argmax",
    show_default=True,
    metavar="NAME",
    help="Decision rule of the leaderboards: a name from `imbench list rules`, or each to rank all of them.",
)
@dry_run_option
@quiet_option
@json_option
@click.pass_obj
def run(
    session: Session,
    /,
    reading: TableOptions,
    net: str | None,
    metrics: tuple[str, ...],
    rule: str,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Train, score and rank strategies on datasets.

    References, such as boosted trees, are fitted on the same rows and ranked on boards of their own. Results
    are stored as jobs finish, so running the same command again resumes.

    \b
    imbench run --suite tabular
    imbench run --dataset segment:ir=0.05 --strategy remix:alpha=0.3 --protocol smoke
    imbench run --data my_table.csv --target churn --set epochs=50
    imbench run --suite tabular --tune 8
    """
    from imbench.cli.boards import boards_json, boards_text
    from imbench.scoring.rules import EACH, RULES

    options["datasets"] = reading.added_to(options["datasets"])
    if options["suite"] is None and not options["datasets"]:
        options["suite"] = _DEFAULT_SUITE
    settings = settings_with_split(reading, options, options.pop("settings"))
    request = request_of(session, options, settings=[*settings, f"net={net}"] if net else settings)
    for name in metrics:  # an unknown metric is reported before any work
        request.registry.metric(name)
    if rule not in (*RULES, EACH):
        raise UsageError(f"--rule {rule!r} is not a decision rule; {suggest(rule, (*RULES, EACH))}")

    def show(plan: Any, results: Any) -> int:
        scored = plan.registry.with_metrics(results, metrics)
        if as_json:
            emit_json(boards_json(scored, metrics, rule))
        else:
            emit(boards_text(scored, metrics, rule))
        return 0

    return plan_or_train(session, request, dry_run=dry_run, quiet=quiet, as_json=as_json, show=show)
