"""Drawn mutations of every kind of file that is read: a message, and never another exception."""

from __future__ import annotations

import contextlib
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.data.card_file import read_card
from imbench.data.cards import cards_folder
from imbench.data.suites import load_suite
from imbench.report.publish import rows_as_parquet
from imbench.runs.protocols import load_protocol
from imbench.store.evaluation_files import read_rows, read_scores
from imbench.store.rows import MOST_OF_AN_ERROR
from imbench.store.store import Store
from tests.made_results import FACTS, job, predictions

JOB = job(protocol=Protocol("short", repeats=1))

CSV = b"dataset,remix,mixup\na,0.5,0.25\nb,0.75,NA\n"
PROTOCOL = b'extends = "paper"\nepochs = 3\ndropout = 0.5\n[exceptions.coil2000]\nepochs = 2\n'


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A real file of each kind, with how it is read."""
    folder = tmp_path_factory.mktemp("files")
    store = Store.open(folder / "store", create=True)
    store.write(JOB, predictions(JOB, rows=16), FACTS)
    store.fail(job("b"), "boom", {})
    for name, content in {"scores.csv": CSV, "mine.toml": PROTOCOL}.items():
        (folder / name).write_bytes(content)
    shutil.copy(cards_folder() / "ecoli.toml", folder / "card.toml")
    shutil.copy(cards_folder() / "suites" / "tabular.toml", folder / "suite.toml")
    (folder / "rows.parquet").write_bytes(rows_as_parquet(store.frame()))
    return folder


def read_store(file):
    store = Store(file.parent.parent)
    store.check()
    store.frame()
    store.status()


READERS = {
    "scores.csv": read_scores,
    "mine.toml": lambda file: load_protocol(str(file)),
    "card.toml": lambda file: read_card(file, "mine"),
    "suite.toml": lambda file: load_suite(str(file)),
    "rows.parquet": lambda file: read_rows(file, ["strategy", "gmean", "numbers"]),
    f"store/jobs/{JOB.key}.parquet": read_store,
    f"store/predictions/{JOB.key}.parquet": read_store,
    f"store/failed/{job('b').key}.json": read_store,
}

PIECES = [b"", b"[" * 2000, b"9" * 5000, b"=", b'"', b"\n", b"\0", b"\xff\xfe", b"{}", b"[]", b"-1", b"nan", b"true"]


@st.composite
def mutations(draw):
    """A change of a file's bytes at a place: what is cut there, and what is put there."""
    return draw(st.floats(0, 1)), draw(st.sampled_from([0, 1, 7, 40, 10**9])), draw(st.sampled_from(PIECES))


def mutated(content, mutation):
    where, cut, piece = mutation
    at = int(where * len(content))
    return content[:at] + piece + content[at + cut :]


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None)
@given(changes=st.lists(mutations(), min_size=1, max_size=2))
def test_no_mutation_ends_in_another_exception(originals, tmp_path_factory, name, changes):
    content = (originals / name).read_bytes()
    for change in changes:
        content = mutated(content, change)
    folder = tmp_path_factory.mktemp("mutated")
    shutil.copytree(originals / "store", folder / "store") if "/" in name else None
    (folder / name).write_bytes(content)
    with contextlib.suppress(UsageError):
        READERS[name](folder / name)


BAD = {
    "exceptions as a list": ("mine.toml", PROTOCOL.split(b"[")[0] + b"exceptions = []"),
    "an exception named twice": ("mine.toml", PROTOCOL + b'["a:task=b:task=c:task=d"]\nepochs = 1\n'),
    "a number too large for a float": ("mine.toml", b'extends = "paper"\ndropout = 9' + b"0" * 400),
    "more layers than memory": ("mine.toml", b'extends = "paper"\nhidden_layers = 99999999999'),
    "another encoding": ("mine.toml", "title = 'é'".encode("latin-1")),
    "a null in a spec": ("suite.toml", b'configurations = ["a\\u0000.csv"]'),
    "a field of more than csv reads": ("scores.csv", b"dataset,remix\na,0.5\n" + b"x" * 200_000 + b",1\n"),
    "no Parquet": ("rows.parquet", b"PAR1" * 10),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_a_message(tmp_path, case):
    name, content = BAD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("kept", [b"{", b'{"gmean": "x"}', b"[" * 100_000])
def test_rows_with_broken_metadata_are_a_message(originals, tmp_path, kept):
    table = pq.read_table(originals / "rows.parquet").replace_schema_metadata({b"imbench.metrics": kept})
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="publish the store again"):
        READERS["rows.parquet"](tmp_path / "rows.parquet")


def test_rows_with_a_column_of_another_type_are_a_message(originals, tmp_path):
    table = pq.read_table(originals / "rows.parquet")
    at = table.schema.get_field_index("gmean")
    pq.write_table(table.set_column(at, "gmean", pa.array(["x"] * table.num_rows)), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="column 'gmean' is of type"):
        READERS["rows.parquet"](tmp_path / "rows.parquet")


@pytest.mark.parametrize("setting", ["hidden_layers=99999999999", "width_divisor=1e-300", "epochs=10000000000"])
def test_a_setting_beyond_what_can_be_trained_is_a_message(setting):
    name, _, value = setting.partition("=")
    with pytest.raises(UsageError, match=f"{name} must be at (most|least)"):
        load_protocol("smoke", {name: value})


def test_an_error_of_a_megabyte_is_cut_with_a_note(store):
    store.fail(JOB, "first\n" + "x" * 10**6 + "\nValueError: the last", {})
    error = store.frame()["error"].iloc[0]
    assert len(error) < MOST_OF_AN_ERROR + 100
    assert error.startswith("first")
    assert error.endswith("ValueError: the last")
    assert "of 1,000,027 characters cut" in error


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"dataset": ["a", None]}, "column 'dataset' has an empty cell"),
        ({"dataset": [True, False]}, "column 'dataset' is of type bool"),
        ({"repeat": [0.0, float("inf")]}, "column 'repeat' must be whole numbers"),
        ({"numbers": [1.0, float("inf")]}, "column 'numbers' must be whole numbers"),
    ],
)
def test_rows_without_labels_or_with_labels_of_another_type_are_refused(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match=message):
        read_rows(tmp_path / "rows.parquet", list(columns))
