"""The image section: gains and boards over image datasets only, and sample images as each strategy feeds them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from imbench.contract.records import TASKS
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.gains import Gain, gain_overall, gains_by_ir
from imbench.scoring.rules import EACH
from imbench.stats.board import Board, make_board
from imbench.stats.names import BASELINE, file_name
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import scrub

MODALITY = "image"

# These keep a page small: a grid of 8 strategies and 6 colour images of 32 by 32 has 144 KiB of pixels.
MOST_GRIDS, MOST_STRATEGIES, COLUMNS, MOST_BYTES = 6, 8, 6, 192 * 1024

NOT_REQUESTED = "they were not requested"
TOO_MANY = f"a report shows samples of at most {MOST_GRIDS} datasets"


@dataclass(frozen=True)
class Wanted:
    """The sample grid that a report shows for one dataset.

    Parameters
    ----------
    dataset : name of the dataset in the rows
    spec : the variant with the smallest imbalance ratio; if tasks share that ratio, the one with more classes
    protocol : a protocol that trained on the variant
    strategies : the strategies trained on it, the baseline first; at most the `MOST_STRATEGIES` best in g-mean
    """

    dataset: str
    spec: str
    protocol: str
    strategies: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that draws the grid; a dataset given as a path appears without its folder."""
        spec = self.spec.replace(self.dataset, file_name(self.dataset))
        arguments = ["imbench", "samples", "--dataset", spec]
        arguments += [text for name in self.strategies for text in ("--strategy", name)]
        arguments += ["--protocol", self.protocol, "--columns", str(COLUMNS)]
        return shlex.join([*arguments, "--to", f"samples-{_file_name(self.dataset)}.png"])


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of one dataset, as a report shows them.

    Parameters
    ----------
    dataset : name of the dataset on the page
    file : name of the grid's files, without extension
    command : draws the grid
    grid : None if there is none; ``reason`` says why
    shrunk : factor by which the images are narrower than those that the nets receive
    """

    dataset: str
    file: str
    command: str
    grid: SampleGrid | None = None
    reason: str = ""
    shrunk: int = 1


@dataclass(frozen=True, eq=False)
class Images:
    """The image section.

    Parameters
    ----------
    boards : one for each leading metric, protocol and task, over image configurations only
    gains : at each ratio and over all ratios, by the slug of the board
    pooled : each ``(protocol, task)`` whose other boards rank images together with other data
    samples : one entry for each dataset
    """

    boards: tuple[Board, ...]
    gains: Mapping[str, tuple[Gain, ...]]
    pooled: frozenset[tuple[str, str]]
    samples: tuple[Samples, ...]


def images_of(
    score_tables: Sequence[ScoreTable],
    boards: Sequence[Board],
    rows: pd.DataFrame,
    modality: Mapping[str, str],
    grids: Mapping[str, SampleGrid | str],
) -> Images | None:
    """The image section of a report; None for results without images.

    Parameters
    ----------
    boards : the leading boards, which may pool images with other data
    rows : rows of the results; ``modality``: modality of each dataset
    grids : sample grid of each dataset, or the reason why there is none
    """
    found, pooled = [], set()
    for board in boards:
        whole = next(c for c in score_tables if (c.protocol, c.task) == (board.protocol, board.task))
        kept = [i for i, one in enumerate(whole.configurations) if one.modality == MODALITY]
        if board.rule == EACH or not kept:
            continue
        if len(kept) < len(whole.configurations):
            pooled.add((board.protocol, board.task))
            images = np.array([one.modality == MODALITY for one in whole.configurations])
            board = make_board(whole.only(images), board.metric, [board.rule], board.rule, board.alpha)
        found.append(board)
    wanted = wanted_samples(rows, modality)
    if not found and not wanted:
        return None
    gains = {board.slug: (*gains_by_ir(board), *gain_overall(board)) for board in found}
    return Images(tuple(found), gains, frozenset(pooled), tuple(_samples(wanted, grids)))


def wanted_samples(rows: pd.DataFrame, modality: Mapping[str, str]) -> list[Wanted]:
    """The sample grids that a report of these rows shows if their data is available, sorted by dataset."""
    found = []
    for dataset in sorted(name for name in set(map(str, rows["dataset"])) if modality.get(name) == MODALITY):
        mine = rows[rows["dataset"] == dataset]
        tasks = mine["task"].map({task: -place for place, task in enumerate(TASKS)})
        order = mine.assign(rare=mine["ir"].fillna(np.inf), tasks=tasks)
        first = order.sort_values(["rare", "tasks", "variant", "protocol"], kind="stable").iloc[0]
        variant, protocol = str(first["variant"]), str(first["protocol"])
        trained = mine[(mine["variant"] == variant) & (mine["protocol"] == protocol)]
        found.append(
            Wanted(dataset, dataset if variant == "natural" else f"{dataset}:{variant}", protocol, _chosen(trained))
        )
    return found


def _chosen(rows: pd.DataFrame) -> tuple[str, ...]:
    names = sorted(map(str, rows["strategy"].unique()), key=lambda name: (name != BASELINE, name))
    if len(names) > MOST_STRATEGIES:
        means = rows.groupby("strategy")["gmean"].mean().fillna(-1.0)
        best = sorted(names, key=lambda name: (name != BASELINE, -means[name], name))[:MOST_STRATEGIES]
        names = [name for name in names if name in best]
    return tuple(names)


def _samples(wanted: Sequence[Wanted], grids: Mapping[str, SampleGrid | str]) -> list[Samples]:
    found: list[Samples] = []
    for one in wanted:
        shown = file_name(one.dataset)
        file = f"samples-{_file_name(one.dataset)}"
        taken = sum(other.file == file or other.file.startswith(f"{file}~") for other in found)
        file = f"{file}~{taken + 1}" if taken else file
        grid = grids.get(one.dataset, NOT_REQUESTED)
        if isinstance(grid, str):
            found.append(Samples(shown, file, one.command, reason=scrub(grid)))
            continue
        small, times = _shrunk(grid)
        title = scrub(small.title.replace(one.dataset, shown))
        left_out = tuple((scrub(name), scrub(reason)) for name, reason in small.left_out)
        small = replace(small, title=title, left_out=left_out)
        found.append(Samples(shown, file, one.command, small, shrunk=times))
    return found


def _shrunk(grid: SampleGrid) -> tuple[SampleGrid, int]:
    """A grid of at most `MOST_BYTES` of pixels, and the factor by which its images are narrower.

    A pixel is the mean of a square of pixels; incomplete squares at the right and lower edge are cut off.
    """
    times = 1
    height, width, channels = grid.rows[0].images.shape[1:]
    images = sum(len(row.images) for row in grid.rows)
    while times < min(height, width) and images * (height // times) * (width // times) * channels > MOST_BYTES:
        times += 1
    if times == 1:
        return grid, 1
    high, wide = height // times, width // times

    def smaller(pixels: np.ndarray) -> np.ndarray:
        # (columns, height, width, channels) -> (columns, high, times, wide, times, channels)
        squares = pixels[:, : high * times, : wide * times].reshape(-1, high, times, wide, times, channels)
        means: np.ndarray = squares.mean(axis=(2, 4))  # -> (columns, high, wide, channels)
        return means

    return replace(grid, rows=tuple(replace(row, images=smaller(row.images)) for row in grid.rows)), times


def _file_name(dataset: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", file_name(dataset)).strip("-.") or "dataset"
