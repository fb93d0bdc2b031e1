"""Copy many jobs from stores into one, waiting for the disk once for many files."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from imbench.store.beside import Facts
from imbench.store.contents import Contents, Copied
from imbench.store.copiers import Copiers
from imbench.store.files import Intact, Temporary, listed, put_in_place, remove, temporary_of, write_temporary
from imbench.store.layout import INDEX, OF_FINISHED
from imbench.store.stamps import stamp_of

if TYPE_CHECKING:
    from imbench.store.store import Store

# Jobs whose files are made durable together.
_TOGETHER = 2_000
# Each file of a network folder, where merged stores often lie, is waited for, and the more at once the better: many
# threads. On a local disk they wait for each other, and few processes are faster. So both are tried, each with as many
# jobs, and then that is used whose mean is less so far.
_THREADS, _PROCESSES = 16, 2
_TRIED = 200


def copy_jobs(target: Store, sources: Mapping[str, Contents]) -> dict[str, Copied | None]:
    """Copy finished jobs byte for byte, replacing their files; None for each job that was found damaged.

    Parameters
    ----------
    target : the store to copy into
    sources : for each key, what the store contains that the job is copied from

    Raises
    ------
    StoreError
        If a file cannot be read or written; the jobs copied so far stay, and no job is replaced in part.
    """
    done: dict[str, Copied | None] = {}
    keys, besides = iter(sources), iter(_files_of_rows(target, sources) if len(sources) > 2 * _TRIED else ())
    begun: deque[tuple[list[str], _Way, _Begun]] = deque()

    def take_first() -> None:
        together, way, writing = begun[0]
        written = writing.finish()
        pace.add(way, len(together))
        # Predictions first: rows exist only if their predictions do.
        files = [of.files[i] for i in (1, 0) for of in written.values() if of is not None]
        moving.begin([*files, *writing.besides])
        begun.popleft()
        done.update({key: None if (of := written[key]) is None else of.copied(sources[key]) for key in together})

    with (
        ThreadPoolExecutor(_THREADS) as threads,
        Copiers(_PROCESSES if len(sources) > _TRIED else 0) as copiers,
        _Moving() as moving,
    ):
        copiers.copy([])()  # until they have started, which the trial should not be taken for
        pace = _Pace()
        try:
            for trial in itertools.chain(_ways(target, threads, copiers, besides), itertools.repeat(None)):
                together = list(itertools.islice(keys, _TRIED if trial else _TOGETHER))
                if not together:
                    break
                way = trial or pace.fastest()
                begun.append((together, way, way({key: sources[key] for key in together})))
                begun[-1][2].begin()
                # After the trials, the next are prepared while these are written.
                if trial or len(begun) > 1:
                    take_first()
            while begun:
                take_first()
            moving.finish()
        except BaseException:
            for *_, writing in begun:
                writing.undo()
            raise
    for failure in listed(target.path / "failed"):
        if done.get(failure.stem) is not None:
            target.discard_failure(failure.stem)
    return done


def take_over(target: Store, copies: dict[str, Copied]) -> None:
    """Index jobs, in the order in which they were copied, if they are many, with the rows known of their sources."""
    from imbench.store.index import FEWEST_JOBS, SETTLED

    if len(copies) >= FEWEST_JOBS:
        # Until now the files might change again without another stamp. The last of them was moved last.
        last = stamp_of(target.file("jobs", next(reversed(copies))))
        newest = 0.0 if last is None else max(last[1:3]) / 1e9
        time.sleep(min(max(newest + SETTLED + 0.2 - time.time(), 0.0), 2 * abs(SETTLED)))
        target.contents().take_over(copies)


class _Written(NamedTuple):
    """A job's files under temporary names, rows and predictions, and their SHA-256."""

    files: tuple[Temporary, Temporary]
    digests: tuple[bytes, bytes]

    def copied(self, source: Contents) -> Copied:
        return Copied(source, self.digests, (self.files[0].facts, self.files[1].facts))


class _Begun(Protocol):
    """Files of jobs that are being written.

    Attributes
    ----------
    besides : other files that were written, once this is finished
    """

    besides: list[Temporary]

    def begin(self) -> None:
        """Begin to write; not when made, so that an interrupt meanwhile finds what to undo."""

    def finish(self) -> dict[str, _Written | None]:
        """Wait for them; None for each job that was found damaged."""

    def undo(self) -> None:
        """Delete them."""


_Way = Callable[[Mapping[str, Contents]], _Begun]


def _ways(
    target: Store, threads: ThreadPoolExecutor, copiers: Copiers, besides: Iterator[tuple[str, bytes, str]]
) -> list[_Way]:
    return [partial(_ByThreads, target, threads), partial(_ByProcesses, target, threads, copiers, besides)]


def _files_of_rows(target: Store, sources: Mapping[str, Contents]) -> list[tuple[str, bytes, str]]:
    """Files of the sources' indices that `take_over` needs: they are copied while the disk has time."""
    by_source: dict[Contents, list[str]] = {}
    for key, contents in sources.items():
        by_source.setdefault(contents, []).append(key)
    with contextlib.suppress(OSError):  # then the index is not written either
        (target.path / INDEX).mkdir(exist_ok=True)
    return [file for contents, keys in by_source.items() for file in contents.files_of_rows(keys, target.path)]


class _Pace:
    """How fast each way of writing files has been so far."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self._spent: dict[_Way, tuple[float, int]] = {}

    def add(self, way: _Way, jobs: int) -> None:
        """So many jobs were written since the last time that any were."""
        now = time.perf_counter()
        seconds, before = self._spent.get(way, (0.0, 0))
        self._spent[way] = seconds + now - self._last, before + jobs
        self._last = now

    def fastest(self) -> _Way:
        """The way of the least mean time a job."""
        return min(self._spent, key=lambda way: self._spent[way][0] / self._spent[way][1])


class _ByThreads:
    """Threads write the files of jobs.

    Parameters
    ----------
    sources : for each key, what the store contains that the job is copied from
    """

    def __init__(self, target: Store, threads: ThreadPoolExecutor, sources: Mapping[str, Contents]) -> None:
        self._target = target
        self.besides: list[Temporary] = []
        self._sources, self._threads = sources, threads
        self._files: list[Temporary] = []
        self._jobs: dict[str, Future[_Written | None]] = {}

    def begin(self) -> None:
        for key, source in self._sources.items():
            self._jobs[key] = self._threads.submit(self._copy, key, source)

    def _copy(self, key: str, source: Contents) -> _Written | None:
        if (intact := source.intact_files(key)) is None:
            return None
        rows, predictions = (self._write(folder, key, file) for folder, file in zip(OF_FINISHED, intact, strict=True))
        return _Written((rows, predictions), (intact[0].digest, intact[1].digest))

    def _write(self, folder: str, key: str, file: Intact) -> Temporary:
        self._files.append(written := write_temporary(self._target.path_of(folder, key), file.content))
        return written

    def finish(self) -> dict[str, _Written | None]:
        return {key: job.result() for key, job in self._jobs.items()}

    def undo(self) -> None:
        self._threads.shutdown(cancel_futures=True)  # and wait for those that are writing
        _remove(self._files)


class _ByProcesses:
    """Processes copy the files of jobs, and threads those that they cannot: not known as they are now.

    Parameters
    ----------
    besides : path, SHA-256 and path of the copy of other files, of which one is copied with each whole group
    sources : as in `_ByThreads`
    """

    def __init__(
        self,
        target: Store,
        threads: ThreadPoolExecutor,
        copiers: Copiers,
        besides: Iterator[tuple[str, bytes, str]],
        sources: Mapping[str, Contents],
    ) -> None:
        self._target, self._threads, self._copiers, self._sources = target, threads, copiers, sources
        self._besides = list(itertools.islice(besides, len(sources) // _TOGETHER))
        self._rest: _ByThreads | None = None
        self.besides: list[Temporary] = []
        self._copies: Callable[[], list[Facts | None]] = list
        known = ((key, of.known_files(key)) for key, of in sources.items())
        self._known = [(key, files) for key, files in known if files is not None]
        self._wanted = [
            (path, digest, temporary_of(target.path_of(folder, key)))
            for key, files in self._known
            for folder, (path, digest) in zip(OF_FINISHED, files, strict=True)
        ]
        self._wanted += [(path, digest, temporary_of(to)) for path, digest, to in self._besides]

    def begin(self) -> None:
        self._copies = self._copiers.copy(self._wanted)

    def finish(self) -> dict[str, _Written | None]:
        written: dict[str, _Written | None] = {}
        copied = list(zip(self._wanted, self._copies(), strict=True))
        of_jobs = 2 * len(self._known)
        self.besides = [
            Temporary(to, temporary, facts)
            for (*_, to), ((*_, temporary), facts) in zip(self._besides, copied[of_jobs:], strict=True)
            if facts is not None
        ]
        copies = iter(copied[:of_jobs])
        for (key, files), *both in zip(self._known, copies, copies, strict=True):
            rows, predictions = (
                None if facts is None else Temporary(self._target.path_of(folder, key), temporary, facts)
                for folder, ((_, _, temporary), facts) in zip(OF_FINISHED, both, strict=True)
            )
            if rows is not None and predictions is not None:
                written[key] = _Written((rows, predictions), (files[0][1], files[1][1]))
            else:
                _remove(file for file in (rows, predictions) if file is not None)
        rest = {key: of for key, of in self._sources.items() if key not in written}
        self._rest = _ByThreads(self._target, self._threads, rest)
        self._rest.begin()
        return written | self._rest.finish()

    def undo(self) -> None:
        self._copiers.end()  # before what they write is deleted
        for _, _, temporary in self._wanted:
            remove(temporary)
        if self._rest is not None:
            self._rest.undo()


class _Moving:
    """Makes written files durable and moves them to their places, while the next are written."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._begun: Future[None] | None = None

    def __enter__(self) -> _Moving:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def begin(self, files: Sequence[Temporary]) -> None:
        """Wait for those before, and begin with these; raises `StoreError`, and then deletes them."""
        try:
            self.finish()
            self._begun = self._thread.submit(_put_in_place, files)
        except BaseException:
            _remove(files)
            raise

    def finish(self) -> None:
        """Wait for all; raises `StoreError`."""
        if self._begun is not None:
            self._begun.result()


def _put_in_place(files: Sequence[Temporary]) -> None:
    try:
        put_in_place(files)
    except BaseException:
        _remove(files)
        raise


def _remove(files: Iterable[Temporary]) -> None:
    for one in files:
        one.remove()
