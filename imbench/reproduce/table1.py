"""Table 1: printed sizes and imbalance ratios of the datasets, compared with the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from imbench.contract.errors import DataError
from imbench.contract.records import Variant
from imbench.data.variants import expected_counts
from imbench.reproduce.paper_item import Numbers, PaperItem
from imbench.reproduce.printed import TABLE1, Listed

if TYPE_CHECKING:
    from imbench.contract.records import Card
    from imbench.data.data_sources import DataSources
    from imbench.reproduce.context import ReproductionContext
    from imbench.runs.registry import Registry


def table1(context: ReproductionContext) -> PaperItem:
    """Build every dataset of Table 1 at every printed ratio; unavailable datasets are described from their cards."""
    registry = context.request.registry
    rows: list[dict[str, Any]] = []
    variants: list[dict[str, Any]] = []
    basis: list[str] = []
    found: list[str] = []
    for listed in TABLE1:
        card = registry.card(listed.dataset)
        possible = [ir for ir in listed.irs if _is_possible(card, listed, ir)]
        built = []
        for ir in possible:
            variant, absent = _variant(registry, listed, ir, context.request.sources)
            built += [variant] if variant else []
            basis += absent
        rows.append(
            {
                "printed": listed.name,
                "dataset": listed.dataset,
                "task": listed.task,
                "classes": listed.classes,
                "dimensions printed": listed.dimensions,
                "features": card.features,
                "rows printed": listed.rows,
                "rows": card.rows,
                "ratios printed": _joined(listed.irs),
                "ratios possible": _joined(possible),
                "ratios built here": _joined([variant["ratio printed"] for variant in built]),
            }
        )
        variants += built
        found += _differences(card, listed)
    matching = sum(
        1 for row in rows if row["dimensions printed"] == row["features"] and row["rows printed"] == row["rows"]
    )
    return PaperItem(
        name="table1",
        title="Datasets",
        printed=(
            "Twelve rows: seven tabular datasets and CIFAR-10 for the binary task, three tabular datasets and CIFAR-10 "
            "for the multi-class task. Each row gives the numbers of dimensions and instances, and the imbalance "
            "ratios.",
        ),
        found=(
            f"In {matching} of {len(rows)} rows of the table, the printed dimensions and instances match the data. The "
            "others differ as follows.",
            *dict.fromkeys(found),
        ),
        tables=(
            Numbers("datasets", "Printed values and those of the data", pd.DataFrame(rows)),
            Numbers("variants", "Variants built here", pd.DataFrame(variants, columns=_COLUMNS)),
        ),
        basis=tuple(dict.fromkeys(basis)),
    )


_COLUMNS = ["dataset", "task", "ratio printed", "classes", "smallest class", "largest class", "rows", "ratio built"]


def _variant(
    registry: Registry, listed: Listed, ir: float, sources: DataSources
) -> tuple[dict[str, Any] | None, list[str]]:
    """The variant at this ratio, of the stand-in if the dataset is unavailable, and why a dataset was unavailable."""
    reasons = []
    for name in filter(None, (listed.dataset, listed.stand_in)):
        try:
            dataset = registry.dataset(_spec(name, listed.task, ir), sources)
        except DataError as error:
            reasons.append(f"{name} is unavailable and described from its card: {error}")
            continue
        counts = [int((dataset.y == c).sum()) for c in range(dataset.classes)]
        low, high = min(counts), max(counts)
        values = [name, listed.task, ir, dataset.classes, low, high, len(dataset.y), low / high]
        return dict(zip(_COLUMNS, values, strict=True)), reasons
    return None, reasons


def _differences(card: Card, listed: Listed) -> Iterator[str]:
    called = f"{listed.name} ({listed.task})"
    for what, printed, real in (("dimensions", listed.dimensions, card.features), ("rows", listed.rows, card.rows)):
        if printed != real:
            reason = listed.reasons.get(what, "reason unknown")
            yield f"{called}: {printed:,} {what} printed, {real:,} in the data ({reason})."
    for ir in listed.irs:
        if not _is_possible(card, listed, ir):
            yield f"{called}: imbalance ratio {ir:g} is impossible ({listed.reasons.get('irs', 'too few rows')})."
    if "classes" in listed.reasons:
        yield f"{called}: classes printed as {listed.classes!r} ({listed.reasons['classes']})."


def _is_possible(card: Card, listed: Listed, ir: float) -> bool:
    """Whether the classes have enough rows for this ratio, according to the card."""
    try:
        expected_counts(card, Variant(card.name, listed.task, ir))
    except DataError:
        return False
    return True


def _spec(name: str, task: str, ir: float) -> str:
    return f"{name}:{'' if task == 'binary' else f'task={task},'}ir={ir:g}"


def _joined(ratios: Sequence[float]) -> str:
    return ", ".join(f"{ir:g}" for ir in ratios) or "none"
