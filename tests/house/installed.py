"""Check an installed imbench from outside its checkout: ``python installed.py CHECKOUT``; also run by test_wheel.py."""

import csv
import random
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from imbench.cli import main; sys.exit(main())"]


def check(checkout: Path) -> None:
    """Fail with a message unless cards, suites and entry points are inside and a small run works."""
    import imbench
    from imbench.runs import registry

    home = Path(imbench.__file__).resolve().parent
    assert not home.is_relative_to(checkout / "imbench"), f"imbench is imported from the checkout, {home}"
    shipped, kept = (
        {p.relative_to(top).as_posix() for p in (top / "datasets").rglob("*.toml")} for top in (home, checkout)
    )
    assert shipped == kept, f"the datasets of the installed package and of the checkout differ in {shipped ^ kept}"
    assert len(shipped) > 100
    for entries in (registry.strategies(), registry.datasets(), registry.suites(), registry.metrics()):
        assert [entry.load() for entry in entries if entry.package == "imbench"]
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "table.csv")
        for arguments in (
            ["list", "datasets"],
            ["info", "segment:ir=0.05"],
            ["run", "--dataset", "table.csv:target=kind", "--protocol", "smoke", "--jobs", "1"],
            ["report"],
            ["plugin", "new", "mine"],
            ["plugin", "check", "imbench-mine/src/imbench_mine/strategy.py"],
        ):
            done = subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"imbench {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
            print(done.stdout)


def write_table(path: Path) -> None:
    """200 rows, 40 of them of the smaller class."""
    draw = random.Random(0)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["a", "b", "kind"])
        for number in range(200):
            yes = number % 5 == 0
            rows.writerow([draw.gauss(yes, 1), draw.gauss(0, 1), "yes" if yes else "no"])


if __name__ == "__main__":
    check(Path(sys.argv[1]).resolve())
    print("the installed package is whole")
