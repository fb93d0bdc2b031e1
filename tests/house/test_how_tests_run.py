"""How the tests themselves run."""

import signal

import pytest
from hypothesis import settings


def test_examples_are_drawn_alike_each_time(request):
    if request.config.getoption("--hypothesis-profile"):
        pytest.skip("another profile is asked for")
    assert (settings.default.derandomize, settings.default.print_blob, settings.default.deadline) == (True, True, None)


def test_ctrl_c_reaches_the_processes_that_tests_start():
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
