"""Figure 7: verdicts on rows where the truth is known, and unavailable datasets are skipped."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from imbench import RunRequest
from imbench.contract.errors import DataError
from imbench.reproduce.context import Images, ReproductionContext
from imbench.reproduce.sensitivity import ALPHAS, FEW_ALPHAS, PRINTED, claims_of, figure7
from imbench.reproduce.verdicts import CONTRADICTED, SUPPORTED, UNDECIDED
from imbench.runs.registry import Registry
from imbench.runs.sweeping import design
from imbench.store.results import Results

IMAGES = "cifar10_10k"
FOLDS = 20


def rows_of(dataset, ir, gmean, bbs, noise=0.001, folds=FOLDS, alphas=ALPHAS):
    """Per-fold rows whose means are these functions of α."""
    rng = np.random.default_rng([len(dataset), int(ir * 1000)])
    shared = rng.normal(scale=0.03, size=folds)
    specs = {("remix" if a == 0.1 else f"remix:alpha={a}"): a for a in alphas} | {"baseline": 0.0}
    return pd.DataFrame(
        [
            {"dataset": dataset, "variant": f"ir={ir}", "data_hash": "d", "task": "binary", "ir": ir, "strategy": spec}
            | {"protocol": "paper", "key": f"{dataset}{ir}{spec}", "repeat": i // 2, "fold": i % 2, "error": ""}
            | {"n_train": 35, "n_test": 50, "gmean": gmean(a) + shared[i] + rng.normal(scale=noise)}
            | {"bbs": bbs(a) + shared[i] + rng.normal(scale=noise)}
            for spec, a in specs.items()
            for i in range(folds)
        ]
    )


def verdicts(*tables):
    sweep = design("remix", "alpha", ALPHAS, Registry()).read(Results(pd.concat(tables, ignore_index=True), "store"))
    return {claim.text.partition(" (")[0].partition(" for α")[0]: claim.verdict for claim in claims_of(sweep, IMAGES)}


def as_the_paper_says():
    falling = {"bbs": lambda a: 0.3 - 0.2 * a}
    return [
        rows_of("musk2", 0.05, lambda a: 0.9 - 0.03 * a, **falling),
        rows_of("epileptic_seizure", 0.01, lambda a: 0.5 + 0.5 * a, **falling),
        rows_of("epileptic_seizure", 0.05, lambda a: 0.8 + 0.1 * a, **falling),
        rows_of(IMAGES, 0.1, lambda a: 0.7, **falling),
    ]


def test_what_is_as_the_paper_says_is_found_to_hold():
    found = verdicts(*as_the_paper_says())
    assert found == {
        "BBS falls with α": SUPPORTED,
        "GM is stable": CONTRADICTED,  # it cannot be where a larger α raises it by more than the margin
        "a larger α raises GM on Epileptic Seizure": SUPPORTED,
        "the GM increase on Epileptic Seizure is largest at the most extreme imbalance": SUPPORTED,
        "a larger α lowers GM on Musk 2": SUPPORTED,
        "the effect on CIFAR-10's GM is negligible": SUPPORTED,
        "α = 0.3 has a lower BBS than 0.1": SUPPORTED,
        "α = 0.3 loses less than 0.02 of GM compared with 0.1": SUPPORTED,
    }


def test_the_opposite_of_what_the_paper_says_is_found_not_to_hold():
    rising = {"bbs": lambda a: 0.2 + 0.2 * a}
    found = verdicts(
        rows_of("musk2", 0.05, lambda a: 0.9 + 0.03 * a, **rising),
        rows_of("epileptic_seizure", 0.01, lambda a: 0.5 - 0.3 * a, **rising),
        rows_of("epileptic_seizure", 0.05, lambda a: 0.8 + 0.1 * a, **rising),
        rows_of(IMAGES, 0.1, lambda a: 0.7 + 0.5 * a, **rising),
    )
    assert set(found.values()) == {CONTRADICTED}


def test_no_printed_interval_reaches_beyond_the_largest_difference_of_two_scores():
    def wide(a):
        return 0.5 + a

    tables = [rows_of("epileptic_seizure", ir, wide, wide, noise=2.0, folds=4) for ir in (0.01, 0.05)]
    sweep = design("remix", "alpha", ALPHAS, Registry()).read(Results(pd.concat(tables, ignore_index=True), "store"))
    for claim in claims_of(sweep, IMAGES):
        most = 2 if "most extreme" in claim.text else 1
        ends = [end for e in claim.evidence for end in re.findall(r"\(([+−-]?[\d.]+) to ([+−-]?[\d.]+)\)", str(e))]
        assert ends
        assert all(abs(float(end.replace("−", "-"))) <= most for pair in ends for end in pair)


def test_noise_decides_nothing():
    flat = {"gmean": lambda a: 0.7, "bbs": lambda a: 0.2, "noise": 0.1}
    found = verdicts(*(rows_of(d, 0.05, **flat) for d in ("musk2", "epileptic_seizure", IMAGES)))
    assert set(found.values()) == {UNDECIDED}


def test_a_configuration_that_lacks_an_alpha_is_not_claims_of():
    tables = as_the_paper_says()
    tables[0] = tables[0][tables[0]["strategy"] != "remix:alpha=0.5"]
    assert "a larger α lowers GM on Musk 2" not in verdicts(*tables)


class Rehearsal(ReproductionContext):
    """A context whose nets are made up, and that has no data of Epileptic Seizure."""

    def train(self, strategies, *, datasets=(), protocol=None, **options):
        if datasets[0].startswith("epileptic_seizure"):
            raise DataError("no source has it")
        asked.append((tuple(datasets), protocol))
        names = [tuple(spec.split(":ir=")) for spec in datasets]
        alphas = [0.1 if s == "remix" else float(s.partition("=")[2]) for s in strategies if s != "baseline"]
        tables = [rows_of(d, float(ir), lambda a: 0.7, lambda a: 0.3 - 0.2 * a, alphas=alphas) for d, ir in names]
        used = protocol or self.protocol
        if "repeats" in self.settings:
            used = used.replace("repeats=1", f"repeats={self.settings['repeats']}")
        return Results(pd.concat(tables, ignore_index=True).assign(protocol=used), self.store)


asked: list[tuple[tuple[str, ...], str | None]] = []


def test_a_dataset_that_cannot_be_had_is_left_out_and_said_so(tmp_path):
    asked.clear()
    item = figure7(Rehearsal(RunRequest(store=tmp_path, protocol="paper")))
    assert "Skipped epileptic_seizure: no source has it." in item.basis
    assert asked == [
        (("musk2:ir=0.01", "musk2:ir=0.025", "musk2:ir=0.05"), None),
        (("cifar10:ir=0.05", "cifar10:ir=0.1"), "standard:epochs=30,repeats=1"),
    ]
    assert "cifar10 was trained under protocol standard:epochs=30,repeats=1." in item.basis
    assert not any("Seizure" in sentence for sentence in item.found)
    assert any(sentence.startswith("BBS falls with α (from 0.01 to 0.5): supported") for sentence in item.found)
    assert item.printed == PRINTED
    assert {figure.name for figure in item.figures} == {"sweep-gmean", "sweep-bbs"}
    assert all(set(figure.files) == {"svg", "pdf", "png"} for figure in item.figures)
    shown = item.tables[0].frame
    assert set(shown.loc[shown["strategy"] != "baseline", "value"]) == set(ALPHAS)


def test_a_part_of_cifar10_stands_in_under_shorter_protocols(tmp_path):
    asked.clear()
    item = figure7(Rehearsal(RunRequest(store=tmp_path, protocol="standard:epochs=50")))
    assert asked[1:] == [(("cifar10_10k:ir=0.05", "cifar10_10k:ir=0.1"), "standard:epochs=30,repeats=1")]
    assert "cifar10_10k replaces CIFAR-10 and was trained under protocol standard:epochs=30,repeats=1." in item.basis


def test_the_page_names_the_protocol_that_the_nets_were_trained_under(tmp_path):
    item = figure7(Rehearsal(RunRequest(store=tmp_path, protocol="paper", settings={"repeats": "2"})))
    assert "cifar10 was trained under protocol standard:epochs=30,repeats=2." in item.basis


def test_smoke_has_few_alphas_and_one_ratio_a_dataset(tmp_path):
    asked.clear()
    item = figure7(Rehearsal(RunRequest(store=tmp_path, protocol="smoke")))
    assert asked == [(("musk2:ir=0.05",), None), (("cifar10_10k:ir=0.1",), None)]
    assert len(item.tables[0].frame) == 2 * 2 * (len(FEW_ALPHAS) + 1)


def test_a_gpu_trains_the_images_of_the_paper(tmp_path, monkeypatch):
    asked.clear()
    monkeypatch.setattr("imbench.runs.request.check_device", lambda device: None)
    figure7(Rehearsal(RunRequest(store=tmp_path, protocol="paper", device="cuda")))
    assert asked[-1] == (("cifar10:ir=0.05", "cifar10:ir=0.1"), None)


def test_without_any_data_it_says_so(tmp_path):
    class Nothing(Rehearsal):
        def train(self, strategies, **options):
            raise DataError("no source has it")

    item = figure7(Nothing(RunRequest(store=tmp_path, protocol="paper")))
    assert item.found == ("No claim was tested: no dataset is available.",)
    assert sum(sentence.startswith("Skipped ") for sentence in item.basis) == 3


@pytest.mark.data
def test_it_is_made_from_real_data(tmp_path, mirror, monkeypatch):
    monkeypatch.setattr("imbench.reproduce.sensitivity.FEW_ALPHAS", (0.1, 0.3))
    monkeypatch.setattr(ReproductionContext, "images", Images("image-small", "segment", None))
    monkeypatch.setattr("imbench.reproduce.sensitivity._IMAGES", (0.05,))
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    item = figure7(
        ReproductionContext(RunRequest(store=tmp_path / "store", protocol="smoke", data_mirror=mirror, jobs=1))
    )
    frame = item.tables[0].frame
    assert set(frame["dataset"]) == {"musk2", "epileptic_seizure", "segment"}
    assert frame["mean"].notna().all()
