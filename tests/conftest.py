"""How all tests run: drawn examples are the same each time, and Ctrl-C reaches the processes that tests start."""

import signal

import pytest
from hypothesis import settings

from imbench.store.store import Store

# A failure is then a defect of what was changed, not of the day; `tox -e random` draws anew.
settings.register_profile("same", derandomize=True, print_blob=True)
settings.register_profile("random", print_blob=True)

# A shell that starts the tests in the background has them ignore SIGINT, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)
