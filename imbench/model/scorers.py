"""What computes probabilities, as arrays in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.records import Preprocessing
from imbench.model.fitted import Scorer
from imbench.model.nets import Nets
from imbench.model.trees import Trees

Arrays = Mapping[str, np.ndarray]
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """How one kind of scorer is stored.

    Parameters
    ----------
    of : its class
    parts : its arrays by name, and its plain settings
    made : the scorer of such arrays and settings
    """

    of: type
    parts: Callable[[Any], tuple[Arrays, Settings]]
    made: Callable[[Arrays, Settings], Scorer]


def scorer_parts(scorer: Scorer) -> tuple[str, Arrays, Settings]:
    """Kind, arrays and settings of a scorer."""
    name, kind = next((name, kind) for name, kind in KINDS.items() if isinstance(scorer, kind.of))
    return name, *kind.parts(scorer)


def scorer_from(name: str, arrays: Arrays, settings: Settings) -> Scorer:
    """The scorer of these parts. Raises KeyError for a missing array, `UsageError` for arrays that do not fit."""
    if name not in KINDS:
        raise UsageError(f"unknown kind of model {name!r}; {suggest(name, KINDS)}")
    return KINDS[name].made(arrays, settings)


def preprocessing_parts(preprocessing: Preprocessing) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Center and scale, and the clip."""
    return {"center": preprocessing.center, "scale": preprocessing.scale}, {"clip": preprocessing.clip}


def preprocessing_of(arrays: Arrays, settings: Settings) -> Preprocessing:
    """The preprocessing of `preprocessing_parts`."""
    return Preprocessing(arrays["center"], arrays["scale"], float(settings["clip"]))


def _nets_parts(nets: Nets) -> tuple[Arrays, Settings]:
    arrays, settings = preprocessing_parts(nets.preprocessing)
    for number, net in enumerate(nets.arrays):
        for layer, (weight, bias) in enumerate(zip(net[::2], net[1::2], strict=True)):
            arrays[f"net{number}.weight{layer}"], arrays[f"net{number}.bias{layer}"] = weight, bias
    return arrays, {**settings, "nets": len(nets.arrays), "layers": len(nets.arrays[0]) // 2}


def _nets(arrays: Arrays, settings: Settings) -> Nets:
    found = tuple(
        [arrays[f"net{number}.{what}{layer}"] for layer in range(settings["layers"]) for what in ("weight", "bias")]
        for number in range(settings["nets"])
    )
    return Nets(preprocessing_of(arrays, settings), found)


_OF_TREES = ("feature", "threshold", "left", "right", "values", "roots", "base")


def _trees_parts(trees: Trees) -> tuple[Arrays, Settings]:
    arrays, settings = preprocessing_parts(trees.preprocessing)
    return {**arrays, **{name: getattr(trees, name) for name in _OF_TREES}}, {**settings, "link": trees.link}


def _trees(arrays: Arrays, settings: Settings) -> Trees:
    own = {name: arrays[name] for name in _OF_TREES}
    return Trees(preprocessing_of(arrays, settings), link=settings["link"], **own)


KINDS: Mapping[str, Kind] = {
    "nets": Kind(Nets, _nets_parts, _nets),
    "trees": Kind(Trees, _trees_parts, _trees),
}
