"""Targets of a user's own table: the options that say how a file is read, and `imbench.table` of data in memory."""

from __future__ import annotations

import datetime
import traceback
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.data.frames import table
from tests.fuzz.harness import FaultError, Target, command, in_time
from tests.fuzz.mutations import leaves, spliced_text, texts

_NAMES = ("u", "v", "size", "when", "a+b", "a:b", "a,b", "Y", "y ", "note", "Unnamed: 0", "index", "line")
_VALUES = (
    "", "1", "2.5", "1,5", "1.037,50", "12 %", "3 kg", "€ 4", "n.d.", "NA", "inf", "1e400", "yes", "No", "TRUE", "x",
    "small", "large", "<5", "2024-01-31", "31.01.2024", "2024-01-31T10:00+02:00", "10:30", "ann said so", "0123", "é",
    "a\nb", 'q"q', "a;b", "a,b",
)  # fmt: skip
_OPTIONS = {
    "--sep": ("comma", "semicolon", "tab", "pipe", "space", "~", "ab"),
    "--decimal": ("point", "comma"),
    "--encoding": ("utf-8", "cp1252", "utf-16", "latin-1", "cp037", "rot13", "base64", "idna", "unicode_escape"),
    "--header": ("yes", "no", "1", "2", "3", "0", "99"),
    "--numeric": _NAMES, "--categorical": _NAMES, "--text": _NAMES, "--id": _NAMES, "--drop": _NAMES,
    "--ordinal": ("size:small/large", "size", "u:1/2"),
    "--date": ("when", "when:%d.%m.%Y", "when:%Q", "u:%"),
    "--boolean": ("v:yes", "v", "u:1"),
    "--minority": ("p", "q", "p+q"),
    "--group": _NAMES,
    "--time": ("when", "when:%d.%m.%Y", "u"),
}  # fmt: skip
_ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252")
_ABOVE = ("", "", "", "Report\n\n", "# made, by me\n", "sep=;\n", ";;\n", "\r\n")


@st.composite
def _files(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """Rows of likely and unlikely cells with a class, below a title or not, and options that may fit them."""
    separator = draw(st.sampled_from(",;\t| "))
    names = [*draw(st.lists(st.sampled_from(_NAMES), max_size=4)), "y"]
    cells = [draw(st.lists(st.sampled_from(_VALUES) | texts, min_size=1, max_size=4)) for _ in names]
    rows = draw(st.sampled_from([0, 1, 5, 24, 120]))
    lines = [
        [cells[j][(i * (j + 3)) % len(cells[j])] for j in range(len(names) - 1)] + ["pqq"[i % 3]] for i in range(rows)
    ]
    written = "\n".join(separator.join(_cell(cell, separator) for cell in line) for line in [names, *lines])
    content = draw(st.sampled_from(_ABOVE)) + written + draw(st.sampled_from(["", "\n", "\n\n", "\nTotal"]))
    option = st.sampled_from(sorted(_OPTIONS)).flatmap(
        lambda name: spliced_text(_OPTIONS[name], _NAMES).map(lambda value: [name, value.replace("\0", "")])
    )
    options = [part for pair in draw(st.lists(option, max_size=3)) for part in pair]
    return content.encode(draw(st.sampled_from(_ENCODINGS)), "replace"), options


def _cell(text: str, separator: str) -> str:
    return f'"{text.replace(chr(34), chr(34) * 2)}"' if separator in text or "\n" in text or '"' in text else text


def check_options(example: tuple[bytes, list[str]], folder: Path) -> None:
    """A file with options that say how it is read: described, or refused."""
    content, options = example
    (folder / "mine.csv").write_bytes(content)
    command(folder, "info", "mine.csv", "--target", "y", *options)


class _Strange:
    """A value of a type that no table has."""


_CELLS = st.one_of(
    leaves,
    st.sampled_from([None, pd.NA, pd.NaT, Decimal("1.5"), Decimal("NaN"), b"x", b"\xff", 1j, [1], {"a": 1}, (1, 2)]),
    st.sampled_from([pd.Timestamp("2024-01-31", tz="UTC"), pd.Timestamp.max, datetime.timedelta(1), np.float32(1.5)]),
    st.builds(_Strange),
)
_TYPES = ("object", "category", "Sparse[float]", "Int64", "string", "boolean", "complex128", "datetime64[ns]")
_KINDS = ("numeric", "categorical", "ordinal", "date", "boolean", "text", "id", "drop", "group", "time", "minority")


@st.composite
def _frames(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """A frame of columns of one or several types, and what is said about its columns."""
    rows = draw(st.sampled_from([0, 1, 24, 60]))
    columns: dict[Any, pd.Series] = {}
    for name in draw(st.lists(st.sampled_from(_NAMES) | st.integers(0, 3) | texts, max_size=4)):
        cells = draw(st.lists(_CELLS, min_size=1, max_size=4))
        column = pd.Series([cells[i % len(cells)] for i in range(rows)], dtype=object)
        kind = draw(st.sampled_from(_TYPES))
        try:
            columns[name] = column.astype(kind)
        except (TypeError, ValueError, OverflowError, ArithmeticError):
            columns[name] = column
    frame = pd.DataFrame(columns, index=range(rows)).assign(y=["pqq"[i % 3] for i in range(rows)])
    if draw(st.integers(0, 9)) == 0:
        frame.columns = pd.MultiIndex.from_tuples([(name, "a") for name in frame.columns])
    names = st.sampled_from([*_NAMES, 0, 1, "y"])
    value = st.one_of(names, st.lists(names, max_size=2), st.dictionaries(names, st.sampled_from(["%d.%m.%Y", "p"])))
    said = draw(st.dictionaries(st.sampled_from(_KINDS), value, max_size=2))
    return frame, {"target": "y", **said}


def check_frames(example: tuple[Any, dict[str, Any]], folder: Path) -> None:
    """A frame in memory: written and described, or refused."""
    frame, said = example
    try:
        with in_time():
            spec = table(frame, **said)
    except UsageError as error:
        if "\n" in str(error).strip():
            raise FaultError("several lines", str(error)) from None
        return
    except Exception as error:
        raise FaultError(f"raised {type(error).__name__}", traceback.format_exc()) from None
    command(folder, "info", spec)


# Two columns of times, and whole numbers that 64 bits do not have.
_KEPT_FRAMES = (
    (pd.DataFrame({"y": ["p"]}), {"target": "y", "time": ["u", "v"]}),
    (pd.DataFrame({"u": [2**63, 10**400], "y": ["p", "q"]}, dtype=object), {"target": "y"}),
)

TARGETS = (
    Target("table-options", _files(), check_options, smoke=40),
    Target("frames", _frames(), check_frames, _KEPT_FRAMES, smoke=40),
)
