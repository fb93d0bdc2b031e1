"""Help answers at once."""

import subprocess
import sys
import time

HELP = "from imbench.cli import main; main(['--help'])"


def seconds(code, times=5):
    """The shortest of a few runs of this code in a fresh Python: load on the machine only ever adds."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        took.append(time.perf_counter() - start)
    return min(took)


def test_help_takes_less_than_half_the_time_of_importing_pandas():
    assert seconds(HELP) < 0.5 * seconds("import pandas", times=3)


def test_help_takes_at_most_half_a_second_more_than_python_itself():
    assert seconds(HELP) < 0.5 + seconds("pass")
