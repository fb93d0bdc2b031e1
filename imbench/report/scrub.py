"""Remove host names, user names and paths before publication."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from imbench.scoring.rules import RULES

# Names that identify nobody, and ordinary words.
_GENERIC = {"root", "user", "users", "home", "localhost", "admin", "default", "public", "shared"}

_END = r"[^\s'\"<>|,;()\[\]{}]"
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|()\[\]{}]+")
_WINDOWS = re.compile(rf"(?<!\w)(?:[A-Za-z]:[\\/]|\\\\){_END}+")
_POSIX = re.compile(rf"(?<![\w./\]])~?(?:/[^\s'\"<>|,;:()\[\]{{}}/]+)+/?|(?<![\w/])~{_END}*/{_END}+")
_QUOTED = re.compile(r"(['\"])((?:~?/|[A-Za-z]:[\\/]|\\\\)[^'\"\n]+)\1")
_ADDRESS = re.compile(r"[\w.+-]+@([A-Za-z][\w.-]*)")
_OWNER = re.compile(r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/]([^\s\\/'\"<>|:,;]+)")

# Columns with names of datasets, strategies and protocols: paths are removed, names stay (a strategy may have one).
_NAMING = ("dataset", "variant", "strategy", "protocol", "task", "strategy_version", "absent", "absent_validation")
# A URL tells others how to install a package, so only names of hosts and users are removed from it.
ADDRESSES = ("package_source",)
_HASHES = ("key", "data_hash", "rows_hash", "protocol_fields")


@dataclass(frozen=True)
class Scrubber:
    """Replaces everything that identifies a computer or a person.

    A path becomes ``[path]/`` and its last component, a URL ``[url]``, ``user@host`` ``[address]``, and a known name
    ``[name]``.

    Parameters
    ----------
    names : names of users and hosts, replaced as whole words
    folders : absolute folders, which `rendered` also replaces
    """

    names: frozenset[str]
    folders: tuple[str, ...] = ()

    @classmethod
    def of_this_machine(cls, texts: Iterable[str], folders: Iterable[Path] = ()) -> Scrubber:
        """A scrubber for this user and host, and for users whose home folders occur in these texts."""
        found = {getpass_user(), Path.home().name, platform.node(), platform.node().partition(".")[0]}
        found |= {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME")}
        for text in texts:
            found |= set(_OWNER.findall(text))
        names = frozenset(name for name in found if len(name) > 1 and name.lower() not in _GENERIC)
        known = {str(f) for folder in folders for f in (folder.absolute(), folder.resolve())}
        # The longest first, so that a folder is replaced before its parent.
        return cls(names, tuple(sorted(known, key=lambda f: (-len(f), f))))

    def text(self, text: str) -> str:
        """The text without names and paths."""
        return self.without_names(_ADDRESS.sub(_address, self.paths(text)))

    def paths(self, text: str) -> str:
        """The text with URLs and absolute paths shortened."""
        text = _URL.sub("[url]", text)
        text = _QUOTED.sub(lambda m: m[1] + _short(m[2]) + m[1], text)
        text = _WINDOWS.sub(lambda m: _short(m[0]), text)
        return _POSIX.sub(lambda m: _short(m[0]), text)

    def without_names(self, text: str) -> str:
        """The text without the names of users and hosts."""
        for name in sorted(self.names, key=lambda n: (-len(n), n)):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "[name]", text, flags=re.IGNORECASE)
        return text

    def rendered(self, text: str) -> str:
        """The text of a file written from scrubbed results, in which folders may still occur."""
        for folder in self.folders:
            text = text.replace(folder, PurePosixPath(folder.replace("\\", "/")).name or "store")
        return text

    def rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of results with text scrubbed and dataset paths shortened to file names; numbers and hashes are kept."""
        changed = {name: self._column(name, rows[name]) for name in rows.columns if name not in _HASHES}
        return rows.assign(**{name: column for name, column in changed.items() if column is not None})

    def _column(self, name: str, column: pd.Series) -> pd.Series | None:
        texts = [value for value in column.dropna().unique() if isinstance(value, str)]
        if not texts:
            return None
        scrub = self._of_column(name)
        return column.replace({text: scrub(text) for text in texts if scrub(text) != text})

    def _of_column(self, name: str) -> Callable[[str], str]:
        if name == "dataset":
            return self.file_name
        if name in ADDRESSES:
            return self.without_names
        return self.paths if name in _NAMING else self.text

    def file_name(self, dataset: str) -> str:
        """A dataset's name; for a file, the last component of its path."""
        if "/" not in dataset and "\\" not in dataset:
            return dataset
        return self.without_names(_last(dataset))


def getpass_user() -> str:
    """The user's name; "" if the system has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _address(match: re.Match[str]) -> str:
    # `gmean@tuned` is a column; `remix@2`, with a number after the sign, is a version of a strategy.
    return match[0] if match[1] in RULES else "[address]"


def _short(path: str) -> str:
    return f"[path]/{_last(path)}"


def _last(path: str) -> str:
    windows = "\\" in path or re.match(r"[A-Za-z]:", path)
    return (PureWindowsPath(path) if windows else PurePosixPath(path)).name
