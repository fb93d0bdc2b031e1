"""Take host names, user names and paths out of what is published."""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import pandas as pd

from imbench.scoring.rules import RULES

# Names that say nothing of anybody, and words that a text needs.
_GENERIC = {"root", "user", "users", "home", "localhost", "admin", "default", "public", "shared"}

_END = r"[^\s'\"<>|,;()\[\]{}]"
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>|()\[\]{}]+")
_WINDOWS = re.compile(rf"(?<!\w)(?:[A-Za-z]:[\\/]|\\\\){_END}+")
_POSIX = re.compile(rf"(?<![\w./\]])~?(?:/[^\s'\"<>|,;:()\[\]{{}}/]+)+/?|(?<![\w/])~{_END}*/{_END}+")
_QUOTED = re.compile(r"(['\"])((?:~?/|[A-Za-z]:[\\/]|\\\\)[^'\"\n]+)\1")
_ADDRESS = re.compile(r"[\w.+-]+@([A-Za-z][\w.-]*)")
_OWNER = re.compile(r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/]([^\s\\/'\"<>|:,;]+)")

# Columns that name what was run: paths in them go, a name in them may be a strategy's.
_NAMING = ("dataset", "variant", "strategy", "protocol", "task", "strategy_version", "absent", "absent_validation")
_HASHES = ("key", "data_hash", "rows_hash", "protocol_fields")


@dataclass(frozen=True)
class Scrubber:
    """Replaces what names a computer or a person.

    Paths shrink to ``[path]/`` and their last part, URLs to ``[url]``, ``user@host`` to ``[address]``, and known names
    to ``[name]``.

    Parameters
    ----------
    names : of users and hosts, replaced wherever they stand as words
    folders : absolute folders, replaced even where `rendered` text is searched
    """

    names: frozenset[str]
    folders: tuple[str, ...] = ()

    @classmethod
    def of_this_machine(cls, texts: Iterable[str], folders: Iterable[Path] = ()) -> Scrubber:
        """A scrubber that knows this user and host, and the users whose home folders these texts name."""
        found = {getpass_user(), Path.home().name, platform.node(), platform.node().partition(".")[0]}
        found |= {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME")}
        for text in texts:
            found |= set(_OWNER.findall(text))
        names = frozenset(name for name in found if len(name) > 1 and name.lower() not in _GENERIC)
        known = {str(f) for folder in folders for f in (folder.absolute(), folder.resolve())}
        # The longest first, so that a folder goes before the one it is in.
        return cls(names, tuple(sorted(known, key=lambda f: (-len(f), f))))

    def text(self, text: str) -> str:
        """A sentence, an error or a fact without names and paths."""
        return self.words(_ADDRESS.sub(_address, self.paths(text)))

    def paths(self, text: str) -> str:
        """The text with URLs and absolute paths shortened, and otherwise as it is."""
        text = _URL.sub("[url]", text)
        text = _QUOTED.sub(lambda m: m[1] + _short(m[2]) + m[1], text)
        text = _WINDOWS.sub(lambda m: _short(m[0]), text)
        return _POSIX.sub(lambda m: _short(m[0]), text)

    def words(self, text: str) -> str:
        """The text without the names of users and hosts."""
        for name in sorted(self.names, key=lambda n: (-len(n), n)):
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", "[name]", text, flags=re.IGNORECASE)
        return text

    def rendered(self, text: str) -> str:
        """A file that was written from scrubbed results, in which the folders may yet stand."""
        for folder in self.folders:
            text = text.replace(folder, PurePosixPath(folder.replace("\\", "/")).name or "store")
        return text

    def rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of results: numbers and hashes as they are, a dataset's file by its name, other text scrubbed."""
        changed = {name: self._column(name, rows[name]) for name in rows.columns if name not in _HASHES}
        return rows.assign(**{name: column for name, column in changed.items() if column is not None})

    def _column(self, name: str, column: pd.Series) -> pd.Series | None:
        texts = [value for value in column.dropna().unique() if isinstance(value, str)]
        if not texts:
            return None
        scrub = self.file_name if name == "dataset" else self.paths if name in _NAMING else self.text
        return column.replace({text: scrub(text) for text in texts if scrub(text) != text})

    def file_name(self, dataset: str) -> str:
        """A dataset's name; of a file, the last part of its path."""
        if "/" not in dataset and "\\" not in dataset:
            return dataset
        return self.words(_last(dataset))


def getpass_user() -> str:
    """The user's name, "" where the system does not know one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _address(match: re.Match[str]) -> str:
    # `gmean@tuned` is a column, and `remix@2` (a number behind the sign) a version of a strategy.
    return match[0] if match[1] in RULES else "[address]"


def _short(path: str) -> str:
    return f"[path]/{_last(path)}"


def _last(path: str) -> str:
    windows = "\\" in path or re.match(r"[A-Za-z]:", path)
    return (PureWindowsPath(path) if windows else PurePosixPath(path)).name
