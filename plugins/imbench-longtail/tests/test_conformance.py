"""The public conformance suite, for every strategy of the package."""

from imbench.checks import strategy_checks


@strategy_checks(
    "random-over",
    "random-under",
    "sqrt-sampling",
    "progressive-sampling",
    "class-balanced-loss",
    "focal",
    "ldam",
    "ldam-drw",
    "balanced-softmax",
    "logit-adjustment",
    "chou-remix",
    "manifold-mixup",
    "manifold-remix",
    "cutmix",
    "unimix",
)
def test_conforms(check):
    check()
