import datetime
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.contract.records import Source
from imbench.data.cards import load_card
from imbench.data.data_sources import card_of
from imbench.data.split_columns import group_numbers, time_numbers
from imbench.data.variants import parse_variant
from imbench.runs.registry import dataset
from tests.data import made
from tests.data.made import fetch, load

ROWS = 60
SPLIT = made.frame().assign(
    patient=[f"p{i // 5}" for i in range(ROWS)], day=[f"2024-01-{i // 3 + 1:02}" for i in range(ROWS)]
)
SPEC = "split.csv:target=target,task=multiclass,group=patient,time=day"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SPLIT.to_csv("split.csv", index=False)
    made.frame().to_csv("plain.csv", index=False)


def test_group_and_time_stand_beside_the_features_and_are_none_of_them():
    found = dataset(SPEC)
    assert found.feature_names == ("u", "v", "w=blue", "w=red", "u=missing")
    assert found.group.tolist() == [i // 5 for i in range(ROWS)]
    assert found.time.tolist() == [i // 3 for i in range(ROWS)]
    assert found.data_hash == dataset("plain.csv:target=target").data_hash


def test_a_variant_keeps_the_groups_and_times_of_its_rows():
    whole, few = dataset(SPEC), dataset("split.csv:target=target,minority=b,ir=0.1,group=patient,time=day")
    assert 0 < len(few.rows) < ROWS
    np.testing.assert_array_equal(few.group, whole.group[few.rows])
    np.testing.assert_array_equal(few.time, whole.time[few.rows])


def test_data_without_such_columns_has_neither():
    found = dataset("plain.csv:target=target")
    assert found.group is None
    assert found.time is None


def test_one_column_can_be_both():
    found = dataset("split.csv:target=target,drop=patient,group=day,time=day")
    np.testing.assert_array_equal(found.group, found.time)


@pytest.mark.parametrize(
    ("column", "values", "spec", "message"),
    [
        (
            "patient",
            SPLIT["patient"],
            "group=patent",
            "group=patent: there is no column 'patent'; did you mean patient",
        ),
        ("day", SPLIT["day"], "time=date", "time=date: there is no column 'date'"),
        (
            "patient",
            SPLIT["patient"],
            "group=target",
            "group=target is the target; name another column, or remove group",
        ),
        (
            "patient",
            SPLIT["patient"].where(SPLIT.index != 7),
            "group=patient",
            r"group=patient is missing in 1 row \(first: line 9\); give each row a group, or remove such rows",
        ),
        (
            "day",
            SPLIT["day"].where(SPLIT.index > 1),
            "time=day",
            "time=day is missing in 2 rows .*give each row a time",
        ),
        ("patient", "p", "group=patient", "all rows have the value 'p'; at least two groups are needed: name another"),
        ("day", 3, "time=day", "all rows have the value '3'; at least two times are needed"),
        (
            "day",
            "soon",
            "time=day",
            "line 2 has 'soon', which is not a number or a date; write dates as YYYY-MM-DD, or name th",
        ),
        (
            "patient",
            SPLIT["patient"],
            "group=patient,drop=patient",
            "cannot be both group and drop; remove it from drop",
        ),
        ("day", range(ROWS), "time=day,categorical=day", "cannot be both time and categorical; remove it from categ"),
    ],
)
def test_a_wrong_split_column_is_refused_with_the_fix(column, values, spec, message):
    SPLIT.assign(**{column: values}).to_csv("wrong.csv", index=False)
    with pytest.raises(DataError, match=f"wrong.csv: .*{message}"):
        card_of(f"wrong.csv:target=target,{spec}")


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30).filter(lambda values: len(set(values)) > 1))
def test_groups_are_numbered_as_they_appear_whatever_they_are_called(values):
    numbers = group_numbers(pd.Series(values, name="g"))
    np.testing.assert_array_equal(numbers, pd.factorize(np.array(values))[0])
    np.testing.assert_array_equal(numbers, group_numbers(pd.Series([f"name {-v}" for v in values], name="g")))


@given(st.lists(st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2200, 1, 1)), min_size=2, unique=True))
def test_dates_are_in_order_in_every_notation(dates):
    ranks = np.argsort(np.argsort(np.array(dates, dtype="datetime64[us]"))).tolist()
    notations = [
        pd.Series(dates, name="t"),
        pd.Series([date.isoformat() for date in dates], name="t"),
        pd.Series([date.timestamp() for date in dates], name="t"),
        pd.Series(dates, name="t").dt.tz_localize("UTC"),
    ]
    for column in notations:
        assert time_numbers(column).tolist() == ranks
    slashed = pd.Series([date.strftime("%d/%m/%Y %H:%M:%S.%f") for date in dates], name="t")
    assert time_numbers(slashed, "%d/%m/%Y %H:%M:%S.%f").tolist() == ranks


def test_equal_times_have_equal_numbers():
    assert time_numbers(pd.Series([3.5, 1, 3.5, 2], name="t")).tolist() == [2, 0, 2, 1]
    assert time_numbers(pd.Series(["2024-01-02", "2024-01-01T12:00", "2024-01-02T00:00Z"], name="t")).tolist() == [
        1,
        0,
        1,
    ]


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_time_is_refused(value):
    with pytest.raises(DataError, match=r"row 1 has -?inf; times must be finite"):
        time_numbers(pd.Series([1.0, value], name="t"))


def test_a_group_is_text_like_a_label():
    pd.DataFrame({"x": range(8), "y": list("aabb") * 2, "g": ["01", "1", "NA", "x"] * 2}).to_csv("ids.csv", index=False)
    assert dataset("ids.csv:target=y,group=g").group.tolist() == [0, 1, 2, 3] * 2


def split_card(**changes):
    return made.card(group="patient", time="day", **changes)


def test_a_copy_in_the_cache_keeps_both(tmp_path):
    place = made.mirror(tmp_path / "mirror", {"made": SPLIT})
    card = split_card()
    fetched, cached = (load(card, parse_variant("made", card), place) for _ in range(2))
    for found in (fetched, cached):
        assert found.group.tolist() == [i // 5 for i in range(ROWS)]
        assert found.time.tolist() == [i // 3 for i in range(ROWS)]
    assert (
        fetched.data_hash
        == load(made.card("plain"), parse_variant("plain", made.card("plain")), place_of_plain(tmp_path)).data_hash
    )
    assert set(fetch(card, place).split_hashes) == {"group", "time"}


def place_of_plain(tmp_path):
    return made.mirror(tmp_path / "plain", {"plain": made.frame()})


def test_a_copy_of_an_earlier_card_is_fetched_again_for_its_groups(tmp_path):
    place = made.mirror(tmp_path / "mirror", {"made": SPLIT.drop(columns="day")})
    drop = Source("mirror", {"group": "patient"})
    before = fetch(made.card(sources=(drop,)), place)
    after = fetch(made.card(group="patient", sources=(drop,)), place)
    assert before.path != after.path
    assert before.data_hash == after.data_hash


def test_a_source_without_the_column_serves_row_wise_runs_and_another_one_grouped_runs(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    card = split_card(sources=(Source("file", {"path": str(tmp_path / "split.csv"), "header": True}),))
    assert load(card, parse_variant("made", card), place).group is None
    for _ in range(2):  # fetched, and from the cache
        assert load(card, parse_variant("made", card), place, column="group").group.max() == 11
    assert fetch(card, place).origin.startswith("mirror")
    assert load(card, parse_variant("made", card), place).group is None


def test_where_no_source_has_the_column_the_error_lists_them(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    card = split_card(sources=(Source("file", {"path": str(tmp_path / "plain.csv"), "header": True}),))
    message = (
        r"made with its column 'day' is unavailable \(mirror: its copy has no such column; file: its copy has no such"
    )
    with pytest.raises(DataError, match=message):
        load(card, parse_variant("made", card), place, column="time")
    with pytest.raises(DataError, match="made with its column 'patient' is not on this computer"):
        load(card, parse_variant("made", card), place, column="group", download=False)


def test_a_source_may_call_the_columns_by_other_names(tmp_path):
    renamed = SPLIT.rename(columns={"patient": "id", "day": "when"})
    renamed["when"] = pd.to_datetime(renamed["when"]).dt.strftime("%m/%d/%Y")
    place = made.mirror(tmp_path / "mirror", {"made": renamed})
    names = {"group": "id", "time": "when", "time_format": "%m/%d/%Y"}
    card = split_card(sources=(Source("mirror", names),))
    found = load(card, parse_variant("made", card), place)
    assert found.group.tolist() == [i // 5 for i in range(ROWS)]
    assert found.time.tolist() == [i // 3 for i in range(ROWS)]
    wrong = split_card(name="wrong", sources=(Source("file", {"path": "split.csv", "header": True, "group": "id"}),))
    with pytest.raises(DataError, match="file: group=id: there is no column 'id'"):
        fetch(wrong)


CARD = """
title = "Mine"
target = "y"
rows = 30
features = 2
group = "patient"
time = "day"

[class_counts]
a = 20
b = 10

[[task]]
name = "binary"
minority = ["b"]
"""


def test_a_card_names_both(tmp_path):
    (tmp_path / "mine.toml").write_text(CARD)
    card = load_card(str(tmp_path / "mine.toml"))
    assert (card.group, card.time) == ("patient", "day")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            'group = "patient"',
            'group = "y"',
            "group must name a column that is neither the target nor categorical, got 'y'",
        ),
        ('time = "day"', 'time = ""', "time must name a column that is neither the target nor categorical, got ''"),
        ('time = "day"', 'categorical = ["patient"]', "group must name a column that is neither"),
        ('time = "day"', 'modality = "image"', "group is for tables, and the rows of this card are images; remove it"),
        ('group = "patient"', "group = 3", "group must be text, got 3"),
    ],
)
def test_a_wrong_card_is_refused(tmp_path, before, after, message):
    (tmp_path / "mine.toml").write_text(CARD.replace(before, after))
    with pytest.raises(DataError, match=message):
        load_card(str(tmp_path / "mine.toml"))


VARIANT = parse_variant("made:task=multiclass", made.card())


def by_order(place, options, **changes):
    """The copy of a mirror whose rows are in an order that the card describes."""
    card = made.card(sources=(Source("mirror", options),), **changes)
    return load(card, parse_variant("made:task=multiclass", card), place)


@pytest.fixture
def of_mirror(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    return place, fetch(made.card(), place).data_hash


@given(st.integers(2, 8))
def test_rows_of_a_known_order_have_groups_that_take_turns_in_each_class(groups):
    with tempfile.TemporaryDirectory() as folder:
        place = made.mirror(Path(folder) / "mirror")
        known = {"known_order": load(made.card(), VARIANT, place).data_hash}
        found = by_order(place, {**known, "groups_in_turn": groups}, group="patient")
    of_class = [found.group[found.y == c].tolist() for c in range(found.classes)]
    assert sum(len(set(numbers)) for numbers in of_class) == len(set(found.group))  # no group has rows of two classes
    for numbers in of_class:
        assert numbers == [numbers[i % groups] for i in range(len(numbers))]
        assert len(set(numbers)) == min(groups, len(numbers))


def test_rows_of_a_known_order_can_be_in_the_order_of_time(of_mirror):
    place, data = of_mirror
    assert by_order(place, {"known_order": data, "in_time_order": True}, time="day").time.tolist() == list(range(ROWS))


def test_rows_in_another_order_have_neither_group_nor_time(of_mirror):
    place, _ = of_mirror
    found = by_order(place, {"known_order": "0" * 64, "in_time_order": True, "groups_in_turn": 3}, time="day")
    assert found.time is None
    assert found.group is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("in_time_order = true", "in_time_order needs known_order, the data hash of the copy with this order; add it"),
        ('known_order = "abc"', "known_order must be 64 hexadecimal digits, got 'abc'"),
        (f'known_order = "{"0" * 64}"\ngroups_in_turn = 1', "groups_in_turn must be 2 or more, got 1"),
    ],
)
def test_a_card_describes_an_order_completely(tmp_path, options, message):
    (tmp_path / "mine.toml").write_text(f'{CARD}\n[[source]]\nkind = "mirror"\n{options}\n')
    with pytest.raises(DataError, match=message):
        load_card(str(tmp_path / "mine.toml"))


@pytest.mark.data
def test_ozone_is_in_the_order_of_its_days_and_seizures_are_of_500_recordings(real_mirror, real_cache):
    ozone = dataset("ozone_onehr", mirror=real_mirror, cache=real_cache)
    assert ozone.time.tolist() == list(range(2536))
    seizures = dataset("epileptic_seizure", mirror=real_mirror, cache=real_cache)
    assert np.bincount(seizures.group).tolist() == [23] * 500


@pytest.mark.network
def test_the_wheel_names_the_102_molecules_of_musk(tmp_path):
    card = load_card("musk2")
    found = made.sources(None, tmp_path).load(card, parse_variant("musk2", card), column="group")
    assert len(set(found.group)) == 102
    for group in range(102):
        assert len(set(found.y[found.group == group])) == 1
