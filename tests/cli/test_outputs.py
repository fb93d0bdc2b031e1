"""Output that cannot be written: it is said, with its exit code, and what is stored stays."""

import os
import subprocess

import pytest

from imbench.store.store import Store
from tests.cli.processes import COMMAND, LIMIT

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line in which ``imbench`` is the command line."""
    imbench = 'imbench() { "$@"; }; '.replace('"$@"', f'{COMMAND[0]} -m imbench "$@"')
    return subprocess.run(["bash", "-c", imbench + line], capture_output=True, text=True, timeout=LIMIT, check=False)


@pytest.mark.parametrize("words", ["list protocols", "list protocols --json", "--help", "--version"])
def test_a_full_disk_is_named(words):
    done = shell(f"imbench {words} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: could not write to stdout: No space left on device\n")


def test_a_closed_stdout_is_named():
    done = shell("imbench list protocols >&-")
    assert (done.returncode, done.stderr) == (1, "error: could not write to stdout: Bad file descriptor\n")


@pytest.mark.parametrize("words", ["list strategies --json", "--help"])
def test_a_reader_that_leaves_is_no_error(words):
    done = shell(f"imbench {words} | head -c 1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_can_read_change_no_result(where):
    assert shell(f"imbench list protocols {where}").stdout == shell("imbench list protocols").stdout
    assert shell(f"imbench list nothing {where}").returncode == 2


def test_a_run_whose_results_cannot_be_shown_is_stored(table):
    alone = "--strategy baseline --no-references --protocol smoke --no-checks --jobs 1"
    line = f"imbench run --dataset {table} {alone} --store store"
    done = shell(f"{line} > /dev/full")
    assert done.returncode == 1
    assert "could not write to stdout: No space left on device; finished jobs are kept" in done.stderr
    assert len(Store.open("store").keys()) == 1
