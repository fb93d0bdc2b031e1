"""Shards of a plan: together they are the plan, and each is always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imbench
from imbench.contract.errors import UsageError
from imbench.runs.shards import Shard, plan_id, shares

PLANS = st.dictionaries(st.text("0123456789abcdef", min_size=4, max_size=8), st.floats(0.01, 1e4), max_size=60)
COUNTS = st.integers(1, 9)


@given(PLANS, COUNTS)
def test_shards_partition_the_plan(costs, count):
    found = [Shard(i, count).keys(costs) for i in range(1, count + 1)]
    assert sum(map(len, found)) == len(costs)
    assert frozenset().union(*found) == costs.keys()


@given(PLANS, COUNTS, st.randoms(use_true_random=False))
def test_a_shard_is_the_same_in_whatever_order_the_plan_is_listed(costs, count, random):
    keys = list(costs)
    random.shuffle(keys)
    shuffled = {key: costs[key] for key in keys}
    assert list(map(set, shares(shuffled, count))) == list(map(set, shares(costs, count)))
    assert plan_id(shuffled) == plan_id(costs)


@given(PLANS, COUNTS)
def test_shards_cost_about_the_same(costs, count):
    loads = [sum(costs[key] for key in share) for share in shares(costs, count)]
    if costs:
        least = max(sum(costs.values()) / count, max(costs.values()))  # no division can be better
        assert max(loads) <= 2 * least + 1e-9
        assert max(loads) - min(loads) <= max(costs.values()) + 1e-9


@pytest.mark.parametrize("text", ["0/4", "5/4", "1/0", "0/0"])
def test_a_shard_out_of_range_does_not_exist(text):
    with pytest.raises(UsageError, match=f"shard {text} does not exist"):
        Shard.read(text)


@pytest.mark.parametrize("text", ["", "1", "1of4", "-1/4", "1/4@", "a/b", "1/4/2", "1.5/4", "1/4@xyz"])
def test_other_texts_are_no_shards(text):
    with pytest.raises(UsageError, match="is not I/N; write for example 1/4"):
        Shard.read(text)


def test_a_shard_of_another_plan_is_refused():
    shard = Shard(1, 2, plan_id({"a": 1.0, "b": 1.0}))
    assert len(shard.keys({"b": 1.0, "a": 1.0})) == 1
    with pytest.raises(UsageError, match="is of another plan"):
        shard.keys({"a": 1.0, "c": 1.0})


def test_shards_of_a_request_are_planned_alike_and_stay_the_same_once_jobs_are_done(table, tmp_path):
    request = {"datasets": [table], "strategies": ["baseline", "remix", "mixup"], "protocol": "smoke"}
    request |= {"store": tmp_path / "store", "checks": False, "jobs": 1}
    whole = imbench.plan(**request)
    assert [job.key for job in imbench.plan(**request, shard=Shard(1, 1)).jobs] == [job.key for job in whole.jobs]
    before = [{job.key for job in imbench.plan(**request, shard=Shard(i, 2)).jobs} for i in (1, 2)]
    assert before[0] | before[1] == {job.key for job in whole.jobs}
    assert not before[0] & before[1]
    imbench.run(**request, shard=Shard(1, 2, whole.id))
    assert [{job.key for job in imbench.plan(**request, shard=Shard(i, 2)).jobs} for i in (1, 2)] == before
    assert imbench.plan(**request).done == before[0]
