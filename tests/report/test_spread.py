"""The report's intervals over draws, splits and training seeds, and its variance components."""

import dataclasses
import re

import pandas as pd
import pytest

from imbench.report import Options, write_report
from imbench.report.model import gather
from imbench.report.tables import intervals, variance_components
from imbench.store.store import Store
from tests.report.made import MODALITY, filled


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return filled(Store.open(tmp_path_factory.mktemp("made") / "store", create=True))


def drawn(results, seeds):
    """The same rows several times, as if of other draws and seeds, with scores a little apart."""
    downsampled = results.rows["variant"].str.contains("ir=")
    copies = []
    for draw in range(2):
        for seed in range(seeds):
            rows = results.rows if draw == 0 else results.rows[downsampled]
            copies.append(rows.assign(draw=draw, train_seed=seed, gmean=rows["gmean"] - 0.01 * draw + 0.003 * seed))
    return dataclasses.replace(results, rows=pd.concat(copies, ignore_index=True))


def test_leading_boards_have_intervals_over_nets_around_their_means(results):
    model = gather(results, Options(modality=MODALITY))
    assert set(model.spread.intervals) == {board.slug for board in model.leading if board.rule != "each"}
    for board in model.leading:
        for one in model.spread.intervals.get(board.slug, ()):
            assert one.mean == pytest.approx(board.means[board.names.index(one.name)])
    assert len(intervals(model)) == sum(map(len, model.spread.intervals.values()))


def test_a_report_of_one_draw_and_seed_says_what_its_intervals_do_not_contain(results, tmp_path):
    folder = write_report(results, tmp_path, Options(modality=MODALITY))[0].parent
    html = (folder / "index.html").read_text("utf-8")
    assert "One of the draws of the minority only: no interval contains this variance; draws in the protocol" in html
    assert "One of the training seeds only" in html
    assert pd.read_csv(folder / "variance-components.csv").empty
    assert set(pd.read_csv(folder / "intervals.csv")["contains"]) == {"split"}


def test_several_draws_and_seeds_are_told_apart(results, tmp_path):
    html = write_report(drawn(results, 2), tmp_path, Options(modality=MODALITY))[0].read_text("utf-8")
    shown = re.search(r"What the score of a net varies with.*?<tbody>(.*?)</tbody>", html, re.DOTALL)[1]
    lines = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in shown.split("<tr>")[1:]]
    table = pd.read_csv(tmp_path / "variance-components.csv")
    assert [line[0] for line in lines] == list(table["dataset"])
    assert [float(line[-1]) for line in lines] == pytest.approx(list(table["sd_train_seed"]), abs=5e-4)
    model = gather(drawn(results, 2), Options(modality=MODALITY))
    assert model.spread.missing == ()
    table = variance_components(model)
    assert {"gmean", "bbs"} <= set(table["column"])
    downsampled = table[table["variant"].str.contains("ir=") & (table["column"] == "gmean")]
    assert (downsampled["draws"] == 2).all()
    assert (downsampled["train_seeds"] == 2).all()
    assert downsampled["sd_train_seed"].to_numpy() == pytest.approx(0.003 / 2**0.5)
