"""Publish a store: checked, scrubbed, and written as a folder for any static host."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.protocol import caveat
from imbench.report import FILES, Options, write_report
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.model import notes_of
from imbench.report.page_files import badge, board_html, citation, html, listing
from imbench.report.scrub import Scrubber
from imbench.report.site import ROOT_FILES, renew_site
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import by_argmax
from imbench.stats.leaderboard import Leaderboard
from imbench.stats.names import CONFIGURATION, labelled
from imbench.stats.scope import Scope
from imbench.store.folder import check_own, manifest, renew
from imbench.store.merge import ROUNDING
from imbench.store.results import Results, load
from imbench.store.source_marks import unchecked as without_checks
from imbench.store.store import Store

ANONYMOUS = "The authors of these results"
_CHECKED = ("gmean", "bbs", "brier")
# Files of a report in which a folder's path could stand; the others are made from scrubbed rows, or hold no text.
_TEXT = {".html", ".md", ".csv", ".json", ".svg", ".tex", ".txt", ".cff"}


@dataclass(frozen=True)
class Published:
    """What was published: ``folder``, the ``page`` of it that this store has, and the page's files."""

    folder: Path
    page: str
    files: tuple[str, ...]


def publish(
    store: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    name: str | None = None,
    title: str | None = None,
    authors: Sequence[str] = (),
    mixed: bool = False,
    replace_page: bool = False,
    select: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    unchecked: bool = False,
    describe: Callable[[pd.DataFrame], Options] | None = None,
) -> Published:
    """Write a store as one page of a folder that any static host can serve.

    The page, a folder of its own, holds everything that `imbench.report.write_report` writes, ``index.html``,
    ``results.parquet`` (rows without predictions), ``CITATION.cff``, ``badge.svg`` and ``manifest.json`` with the
    SHA-256 of each file. The folder itself has the same of all its pages together, and an index of them. Publishing
    the same store again changes no byte.

    Parameters
    ----------
    store : the folder of results; nothing in it is changed
    to : the folder to publish to, made if need be
    name : of the page; default: the store's folder name
    title : for people; default: what the store holds
    authors : to be cited, ``Family, Given`` or the name of a group
    mixed : whether several protocols or schema versions may stand on one page
    replace_page : whether a page of this name may lose jobs that it shows now
    select : gives those of the store's rows that are published; default: all
    unchecked : whether strategies may be published that failed `imbench.checks`, or were not held against them
    describe : gives what rows do not say of themselves, such as modalities, as options of the report

    Raises
    ------
    StoreError
        If the store is damaged, or its rows are not what its predictions give; if it mixes protocols or schema
        versions, unless ``mixed``; if a protocol among them ranks nothing (``smoke``); if a strategy failed the checks,
        unless ``unchecked``; if a page of this name has jobs that the store does not; if ``to`` has files of somebody
        else in the way. Nothing is written then.
    UsageError
        If ``to`` lies in the store, or ``name`` is no name for a folder.
    """
    source, folder = Path(store), Path(to)
    if folder.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"--to {folder} lies in the store {source}; give a folder outside it")
    results = load(source)
    if select is not None:
        results = replace(results, rows=select(results.rows))
    check_ranks(source, results.rows)
    check_whole(Store.open(source), results.rows)
    if not mixed:
        check_unmixed(results.rows)
    if not unchecked:
        check_checked(results.rows)
    scrubber = _scrubber(results)
    clean = replace(results, rows=scrubber.rows(results.rows))
    page = _page_name(name, source, scrubber)
    check_own(folder, dict.fromkeys(ROOT_FILES))
    if not replace_page:
        _check_keeps(folder / page, page, results.rows)
    title = title or _title(clean)
    described = describe(results.rows) if describe else Options()
    options = replace(_scrubbed(described, scrubber), title=scrubber.text(title))
    files, facts = _page(clean, scrubber, options, list(authors) or [ANONYMOUS])
    renew(folder / page, files, {"page": page, **facts})
    renew_site(folder)
    return Published(folder, page, tuple(sorted(files)))


def check_whole(store: Store, rows: pd.DataFrame) -> None:
    """See that a store is fit to be published: jobs done, none damaged, and rows that follow from predictions.

    Raises
    ------
    StoreError
        That says which job is wrong.
    """
    status = store.status()
    if status.quarantined:
        raise StoreError(
            f"store {store.path} has {status.quarantined} jobs that were found damaged; do the same run again first"
        )
    done = rows[rows["error"] == ""]
    if done.empty:
        raise StoreError(f"store {store.path} has no finished job to publish; run some first")
    for key, of_job in done.groupby("key"):
        folds = {(p.repeat, p.fold): p for p in store.predictions(str(key))}
        for row in of_job.to_dict("records"):
            outcome = by_argmax(folds[row["repeat"], row["fold"]])
            for metric in _CHECKED:
                if not abs(METRICS[metric].function(outcome) - row[metric]) <= ROUNDING:
                    raise StoreError(
                        f"job {key} of store {store.path} says {metric} {row[metric]} in repeat {row['repeat']}, fold "
                        f"{row['fold']}, its predictions give {METRICS[metric].function(outcome)}; delete it and run "
                        "it again"
                    )


def check_ranks(store: Path, rows: pd.DataFrame) -> None:
    """Raise StoreError if results of a protocol that ranks nothing would be published."""
    protocols = sorted(set(rows["protocol"]))
    unranked = [protocol for protocol in protocols if caveat(protocol)]
    if unranked:
        others = [protocol for protocol in protocols if protocol not in unranked]
        fix = f"publish the others with --protocol {shlex.quote(others[0])}" if others else "run another protocol first"
        raise StoreError(f"store {store} has results of protocol {unranked[0]}: {caveat(unranked[0])}; {fix}")


def check_unmixed(rows: pd.DataFrame) -> None:
    """Raise StoreError if rows are of several protocols, or of several schema versions."""
    protocols = sorted(set(labelled(rows)["protocol"]))
    versions = sorted({(int(s), int(n)) for s, n in rows[["schema", "numbers"]].drop_duplicates().to_numpy()})
    for what, found in (
        ("schema versions", [f"{schema} (numbers of version {numbers})" for schema, numbers in versions]),
        ("protocols", protocols),
    ):
        if len(found) > 1:
            raise StoreError(
                f"the store mixes {what}: {', '.join(found)}; publish stores of one each, or allow it with --mixed"
            )


def check_checked(rows: pd.DataFrame) -> None:
    """Raise StoreError if a strategy failed `imbench.checks` or was not held against them."""
    found = [f"{strategy} ({outcome})" for strategy, outcome in without_checks(rows).items()]
    if found:
        raise StoreError(
            f"strategies that did not pass imbench's checks: {', '.join(found)}; imbench plugin check says what to "
            "repair (run again with a raised version), or publish them as they are with --unchecked"
        )


def _scrubber(results: Results) -> Scrubber:
    texts = [str(v) for n in ("dataset", "error", "protocol", "variant") for v in results.rows[n].dropna().unique()]
    return Scrubber.of_this_machine(texts, [results.store, Path.home(), Path.cwd()])


def _scrubbed(options: Options, scrubber: Scrubber) -> Options:
    """Options that call datasets what scrubbed rows call them; a picture's text cannot be scrubbed any more."""
    sheets: dict[str, SampleGrid | str] = {}
    for dataset, sheet in (options.sheets or {}).items():
        name = scrubber.file_name(dataset)
        if isinstance(sheet, str):
            sheets[name] = scrubber.text(sheet)
            continue
        left_out = tuple((scrubber.text(strategy), scrubber.text(reason)) for strategy, reason in sheet.left_out)
        sheets[name] = replace(sheet, title=scrubber.text(sheet.title.replace(dataset, name)), left_out=left_out)
    modality = {scrubber.file_name(dataset): kind for dataset, kind in (options.modality or {}).items()}
    return replace(options, modality=modality, sheets=sheets)


def _page_name(name: str | None, store: Path, scrubber: Scrubber) -> str:
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UsageError(f"--name {name!r} must be letters, digits, dots, dashes and underscores, as in a URL")
        return name
    words = scrubber.words(store.resolve().name).replace("[name]", " ").lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") or "results"


def _check_keeps(folder: Path, page: str, rows: pd.DataFrame) -> None:
    """A page may grow; what it would lose belongs to another store."""
    if not manifest(folder):
        return
    try:
        shown = set(pq.read_table(folder / "results.parquet", columns=["key"])["key"].to_pylist())
    except (OSError, pa.ArrowException, KeyError):
        return  # a damaged page is no reason to keep it
    lost = shown - set(rows["key"])
    if lost:
        raise StoreError(
            f"page {page!r} has {len(lost)} jobs that this store has not, so it is of another store; choose another "
            "--name, or give --replace"
        )


def _title(results: Results) -> str:
    rows = results.rows
    configurations = len(rows[CONFIGURATION].drop_duplicates())
    protocols = ", ".join(sorted(set(rows["protocol"])))
    strategies = rows["strategy"].nunique()
    return f"imbench: {strategies} strategies on {configurations} configurations, protocol {protocols}"


def _page(
    results: Results, scrubber: Scrubber, options: Options, authors: Sequence[str]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a page, and what its manifest says beside their hashes."""
    results = replace(results, scope=Scope(suites=options.suites))
    rows, boards, title = results.rows, results.leaderboards(), options.title
    parquet = rows_as_parquet(rows)
    files = _report_files(results, scrubber, options)
    notes = notes_of(rows, options)
    abstract = " ".join([f"{title}.", *(f"{note[0].upper()}{note[1:]}." for note in notes)])
    files |= {
        "results.parquet": parquet,
        "CITATION.cff": citation(title, authors, abstract, hashlib.sha256(parquet).hexdigest()).encode(),
        "badge.svg": badge("imbench", _message(boards)).encode(),
    }
    files.setdefault("index.html", _index(files, title, notes, boards))
    facts = {
        "title": title,
        "authors": list(authors),
        "imbench": version("imbench"),
        "protocols": sorted(set(rows["protocol"])),
        "schemas": sorted({int(schema) for schema in rows["schema"]}),
        "configurations": len(rows[CONFIGURATION].drop_duplicates()),
        "strategies": sorted(set(rows["strategy"])),
        "jobs": int(rows["key"].nunique()),
        "failed": len(results.failures()),
        "notes": list(notes),
        "best": [_best(board) for board in boards if len(board.configurations)],
    }
    return files, facts


def _report_files(results: Results, scrubber: Scrubber, options: Options) -> dict[str, bytes]:
    """Whatever the report writes, by the path inside its folder; the page's own manifest lists it."""
    with tempfile.TemporaryDirectory() as temporary:
        write_report(results, temporary, options)
        (Path(temporary) / FILES).unlink(missing_ok=True)
        found = {}
        for file in sorted(Path(temporary).rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                if file.suffix in _TEXT:
                    content = scrubber.rendered(content.decode("utf-8")).encode("utf-8")
                found[file.relative_to(temporary).as_posix()] = content
    return found


def _index(files: dict[str, bytes], title: str, notes: Sequence[str], boards: Sequence[Leaderboard]) -> bytes:
    """The report's own page if it has a single one, else a plain one with the leaderboards."""
    pages = [name for name in files if name.endswith(".html") and "/" not in name]
    if len(pages) == 1:
        return files[pages[0]]
    links = "".join(f'<li><a href="{name}">{name}</a></li>' for name in sorted(files))
    body = [f"<h1>{escape(title)}</h1>", listing(notes), "<h2>Leaderboards</h2>", *map(board_html, boards)]
    return html(title, "\n".join([*body, f"<h2>Files</h2>\n<ul>{links}</ul>"])).encode()


def _message(boards: Sequence[Leaderboard]) -> str:
    """What the badge says: the best strategy of the first leaderboard that ranks any."""
    for board in boards:
        if len(board.configurations):
            return f"{board.table['strategy'].iloc[0]} leads in {board.metric.title}"
    return "results"


def _best(board: Leaderboard) -> dict[str, Any]:
    first = board.table.iloc[0]
    return {
        "protocol": board.protocol,
        "task": board.task,
        "metric": board.metric.name,
        "strategy": str(first["strategy"]),
        "mean": float(first["mean"]),
        "average_rank": float(first["average_rank"]),
        "configurations": len(board.configurations),
        "p": None if np.isnan(first["p"]) else float(first["p"]),
    }


def rows_as_parquet(rows: pd.DataFrame) -> bytes:
    """Rows as a Parquet file, the same bytes for the same rows."""
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
