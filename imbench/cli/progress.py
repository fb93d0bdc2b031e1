"""Progress of a run on stderr: a live bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imbench.cli.output import last_line, say
from imbench.contract.names import counted
from imbench.contract.quantities import duration

if TYPE_CHECKING:
    from rich.progress import Progress

    from imbench.cli.session import Session
    from imbench.runs.bench import Event

# Interval between progress lines; failures are printed at once.
SECONDS_BETWEEN_LINES = 10.0
# The first jobs wait for workers to import libraries, so no time left is estimated before this share of the work.
_LEAST_SHARE = 0.05


@contextmanager
def working(session: Session, quiet: bool) -> Iterator[Callable[[Event], None]]:
    """As `reporter`; the session knows from the first trained job on that there is work to resume."""
    with reporter(quiet) as report:

        def progress(event: Event) -> None:
            session.working |= event.kind == "started"
            report(event)

        yield progress


@contextmanager
def reporter(quiet: bool) -> Iterator[Callable[[Event], None]]:
    """The callback for events of a run; failures are printed even when quiet."""
    if quiet:
        yield _print_failure
    elif sys.stderr.isatty():
        with _bar() as progress:
            yield LiveBar(progress)
    else:
        yield PlainLines()


class PlainLines:
    """Lines for a log: the first and the last job, every failure, and otherwise one line every few seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = self._printed = clock()

    def __call__(self, event: Event) -> None:
        """Print a line if one is due."""
        now = self._clock()
        if event.kind == "planned":
            # One command may start several runs; each has its own speed.
            self._started = now
        _print_failure(event)
        _print_compilation(event)
        if event.kind not in ("finished", "failed") or event.job is None:
            return
        if event.done in (1, event.total) or now - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = now
            say(_line(event, now - self._started))


class LiveBar:
    """A bar of work done, with jobs, speed and time left; failures stay visible above it."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = progress
        self._clock = clock
        self._started = clock()
        self._task = progress.add_task("training", total=None, facts="")

    def __call__(self, event: Event) -> None:
        """Update the bar."""
        if event.kind == "planned":
            self._started = self._clock()
            self._progress.reset(self._task, total=None)
        if event.kind == "failed":
            self._progress.console.print(_failure(event), style="red", markup=False, highlight=False)
        if event.kind == "note":
            self._progress.console.print(event.text, markup=False, highlight=False)
        _print_compilation(event)
        speed = _speed(event, self._clock() - self._started)
        facts = f"{event.done}/{counted(event.total, 'job')}{f', {speed}' if speed else ''}"
        # rich reads a total of 0 as "unknown".
        self._progress.update(self._task, total=event.work_total or 1, completed=event.work_done, facts=facts)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    # On narrow terminals the bar shrinks first.
    return Progress(
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}% {task.fields[facts]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )


def _line(event: Event, elapsed: float) -> str:
    parts = [f"{event.done}/{counted(event.total, 'job')}", _speed(event, elapsed)]
    if event.work_done > _LEAST_SHARE * event.work_total and event.done < event.total:
        left = elapsed / event.work_done * (event.work_total - event.work_done)
        parts.append(f"about {duration(left)} left")
    return ", ".join(filter(None, parts))


def _speed(event: Event, elapsed: float) -> str:
    if not event.nets or elapsed <= 0:
        return ""
    rate = event.nets / elapsed
    return f"{rate:.1f} nets/s" if rate >= 1 else f"{rate * 60:.1f} nets/min"


def _print_compilation(event: Event) -> None:
    if event.kind == "compiled":
        say(f"compiled the training kernel in {duration(event.seconds)} (needed once per machine)")


def _print_failure(event: Event) -> None:
    if event.kind == "failed":
        say(_failure(event))
    if event.kind == "note":
        say(event.text)


def _failure(event: Event) -> str:
    assert event.job is not None
    return f"failed: {event.job.variant.spec} with {event.job.strategy}: {last_line(event.error or '')}"
