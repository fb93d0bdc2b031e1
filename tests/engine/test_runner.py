"""Steps by replay are the steps by call, each taken once; what cannot be recorded is called."""

import warnings

import pytest
import torch

from imbench.engine.runner import WARM_UPS, Eager, Graphed, runner_for
from tests.engine.recorded import Recorder


def counting():
    """A tensor, and a step that adds 1 to it."""
    count = torch.zeros(2)
    return count, lambda: count.add_(1)


@pytest.mark.parametrize("times", [1, WARM_UPS, WARM_UPS + 1, 20])
def test_every_step_is_taken_once_whether_warming_up_recording_or_replaying(times):
    count, step = counting()
    recorder = Recorder()
    Graphed(recorder).run(step, times)
    assert count.tolist() == [times, times]
    assert (recorder.warm_ups, recorder.replays) == (min(times, WARM_UPS), max(0, times - WARM_UPS))


def test_a_step_is_recorded_once_and_once_more_when_tensors_move():
    (count, step), recorder = counting(), Recorder()
    runner = Graphed(recorder)
    for _ in range(5):
        runner.run(step, 4)
    assert recorder.recordings == 1
    runner.forget()
    runner.run(step, 10)
    assert (recorder.recordings, count[0]) == (2, 30)


def test_two_steps_have_their_own_recordings():
    (first, step), (second, other), recorder = counting(), counting(), Recorder()
    runner = Graphed(recorder)
    for _ in range(10):
        runner.run(step)
        runner.run(other)
    assert (recorder.recordings, first[0], second[0]) == (2, 10, 10)


def test_what_cannot_be_recorded_is_called_with_one_notice():
    count = torch.zeros(1)

    def step():
        count.add_(1 if count.item() >= 0 else 0)  # waits for the device

    runner = Graphed(Recorder())
    with pytest.warns(UserWarning, match="without CUDA graphs.*_local_scalar_dense"):
        runner.run(step, 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner.run(step, 10)
        runner.forget()
        runner.run(step, 10)
    assert (count.item(), runner.idle_share) == (30, 0.0)


def test_a_recording_reads_what_its_tensors_hold_when_it_is_replayed_and_no_other_tensor():
    held, total = {"now": torch.ones(1)}, torch.zeros(1)

    def step():
        total.add_(held["now"])

    runner = Graphed(Recorder())
    runner.run(step, WARM_UPS + 1)
    held["now"].fill_(10)
    runner.run(step)
    assert total == WARM_UPS + 1 + 10
    held["now"] = torch.zeros(1)
    runner.run(step)
    assert total == WARM_UPS + 1 + 20


def test_a_cpu_calls():
    assert isinstance(runner_for("cpu"), Eager)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_replays():
    count = torch.zeros(1, device="cuda")
    runner = runner_for("cuda")
    runner.run(lambda: count.add_(1), 3)  # a function of its own each time: nothing is recorded
    step = lambda: count.add_(1)  # noqa: E731
    runner.run(step, 20)
    assert count.item() == 23
