"""A call that hangs, swells or is killed is its own failure, and the others go on."""

import math
import os
import signal
import sys
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.contract.quantities import duration, memory_size, read_duration, read_memory
from imbench.runs.execution import LocalPool, Outcome, Started, Task, WorkerCaller
from imbench.runs.machine import available_memory
from imbench.runs.memory import exact_memory_of, memory_of
from imbench.runs.worker import Limits
from tests.runs import chores

FEW = 400e6  # bytes; a worker that has imported nothing takes 20 MB


def outcomes(pool, call, limits, others=4):
    tasks = [
        Task(0, 9.0, call, limits=limits),
        *(Task(i, 1.0, partial(chores.square, i)) for i in range(1, others + 1)),
    ]
    events = list(pool.run(tasks))
    assert [type(event) for event in events if event.index == 0] == [Started, Outcome]
    found = {event.index: event for event in events if isinstance(event, Outcome)}
    assert [found[i].value for i in range(1, others + 1)] == [i * i for i in range(1, others + 1)]
    return found[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_call_that_hangs_ends_at_its_time_limit(tmp_path, workers):
    outcome = outcomes(LocalPool(workers), partial(chores.sleep, tmp_path / "pid"), Limits(seconds=0.5))
    assert "its worker process exceeded the time limit of 0.5 s" in outcome.error
    assert "--timeout" in outcome.error
    assert 0.5 <= outcome.seconds < 5


@pytest.mark.parametrize("call", [chores.swell, chores.swell_in_a_child])
def test_a_call_that_swells_ends_at_its_memory_limit(tmp_path, call):
    outcome = outcomes(LocalPool(2), partial(call, tmp_path / "pid"), Limits(memory=FEW, seconds=60))
    assert "its worker process exceeded the memory limit of 400 MB" in outcome.error
    assert "--memory" in outcome.error
    if call is chores.swell_in_a_child:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_the_memory_limit_of_a_pool_is_for_calls_that_have_none(tmp_path):
    pool = LocalPool(2, memory=FEW)
    assert "memory limit of 400 MB" in outcomes(pool, partial(chores.swell, tmp_path / "pid"), Limits()).error


def test_by_default_workers_share_what_the_machine_has():
    assert 0 < LocalPool(4).memory == pytest.approx(available_memory() / 4, rel=0.2)


def test_pages_that_a_forked_child_shares_count_once():
    assert (
        outcomes(LocalPool(1), partial(chores.fork_while_large, 300_000_000), Limits(memory=FEW)).value == 300_000_000
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told")
def test_what_a_call_has_freed_is_free_for_other_processes():
    tasks = [Task(0, 9.0, partial(chores.free, 400_000_000)), Task(1, 1.0, chores.own_memory)]
    assert {e.index: e.value for e in LocalPool(1).run(tasks) if isinstance(e, Outcome)}[1] < 200e6


def test_a_process_that_has_ended_uses_no_memory():
    assert memory_of(2**22 + 1) == exact_memory_of(2**22 + 1) == 0


def test_time_counts_from_the_start_of_each_call():
    """Each takes less than the limit, all together more."""
    tasks = [Task(i, 1.0, partial(chores.sleep, os.devnull, 0.4), limits=Limits(seconds=1.0)) for i in range(4)]
    assert [e.error for e in LocalPool(1).run(tasks) if isinstance(e, Outcome)] == [None] * 4


@pytest.mark.parametrize(("deaths", "retries", "value"), [(0, 0, 1), (1, 0, None), (2, 2, 3), (3, 2, None)])
def test_a_call_whose_process_was_ended_by_a_signal_is_made_again(tmp_path, deaths, retries, value):
    outcome = outcomes(LocalPool(2), partial(chores.kill_self_at_first, deaths, tmp_path), Limits(retries=retries))
    assert outcome.value == value
    assert len(list(tmp_path.iterdir())) == min(deaths, retries) + 1


def test_a_worker_that_became_idle_meanwhile_makes_the_call_again(tmp_path):
    # Long enough for the other worker to make all other calls and wait.
    call = partial(chores.kill_self_at_first, 2, tmp_path, 1.5)
    assert outcomes(LocalPool(2), call, Limits(retries=2)).value == 3


@pytest.mark.parametrize("call", [chores.refuse, partial(chores.vanish, 3)])
def test_errors_exits_and_exceeded_limits_are_not_made_again(call):
    assert "not today" in (error := outcomes(LocalPool(1), call, Limits(retries=5)).error) or "exit code 3" in error


def test_an_exceeded_limit_is_not_tried_again(tmp_path):
    call = partial(chores.sleep, tmp_path / "pid")
    assert outcomes(LocalPool(1), call, Limits(seconds=0.3, retries=5)).seconds < 1.2


@pytest.fixture
def caller():
    caller = WorkerCaller(memory=FEW)
    yield caller
    caller.close()


def test_a_caller_answers_whatever_becomes_of_its_process(caller, tmp_path):
    import pickle

    def call(function, *given, **limits):
        return caller.call(pickle.dumps(partial(function, *given)), Limits(**limits))

    assert pickle.loads(call(chores.square, 3).value) == 9
    first = pickle.loads(call(chores.who).value)
    assert pickle.loads(call(chores.who).value) == first
    assert "exit code 3" in call(chores.vanish, 3).error
    assert "time limit of 0.3 s" in call(chores.sleep, tmp_path / "pid", seconds=0.3).error
    assert "memory limit of 400 MB" in call(chores.swell, tmp_path / "pid").error
    assert "SIGKILL" in call(chores.kill_self, signal.SIGKILL).error
    (calls := tmp_path / "calls").mkdir()
    assert pickle.loads(call(chores.kill_self_at_first, 1, calls, retries=1).value) == 2
    assert pickle.loads(call(chores.who).value) != first


@given(st.integers(1, 10**6))
def test_durations_are_read_in_every_unit(number):
    assert read_duration(f"{number}", "x") == read_duration(f"{number} s", "x") == number
    assert read_duration(f"{number}m", "x") == 60 * number
    assert read_duration(f"{number}h", "x") == 3600 * number
    assert read_memory(f"{number}MB", "x") == 1e6 * number
    assert duration(number)
    assert memory_size(number)


@given(st.text(alphabet="abcxyz-.,:/ \n€"))
def test_any_other_text_is_refused_by_name(text):
    for read in (read_duration, read_memory):
        with pytest.raises(UsageError) as error:
            read(text, "--limit")
        assert f"--limit {text!r} is not" in str(error.value)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "1x", "", "inf", "nan", "1e3"])
def test_these_are_no_durations(text):
    with pytest.raises(UsageError, match="write for example"):
        read_duration(text, "--timeout")


def test_none_is_no_limit():
    assert read_duration("none", "x") == read_memory("none", "x") == math.inf
