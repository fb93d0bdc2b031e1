"""Run a training step many times: by calling it, or on a GPU by replaying a recording of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch

Step = Callable[[], None]

# Calls of each step before it is recorded, as PyTorch recommends, so that libraries have finished their one-time setup.
# These calls are regular training steps.
WARM_UPS = 3


class Runner(Protocol):
    """Runs the steps of a stack of nets.

    A step is a function without arguments or result. It reads and writes tensors at addresses that stay fixed until
    `forget`, launches the same operations each time, and never waits for the device.

    Attributes
    ----------
    idle_share : largest share of ended nets that a stack keeps before it is packed; packing moves all tensors
    """

    idle_share: float

    def run(self, step: Step, times: int = 1) -> None:
        """Run the step ``times`` times."""

    def forget(self) -> None:
        """Discard all recordings; call this before tensors are moved or freed."""


class Eager:
    """Runs steps by calling them."""

    idle_share = 0.0

    def run(self, step: Step, times: int = 1) -> None:
        """See `Runner.run`."""
        for _ in range(times):
            step()

    def forget(self) -> None:
        """See `Runner.forget`; there are no recordings."""


class Recorder(Protocol):
    """Records a step for replay."""

    def warm_up(self, step: Step) -> None:
        """Run the step once, on the stream that will record it."""

    def record(self, step: Step) -> Step:
        """Record the step without running it, and return a function that replays it.

        Raises RuntimeError for a step that cannot be recorded.
        """

    def synchronize(self) -> None:
        """Wait until all replays have finished."""


class Graphed:
    """Runs steps by replaying recordings: a single launch for all operations of a step.

    If a step cannot be recorded, this warns once and calls all further steps instead.
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
            self._recorder.synchronize()
        self._replays.clear()
        self._warm.clear()

    def _recorded(self, step: Step) -> Step:
        if not self.idle_share:
            return step
        try:
            return self._recorder.record(step)
        except RuntimeError as error:
            self.idle_share = 0.0
            warnings.warn(f"training continues without CUDA graphs and may be slower: {error}", stacklevel=2)
            return step


class CudaRecorder:
    """Records CUDA graphs, on a separate stream.

    NOTE: not run or measured on a GPU so far; written after
    https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # Shared by warm-up and recording, since libraries keep handles and workspaces for each stream.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def warm_up(self, step: Step) -> None:
        """See `Recorder.warm_up`; ordered with the work of the current stream."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            step()
        current.wait_stream(self._stream)

    def record(self, step: Step) -> Step:
        """See `Recorder.record`; memory that the step allocates stays reserved while the graph exists."""
        current = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                step()
        finally:
            # A recording that fails at its end does not restore the current stream.
            torch.cuda.set_stream(current)
        return graph.replay

    def synchronize(self) -> None:
        """See `Recorder.synchronize`."""
        torch.cuda.synchronize(self._device)


def runner_for(device: torch.device | str) -> Runner:
    """`Graphed` on a GPU, where launches dominate the cost of small operations; `Eager` on other devices."""
    chosen = torch.device(device)
    return Graphed(CudaRecorder(chosen)) if chosen.type == "cuda" else Eager()
