"""Images: gains and boards of image datasets alone, and samples of what strategies feed the nets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from imbench.contract.records import TASKS
from imbench.report.columns import Column
from imbench.report.figures.sample_grid import SampleGrid
from imbench.report.gains import Gain, gain_overall, gains_by_ir
from imbench.scoring.rules import EACH
from imbench.stats.board import Board, make_board
from imbench.stats.names import BASELINE, file_name
from imbench.stats.score_table import ScoreTable
from imbench.stats.words import scrub

MODALITY = "image"

# What keeps a page small: a sheet of 8 strategies and 6 colour images of 32 by 32 has 144 KiB of pixels.
MOST_SHEETS, MOST_STRATEGIES, COLUMNS, MOST_BYTES = 6, 8, 6, 192 * 1024

NOT_ASKED = "no sheets were asked for"
TOO_MANY = f"a report has room for {MOST_SHEETS} sheets"


@dataclass(frozen=True)
class Wanted:
    """The sheet of samples that a report shows of one dataset.

    Parameters
    ----------
    dataset : as the rows name it
    spec : of its variant with the smallest imbalance ratio; where tasks share that, of the one with more classes
    protocol : one of those that trained on it
    strategies : those trained on it, the baseline first; of many, the `MOST_STRATEGIES` best in g-mean
    """

    dataset: str
    spec: str
    protocol: str
    strategies: tuple[str, ...]

    @property
    def command(self) -> str:
        """The command that draws the sheet; a dataset of the user's own by its last name alone."""
        spec = self.spec.replace(self.dataset, file_name(self.dataset))
        words = ["imbench", "samples", "--dataset", spec]
        words += [part for name in self.strategies for part in ("--strategy", name)]
        words += ["--protocol", self.protocol, "--columns", str(COLUMNS)]
        return shlex.join([*words, "--to", f"samples-{_file_name(self.dataset)}.png"])


@dataclass(frozen=True, eq=False)
class Samples:
    """What a report shows of the samples of one dataset.

    Parameters
    ----------
    dataset : as readers see it
    file : name of the files of the sheet, without what follows the dot
    command : draws the sheet
    sheet : None where there is none, for this ``reason``
    shrunk : how many times narrower the images are than those that nets are fed
    """

    dataset: str
    file: str
    command: str
    sheet: SampleGrid | None = None
    reason: str = ""
    shrunk: int = 1


@dataclass(frozen=True, eq=False)
class Images:
    """The image section.

    Parameters
    ----------
    boards : of the leading metrics, each protocol and task, over configurations of images alone
    gains : by the slug of their board, at each ratio and over all
    pooled : ``(protocol, task)`` of which the report's other boards hold more than images
    samples : a dataset each
    """

    boards: tuple[Board, ...]
    gains: Mapping[str, tuple[Gain, ...]]
    pooled: frozenset[tuple[str, str]]
    samples: tuple[Samples, ...]


def images_of(
    cells: Sequence[ScoreTable],
    boards: Sequence[Board],
    columns: Sequence[Column],
    rows: pd.DataFrame,
    modality: Mapping[str, str],
    sheets: Mapping[str, SampleGrid | str],
) -> Images | None:
    """The image section of a report; None for one without images.

    Parameters
    ----------
    boards : the leading ones, in which images may be pooled with other data
    columns : that those may have
    rows : of the results; ``modality``: of their datasets
    sheets : by dataset, or why there is none
    """
    found, pooled = [], set()
    for board in boards:
        whole = next(c for c in cells if (c.protocol, c.task) == (board.protocol, board.task))
        kept = [i for i, one in enumerate(whole.configurations) if one.modality == MODALITY]
        if board.rule == EACH or not kept:  # where rules compete there is no gain over one baseline
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
    return Images(tuple(found), gains, frozenset(pooled), tuple(_samples(wanted, sheets)))


def wanted_samples(rows: pd.DataFrame, modality: Mapping[str, str]) -> list[Wanted]:
    """The sheets that a report of these rows shows, if their data can be had, by the name of the dataset."""
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


def _samples(wanted: Sequence[Wanted], sheets: Mapping[str, SampleGrid | str]) -> list[Samples]:
    found: list[Samples] = []
    for one in wanted:
        shown = file_name(one.dataset)
        file = f"samples-{_file_name(one.dataset)}"
        taken = sum(other.file == file or other.file.startswith(f"{file}~") for other in found)
        file = f"{file}~{taken + 1}" if taken else file
        sheet = sheets.get(one.dataset, NOT_ASKED)
        if isinstance(sheet, str):
            found.append(Samples(shown, file, one.command, reason=scrub(sheet)))
            continue
        small, times = _shrunk(sheet)
        title = scrub(small.title.replace(one.dataset, shown))
        left_out = tuple((scrub(name), scrub(reason)) for name, reason in small.left_out)
        small = replace(small, title=title, left_out=left_out)
        found.append(Samples(shown, file, one.command, small, shrunk=times))
    return found


def _shrunk(sheet: SampleGrid) -> tuple[SampleGrid, int]:
    """A sheet of at most `MOST_BYTES` of pixels, and how many times narrower its images had to become.

    A pixel is the mean of a square of pixels; what does not fill a square at the right and lower edge is left out.
    """
    times = 1
    height, width, channels = sheet.rows[0].images.shape[1:]
    images = sum(len(strip.images) for strip in sheet.rows)
    while times < min(height, width) and images * (height // times) * (width // times) * channels > MOST_BYTES:
        times += 1
    if times == 1:
        return sheet, 1
    high, wide = height // times, width // times

    def smaller(pixels: np.ndarray) -> np.ndarray:
        # (columns, height, width, channels) -> (columns, high, times, wide, times, channels)
        squares = pixels[:, : high * times, : wide * times].reshape(-1, high, times, wide, times, channels)
        means: np.ndarray = squares.mean(axis=(2, 4))  # -> (columns, high, wide, channels)
        return means

    return replace(sheet, rows=tuple(replace(strip, images=smaller(strip.images)) for strip in sheet.rows)), times


def _file_name(dataset: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", file_name(dataset)).strip("-.") or "dataset"
