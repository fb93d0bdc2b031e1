"""The entry point of the command line: its commands, exit codes and error messages."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from pathlib import Path

import click

from imbench.cli import (
    advise,
    data,
    doctor,
    evaluate,
    export,
    fit,
    info,
    listing,
    plan,
    plugin,
    predict,
    publish,
    report,
    reproduce,
    run,
    samples,
    status,
    stores,
    sweep,
)
from imbench.cli.output import say
from imbench.cli.session import Session, Verbs
from imbench.contract.entry_points import exits_raised
from imbench.contract.errors import UsageError
from imbench.contract.stdio import OutputError
from imbench.contract.text import shown

# Errors of the operating system that are the fault of a path, whoever opens it.
_OF_PATHS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS)

DONE, SOME_FAILED, USAGE, UNEXPECTED = 0, 1, 2, 70


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 some jobs failed, 2 wrong usage or configuration (before any work), "
    "130 interrupted (143 by SIGTERM, 129 by SIGHUP), 70 an error in imbench itself.",
)
@click.version_option(package_name="imbench")
def cli() -> None:
    """Benchmark strategies that rebalance mini-batches when training neural networks on imbalanced classes."""


for _verb in (
    run.run,
    advise.advise,
    fit.fit,
    predict.predict,
    export.export,
    plan.plan,
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


def answer(session: Session) -> int:
    """Run one command and return its exit code. Raises KeyboardInterrupt where it was interrupted."""
    try:
        with exits_raised():
            code = cli.main(list(session.arguments), prog_name="imbench", standalone_mode=False, obj=session)
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        return _refused(error.format_message(), _help_hint(error))
    except UsageError as error:
        return _refused(str(error), code=SOME_FAILED if session.working else USAGE)
    except OutputError as error:
        return _unwritten(error, session)
    except OSError as error:
        if error.errno not in _OF_PATHS or error.filename is None:
            return _unexpected(error, session)
        # A path that the user gave, or that a file of the user names.
        name = shown(os.fsdecode(error.filename))
        message = f"cannot use {name!r}: {error.strerror}; give another path"
        return _refused(message, code=SOME_FAILED if session.working else USAGE)
    except (Exception, SystemExit) as error:
        # Anything else is not the user's fault: say so, and keep what a bug report needs.
        return _unexpected(error, session)
    return code if isinstance(code, int) else DONE


def _refused(message: str, hint: str = "", code: int = USAGE) -> int:
    say(f"error: {message}")
    if hint:
        say(f"hint: {hint}")
    return code


def _help_hint(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{context.command_path if context else 'imbench'} --help lists the arguments and options"


def _unwritten(error: OutputError, session: Session) -> int:
    kept = "; finished jobs are kept, and the same command prints their results" if session.resumable else ""
    click.echo(f"error: {error}{kept}", err=True)
    return SOME_FAILED


def _unexpected(error: Exception | SystemExit, session: Session) -> int:
    where = f" ({_caller(error)})" if isinstance(error, SystemExit) else ""
    say(f"error: unexpected {type(error).__name__}: {shown(str(error), 2000)}{where}")
    click.echo("This is a bug in imbench or in a plugin, not in your command. Please report it with", err=True)
    click.echo(f"  the command    {session.command}", err=True)
    text = "".join(traceback.format_exception(error))
    if session.debug:
        click.echo(f"  the traceback\n{text}", err=True)
        return UNEXPECTED
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="imbench-error-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"{session.command}\n{text}")
        click.echo(f"  the traceback  {file.name} (or add --debug to see it here)", err=True)
    except OSError as failure:
        click.echo(f"  the traceback, which --debug shows; no file can be written ({failure})", err=True)
    return UNEXPECTED


def _caller(error: SystemExit) -> str:
    """The line that called `sys.exit` or `os._exit`: the last one outside imbench and Python's library."""
    ours, pythons = Path(__file__).parents[1], Path(os.__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    strangers = [
        frame
        for frame in frames
        if not (path := Path(frame.filename)).is_relative_to(ours)
        and (not path.is_relative_to(pythons) or "site-packages" in path.parts)
    ]
    frame = (strangers or frames)[-1]
    return f"{frame.filename}, line {frame.lineno}"
