"""The real data, and stores of made-up results of the paper's configurations, where it is known who is better."""

import dataclasses
import os

import pytest

from imbench.reproduce.context import IMAGE, TABULAR
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, job, predictions

# Taken before a fixture hides it.
REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")
BINARY = [(f"set{i}", ir) for i in range(6) for ir in (0.01, 0.025, 0.05)]
MULTICLASS = [(f"many{i}", ir) for i in range(3) for ir in (0.05, 0.1, 0.25)]


def results_of(folder, strategies, configurations, seed=0):
    """Results with these (dataset, ir, task), each strategy better than the one before it."""
    store = Store.open(folder, create=True)
    for number, (dataset, ir, task) in enumerate(configurations):
        for place, strategy in enumerate(strategies):
            one = job(dataset, strategy, ir=ir, task=task)
            one = dataclasses.replace(one, variant=dataclasses.replace(one.variant, seed=seed))
            classes = 2 if task == "binary" else 3
            made = predictions(one, skill=0.3 + 0.6 * place, classes=classes, rows=120, seed=number + 100 * seed)
            store.write(one, made, {**FACTS, "ir": ir})
    return load(folder)


def paper_configurations():
    """18 binary configurations of 6 datasets and 9 multi-class ones of 3."""
    return [(*one, "binary") for one in BINARY] + [(*one, "multiclass") for one in MULTICLASS]


@pytest.fixture(scope="session")
def remix_leads(tmp_path_factory):
    """Results in which every strategy of Table 2 is better than the one before, ReMix the best."""
    return results_of(tmp_path_factory.mktemp("leads"), TABULAR, paper_configurations())


@pytest.fixture(scope="session")
def remix_is_last(tmp_path_factory):
    """Results in which ReMix is the worst and cost adjustment the best."""
    order = ("remix", "mixup", "baseline", "batch-smote", "cost-adjusted")
    return results_of(tmp_path_factory.mktemp("last"), order, paper_configurations())


@pytest.fixture(scope="session")
def second(tmp_path_factory):
    """A second baseline on the configurations of Table 2."""
    return results_of(tmp_path_factory.mktemp("second"), ("baseline",), paper_configurations(), seed=1)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Results on images in which every strategy is better than the one before, ReMix with augmentation the best."""
    configurations = [("pictures", ir, task) for task in ("binary", "multiclass") for ir in (0.05, 0.1)]
    return results_of(tmp_path_factory.mktemp("images"), IMAGE, configurations)


@pytest.fixture
def mirror():
    """A mirror of the real datasets."""
    if not REAL_MIRROR:
        pytest.skip("IMBENCH_DATA_MIRROR is not set: no real datasets here")
    return REAL_MIRROR
