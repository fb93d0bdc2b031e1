"""A run of pytest on a test file of somebody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root_pytest():
    """What pytest says of this source in this folder, with the checkout importable."""

    def run(folder: Path, source: str) -> str:
        (folder / "test_plugin.py").write_text(source)
        command = [sys.executable, "-m", "pytest", "-q", "-rsf", "-p", "no:cacheprovider", "test_plugin.py"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    return run
