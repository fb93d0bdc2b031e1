"""One copy of a variant's arrays for all worker processes: files of a run's own that are mapped into memory."""

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


@dataclass(frozen=True)
class SharedArrays:
    """Arrays of variants, written once by the process that runs and mapped by those that train.

    Parameters
    ----------
    folder : of files of this run only; get one from `shared_arrays`, which removes it
    """

    folder: Path

    def put(self, spec: str, load: Callable[[], Dataset]) -> None:
        """Have the arrays of this spec lie in the folder; ``load`` is called if they do not yet.

        Raises `DataError` if they cannot be written, and what ``load`` raises.
        """
        features, rest = self._files(spec)
        if rest.exists():
            return
        dataset = load()
        try:
            np.save(features, np.ascontiguousarray(dataset.x))
            rest.write_bytes(pickle.dumps(dataclasses.replace(dataset, x=dataset.x[:0])))
        except OSError as error:
            raise DataError(
                f"the arrays of {spec} cannot be written to {self.folder} ({error.strerror}); "
                "set TMPDIR to a folder with room for them"
            ) from None

    def get(self, spec: str) -> Dataset:
        """The dataset of this spec, its features shared with every other process that asks."""
        features, rest = self._files(spec)
        dataset: Dataset = pickle.loads(rest.read_bytes())
        # Copied where written to, which nobody does: torch knows no arrays that can only be read.
        return dataclasses.replace(dataset, x=np.load(features, mmap_mode="c"))

    def _files(self, spec: str) -> tuple[Path, Path]:
        name = hashlib.sha256(spec.encode()).hexdigest()
        return self.folder / f"{name}.npy", self.folder / f"{name}.pickle"


@contextmanager
def shared_arrays() -> Iterator[SharedArrays]:
    """A folder for the arrays of one run, among the machine's temporary files, removed at the end.

    What a run that was killed left behind goes too. Raises `DataError` if the folder cannot be made.
    """
    _remove_stale()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    except OSError as error:
        raise DataError(f"no temporary folder can be made ({error}); set TMPDIR to a folder with room") from None
    try:
        yield SharedArrays(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale() -> None:
    if os.name != "posix":  # elsewhere signal 0 is no harmless question
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
