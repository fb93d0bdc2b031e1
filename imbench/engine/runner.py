"""Run one step of training many times: by calling it, or by replaying a recording of what it does on a GPU."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch

Step = Callable[[], None]

# Steps of each function before it is recorded, so that libraries have set up and chosen what they set up and choose
# at a first call; PyTorch's own advice. They are steps like any other: none is lost.
WARM_UPS = 3


class Runner(Protocol):
    """One way to run the steps of a stack of nets.

    A step is a function without arguments or result. It reads and writes tensors that stay at their addresses until
    `forget`, launches the same operations each time, and never waits for the device.

    Attributes
    ----------
    idle_share : share of nets that have ended which a stack carries along before it is packed anew, which moves every
        tensor
    """

    idle_share: float

    def run(self, step: Step, times: int = 1) -> None:
        """Take the step so many times."""

    def forget(self) -> None:
        """Tensors are about to move, or are no longer needed."""


class Eager:
    """Steps as calls."""

    idle_share = 0.0

    def run(self, step: Step, times: int = 1) -> None:
        """See `Runner.run`."""
        for _ in range(times):
            step()

    def forget(self) -> None:
        """See `Runner.forget`; a call holds nothing."""


class Recorder(Protocol):
    """What can record a step and play it again."""

    def warm_up(self, step: Step) -> None:
        """Take one step where it will be recorded."""

    def record(self, step: Step) -> Step:
        """Record a step without taking it; what is returned takes it. Raises RuntimeError where that cannot be."""

    def settle(self) -> None:
        """Wait until nothing recorded is running."""


class Graphed:
    """Steps as replays of a recording: one launch for all operations of a step.

    Where a step cannot be recorded, a warning says so once, and steps are calls from then on.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.idle_share = 0.25
        self._recorder = recorder
        self._replays: dict[Step, Step] = {}
        self._warm: Counter[Step] = Counter()

    def run(self, step: Step, times: int = 1) -> None:
        """See `Runner.run`."""
        for _ in range(times):
            if step in self._replays:
                self._replays[step]()
            elif self._warm[step] < WARM_UPS:
                self._warm[step] += 1
                self._recorder.warm_up(step)
            else:
                self._replays[step] = self._recorded(step)
                self._replays[step]()

    def forget(self) -> None:
        """See `Runner.forget`."""
        if self._replays:
            self._recorder.settle()
        self._replays.clear()
        self._warm.clear()

    def _recorded(self, step: Step) -> Step:
        if not self.idle_share:
            return step
        try:
            return self._recorder.record(step)
        except RuntimeError as error:
            self.idle_share = 0.0
            warnings.warn(f"training goes on without CUDA graphs, which may be slower: {error}", stacklevel=2)
            return step


class CudaRecorder:
    """CUDA graphs, recorded on a stream of their own.

    Not measured, and run on no GPU so far; written by the rules of
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Warm-ups and recordings share it: libraries keep their handles and workspaces by stream.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, step: Step) -> None:
        """See `Recorder.warm_up`; in order with what the current stream did and will do."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            step()
        current.wait_stream(self._stream)

    def record(self, step: Step) -> Step:
        """See `Recorder.record`; what the step allocates stays reserved for the graph as long as it lives."""
        current = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                step()
        finally:
            # A recording that fails at its end leaves its stream the current one.
            torch.cuda.set_stream(current)
        return graph.replay

    def settle(self) -> None:
        """See `Recorder.settle`."""
        torch.cuda.synchronize(self._device)


def runner_for(device: torch.device | str) -> Runner:
    """Graphs on a GPU, where launching is what small operations cost; calls elsewhere."""
    chosen = torch.device(device)
    return Graphed(CudaRecorder(chosen)) if chosen.type == "cuda" else Eager()
