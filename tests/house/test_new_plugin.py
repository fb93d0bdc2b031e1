"""``imbench plugin new`` writes a package that installs, registers, passes its checks and stands on the leaderboard."""

import json

import pytest

from tests.house.fresh import MIRROR, Fresh

pytest.importorskip("hatchling", reason="building the package needs hatchling (the extra 'test' has it)")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An environment in which a generated package is installed."""
    made = Fresh(tmp_path_factory.mktemp("plugin"))
    made.sh("imbench plugin new half-way\npip install -q ./imbench-half-way")
    return made


def test_it_is_listed_with_its_package(fresh):
    rows = {row["name"]: row for row in json.loads(fresh.sh("imbench list strategies --json").stdout)}
    assert rows["half-way"]["package"] == "imbench-half-way"
    assert rows["half-way"]["object"] == "imbench_half_way.strategy:HalfWay"


def test_it_is_installed_there_and_not_read_from_its_folder(fresh):
    where = fresh.sh("python -c 'import imbench_half_way; print(imbench_half_way.__file__)'").stdout
    assert where.startswith(str(fresh.home))


def test_its_own_tests_pass(fresh):
    told = fresh.sh("cd imbench-half-way && python -m pytest -q -p no:cacheprovider").stdout
    assert " passed" in told
    assert "skipped" not in told


def test_it_passes_the_check(fresh):
    (told,) = json.loads(fresh.sh("imbench plugin check half-way:strength=0.25 --json").stdout)
    assert told["ok"]
    assert {one["outcome"] for one in told["properties"]} == {"passed"}


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason="IMBENCH_DATA_MIRROR is unset: no real datasets here")
def test_it_stands_on_the_leaderboard(fresh):
    answer = fresh.sh(
        "imbench run --dataset segment:ir=0.05 --strategy half-way --strategy baseline --protocol smoke --jobs 1 --json"
    )
    boards = json.loads(answer.stdout)["leaderboards"]
    assert boards
    for board in boards:
        assert {row["strategy"] for row in board["rows"]} == {"half-way", "baseline"}
