"""Results to report on: two tasks, three imbalance ratios, a decision rule, a failure, a gap."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from imbench.contract.records import REFERENCE, STRATEGY
from imbench.report.figures.sample_grid import SampleGrid, SampleRow
from imbench.store.results import Results, load
from tests.made_results import FACTS, job, predictions

STRATEGIES = ("baseline", "cost-adjusted", "mixup", "remix")
RATIOS = (0.01, 0.05, 0.1)
DATASETS = ("iris", "musk", "ozone", "pixels", "segment")
MODALITY = {name: "image" if name == "pixels" else "tabular" for name in DATASETS}
CLASSES = ("cat", "dog", "owl")
METRICS = ("gmean", "bbs", "brier", "balanced_accuracy", "log_loss", "auroc")
FIRST_SCREEN = ("gmean", "gmean@tuned", "bbs", "brier", "auprc")


def filled(store, datasets=DATASETS, strategies=STRATEGIES) -> Results:
    """Jobs of every strategy on every dataset and ratio, binary and, for two datasets, multi-class."""
    for number, dataset in enumerate(datasets):
        for ratio in RATIOS:
            for task in ("binary", "multiclass") if number < 3 else ("binary",):
                for place, strategy in enumerate(strategies):
                    one = job(dataset, strategy, ir=ratio, task=task)
                    # Skills lie close enough that ranks differ between configurations.
                    skill = 0.6 + 0.5 * place - 0.9 * (strategy == "mixup") + 0.02 / ratio * (number % 2)
                    classes = 2 if task == "binary" else 3
                    made = predictions(one, skill=skill, classes=classes, rows=60, seed=97 * number + place)
                    store.write(one, made, {**FACTS, "ir": ratio, "cpu": "an abacus", "hostname": "my-own-machine"})
    broken = 'Traceback:\n  File "/home/someone/plugin.py", line 3\nValueError: cannot read /data/x/y.bin | now\n'
    store.fail(job("segment", "broken", ir=0.01), broken, FACTS)
    return with_rule(load(store.path))


def grid_of(height=4, width=6, channels=3, strategies=("baseline", "remix"), columns=3, title="pixels:ir=0.01, three"):
    """Random pictures and soft labels; the images of remix weigh 1, 2, … in the loss."""
    rng = np.random.default_rng(height * width)
    rows = tuple(
        SampleRow(
            name,
            rng.random((columns, height, width, channels)),
            rng.dirichlet([0.3, 0.3, 0.3], columns),
            np.arange(1.0, columns + 1) if name == "remix" else None,
        )
        for name in strategies
    )
    return SampleGrid(title, CLASSES, (0,), rows, (("broken", "it is in /home/someone/plugin.py"),))


def with_rule(results: Results) -> Results:
    """The results with a second decision rule, under which the baseline does better than anyone."""
    rows = results.rows
    gain = np.where(rows["strategy"] == "baseline", 0.5, 0.01)
    return Results(rows.assign(**{"gmean@tuned": np.minimum(rows["gmean"] + gain, 1.0)}), results.store, results.notes)


def scored_rows(
    strategies,
    configurations,
    folds,
    *,
    names=None,
    tasks=("binary", "multiclass"),
    metrics=METRICS,
    spread=0.03,
    seed=0,
) -> Results:
    """Rows as `Store.frame` gives them, without a store: datasets at five ratios, every third of the last task.

    ``spread``: standard deviation of the strategies' skills, where scores of configurations have one of 0.1.
    """
    rng = np.random.default_rng(seed)
    ratios = np.array([0.01, 0.025, 0.05, 0.1, 0.25])
    number = np.arange(configurations)
    configuration = np.repeat(number, strategies * folds)
    strategy = np.tile(np.repeat(np.arange(strategies), folds), configurations)
    labels = np.array(names or ["baseline", *(f"strategy-{i:03d}" for i in range(1, strategies))], dtype=object)
    ratio = ratios[number % len(ratios)]
    dataset = np.array([f"dataset-{i // len(ratios):03d}" for i in number], dtype=object)
    task = np.where(number // len(ratios) % 3 == 0, tasks[-1], tasks[0])
    variant = np.array([f"ir={value:g}" for value in ratio], dtype=object)
    rows = len(configuration)
    merit = rng.normal(size=strategies)[strategy] * spread + rng.normal(size=configurations)[configuration] * 0.1
    columns = {
        "dataset": dataset[configuration],
        "variant": variant[configuration],
        "task": task[configuration],
        "ir": ratio[configuration],
        "strategy": labels[strategy],
        "protocol": "paper",
        "seconds": rng.uniform(1, 2, rows),
        "n_train": 600,
        "n_test": 200,
        "repeat": 0,
        "fold": np.tile(np.arange(folds), configurations * strategies),
        **{name: 1 / (1 + np.exp(-merit - rng.normal(size=rows) * 0.1)) for name in metrics},
        "epochs": 500,
        "zero_recall": 0,
        "key": np.char.add("k", (configuration * strategies + strategy).astype(str)).astype(object),
        "data_hash": np.char.add("h", (configuration // len(ratios)).astype(str)).astype(object),
        "strategy_version": "1",
        "schema": 1,
        "error": "",
        "protocol_fields": "{}",
        "imbench": "0.1.0",
    }
    return Results(pd.DataFrame(columns), "nowhere")


def as_references(results, names) -> Results:
    """The results with these strategies in the part of references."""
    kinds = np.where(results.rows["strategy"].isin(names), REFERENCE, STRATEGY)
    return dataclasses.replace(results, rows=results.rows.assign(kind=kinds))


def plain_means(rows, metric):
    """Configurations × strategies, by pandas alone: means over the folds of jobs that ended well."""
    done = rows[rows["error"] == ""]
    return done.pivot_table(index=["dataset", "variant"], columns="strategy", values=metric, aggfunc="mean")


def plain_ranks(rows, metric, higher):
    """Strategy -> average rank over configurations, by pandas alone; ties share the mean rank."""
    means = plain_means(rows, metric).dropna().round(12)
    return means.rank(axis=1, ascending=not higher, method="average").mean()
