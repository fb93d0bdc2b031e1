"""Where the real data of these tests is."""

import os

import pytest

# Taken before a fixture hides it.
REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")


@pytest.fixture
def mirror():
    """A mirror of the real datasets."""
    if not REAL_MIRROR:
        pytest.skip("IMBENCH_DATA_MIRROR is not set: no real datasets here")
    return REAL_MIRROR
