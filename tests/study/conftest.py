from __future__ import annotations

import pytest

from imbench.study.store import Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store", create=True)
