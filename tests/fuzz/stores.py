"""Targets of files that imbench writes and reads again: stores and published pages."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from imbench.store.parquet import to_parquet
from imbench.store.store import Store
from tests.cli.conftest import call
from tests.fuzz.harness import FaultError, Target, command, surroundings
from tests.fuzz.mutations import changed_tables, leaves, spliced_bytes, texts
from tests.fuzz.texts import world
from tests.made_results import FACTS, fill, job

Files = dict[str, bytes]
# Files that differ from those of a base; None for a file that is missing.
Changes = dict[str, bytes | None]

_FIXTURE = Path(__file__).parents[1] / "store" / "fixtures" / "store-schema-1"
RUN = (
    *("run", "--dataset", "two.csv:target=kind", "--strategy", "baseline", "--strategy", "mixup", "--jobs", "1"),
    *("--protocol", "paper:epochs=1,repeats=1,hidden_layers=1", "--store", "store"),
)


def _files_of(folder: Path) -> Files:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@functools.cache
def bases() -> tuple[Files, ...]:
    """Stores: of a run, with a failed job; of made-up jobs; and of the first schema."""
    with tempfile.TemporaryDirectory() as place, surroundings(Path(place)):
        folder = Path(place)
        (folder / "two.csv").write_bytes(world()["two.csv"])
        assert call(*RUN).code == 0
        Store.open("store").fail(job(), "ValueError: no\nrows", FACTS)
        made = Store.open("made", create=True)
        fill(made, ["segment"], ["baseline", "remix"])
        return tuple(map(_files_of, (folder / "store", folder / "made", _FIXTURE)))


# Changes of one Parquet file inside, after which it is sealed anew.
def _cast(table: pa.Table, name: str, value: Any) -> pa.Table:
    kinds = [
        pa.string(),
        pa.float64(),
        pa.int64(),
        pa.int32(),
        pa.bool_(),
        pa.null(),
        pa.date32(),
        pa.list_(pa.string()),
    ]
    kind = kinds[value % len(kinds)] if isinstance(value, int) else kinds[0]
    return _with(table, name, pa.array([None] * table.num_rows, kind))


def _constant(table: pa.Table, name: str, value: Any) -> pa.Table:
    return _with(table, name, pa.array([value] * table.num_rows))


def _converted(table: pa.Table, name: str, value: Any) -> pa.Table:
    kind = table.schema.field(name).type
    if not isinstance(value, str):
        value = type(table[name][0].as_py())(value) if table.num_rows and table[name][0].as_py() is not None else value
    return _with(table, name, pa.array([value] * table.num_rows, kind))


def _first(table: pa.Table, name: str, value: Any) -> pa.Table:
    values = table[name].to_pylist()
    return _with(table, name, pa.array([value, *values[1:]]))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)


_TABLE_CHANGES: dict[str, Callable[[pa.Table, str, Any], pa.Table]] = {
    "cast": _cast,
    "constant": _constant,
    "converted": _converted,
    "first": _first,
    "drop": lambda table, name, value: table.drop_columns([name]),
    "rename": lambda table, name, value: table.rename_columns(
        [str(value) if other == name else other for other in table.column_names]
    ),
    "twice": lambda table, name, value: table.append_column(name, table[name]),
    "add": lambda table, name, value: table.append_column(str(value), table[name]),
    "slice": lambda table, name, value: table.slice(0, value % 5 if isinstance(value, int) else 0),
    "double": lambda table, name, value: pa.concat_tables([table, table]),
    "reverse": lambda table, name, value: table.take(list(range(table.num_rows))[::-1]),
    "metadata": lambda table, name, value: table.replace_schema_metadata(
        {**(table.schema.metadata or {}), f"imbench.{name}".encode(): str(value).encode("utf-8", "surrogatepass")}
    ),
}
_IDENTITY, _FOLDS = b"imbench.identity", b"imbench.folds"


def sealed(content: bytes, change: str, name: str, value: Any) -> bytes:
    """The Parquet file with one change, and with checksums that are right; unchanged if that is impossible."""
    table = pq.read_table(io.BytesIO(content))
    try:
        changed = _TABLE_CHANGES[change](table, name, value)
        return to_parquet(changed, (changed.schema.metadata or {}).get(_IDENTITY, b"").decode("utf-8", "replace"))
    except (ValueError, TypeError, KeyError, OverflowError, UnicodeError, pa.ArrowException):
        return content


def relabelled(files: Files, key: str, identity: dict[str, Any]) -> Files:
    """The files with a job's identity exchanged and its key, names and seals made to fit."""
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"), default=str)
    other = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    found = {}
    for name, content in files.items():
        if key not in name or not name.endswith(".parquet"):
            found[name] = content
            continue
        table = pq.read_table(io.BytesIO(content))
        if "key" in table.column_names:
            table = _constant(table, "key", other)
        try:
            found[name.replace(key, other)] = to_parquet(table, text)
        except UnicodeError:
            found[name] = content
    return found


def metadata(content: bytes, name: bytes) -> str:
    """An entry in the metadata of a Parquet file."""
    return str((pq.read_schema(io.BytesIO(content)).metadata or {}).get(name, b"{}").decode())


@st.composite
def _changed(draw: st.DrawFn, files: Files) -> Files:
    """A store with one to three of its files changed, swapped, removed or added."""
    for _ in range(draw(st.integers(1, 3))):
        names = sorted(files)
        name = draw(st.sampled_from(names))
        match draw(
            st.sampled_from(["bytes", "bytes", "seal", "seal", "seal", "identity", "json", "json", "swap", "other"])
        ):
            case "bytes":
                files = files | {name: draw(spliced_bytes([files[name]]))}
            case "seal" if name.endswith(".parquet") and _is_readable(files[name]):
                columns = pq.read_schema(io.BytesIO(files[name])).names
                if columns:
                    change = draw(st.sampled_from(sorted(_TABLE_CHANGES)))
                    value = draw(leaves | st.sampled_from(columns))
                    files = files | {name: sealed(files[name], change, draw(st.sampled_from(columns)), value)}
            case "identity" if name.startswith("jobs/") and _is_readable(files[name]):
                known = json.loads(metadata(files[name], _IDENTITY))
                files = relabelled(files, Path(name).stem, draw(changed_tables([known])))
            case "json" if name.endswith(".json"):
                content = _parsed(files[name])
                if isinstance(content, dict):
                    files = files | {name: _json(draw(changed_tables([content])))}
            case "json" if name.startswith("predictions/") and _is_readable(files[name]):
                folds = {"folds": json.loads(metadata(files[name], _FOLDS))}
                text = _json(draw(changed_tables([folds])).get("folds")).decode()
                files = files | {name: sealed(files[name], "metadata", "folds", text)}
            case "swap":
                other = draw(st.sampled_from(names))
                files = files | {name: files[other], other: files[name]}
            case "other":
                place = draw(st.sampled_from(["jobs", "predictions", "failed", "derived", "quarantine", "x"]))
                to = draw(st.sampled_from(["x.parquet", "x.json", ".hidden", "0" * 64 + ".parquet", Path(name).name]))
                files = {n: c for n, c in files.items() if n != name} | {f"{place}/{to}": files[name]}
    return files


def _is_readable(content: bytes) -> bool:
    try:
        pq.read_table(io.BytesIO(content))
    except Exception:
        return False
    return True


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _json(value: Any) -> bytes:
    return json.dumps(value, default=str).encode("utf-8", "surrogatepass")


_VERBS: dict[str, tuple[str, ...]] = {
    "status": ("status", "store"),
    "check": ("status", "store", "--check", "--json"),
    "evaluate": ("evaluate", "store", "--metric", "gmean", "--within"),
    "all rules": ("evaluate", "store", "--metric", "bbs", "--rule", "each", "--json"),
    "merge": ("merge", "store", "good", "--into", "merged"),
    "compare": ("compare", "store", "good", "--all"),
    "plan": (*RUN, "--dry-run"),
    "report": ("report", "store", "--to", "report", "--metric", "gmean", "--rule", "argmax"),
    "publish": ("publish", "store", "--to", "site", "--name", "mine", "--unchecked", "--mixed"),
}


def _changes(base: Files, files: Files) -> Changes:
    return {name: files.get(name) for name in sorted({*base, *files}) if base.get(name) != files.get(name)}


def _applied(base: Files, changes: Changes) -> Files:
    return {name: content for name, content in (base | changes).items() if content is not None}


@st.composite
def _stores(draw: st.DrawFn) -> tuple[int, Changes, list[str]]:
    number = draw(st.integers(0, len(bases()) - 1))
    changes = _changes(bases()[number], draw(_changed(bases()[number])))
    return number, changes, draw(st.lists(st.sampled_from(sorted(_VERBS)), min_size=1, max_size=2, unique=True))


def write(folder: Path, files: Files) -> None:
    """Write these files into a folder."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        except OSError:  # the name is of a folder by now
            pass


def check_stores(example: tuple[int, Changes, list[str]], folder: Path) -> None:
    """A store that was changed: read by each command that reads stores, and nothing in it is lost."""
    number, changes, verbs = example
    write(folder / "store", _applied(bases()[number], changes))
    write(folder / "good", bases()[0])
    (folder / "two.csv").write_bytes(world()["two.csv"])
    before = _of_jobs(_files_of(folder / "store"))
    with _without_figures():
        for verb in verbs:
            command(folder, *_VERBS[verb])
    lost = before - set(_files_of(folder / "store").values())
    if lost:
        raise FaultError("lost", f"{len(lost)} files of the store are gone after {verbs}")


def _of_jobs(files: Files) -> set[bytes]:
    return {content for name, content in files.items() if name.startswith(("jobs/", "predictions/"))}


def _without_figures() -> ExitStack:
    """Meanwhile reports have no figures and publishing no report: drawing takes seconds."""
    stack = ExitStack()
    stack.enter_context(mock.patch("imbench.report.figures.rendering.render", return_value={}))
    stack.enter_context(mock.patch("imbench.report.publish._report_files", side_effect=lambda *_: {"index.html": b""}))
    return stack


# Published pages and reports.
_PUBLISH = ("publish", "store", "--to", "site", "--unchecked", "--author", "Doe, Jane")


@functools.cache
def _published() -> tuple[Files, Files]:
    """A small store, and the folder to which it was published, with the files of a report."""
    with tempfile.TemporaryDirectory() as place, surroundings(Path(place)), _without_figures():
        write(Path("store"), bases()[1])
        assert call(*_PUBLISH, "--name", "one").code == 0
        page = {f"site/{name}": content for name, content in _files_of(Path("site")).items()}
        boards = {
            "leaderboard.csv": b"strategy,average_rank\nremix,1.5\n",
            "leaderboard.json": b'[{"metric": "gmean"}]',
        }
        page |= {f"site/one/{name}": content for name, content in boards.items()}
        listed = {"index.html": hashlib.sha256(b"old").hexdigest(), "old.csv": hashlib.sha256(b"old").hexdigest()}
        report = {"report/report-files.json": _json(listed), "report/old.csv": b"old", "report/mine.csv": b"mine"}
        return bases()[1], page | report


@st.composite
def _pages(draw: st.DrawFn) -> tuple[Changes, list[str]]:
    files = _published()[1]
    for _ in range(draw(st.integers(1, 3))):
        weight = [
            "site/one/manifest.json",
            "site/manifest.json",
            "report/report-files.json",
            "site/one/results.parquet",
        ]
        name = draw(st.sampled_from([*weight, *sorted(files)]))
        content = files.get(name, b"")
        kinds: list[st.SearchStrategy[bytes]] = [spliced_bytes([content])]
        if isinstance(_parsed(content), dict):
            paths = st.sampled_from(["../../../x", "/etc/passwd", "../store/imbench-store.json", "a/b", "mine.csv"])
            kinds += [changed_tables([_parsed(content)]).map(_json)] * 3
            kinds += [st.tuples(st.just(_parsed(content)), paths | texts).map(_with_file)]
        if name.endswith(".parquet") and _is_readable(content):
            columns = pq.read_schema(io.BytesIO(content)).names
            changes = st.sampled_from(sorted(_TABLE_CHANGES))
            kinds += [
                st.tuples(st.just(content), changes, st.sampled_from(columns), leaves).map(lambda v: _plain_change(*v))
            ]
        files = files | {name: draw(st.one_of(kinds))}
    verbs = [*_PUBLISH, "--name"]
    lines = [[*verbs, "two"], [*verbs, "one"], [*verbs, "one", "--replace"], ["report", "store", "--to", "report"]]
    return _changes(_published()[1], files), draw(st.sampled_from(lines))


def _with_file(pair: tuple[Any, str]) -> bytes:
    table, name = dict(pair[0]), pair[1]
    if isinstance(table.get("files"), dict):
        return _json(table | {"files": table["files"] | {name: {"sha256": "0" * 64, "bytes": 1}}})
    return _json(table | {name: hashlib.sha256(b"old").hexdigest()})


def _plain_change(content: bytes, change: str, name: str, value: Any) -> bytes:
    try:
        sink = io.BytesIO()
        pq.write_table(_TABLE_CHANGES[change](pq.read_table(io.BytesIO(content)), name, value), sink)
    except (ValueError, TypeError, KeyError, OverflowError, UnicodeError, pa.ArrowException):
        return content
    return sink.getvalue()


def check_pages(example: tuple[Changes, list[str]], folder: Path) -> None:
    """A folder of pages and a report that were changed: written to again, and no file of others is touched."""
    changes, line = example
    store, files = _published()
    write(folder, _applied(files, changes))
    write(folder / "store", store)
    mine = folder / "report" / "mine.csv"
    before = mine.read_bytes() if mine.is_file() else None
    with _without_figures(), mock.patch("imbench.report._files", return_value=[("index.html", b"new")]):
        command(folder, *line)
    _same(folder / "store", store)
    if before is not None and before != b"old" and (not mine.exists() or mine.read_bytes() != before):
        raise FaultError("lost", "a file that no manifest names is gone")


_RESULTS = (["--metric", "gmean"], ["--metric", "bbs", "--json"], ["--metric", "gmean", "--rule", "each", "--within"])


@st.composite
def _results(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    content = _published()[1]["site/results.parquet"]
    if draw(st.integers(0, 4)) == 0:
        return draw(spliced_bytes([content])), draw(st.sampled_from(_RESULTS))
    columns = pq.read_schema(io.BytesIO(content)).names
    used = [
        "gmean",
        "bbs",
        "key",
        "dataset",
        "variant",
        "task",
        "strategy",
        "protocol",
        "ir",
        "repeat",
        "fold",
        "error",
    ]
    for _ in range(draw(st.integers(1, 2))):
        change = draw(st.sampled_from(sorted(_TABLE_CHANGES)))
        content = _plain_change(content, change, draw(st.sampled_from([*used, *columns])), draw(leaves))
    return content, draw(st.sampled_from(_RESULTS))


def check_results(example: tuple[bytes, list[str]], folder: Path) -> None:
    """A published file of results, changed, for `imbench evaluate`."""
    content, options = example
    (folder / "results.parquet").write_bytes(content)
    command(folder, "evaluate", "results.parquet", *options)


def _same(folder: Path, files: Files) -> None:
    found = _files_of(folder)
    if changed := _differing(files, found):
        raise FaultError("changed", f"{changed} of the store")


def _differing(a: Files, b: Files) -> Iterable[str]:
    return [name for name in a if a[name] != b.get(name)]


TARGETS = (
    Target("stores", _stores(), check_stores, prepare=bases, smoke=10),
    Target("results", _results(), check_results, prepare=_published, smoke=10),
    Target("pages", _pages(), check_pages, prepare=_published, smoke=6),
)
