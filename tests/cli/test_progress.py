"""What is said while a run goes on."""

import io
from types import SimpleNamespace

import pytest

from imbench.cli.progress import LiveBar, PlainLines, _bar, duration, reporter


def event(kind, done=0, *, error=None):
    job = SimpleNamespace(variant=SimpleNamespace(spec="segment:ir=0.05"), strategy="remix")
    return SimpleNamespace(
        kind=kind,
        job=None if kind in ("planned", "done") else job,
        done=done,
        total=100,
        work_done=done * 50.0,
        work_total=5000.0,
        nets=done * 20,
        error=error,
    )


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self):
        return self.now


def test_lines_come_at_the_first_and_last_job_and_in_between_every_ten_seconds(capsys):
    clock = Clock()
    tell = PlainLines(clock)
    for done in range(1, 101):
        clock.now = float(done)
        tell(event("started", done - 1))
        tell(event("finished", done))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("/")[0] for line in lines] == ["1", *map(str, range(11, 92, 10)), "100"]


def test_a_line_says_jobs_speed_and_time_left(capsys):
    clock = Clock()
    tell = PlainLines(clock)
    clock.now = 30.0
    tell(event("finished", 10))
    assert capsys.readouterr().err == "10/100 jobs, 6.7 nets/s, about 4 min left\n"


def test_every_run_of_a_command_has_a_speed_of_its_own(capsys):
    clock = Clock()
    tell = PlainLines(clock)
    for start in (0.0, 1000.0):
        clock.now = start
        tell(event("planned"))
        clock.now += 30.0
        tell(event("finished", 10))
    assert capsys.readouterr().err == "10/100 jobs, 6.7 nets/s, about 4 min left\n" * 2


def test_every_run_of_a_command_has_a_bar_of_its_own():
    clock = Clock()
    with _bar() as progress:
        progress.console.file = io.StringIO()
        bar = LiveBar(progress, clock)
        bar(event("planned"))
        bar(event("finished", 100))
        clock.now = 1000.0
        bar(event("planned"))
        clock.now = 1030.0
        bar(event("finished", 10))
        (task,) = progress.tasks
        assert (task.completed, task.total) == (500, 5000)
        assert task.fields["facts"] == "10/100 jobs, 6.7 nets/s"


def test_failures_are_told_at_once_even_when_quiet(capsys):
    with reporter(quiet=True) as tell:
        tell(event("finished", 1))
        tell(event("failed", 2, error="Traceback …\nValueError: shapes differ"))
    assert capsys.readouterr().err == "failed: segment:ir=0.05 with remix: ValueError: shapes differ\n"


def test_the_bar_follows_the_steps_and_keeps_failures_above_it():
    from rich.console import Console

    with _bar() as progress:
        progress.live.console = progress.console
        progress.console.file = io.StringIO()
        bar = LiveBar(progress)
        bar(event("planned"))
        bar(event("failed", 25, error="RuntimeError: [bold] is text"))
        (task,) = progress.tasks
        assert isinstance(progress.console, Console)
        assert (task.completed, task.total) == (1250, 5000)
        assert task.fields["facts"].startswith("25/100 jobs")
        assert "RuntimeError: [bold] is text" in progress.console.file.getvalue().replace("\n", "")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (7261, "2 h 1 min")]
)
def test_durations_are_said_as_people_do(seconds, said):
    assert duration(seconds) == said
