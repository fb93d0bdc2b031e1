"""The files of the image section: gains on images, and for each sheet of samples a picture and its labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from imbench.report.figures.sample_grid import SampleGrid, draw
from imbench.report.images import Images
from imbench.report.tables import csv, gains_of, parquet

GAINS = "image-gains"


def image_files(images: Images) -> Iterator[tuple[str, bytes]]:
    """Names and contents: ``image-gains.csv`` and ``.parquet``, ``samples-<dataset>.png`` and ``.csv``."""
    gains = gains_of(images.boards, images.gains)
    yield f"{GAINS}.csv", csv(gains)
    yield f"{GAINS}.parquet", parquet(gains)
    for samples in images.samples:
        if samples.sheet is not None:
            yield f"{samples.file}.png", draw(samples.sheet, "png")
            yield f"{samples.file}.csv", csv(labels(samples.sheet))


def labels(sheet: SampleGrid) -> pd.DataFrame:
    """A row for each image of a sheet and class that it has a share of: ``weight`` is its factor in the loss."""
    rows = [
        {
            "strategy": strip.name,
            "mini_batch": column + 1,
            "class": sheet.class_names[number],
            "rare": int(number) in sheet.minority,
            "share": float(label[number]),
            "weight": 1.0 if strip.weights is None else float(strip.weights[column]),
        }
        for strip in sheet.rows
        for column, label in enumerate(strip.labels)
        for number in np.flatnonzero(label)
    ]
    return pd.DataFrame(rows, columns=["strategy", "mini_batch", "class", "rare", "share", "weight"])
