"""Pickled data without pickle's power: nothing that the file names is ever called."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


class _Array:
    """Stands in for a NumPy array while a pickle is read: it takes the array's state and does nothing with it."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Kind:
    """Stands in for a NumPy dtype; keeps how it is written, such as ``u1``."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


def _bytes(text: str, encoding: str) -> bytes:
    # Python 3 writes the bytes of an array for Python 2 as text with the codec that gives them back.
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}, which no image data needs")
    return text.encode("latin1")


# What pickles of dictionaries of arrays name, each with what is used in its place.
_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Kind,
    ("_codecs", "encode"): _bytes,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image data needs; nothing was run")
        return _STAND_INS[module, name]


def loads(content: bytes) -> dict[str, Any]:
    """A pickled dictionary of plain values and arrays of bytes (``uint8``), as the CIFAR archives hold them.

    Text of Python 2 comes as bytes, keys as text. Raises `pickle.UnpicklingError` for a pickle that names anything but
    arrays, is damaged, is no dictionary, or holds arrays of other kinds.
    """
    try:
        found = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle fails in as many ways as there are opcodes
        raise pickle.UnpicklingError(f"it is no pickle that can be read: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict):
        raise pickle.UnpicklingError(f"it holds a {type(found).__name__}, not a dictionary")
    return {_text(key): _array(value) if isinstance(value, _Array) else value for key, value in found.items()}


def _text(key: Any) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)


def _array(stand_in: _Array) -> np.ndarray:
    try:
        _, shape, kind, in_columns, content = stand_in.state
        code = _text(kind.code)
        if code not in ("u1", "|u1"):
            raise pickle.UnpicklingError(f"it holds an array of {code!r}, not of bytes (u1)")
        return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if in_columns else "C")
    except (TypeError, ValueError, AttributeError) as error:
        raise pickle.UnpicklingError(f"it holds an array that is not whole: {error}") from None
