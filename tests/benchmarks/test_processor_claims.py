"""Whether another processor changes what is published: the sign of each claim, trained anew under three CPU settings.

A short protocol replaces the published ones, which would take days without AVX: processors are compared, not protocols.
Rounding differs between them and training is chaotic, so the scores of single nets differ; who leads whom in the mean
over configurations must not.
"""

import os
import subprocess
import sys

import pandas as pd
import pytest

import imbench
from tests.engine.test_processors import PROCESSORS

SETTINGS = {"native": {}} | {name: environment for name, (environment, _) in PROCESSORS.items()}
OTHERS = ("baseline", "batch-smote", "cost-adjusted", "mixup")
METRICS = ("gmean", "bbs")
DENSE = ("--suite", "tabular", "--protocol", "paper", "--set", "epochs=60", "--set", "repeats=1")
IMAGES = (
    *(f"--dataset=optdigits_images:{variant}" for variant in ("ir=0.05", "ir=0.1", "task=multiclass,ir=0.1")),
    *(f"--dataset=cifar10_10k:{variant}" for variant in ("ir=0.1", "task=multiclass,ir=0.1")),
    *("--protocol", "standard", "--set", "epochs=5", "--set", "repeats=1"),
)
# A smaller lead on each processor is within what rounding does to so few nets, and has no sign to keep.
RESOLUTION = 0.002


def train(arguments, store, environment):
    """The results of these arguments, trained by a process that compiles for another processor."""
    strategies = [word for name in ("remix", *OTHERS) for word in ("--strategy", name)]
    command = [
        sys.executable,
        "-m",
        "imbench",
        "run",
        *arguments,
        *strategies,
        "--store",
        str(store),
        "--no-checks",
        "-q",
    ]
    subprocess.run(command, check=True, env=os.environ | environment)
    return imbench.load(store)


def leads(results):
    """By task, metric and other strategy, how much ReMix is ahead of it in the mean over configurations."""
    rows = results.frame()
    found = {}
    for task, of_task in rows.groupby("task"):
        for metric, sign in zip(METRICS, (1, -1), strict=True):
            table = of_task.pivot_table(metric, ["dataset", "variant"], "strategy", aggfunc="mean")
            for other in OTHERS:
                found[task, metric, other] = sign * (table["remix"] - table[other]).mean()
    return pd.Series(found)


@pytest.mark.data
@pytest.mark.parametrize(("nets", "arguments"), {"dense": DENSE, "convolutional": IMAGES}.items())
def test_every_claim_has_the_same_sign_on_three_processors(nets, arguments, tmp_path, benchmark):
    if benchmark.disabled:
        pytest.skip("trains for an hour: with --benchmark-enable only")
    stores = os.environ.get("IMBENCH_PROCESSOR_STORES", str(tmp_path))  # kept, to resume a run of hours

    def all_three():
        return pd.DataFrame(
            {
                name: leads(train(arguments, f"{stores}/{nets}-{name.replace(' ', '-')}", environment))
                for name, environment in SETTINGS.items()
            }
        )

    found = benchmark.pedantic(all_three, rounds=1)
    print(f"\n{found.round(4).to_string()}")
    agree = found.gt(0).nunique(axis=1).eq(1) | found.abs().max(axis=1).lt(RESOLUTION)
    assert agree.all(), f"the sign differs:\n{found[~agree].to_string()}"
