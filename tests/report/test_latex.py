"""The tables for papers compile in a minimal document, where there is a TeX; text stands in them as it is."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from imbench.report import write_report
from imbench.report.latex import escape
from imbench.store.store import Store
from tests.made_results import FACTS, job, predictions
from tests.report.made import filled

DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{textcomp}
\begin{document}
%s
\end{document}
"""


@pytest.fixture
def compiled(tmp_path):
    """Compile a body and give the log; it fails the test where TeX finds an error."""
    if shutil.which("pdflatex") is None:
        pytest.skip("no TeX here: apt-get install texlive-latex-recommended")

    def go(body):
        (tmp_path / "paper.tex").write_text(DOCUMENT % body, "utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
        log = (tmp_path / "paper.log").read_text("latin-1")
        assert done.returncode == 0, [line for line in log.splitlines() if line.startswith("!")]
        assert (tmp_path / "paper.pdf").stat().st_size > 1000
        return log

    return go


def test_all_tables_of_a_report_compile(tmp_path, compiled):
    store = Store.open(tmp_path / "store", create=True)
    odd = job("50%_of #1 & more", "remix^2 ~{a}\\b", ir=0.01)
    store.write(odd, predictions(odd, rows=60), FACTS)
    write_report(filled(store), tmp_path / "report")
    log = compiled((tmp_path / "report" / "tables.tex").read_text("utf-8"))
    assert "Missing character" not in log


def test_every_special_character_compiles(compiled):
    log = compiled(escape("\\ & % $ # _ { } ~ ^ − – ± χ² × < > ∞ α ≥ ≤ é"))
    assert "Missing character" not in log
