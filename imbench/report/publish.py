"""Publish a store: check it, remove private names, and write it as a folder for any static host."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.protocol import Place, caveat
from imbench.report import FILES, Options, write_report
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.model import notes_of
from imbench.report.page_files import badge, citation
from imbench.report.scrub import ADDRESSES, Scrubber
from imbench.report.site import ROOT_FILES, renew_site
from imbench.scoring.metrics import METRICS
from imbench.scoring.rules import by_argmax
from imbench.stats.leaderboard import Leaderboard
from imbench.stats.names import CONFIGURATION, labelled
from imbench.stats.words import counted
from imbench.store.derive import with_versions
from imbench.store.folder import check_own, manifest, renew
from imbench.store.merge import ROUNDING
from imbench.store.outputs import check_output_folder
from imbench.store.results import Results, load
from imbench.store.source_marks import unchecked as without_checks
from imbench.store.store import Store

ANONYMOUS = "The authors of these results"
_CHECKED = ("gmean", "bbs", "brier")
# Files of a report that could contain a folder's path; the others are made from scrubbed rows or contain no text.
_TEXT = {".html", ".md", ".csv", ".json", ".svg", ".tex", ".txt", ".cff"}


@dataclass(frozen=True)
class Published:
    """The published ``folder``, the name of this store's ``page`` in it, and the page's files."""

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

    The page is a folder with everything that `imbench.report.write_report` writes, ``index.html`` among it,
    ``results.parquet`` (rows without predictions), ``CITATION.cff``, ``badge.svg`` and ``manifest.json`` with the
    SHA-256 of each file. The folder itself has the same of all its pages together, and an index of them. Publishing
    the same store again changes no byte.

    Parameters
    ----------
    store : the folder of results; it is not changed
    to : the folder to publish to, created if missing
    name : name of the page; default: the store's folder name
    title : title of the page; default: a count of the store's contents
    authors : authors to cite, ``Family, Given`` or the name of a group
    mixed : allow several protocols or schema versions on one page
    replace_page : replace a page of this name even if the new page lacks jobs of it
    select : chooses the rows to publish; default: all
    unchecked : publish strategies even if they failed or skipped `imbench.checks`
    describe : gives facts that the rows do not contain, such as modalities, as options of the report

    Raises
    ------
    StoreError
        If the store is damaged, or its rows disagree with its predictions; if it mixes protocols or schema versions,
        unless ``mixed``; if it contains a protocol that ranks nothing (``smoke``); if a strategy failed or skipped the
        checks, unless ``unchecked``; if a page of this name has jobs that the store lacks, unless ``replace_page``; if
        files in ``to`` that imbench did not write are in the way. Nothing is written then.
    UsageError
        If ``to`` lies in the store or cannot be written, or ``name`` is not a valid folder name.
    """
    source, folder = Path(store), Path(to)
    if folder.resolve().is_relative_to(source.resolve()):
        raise UsageError(f"--to {folder} lies in the store {source}; give a folder outside it")
    check_output_folder(folder, "--to")
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
    # The commands must name packages by the same scrubbed sources as the published rows.
    known = results.rows.assign(**{name: clean.rows[name] for name in ADDRESSES if name in clean.rows})
    described = describe(known) if describe else Options()
    options = replace(_scrubbed(described, scrubber), title=scrubber.text(title))
    files, facts = _page(clean, scrubber, options, list(authors) or [ANONYMOUS])
    renew(folder / page, files, {"page": page, **facts})
    renew_site(folder)
    return Published(folder, page, tuple(sorted(files)))


def check_whole(store: Store, rows: pd.DataFrame) -> None:
    """Check that a store has finished jobs, no damaged ones, and rows that agree with its predictions.

    Raises
    ------
    StoreError
        Names the first job that is wrong.
    """
    status = store.status()
    if status.quarantined:
        raise StoreError(
            f"store {store.path} has {counted(status.quarantined, 'damaged job')}; repeat the run that made them"
        )
    done = rows[rows["error"] == ""]
    if done.empty:
        raise StoreError(f"store {store.path} has no finished job to publish; run jobs first")
    for key, of_job in done.groupby("key"):
        nets = {p.place: p for p in store.predictions(str(key))}
        for row in of_job.to_dict("records"):
            place = Place(*(row[name] for name in Place._fields))
            outcome = by_argmax(nets[place])
            for metric in _CHECKED:
                value = METRICS[metric].function(outcome)
                if not abs(value - row[metric]) <= ROUNDING:
                    raise StoreError(
                        f"job {key} of store {store.path}: the stored {metric} of {place} is {row[metric]}, but "
                        f"its predictions give {value}; delete the job and run it again"
                    )


def check_ranks(store: Path, rows: pd.DataFrame) -> None:
    """Raise StoreError if any rows are of a protocol that ranks nothing."""
    protocols = sorted(set(rows["protocol"]))
    unranked = [protocol for protocol in protocols if caveat(protocol)]
    if unranked:
        others = [protocol for protocol in protocols if protocol not in unranked]
        fix = f"publish others with --protocol {shlex.quote(others[0])}" if others else "run another protocol first"
        raise StoreError(f"store {store} has results of protocol {unranked[0]}: {caveat(unranked[0])}; {fix}")


def check_unmixed(rows: pd.DataFrame) -> None:
    """Raise StoreError if the rows mix protocols or schema versions."""
    protocols = sorted(set(labelled(rows)["protocol"]))
    versions = sorted({(int(s), int(n)) for s, n in rows[["schema", "numbers"]].drop_duplicates().to_numpy()})
    for what, found in (
        ("schema versions", [f"{schema} (numbers of version {numbers})" for schema, numbers in versions]),
        ("protocols", protocols),
    ):
        if len(found) > 1:
            raise StoreError(
                f"the store mixes {what}: {', '.join(found)}; publish a store for each, or allow it with --mixed"
            )


def check_checked(rows: pd.DataFrame) -> None:
    """Raise StoreError if a strategy failed or skipped `imbench.checks`."""
    found = [f"{strategy} ({outcome})" for strategy, outcome in without_checks(rows).items()]
    if found:
        raise StoreError(
            f"strategies failed or skipped the conformance checks: {', '.join(found)}; fix them (imbench plugin check "
            "lists the failures) and run them under a new version, or publish them with --unchecked"
        )


def _scrubber(results: Results) -> Scrubber:
    texts = [str(v) for n in ("dataset", "error", "protocol", "variant") for v in results.rows[n].dropna().unique()]
    return Scrubber.of_this_machine(texts, [results.store, Path.home(), Path.cwd()])


def _scrubbed(options: Options, scrubber: Scrubber) -> Options:
    """Options with the dataset names of the scrubbed rows; text in pictures has to be scrubbed before drawing."""
    grids: dict[str, SampleGrid | str] = {}
    for dataset, grid in (options.sample_grids or {}).items():
        name = scrubber.file_name(dataset)
        if isinstance(grid, str):
            grids[name] = scrubber.text(grid)
            continue
        left_out = tuple((scrubber.text(strategy), scrubber.text(reason)) for strategy, reason in grid.left_out)
        grids[name] = replace(grid, title=scrubber.text(grid.title.replace(dataset, name)), left_out=left_out)
    modality = {scrubber.file_name(dataset): kind for dataset, kind in (options.modality or {}).items()}
    citations = {
        scrubber.file_name(dataset): scrubber.text(text) for dataset, text in (options.citations or {}).items()
    }
    return replace(options, modality=modality, sample_grids=grids, citations=citations)


def _page_name(name: str | None, store: Path, scrubber: Scrubber) -> str:
    if name is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise UsageError(f"--name {name!r} must consist of letters, digits, dots, dashes and underscores")
        return name
    text = scrubber.without_names(store.resolve().name).replace("[name]", " ").lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-") or "results"


def _check_keeps(folder: Path, page: str, rows: pd.DataFrame) -> None:
    """A page may gain jobs; a store that lacks some of its jobs is another store."""
    if not manifest(folder):
        return
    try:
        shown = set(pq.read_table(folder / "results.parquet", columns=["key"])["key"].to_pylist())
    except (OSError, pa.ArrowException, KeyError):
        return  # a damaged page can be replaced
    lost = shown - set(rows["key"])
    if lost:
        raise StoreError(
            f"page {page!r} has {counted(len(lost), 'job')} that this store lacks, so it belongs to another store; "
            "choose another --name, or replace it with --replace"
        )


def _title(results: Results) -> str:
    rows = results.rows
    configurations = len(rows[CONFIGURATION].drop_duplicates())
    protocols = ", ".join(sorted(set(rows["protocol"])))
    strategies = rows["strategy"].nunique()
    return (
        f"imbench: {strategies} {'strategy' if strategies == 1 else 'strategies'} on "
        f"{counted(configurations, 'configuration')}, protocol {protocols}"
    )


def _page(
    results: Results, scrubber: Scrubber, options: Options, authors: Sequence[str]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a page, and the facts in its manifest."""
    results = replace(results, scope=options.scope_of(results))
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
    """The files of the report, by path in its folder; the page's manifest replaces the report's list of files."""
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


def _message(boards: Sequence[Leaderboard]) -> str:
    """The text of the badge: the best strategy of the first leaderboard that ranks any."""
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
    """Rows as a Parquet file with the versions of metrics and decision rules; equal rows give equal bytes."""
    table = with_versions(pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()
