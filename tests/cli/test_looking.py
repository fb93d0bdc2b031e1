"""The verbs that only look: list, info, data, status, report."""

import json
import os
import subprocess
import sys
from textwrap import dedent

import pandas as pd
import pytest

from imbench.runs import registry
from imbench.runs.protocols import protocol_names

# Taken before the fixture that hides it from tests which must not lean on it.
REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")


@pytest.mark.parametrize("kind", ["strategies", "datasets", "suites", "metrics"])
def test_list_shows_every_registered_name(kind, imbench):
    wanted = [entry.name for entry in getattr(registry, kind)()]
    assert [row["name"] for row in json.loads(imbench("list", kind, "--json").out)] == wanted
    lines = imbench("list", kind).out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == wanted


def test_list_shows_the_protocols(imbench):
    assert [row["name"] for row in json.loads(imbench("list", "protocols", "--json").out)] == protocol_names()


def test_list_shows_the_strategies_of_a_plugin_file(imbench, tmp_path):
    source = "from dataclasses import dataclass\nfrom imbench import BatchStrategy\n@dataclass(frozen=True)\n"
    source += "class Mine(BatchStrategy):\n  name = 'mine'\n  def rebalance(self, batch, info, noise): return batch\n"
    (tmp_path / "mine.py").write_text(source)
    assert "mine.py" in imbench("list", "strategies", "--plugin", "mine.py").out


def test_list_of_something_else_names_what_there_is(imbench):
    answer = imbench("list", "cards")
    assert answer.code == 2
    assert "datasets" in answer.err


KNOWN = {
    "remix:alpha=0.3": ("strategy", {"name": "remix:alpha=0.3", "parameters": {"alpha": 0.3}}),
    "segment:ir=0.05": (
        "dataset",
        {"rows": 2310, "variant_counts": {"CEMENT+FOLIAGE+GRASS+PATH+SKY+WINDOW": 1980, "BRICKFACE": 99}},
    ),
    "optdigits:task=multiclass,ir=0.1": ("dataset", {"variant": "optdigits:task=multiclass,ir=0.1"}),
    "tabular": ("suite", {"name": "tabular"}),
    "gmean": ("metric", {"better": "higher"}),
    "bbs": ("metric", {"better": "lower"}),
    "paper": ("protocol", {"epochs": 500, "repeats": 10, "patience": None}),
    "paper:epochs=30": ("protocol", {"name": "paper:epochs=30", "epochs": 30}),
}


@pytest.mark.parametrize(("name", "kind", "facts"), [(n, k, f) for n, (k, f) in KNOWN.items()], ids=KNOWN)
def test_info_tells_what_is_known_of_any_name(name, kind, facts, imbench):
    told = json.loads(imbench("info", name, "--json").out)
    assert told["kind"] == kind
    assert {key: told[key] for key in facts} == facts
    assert f"kind{' ':>2}" in imbench("info", name).out


def test_info_tells_of_a_table_of_ones_own(imbench, table):
    told = json.loads(imbench("info", table, "--json").out)
    assert told["class_counts"] == {"no": 160, "yes": 40}


def test_info_names_classes_wherever_it_counts_them(imbench, tmp_path):
    rows = [f"{i},7,{label}" for i, label in enumerate(["a"] * 30 + ["b"] * 20 + ["a+b"] * 10)]
    (tmp_path / "t.csv").write_text("\n".join(["f,same,y", *rows]))
    counts = {
        spec: json.loads(imbench("info", spec, "--json").out)["variant_counts"]
        for spec in ("t.csv:target=y", "t.csv:target=y,minority=b", r"t.csv:target=y,minority=a\+b")
    }
    assert list(counts.values()) == [
        {"a": 30, "a+b": 10, "b": 20},
        {"a+a+b": 40, "b": 20},
        {"a+b (class 0)": 50, "a+b (class 1)": 10},
    ]
    assert "constant columns  same" in imbench("info", "t.csv:target=y").out


def test_every_installed_name_has_info(imbench):
    for kind in ("strategies", "datasets", "suites", "metrics"):
        for entry in getattr(registry, kind)():
            assert imbench("info", entry.name).code == 0, entry


def test_info_of_a_typo_names_near_matches_of_any_kind(imbench):
    answer = imbench("info", "segmnt")
    assert answer.code == 2
    assert "did you mean segment" in answer.err


@pytest.fixture
def card(tmp_path):
    """A card of one's own, beside its data."""
    frame = pd.DataFrame({"a": [float(i) for i in range(20)], "target": ["no"] * 12 + ["yes"] * 8})
    frame.to_csv(tmp_path / "tiny.csv", index=False)
    path = tmp_path / "tiny.toml"
    path.write_text(
        dedent("""
        title = "Tiny"
        modality = "tabular"
        target = "target"
        rows = 20
        features = 1
        missing = 0
        [class_counts]
        no = 12
        yes = 8
        [[task]]
        name = "binary"
        minority = ["yes"]
        [[source]]
        kind = "file"
        path = "tiny.csv"
        header = true
        """)
    )
    return str(path)


def test_data_fetch_brings_a_dataset_into_the_cache_and_says_from_where(card, imbench):
    answer = imbench("data", "fetch", card, "--json")
    assert answer.code == 0
    (row,) = json.loads(answer.out)
    assert row["fetched"] is True
    assert len(row["data_hash"]) == 64


def test_data_fetch_of_wrong_data_says_why_and_gives_exit_code_1(card, imbench, tmp_path):
    text = (tmp_path / "tiny.toml").read_text()
    (tmp_path / "tiny.toml").write_text(text.replace("rows = 20", "rows = 21").replace("no = 12", "no = 13"))
    answer = imbench("data", "fetch", card)
    assert answer.code == 1
    assert "0 of 1 dataset fetched" in answer.out
    assert "error: " in answer.err


@pytest.mark.parametrize("arguments", [(), ("segment", "--all")])
def test_data_fetch_wants_names_or_all(arguments, imbench):
    assert imbench("data", "fetch", *arguments).code == 2


def test_data_shows_where_every_dataset_stands(imbench, monkeypatch):
    # Hosts are not asked here; that they answer is the survey's own test.
    monkeypatch.setattr("imbench.data.sources.network.probe", lambda url: "not asked")
    monkeypatch.setattr("imbench.data.sources.downloads.package_index", lambda: "/nonexistent")
    rows = json.loads(imbench("data", "--json").out)
    assert [row["name"] for row in rows] == [entry.name for entry in registry.datasets()]
    assert {row["state"] for row in rows} <= {"cached", "mirror", "reachable", "unreachable"}
    assert "segment" in imbench("data").out


@pytest.fixture
def mirror():
    if not REAL_MIRROR:
        pytest.skip("IMBENCH_DATA_MIRROR is unset: no real datasets here")
    return REAL_MIRROR


@pytest.mark.data
def test_data_fetch_takes_real_data_from_a_mirror(imbench, mirror):
    answer = imbench("data", "fetch", "segment", "--data-mirror", mirror)
    assert (answer.code, answer.err) == (0, "segment: verified, from mirror\n")
    assert "cached" in next(line for line in imbench("data").out.splitlines() if line.startswith("segment"))


def test_status_counts_the_jobs_of_a_store(finished, imbench):
    store, _, _ = finished
    told = json.loads(imbench("status", "--store", store, "--json").out)
    assert told["done"] >= 6
    assert told["failed"] == 0
    assert f"{told['done']} jobs done, 0 failed" in imbench("status", "--store", store).out


@pytest.mark.parametrize("verb", ["status", "report"])
def test_a_folder_that_is_no_store_is_said_so(verb, imbench):
    answer = imbench(verb, "--store", "nowhere")
    assert answer.code == 2
    assert "nowhere" in answer.err


def test_report_writes_files_and_names_them(finished, imbench, tmp_path):
    store, _, _ = finished
    answer = imbench("report", "--store", store, "--to", tmp_path / "report")
    assert answer.code == 0
    files = answer.out.splitlines()
    assert {path.rpartition(".")[2] for path in files} >= {"md", "csv", "json"}
    assert all((tmp_path / path).stat().st_size > 0 for path in files)


def test_report_takes_the_store_by_its_place_and_ranks_what_is_asked_for(finished, imbench, tmp_path):
    store, _, _ = finished
    answer = imbench("report", store, "--to", tmp_path / "report", "--metric", "brier", "--rule", "argmax", "--json")
    assert answer.code == 0
    page, *_ = json.loads(answer.out)
    text = (tmp_path / page).read_text("utf-8")
    assert "binary, Brier score" in text
    assert "binary, G-mean" not in text
    # Files of the user's own are told by their names, and their modality is known.
    assert "--dataset 'two.csv:target=kind'" in text or "--dataset two.csv:target=kind" in text
    assert str(store.parent) not in text


@pytest.mark.parametrize(("arguments", "said"), [
    (("--metric", "brierr"), "unknown metric 'brierr'"),
    (("--rule", "none"), "no decision rule 'none'; there are argmax"),
    (("--alpha", "0"), "alpha must lie between 0 and 1"),
    (("--store", "another"), "the store is given twice"),
])  # fmt: skip
def test_a_wrong_report_is_refused_before_any_work(finished, imbench, tmp_path, arguments, said):
    answer = imbench("report", finished[0], "--to", tmp_path / "report", *arguments)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("verb", ["list strategies", "info paper", "--help"])
def test_a_look_needs_no_training_library(verb):
    script = f"""
import sys
from imbench.cli import main
assert main({verb.split()!r}) == 0
heavy = sorted({{"torch", "pandas", "sklearn", "scipy", "imblearn"}} & set(sys.modules))
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


READ = "How your columns were read: churn.csv (encoding utf-8, separator semicolon, a header, decimal comma)"


@pytest.fixture
def churn(tmp_path):
    """A table with a column of most kinds."""
    rows = [f"C{i};{i % 50},{i % 7}5;{'' if i % 4 else 'late'};{'yes' if i % 5 == 0 else 'no'}" for i in range(200)]
    (tmp_path / "churn.csv").write_text("\n".join(["customer_id;size;note;churned", *rows]))
    return "churn.csv:target=churned"


@pytest.mark.parametrize("verb", [["plan"], ["run", "--dry-run"]])
def test_how_columns_were_read_is_shown_before_training(verb, churn, imbench):
    command = [*verb, "--dataset", churn, "--strategy", "baseline", "--no-references", "--protocol", "smoke"]
    out = imbench(*command).out
    assert READ in out
    assert "left out: named as an identifier, 200 distinct of 200 values" in out
    assert "2 inputs in all" in out
    told = json.loads(imbench(*command, "--json").out)["columns"]["churn.csv"]
    assert {c["name"]: (c["kind"], c["inputs"]) for c in told["columns"]} == {
        "customer_id": ("id", 0),
        "size": ("numeric", 1),
        "note": ("constant", 1),
        "churned": ("target", 0),
    }


def test_info_shows_how_columns_were_read(churn, imbench):
    assert READ in imbench("info", churn).out
    told = json.loads(imbench("info", churn, "--json").out)
    assert (told["inputs"], len(told["columns"])) == (2, 4)


def test_a_wide_table_is_shown_without_its_plain_columns(imbench, tmp_path):
    frame = pd.DataFrame({f"n{j}": [0.5 + i % 17 for i in range(40)] for j in range(60)})
    frame.assign(site=1, y=["p", "q"] * 20).to_csv(tmp_path / "wide.csv", index=False)
    out = imbench("info", "wide.csv:target=y").out
    assert "60 more columns are numeric without missing values. 60 inputs in all" in out
    assert "site" in out


def test_a_class_with_too_few_rows_for_the_folds_is_refused_by_a_dry_run(imbench, tmp_path):
    labels = ["no"] * 60 + ["yes"] * 9
    pd.DataFrame({"a": [0.5 + i for i in range(69)], "y": labels}).to_csv(tmp_path / "few.csv", index=False)
    command = ("run", "--dataset", "few.csv:target=y", "--protocol", "paper", "--set", "folds=5")
    for more in ([], ["--dry-run"]):
        answer = imbench(*command, *more)
        assert answer.code == 2
        assert "class 'yes' has 9 rows; 10 are needed for 5 folds: merge it into another class" in answer.err
        assert "or use fewer folds (--set folds=4)" in answer.err


def test_a_file_of_another_format_is_refused_with_the_formats(imbench, tmp_path):
    (tmp_path / "t.sav").write_text("x")
    answer = imbench("run", "--dataset", "t.sav:target=y", "--dry-run")
    assert answer.code == 2
    assert "t.sav: .sav is not a format of tables; convert it with pandas.read_spss" in answer.err
