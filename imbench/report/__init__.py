"""The report of a store: one page, data files, tables for papers and figures."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imbench.contract.errors import UsageError
from imbench.contract.names import is_inside
from imbench.contract.reading import parse_json, read_file
from imbench.report.model import Options, gather
from imbench.store.files import write_durably
from imbench.store.outputs import check_output_folder
from imbench.store.results import Results

__all__ = ["FILES", "Options", "write_report"]

# Lists the files of a report, so that the next report in the folder can delete outdated ones.
FILES = "report-files.json"


def write_report(results: Results, to: str | os.PathLike[str], options: Options | None = None) -> list[Path]:
    """Write every file of a report into a folder; equal results give equal bytes.

    Parameters
    ----------
    results : the results to report
    to : the folder, created if missing. Files of the same names are replaced. Files that only an earlier report in the
        folder wrote are deleted if they are unchanged since; all other files stay
    options : the metrics and decision rules to show, and facts that a store does not contain; default: everything

    Returns
    -------
    The written files, ``index.html`` first.

    Raises
    ------
    UsageError
        If the folder cannot be written, or for a metric or rule that the results do not have; nothing is written.
    StoreError
        If the disk is full.
    """
    check_output_folder(to, "--to")
    folder, digests = Path(to), {}
    for name, content in _files(results, options or Options()):
        write_durably(folder / name, content)
        digests[name] = hashlib.sha256(content).hexdigest()
    for name, digest in _earlier_files(folder).items():
        if name not in digests:
            _delete_if_unchanged(folder / name, digest)
    write_durably(folder / FILES, (json.dumps(digests, indent=1) + "\n").encode())
    return [folder / name for name in (*digests, FILES)]


def _earlier_files(folder: Path) -> dict[str, str]:
    """The files of an earlier report with their SHA-256, ignoring any outside the folder."""
    what = f"the list {folder / FILES}"
    try:
        known = parse_json(read_file(folder / FILES, what), dict[str, str], what)
    except UsageError:
        return {}
    return {name: digest for name, digest in known.items() if is_inside(name)}


def _delete_if_unchanged(file: Path, digest: object) -> None:
    try:
        if hashlib.sha256(file.read_bytes()).hexdigest() == digest:
            file.unlink()
    except OSError:
        pass  # already gone, or not accessible: an outdated file does no harm


def _files(results: Results, options: Options) -> Iterator[tuple[str, bytes]]:
    from imbench.report.figures.kinds import Figures
    from imbench.report.figures.rendering import render
    from imbench.report.figures.sample_grid import draw
    from imbench.report.latex import latex
    from imbench.report.markdown import markdown
    from imbench.report.page import page
    from imbench.report.plain import to_json
    from imbench.report.tables import (
        IMAGE_TABLES,
        REFERENCE_TABLES,
        TABLES,
        TUNED_REFERENCE_TABLES,
        TUNING_TABLES,
        csv,
        parquet,
        sample_labels,
    )

    model = gather(results, options)
    figures = Figures(model)
    texts: dict[str, Callable[[], str]] = {
        "index.html": lambda: page(model, figures),
        "leaderboard.md": lambda: markdown(model),
        "leaderboard.json": lambda: to_json(model),
        "tables.tex": lambda: latex(model),
    }
    for name, text in texts.items():
        yield name, text().encode()
    tables = {
        **TABLES,
        **(REFERENCE_TABLES if model.reference_boards else {}),
        **(IMAGE_TABLES if model.images else {}),
        **(TUNING_TABLES if len(model.tuned) else {}),
        **(TUNED_REFERENCE_TABLES if any(one.reference_boards for one in model.budgets) else {}),
    }
    for name, make in tables.items():
        table = make(model)
        yield f"{name}.csv", csv(table)
        yield f"{name}.parquet", parquet(table)
    for samples in model.images.samples if model.images else ():
        if samples.grid is not None:
            yield f"{samples.file}.png", draw(samples.grid, "png")
            yield f"{samples.file}.csv", csv(sample_labels(samples.grid))
    for spec in figures.files:
        for kind, content in render(spec).items():
            yield f"figures/{spec.name}.{kind}", content
