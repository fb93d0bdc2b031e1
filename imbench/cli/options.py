"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from imbench.contract.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")

store_option = click.option(
    "--store", default="imbench-store", show_default=True, metavar="DIR", help="Folder of results."
)


def store_of(context: click.Context, folder: str | None, store: str) -> str:
    """The store that a verb reads, given by itself or as ``--store``; `UsageError` for two different ones."""
    stated = context.get_parameter_source("store") is click.core.ParameterSource.COMMANDLINE
    if folder and stated and folder != store:
        raise UsageError(f"the store is given twice, as {folder} and as --store {store}; keep one")
    return folder or store


suite_option = click.option(
    "--suite", metavar="NAME", help="Suite of datasets; for run the default is tabular, unless --dataset is given."
)

dataset_option = click.option(
    "--dataset", "datasets", multiple=True, metavar="SPEC", help="Such as segment:ir=0.05, or a table. Repeatable."
)

protocol_option = click.option(
    "--protocol", metavar="NAME", help="How nets are trained; default: the protocol of the suite, else standard."
)

mirror_option = click.option(
    "--data-mirror",
    metavar="DIR_OR_URL",
    help="Ask this place first for data; default: the environment variable IMBENCH_DATA_MIRROR.",
)

plugin_option = click.option(
    "--plugin", "plugins", multiple=True, metavar="FILE", help="Python file that defines strategies. Repeatable."
)

settings_option = click.option(
    "--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change a field of the protocol. Repeatable."
)


def _at_least_one(_: click.Context, option: click.Parameter, count: int | None) -> int | None:
    if count is not None and count < 1:
        raise UsageError(f"{option.opts[0]} must be at least 1, got {count}; leave it out for one per core")
    return count


jobs_option = click.option(
    "--jobs",
    type=int,
    callback=_at_least_one,
    metavar="N",
    help="Worker processes, at least 1; default: one per core.",
)

device_option = click.option(
    "--device", default="cpu", show_default=True, metavar="NAME", help="Where to train: cpu, cuda or cuda:N."
)

retrain_option = click.option(
    "--retrain", is_flag=True, help="Train stored jobs again if their strategy changed its source at the same version."
)

no_checks_option = click.option(
    "--no-checks",
    is_flag=True,
    help="Skip the conformance checks of strategies; publish then refuses their results.",
)

strict_option = click.option(
    "--strict", is_flag=True, help="Stop before training if any data is unavailable, instead of skipping it."
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Show the plan; train and download nothing.")

quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress; errors and the result only.")


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
            retrain_option,
            no_checks_option,
            strict_option,
        )
    ):
        command = option(command)
    return command
