"""A loss and its gradient, recorded while PyTorch computes them, as operations on the numbers of one row.

The loss that a strategy writes is arithmetic on a row's logits, labels and constant arrays. Recorded once, it can be
compiled, and a step then needs no PyTorch. What cannot be followed is left to PyTorch, in
`imbench.engine.losses.custom`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from imbench.engine.losses.aten import LIKE, RULES
from imbench.engine.losses.program import Program, Recording, UntraceableError


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Meanwhile every operation of PyTorch on a known array is recorded, that of its gradients too."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recording = recording
        self.reason: UntraceableError | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        known = self.recording.known
        involved = any(id(a) in known for a in _arrays((args, kwargs)))
        result = func(*args, **kwargs)
        if self.reason is not None or not involved:
            return result
        name = func._schema.name.removeprefix("aten::")
        try:
            if name in LIKE:
                return result  # of a known array it takes the shape alone
            if name.endswith("_"):
                self.recording.check_in_place(args[0])
                name = name[:-1]
            if name not in RULES or not isinstance(result, Tensor):
                raise UntraceableError(f"{name} is not known")
            number = RULES[name](self.recording, result, *args, **kwargs)
            self.recording.bind(result, number)
            if result.dtype not in (torch.float32, torch.bool, torch.int64):  # masks are added up as int64
                raise UntraceableError(f"{name} gives {result.dtype}")
        except UntraceableError as error:
            self.reason = error
        except TypeError as error:  # an argument that the rule does not know
            self.reason = UntraceableError(f"{name}: {error}")
        return result


def _arrays(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _arrays(list(values.values()))
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _arrays(value)


Loss = Callable[[Tensor, Tensor], Tensor]


def trace(loss: Loss, logits: Tensor, y: Tensor) -> tuple[Program, np.ndarray]:
    """The program of a loss, and its constants ``(nets, columns)`` float32.

    Parameters
    ----------
    loss : from logits and soft labels ``(nets, batch, classes)`` to ``(nets, batch)``
    logits, y : where it is computed for the recording

    Raises
    ------
    UntraceableError for a loss that no program can be made of, and whatever the loss itself raises.
    """
    nets, batch, classes = logits.shape
    recording = Recording(nets, classes)
    leaf, labels, ones = logits.detach().clone().requires_grad_(), y.detach().clone(), torch.ones(nets, batch)
    recording.bind(leaf, recording.add("logits"))
    recording.bind(labels, recording.add("labels"))
    with torch.enable_grad(), _Recorder(recording) as recorder:
        losses = loss(leaf, labels)
        if tuple(losses.shape) != (nets, batch):
            raise UntraceableError(f"the loss is {tuple(losses.shape)}")
        (gradient,) = torch.autograd.grad(losses, leaf, ones)
    if recorder.reason is not None:
        raise recorder.reason
    found = [recording.known.get(id(result)) for result in (losses, gradient)]
    if None in found:
        raise UntraceableError("the loss does not come from the logits by what was recorded")
    (_, loss_number), (_, gradient_number) = (f for f in found if f is not None)
    return recording.program(loss_number, gradient_number)
