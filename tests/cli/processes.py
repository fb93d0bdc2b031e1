"""Commands as processes of their own, for signals and standard streams."""

import contextlib
import os
import signal
import subprocess
import sys
import time

COMMAND = [sys.executable, "-m", "imbench"]
# Seconds within which what should happen happens, on however slow a machine.
LIMIT = 600.0


def started(*arguments: str, **options) -> subprocess.Popen[str]:
    """A command in a session of its own, its messages kept; a run fits no references."""
    alone = ["--no-references"] if arguments[:1] == ("run",) else []
    return subprocess.Popen(
        [*COMMAND, *arguments, *alone], stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def wait_for(holds, process: subprocess.Popen[str]) -> None:
    """Wait until a process makes a condition true."""
    end = time.monotonic() + LIMIT
    while not holds():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def stop_group(group: int) -> None:
    """Kill a process and those it started in its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
