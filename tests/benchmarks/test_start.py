"""How long a command takes to begin: a fresh Python each time, as a user's shell starts it."""

import subprocess
import sys

import pytest

STARTS = {
    "python": "pass",
    "import imbench": "import imbench",
    "imbench --help": "from imbench.cli import main; main(['--help'])",
    "imbench list datasets": "from imbench.cli import main; main(['list', 'datasets'])",
    "imbench run --dry-run": "from imbench.cli import main; main(['run', '--suite', 'tabular', '--dry-run'])",
}


@pytest.mark.parametrize("code", STARTS.values(), ids=STARTS)
def test_start(benchmark, code):
    command = [sys.executable, "-c", code]
    benchmark.pedantic(subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=10, warmup_rounds=1)
