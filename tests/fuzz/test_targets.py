"""Each target of `tests.fuzz` works: a few examples, the same each time, and those that met a fault once."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.fuzz.catalogue import TARGETS
from tests.fuzz.harness import surroundings


def attempt(target, value):
    with tempfile.TemporaryDirectory() as place, surroundings(Path(place)):
        target.check(value, Path(place))


@pytest.fixture
def target(request):
    found = TARGETS[request.param]
    found.prepare()
    yield found
    found.done()


@pytest.mark.parametrize("target", TARGETS, indirect=True)
def test_no_input_ends_a_command_with_a_traceback(target):
    @settings(max_examples=target.smoke, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.examples)
    def drawn(value):
        attempt(target, value)

    for kept in target.kept:
        drawn = example(kept)(drawn)
    drawn()
