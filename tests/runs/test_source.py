"""What code made a result: hashes of sources, and what follows from a change."""

import contextlib
import hashlib
import io
import json
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import pytest

import imbench
from imbench.checks import outcome
from imbench.checks.source import bound_to_process, source_hash
from imbench.cli import main
from imbench.cli.boards import boards_text
from imbench.contract.errors import StoreError
from imbench.contract.strategy import BatchStrategy
from imbench.report.publish import publish
from imbench.runs.bench import plan
from imbench.runs.registry import Registry
from imbench.scoring.columns import ORIGIN
from imbench.store.merge import ConflictError, merge
from imbench.store.parquet import from_parquet, identity_of, to_parquet

BODY = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

SEEN = []

@dataclass(frozen=True)
class Mine(BatchStrategy):
    """Leaves every batch as it is, after Nobody (2020)."""

    name: ClassVar[str] = "mine"
    version: ClassVar[str] = "{version}"

    def rebalance(self, batch, info, noise):
        {line}
'''
MEMORY = "SEEN.append(1); return type(batch)(batch.x + 0.01 * len(SEEN), batch.y)"


@pytest.fixture
def run(tmp_path, table):
    """Write ``mine.py`` with this line and version, and run it."""
    path = tmp_path / "mine.py"

    def make(line="return batch", version="1", store="store", **options):
        path.write_text(BODY.format(line=line, version=version))
        few = {"epochs": "2", "repeats": "1"}  # of a protocol that may be published
        request = {"datasets": [table], "strategies": ["mine"], "protocol": "standard", "settings": few, "jobs": 1}
        return imbench.run(**{**request, "plugins": [str(path)], "store": tmp_path / store, **options})

    return make


def test_the_hash_of_a_plugin_file_is_that_of_the_file(run, tmp_path):
    row = run().frame().iloc[0]
    assert row["source_hash"] == hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    assert (row["package"], row["package_version"], row["checks"]) == ("mine.py", "", "passed")


def test_changed_source_is_said_and_its_jobs_are_kept_until_asked_for(run):
    first = run().frame()
    kept = run("return batch  # changed")
    assert any("source of mine (version 1) changed" in note and "table.csv" in note for note in kept.notes)
    assert list(kept.frame()["source_hash"]) == list(first["source_hash"])
    anew = run("return batch  # changed", retrain=True).frame()
    assert set(anew["source_hash"]).isdisjoint(first["source_hash"])
    assert list(anew["key"]) == list(first["key"])


BROKEN = "raise ValueError('too few rows')"
INTERRUPTED = "raise KeyboardInterrupt"


def store_of(tmp_path):
    """What `imbench status --json` says of the store."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["status", str(tmp_path / "store"), "--json"]) == 0
    return json.loads(out.getvalue())


def test_a_failed_retraining_keeps_the_old_result_and_is_reported_until_it_succeeds(run, tmp_path, capsys, monkeypatch):
    first = run().frame()
    failed = run(BROKEN, retrain=True, checks=False)
    assert list(failed.failures()["error"]) == ["ValueError: too few rows"]
    assert "mine (version 1) has 1 job of other source, because retraining failed" in failed.notes[-1]
    # The old result is readable, and says what it is.
    kept = imbench.load(tmp_path / "store")
    pd.testing.assert_frame_equal(kept.frame(), first)
    assert any("run again with --retrain" in note for note in kept.notes)
    status = store_of(tmp_path)
    assert (status["done"], status["failed"]) == (1, 0)
    assert [(one["strategy"], one["error"]) for one in status["retrain"]] == [("mine", "ValueError: too few rows")]
    monkeypatch.setenv("COLUMNS", "500")
    main(["status", str(tmp_path / "store")])
    assert "ValueError: too few rows" in capsys.readouterr().out
    # Without `retrain` the run says that there is other source, and keeps the mark.
    plain = run(BROKEN, checks=False)
    assert any("give --retrain to retrain them" in note for note in plain.notes)
    assert not len(plain.failures())
    assert len(store_of(tmp_path)["retrain"]) == 1
    # Once it succeeds there is nothing left to say.
    anew = run("return batch  # repaired", retrain=True)
    assert set(anew.frame()["source_hash"]).isdisjoint(first["source_hash"])
    assert store_of(tmp_path)["retrain"] == []
    assert not list((tmp_path / "store" / "failed").iterdir())


def test_an_interrupted_retraining_is_reported_as_well(run, tmp_path):
    first = run().frame()
    with pytest.raises(KeyboardInterrupt):
        run(INTERRUPTED, retrain=True, checks=False)
    pd.testing.assert_frame_equal(imbench.load(tmp_path / "store").frame(), first)
    assert [one["error"] for one in store_of(tmp_path)["retrain"]] == ["retraining did not finish"]


def test_going_back_to_the_old_source_needs_no_retraining(run, tmp_path):
    run()
    run(BROKEN, retrain=True, checks=False)
    back = run()
    assert not any("source" in note for note in back.notes)
    assert store_of(tmp_path)["retrain"] == []


def test_the_command_ends_as_failed_where_retraining_fails(run, table, tmp_path, capsys):
    run(), (tmp_path / "mine.py").write_text(BODY.format(line=BROKEN, version="1"))
    words = ["--dataset", table, "--strategy", "mine", "--plugin", str(tmp_path / "mine.py"), "--no-checks"]
    words += ["--protocol", "standard:epochs=2,repeats=1", "--store", str(tmp_path / "store"), "--jobs", "1"]
    assert main(["run", *words, "--retrain"]) == 1
    assert "0 jobs done, 1 failed" in capsys.readouterr().err
    assert main(["run", *words]) == 0
    assert "1 already stored (1 of other source)" in capsys.readouterr().err
    assert main(["run", *words, "--dry-run", "--json"]) == 0
    assert [job["changed_source"] for job in json.loads(capsys.readouterr().out)["jobs"]] == [True]


def test_a_raised_version_is_another_job(run):
    first, other = run(), run("return batch  # changed", version="2")
    assert not any("changed" in note for note in other.notes)
    assert set(first.frame()["key"]).isdisjoint(other.frame()["key"])


def test_two_sources_of_one_job_are_a_conflict_that_a_preferred_store_decides(run, tmp_path):
    run(store="a"), run("return batch  # changed", store="b")
    with pytest.raises(ConflictError, match="the strategy's source"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "joined")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "joined", prefer=[tmp_path / "b"])
    found = {str(imbench.load(tmp_path / name).frame()["source_hash"].iloc[0]) for name in ("joined", "b")}
    assert len(found) == 1


def test_two_sources_of_one_strategy_are_a_conflict_on_other_data_too(run, table, tmp_path):
    run(store="a"), run("return batch  # changed", store="b", datasets=[f"{table},seed=1"])
    stores = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(
        ConflictError, match=r"mine \(version 1\).*the strategy's source, .* \(1 job\) and .* \(1 job\)"
    ):
        merge(stores, tmp_path / "joined")
    assert not (tmp_path / "joined").exists()
    merged = merge(stores, tmp_path / "joined", prefer=[tmp_path / "b"])
    assert (merged.jobs, len(merged.conflicts)) == (1, 1)
    assert set(imbench.load(tmp_path / "joined").frame()["variant"]) == {"ir=0.2,seed=1,target=churn"}
    # What is in the store that is merged into stays, and merging the same again changes nothing.
    merge(stores, tmp_path / "a", prefer=[tmp_path / "b"])
    assert imbench.load(tmp_path / "a").frame()["source_hash"].nunique() == 2
    assert merge(stores, tmp_path / "a").added == 0


def test_a_memory_across_nets_fails_checks_is_marked_and_not_published_unasked(run, tmp_path):
    results = run(MEMORY)
    failed = results.frame()["checks"].iloc[0]
    assert failed.startswith("failed")
    assert "same_noise_same_batch" in failed
    assert any("mine failed the conformance checks" in note for note in results.notes)
    assert re.search(r"^mine \(failed checks\) +\d", boards_text(results), re.MULTILINE)
    with pytest.raises(StoreError, match="--unchecked"):
        publish(tmp_path / "store", tmp_path / "pages")
    page = publish(tmp_path / "store", tmp_path / "pages", unchecked=True)
    assert "mine failed the conformance checks" in (page.folder / page.page / "index.html").read_text()


def test_a_run_without_checks_says_so_and_is_not_published_unasked(run, tmp_path):
    assert set(run(checks=False).frame()["checks"]) == {"not checked"}
    with pytest.raises(StoreError, match="not checked"):
        publish(tmp_path / "store", tmp_path / "pages")


def test_an_outcome_is_looked_up_where_the_source_was_checked_before(run, monkeypatch):
    run("return batch  # looked up")
    monkeypatch.setattr(outcome, "_outcome", lambda strategy: pytest.fail("checked again"))
    monkeypatch.setattr(outcome, "_REMEMBERED", {})  # as another process finds it
    assert set(run("return batch  # looked up", store="other").frame()["checks"]) == {"passed"}


def test_a_package_counts_the_modules_that_a_strategy_imports_and_no_others(tmp_path, monkeypatch):
    folder = tmp_path / "hashed_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "mine.py").write_text("from .helper import x\n" + BODY.format(line="return batch", version="1"))
    (folder / "helper.py").write_text("from hashed_package import deeper\nx = deeper\n")
    (folder / "deeper.py").write_text("y = 1\n")
    (folder / "other.py").write_text("z = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from hashed_package.mine import Mine

    hashes = [source_hash(Mine())]
    for name in ("other", "deeper", "helper", "mine"):
        (folder / f"{name}.py").write_text((folder / f"{name}.py").read_text() + "# more\n")
        hashes.append(source_hash(Mine()))
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_a_strategy_inside_another_one_counts(run, tmp_path):
    run()
    registry = Registry((str(tmp_path / "mine.py"),))
    hashes = {source_hash(registry.strategy(spec)) for spec in ("augmented", "augmented:inner=mine")}
    assert len(hashes) == 2


@dataclass(frozen=True)
class Given(BatchStrategy):
    """Leaves every batch as it is."""

    name: ClassVar[str] = "given"
    strength: float = 1.0

    def rebalance(self, batch, info, noise):
        return batch


def test_objects_are_trained_as_specs_are(run):
    frame = run(strategies=[Given(strength=2.0), imbench.strategy("remix:alpha=0.3"), "baseline"]).frame()
    assert set(frame["strategy"]) == {"given:strength=2.0", "remix:alpha=0.3", "baseline"}
    assert set(frame["error"]) == {""}


def test_an_object_that_no_spec_makes_is_refused_before_any_work(run):
    with pytest.raises(imbench.UsageError, match="cannot be written as a spec"):
        run(strategies=[Given(strength=float("nan"))])


NOTEBOOK = f"""
import sys, imbench
from dataclasses import dataclass
from typing import ClassVar
{BODY.format(line="return batch", version="1")}
results = imbench.run(
    datasets=[sys.argv[1]], strategies=[Mine(), "baseline"], protocol="smoke", store=sys.argv[2], jobs=2
)
print(sorted(set(results.frame()["package"])), set(results.frame()["error"]))
"""


def test_a_class_of_a_script_is_trained_in_its_process_which_says_why(table, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(NOTEBOOK)
    command = [sys.executable, str(script), table, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['__main__', 'imbench'] {''}"
    assert "worker processes cannot import" in done.stderr


def test_a_class_of_a_module_goes_to_worker_processes(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bound_to_process(Registry) == ""
        assert set(run(strategies=["mine"], jobs=2).frame()["error"]) == {""}


def test_rows_of_a_store_that_did_not_keep_it_say_unknown(run, tmp_path):
    run()
    (file,) = (tmp_path / "store" / "jobs").glob("*.parquet")
    rows = from_parquet(file.read_bytes(), file.stem)
    file.write_bytes(to_parquet(rows.drop_columns(list(ORIGIN)), identity_of(rows)))
    frame = imbench.load(tmp_path / "store").frame()
    assert set(frame["source_hash"]) == set(frame["package"]) == set(frame["checks"]) == {"unknown"}


def test_an_unknown_source_is_not_taken_for_a_changed_one(run, tmp_path, table):
    run()
    chosen = plan(
        datasets=[table],
        strategies=["mine"],
        protocol="standard",
        settings={"epochs": "2", "repeats": "1"},
        store=tmp_path / "store",
        plugins=[tmp_path / "mine.py"],
    )
    assert not chosen.changed
    assert not chosen.pending
