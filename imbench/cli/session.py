"""State of one command line call, and the base classes of all commands."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.help import Context

if TYPE_CHECKING:
    from imbench.runs.registry import Registry


@dataclass
class Session:
    """One call of the command line.

    Parameters
    ----------
    arguments : arguments as typed, without the program name
    debug : whether an unexpected error shows its traceback
    resumable : whether running the same command again resumes this one
    working : whether training began, so that an error is no longer one found before any work
    plugins : Python files that define strategies, from ``--plugin``
    """

    arguments: Sequence[str] = field(default_factory=tuple)
    debug: bool = False
    resumable: bool = False
    working: bool = False
    plugins: tuple[str, ...] = ()

    @cached_property
    def registry(self) -> Registry:
        """All that is installed, and the plugin files: the only registry of this call, which every command hands on."""
        from imbench.runs.registry import Registry

        return Registry(self.plugins)

    @property
    def command(self) -> str:
        """The command, quoted for a shell."""
        return shlex.join(["imbench", *self.arguments])


class Verb(click.Command):
    """A command with the option ``--debug``."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


class Verbs(click.Group):
    """A group of commands with the option ``--debug``."""

    context_class = Context
    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


def debug_option() -> click.Option:
    """``--debug``: stored in the session, not passed to the command."""

    def store(context: click.Context, _: click.Parameter, given: bool) -> None:
        session = context.find_object(Session)
        if session is not None and given:
            session.debug = True

    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=store,
        help="Show the traceback of an unexpected error.",
    )
