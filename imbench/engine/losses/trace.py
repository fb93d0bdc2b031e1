"""Trace a loss: record the operations of PyTorch that compute it and its gradient.

Most losses compute each row's value from its logits, its labels and constants. Such a loss is recorded once and
compiled, so that training steps do not need PyTorch. PyTorch computes all other losses (see
`imbench.engine.losses.custom`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from imbench.engine.losses.aten import SHAPE_ONLY, TRANSLATIONS
from imbench.engine.losses.program import Program, Recording, UntraceableError


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside this context, operations on known arrays are recorded, including those of the backward pass."""

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
            if name in SHAPE_ONLY:
                return result  # it reads only the shape of the array
            if name.endswith("_"):
                self.recording.check_in_place(args[0])
                name = name[:-1]
            if name not in TRANSLATIONS or not isinstance(result, Tensor):
                raise UntraceableError(f"{name} has no translation")
            number = TRANSLATIONS[name](self.recording, result, *args, **kwargs)
            self.recording.bind(result, number)
            if result.dtype not in (torch.float32, torch.bool, torch.int64):  # sums of masks are int64
                raise UntraceableError(f"{name} returns {result.dtype}")
        except UntraceableError as error:
            self.reason = error
        except TypeError as error:  # an argument that the translation does not support
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
    """Trace a loss.

    Parameters
    ----------
    loss : maps logits and soft labels ``(nets, batch, classes)`` to losses ``(nets, batch)``
    logits, y : inputs for the recording

    Returns
    -------
    The program, and its constants ``(nets, columns)`` float32.

    Raises
    ------
    UntraceableError for a loss that cannot be expressed as a program, and any error of the loss itself.
    """
    nets, batch, classes = logits.shape
    recording = Recording(nets, classes)
    leaf, labels, ones = logits.detach().clone().requires_grad_(), y.detach().clone(), torch.ones(nets, batch)
    recording.bind(leaf, recording.add("logits"))
    recording.bind(labels, recording.add("labels"))
    with torch.enable_grad(), _Recorder(recording) as recorder:
        losses = loss(leaf, labels)
        if tuple(losses.shape) != (nets, batch):
            raise UntraceableError(f"the loss has shape {tuple(losses.shape)}, not {(nets, batch)}")
        (gradient,) = torch.autograd.grad(losses, leaf, ones)
    if recorder.reason is not None:
        raise recorder.reason
    found = [recording.known.get(id(result)) for result in (losses, gradient)]
    if None in found:
        raise UntraceableError("the loss was computed from the logits by operations that were not recorded")
    (_, loss_number), (_, gradient_number) = (f for f in found if f is not None)
    return recording.program(loss_number, gradient_number)
