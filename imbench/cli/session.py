"""What one call of the command line knows of itself, and the command class that every verb shares."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from imbench.cli.help import Context


@dataclass
class Session:
    """One call of the command line.

    Parameters
    ----------
    arguments : as typed, without the program's name
    debug : whether an unexpected error shows its traceback
    resumable : whether typing the same command again goes on where this one stopped
    """

    arguments: Sequence[str] = field(default_factory=tuple)
    debug: bool = False
    resumable: bool = False

    @property
    def command(self) -> str:
        """The command as a shell takes it."""
        return shlex.join(["imbench", *self.arguments])


class Verb(click.Command):
    """A command that takes ``--debug`` behind the verb, where people type it."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


class Verbs(click.Group):
    """A group of such commands."""

    context_class = Context
    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(debug_option())


def debug_option() -> click.Option:
    """``--debug``: noted in the session, not passed to the verb."""

    def note(context: click.Context, _: click.Parameter, given: bool) -> None:
        session = context.find_object(Session)
        if session is not None and given:
            session.debug = True

    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=note,
        help="Show the traceback of an unexpected error.",
    )
