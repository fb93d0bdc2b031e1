"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imbench.cli.session import Session
from imbench.contract.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")

store_option = click.option(
    "--store", default="imbench-store", show_default=True, metavar="DIR", help="Results folder."
)


def store_of(context: click.Context, folder: str | None, store: str) -> str:
    """The store to read, from the argument or ``--store``; `UsageError` if both are given and differ."""
    given = context.get_parameter_source("store") is click.core.ParameterSource.COMMANDLINE
    if folder and given and folder != store:
        raise UsageError(f"the store is given twice, as {folder} and as --store {store}; keep one")
    return folder or store


suite_option = click.option(
    "--suite", metavar="NAME", help="Suite of datasets; default: tabular for `imbench run` without --dataset."
)

dataset_option = click.option(
    "--dataset",
    "datasets",
    multiple=True,
    metavar="SPEC",
    help="Dataset, such as segment:ir=0.05, or a data file. Repeatable.",
)

references_option = click.option(
    "--reference",
    "references",
    multiple=True,
    metavar="SPEC",
    help="Reference, such as hist-gradient-boosting. Repeatable; default: all built-in ones.",
)

no_references_option = click.option("--no-references", is_flag=True, help="Train no references.")


def references_of(references: tuple[str, ...], no_references: bool) -> tuple[str, ...] | None:
    """The references of ``--reference`` and ``--no-references``; None if neither is given."""
    if references and no_references:
        raise UsageError(f"--reference {references[0]} and --no-references exclude each other; keep one")
    return () if no_references else references or None


protocol_option = click.option(
    "--protocol", metavar="NAME", help="Training protocol; default: the protocol of the suite, or standard."
)

mirror_option = click.option(
    "--data-mirror",
    metavar="DIR_OR_URL",
    help="Folder or URL to search first for data; default: the environment variable IMBENCH_DATA_MIRROR.",
)


def _add_plugins(context: click.Context, _: click.Parameter, files: tuple[str, ...]) -> None:
    session = context.find_object(Session)
    if session is not None:
        session.plugins += files


plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    expose_value=False,
    callback=_add_plugins,
    help="Python file that defines strategies. Repeatable.",
)

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change a field of the protocol. Repeatable."
)


def _at_least_one(_: click.Context, option: click.Parameter, count: int | None) -> int | None:
    if count is not None and count < 1:
        raise UsageError(f"{option.opts[0]} must be at least 1, got {count}; omit it to use one per core")
    return count


jobs_option = click.option(
    "--jobs",
    type=int,
    callback=_at_least_one,
    metavar="N",
    help="Worker processes, at least 1; default: one per core.",
)

device_option = click.option(
    "--device", default="cpu", show_default=True, metavar="NAME", help="Device to train on: cpu, cuda or cuda:N."
)

dask_option = click.option(
    "--dask",
    metavar="ADDRESS",
    help="Run on a Dask cluster: tcp://HOST:PORT, a scheduler file (.json), or local:N for N workers here.",
)

resource_option = click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="NAME=N",
    help="Resource that a job takes of a Dask worker, such as GPU=1. Repeatable.",
)

timeout_option = click.option(
    "--timeout",
    metavar="TIME",
    help="Time limit of a job, such as 30m or 2h, or none; default: 100 times its expected time, at least 1 h.",
)

memory_option = click.option(
    "--memory",
    metavar="SIZE",
    help="Memory limit of a worker process, such as 4GB, or none; default: the available memory, divided.",
)

retry_option = click.option(
    "--retry",
    type=int,
    default=0,
    metavar="N",
    help="Run a job again, up to N times, if its worker process was ended by a signal.",
)

shard_option = click.option(
    "--shard", metavar="I/N", help="Run only share I of N of the jobs; `imbench merge` joins the stores of all shares."
)

tune_option = click.option(
    "--tune",
    type=int,
    metavar="K",
    help="Train K configurations of each strategy, the default one first, and rank the best ones by validation rows.",
)

retrain_option = click.option(
    "--retrain", is_flag=True, help="Retrain stored jobs whose strategy has new source code but the same version."
)

no_checks_option = click.option(
    "--no-checks",
    is_flag=True,
    help="Skip the conformance checks; `imbench publish` then refuses the results.",
)

strict_option = click.option(
    "--strict", is_flag=True, help="Stop before training if any data is unavailable, instead of skipping it."
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Show the plan without training or downloading.")

quiet_option = click.option("--quiet", "-q", is_flag=True, help="Hide progress; print only errors and results.")


def request_options(command: F) -> F:
    """The options that become a `RunRequest`, apart from the strategies."""
    for option in reversed(
        (
            suite_option,
            dataset_option,
            protocol_option,
            settings_option,
            plugin_option,
            store_option,
            mirror_option,
            jobs_option,
            device_option,
            dask_option,
            resource_option,
            timeout_option,
            memory_option,
            retry_option,
            retrain_option,
            no_checks_option,
            strict_option,
        )
    ):
        command = option(command)
    return command
