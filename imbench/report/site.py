"""The folder of all published pages: an index, and the results of all pages together."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from imbench.contract.errors import StoreError
from imbench.contract.reading import fitting, parse_json, read_file
from imbench.contract.text import shown
from imbench.report.page_files import badge, citation
from imbench.report.tables import without_formula
from imbench.store.derive import outdated, with_versions
from imbench.store.folder import MANIFEST, manifest, renew
from imbench.store.parquet import DamagedError
from imbench.store.rows import joined

ROOT_FILES = ("index.html", "results.parquet", "leaderboard.csv", "leaderboard.json", "CITATION.cff", "badge.svg")


class _Page(msgspec.Struct):
    """What the index needs of a page's manifest."""

    title: str
    authors: list[str]
    configurations: int
    strategies: list[str]
    jobs: int
    failed: int
    notes: list[str]
    best: list[_Best]


class _Best(msgspec.Struct):
    protocol: str
    task: str
    metric: str
    strategy: str
    average_rank: float
    configurations: int


_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
th { text-align: left; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
""".strip()


def renew_site(folder: Path) -> None:
    """Rebuild the files of the folder from those of its pages.

    ``results.parquet`` and ``leaderboard.csv`` have the rows of all pages, with a column ``page``; ``leaderboard.json``
    has the leaderboards of each page, by its name. Columns of another version of a metric or rule are empty in
    ``results.parquet``.
    """
    pages = {file.parent.name: manifest(file.parent) for file in sorted(folder.glob(f"*/{MANIFEST}"))}
    pages = {name: facts for name, facts in pages.items() if facts.get("page") == name}
    for name, facts in pages.items():
        fitting(facts, _Page, f"manifest.json of page {name!r} in {folder}", StoreError)
    parquet = _results(folder, list(pages))
    title = f"imbench: {_count(len(pages), 'page')} of results"
    authors = list(dict.fromkeys(author for facts in pages.values() for author in facts["authors"]))
    abstract = " ".join(f"{facts['title']}." for facts in pages.values())
    jobs = sum(facts["jobs"] for facts in pages.values())
    files = {
        "index.html": _html(title, _index(pages)).encode(),
        "results.parquet": parquet,
        "leaderboard.csv": _leaderboard_csv(folder, list(pages)).encode(),
        "leaderboard.json": _leaderboard_json(folder, list(pages)).encode(),
        "CITATION.cff": citation(title, authors, abstract, hashlib.sha256(parquet).hexdigest()).encode(),
        "badge.svg": badge("imbench", f"{_count(len(pages), 'page')}, {_count(jobs, 'job')}").encode(),
    }
    assert set(files) == set(ROOT_FILES)
    renew(folder, files, {"pages": {name: _hash(folder / name / MANIFEST) for name in pages}})


def _results(folder: Path, pages: Sequence[str]) -> bytes:
    tables = []
    for page in pages:
        try:
            table = pq.read_table(folder / page / "results.parquet")
            outdated(table.schema)
        except (OSError, ValueError, pa.ArrowException, DamagedError) as error:
            reason = shown(str(error))
            raise StoreError(
                f"page {page!r} in {folder} has a damaged results.parquet ({reason}); publish its store again"
            ) from error
        # Pages of an older imbench are not changed; one column must not mix numbers of two definitions.
        table = table.drop_columns([n for n in outdated(table.schema) if n in table.column_names])
        table = table.replace_schema_metadata(None)
        tables.append(table.add_column(0, "page", pa.array([page] * table.num_rows, pa.string())))
    whole = with_versions(joined([_plain_text(table) for table in tables]))
    sink = io.BytesIO()
    pq.write_table(whole.select(["page", *(n for n in whole.column_names if n != "page")]), sink, compression="zstd")
    return sink.getvalue()


def _plain_text(table: pa.Table) -> pa.Table:
    fields = [pa.field(f.name, pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _leaderboard_csv(folder: Path, pages: Sequence[str]) -> str:
    tables = {page: list(csv.DictReader(io.StringIO(_text(folder, page, "leaderboard.csv")))) for page in pages}
    columns = list(dict.fromkeys(name for rows in tables.values() for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["page", *columns], restval="", lineterminator="\n")
    writer.writeheader()
    for page, rows in tables.items():
        writer.writerows({"page": page, **{name: without_formula(cell) for name, cell in row.items()}} for row in rows)
    return out.getvalue()


def _leaderboard_json(folder: Path, pages: Sequence[str]) -> str:
    texts = {page: _text(folder, page, "leaderboard.json") or "null" for page in pages}
    boards = {page: parse_json(text, object, f"leaderboard.json of page {page!r}") for page, text in texts.items()}
    return json.dumps({"pages": boards}, indent=1, ensure_ascii=False) + "\n"


def _text(folder: Path, page: str, name: str) -> str:
    file = folder / page / name
    return read_file(file, str(file), StoreError).decode("utf-8", "replace") if file.exists() else ""


def _html(title: str, body: str) -> str:
    """A complete, self-contained page."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _index(pages: dict[str, dict[str, Any]]) -> str:
    sections = [
        f'<section>\n<h2><a href="{escape(name)}/index.html">{escape(facts["title"])}</a></h2>\n'
        f"<p>{escape(_facts(facts))}</p>\n{_listing(facts['notes'])}\n{_best(facts['best'])}\n</section>"
        for name, facts in pages.items()
    ]
    links = ", ".join(f'<a href="{name}">{name}</a>' for name in (*ROOT_FILES[1:], MANIFEST))
    return "\n".join(["<h1>Results of imbench</h1>", *sections, f"<p>All pages in one: {links}</p>"])


def _listing(items: Sequence[str]) -> str:
    """Sentences as an HTML list; "" for none."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def _facts(facts: dict[str, Any]) -> str:
    failed = f", {facts['failed']} failed" if facts["failed"] else ""
    return (
        f"{_count(facts['jobs'], 'job')}{failed}; {_count(facts['configurations'], 'configuration')}; "
        f"{_count(len(facts['strategies']), 'strategy', 'strategies')}; by {'; '.join(facts['authors'])}"
    )


def _best(best: Sequence[dict[str, Any]]) -> str:
    columns = ("protocol", "task", "metric", "strategy", "average_rank", "configurations")
    head = "".join(f'<th scope="col">{name.replace("_", " ")}</th>' for name in columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(_shown(row[name]))}</td>" for name in columns) + "</tr>" for row in best
    )
    caption = "<caption>Strategy with the lowest rank sum</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
