"""The entry point of the command line: its commands, exit codes and error messages."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Sequence

import click

from imbench.cli import (
    data,
    doctor,
    evaluate,
    info,
    listing,
    plugin,
    publish,
    report,
    reproduce,
    run,
    samples,
    status,
    stores,
    sweep,
)
from imbench.cli.session import Session, Verbs
from imbench.contract.errors import UsageError

DONE, SOME_FAILED, USAGE, UNEXPECTED, INTERRUPTED = 0, 1, 2, 70, 130


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 some jobs failed, 2 wrong usage or configuration (before any work), "
    "130 interrupted, 70 an error in imbench itself.",
)
@click.version_option(package_name="imbench")
def cli() -> None:
    """Benchmark strategies that rebalance mini-batches when training neural networks on imbalanced classes."""


for _verb in (
    run.run,
    listing.list_,
    info.info,
    data.data,
    doctor.doctor,
    status.status,
    report.report,
    evaluate.evaluate,
    stores.compare,
    stores.merge,
    publish.publish,
    reproduce.reproduce,
    plugin.plugin,
    samples.samples,
    sweep.sweep,
):
    cli.add_command(_verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``--debug`` shows the traceback of an internal error.

    Parameters
    ----------
    arguments : arguments after the program name; default: ``sys.argv[1:]``
    """
    session = Session(tuple(sys.argv[1:] if arguments is None else arguments))
    try:
        code = cli.main(list(session.arguments), prog_name="imbench", standalone_mode=False, obj=session)
    except click.Abort:
        return _interrupted(session)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        return _refused(error.format_message(), _help_hint(error))
    except UsageError as error:
        return _refused(str(error))
    except Exception as error:
        # Anything else is not the user's fault: say so, and keep what a bug report needs.
        return _unexpected(error, session)
    return code if isinstance(code, int) else DONE


def _refused(message: str, hint: str = "") -> int:
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    return USAGE


def _help_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'imbench'} --help lists the arguments and options"


def _interrupted(session: Session) -> int:
    kept = f"; finished jobs are kept. To resume:\n  {session.command}" if session.resumable else ""
    click.echo(f"interrupted{kept}", err=True)
    return INTERRUPTED


def _unexpected(error: Exception, session: Session) -> int:
    click.echo(f"error: unexpected {type(error).__name__}: {error}", err=True)
    click.echo("This is a bug in imbench or in a plugin, not in your command. Please report it with", err=True)
    click.echo(f"  the command    {session.command}", err=True)
    text = "".join(traceback.format_exception(error))
    if session.debug:
        click.echo(f"  the traceback\n{text}", err=True)
        return UNEXPECTED
    with tempfile.NamedTemporaryFile(
        "w", prefix="imbench-error-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(f"{session.command}\n{text}")
    click.echo(f"  the traceback  {file.name} (or add --debug to see it here)", err=True)
    return UNEXPECTED
