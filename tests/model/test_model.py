"""A fitted model: its folder, its predictions, and the rows that it was made of."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import imbench
from imbench.contract.errors import UsageError
from imbench.contract.records import Split
from imbench.data.whole_split import split_whole
from imbench.engine.mlp import dense_logits
from imbench.kernels import ordered_sums
from imbench.model import nets
from imbench.model.decision import decide_by
from imbench.model.files import check_folder
from imbench.model.predict import scored
from imbench.scoring.costs import cost_threshold
from imbench.scoring.recalibration import recalibration
from tests.model.conftest import QUICK, visits
from tests.model.made import drawn_nets

NEW = visits(1).drop(columns="ill")


@pytest.fixture
def model(folder):
    return imbench.load_model(folder / "model")


def test_one_row_at_a_time_has_the_probabilities_of_all_rows_to_the_bit(model):
    together = model.predict_proba(NEW)
    alone = np.concatenate([model.predict_proba(NEW.iloc[[i]]) for i in range(len(NEW))])
    assert np.array_equal(together, alone)
    assert np.array_equal(model.predict_proba(pd.concat([NEW] * 9))[-len(NEW) :], together)


PROGRAM = """
import sys
import pandas as pd
import imbench
found = imbench.load_model(sys.argv[1]).predict_proba(pd.read_parquet(sys.argv[2]))
assert "torch" not in sys.modules, "torch is not needed to predict"
sys.stdout.write(found.tobytes().hex())
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_has_the_same_bits_with_any_number_of_threads_and_without_torch(
    folder, model, tmp_path, threads
):
    NEW.to_parquet(tmp_path / "new.parquet")
    shutil.copytree(folder / "model", tmp_path / "elsewhere")
    environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "elsewhere"), str(tmp_path / "new.parquet")]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert bytes.fromhex(out) == model.predict_proba(NEW).tobytes()


def test_probabilities_are_those_of_a_plain_forward_pass_in_torch():
    import torch

    found = drawn_nets((7, 40, 40, 3))
    x = np.random.default_rng(1).normal(size=(700, 7)).astype(np.float32)
    x[::9, 2] = np.nan
    fitted = found.preprocessing
    ready = np.clip(np.nan_to_num((x - fitted.center) * fitted.scale, nan=0.0), -5, 5)
    each = [
        dense_logits([torch.from_numpy(a) for a in net], torch.from_numpy(ready)).softmax(-1) for net in found.arrays
    ]
    assert np.allclose(found.probabilities(x), torch.stack(each).double().mean(0), atol=1e-6)


def test_the_compiled_layer_has_the_bits_of_a_plain_one():
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(size=(30, 50)), rng.normal(size=(50, 19)), rng.normal(size=19)
    compiled, plain = np.empty((2, 30, 19))
    ordered_sums.layer(x, weight, bias, compiled)
    nets.plain_layer(x, weight, bias, plain)
    assert np.array_equal(compiled, plain)
    assert np.allclose(plain, x @ weight + bias)


def test_a_model_folder_has_plain_files_only(folder):
    assert sorted(path.name for path in (folder / "model").iterdir()) == ["card.md", "model.json", "weights.npz"]
    with np.load(folder / "model" / "weights.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == np.float32 for name in arrays.files)


def changed_about(home, **changes):
    path = home / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("damage", "file", "why"),
    [
        (lambda home: (home / "model.json").unlink(), "", "is no model"),
        (lambda home: (home / "model.json").write_text("{"), "model.json", "the file is damaged: fit the model again"),
        (lambda home: changed_about(home, format=2), "model.json", "install a newer imbench"),
        (lambda home: changed_about(home, classes=["a", "b"]), "model.json", "was changed or is damaged"),
        (lambda home: (home / "weights.npz").unlink(), "weights.npz", "copy the whole folder"),
        (lambda home: os.truncate(home / "weights.npz", 900), "weights.npz", "was changed or is damaged"),
    ],
)
def test_a_damaged_folder_is_refused_with_the_file(folder, tmp_path, damage, file, why):
    shutil.copytree(folder / "model", tmp_path / "m")
    damage(tmp_path / "m")
    with pytest.raises(imbench.StoreError, match=why) as caught:
        imbench.load_model(tmp_path / "m")
    assert file in str(caught.value)


def test_a_folder_with_a_model_is_replaced_only_if_asked_and_one_with_other_files_never(folder, tmp_path):
    fit = {"target": "ill", "store": folder / "store", "settings": {"repeats": "1"}, **QUICK}
    shutil.copytree(folder / "model", tmp_path / "m")
    with pytest.raises(imbench.UsageError, match="--overwrite"):
        imbench.fit(folder / "visits.csv", out=tmp_path / "m", **fit)
    imbench.fit(folder / "visits.csv", out=tmp_path / "m", overwrite=True, **fit)
    assert imbench.load_model(tmp_path / "m").recipe == "baseline"
    (tmp_path / "m" / "thesis.tex").touch()
    with pytest.raises(imbench.UsageError, match=r"other files, such as thesis\.tex"):
        imbench.fit(folder / "visits.csv", out=tmp_path / "m", overwrite=True, **fit)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_model_and_nothing_else(folder, model, tmp_path, monkeypatch, error):
    from imbench.model import files

    shutil.copytree(folder / "model", tmp_path / "m")
    before = (tmp_path / "m" / "model.json").read_bytes()
    rename = os.rename

    def failing(source, target):
        if str(target).endswith("/m") and not str(source).endswith("-old"):
            raise error
        rename(source, target)

    monkeypatch.setattr(files.os, "rename", failing)
    with pytest.raises((KeyboardInterrupt, imbench.StoreError)):
        files.save(model, tmp_path / "m", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m" / "model.json").read_bytes() == before


@pytest.mark.parametrize("out", ["/proc/model", "x" * 300])
def test_a_place_that_cannot_be_written_is_refused_before_training(out):
    with pytest.raises(UsageError, match=r"--out .*: cannot write to the folder .*; give another path"):
        check_folder(out, overwrite=False)


def test_a_title_above_a_new_table_is_left_out_and_said(model, tmp_path):
    rows = visits().drop(columns="ill").head(20)
    (tmp_path / "new.csv").write_text("Visits of 2025\n\n" + rows.to_csv(index=False))
    rows.to_csv(tmp_path / "plain.csv", index=False)
    found, notes = scored(model, str(tmp_path / "new.csv"))
    assert "is left out ('Visits of 2025')" in notes[0]
    assert found.equals(scored(model, str(tmp_path / "plain.csv"))[0])


def test_the_same_call_gives_the_same_folder(folder, tmp_path):
    imbench.fit(
        folder / "visits.csv", target="ill", strategy="remix", out=tmp_path / "m", store=folder / "store",
        settings={"repeats": "1"}, **QUICK,
    )  # fmt: skip
    assert (tmp_path / "m" / "weights.npz").read_bytes() == (folder / "model" / "weights.npz").read_bytes()


def test_no_group_is_on_both_sides_and_both_sides_have_every_class(folder):
    dataset = imbench.dataset(f"{folder}/visits.csv:target=ill,group=patient")
    protocol = imbench.plan(datasets=[dataset.variant.spec], settings={"split": "grouped"}).jobs[0].protocol
    fold = split_whole(dataset, protocol)
    assert not set(dataset.group[fold.train]) & set(dataset.group[fold.validation])
    assert len(fold.train) + len(fold.validation) == len(dataset.y)
    assert all(len(set(dataset.y[part])) == 2 for part in (fold.train, fold.validation))


def test_validation_rows_of_an_ordered_split_are_the_latest(folder):
    dataset = imbench.dataset(f"{folder}/visits.csv:target=ill,time=patient")
    protocol = imbench.plan(datasets=[dataset.variant.spec], settings={"split": "ordered"}).jobs[0].protocol
    fold = split_whole(dataset, protocol)
    assert dataset.time[fold.train].max() < dataset.time[fold.validation].min()
    assert len(fold.validation) == pytest.approx(0.3 * len(dataset.y), abs=4)


def validation_split(seed=0, classes=2):
    rng = np.random.default_rng(seed)
    return Split(np.arange(90), np.arange(90) % classes, rng.dirichlet(np.ones(classes), 90))


def test_costs_decide_by_the_threshold_of_the_costs():
    split = validation_split()
    decision, fit = decide_by("tuned", (10.0, 1.0), split, None, np.ones(2)), recalibration(split.y, split.proba)
    moved = fit(split.proba)
    assert decision.threshold(fit) == pytest.approx(cost_threshold(10, 1))
    assert decision(split.proba, moved).tolist() == (moved[:, 1] > cost_threshold(10, 1)).astype(int).tolist()


@pytest.mark.parametrize("rule", ["argmax", "tuned", "recalibrated", "prior-corrected", "balanced-prior"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_rule_decides_as_it_does_in_scores(rule, classes):
    from imbench.contract.records import Exposure, Predictions
    from imbench.scoring.rules import RULES

    split, prior, counts = validation_split(1, classes), np.arange(1, classes + 1) / 6, np.arange(classes, 0, -1) * 9
    prior = prior / prior.sum()
    exposure = Exposure(0.0, 1.0, 1.0, prior)
    predictions = Predictions(0, 0, split, split, counts, 1, 1, None, 0.0, 0.0, exposure)
    fit = recalibration(split.y, split.proba)
    decision = decide_by(rule, None, split, prior, counts.astype(float))
    scored = RULES[rule].apply(predictions)
    decided = scored.proba.argmax(axis=1) if scored.decided is None else scored.decided
    assert decision(split.proba, fit(split.proba)).tolist() == decided.tolist()


def test_the_threshold_is_stated_for_the_probabilities_that_are_given():
    split = validation_split(2)
    decision, fit = decide_by("tuned", None, split, None, np.ones(2)), recalibration(split.y, split.proba)
    threshold = decision.threshold(fit)
    if threshold is not None:
        moved = fit(split.proba)
        assert decision(split.proba, moved).tolist() == (moved[:, 1] > threshold).astype(int).tolist()


def test_the_card_says_what_the_model_was_made_of(model):
    for said in ("visits.csv", "160 rows", "| town | categorical |", "112 rows", "48 rows", "G-mean", "Nadeau",
                 "before recalibration", "above", "Only this recipe", "## Limits", "imbench.fit("):  # fmt: skip
        assert said in model.card, said


def test_a_data_frame_can_be_fitted_and_a_new_one_needs_neither_target_nor_order(tmp_path):
    frame = visits().drop(columns=["patient", "since"]).assign(member=lambda f: f["smokes"] == "yes")
    made = imbench.fit(frame, target="ill", store=tmp_path / "store", settings={"repeats": "1"}, **QUICK)
    new = frame.drop(columns="ill")
    assert np.array_equal(made.predict_proba(new), made.predict_proba(new[new.columns[::-1]]))
    assert set(made.predict(new)) <= {"yes", "no"}
    assert made.predict_proba(new.iloc[:0]).shape == (0, 2)


def test_more_than_two_classes_have_a_probability_each(tmp_path):
    frame = visits().drop(columns="patient")
    frame["ill"] = np.resize(["mild", "none", "none", "severe"], len(frame))
    made = imbench.fit(frame, target="ill", store=tmp_path / "store", settings={"repeats": "1"}, **QUICK)
    assert made.classes == ("mild", "none", "severe")
    assert np.allclose(made.predict_proba(frame).sum(axis=1), 1)
    assert "above" not in made.card.split("## Decision")[1].split("##")[0]
