"""Models of drawn nets, without training."""

import numpy as np

from imbench.contract.records import Preprocessing
from imbench.engine.mlp import glorot_uniform
from imbench.model.columns import InputColumn
from imbench.model.decision import Decision
from imbench.model.encoding import Encoding
from imbench.model.fitted import Model
from imbench.model.nets import Nets
from imbench.scoring.recalibration import Recalibration


def drawn_nets(widths, seed=0, count=3):
    rng = np.random.default_rng(seed)
    center, scale = rng.normal(size=(2, widths[0])).astype(np.float32)
    return Nets(Preprocessing(center, scale, 5.0), tuple(glorot_uniform(widths, rng) for _ in range(count)))


def made_model(columns=("a", "b", "c"), classes=("no", "yes"), hidden=(8, 8), seed=0, slope=0.7, scorer=None):
    """A model of numeric columns."""
    rng = np.random.default_rng(seed)
    bias = np.concatenate([[0.0], rng.normal(size=len(classes) - 1)])
    return Model(
        tuple(classes),
        Encoding(tuple(InputColumn(name, "numeric", "number") for name in columns), {"y": "target"}),
        scorer or drawn_nets((len(columns), *hidden, len(classes)), seed),
        Recalibration(slope, bias, "made"),
        Decision("tuned", tuple(rng.random(len(classes)) + 0.1), False),
        "baseline",
        {"scores": []},
        "# A card\n",
    )
