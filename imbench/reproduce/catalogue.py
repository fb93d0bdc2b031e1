"""The tables and figures of the paper that can be reproduced, and the functions that make them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest

if TYPE_CHECKING:
    from imbench.reproduce.context import ReproductionContext
    from imbench.reproduce.paper_item import PaperItem

ALL = "all"

# Each entry is a function from a context to an item, imported on demand. The last three are not tables or figures of
# the paper: they summarise the reproduction.
ITEMS = {
    "table1": "imbench.reproduce.table1:table1",
    "table2": "imbench.reproduce.table2:table2",
    "figure1": "imbench.reproduce.surfaces:figure1",
    "figure2": "imbench.reproduce.synthetic:figure2",
    "figure3": "imbench.reproduce.synthetic:figure3",
    "figure4": "imbench.reproduce.densities:figure4",
    "figure5": "imbench.reproduce.gains:figure5",
    "figure6": "imbench.reproduce.gains:figure6",
    "figure7": "imbench.reproduce.sensitivity:figure7",
    "figure8": "imbench.reproduce.harm:figure8",
    "claims": "imbench.reproduce.claims:claims",
    "questions": "imbench.reproduce.questions:questions",
    "decisions": "imbench.reproduce.decisions:decisions",
}


def chosen(names: Sequence[str]) -> list[str]:
    """The named items in the paper's order, without duplicates. Raises UsageError for an unknown name."""
    for name in names:
        if name != ALL and name not in ITEMS:
            raise UsageError(f"unknown item {name!r}; {suggest(name, [*ITEMS, ALL])}")
    return [name for name in ITEMS if name in names or ALL in names]


def make(name: str, context: ReproductionContext) -> PaperItem:
    """Make one item; missing results are trained first."""
    module, _, function = ITEMS[name].partition(":")
    maker = cast("Callable[[ReproductionContext], PaperItem]", getattr(importlib.import_module(module), function))
    return maker(context)
