"""The one grammar: text to values and back."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.contract.spec import (
    ALWAYS_WRITTEN,
    OPEN_ENDED,
    Options,
    build,
    convert,
    format_spec,
    params_of,
    parse_spec,
    read_value,
    spec_of,
    split_values,
)

settled = settings(deadline=None, derandomize=True)
words = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)


@dataclass(frozen=True)
class Recipe:
    alpha: float = 0.1
    steps: int = 3
    title: str = "plain"
    hard: bool = False
    limit: int | None = None
    shares: tuple[float, ...] = (0.5,)


recipes = st.builds(
    Recipe,
    alpha=st.floats(allow_nan=False, allow_infinity=False),
    steps=st.integers(),
    title=words,
    hard=st.booleans(),
    limit=st.none() | st.integers(),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=4).map(tuple),
)


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("remix", "remix", {}),
        ("remix:", "remix", {}),
        ("remix:alpha=0.3", "remix", {"alpha": "0.3"}),
        (" remix : alpha = 0.3 , k = 2 ", "remix ", {"alpha": "0.3", "k": "2"}),
        ("package/remix:alpha=0.3", "package/remix", {"alpha": "0.3"}),
        ("data/my:table.csv", "data/my:table.csv", {}),
        ("data/my:table.csv:target=y", "data/my:table.csv", {"target": "y"}),
        ("a,b.parquet:target=y,ir=0.1", "a,b.parquet", {"target": "y", "ir": "0.1"}),
        ("x.csv.old:k=1", "x.csv.old", {"k": "1"}),
        ("remix:key=a=b", "remix", {"key": "a=b"}),
        ("outer:inner=(b:k=1,l=2),m=3", "outer", {"inner": "b:k=1,l=2", "m": "3"}),
        ("outer:m=3, inner = ( b )", "outer", {"m": "3", "inner": "b"}),
        ("outer:inner=(b:inner=(c:k=1,l=2),m=3)", "outer", {"inner": "b:inner=(c:k=1,l=2),m=3"}),
        ("x.csv:target=mass (kg),drop=a)+b", "x.csv", {"target": "mass (kg)", "drop": "a)+b"}),
    ],
)
def test_specs_are_read(text, name, params):
    found = parse_spec(text)
    assert (found[0].strip(), found[1]) == (name.strip(), params)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no name"),
        ("  ", "has no name"),
        (":alpha=1", "has no name"),
        ("remix:alpha", "'alpha' in 'remix:alpha' is not key=value"),
        ("remix:alpha=", "is not key=value"),
        ("remix:=1", "is not key=value"),
        ("remix:alpha=1,alpha=2", "'alpha' is given twice"),
        ("outer:inner=(b:k=1,l=2", "a parenthesis is left open in 'outer:inner=\\(b:k=1,l=2'; close it"),
        ("outer:inner=(b)c", "'c' follows the closing parenthesis"),
        ("outer:inner=()", "is empty; write a value inside"),
    ],
)
def test_what_is_no_spec_is_a_usage_error_that_quotes_it(text, reason):
    with pytest.raises(UsageError, match=reason):
        parse_spec(text)


@settled
@given(name=words, recipe=recipes)
def test_a_value_survives_the_way_to_text_and_back(name, recipe):
    spec = format_spec(name, vars(recipe))
    found, params = parse_spec(spec)
    assert found == name
    assert build(Recipe, params, spec) == recipe


@pytest.mark.parametrize("title", ["a,b", "b:k=1", "b:k=1,l=2", "(b)", "(a,(b))", "a (b)", "a:b", "x=1"])
def test_text_that_could_be_taken_for_more_comes_back_whole(title):
    spec = format_spec("outer", {"steps": 4, "title": title, "alpha": 0.5})
    assert build(Recipe, parse_spec(spec)[1], spec) == Recipe(0.5, 4, title)


def test_plain_text_is_written_as_it_is():
    assert format_spec("x.csv", {"target": "a:b", "drop": "mass (kg)"}) == "x.csv:target=a:b,drop=mass (kg)"


def test_a_type_with_a_reader_of_its_own_is_read_by_that():
    @dataclass(frozen=True)
    class Outer:
        inner: Recipe = Recipe()

    hints = {Recipe: lambda text: build(Recipe, parse_spec(text)[1], text)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Outer.__annotations__, "inner", Recipe)
        assert build(Outer, {"inner": "recipe:steps=5"}, "outer", hints) == Outer(Recipe(steps=5))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("3", int, 3),
        ("3", float, 3.0),
        ("1e-3", float, 0.001),
        ("yes", bool, True),
        ("FALSE", bool, False),
        ("none", int | None, None),
        ("4", int | None, 4),
        ("1+2", tuple[int, ...], (1, 2)),
        ("a", str, "a"),
    ],
)
def test_text_becomes_the_type_it_is_wanted_as(text, kind, value):
    assert convert(text, kind, "--set it") == value
    assert type(convert(text, kind, "--set it")) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "wanted"),
    [
        ("3.5", int, "a whole number"),
        ("much", float, "a number"),
        ("nan", float, "a finite number"),
        ("-inf", float, "a finite number"),
        ("maybe", bool, "true or false"),
        ("x", int | None, "a whole number"),
        ("1+x", tuple[int, ...], "a whole number"),
    ],
)
def test_text_that_is_not_of_its_type_is_a_usage_error(text, kind, wanted):
    with pytest.raises(UsageError, match=f"--set it must be {wanted}, got "):
        convert(text, kind, "--set it")


def test_an_unknown_parameter_is_named_beside_the_known_ones():
    with pytest.raises(UsageError, match="remix:beta=1 has no parameter 'beta'; there are alpha, steps"):
        build(Recipe, {"beta": "1"}, "remix:beta=1")


@dataclass(frozen=True)
class Adapter:
    """Takes whatever parameters another library's object takes."""

    target: str = field(default="plain", metadata=ALWAYS_WRITTEN)
    times: int = 1
    options: Options = field(default=(), metadata=OPEN_ENDED)


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words.filter(lambda w: w not in ("none", "true", "false", "nan", "inf", "infinity"))
    | st.lists(st.integers(0, 9), min_size=2, max_size=4).map(tuple)
)


@settled
@given(options=st.dictionaries(words.filter(lambda w: w not in ("target", "times", "options")), values, max_size=4))
def test_open_ended_parameters_survive_the_way_to_text_and_to_json(options):
    adapter = Adapter("other", options=tuple(sorted(options.items())))
    spec = spec_of("adapter", adapter)
    again = build(Adapter, parse_spec(spec)[1], spec)
    assert again == adapter
    assert [type(v) for v in params_of(again).values()] == [type(v) for v in params_of(adapter).values()]
    assert params_of(again) == {"target": "other", "times": 1, **options}
    assert json.dumps(params_of(again), sort_keys=True) == json.dumps(params_of(adapter), sort_keys=True)


def test_the_order_of_open_ended_parameters_means_nothing():
    one, other = (build(Adapter, parse_spec(f"a:{text}")[1], "a") for text in ("b=1,a=2", "a=2,b=1"))
    assert one == other
    assert hash(one) == hash(other)


def test_a_spec_states_what_is_always_written():
    assert spec_of("adapter", Adapter()) == "adapter:target=plain"
    assert spec_of("adapter", Adapter(times=2)) == "adapter:target=plain,times=2"


def test_fields_of_their_own_type_are_not_open_ended():
    with pytest.raises(UsageError, match="times must be a whole number, got 'x'"):
        build(Adapter, {"times": "x"}, "adapter")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_an_open_ended_number_is_finite(text):
    with pytest.raises(UsageError, match="it must be a finite number"):
        read_value(text, "it")


@settled
@given(st.lists(recipes.map(lambda recipe: spec_of("recipe", recipe)), min_size=1, max_size=4))
def test_values_between_commas_come_apart_as_they_were_put_together(specs):
    assert split_values(",".join(f"({spec})" if "," in spec else spec for spec in specs)) == specs


@pytest.mark.parametrize("text", ["", "0.1,", "0.1,,0.3", "(a,b", "a),b", "(a)b,c"])
def test_values_that_cannot_be_told_apart_are_refused(text):
    with pytest.raises(UsageError):
        split_values(text)
