"""``--net`` names the net of a run."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": rng.normal(size=60), "kind": np.arange(60) % 3 // 2}).to_csv(path, index=False)
    return f"{path}:target=kind"


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("resnet32", "supports image data only, not tabular"),
        ("resnet", "net must be one of paper, resnet32, got 'resnet'"),
    ],
)
def test_a_net_that_cannot_be_is_refused_before_any_work(imbench, table, tmp_path, net, message):
    answer = imbench("run", "--dataset", table, "--net", net, "--store", str(tmp_path / "store"))
    assert answer.code == 2
    assert message in answer.err


def test_the_papers_net_is_the_one_that_is_there_anyway(imbench, table):
    plans = [imbench("run", "--dataset", table, "--dry-run", "--json", *net).out for net in ((), ("--net", "paper"))]
    assert plans[0].replace('"standard"', '"standard:net=paper"') == plans[1]
