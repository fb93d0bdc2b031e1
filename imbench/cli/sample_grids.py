"""Sample grids for a report: drawn from cached or mirrored data, without downloading any."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from imbench.contract.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from imbench.contract.strategy import BatchStrategy
    from imbench.data.data_sources import DataSources
    from imbench.report.figures.sample_grid import SampleGrid
    from imbench.report.images import Wanted
    from imbench.runs.registry import Registry

samples_option = click.option(
    "--samples/--no-samples",
    default=True,
    show_default=True,
    help="Show sample images as each strategy feeds them to the nets; only cached or mirrored data is used.",
)


def sample_grids(
    rows: pd.DataFrame, modality: Mapping[str, str], mirror: str | None, registry: Registry
) -> dict[str, SampleGrid | str]:
    """The sample grid of each image dataset in these rows, or the reason why there is none; nothing is downloaded.

    Raises `DataError` for a mirror that does not exist.
    """
    from imbench.data.data_sources import DataSources
    from imbench.report.images import MOST_GRIDS, TOO_MANY, wanted_samples

    wanted, found = wanted_samples(rows, modality), dict[str, "SampleGrid | str"]()
    if not wanted:
        return found
    sources = DataSources.open(mirror)
    for one in wanted:
        drawn = sum(not isinstance(grid, str) for grid in found.values())
        found[one.dataset] = _grid(one, registry, sources) if drawn < MOST_GRIDS else TOO_MANY
    return found


def _grid(wanted: Wanted, registry: Registry, sources: DataSources) -> SampleGrid | str:
    from imbench.report.images import COLUMNS

    skipped: list[tuple[str, str]] = []
    try:
        from imbench.runs.samples import samples_of

        chosen = list(_installed(registry, wanted.strategies, skipped))
        if not chosen:
            return f"none of its strategies is installed ({skipped[0][0]}: {skipped[0][1]})"
        grid = samples_of(
            wanted.spec, chosen, registry, sources, columns=COLUMNS, protocol=wanted.protocol, download=False
        )
    except UsageError as error:
        return str(error)
    except (Exception, SystemExit) as error:
        # Third-party strategies may fail in any way; the report is complete without their samples.
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return dataclasses.replace(grid, left_out=(*grid.left_out, *skipped))


def _installed(registry: Registry, specs: Sequence[str], skipped: list[tuple[str, str]]) -> Iterator[BatchStrategy]:
    """The strategies of these specs that are installed; the reasons for the others are added to ``skipped``."""
    for spec in specs:
        try:
            yield registry.strategy(spec)
        except UsageError as error:
            skipped.append((spec, str(error)))
