"""Trainers of net groups: all in one stack, or one after another in the fused engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from imbench.contract.errors import exit_error
from imbench.engine.mlp import Mlp
from imbench.engine.net_group import NetGroup
from imbench.engine.runner import Runner
from imbench.engine.stack_slice import StackSlice
from imbench.engine.stacked import StackedNets

if TYPE_CHECKING:
    from imbench.engine.fused import FusedNets

# A net group that has ended, with the exception that ended it, if any.
Ended = tuple[NetGroup, Exception | None]


class Trainer(Protocol):
    """Trains net groups until all have ended."""

    def train_until_some_end(self) -> list[Ended]:
        """Train until some net groups end, and return those; an empty list if none is left."""

    def drop(self, net_group: NetGroup) -> None:
        """Stop training this net group."""

    def close(self) -> None:
        """Release all resources; call this after training."""


class SequentialTrainer:
    """Trains net groups one after another in the fused engine.

    Parameters
    ----------
    net_groups : net groups of dense nets
    engine : `imbench.engine.fused.FusedNets`
    """

    def __init__(self, net_groups: Sequence[NetGroup], engine: type[FusedNets]) -> None:
        self._active = list(net_groups)
        self._engine = engine

    def train_until_some_end(self) -> list[Ended]:
        """See `Trainer.train_until_some_end`."""
        if not self._active:
            return []
        net_group = self._active.pop(0)
        return [(net_group, _attempt(partial(self._train, net_group)))]

    def drop(self, net_group: NetGroup) -> None:
        """See `Trainer.drop`."""
        self._active = [other for other in self._active if other is not net_group]

    def close(self) -> None:
        """See `Trainer.close`."""

    def _train(self, net_group: NetGroup) -> None:
        net = net_group.architecture
        assert isinstance(net, Mlp)  # the fused engine is chosen for tabular data only
        nets = self._engine(
            net, net_group.weights(), net_group.dropout_streams(), net_group.strategy, net_group.protocol
        )
        net_group.nets = nets
        while not net_group.done:
            block = net_group.next_block()
            start = time.perf_counter()
            losses = torch.from_numpy(nets.advance(*block))
            net_group.add_seconds((time.perf_counter() - start) / len(losses))
            net_group.close_block(losses)


class StackedTrainer:
    """Trains the nets of all net groups as one stack, step by step; net groups can begin and end epochs independently.

    Parameters
    ----------
    net_groups : net groups with equal architecture and protocol, and the same strategy unless all strategies have the
        default loss and forward pass
    runner : runs the steps; default: `imbench.engine.runner.runner_for` the device
    """

    def __init__(self, net_groups: Sequence[NetGroup], runner: Runner | None = None) -> None:
        self._waiting, self._runner = list(net_groups), runner
        self._nets: StackedNets | None = None
        self._active: dict[NetGroup, StackSlice] = {}
        self._ended: list[Ended] = []

    def train_until_some_end(self) -> list[Ended]:
        """See `Trainer.train_until_some_end`."""
        while (self._active or self._waiting) and not self._ended:
            # An error of the whole stack, such as running out of memory, ends all net groups.
            error = _attempt(self._take_steps if self._nets else self._stack)
            if error is not None:
                self._ended += [(net_group, error) for net_group in (*self._active, *self._waiting)]
                self._active, self._waiting = {}, []
        ended, self._ended = self._ended, []
        return ended

    def drop(self, net_group: NetGroup) -> None:
        """See `Trainer.drop`."""
        if net_group in self._active:
            self._active.pop(net_group).keep(np.zeros(0, int))

    def close(self) -> None:
        """See `Trainer.close`."""
        if self._nets is not None:
            self._nets.close()

    def _stack(self) -> None:
        """Build one stack of the nets of all net groups."""
        first = self._waiting[0]
        self._nets = StackedNets(
            first.architecture,
            [weights for net_group in self._waiting for weights in net_group.weights()],
            [rng for net_group in self._waiting for rng in net_group.dropout_streams()],
            first.strategy,
            first.protocol,
            first.table.x.device,
            capacity=(max(g.batches.longest for g in self._waiting), max(g.batches.batch_size for g in self._waiting)),
            runner=self._runner,
        )
        place = 0
        for net_group in self._waiting:
            net_group.nets = self._active[net_group] = self._nets.add_slice(place, len(net_group.folds))
            place += len(net_group.folds)
        self._waiting = []

    def _take_steps(self) -> None:
        """Take steps until some net groups reach the end of their blocks, and close those blocks."""
        assert self._nets is not None
        for net_group, stack_slice in list(self._active.items()):
            if not stack_slice.steps_left:
                self._run_for(net_group, partial(self._load, net_group))
        if not self._active:
            return
        steps = min(stack_slice.steps_left for stack_slice in self._active.values())
        seconds = _timed(partial(self._nets.run, steps))
        for net_group, stack_slice in list(self._active.items()):
            if stack_slice.error is not None:
                self._end(net_group, stack_slice.error)
        due = [net_group for net_group, stack_slice in self._active.items() if not stack_slice.steps_left]
        # A GPU may still compute these steps; meanwhile the next blocks are prepared.
        for net_group in due:
            net_group.prefetch()
        if any(net_group.ends_epoch for net_group in due):
            seconds += _timed(self._nets.wait)
        each = seconds / max(1, sum(len(stack_slice.positions) for stack_slice in self._active.values()))
        for net_group in self._active:
            net_group.add_seconds(each)
        for net_group in due:
            self._run_for(net_group, partial(self._close_block, net_group))

    def _load(self, net_group: NetGroup) -> None:
        self._active[net_group].load(*net_group.next_block())

    def _close_block(self, net_group: NetGroup) -> None:
        net_group.close_block(self._active[net_group].pop_losses())

    def _run_for(self, net_group: NetGroup, action: Callable[[], None]) -> None:
        """Run an action on a net group, and end the group if the action fails or its last net has finished."""
        error = _attempt(action)
        if error is not None or net_group.done:
            self._end(net_group, error)

    def _end(self, net_group: NetGroup, error: Exception | None) -> None:
        self.drop(net_group)
        self._ended.append((net_group, error))


def _timed(action: Callable[[], None]) -> float:
    """Seconds that the action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _attempt(action: Callable[[], None]) -> Exception | None:
    """Run the action and return its exception, if any: it is the result of one job, and other jobs continue."""
    try:
        action()
    except Exception as error:
        return error
    except SystemExit as error:
        return exit_error(error)
    return None
