"""``imbench plan``: show the jobs of a run, or write one command for each shard of them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import (
    json_option,
    no_references_option,
    references_option,
    request_options,
    shard_option,
    tune_option,
)
from imbench.cli.output import say
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, settings_with_split, table_options
from imbench.cli.training import request_of
from imbench.contract.errors import UsageError

if TYPE_CHECKING:
    from imbench.runs.plan import Plan

_DEFAULT_SUITE = "tabular"


@click.command(cls=Verb)
@click.option("--strategy", "strategies", multiple=True, metavar="SPEC", help="As for `imbench run`. Repeatable.")
@references_option
@no_references_option
@request_options
@table_options()
@shard_option
@tune_option
@click.option("--shards", type=int, metavar="N", help="Number of shards to export.")
@click.option("--export", metavar="FILE", help="Write one command per shard to this file; needs --shards.")
@click.option("--own-stores", is_flag=True, help="Give each shard a store of its own, next to --store.")
@json_option
@click.pass_obj
def plan(
    session: Session,
    /,
    reading: TableOptions,
    shards: int | None,
    export: str | None,
    own_stores: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Show the jobs of a run without training.

    Takes the options of `imbench run`. With --export, data is downloaded if needed, and each line of the file is a
    command that runs one shard, for the array jobs of a batch system; without --own-stores all shards write to one
    store, which all machines must share.

    \b
    imbench plan --suite tabular
    imbench plan --suite tabular --shards 20 --export jobs.txt
    """
    from imbench.cli.dry_run import show_plan
    from imbench.runs import bench
    from imbench.stats.words import listed
    from imbench.store.files import write_durably
    from imbench.store.outputs import check_output_file

    options["datasets"] = reading.added_to(options["datasets"])
    if options["suite"] is None and not options["datasets"]:
        options["suite"] = _DEFAULT_SUITE
    options["settings"] = settings_with_split(reading, options, options["settings"])
    request = request_of(session, options)
    if export is None and (shards is not None or own_stores):
        raise UsageError("--shards and --own-stores are for --export; name the file to write, as in --export jobs.txt")
    if export is not None and (shards is None or shards < 1):
        raise UsageError(f"--export needs --shards N of at least 1, got {shards}; write for example --shards 20")
    if export is not None and request.shard is not None:
        raise UsageError("--export writes every shard; omit --shard")
    if export is not None:
        check_output_file(export, "--export")
    planned = bench.plan(request, fetch=False)
    if export is None:
        show_plan(planned, as_json)
        return
    assert shards is not None
    if planned.unfetched:  # which jobs there are is known with the data
        say(f"fetching {listed(planned.unfetched)}")
        planned = bench.plan(request)
    lines = _commands(session, planned, shards, own_stores)
    write_durably(Path(export), "".join(f"{line}\n" for line in lines).encode())
    say(f"{shards} commands written to {export}")
    for note in planned.notes:
        say(note)
    if own_stores:
        stores = " ".join(shlex.quote(_own_store(planned, i, shards)) for i in range(1, shards + 1))
        say(f"to join the stores: imbench merge {stores} --into {shlex.quote(str(planned.store))}")


def _commands(session: Session, plan: Plan, shards: int, own_stores: bool) -> list[str]:
    """One command per shard, with the options of this one."""
    arguments = list(session.arguments)
    arguments.remove("plan")
    arguments = _without(arguments, {"--shards": 1, "--export": 1, "--own-stores": 0, "--json": 0, "--debug": 0})
    commands = []
    for i in range(1, shards + 1):
        given = ["imbench", "run", *arguments, "--shard", f"{i}/{shards}@{plan.id}"]
        if own_stores:
            given = [*_without(given, {"--store": 1}), "--store", _own_store(plan, i, shards)]
        commands.append(shlex.join(given))
    return commands


def _without(arguments: list[str], options: dict[str, int]) -> list[str]:
    """The arguments without these options, each followed by so many values."""
    kept, skip = [], 0
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if skip:
            skip -= 1
        elif name in options:
            skip = 0 if equals else options[name]
        else:
            kept.append(argument)
    return kept


def _own_store(plan: Plan, number: int, shards: int) -> str:
    return f"{plan.store}-{number}-of-{shards}"
