"""Calls that travel to another machine: what lies on this one is replaced by the worker's own."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imbench.data.shared import MissingArraysError, SharedArrays
from imbench.runs.registry import Registry


@dataclass(frozen=True)
class Missing:
    """The result of a call for which the worker lacks the arrays of ``spec``."""

    spec: str


@dataclass(frozen=True)
class PackedCall:
    """A call as bytes, and the arrays that it refers to, if any."""

    content: bytes
    arrays: SharedArrays | None


def packed(call: Callable[[], Any]) -> PackedCall:
    """The call, with the paths of plugin files and of arrays left open; raises whatever pickling raises."""
    stream = io.BytesIO()
    pickler = _Pickler(stream, pickle.HIGHEST_PROTOCOL)
    pickler.dump(call)
    return PackedCall(stream.getvalue(), pickler.arrays)


def make_call(content: bytes, plugins: Mapping[str, str], copies: str) -> Any:
    """Make a packed call in a process of a worker; `Missing` if it lacks arrays.

    Parameters
    ----------
    plugins : path of each plugin file on the worker, by the path that the run has for it
    copies : folder of the worker's copies of arrays, used where it does not see the run's own
    """
    call = _Unpickler(io.BytesIO(content), plugins, copies).load()
    try:
        return call()
    except MissingArraysError as error:
        return Missing(error.spec)


class _Pickler(pickle.Pickler):
    arrays: SharedArrays | None = None

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Registry):
            return "registry", value.plugins, value.classes
        if isinstance(value, SharedArrays):
            self.arrays = value
            return "arrays", str(value.folder)
        return None


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, plugins: Mapping[str, str], copies: str) -> None:
        super().__init__(stream)
        self._plugins, self._copies = plugins, copies

    def persistent_load(self, known: Any) -> Any:
        kind, *values = known
        if kind == "registry":
            files, classes = values
            return Registry(tuple(self._plugins.get(file, file) for file in files), classes)
        # A folder of this name is the run's own: it is made up at random.
        seen = Path(values[0]).is_dir()
        return SharedArrays(Path(values[0] if seen else self._copies))
