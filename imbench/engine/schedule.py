"""Learning-rate schedules and early stopping, separately for each net of a stack."""

from __future__ import annotations

import math

import numpy as np

from imbench.contract.protocol import Protocol


class Schedule:
    """The learning rate of each net of a stack, updated once an epoch.

    Parameters
    ----------
    nets : number of nets
    protocol : gives ``schedule``, ``plateau_*``, ``learning_rate*`` and ``patience``
    steps : gradient steps in an epoch; ``patience`` is counted in steps
    may_end : whether nets may end before the last epoch; False for scheduled strategies

    Attributes
    ----------
    rates : ``(nets,)`` float64, learning rates of the current epoch
    floor_epoch : ``(nets,)`` first epoch, from 1, that began at the learning-rate floor; 0 if none has yet
    ended : ``(nets,)`` bool, whether a net has ended early
    """

    def __init__(self, nets: int, protocol: Protocol, steps: int, *, may_end: bool = True) -> None:
        self.protocol, self.steps = protocol, steps
        self._patience = protocol.patience if may_end else None
        self.rates = np.full(nets, protocol.learning_rate)
        self.floor_epoch = np.zeros(nets, int)
        self.ended = np.zeros(nets, bool)
        self._best = np.full(nets, np.inf)
        self._waited = np.zeros(nets, int)
        self._idle_at_floor = np.zeros(nets, int)  # steps
        self._epoch = 0

    def step(self, losses: np.ndarray) -> None:
        """Finish an epoch with its mean training losses ``(nets,)``, and set the rates of the next epoch.

        The plateau schedule is that of ``ReduceLROnPlateau(monitor="loss")`` in Keras.
        """
        protocol = self.protocol
        self._epoch += 1
        improved = losses < self._best - protocol.plateau_min_delta
        self._best = np.where(improved, losses, self._best)
        at_floor = self.rates <= protocol.learning_rate_floor
        self._idle_at_floor = np.where(at_floor & ~improved, self._idle_at_floor + self.steps, 0)
        if self._patience is not None:
            self.ended |= self._idle_at_floor >= self._patience
        _RATES[protocol.schedule](self, improved)
        arrived = (self.rates <= protocol.learning_rate_floor) & (self.floor_epoch == 0)
        self.floor_epoch = np.where(arrived, self._epoch + 1, self.floor_epoch)

    def keep(self, nets: np.ndarray) -> None:
        """Keep only the nets at these positions."""
        for name in ("rates", "floor_epoch", "ended", "_best", "_waited", "_idle_at_floor"):
            setattr(self, name, getattr(self, name)[nets])

    def _plateau(self, improved: np.ndarray) -> None:
        protocol = self.protocol
        self._waited = np.where(improved, 0, self._waited + 1)
        due = (self._waited >= protocol.plateau_patience) & (self.rates > protocol.learning_rate_floor)
        lowered = np.maximum(self.rates * protocol.plateau_factor, protocol.learning_rate_floor)
        self.rates = np.where(due, lowered, self.rates)
        self._waited = np.where(due, 0, self._waited)

    def _constant(self, improved: np.ndarray) -> None:
        return

    def _cosine(self, improved: np.ndarray) -> None:
        """Cosine annealing (Loshchilov & Hutter 2017, SGDR, equation 5): one period without restarts."""
        top, floor = self.protocol.learning_rate, self.protocol.learning_rate_floor
        phase = min(1.0, self._epoch / self.protocol.epochs)
        self.rates = np.full_like(self.rates, floor + (top - floor) * (1 + math.cos(math.pi * phase)) / 2)


_RATES = {"plateau": Schedule._plateau, "constant": Schedule._constant, "cosine": Schedule._cosine}
