from __future__ import annotations

import pytest

from imbench.stats import friedman


@pytest.fixture(scope="module")
def fewer_draws():
    """What is drawn keeps its properties with fewer draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(friedman, "PERMUTATIONS", 199)
        yield
