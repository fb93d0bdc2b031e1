"""Translations of PyTorch's ATen operations into operations on the values of one row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from imbench.engine.losses.program import Recording, UntraceableError

# Arguments: the recording, the output of the ATen operation, and its inputs. Returns the number of the result.
Translation = Callable[..., int]


def _elementwise(name: str, r: Recording, out: Tensor, *values: Any) -> int:
    return r.add(name, *(r.number(value, out) for value in values))


def _binary(name: str, r: Recording, out: Tensor, a: Any, b: Any) -> int:
    return _elementwise(name, r, out, a, b)


def _unary(name: str, r: Recording, out: Tensor, a: Tensor) -> int:
    return _elementwise(name, r, out, a)


def _scaled_sum(name: str, r: Recording, out: Tensor, a: Any, b: Any, *, alpha: float = 1) -> int:
    second = r.number(b, out)
    return r.add(name, r.number(a, out), second if alpha == 1 else r.add("mul", second, r.number(alpha, out)))


def _subtracted_from(r: Recording, out: Tensor, a: Any, b: Any, alpha: float = 1) -> int:
    return _scaled_sum("sub", r, out, b, a, alpha=alpha)


def _same(r: Recording, out: Tensor, a: Tensor, *_: Any, **__: Any) -> int:
    """A new array with the same values."""
    if out.shape != a.shape:
        raise UntraceableError(f"{tuple(a.shape)} becomes {tuple(out.shape)}")
    number = r.number(a, out)
    return r.add("as_floats", number) if a.dtype is torch.bool and out.dtype is torch.float32 else number


def _expanded(r: Recording, out: Tensor, a: Tensor, size: Sequence[int], **_: Any) -> int:
    number = r.number(a, out)
    return r.add("spread", number) if out.shape[-1] != a.shape[-1] and out.ndim == 3 else _same(r, out, a)


def _with_axis(r: Recording, out: Tensor, a: Tensor, dim: int) -> int:
    if a.ndim != 2 or dim not in (-1, 2):
        raise UntraceableError("an axis is inserted before the class axis")
    return r.known[id(a)][1]


def _without_axis(r: Recording, out: Tensor, a: Tensor, dim: int) -> int:
    if a.ndim != 3 or a.shape[-1] != 1 or dim not in (-1, 2):
        raise UntraceableError("an axis other than the class axis is removed")
    return r.known[id(a)][1]


def _over_classes(name: str, r: Recording, out: Tensor, a: Tensor, dim: Any, keepdim: bool = False, **_: Any) -> int:
    dims = [dim] if isinstance(dim, int) else list(dim or ())
    if a.ndim != 3 or dims not in ([-1], [2]):
        raise UntraceableError(f"{name} over axes other than the class axis")
    number = r.number(a, a)
    return number if a.shape[-1] == 1 else r.add(name, number)


def _mean(r: Recording, out: Tensor, a: Tensor, dim: Any, keepdim: bool = False, **_: Any) -> int:
    return r.add("div", _over_classes("sum", r, out, a, dim), r.number(float(a.shape[-1]), out))


def _log_sum(r: Recording, a: Tensor) -> tuple[int, int]:
    """``(a - m, log sum exp(a - m))``, where m is the maximum of a."""
    lowered = r.add("sub", r.number(a, a), r.add("max", r.number(a, a)))
    return lowered, r.add("log", r.add("sum", r.add("exp", lowered)))


def _log_softmax(r: Recording, out: Tensor, a: Tensor, dim: int, half: bool) -> int:
    _over_classes("sum", r, out, a, dim)
    return r.add("sub", *_log_sum(r, a))


def _softmax(r: Recording, out: Tensor, a: Tensor, dim: int, half: bool) -> int:
    _over_classes("sum", r, out, a, dim)
    raised = r.add("exp", r.add("sub", r.number(a, a), r.add("max", r.number(a, a))))
    return r.add("div", raised, r.add("sum", raised))


def _logsumexp(r: Recording, out: Tensor, a: Tensor, dim: Any, keepdim: bool = False) -> int:
    _over_classes("sum", r, out, a, dim)
    _, log_sum = _log_sum(r, a)
    return r.add("add", log_sum, r.add("max", r.number(a, a)))


def _log_softmax_backward(r: Recording, out: Tensor, grad: Tensor, output: Tensor, dim: int, _: Any) -> int:
    g, log_p = r.number(grad, out), r.number(output, out)
    return r.add("sub", g, r.add("mul", r.add("exp", log_p), r.add("sum", g)))


def _softmax_backward(r: Recording, out: Tensor, grad: Tensor, output: Tensor, dim: int, _: Any) -> int:
    g, p = r.number(grad, out), r.number(output, out)
    return r.add("mul", p, r.add("sub", g, r.add("sum", r.add("mul", g, p))))


def _sigmoid_backward(r: Recording, out: Tensor, grad: Tensor, output: Tensor) -> int:
    s = r.number(output, out)
    return r.add("mul", r.number(grad, out), r.add("mul", s, r.add("sub", r.number(1.0, out), s)))


def _tanh_backward(r: Recording, out: Tensor, grad: Tensor, output: Tensor) -> int:
    t = r.number(output, out)
    return r.add("mul", r.number(grad, out), r.add("sub", r.number(1.0, out), r.add("mul", t, t)))


def _threshold_backward(r: Recording, out: Tensor, grad: Tensor, a: Tensor, threshold: float) -> int:
    above = r.add("less", r.number(threshold, out), r.number(a, out))
    return r.add("where", above, r.number(grad, out), r.number(0.0, out))


def _clamp(r: Recording, out: Tensor, a: Tensor, min: Any = None, max: Any = None) -> int:
    number = r.number(a, out)
    for bound, name in ((min, "maximum"), (max, "minimum")):
        number = number if bound is None else r.add(name, number, r.number(bound, out))
    return number


def _clamp_max(r: Recording, out: Tensor, a: Tensor, max: Any) -> int:
    return _clamp(r, out, a, None, max)


def _power(r: Recording, out: Tensor, a: Any, exponent: Any) -> int:
    """Small integer powers by products, which support negative bases; other powers by logarithms."""
    if isinstance(a, Tensor) and isinstance(exponent, int | float) and exponent in (*range(1, 9), 0.5, -1):
        number = r.number(a, out)
        if exponent == 0.5:
            return r.add("sqrt", number)
        if exponent == -1:
            return r.add("div", r.number(1.0, out), number)
        product = number
        for _ in range(int(exponent) - 1):
            product = r.add("mul", product, number)
        return product
    return _elementwise("power", r, out, a, exponent)


def _where(r: Recording, out: Tensor, condition: Tensor, a: Any, b: Any) -> int:
    return _elementwise("where", r, out, condition, a, b)


def _masked_fill(r: Recording, out: Tensor, a: Tensor, mask: Tensor, value: Any) -> int:
    return _elementwise("where", r, out, mask, value, a)


def _swapped(name: str, r: Recording, out: Tensor, a: Any, b: Any) -> int:
    return _elementwise(name, r, out, b, a)


def _sign(r: Recording, out: Tensor, a: Tensor) -> int:
    """``(0 < a) - (a < 0)``, which is 0 for NaN."""
    number, zero = r.number(a, out), r.number(0.0, out)
    return r.add("sub", r.add("less", zero, number), r.add("less", number, zero))


def _on_masks(name: str, r: Recording, out: Tensor, a: Any, b: Any) -> int:
    if out.dtype is not torch.bool:
        raise UntraceableError("a bitwise operation on numbers, not on masks")
    return _elementwise(name, r, out, a, b)


def _not(r: Recording, out: Tensor, a: Tensor) -> int:
    return _on_masks("equal", r, out, a, 0.0)


def _negation(r: Recording, out: Tensor, a: Tensor) -> int:
    return r.add("mul", r.number(a, out), r.number(-1.0, out))


# Operations that use only the shape of their input, not its values.
SHAPE_ONLY = {"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "empty_like", "new_empty"}
TRANSLATIONS: dict[str, Translation] = {
    **{name: partial(_unary, name) for name in ("exp", "expm1", "log", "log1p", "sqrt", "abs", "sigmoid", "tanh")},
    **{name: partial(_binary, name) for name in ("mul", "div", "maximum", "minimum")},
    **{name: partial(_binary, to) for name, to in (("lt", "less"), ("le", "at_most"))},
    **{name: partial(_binary, to) for name, to in (("eq", "equal"), ("ne", "unequal"))},
    **{name: partial(_on_masks, to) for name, to in (("bitwise_and", "and"), ("logical_and", "and"))},
    **{name: partial(_on_masks, "or") for name in ("bitwise_or", "logical_or")},
    **{name: partial(_swapped, to) for name, to in (("gt", "less"), ("ge", "at_most"))},
    **dict.fromkeys(("detach", "alias", "clone", "view", "_unsafe_view", "_to_copy"), _same),
    **{name: partial(_over_classes, to) for name, to in (("sum", "sum"), ("amax", "max"))},
    "add": partial(_scaled_sum, "add"),
    "sub": partial(_scaled_sum, "sub"),
    "rsub": _subtracted_from,
    "neg": _negation,
    "reciprocal": lambda r, out, a: _binary("div", r, out, 1.0, a),
    "rsqrt": lambda r, out, a: r.add("div", r.number(1.0, out), r.add("sqrt", r.number(a, out))),
    "sgn": _sign,
    "sign": _sign,
    "relu": lambda r, out, a: _binary("maximum", r, out, a, 0.0),
    "pow": _power,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp_max,
    "logical_not": _not,
    "bitwise_not": _not,
    "where": _where,
    "masked_fill": _masked_fill,
    "mean": _mean,
    "logsumexp": _logsumexp,
    "_log_softmax": _log_softmax,
    "_softmax": _softmax,
    "_log_softmax_backward_data": _log_softmax_backward,
    "_softmax_backward_data": _softmax_backward,
    "sigmoid_backward": _sigmoid_backward,
    "tanh_backward": _tanh_backward,
    "threshold_backward": _threshold_backward,
    "expand": _expanded,
    "unsqueeze": _with_axis,
    "squeeze": _without_axis,
}
