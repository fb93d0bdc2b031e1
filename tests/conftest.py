"""How all tests run: drawn examples are the same each time, and Ctrl-C reaches the processes that tests start."""

import compileall
import gc
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from imbench.runs.registry import Registry
from imbench.store.store import Store

# A failure is then a defect of what was changed, not of the day; `tox -e random` draws anew.
# Neither is held to a time: a busy machine may take seconds for an example.
_UNTIMED = settings(print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _UNTIMED, derandomize=True)
settings.register_profile("random", _UNTIMED)

# A shell that starts the tests in the background has them ignore SIGINT, and processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Most tests count the jobs of strategies: references are fitted where a test names them or takes `default_references`.
_BUILT_IN = Registry.built_in_references
Registry.built_in_references = lambda self: []


@pytest.fixture
def default_references(monkeypatch):
    """Runs fit all built-in references, as they do by default."""
    monkeypatch.setattr(Registry, "built_in_references", _BUILT_IN)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give whole files to processes: what a file trains or writes for its tests is then made once.

    ``--dist`` can still ask for anything but the default.
    """
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.getoption("dist") == "load" else None


def pytest_configure(config):
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("same")
    # Hundreds of processes that tests start import imbench, and each process of the tests imports all tests: where the
    # environment forbids bytecode, all would compile them anew.
    sys.dont_write_bytecode = False
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "imbench", quiet=2)


def pytest_collection_finish():
    """Keep what collecting imported and made out of all later garbage collections.

    It lives to the end, and going through it takes half a second: at each `gc.collect`, which statsmodels calls in
    every correction of p-values, and at each full collection of Python's own.
    """
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)
    gc.collect()
    gc.freeze()


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)
