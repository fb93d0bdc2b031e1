"""The checks that scikit-learn makes of every estimator."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from imbench.sklearn import BatchStrategyClassifier
from imbench.strategies.remix import ReMix

# scikit-learn exempts its own nets from this check too, with their stochastic solvers.
EXEMPT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "mini-batches are drawn at random: a row of weight 2 equals two rows on average, which "
        "test_a_row_of_weight_two_counts_as_two_rows tests, but not to rounding"
    )
}
CLASSIFIERS = [
    BatchStrategyClassifier("remix:alpha=0.3", epochs=60),
    BatchStrategyClassifier(ReMix(alpha=0.3), epochs=60, n_nets=2, validation_fraction=0.2),
]


@parametrize_with_checks(CLASSIFIERS, expected_failed_checks=lambda _: EXEMPT)
def test_scikit_learn_accepts_the_classifier(estimator, check):
    check(estimator)
