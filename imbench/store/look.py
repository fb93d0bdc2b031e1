"""A look at the files of a store, by other processes if they are many."""

from __future__ import annotations

import marshal
import os
import subprocess
import time
import weakref

from imbench.store import beside
from imbench.store.files import unreadable
from imbench.store.layout import INDEX, LISTED, OF_FINISHED, OF_INDEX, SUFFIXES
from imbench.store.processes import end, started

# Bytes of an index's files of jobs, some 260 for each, from which on other processes look: starting one takes as long
# as looking at the files of 3,000 jobs.
_MANY = 1_500_000


class Look:
    """Size, times and number of every file in the folders of `LISTED`, from this moment on.

    The 200,000 files of 100,000 jobs take one to two seconds. If the store is that large, other processes look at
    them, while this one imports what it needs or reads the index.

    Parameters
    ----------
    store : the folder; one that is no store is found empty

    Attributes
    ----------
    moment : when this was made, in seconds since 1970
    elsewhere : whether other processes look
    """

    def __init__(self, store: str | os.PathLike[str]) -> None:
        self.moment = time.time()
        self._folders = {name: os.path.join(store, name) for name in LISTED}
        names = OF_FINISHED if _is_large(os.path.join(store, INDEX)) else ()
        self._processes = {name: started("scan", self._folders[name], SUFFIXES[name]) for name in names}
        self.elsewhere = any(self._processes.values())
        for process in self._processes.values():
            if process is not None:
                weakref.finalize(self, end, process)

    def found(self) -> list[beside.Found]:
        """What is found in each folder, once others have looked. Raises `StoreError` as `looked_at`."""
        return [self._found(name, folder) for name, folder in self._folders.items()]

    def _found(self, name: str, folder: str) -> beside.Found:
        process = self._processes.pop(name, None)
        found = None if process is None else _answer(process)
        # Whatever went wrong elsewhere is seen, and said, here.
        return found or looked_at(folder, SUFFIXES[name])


def looked_at(folder: str | os.PathLike[str], suffix: str) -> beside.Found:
    """Look at every file in a folder; none if it does not exist. Raises `StoreError` if it cannot be read."""
    try:
        return beside.scan(os.fspath(folder), suffix)
    except OSError as error:
        raise unreadable(folder, error) from error


def _is_large(index: str) -> bool:
    try:
        with os.scandir(index) as files:
            return sum(file.stat().st_size for file in files if file.name.endswith(OF_INDEX)) >= _MANY
    except OSError:
        return False


def _answer(process: subprocess.Popen[bytes]) -> beside.Found | None:
    """What the process found; None if it failed."""
    output, _ = process.communicate()
    try:
        found: beside.Found = marshal.loads(output)
    except (EOFError, ValueError, TypeError):
        return None
    return found if process.returncode == 0 else None
