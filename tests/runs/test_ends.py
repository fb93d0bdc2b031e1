"""However a run ends, no process outlives it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import pytest

from imbench.runs import worker
from imbench.runs.execution import LocalPool, Outcome, Started, Task, WorkerError
from tests.runs import chores

# Seconds within which what should happen happens, on however slow a machine.
LIMIT = 60.0


def is_alive(pid):
    """Whether the process runs; a zombie does, since somebody failed to reap it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan's new parent may take its time to reap it.
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and ") Z 1 " in stat.read_text())


def children():
    with subprocess.Popen(["ps", "-o", "pid=", "--ppid", str(os.getpid())], stdout=subprocess.PIPE, text=True) as ps:
        return {int(pid) for pid in ps.stdout} - {ps.pid}


def eventually(holds):
    deadline = time.monotonic() + LIMIT
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


def pids_in(folder, count):
    found = []

    def all_there():
        found[:] = [int(text) for file in folder.glob("pid*") if (text := file.read_text())]
        return len(found) == count

    deadline = time.monotonic() + LIMIT
    while not all_there() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all_there()
    return found


def sleepers(folder, count):
    return [Task(i, 1.0, partial(chores.sleep, folder / f"pid{i}")) for i in range(count)]


@pytest.fixture
def start_script(tmp_path):
    """Starts a script that runs two tasks that never end; it has no guard for its main module."""
    scripts = []

    def start(call="sleep"):
        file = tmp_path / "script.py"
        file.write_text(
            textwrap.dedent(f"""
            from functools import partial
            from imbench.runs.execution import LocalPool, Task
            from tests.runs import chores
            print("begun", flush=True)
            tasks = [Task(i, 1.0, partial(chores.{call}, {str(tmp_path)!r} + f"/pid{{i}}")) for i in range(2)]
            for event in LocalPool(2).run(tasks):
                pass
            """)
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        script = subprocess.Popen(
            [sys.executable, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        scripts.append(script)
        return script

    yield start
    for script in scripts:
        script.kill()
        script.communicate()


@pytest.mark.parametrize("call", ["sleep", "compute"])
def test_workers_end_when_their_parent_is_killed(start_script, tmp_path, call):
    script = start_script(call)
    pids = pids_in(tmp_path, 2)
    script.kill()
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_workers_end_when_their_parent_is_interrupted(start_script, tmp_path, number):
    script = start_script()
    pids = pids_in(tmp_path, 2)
    script.send_signal(number)
    script.wait(LIMIT)
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_workers_started_ends_with_their_parent(start_script, tmp_path, number):
    script = start_script("start_child_and_stay")
    children = pids_in(tmp_path, 2)
    script.send_signal(number)
    script.wait(LIMIT)
    assert eventually(lambda: not any(is_alive(pid) for pid in children))


@pytest.mark.parametrize("call", [chores.start_child, chores.start_child_and_vanish])
def test_what_a_task_started_ends_with_the_run_at_the_latest(tmp_path, call):
    list(LocalPool(1).run([Task(0, 1.0, partial(call, tmp_path / "pid"))]))
    (child,) = pids_in(tmp_path, 1)
    assert eventually(lambda: not is_alive(child))


def test_a_script_without_a_main_guard_is_run_once(start_script, tmp_path):
    script = start_script()
    pids_in(tmp_path, 2)
    script.send_signal(signal.SIGINT)
    out, err = script.communicate(timeout=LIMIT)
    assert out == "begun\n"
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_a_task_defined_in_the_script_itself_is_refused_with_advice(tmp_path):
    file = tmp_path / "script.py"
    file.write_text(
        "from imbench.runs.execution import LocalPool, Task\n"
        "def chore():\n    return 1\n"
        "print(list(LocalPool(1).run([Task(0, 1.0, chore)]))[-1].error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, env=environment, timeout=30)
    assert "define it in a module that can be imported" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_task_that_prints_to_a_full_stderr_does_not_fail():
    script = "from imbench.runs.execution import *; from tests.runs import chores\n"
    script += "print(list(LocalPool(1).run([Task(0, 1.0, chores.speak_python)]))[1].error)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (0, "None\n")


def test_closing_the_run_ends_its_workers_at_once(tmp_path):
    before = children()
    run = LocalPool(2).run(sleepers(tmp_path, 3))
    assert [next(run), next(run)] == [Started(0), Started(1)]
    pids = pids_in(tmp_path, 2)
    begun = time.monotonic()
    run.close()
    assert time.monotonic() - begun < 1
    assert not any(is_alive(pid) for pid in pids)
    assert children() == before


def test_an_error_in_whoever_listens_ends_the_workers(tmp_path):
    before = children()

    def listen():
        for _ in LocalPool(2).run(sleepers(tmp_path, 2)):
            pids_in(tmp_path, 1)
            raise RuntimeError("the listener fails")

    with pytest.raises(RuntimeError, match="the listener fails"):
        listen()
    assert eventually(lambda: children() == before)


def test_a_finished_run_leaves_no_process(tmp_path):
    before = children()
    tasks = [Task(i, 1.0, partial(chores.vanish, 3) if i % 2 else chores.who) for i in range(4)]
    assert sum(isinstance(event, Outcome) for event in LocalPool(2).run(tasks)) == 4
    assert children() == before


def test_a_worker_killed_from_outside_costs_its_task_and_is_replaced(tmp_path):
    tasks = [*sleepers(tmp_path, 1), *(Task(i, 0.5, partial(chores.square, i)) for i in range(1, 4))]
    run = LocalPool(1).run(tasks)
    assert next(run) == Started(0)
    os.kill(pids_in(tmp_path, 1)[0], signal.SIGKILL)
    ended = [event for event in run if isinstance(event, Outcome)]
    assert "SIGKILL" in ended[0].error
    assert [outcome.value for outcome in ended[1:]] == [1, 4, 9]


def test_workers_that_cannot_start_are_an_error_and_not_an_endless_loop(monkeypatch, capfd):
    monkeypatch.setattr(worker, "_BOOT", "raise SystemExit('this installation is broken')")
    before = children()
    with pytest.raises(WorkerError, match="exit code 1 while starting"):
        list(LocalPool(2).run([Task(0, 1.0, chores.who), Task(1, 1.0, chores.who)]))
    assert "this installation is broken" in capfd.readouterr().err
    assert children() == before
