"""How much memory a command takes at its peak, with all processes that it starts; shared pages count once."""

import subprocess
import time
from pathlib import Path


def run_measured(command, **given):
    """Run a command to its end; its seconds and the peak of its memory in bytes, looked at 20 times a second."""
    start, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **given)
    while process.poll() is None:
        peak = max(peak, sum(_bytes(pid) for pid in _family(process.pid)))
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")
    return time.perf_counter() - start, peak


def _family(pid):
    """A process and all that descend from it."""
    family = [pid]
    for member in family:  # grows meanwhile
        tasks = Path(f"/proc/{member}/task")
        try:
            family += [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return family


def _bytes(pid):
    """The process's share of memory: its own pages, and of shared ones its part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
