"""Every verb that reads a store ends in order, whatever mix of jobs the store has."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.cli import main
from imbench.contract.protocol import Protocol
from imbench.report.figures import rendering
from imbench.store.store import Store
from tests.made_results import FACTS, job, predictions

SHORT, OTHER = Protocol("short", repeats=1), Protocol("other", repeats=1, epochs=3)
ONE_FOLD = Protocol("one", repeats=1, folds=1)

VERBS = (
    ("status",),
    ("status", "--check", "--json"),
    ("report", "--to", "{to}/report", "--metric", "gmean", "--rule", "argmax"),
    ("publish", "--to", "{to}/published", "--mixed", "--unchecked"),
    ("evaluate", "--metric", "gmean", "--within"),
    ("compare", "{store}"),
)

JOBS = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(["baseline", "remix"]),
    st.sampled_from([SHORT, OTHER, ONE_FOLD]),
    st.sampled_from(["binary", "multiclass"]),
)
STORES = st.dictionaries(JOBS, st.sampled_from(["done", "done", "failed", "partial", "empty"]), max_size=5)


def filled(folder, outcomes):
    store = Store.open(folder / "store", create=True)
    for (dataset, strategy, protocol, task), outcome in outcomes.items():
        one = job(dataset, strategy, protocol=protocol, task=task, data=dataset)
        if outcome == "failed":
            store.fail(one, "boom", {"ir": 0.05})
            continue
        for name, content in files_of(dataset, strategy, protocol, task).items():
            (store.path / name).parent.mkdir(exist_ok=True)
            (store.path / name).write_bytes(content)
        file = store.path / "predictions" / f"{one.key}.parquet"
        if outcome == "partial":
            file.unlink()
        elif outcome == "empty":
            file.write_bytes(b"")
    return store.path


@cache
def files_of(dataset, strategy, protocol, task):
    """The contents of the files of a finished job, which take long to score."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "store", create=True)
        one = job(dataset, strategy, protocol=protocol, task=task, data=dataset)
        folds = predictions(one, classes=2 if task == "binary" else 3, rows=16, skill=len(strategy))
        store.write(one, folds, FACTS)
        names = [f"{kind}/{one.key}.parquet" for kind in ("predictions", "jobs")]
        return {name: (store.path / name).read_bytes() for name in names}


def codes(outcomes, verbs=VERBS):
    """The exit code of every verb on a store with these jobs."""
    folder = Path(tempfile.mkdtemp())
    try:
        path = str(filled(folder, outcomes))
        written = [[word.format(to=folder, store=path) for word in verb] for verb in verbs]
        return {verb: main([verb, path, *words]) for verb, *words in written}
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def undrawn():
    """Pictures take most of the time of a report; which there are does not depend on how they are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "render", lambda _: {})
        yield


EXAMPLES = {
    "a protocol with failed jobs only": {
        ("a", "baseline", SHORT, "binary"): "done",
        ("a", "remix", SHORT, "binary"): "done",
        ("a", "remix", OTHER, "binary"): "failed",
    },
    "a task with failed jobs only": {
        ("a", "baseline", SHORT, "binary"): "done",
        ("a", "remix", SHORT, "multiclass"): "failed",
    },
    "one strategy on one fold": {("a", "baseline", ONE_FOLD, "binary"): "done"},
    "a dataset with failed jobs only": {
        ("a", "remix", SHORT, "binary"): "done",
        ("b", "remix", SHORT, "binary"): "failed",
    },
    "nothing finished": {("a", "remix", SHORT, "binary"): "failed", ("b", "remix", SHORT, "binary"): "empty"},
    "nothing": {},
}


@pytest.mark.parametrize("case", EXAMPLES)
def test_every_verb_ends_in_order(case):
    found = codes(EXAMPLES[case])
    assert set(found.values()) <= {0, 2}, found
    if "done" in EXAMPLES[case].values():
        assert (found["status"], found["report"], found["publish"]) == (0, 0, 0)


@settings(max_examples=12, deadline=None)
@given(STORES)
def test_every_verb_ends_in_order_on_any_store(outcomes):
    found = codes(outcomes, [verb for verb in VERBS if verb[0] != "publish"])  # which writes every board
    assert set(found.values()) <= {0, 2}, found
