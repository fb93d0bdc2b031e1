"""The report: what a store says, as one page, as data files, as tables for papers and as figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from imbench.study.files import write_durably
from imbench.study.report.model import Options, gather
from imbench.study.results import Results

__all__ = ["Options", "write_report"]


def write_report(results: Results, to: str | os.PathLike[str], options: Options | None = None) -> list[Path]:
    """Write every file of a report into a folder, made if need be; equal results give equal bytes.

    Parameters
    ----------
    results : to report
    to : the folder; files of the same names are replaced, others stay
    options : which metrics and rules to show, and what a store does not know; default: all that there is

    Returns
    -------
    The files written, ``index.html`` first.

    Raises
    ------
    UsageError
        For a metric or rule that the results do not have; nothing is written.
    StoreError
        If the folder is full or cannot be written.
    """
    written = []
    for name, content in _files(results, options or Options()):
        write_durably(Path(to) / name, content)
        written.append(Path(to) / name)
    return written


def _files(results: Results, options: Options) -> Iterator[tuple[str, bytes]]:
    from imbench.study.report.figures.chosen import Figures
    from imbench.study.report.figures.plates import plates
    from imbench.study.report.latex import latex
    from imbench.study.report.markdown import markdown
    from imbench.study.report.page import page
    from imbench.study.report.plain import to_json
    from imbench.study.report.tables import TABLES, csv, parquet

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
    for name, make in TABLES.items():
        table = make(model)
        yield f"{name}.csv", csv(table)
        yield f"{name}.parquet", parquet(table)
    for scene in figures.files:
        for kind, content in plates(scene).items():
            yield f"figures/{scene.name}.{kind}", content
