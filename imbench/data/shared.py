"""Arrays of variants shared by all worker processes of a run, through memory-mapped files."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.records import Dataset

if sys.platform != "win32":
    import fcntl

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
            # A cleaner of temporary files may have removed the folder of a long run.
            self.folder.mkdir(exist_ok=True)
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


@contextlib.contextmanager
def shared_arrays() -> Iterator[SharedArrays]:
    """A temporary folder for the arrays of one run, removed at the end.

    Folders of runs that were killed are removed as well. Raises `DataError` if the folder cannot be created.
    """
    _remove_stale()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise DataError(f"cannot create a temporary folder ({error}); set TMPDIR to a folder with free space") from None
    with contextlib.ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # a file system without locks
            held.enter_context(_locked(folder))
        yield SharedArrays(folder)


def _remove_stale() -> None:
    """Remove the folders of runs that have ended.

    A run has ended if no process has its id and its folder can be locked: containers that share temporary files do not
    see each other's processes.
    """
    if sys.platform == "win32":  # signal 0 is not a harmless test there, and folders cannot be locked
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdecimal() and _is_dead(int(owner)):
            with contextlib.suppress(OSError), _locked(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_dead(process: int) -> bool:
    if process == os.getpid():  # the lock tells an earlier process of this id from another run of this one
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system frees however this process ends; cleaners of temporary files heed it.

    Raises OSError if another run holds it, or the system has no such locks.
    """
    if sys.platform == "win32":
        raise OSError("folders cannot be locked")
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
