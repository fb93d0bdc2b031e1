"""Figures 5 and 6: gains as a plain mean of differences, and sentences that turn with the data."""

import dataclasses

import pytest

from imbench.reproduce.gains import figure5_of, figure6_of


def gains_of(item):
    """The gains as a series by task, metric, strategy and ratio."""
    return item.tables[0].frame.set_index(["task", "metric", "strategy", "ir"])["gain"]


def test_gains_are_mean_differences_to_the_baseline_at_each_ratio_and_over_all(remix_leads):
    gains = gains_of(figure5_of(remix_leads))
    rows = remix_leads.rows.query("task == 'binary'")
    bbs = rows.groupby(["ir", "dataset", "strategy"])["bbs"].mean().unstack()
    difference = bbs["baseline"] - bbs["remix"]
    assert gains["binary", "bbs", "remix", "0.01"] == pytest.approx(difference.loc[0.01].mean())
    assert gains["binary", "bbs", "remix", "all"] == pytest.approx(difference.mean())


def test_the_sentences_follow_the_results(remix_leads, remix_is_last):
    assert any(
        "Binary g-mean gain: remix has the largest mean gain" in found for found in figure5_of(remix_leads).found
    )
    assert any(
        "cost-adjusted has the largest" in found and "rank 4 of 4" in found for found in figure5_of(remix_is_last).found
    )


def test_a_figure_has_a_panel_for_each_task_and_metric_in_three_formats(remix_leads):
    item = figure5_of(remix_leads)
    assert [figure.name for figure in item.figures] == [
        f"gain-{task}-{metric}" for task in ("binary", "multiclass") for metric in ("gmean", "bbs")
    ]
    for figure in item.figures:
        assert figure.files["svg"].startswith(b"<?xml")
        assert figure.files["pdf"].startswith(b"%PDF")
        assert figure.files["png"].startswith(b"\x89PNG")
        assert "all ratios, remix" in figure.description


def test_the_order_on_images_is_told_and_whether_augmentation_leads(images):
    item = figure6_of(images)
    assert item.found[0].startswith("pictures, Binary g-mean gain: remix-aug ")
    assert "Augment and ReMix with augmentation are the best two" in item.found[0]
    assert "ReMix without augmentation has a larger mean gain than MixUp, cost adjustment and SMOTE" in item.found[1]
    swapped = {"remix": "augment", "augment": "remix"}
    rows = images.rows.assign(strategy=images.rows["strategy"].replace(swapped))
    told = figure6_of(dataclasses.replace(images, rows=rows)).found
    assert "Augment and ReMix with augmentation are not the best two" in told[0]


def test_results_without_a_strategy_make_no_sentence_about_it(images):
    rows = images.rows[images.rows["strategy"] != "remix-aug"]
    item = figure6_of(dataclasses.replace(images, rows=rows))
    assert not any("pictures" in said for said in item.found)
    assert item.figures
