"""Names with special characters survive a spec: alone, in lists, and before a colon."""

from hypothesis import given
from hypothesis import strategies as st

from imbench.contract.joined import escaped, escaped_item, joined, name_and_rest, name_in, names_in, split_at, unescaped
from imbench.contract.spec import format_spec, parse_spec

NAMES = st.text(st.sampled_from("ab+,:=/\\()' \"#é"), min_size=1, max_size=8).filter(lambda n: n == n.strip())


def through_a_spec(value):
    return parse_spec(format_spec("t.csv", {"key": value, "other": value}))[1]["key"]


@given(NAMES, st.lists(NAMES, unique=True))
def test_one_name_is_read_as_written(name, others):
    assert name_in(through_a_spec(escaped(name)), [name, *others]) == name


@given(st.lists(NAMES, min_size=1, unique=True), st.lists(NAMES))
def test_several_names_are_read_as_written(names, others):
    assert names_in(through_a_spec(joined(names)), [*names, *others]) == names


@given(NAMES, st.lists(NAMES, min_size=1))
def test_a_name_and_what_follows_its_colon_are_read_as_written(name, levels):
    rest = "/".join(escaped(level, "/") for level in levels)
    found, left = name_and_rest(through_a_spec(f"{escaped(name, ':')}:{rest}"), [name])
    assert (found, [unescaped(level) for level in split_at(left, "/")]) == (name, levels)


@given(NAMES.filter(lambda name: "\\" not in name))
def test_an_item_as_typed_needs_no_backslash(name):
    (item,) = split_at(through_a_spec(escaped_item(name)), "+")
    assert name_and_rest(item, [name]) == (name, "")


def test_a_known_name_with_a_plus_needs_no_backslash_unless_its_parts_are_known():
    assert names_in("a+b", ["a+b", "a"]) == ["a+b"]
    assert names_in("a+b", ["a+b", "a", "b"]) == ["a", "b"]
    assert names_in(r"a\+b", ["a+b", "a", "b"]) == ["a+b"]
