"""Trainers of net groups: many as one stack in lockstep, or one after another in the fused engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from imbench.engine.mlp import Mlp
from imbench.engine.net_group import NetGroup
from imbench.engine.part import Part
from imbench.engine.runner import Runner
from imbench.engine.stacked import StackedNets

if TYPE_CHECKING:
    from imbench.engine.fused import FusedNets

# A net group that has ended, and what went wrong with it if anything did.
Ended = tuple[NetGroup, Exception | None]


class Trainer(Protocol):
    """Trains net groups, each to its end."""

    def until_some_end(self) -> list[Ended]:
        """Train until some net groups end, and return them; an empty list means that none is left."""

    def drop(self, net_group: NetGroup) -> None:
        """Stop training this net group."""

    def close(self) -> None:
        """Training is over."""


class SequentialTrainer:
    """Net groups one after another, each with nets of its own in the fused engine."""

    def __init__(self, net_groups: Sequence[NetGroup], engine: type[FusedNets]) -> None:
        self._going = list(net_groups)
        self._engine = engine

    def until_some_end(self) -> list[Ended]:
        """See `Trainer.until_some_end`."""
        if not self._going:
            return []
        net_group = self._going.pop(0)
        return [(net_group, _attempt(partial(self._train, net_group)))]

    def drop(self, net_group: NetGroup) -> None:
        """See `Trainer.drop`."""
        self._going = [other for other in self._going if other is not net_group]

    def close(self) -> None:
        """See `Trainer.close`."""

    def _train(self, net_group: NetGroup) -> None:
        net = net_group.architecture
        assert isinstance(net, Mlp)  # the fused engine is chosen for tables alone
        nets = self._engine(
            net, net_group.weights(), net_group.dropout_streams(), net_group.strategy, net_group.protocol
        )
        net_group.nets = nets
        while not net_group.done:
            block = net_group.next_block()
            start = time.perf_counter()
            losses = torch.from_numpy(nets.advance(*block))
            net_group.spend((time.perf_counter() - start) / len(losses))
            net_group.close_block(losses)


class StackedTrainer:
    """Net groups whose nets are one stack, in lockstep by steps: each begins and ends its epochs at steps of its own.

    Parameters
    ----------
    net_groups : of one architecture and protocol; of one strategy, unless all keep the default loss and forward pass
    runner : how steps are run; default: what suits the device
    """

    def __init__(self, net_groups: Sequence[NetGroup], runner: Runner | None = None) -> None:
        self._waiting, self._runner = list(net_groups), runner
        self._nets: StackedNets | None = None
        self._going: dict[NetGroup, Part] = {}
        self._ended: list[Ended] = []

    def until_some_end(self) -> list[Ended]:
        """See `Trainer.until_some_end`."""
        while (self._going or self._waiting) and not self._ended:
            # What goes wrong with the stack as a whole, for want of memory perhaps, goes wrong with every net_group.
            error = _attempt(self._take_steps if self._nets else self._stack)
            if error is not None:
                self._ended += [(net_group, error) for net_group in (*self._going, *self._waiting)]
                self._going, self._waiting = {}, []
        ended, self._ended = self._ended, []
        return ended

    def drop(self, net_group: NetGroup) -> None:
        """See `Trainer.drop`."""
        if net_group in self._going:
            self._going.pop(net_group).keep(np.zeros(0, int))

    def close(self) -> None:
        """See `Trainer.close`."""
        if self._nets is not None:
            self._nets.close()

    def _stack(self) -> None:
        """Make one stack of all nets."""
        first = self._waiting[0]
        self._nets = StackedNets(
            first.architecture,
            [weights for net_group in self._waiting for weights in net_group.weights()],
            [rng for net_group in self._waiting for rng in net_group.dropout_streams()],
            first.strategy,
            first.protocol,
            first.table.x.device,
            room=(max(c.batches.longest for c in self._waiting), max(c.batches.batch_size for c in self._waiting)),
            runner=self._runner,
        )
        place = 0
        for net_group in self._waiting:
            net_group.nets = self._going[net_group] = self._nets.part(place, len(net_group.folds))
            place += len(net_group.folds)
        self._waiting = []

    def _take_steps(self) -> None:
        """As many steps as every net group has at hand; then those at the end of their block close it."""
        assert self._nets is not None
        for net_group, part in list(self._going.items()):
            if not part.left:
                self._with(net_group, partial(self._load, net_group))
        if not self._going:
            return
        steps = min(part.left for part in self._going.values())
        seconds = _timed(partial(self._nets.run, steps))
        for net_group, part in list(self._going.items()):
            if part.error is not None:
                self._end(net_group, part.error)
        due = [net_group for net_group, part in self._going.items() if not part.left]
        # While a GPU is still at these steps, what can be done before they are over.
        for net_group in due:
            net_group.look_ahead()
        if any(net_group.ends_epoch for net_group in due):
            seconds += _timed(self._nets.wait)
        each = seconds / max(1, sum(len(part.columns) for part in self._going.values()))
        for net_group in self._going:
            net_group.spend(each)
        for net_group in due:
            self._with(net_group, partial(self._close_block, net_group))

    def _load(self, net_group: NetGroup) -> None:
        self._going[net_group].load(*net_group.next_block())

    def _close_block(self, net_group: NetGroup) -> None:
        net_group.close_block(self._going[net_group].losses())

    def _with(self, net_group: NetGroup, action: Callable[[], None]) -> None:
        """An action on one net group, which ends it if it fails or trains its last net to the end."""
        error = _attempt(action)
        if error is not None or net_group.done:
            self._end(net_group, error)

    def _end(self, net_group: NetGroup, error: Exception | None) -> None:
        self.drop(net_group)
        self._ended.append((net_group, error))


def _timed(action: Callable[[], None]) -> float:
    """The seconds it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _attempt(action: Callable[[], None]) -> Exception | None:
    """What goes wrong, be it in a plugin or in training: it is the job's result, and no other job's."""
    try:
        action()
    except Exception as error:
        return error
    return None
