"""The table of what the benchmarks measured: as Markdown to read, as JSON to compare, with the machine's description.

A benchmark adds to it by ``benchmark.extra_info["table"] = {"row": name, column: number, …}`` with names of `COLUMNS`.
"""

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from imbench.runs.doctor import Setup, examine

# The title of each column and how its numbers are written.
COLUMNS = {
    "gather": ("gather, µs", "{:.1f}"),
    "strategy": ("strategy, µs", "{:.1f}"),
    "nets": ("nets, µs", "{:.1f}"),
    "step": ("whole step, µs", "{:.1f}"),
    "sgemm": ("of sgemm", "{:.0%}"),
    "plain": ("plain loop, µs", "{:.0f}"),
    "ratio": ("plain loop / whole step", "{:.1f}"),
    "outside": ("ms a job outside nets", "{:.0f}"),
    "seconds": ("whole run, s", "{:.1f}"),
    "report": ("report, CPU s", "{:.1f}"),
    "coverage": ("coverage", "{:.1%}"),
    "coverage_error": ("Monte-Carlo error", "{:.2%}"),
}
MISSING = "–"
# The checks of `imbench doctor` that say what a machine is.
CHECKS = ("Python", "packages", "processor", "BLAS", "cores", "memory")
FILES = ("table.md", "table.json")


@dataclass(frozen=True)
class Measured:
    """Numbers of one machine.

    Parameters
    ----------
    machine : what it is, and what else ran on it, by name
    rows : numbers by the name of a row and that of a column of `COLUMNS`; a missing one was not measured
    """

    machine: dict[str, str]
    rows: dict[str, dict[str, float]]


def rows_of(parts):
    """Rows from what benchmarks add: those of one name are joined. Numbers that are not finite were not measured."""
    rows = {}
    for part in parts:
        numbers = {name: float(part[name]) for name in COLUMNS if name in part and math.isfinite(part[name])}
        rows.setdefault(part["row"], {}).update(numbers)
    return rows


def machine(load):
    """What this machine is; ``load`` is its load average before the benchmarks."""
    found = {name: finding.found for name, finding in examine(Setup(), CHECKS).items()}
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    return found | {"load average at the start": f"{load:.2f}", "commit": commit(), "date": when}


def commit(folder=Path(__file__).parent):
    """The commit that is checked out, and whether files differ from it; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def markdown(measured):
    """The description of the machine, and the table without columns that nothing was measured for."""
    columns = [name for name in COLUMNS if any(name in row for row in measured.rows.values())]
    lines = [f"- {name}: {text}" for name, text in measured.machine.items()]
    lines += ["", f"| | {' | '.join(COLUMNS[name][0] for name in columns)} |", f"|---{'|---:' * len(columns)}|"]
    for row, numbers in measured.rows.items():
        cells = [COLUMNS[name][1].format(numbers[name]) if name in numbers else MISSING for name in columns]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(measured, folder):
    """Write both forms into a folder; their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts = markdown(measured), json.dumps(asdict(measured), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    paths = [folder / name for name in FILES]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    return paths


def read(path):
    """What `write` wrote as JSON."""
    return Measured(**json.loads(Path(path).read_text("utf-8")))


def load_average():
    """Of the last minute; NaN where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


if __name__ == "__main__":
    for file in sys.argv[1:]:
        print(f"{file}\n\n{markdown(read(file))}")
