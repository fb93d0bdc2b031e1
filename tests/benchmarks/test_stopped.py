"""A timed command stands still while something else is measured."""

import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.whole_runs import timed

# A process and one that it starts; both write how far they are until a file says that it is enough.
COUNTS = """
import subprocess, sys
from pathlib import Path
folder, name = Path(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", sys.argv[3], folder, "child", ""]) if name == "parent" else None
count = 0
while not (folder / "enough").exists():
    count += 1
    (folder / f"{name}.new").write_text(str(count))
    (folder / f"{name}.new").replace(folder / name)
if child:
    child.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes of a process are found in /proc")
def test_a_command_and_what_it_started_stand_still_meanwhile(tmp_path):
    calls, seen = [], []

    def counts():
        return [int((tmp_path / name).read_text()) for name in ("parent", "child")]

    def between():
        calls.append(None)
        assert len(calls) < 500, "the command does not stop, or does not go on"
        if not all((tmp_path / name).exists() for name in ("parent", "child")):  # not begun yet
            return
        now, before = counts(), []
        while now != before and len(calls) < 500:  # a signal takes a moment to arrive
            time.sleep(0.1)
            now, before = counts(), now
            calls.append(None)
        if seen and not all(later > earlier for earlier, later in zip(seen[-1], now, strict=True)):
            return  # one of them had no time in between
        time.sleep(0.3)
        assert counts() == now
        seen.append(now)
        if len(seen) == 3:
            (tmp_path / "enough").write_text("")

    try:
        timed([sys.executable, "-c", COUNTS, str(tmp_path), "parent", COUNTS], between, every=0.2)
    finally:
        (tmp_path / "enough").write_text("")
    assert len(seen) >= 3
