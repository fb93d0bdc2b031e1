"""Arrays of variants shared by all worker processes of a run, through memory-mapped files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.records import Dataset

_PREFIX = "imbench-arrays-"


class MissingArraysError(LookupError):
    """The arrays of ``spec`` are not in the folder."""

    def __init__(self, spec: str) -> None:
        super().__init__(f"the arrays of {spec} are not on this machine")
        self.spec = spec


@dataclass(frozen=True)
class SharedArrays:
    """Arrays of variants, written once by the main process and memory-mapped by the workers.

    Parameters
    ----------
    folder : folder for the files of this run; `shared_arrays` creates and removes it
    """

    folder: Path

    def put(self, spec: str, load: Callable[[], Dataset]) -> None:
        """Write the arrays of this spec to the folder, unless they are there; ``load`` returns them.

        Raises `DataError` if they cannot be written, and any error of ``load``.
        """
        features, rest = self.files(spec)
        if rest.exists():
            return
        dataset = load()
        try:
            np.save(features, np.ascontiguousarray(dataset.x))
            rest.write_bytes(pickle.dumps(dataclasses.replace(dataset, x=dataset.x[:0])))
        except OSError as error:
            raise DataError(
                f"the arrays of {spec} cannot be written to {self.folder} ({error.strerror}); "
                "set TMPDIR to a folder with enough free space"
            ) from None

    def get(self, spec: str) -> Dataset:
        """The dataset of this spec; its features are shared with all processes that call this.

        Raises `MissingArraysError`.
        """
        features, rest = self.files(spec)
        if not rest.exists():
            raise MissingArraysError(spec)
        dataset: Dataset = pickle.loads(rest.read_bytes())
        # Copy-on-write, although nobody writes, since torch does not support read-only arrays.
        return dataclasses.replace(dataset, x=np.load(features, mmap_mode="c"))

    def files(self, spec: str) -> tuple[Path, Path]:
        """The files of this spec; the second is written last."""
        name = hashlib.sha256(spec.encode()).hexdigest()
        return self.folder / f"{name}.npy", self.folder / f"{name}.pickle"


@contextmanager
def shared_arrays() -> Iterator[SharedArrays]:
    """A temporary folder for the arrays of one run, removed at the end.

    Folders of runs that were killed are removed as well. Raises `DataError` if the folder cannot be created.
    """
    _remove_stale()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise DataError(f"cannot create a temporary folder ({error}); set TMPDIR to a folder with free space") from None
    try:
        yield SharedArrays(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale() -> None:
    if os.name != "posix":  # on other systems, signal 0 is not a harmless test
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and _is_dead(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_dead(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False
