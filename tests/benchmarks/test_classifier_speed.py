"""Seconds of a fit of the classifier and of scikit-learn's MLPClassifier: same layers, epochs and batches, one run.

Run by ``tox -e benchmark``. MLPClassifier has no dropout and no rebalancing, which cost the classifier time.
"""

import time
import warnings

import pytest
from sklearn.datasets import make_classification
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from imbench.sklearn import BatchStrategyClassifier

EPOCHS, REPEATS = 20, 3
# Rows, features, units of each of three hidden layers.
SHAPES = {"narrow": (2_000, 20, 32), "musk": (3_000, 166, 112), "long": (20_000, 30, 32)}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_fit_of_the_classifier(benchmark, shape, capsys):
    if benchmark.disabled:
        pytest.skip("timings are taken by tox -e benchmark")
    rows, features, width = SHAPES[shape]
    x, y = make_classification(rows, features, weights=[0.9], random_state=0)
    ours = BatchStrategyClassifier("remix:alpha=0.3", hidden_width=width, epochs=EPOCHS, random_state=0)
    theirs = MLPClassifier([width] * 3, batch_size=64, max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0)
    times = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLPClassifier warns that it has not converged
        for threads in (1, 2):
            with threadpool_limits(threads):
                times[threads] = min(_seconds(theirs, x, y) for _ in range(REPEATS))
    benchmark.pedantic(ours.fit, (x, y), rounds=REPEATS, warmup_rounds=1)
    fit = benchmark.stats.stats.min
    ratio = min(times.values()) / fit
    benchmark.extra_info.update(mlp=min(times.values()), ratio=ratio)
    with capsys.disabled():
        print(f"\n{shape}: classifier {fit:.2f} s, MLPClassifier {min(times.values()):.2f} s ({ratio:.1f} x)")
    assert ratio > 1


def _seconds(estimator, x, y):
    start = time.perf_counter()
    estimator.fit(x, y)
    return time.perf_counter() - start
