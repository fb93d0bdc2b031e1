"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")

store_option = click.option(
    "--store", default="imbench-store", show_default=True, metavar="DIR", help="Folder of results."
)

mirror_option = click.option(
    "--data-mirror",
    metavar="DIR_OR_URL",
    help="Asked first for data; default: the environment variable IMBENCH_DATA_MIRROR.",
)

plugin_option = click.option(
    "--plugin", "plugins", multiple=True, metavar="FILE", help="Python file that defines strategies. Repeatable."
)
