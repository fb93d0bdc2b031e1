"""A table gives the same arrays in whatever notation, encoding, packing and format it is written."""

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.cli import main
from imbench.contract.errors import DataError
from imbench.data.asked import Asked
from imbench.data.columns import read_columns
from imbench.data.data_sources import card_of
from imbench.data.delimited import SEPARATORS, TextFormat, read_delimited
from imbench.data.frames import table
from imbench.data.headers import has_header
from imbench.data.number_text import number_of, parse_numbers
from imbench.runs.registry import dataset
from tests.data.sheets import write_sheet

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": np.round(RNG.normal(40, 9, 60), 2),
        "income": RNG.integers(500, 2500, 60),
        "town": np.where(np.arange(60) % 3 == 0, "Zürich", "Genève"),
        "y": np.where(np.arange(60) % 4 == 0, "yes", "no"),
    }
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def the_same_as_the_frame(spec):
    found = dataset(spec)
    np.testing.assert_array_equal(found.x[:, :2], FRAME[["size", "income"]].to_numpy().astype(np.float32))
    assert found.feature_names == ("size", "income", "town=Genève", "town=Zürich")
    assert found.y.tolist() == (FRAME["y"] == "yes").astype(int).tolist()


@pytest.mark.parametrize("name", SEPARATORS)
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_separator_decimal_mark_and_encoding_are_detected_and_said(name, decimal, encoding):
    FRAME.to_csv("t.csv", sep=SEPARATORS[name], decimal=decimal, encoding=encoding, index=False)
    the_same_as_the_frame("t.csv:target=y")
    reading = card_of("t.csv:target=y").reading
    assert f"separator {name}" in reading
    assert f"encoding {encoding}" in reading
    assert f"decimal {'point' if decimal == '.' else 'comma'}" in reading


def test_what_is_detected_can_be_replaced():
    Path("t.csv").write_text("a;y\n" + "".join(f"{1 + i % 7},{100 + i};{'pq'[i % 2]}\n" for i in range(40)))
    assert dataset("t.csv:target=y").x[0, 0] == np.float32(1.1)  # a semicolon goes with a decimal comma
    assert dataset("t.csv:target=y,decimal=point").x[0, 0] == 1100
    Path("u.csv").write_bytes("a,y\n1,ё\n2,я\n".encode("cp1251") * 1 + "3,ё\n4,я\n".encode("cp1251"))
    assert set(card_of("u.csv:target=y,encoding=cp1251").class_counts) == {"ё", "я"}
    Path("v.csv").write_text("a:b,y\n" + "1:2,p\n2:1,q\n" * 4)
    assert list(card_of("v.csv:target=(b,y),sep=colon").class_counts) == ["1,q", "2,p"]


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zip", None)]
)
def test_a_packed_file_is_read_by_the_suffix_inside(suffix, pack):
    text = FRAME.to_csv(index=False).encode()
    if pack:
        Path(f"t.csv{suffix}").write_bytes(pack(text))
    else:
        with zipfile.ZipFile("t.csv.zip", "w") as archive:
            archive.writestr("t.csv", text)
    the_same_as_the_frame(f"t.csv{suffix}:target=y")
    Path(f"cut.csv{suffix}").write_bytes(Path(f"t.csv{suffix}").read_bytes()[:-30])
    with pytest.raises(DataError, match=f"cannot read cut.csv{suffix}: .*get it again"):
        card_of(f"cut.csv{suffix}:target=y")


def test_every_format_with_types_gives_the_same_arrays():
    FRAME.to_parquet("t.parquet", index=False)
    pyarrow.feather.write_feather(pa.Table.from_pandas(FRAME), "t.feather")
    Path("t.jsonl").write_text(FRAME.to_json(orient="records", lines=True), "utf-8")
    write_sheet("t.xlsx", [list(FRAME), *FRAME.astype(object).to_numpy().tolist()])
    lines = FRAME.to_csv(index=False, header=False)
    kinds = ("size numeric", "income numeric", "town {Zürich,Genève}", "y {yes,no}")
    Path("t.arff").write_text(
        "@relation t\n" + "".join(f"@attribute {k}\n" for k in kinds) + "@data\n" + lines, "utf-8"
    )
    for name in ("t.parquet", "t.feather", "t.jsonl", "t.xlsx", "t.arff"):
        the_same_as_the_frame(f"{name}:target=y")


def test_without_the_extra_an_excel_file_names_it(monkeypatch):
    write_sheet("t.xlsx", [["a", "y"], [1, "p"], [2, "q"]])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(DataError, match=r"Excel files need the extra 'tables': pip install 'imbench\[tables\]'"):
        card_of("t.xlsx:target=y")


def test_decimals_and_dates_of_parquet_are_numbers_and_lists_are_refused_by_name():
    days = pd.date_range("2024-01-01", periods=20, unit="ms")
    price = pa.array([Decimal(i) / 4 for i in range(20)], pa.decimal128(8, 2))
    y = pa.array(["p", "q"] * 10)
    pq.write_table(pa.table({"price": price, "day": days, "y": y}), "t.parquet")
    found = dataset("t.parquet:target=y")
    np.testing.assert_array_equal(found.x[:, 0], np.arange(20) / 4)
    np.testing.assert_array_equal(found.x[:, 1] * found.unit[1] + found.origin[1], 19723 + np.arange(20))
    pq.write_table(pa.table({"l": [[1]] * 20, "s": [{"a": 1}] * 20, "y": y}), "u.parquet")
    with pytest.raises(DataError, match="columns 'l', 's' contain lists or tables; split them"):
        card_of("u.parquet:target=y")


def test_a_file_without_a_header_keeps_its_first_row():
    FRAME.to_csv("t.csv", header=False, index=False)
    assert dataset("t.csv:target=column4").x.shape[0] == 60
    FRAME[["town", "y"]].to_csv("words.csv", header=False, index=False)
    assert card_of("words.csv:target=column2,header=no").rows == 60


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([["a", "b"], ["1", "2"]], True),
        ([["1.5", "b"], ["1", "c"]], False),
        ([["0", "1", "2"], ["5.1", "3", "4"]], True),
        ([["2019", "2020", "2021", "y"], ["5", "3", "4", "p"]], True),
        ([["5", "3", "9"], ["5.1", "3", "4"]], False),
        ([["1", "2", "3"], ["5.1", "3", "yes"]], True),
        ([["?", "3"], ["5.1", "3"]], False),
        ([["name", "town"], ["ann", "rome"]], True),
    ],
)
def test_a_header_is_told_from_a_row(records, expected):
    assert has_header(records) == expected


WORDS = st.sampled_from(["size", "town", "age", "visit date", "note", "sum"])
ABOVE = st.lists(
    st.sampled_from(["Report of 2024", "", "# made by a program", '"Sales, and ""more"""', "   ", "Clinic: north"]),
    min_size=1,
    max_size=4,
).filter(lambda lines: any(line.strip() for line in lines))


@given(ABOVE, st.lists(WORDS, min_size=3, max_size=5, unique=True), st.sampled_from(",;\t|"), st.sampled_from("\n\r"))
def test_titles_and_comments_above_a_header_are_left_out_and_said(above, names, separator, end):
    lines = [*above, separator.join(names), *(separator.join([str(i)] * len(names)) for i in range(20))]
    plain, title = end.join(lines), next(line for line in above if line.strip())
    frame, how = read_delimited("\r\n".join(lines).encode(), TextFormat(), "t.csv")
    assert list(frame.columns) == names
    assert (list(frame.index), how.line) == (list(range(len(above) + 2, len(above) + 22)), len(above) + 1)
    assert how.above == next(csv.reader([title.strip()]))[0]
    assert f"a header in line {len(above) + 1}, without what is above" in how.facts
    assert read_delimited(plain.encode(), TextFormat.read(header=str(how.line)), "t.csv")[0].equals(frame)


@pytest.mark.parametrize(
    "text",
    [
        "#a,kind,y\nu,v,p\nu,w,q\n",
        "a,b,y\n1,2,p\n",
        "name,town\nann,rome\nbob,bern\n",
        "2,3\n1,p\n1,q\n",
        ",y\n1,p\n2,q\n",
    ],
)
def test_what_may_be_a_header_is_not_taken_for_a_title(text):
    frame, how = read_delimited(text.encode(), TextFormat(), "t.csv")
    assert (len(frame), how.line, how.above) == (text.count("\n") - bool(how.header), 0, "")


def test_lines_above_a_header_that_may_be_data_are_refused_with_the_line_to_name():
    Path("t.csv").write_text("Report, 2024\n\nid,age,y\n" + "".join(f"{i},{i % 7},{'pq'[i % 2]}\n" for i in range(20)))
    with pytest.raises(DataError, match="or say header=3, if line 3 has the names of the columns"):
        card_of("t.csv:target=y")
    card = card_of("t.csv:target=y,header=3")
    assert ([c.name for c in card.columns], card.rows) == (["id", "age", "y"], 20)
    with pytest.raises(DataError, match="line 2 is blank; give with header= the line"):
        card_of("t.csv:target=y,header=2")
    with pytest.raises(DataError, match="has no line 99; give with header= the line"):
        card_of("t.csv:target=y,header=99")


def test_the_row_of_the_header_can_be_named_in_a_sheet_and_not_in_a_file_with_types():
    write_sheet("t.xlsx", [["Visits", "2024"], ["size", "y"], *([i + 0.5, "pq"[i % 2]] for i in range(20))])
    assert [c.name for c in card_of("t.xlsx:target=y,header=2").columns] == ["size", "y"]
    with pytest.raises(DataError, match="row 40 of the sheet is empty"):
        card_of("t.xlsx:target=y,header=40")
    FRAME.to_parquet("t.parquet")
    with pytest.raises(DataError, match="header=2 is a line of text or a sheet"):
        card_of("t.parquet:target=y,header=2")


def test_an_index_without_a_name_is_left_out_and_said():
    FRAME.to_csv("t.csv")
    the_same_as_the_frame("t.csv:target=y")
    first = card_of("t.csv:target=y").columns[0]
    assert (first.name, first.kind, first.inputs) == ("Unnamed: 0", "id", 0)
    assert "left out: a row number without a name" in first.becomes


def test_lines_are_those_of_the_file_whatever_is_between_them():
    Path("t.csv").write_text('a,note,y\n1,"two\nlines",p\n\n2,x,q\n3,z,\n')
    with pytest.raises(DataError, match=r"target 'y' is missing in 1 row \(first: line 6\)"):
        card_of("t.csv:target=y")
    Path("t.csv").write_text("a,y\n1,p\n2\n3,q\n")
    with pytest.raises(DataError, match=r"line 3 has 1 value, and the header 2"):
        card_of("t.csv:target=y")
    Path("t.csv").write_text("a,b,y\n1,2,p\n3,4,q\n5,6")
    with pytest.raises(DataError, match="seems to be cut off: its last line, line 4 has 2 values"):
        card_of("t.csv:target=y")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\x1c\x1d\x1e\x1f\x85\u2028\u2029"), max_size=8)


@given(
    st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8).filter(lambda rows: all(any(r) for r in rows)),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_cells_are_read_as_pythons_csv_module_writes_them(rows, separator):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=separator).writerows([("a", "b", "c"), *rows])
    found, _ = read_delimited(out.getvalue().encode(), TextFormat(separator, header=True), "t.csv")
    expected = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=separator))[1:]
    assert [[c.strip() for c in row] for row in expected] == [
        [c.strip() for c in row] for row in found.to_numpy().tolist()
    ]


@given(st.floats(-1e9, 1e9), st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ",")]))
def test_a_number_is_the_same_with_thousands_and_either_decimal_mark(value, marks):
    thousands, decimal = marks
    text = f"{value:,.2f}".replace(",", "#").replace(".", decimal).replace("#", thousands)
    assert number_of(text, decimal).value == float(f"{value:.2f}")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_all_digits_of_a_float_are_kept(value):
    assert number_of(repr(value), ".").value == value


@pytest.mark.parametrize("word", ["<null>", "n.d.", "N/A", "?", "-", "", "None", "unknown", "#N/A"])
def test_one_word_for_a_missing_value_leaves_a_column_numeric(word):
    values = [f"{i}.5" for i in range(60)]
    values[17] = word
    pd.DataFrame({"a": values, "y": ["p", "q"] * 30}).to_csv("t.csv", index=False)
    (column, _) = card_of("t.csv:target=y").columns
    assert (column.kind, column.missing, column.distinct, column.inputs) == ("numeric", 1, 59, 2)
    assert not word or f"{word!r} read as missing" in column.becomes


@pytest.mark.parametrize(("text", "value"), [("1,037", 1037.0), ("0,50", 0.5), ("1 037", 1037.0), ("€ 12", 12.0)])
def test_one_number_in_another_notation_is_read_and_said(text, value):
    values = [f"{i}.25" for i in range(60)]
    values[3] = text
    pd.DataFrame({"a": values, "y": ["p", "q"] * 30}).to_csv("t.csv", index=False)
    assert dataset("t.csv:target=y").x[3, 0] == value
    assert "(" in card_of("t.csv:target=y").columns[0].becomes


def test_a_column_follows_most_of_its_own_values():
    assert parse_numbers(["1,5", "2,75", "1.037"], "").numbers["1.037"] == 1037
    assert parse_numbers(["1.5", "2.75", "1,037"], "").numbers["1,037"] == 1037


@pytest.mark.parametrize(
    ("name", "content", "spec", "message"),
    [
        ("t.csv", "a~b~y\n1~2~p\n", "target=y", "t.csv has one column, 'a~b~y'.*give the separator with sep="),
        ("t.csv", "", "target=y", "t.csv is empty"),
        ("t.csv", "a,y\n1,p\n", "target=y,sep=ab", "sep=ab is not one character"),
        ("t.csv", "a,y\n1,p\n", "target=y,decimal=x", "decimal=x is not a decimal mark; use point or comma"),
        ("t.csv", "a,y\n1,p\n", "target=y,encoding=utf-99", "encoding=utf-99 is unknown; did you mean utf-8"),
        ("t.csv", "a,y\n1,p\n", "target=y,header=maybe", "header=maybe must be yes, no, or the line"),
        ("t.csv", "a,y\n1,\xfc\n", "target=y,encoding=ascii", "line 2 is not ascii; give another encoding"),
        ("t.csv", "a,a,y\n1,2,p\n", "target=y", "two columns named 'a'; rename one"),
        ("t.csv", "PK\0\0", "target=y", "t.csv is not text: it contains a null"),
        ("t.parquet", "a,y\n", "target=y", "cannot read t.parquet: .*is the file complete"),
        ("t.xlsx", "a,y\n", "target=y", "cannot read t.xlsx: .*is the file complete"),
        ("t.jsonl", '{"a": 1}\n{"a"\n', "target=y", "line 2 is no JSON"),
        ("t.jsonl", '{"a": [1], "y": 1}\n', "target=y", "column 'a' contains lists or tables"),
        ("t.parquet", "a,y\n", "target=y,sep=tab", "sep and encoding are for delimited text"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_the_fix(name, content, spec, message):
    Path(name).write_bytes(content.encode("latin-1"))
    with pytest.raises(DataError, match=message) as caught:
        card_of(f"{name}:{spec}")
    assert "\n" not in str(caught.value)


def test_json_lines_may_lack_keys():
    rows = [{"a": i, "y": "pq"[i % 2]} if i % 3 else {"y": "pq"[i % 2]} for i in range(30)]
    Path("t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert {c.name: c.missing for c in card_of("t.jsonl:target=y").columns} == {"a": 10, "y": 0}


def test_a_title_above_the_header_of_a_sheet_is_left_out_and_said():
    rows = [["Visits of 2024", ""], ["", ""], ["size", "y"], *([i + 0.5, "pq"[i % 2]] for i in range(20))]
    write_sheet("t.xlsx", rows)
    card = card_of("t.xlsx:target=y")
    assert [c.name for c in card.columns] == ["size", "y"]
    assert "without the title above ('Visits of 2024')" in card.reading


def test_dates_of_arff_are_dates_and_its_sparse_rows_have_zeros():
    Path("t.arff").write_text(
        "@relation t\n@attribute 'a day' DATE \"yyyy-MM-dd\"\n@attribute b numeric\n@attribute y {no,yes}\n@data\n"
        + "".join(f'"2024-01-{1 + i:02}",{i % 5},{("no", "yes")[i % 2]}\n' for i in range(20))
    )
    assert [c.kind for c in card_of("t.arff:target=y").columns] == ["date", "numeric", "target"]
    Path("s.arff").write_text(
        "@relation t\n@attribute a numeric\n@attribute b numeric\n@attribute y {no,yes}\n@data\n"
        + "".join(f"{{0 {i}.5, 2 yes}}\n" if i % 2 else f"{{0 {i}.5, 1 3}}\n" for i in range(20))
    )
    assert dataset("s.arff:target=y").x[:3, 1].tolist() == [3, 0, 3]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoted", ["'plain'", '"a, b"', '"say ""so"""', '"two\nlines"', ' "blank before"'])
def test_quotes_and_line_ends_are_read_as_pythons_csv_module_does(end, quoted):
    text = "a,b,c" + end + "".join(f"{i},{quoted},x{end}" for i in range(9))
    found, _ = read_delimited(text.encode(), TextFormat(",", header=True), "t.csv")
    expected = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))[1:]
    assert found.to_numpy().tolist() == [[cell.strip() for cell in row] for row in expected]


UNITS = st.sampled_from(["{:.1f} kg", "{:.0f} mmHg", "EUR {:.2f}", "({:.1f})", "{:.2f}h", "{:.0f} km"])


@given(UNITS, st.lists(st.integers(1, 9999), min_size=25, max_size=40, unique=True))
def test_numbers_with_units_are_neither_identifiers_nor_levels(unit, numbers):
    texts = [unit.format(number) for number in numbers]
    frame = pd.DataFrame({"v": texts})
    with pytest.raises(DataError, match=r"'v' .*values look like quantities.* write them as numbers in one unit"):
        read_columns(frame, Asked())
    assert read_columns(frame, Asked({"v": "categorical"}))[0].reading.kind == "categorical"


@given(st.sampled_from(["u{}", "C-{:05d}", "10.0.0.{}", "A {}", "{}-x", "ann{}@x.org"]))
def test_codes_are_no_quantities(code):
    (column,) = read_columns(pd.DataFrame({"v": [code.format(i) for i in range(40)]}), Asked())
    assert column.reading.kind in ("id", "categorical")


def test_times_of_day_are_refused_instead_of_left_out():
    with pytest.raises(DataError, match="'10:00' in row 0"):
        read_columns(pd.DataFrame({"v": [f"{10 + i % 9}:{i:02d}" for i in range(40)]}), Asked())


def test_a_row_number_is_known_by_its_name_in_a_short_table():
    FRAME.reset_index().to_csv("t.csv", index=False)
    assert card_of("t.csv:target=y").columns[0].kind == "id"


@given(st.sampled_from(["utf-16-le", "utf-16-be", "utf-16", "utf-32", "utf-8-sig"]))
def test_encodings_of_unicode_are_told_apart_without_a_mark(encoding):
    found, how = read_delimited(FRAME.to_csv(index=False).encode(encoding), TextFormat(), "t.csv")
    assert list(found.columns) == list(FRAME.columns)
    assert how.encoding == encoding


@pytest.mark.filterwarnings("error")
def test_a_file_of_one_byte_is_refused_without_a_warning():
    Path("t.csv").write_bytes(b"x")
    with pytest.raises(DataError, match=r"t\.csv has one column, 'x'"):
        card_of("t.csv:target=y")


def test_bytes_that_are_no_text_are_refused_by_name():
    pq.write_table(pa.table({"x": [bytes([255, i]) for i in range(40)], "y": ["p", "q"] * 20}), "t.parquet")
    with pytest.raises(DataError, match="column 'x' contains bytes that are no text"):
        card_of("t.parquet:target=y")


def test_two_columns_of_times_are_refused():
    FRAME.to_csv("t.csv", index=False)
    with pytest.raises(DataError, match="names 2 columns, and rows have one order"):
        card_of("t.csv:target=y,time=size+town")


def test_whole_numbers_that_64_bits_do_not_have_are_floats():
    frame = pd.DataFrame({"u": [2**63 + 10**15 * i for i in range(60)], "y": ["p", "q"] * 30}, dtype=object)
    assert dataset(table(frame, target="y")).x.std() > 0


def test_names_that_are_long_or_have_line_breaks_keep_to_one_line_of_what_is_shown(capsys):
    pd.DataFrame({"a\nb": range(40), "x" * 5000: range(40), "y": ["p", "q"] * 20}).to_csv("t.csv", index=False)
    assert main(["info", "t.csv", "--target", "y"]) == 0
    out = capsys.readouterr().out
    assert "\na b " in out
    assert max(map(len, out.splitlines())) < 400
