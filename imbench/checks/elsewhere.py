"""A second device, simulated on the CPU: a tensor created without ``device`` is not on the batch's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

_MAKERS = {
    torch.tensor, torch.as_tensor, torch.zeros, torch.ones, torch.full, torch.empty, torch.arange, torch.linspace,
    torch.eye, torch.rand, torch.randn, torch.randint, torch.randperm, torch.normal,
}  # fmt: skip
# Functions that may move a tensor to another device, and functions that accept one from another device.
_MOVERS = {torch.Tensor.to, torch.Tensor.type_as, torch.Tensor.cuda}
_TAKERS = {torch.Tensor.__getitem__, torch.Tensor.__setitem__, torch.Tensor.copy_}


class _Elsewhere(torch.Tensor):
    """A tensor on the default device, which is not the batch's device."""


class _TwoDevices(TorchFunctionMode):
    """Every tensor created without ``device`` is `_Elsewhere`; mixing it with the batch's tensors fails as on a GPU.

    As on a GPU, scalars (tensors without axes) mix with any device, indices may be on another device, and ``.to`` moves
    a tensor.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func in _MAKERS:
            result = func(*tree_map(_plain, args), **tree_map(_plain, given))
            stays = given.get("device") is not None or any(isinstance(a, torch.Tensor) for a in args)
            return result if stays else result.as_subclass(_Elsewhere)
        tensors = [t for t in tree_leaves((args, given)) if isinstance(t, torch.Tensor)]
        strays = [t for t in tensors if isinstance(t, _Elsewhere)]
        result = func(*tree_map(_plain, args), **tree_map(_plain, given))
        if not strays:
            return result
        if func in _MOVERS:
            moved = any(isinstance(a, torch.device | str | torch.Tensor) for a in (*args[1:], given.get("device")))
            return result if moved else tree_map(_stray, result)
        at_home = [t for t in tensors if t.ndim and not isinstance(t, _Elsewhere)]
        if at_home and func not in _TAKERS and any(t.ndim for t in strays):
            name = getattr(func, "__name__", str(func))
            raise RuntimeError(f"{name} mixes tensors of two devices; create tensors with device=batch.x.device")
        home = func in _TAKERS and not isinstance(args[0], _Elsewhere)
        return result if at_home or home else tree_map(_stray, result)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Inside the context, the default device differs from that of all existing tensors."""
    with _TwoDevices():
        yield


def made_elsewhere(value: torch.Tensor) -> bool:
    """Whether this tensor is on the simulated default device instead of the batch's."""
    return isinstance(value, _Elsewhere)


def _plain(value: Any) -> Any:
    return value.as_subclass(torch.Tensor) if isinstance(value, _Elsewhere) else value


def _stray(value: Any) -> Any:
    return value.as_subclass(_Elsewhere) if isinstance(value, torch.Tensor) else value
