"""Which tables and figures of the paper can be made again, and where."""

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

# Each a function from a context to an item; imported when asked for. The last ones are no tables or figures of the
# paper but sum up what became of it.
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
    "decisions": "imbench.reproduce.decisions:decisions",
}


def chosen(names: Sequence[str]) -> list[str]:
    """The items asked for, in the paper's order, each once. Raises UsageError for one that does not exist."""
    for name in names:
        if name != ALL and name not in ITEMS:
            raise UsageError(f"there is no {name!r} to reproduce; {suggest(name, [*ITEMS, ALL])}")
    return [name for name in ITEMS if name in names or ALL in names]


def make(name: str, context: ReproductionContext) -> PaperItem:
    """Make one item; what is lacking is trained first."""
    module, _, function = ITEMS[name].partition(":")
    maker = cast("Callable[[ReproductionContext], PaperItem]", getattr(importlib.import_module(module), function))
    return maker(context)
