"""Signals: whenever they come, a command ends in order, with its word and its exit code."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imbench.cli import ending
from imbench.store.store import Store
from tests.cli.processes import LIMIT, started, stop_group, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

ENDINGS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "interrupted by SIGTERM",
    signal.SIGHUP: "interrupted by SIGHUP",
}
# A strategy whose first batch waits for a signal, however it is sent.
WAITING = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import time
from imbench import BatchStrategy

@dataclass(frozen=True)
class Waiting(BatchStrategy):
    """Waits, after Nobody (2020)."""

    name: ClassVar[str] = "waiting"

    def rebalance(self, batch, info, noise):
        Path("begun").touch()
        try:
            time.sleep(600)
        except BaseException:
            Path("asked").touch()
            time.sleep(600)
'''


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files of the processes that the test starts."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def start():
    """Starts a command in a session of its own; it is killed if the test fails."""
    processes = []

    def begin(*arguments, **options):
        processes.append(started(*arguments, **options))
        return processes[-1]

    yield begin
    for process in processes:
        stop_group(process.pid)
        process.wait()
        process.stderr.close()


def endless(table, *more):
    return [
        *("run", "--dataset", table, "--strategy", "baseline", "--protocol", "smoke", "--no-checks"),
        *("--set", "epochs=1000000", "--store", "store", *more),
    ]


def arrays_in(folder):
    return list(folder.glob("imbench-arrays-*/*.pickle"))


def test_a_run_keeps_what_it_finished_and_leaves_nothing_else(table, start, temporary):
    command = endless(table, "--jobs", "2")
    process = start(*command)
    wait_for(lambda: arrays_in(temporary), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 143
    resume = f"To resume:\n  imbench {' '.join(command)} --no-references"
    assert err.rstrip().endswith(f"interrupted by SIGTERM; finished jobs are kept. {resume}")
    assert "Traceback" not in err
    assert not list(temporary.iterdir())
    assert not Store.open("store").failed_keys()


def test_any_number_of_ctrl_c_prints_no_traceback(table, start, temporary):
    process = start(*endless(table, "--jobs", "2"))
    wait_for(lambda: arrays_in(temporary), process)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    err = process.communicate()[1]
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in err
    assert "To resume:" in err


def test_a_second_signal_ends_a_run_that_the_first_could_not(table, start, tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    command = ["run", "--dataset", table, "--strategy", "waiting", "--plugin", "waiting.py", "--protocol", "smoke"]
    command += ["--jobs", "1", "--no-checks"]
    process = start(*command)
    wait_for(Path("begun").exists, process)
    process.send_signal(signal.SIGINT)
    wait_for(Path("asked").exists, process)
    time.sleep(ending.GRACE)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert err.rstrip().endswith(f"To resume:\n  imbench {' '.join(command)} --no-references")


@pytest.mark.parametrize("module", ["click", "imbench.cli.app", "rich.table"])
def test_a_signal_while_the_command_imports_is_no_traceback(module):
    source = f"""
import builtins, os, signal
from imbench.cli import script
real = builtins.__import__
def slow(name, *rest, **more):
    if name == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest, **more)
builtins.__import__ = slow
script()
"""
    command = [sys.executable, "-c", source, "list", "protocols"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "", "interrupted")


@pytest.fixture
def heard():
    """No signal is ignored, as they are if the tests were started with ``nohup``."""
    ignored = [number for number in ENDINGS if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(
    ("verb", "where", "number"),
    [
        (["report", "STORE", "--to", "page"], "imbench.store.store.Store.contents", signal.SIGINT),
        (["publish", "STORE", "--to", "site"], "imbench.store.store.Store.contents", signal.SIGTERM),
        (["status", "--store", "STORE"], "imbench.store.store.Store.contents", signal.SIGHUP),
        (["evaluate", "scores.csv", "--higher"], "imbench.store.evaluation_files.read_scores", signal.SIGINT),
        (["reproduce", "table1", "--to", "pages"], "imbench.reproduce.catalogue.make", signal.SIGTERM),
        (["run", "--dataset", "TABLE"], "imbench.runs.bench.plan", signal.SIGHUP),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_every_verb_ends_in_order(verb, where, number, finished, table, imbench, monkeypatch, tmp_path):
    def signalled(*_, **__):
        os.kill(os.getpid(), number)
        time.sleep(LIMIT)

    Path("scores.csv").write_text("dataset,strategy,gmean\na,b,0.5\n")
    before = [signal.getsignal(one) for one in ENDINGS]
    monkeypatch.setattr(where, signalled)
    answer = imbench(*({"STORE": finished[0], "TABLE": table}.get(word, word) for word in verb))
    assert answer.code == 128 + number
    assert ENDINGS[number] in answer.err
    assert "Traceback" not in answer.err
    assert [signal.getsignal(one) for one in ENDINGS] == before


def test_signals_that_the_command_was_started_to_ignore_stay_ignored(monkeypatch, imbench):
    monkeypatch.setattr("imbench.cli.listing.emit_json", lambda _: os.kill(os.getpid(), signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert imbench("list", "protocols", "--json").code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_a_killed_run_leaves_goes_with_the_next(table, start, temporary, imbench, monkeypatch):
    process = start(*endless(table, "--jobs", "2"))
    wait_for(lambda: arrays_in(temporary), process)
    process.kill()
    process.wait()
    assert arrays_in(temporary)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    resumed = ["run", "--dataset", table, "--strategy", "baseline", "--protocol", "smoke", "--no-checks"]
    assert imbench(*resumed, "--store", "store", "--jobs", "1").code == 0
    assert not list(temporary.iterdir())
