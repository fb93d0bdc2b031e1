"""Small bad files end in a message that names the file, the field, the value and the fix."""

from __future__ import annotations

import json

import msgspec
import pytest

from imbench.contract.errors import DataError, UsageError
from imbench.contract.reading import MOST_TOML_BYTES, fitting, parse_json, parse_toml, read_toml


class Record(msgspec.Struct):
    name: str
    rows: list[dict[str, int]]
    by: dict[str, list[float]] = {}


GOOD = {"name": "a", "rows": [{"x": 1}], "by": {"k": [0.5]}}

MISFITS = [
    ({"name": 3}, r"file\.json: name must be text, got 3"),
    ({"rows": {}}, r"file\.json: rows must be a list, got \{\}"),
    ({"rows": [{"x": 1}, {"x": "two"}]}, r"file\.json: rows\[1\]\.x must be a whole number, got 'two'"),
    ({"by": {"k": [], "l": ["x"]}}, r"file\.json: by\.l\[0\] must be a number, got 'x'"),
    ({"name": None}, r"file\.json: name must be text, got None"),
]


@pytest.mark.parametrize(("change", "message"), MISFITS)
def test_a_field_that_does_not_fit_is_named_with_its_value(change, message):
    with pytest.raises(DataError, match=message):
        parse_json(json.dumps(GOOD | change), Record, "file.json", DataError)


def test_a_missing_field_is_named():
    with pytest.raises(UsageError, match=r"file\.json lacks the field 'rows'; add it"):
        parse_json('{"name": "a"}', Record, "file.json")
    with pytest.raises(UsageError, match=r"file\.json lacks the field 'name' in \[0\]; add it"):
        fitting([{}], list[Record], "file.json")


def test_what_fits_is_given_and_unknown_fields_are_ignored():
    assert parse_json(json.dumps(GOOD | {"new": 1}), Record, "file.json") == Record("a", [{"x": 1}], {"k": [0.5]})


BAD_JSON = {
    "nested": b"[" * 100_000,
    "nested but whole": b"[" * 300 + b"]" * 300,
    "a long number": b"9" * 5000,
    "another encoding": '{"name": "é"}'.encode("latin-1"),
    "half": b'{"name": ',
    "empty": b"",
}

BAD_TOML = {
    "nested": b"a = " + b"[" * 100_000,
    "nested tables": b"a" + b".a" * 5000 + b" = 1",
    "a long number": b"a = " + b"9" * 5000,
    "a large number": b"a = 99999999999999999999",
    "another encoding": "a = 'é'".encode("latin-1"),
    "half": b"a = ",
    "null": b"a = '\0'",
    "large": b"#" * (MOST_TOML_BYTES + 1),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_bad_json_is_a_message(case):
    with pytest.raises(UsageError, match=r"cannot read file\.json: "):
        parse_json(BAD_JSON[case], dict, "file.json")


@pytest.mark.parametrize("case", BAD_TOML)
def test_bad_toml_is_a_message(case):
    with pytest.raises(UsageError, match=r"cannot read the card: "):
        parse_toml(BAD_TOML[case], "the card")


@pytest.mark.parametrize("name", ["missing.toml", "x" * 300 + ".toml", "a\0b.toml", "."])
def test_a_file_that_cannot_be_opened_is_a_message(tmp_path, name):
    with pytest.raises(DataError, match="cannot read the card"):
        read_toml(tmp_path / name, "the card", DataError)


def test_a_byte_order_mark_is_no_part_of_toml():
    assert parse_toml("a = 1".encode("utf-8-sig"), "the card") == {"a": 1}
