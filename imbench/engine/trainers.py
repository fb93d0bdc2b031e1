"""Cohorts on their way to the end: many as one stack in lockstep, or one by itself in the fused engine."""

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

# A cohort that has ended, and what went wrong with it if anything did.
Ended = tuple[NetGroup, Exception | None]


class Trainer(Protocol):
    """Trains cohorts, each to its end."""

    def until_some_end(self) -> list[Ended]:
        """Train until some cohorts end; none is left if that is none."""

    def drop(self, cohort: NetGroup) -> None:
        """This cohort need not go on."""

    def close(self) -> None:
        """Training is over."""


class SequentialTrainer:
    """Cohorts one after another, each with nets of its own in the fused engine."""

    def __init__(self, cohorts: Sequence[NetGroup], engine: type[FusedNets]) -> None:
        self._going = list(cohorts)
        self._engine = engine

    def until_some_end(self) -> list[Ended]:
        """See `Trainer.until_some_end`."""
        if not self._going:
            return []
        cohort = self._going.pop(0)
        return [(cohort, _attempt(partial(self._train, cohort)))]

    def drop(self, cohort: NetGroup) -> None:
        """See `Trainer.drop`."""
        self._going = [other for other in self._going if other is not cohort]

    def close(self) -> None:
        """See `Trainer.close`."""

    def _train(self, cohort: NetGroup) -> None:
        net = cohort.architecture
        assert isinstance(net, Mlp)  # the fused engine is chosen for tables alone
        nets = self._engine(net, cohort.weights(), cohort.dropout_streams(), cohort.strategy, cohort.protocol)
        cohort.nets = nets
        while not cohort.done:
            block = cohort.next_block()
            start = time.perf_counter()
            losses = torch.from_numpy(nets.advance(*block))
            cohort.spend((time.perf_counter() - start) / len(losses))
            cohort.close_block(losses)


class StackedTrainer:
    """Cohorts whose nets are one stack, in lockstep by steps: each begins and ends its epochs at steps of its own.

    Parameters
    ----------
    cohorts : of the same architecture and protocol; of one strategy, unless all keep the default loss and forward pass
    runner : how steps are run; default: what suits the device
    """

    def __init__(self, cohorts: Sequence[NetGroup], runner: Runner | None = None) -> None:
        self._waiting, self._runner = list(cohorts), runner
        self._nets: StackedNets | None = None
        self._going: dict[NetGroup, Part] = {}
        self._ended: list[Ended] = []

    def until_some_end(self) -> list[Ended]:
        """See `Trainer.until_some_end`."""
        while (self._going or self._waiting) and not self._ended:
            # What goes wrong with the stack as a whole, for want of memory perhaps, goes wrong with every cohort.
            error = _attempt(self._take_steps if self._nets else self._stack)
            if error is not None:
                self._ended += [(cohort, error) for cohort in (*self._going, *self._waiting)]
                self._going, self._waiting = {}, []
        ended, self._ended = self._ended, []
        return ended

    def drop(self, cohort: NetGroup) -> None:
        """See `Trainer.drop`."""
        if cohort in self._going:
            self._going.pop(cohort).keep(np.zeros(0, int))

    def close(self) -> None:
        """See `Trainer.close`."""
        if self._nets is not None:
            self._nets.close()

    def _stack(self) -> None:
        """Make one stack of all nets."""
        first = self._waiting[0]
        self._nets = StackedNets(
            first.architecture,
            [weights for cohort in self._waiting for weights in cohort.weights()],
            [rng for cohort in self._waiting for rng in cohort.dropout_streams()],
            first.strategy,
            first.protocol,
            first.table.x.device,
            room=(max(c.batches.longest for c in self._waiting), max(c.batches.batch_size for c in self._waiting)),
            runner=self._runner,
        )
        place = 0
        for cohort in self._waiting:
            cohort.nets = self._going[cohort] = self._nets.part(place, len(cohort.folds))
            place += len(cohort.folds)
        self._waiting = []

    def _take_steps(self) -> None:
        """As many steps as every cohort has at hand; then those at the end of their block close it."""
        assert self._nets is not None
        for cohort, part in list(self._going.items()):
            if not part.left:
                self._with(cohort, partial(self._load, cohort))
        if not self._going:
            return
        steps = min(part.left for part in self._going.values())
        seconds = _timed(partial(self._nets.run, steps))
        for cohort, part in list(self._going.items()):
            if part.error is not None:
                self._end(cohort, part.error)
        due = [cohort for cohort, part in self._going.items() if not part.left]
        # While a GPU is still at these steps, what can be done before they are over.
        for cohort in due:
            cohort.look_ahead()
        if any(cohort.ends_epoch for cohort in due):
            seconds += _timed(self._nets.wait)
        each = seconds / max(1, sum(len(part.columns) for part in self._going.values()))
        for cohort in self._going:
            cohort.spend(each)
        for cohort in due:
            self._with(cohort, partial(self._close_block, cohort))

    def _load(self, cohort: NetGroup) -> None:
        self._going[cohort].load(*cohort.next_block())

    def _close_block(self, cohort: NetGroup) -> None:
        cohort.close_block(self._going[cohort].losses())

    def _with(self, cohort: NetGroup, action: Callable[[], None]) -> None:
        """An action on one cohort, which ends it if it fails or trains its last net to the end."""
        error = _attempt(action)
        if error is not None or cohort.done:
            self._end(cohort, error)

    def _end(self, cohort: NetGroup, error: Exception | None) -> None:
        self.drop(cohort)
        self._ended.append((cohort, error))


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
