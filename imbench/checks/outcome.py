"""Check outcomes of strategies, cached by source code so that each strategy is checked once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from imbench.checks.source import is_known, source_hash
from imbench.checks.suite import check_strategy
from imbench.contract.errors import UsageError
from imbench.contract.reading import parse_json, read_file
from imbench.contract.strategy import BatchStrategy
from imbench.data.cache import cache_folder

PASSED, FAILED, NOT_CHECKED = "passed", "failed", "not checked"
# Of references, which rebalance no batches.
NOT_APPLICABLE = "not applicable"

# Outcomes of this process by digest, in case the cache folder is not writable.
_REMEMBERED: dict[str, str] = {}


@lru_cache
def checks_version() -> str:
    """The first 12 hexadecimal digits of the hash of this package's source."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    content = b"".join(hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).digest() for file in files)
    return hashlib.sha256(content).hexdigest()[:12]


def remembered(strategy: BatchStrategy) -> str | None:
    """The cached outcome of `checked` for this source, from any process; None if there is none.

    Outcomes are kept in the folder ``checks`` of the user's cache, by source, parameters and versions.
    """
    digest = _digest(strategy)
    if digest is None:
        return None
    if digest not in _REMEMBERED and (found := _read(_file(digest))):
        _REMEMBERED[digest] = found
    return _REMEMBERED.get(digest)


def checked(strategy: BatchStrategy) -> str:
    """``passed``, or ``failed: `` and the failed checks; cached by source."""
    outcome = remembered(strategy) or _outcome(strategy)
    keep(strategy, outcome)
    return outcome


def keep(strategy: BatchStrategy, outcome: str) -> None:
    """Remember an outcome of `checked`, here and in the user's cache."""
    digest = _digest(strategy)
    if digest is not None:
        _REMEMBERED[digest] = outcome
        _write(_file(digest), outcome)


def _file(digest: str) -> Path:
    return cache_folder() / "checks" / f"{digest}.json"


def _outcome(strategy: BatchStrategy) -> str:
    failed = [result.name for result in check_strategy(strategy) if not result.ok]
    return f"{FAILED}: {', '.join(failed)}" if failed else PASSED


def _digest(strategy: BatchStrategy) -> str | None:
    """A hash of everything that an outcome depends on; None if the source is unknown."""
    source = source_hash(strategy)
    if not is_known(source):
        return None
    versions = (checks_version(), platform.python_version(), *(version(name) for name in ("imbench", "torch", "numpy")))
    return hashlib.sha256("\n".join([source, strategy.spec, *versions]).encode()).hexdigest()


def _read(file: Path) -> str | None:
    try:
        what = f"the outcome {file}"
        found = parse_json(read_file(file, what), dict[str, str], what).get("checks", "")
    except UsageError:
        return None
    return found if found.startswith((PASSED, FAILED)) else None


def _write(file: Path, outcome: str) -> None:
    """Write under a temporary name and rename, so that other processes never read a part."""
    with contextlib.suppress(OSError):
        if file.exists():
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".part-", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"checks": outcome}, stream)
        Path(name).replace(file)
