"""What becomes of tasks, in this process or in workers."""

import os
import signal
import threading
from functools import partial

import pytest

from imbench.runs import worker
from imbench.runs.execution import InProcess, LocalPool, Outcome, Started, Task
from tests.runs import chores

EXECUTORS = [InProcess(), LocalPool(1), LocalPool(2)]


def run(executor, *calls, costs=None):
    costs = costs or [1.0] * len(calls)
    return list(executor.run([Task(i, cost, call) for i, (call, cost) in enumerate(zip(calls, costs, strict=True))]))


def outcomes(events):
    return {event.index: event for event in events if isinstance(event, Outcome)}


@pytest.fixture(params=EXECUTORS, ids=["in-process", "one-worker", "two-workers"])
def executor(request):
    return request.param


def test_every_task_has_one_start_and_then_one_outcome(executor):
    events = run(executor, *(partial(chores.square, i) for i in range(7)))
    assert {i: outcome.value for i, outcome in outcomes(events).items()} == {i: i * i for i in range(7)}
    for i in range(7):
        assert [type(event) for event in events if event.index == i] == [Started, Outcome]


def test_costly_tasks_go_first_and_equals_in_order(executor):
    events = run(executor, *[partial(chores.square, 1)] * 5, costs=[1.0, 5.0, 2.0, 5.0, 3.0])
    assert [event.index for event in events if isinstance(event, Started)] == [1, 3, 4, 2, 0]


def test_no_tasks_are_no_events(executor):
    assert run(executor) == []


def test_an_exception_is_an_outcome_with_its_message_and_traceback(executor):
    outcome = outcomes(run(executor, chores.refuse, partial(chores.square, 3)))
    assert outcome[1].value == 9
    assert outcome[0].value is None
    assert outcome[0].error == "RefusalError: not today"
    assert "in refuse" in outcome[0].traceback


def test_an_exit_inside_a_task_is_an_error_like_any_other(executor):
    outcome = outcomes(run(executor, partial(chores.leave, 4), partial(chores.square, 3)))
    assert (outcome[0].error, outcome[1].value) == ("SystemExit: 4", 9)


def test_time_is_that_of_the_task(executor, tmp_path):
    outcome = outcomes(run(executor, partial(chores.sleep, tmp_path / "pid", 0.2)))
    assert 0.2 <= outcome[0].seconds < 2


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (partial(chores.vanish, 3), "exit code 3"),
        (partial(chores.vanish, 0), "exit code 0"),
        (partial(chores.kill_self, signal.SIGKILL), "SIGKILL"),
        (partial(chores.kill_self, signal.SIGTERM), "SIGTERM"),
        (chores.segfault, "SIGSEGV"),
    ],
)
def test_a_worker_that_dies_costs_only_its_task(call, reason):
    outcome = outcomes(run(LocalPool(2), call, *(partial(chores.square, i) for i in range(1, 6)), costs=[9, *[1] * 5]))
    assert reason in outcome[0].error
    assert [outcome[i].value for i in range(1, 6)] == [1, 4, 9, 16, 25]


def test_every_worker_may_die_again_and_again():
    outcome = outcomes(run(LocalPool(2), *[partial(chores.vanish, 5)] * 6))
    assert [outcome[i].error for i in range(6)] == ["its worker process ended with exit code 5"] * 6


def test_what_a_worker_left_running_does_not_keep_its_death_from_being_noticed(tmp_path):
    """A child in a session of its own outlives the worker, and keeps its pipes open."""
    outcome = outcomes(run(LocalPool(1), partial(chores.vanish_leaving_a_daemon, tmp_path / "pid")))
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert "exit code 7" in outcome[0].error


GARBAGE = [b"x", b"hello\n" * 50, bytes(16), worker._MARK + bytes(worker._HEAD.size), b"\x80\x04K\x01."]


@pytest.mark.parametrize("content", GARBAGE, ids=["letter", "lines", "zeros", "empty message", "pickle"])
def test_garbage_on_a_workers_pipe_costs_its_task_only(content):
    calls = partial(chores.write_to_pipes, content), partial(chores.square, 3)
    outcome = outcomes(run(LocalPool(1), *calls, costs=[2, 1]))
    assert "sent data that is not a result" in outcome[0].error
    assert outcome[1].value == 9


def test_a_task_that_closes_every_file_costs_itself_only():
    outcome = outcomes(run(LocalPool(1), chores.close_all, partial(chores.square, 3), costs=[2, 1]))
    assert "its worker process ended with exit code 1" in outcome[0].error
    assert outcome[1].value == 9


def test_what_python_prints_while_it_starts_is_no_garbage(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import os; os.write(1, b'welcome to this cluster')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert outcomes(run(LocalPool(1), partial(chores.square, 3)))[0].value == 9


@pytest.mark.parametrize("executor", [InProcess(), LocalPool(1)], ids=["in-process", "one-worker"])
def test_a_copy_of_the_process_that_a_task_forks_does_nothing_twice(executor, tmp_path):
    calls = partial(chores.fork_and_return, tmp_path / "pids"), partial(chores.fork_and_return, tmp_path / "pids")
    outcome = outcomes(run(executor, *calls))
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 4  # of two tasks, each in the process and in one copy of it
    assert outcome[0].value == outcome[1].value
    assert pids.count(outcome[0].value) == 2


def test_os_exit_is_an_error_of_the_task_where_it_would_end_the_run():
    outcome = outcomes(run(InProcess(), partial(chores.vanish, 3), partial(chores.square, 3)))
    assert (outcome[0].error, outcome[1].value) == ("SystemExit: os._exit(3)", 9)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: 1, "cannot be sent to a worker process"),
        (partial(chores.square, threading.Lock()), "cannot be sent to a worker process"),
        (partial(chores.square, chores.Unreadable()), "cannot be read in a worker process"),
        (chores.unpicklable_result, "its result cannot be sent back"),
        (chores.unreadable_result, "its result cannot be read"),
    ],
    ids=["lambda", "argument", "unreadable argument", "result", "unreadable result"],
)
def test_what_cannot_travel_is_an_outcome_that_says_so(call, reason):
    outcome = outcomes(run(LocalPool(1), call, partial(chores.square, 3)))
    assert reason in outcome[0].error
    assert outcome[1].value == 9


def test_tasks_run_side_by_side(tmp_path):
    """One waits for what the other does, so in turn they would never end."""
    flag = tmp_path / "flag"
    outcome = outcomes(run(LocalPool(2), partial(chores.wait_for, flag), partial(chores.touch, flag), costs=[2, 1]))
    assert flag.exists()
    assert outcome[0].value != outcome[1].value


def test_workers_stay_warm_between_tasks():
    outcome = outcomes(run(LocalPool(1), *[chores.count_calls] * 4))
    assert sorted(o.value for o in outcome.values()) == [1, 2, 3, 4]


def test_workers_collect_garbage_but_not_among_the_modules_of_their_start():
    collects, frozen = outcomes(run(LocalPool(1), chores.garbage_collection))[0].value
    assert collects
    assert frozen > 0


def test_no_more_workers_than_tasks():
    outcome = outcomes(run(LocalPool(50), chores.who, chores.who))
    assert len({o.value for o in outcome.values()}) <= 2


@pytest.mark.parametrize("threads", [1, 2])
def test_numerical_libraries_use_the_threads_they_were_given_whatever_the_environment(threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert outcomes(run(LocalPool(1, threads), chores.threads))[0].value == {threads}


def test_workers_ignore_interrupts():
    assert outcomes(run(LocalPool(1), chores.ignore_interrupt))[0].value == "still here"


def test_what_tasks_print_goes_to_stderr_and_they_have_no_input(capfd):
    assert outcomes(run(LocalPool(1), chores.speak))[0].value == ""
    out, err = capfd.readouterr()
    assert out == ""
    assert "said in Python" in err
    assert "said by a program" in err


def test_what_a_task_prints_here_goes_to_stderr(capfd):
    run(InProcess(), chores.speak_python)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "said in Python\n")


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_a_pool_needs_a_whole_number_of_workers(workers):
    with pytest.raises(ValueError, match=r"LocalPool\.workers must be a whole number of at least 1"):
        LocalPool(workers)


def test_what_a_task_needs_is_prepared_here_before_it_is_handed_out(executor, tmp_path):
    here, flags = [], [tmp_path / f"flag{i}" for i in range(3)]

    def prepare(flag):
        here.append(os.getpid())
        flag.touch()

    tasks = [Task(i, 1.0, flag.exists, partial(prepare, flag)) for i, flag in enumerate(flags)]
    assert all(outcome.value for outcome in outcomes(executor.run(tasks)).values())
    assert here == [os.getpid()] * 3


def test_a_failed_preparation_is_its_tasks_failure(executor):
    tasks = [Task(0, 2.0, chores.who, chores.refuse), Task(1, 1.0, partial(chores.square, 3))]
    outcome = outcomes(executor.run(tasks))
    assert (outcome[0].error, outcome[1].value) == ("RefusalError: not today", 9)
