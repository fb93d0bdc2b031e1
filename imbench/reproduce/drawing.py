"""Plates from scenes and from matplotlib figures: SVG, PDF and PNG, the same bytes each time."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imbench.report.figures import plates
from imbench.reproduce.exhibit import Plate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from imbench.report.figures.scene import Scene


def of_scene(scene: Scene) -> Plate:
    """A plate of a report's scene."""
    return Plate(scene.name, scene.title, scene.description, plates.plates(scene, (*plates.FORMATS, "png")))


@contextmanager
def blank(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of this size in inches, under settings that no user's own can change; draw and save inside."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(plates.settings()):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def saved(figure: Figure, name: str, title: str, description: str) -> Plate:
    """A plate of a figure that `blank` gave, inside its ``with``."""
    files = {}
    for kind, metadata in plates.METADATA.items():
        sink = io.BytesIO()
        figure.savefig(sink, format=kind, metadata={**metadata, "Title": title}, dpi=plates.PNG_DPI)
        files[kind] = sink.getvalue()
    return Plate(name, title, description, files)
