"""Target of what strategies return: shapes, types, strides and values, in both engines, in a process of their own."""

from __future__ import annotations

import concurrent.futures
import functools
import multiprocessing
import os
import re
import warnings
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from imbench.contract.batch import Batch
from imbench.contract.hidden import HiddenMix, HiddenMixStrategy
from imbench.contract.protocol import Protocol
from imbench.contract.records import Job
from imbench.contract.strategy import BatchStrategy, PerBatchStrategy
from imbench.engine.fused import FusedNets
from imbench.engine.group import train_group
from imbench.engine.net_group import Request
from imbench.engine.stacked import StackedNets
from imbench.store.store import Store
from tests.engine.made import fit, make_dataset, make_folds
from tests.fuzz.harness import FaultError, Target
from tests.made_results import FACTS

SHORT = Protocol(epochs=2, repeats=2, folds=1, batch_size=20, hidden_layers=2)
# A change of one tensor, and a number for it.
Change = tuple[str, int]
# Hook, epoch, what is returned, and the changes of each tensor in it.
Example = tuple[str, int, str, dict[str, list[Change]]]

NAME = "odd-one"
_SECONDS = 120


class OwnError(Exception):
    """The strategy itself cannot make what it wants to return."""


_DTYPES = (
    torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64,
    torch.float8_e4m3fn,
)  # fmt: skip
_NUMBERS = (
    float("nan"), float("inf"), float("-inf"), 3e38, -3e38, 1e-45, 1e-39, -1.0, -1e-4, 0.0, 0.5, 2.0, 7.0, 1e9, -0.0,
    2.0**31, 2.0**63,
)  # fmt: skip


def _spoilt(t: Tensor, n: int) -> Tensor:
    t = t.clone()
    if t.numel():
        t.view(-1)[n % t.numel()] = _NUMBERS[n % len(_NUMBERS)]
    return t


def _unaligned(t: Tensor, n: int) -> Tensor:
    values = t.detach().contiguous().numpy().tobytes()
    return torch.frombuffer(bytearray(b"x" * (1 + n % 7) + values), dtype=t.dtype, offset=1 + n % 7).view(t.shape)


def _axis(t: Tensor, n: int) -> int:
    return n % max(t.ndim, 1)


def _freed(t: Tensor, n: int) -> Tensor:
    t = t.clone()
    t.untyped_storage().resize_(n % 16)
    return t


def _shrunk(t: Tensor, n: int) -> Tensor:
    return t.resize_(*t.shape[:-1], max(t.shape[-1] - 1, 0)) if t.ndim else t


class _Subclass(Tensor):
    """A tensor of another class."""


CHANGES: dict[str, Callable[[Tensor, int], Any]] = {
    "same": lambda t, n: t,
    "axis": lambda t, n: t.unsqueeze(n % (t.ndim + 1)),
    "no axis": lambda t, n: t.select(_axis(t, n), 0),
    "flat": lambda t, n: t.flatten(),
    "scalar": lambda t, n: t.sum(),
    "turned": lambda t, n: t.transpose(_axis(t, n), _axis(t, n // 7)),
    "first": lambda t, n: t.narrow(_axis(t, n), 0, min(n // 4, t.shape[_axis(t, n)])),
    "twice": lambda t, n: torch.cat([t, t], _axis(t, n)),
    "often": lambda t, n: t.repeat(*[1] * (t.ndim - 1), 1 + n),
    "expanded": lambda t, n: t.narrow(_axis(t, n), 0, 1).expand(t.shape),
    "none of it": lambda t, n: t.narrow(_axis(t, n), 0, 0),
    "every second": lambda t, n: torch.stack([t, t], -1)[..., 0],
    "other order": lambda t, n: t.transpose(0, -1).contiguous().transpose(0, -1),
    "overlapping": lambda t, n: t.contiguous().as_strided(t.shape, [0] * t.ndim),
    "mirrored": lambda t, n: t.flip(_axis(t, n)),
    "unaligned": _unaligned,
    "type": lambda t, n: t.to(_DTYPES[n % len(_DTYPES)]),
    "filled": lambda t, n: torch.full_like(t, _NUMBERS[n % len(_NUMBERS)]),
    "times": lambda t, n: t * _NUMBERS[n % len(_NUMBERS)],
    "plus": lambda t, n: t + (n - 128),
    "spoilt": _spoilt,
    "spoilt in place": lambda t, n: t.copy_(_spoilt(t, n)),
    "shrunk in place": _shrunk,
    "swapped in place": lambda t, n: t.set_(torch.zeros(1 + n).storage()) if not t.requires_grad else t,
    "freed": _freed,
    "numpy": lambda t, n: t.detach().numpy(),
    "numpy scalar": lambda t, n: np.float32(n),
    "list": lambda t, n: t.tolist(),
    "number": lambda t, n: n,
    "text": lambda t, n: "x",
    "nothing": lambda t, n: None,
    "sparse": lambda t, n: t.to_sparse(),
    "mkldnn": lambda t, n: t.to_mkldnn(),
    "quantised": lambda t, n: torch.quantize_per_tensor(t, 0.1, 0, torch.quint8),
    "meta": lambda t, n: t.to("meta"),
    "gradient": lambda t, n: t.detach().clone().requires_grad_(),
    "no gradient": lambda t, n: t.detach(),
    "subclass": lambda t, n: t.as_subclass(_Subclass),
    "parameter": lambda t, n: torch.nn.Parameter(t.detach()),
    "negated view": lambda t, n: torch._neg_view(t),
    "nested": lambda t, n: torch.nested.nested_tensor(list(t.detach())),
}


def changed(value: Any, changes: list[Change]) -> Any:
    """The value with these changes, one after another."""
    try:
        for name, number in changes:
            if isinstance(value, Tensor):
                value = CHANGES[name](value, number)
            if name == "freed":  # PyTorch itself reads what is gone, and the strategy would end its own process
                break
    except Exception as error:
        raise OwnError(str(error)) from None
    return value


# What is returned instead of the right kind of thing, whose tensors were changed.
WHOLES: dict[str, Callable[[tuple[Any, ...], type | None], Any]] = {
    "right": lambda parts, kind: kind(*parts) if kind else parts,
    "tuple": lambda parts, kind: parts,
    "list": lambda parts, kind: list(parts),
    "first": lambda parts, kind: parts[0],
    "more": lambda parts, kind: (*parts, *parts),
    "nothing": lambda parts, kind: None,
    "a class": lambda parts, kind: kind,
    "forced": lambda parts, kind: _forced(kind, parts),
}


def _forced(kind: type | None, parts: tuple[Any, ...]) -> Any:
    """A value of this class that its own checks have not seen."""
    if kind is None:
        return parts
    value = object.__new__(kind)
    for name, part in zip(kind.__dataclass_fields__, parts, strict=True):
        object.__setattr__(value, name, part)
    return value


def _returned(whole: str, parts: tuple[Any, ...], kind: type | None) -> Any:
    try:
        return WHOLES[whole](parts, kind)
    except Exception as error:
        raise OwnError(str(error)) from None


@dataclass(frozen=True, eq=False)
class _Odd(BatchStrategy):
    """Returns from one hook what an example says, from one epoch on."""

    name: ClassVar[str] = NAME
    scheduled: ClassVar[bool] = True
    example: Any = None

    def rebalance(self, batch, info, noise):
        hook, epoch, _, _ = self.example
        return self.made(batch) if hook == "rebalance" and info.epoch >= epoch else batch

    def made(self, batch):
        _, _, whole, changes = self.example
        weight = torch.ones(batch.y.shape[:-1]) if "weight" in changes else None
        fallback = torch.zeros(batch.stack, dtype=torch.bool) if "fallback" in changes else None
        parts = {"x": batch.x, "y": batch.y, "weight": weight, "fallback": fallback}
        return _returned(whole, tuple(changed(part, changes.get(name, [])) for name, part in parts.items()), Batch)


@dataclass(frozen=True, eq=False)
class _OddOne(PerBatchStrategy):
    name: ClassVar[str] = NAME
    example: Any = None

    def rebalance_one(self, batch, info, noise):
        return _Odd.made(self, batch)


class _OddLoss(_Odd):
    def loss(self, logits, y, info):
        losses = super().loss(logits, y, info)
        _, _, whole, changes = self.example
        return _returned(whole, (changed(losses, changes.get("loss", [])),), lambda part: part)


class _OddForward(_Odd):
    def forward(self, net, batch, noise):
        _, _, whole, changes = self.example
        parts = {"logits": net(batch.x), "y": batch.y}
        return _returned(whole, tuple(changed(part, changes.get(name, [])) for name, part in parts.items()), None)


@dataclass(frozen=True, eq=False)
class _OddMix(HiddenMixStrategy):
    name: ClassVar[str] = NAME
    example: Any = None

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        _, _, whole, changes = self.example
        parts = {
            "stage": noise.choice(stages),
            "partners": noise.permutation(batch.size),
            "share": noise.beta(1.0, 1.0),
        }
        return _returned(whole, tuple(changed(part, changes.get(name, [])) for name, part in parts.items()), HiddenMix)


class _Plain(_Odd):
    name: ClassVar[str] = "plain"


# Each hook: the strategy, the tensors that it returns, and the engines that call it.
HOOKS: dict[str, tuple[type, tuple[str, ...], tuple[type, ...]]] = {
    "rebalance": (_Odd, ("x", "y", "weight", "fallback"), (FusedNets, StackedNets)),
    "rebalance_one": (_OddOne, ("x", "y", "weight", "fallback"), (FusedNets, StackedNets)),
    "loss": (_OddLoss, ("loss",), (FusedNets, StackedNets)),
    "forward": (_OddForward, ("logits", "y"), (StackedNets,)),
    "hidden_mix": (_OddMix, ("stage", "partners", "share"), (FusedNets, StackedNets)),
}


@functools.cache
def _data() -> tuple[Any, ...]:
    dataset = make_dataset(rows=200)
    folds = [replace(fold, repeat=i, fold=0) for i, fold in enumerate(make_folds(dataset, 2, train=60))]
    return dataset, folds, [fit(dataset, fold) for fold in folds]


def trained(example: Example, folder: str) -> list[str]:
    """What became of a job with this strategy in each engine: "" for a stored result, or what is wrong."""
    torch.set_num_threads(1)
    kind, _, engines = HOOKS[example[0]]
    dataset, folds, fitted = _data()
    found = []
    for engine in engines:
        odd, plain = kind(example), _Plain(("none", 0, "right", {}))
        requests = [Request(dataset, folds, fitted, strategy, SHORT) for strategy in (odd, plain)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = dict(train_group(requests, engine=engine))
        found += [
            f"{engine.__name__}: {text}" for text in (_outcome(results[0], folder), _neighbour(results[1])) if text
        ]
    return found


def _outcome(result: Any, folder: str) -> str:
    if isinstance(result, OwnError):
        return ""
    if isinstance(result, Exception):
        text = str(result)
        return "" if NAME in text and len(text) < 5000 else f"unnamed {type(result).__name__}: {text[:2000]}"
    job = Job(_data()[0].variant, NAME, NAME, "1", {}, SHORT, data_hash="d")
    Store.open(folder, create=True).write(job, result, FACTS)
    return ""


def _neighbour(result: Any) -> str:
    return f"the neighbour failed: {result!r}" if isinstance(result, Exception) else ""


@functools.cache
def _process() -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), os.chdir, ("/",))


def check_arrays(example: Example, folder: Path) -> None:
    """A strategy that returns this: its result is stored or it fails by name, and no process ends."""
    try:
        wrong = _process().submit(trained, example, str(folder / "store")).result(timeout=_SECONDS)
    except BrokenProcessPool:
        _process.cache_clear()
        raise FaultError("crash", f"the process ended on {example}") from None
    except concurrent.futures.TimeoutError:
        _process().shutdown(wait=False, cancel_futures=True)
        _process.cache_clear()
        raise FaultError("hang", f"no end after {_SECONDS} s on {example}") from None
    except Exception as error:
        raise FaultError(f"raised {type(error).__name__}", f"{error}\n{error.__cause__}\n{example}") from None
    if wrong:
        raise FaultError(
            re.sub(r"\d+(, \d+)*", "N", wrong[0].partition("\n")[0])[:60], "\n".join([*wrong, repr(example)])
        )


_changes = st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.integers(0, 255)), min_size=1, max_size=2)


def _of_hook(hook: str) -> st.SearchStrategy[Example]:
    names = HOOKS[hook][1]
    wholes = st.one_of(st.just("right"), st.just("right"), st.just("forced"), st.sampled_from(sorted(WHOLES)))
    tensors = st.dictionaries(st.sampled_from(names), _changes, min_size=1, max_size=2)
    return st.tuples(st.just(hook), st.integers(0, 1), wholes, tensors)


def _quit() -> None:
    if _process.cache_info().currsize:
        _process().shutdown(cancel_futures=True)
        _process.cache_clear()


# Each met a fault once: a crash, an error that did not name the strategy, or a result that could not be stored.
KEPT: tuple[Example, ...] = (
    ("loss", 0, "right", {"loss": [("freed", 0)]}),
    ("loss", 0, "right", {"loss": [("gradient", 0)]}),
    ("forward", 0, "right", {"logits": [("freed", 3)]}),
    ("forward", 0, "right", {"logits": [("nested", 0)]}),
    ("forward", 0, "right", {"logits": [("gradient", 0)]}),
    ("forward", 1, "right", {"logits": [("type", 188)]}),
    ("hidden_mix", 0, "forced", {"stage": [("axis", 0)], "partners": [("list", 0)]}),
    ("hidden_mix", 0, "right", {"stage": [("freed", 0)]}),
    ("hidden_mix", 0, "right", {"stage": [("numpy", 0)]}),
    ("hidden_mix", 0, "right", {"share": [("mkldnn", 0)]}),
    ("hidden_mix", 0, "right", {"share": [("type", 188)]}),
    ("hidden_mix", 0, "a class", {"stage": [("same", 0)]}),
    ("hidden_mix", 1, "tuple", {"stage": [("same", 0)]}),
    ("rebalance", 0, "forced", {"weight": [("nested", 0)]}),
    ("rebalance", 0, "forced", {"fallback": [("axis", 35)]}),
    ("rebalance", 1, "forced", {"fallback": [("number", 220)]}),
    ("rebalance", 0, "right", {"weight": [("filled", 105)]}),
    ("rebalance", 0, "right", {"x": [("negated view", 0)]}),
    ("rebalance", 0, "right", {"x": [("unaligned", 0)]}),
    ("rebalance_one", 0, "nothing", {"x": [("same", 0)]}),
    ("rebalance_one", 0, "forced", {"x": [("axis", 0)]}),
    ("rebalance_one", 0, "forced", {"x": [("nested", 0)]}),
)

TARGETS = (
    Target("arrays", st.sampled_from(sorted(HOOKS)).flatmap(_of_hook), check_arrays, KEPT, done=_quit, smoke=20),
)
