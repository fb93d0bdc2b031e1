"""Fonts in PDF figures: cut to the glyphs that figures use, once for most figures of a report."""

from __future__ import annotations

import contextlib
import importlib
import io
import string
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from typing import Any

# Every PDF has these characters, so that nearly all figures share one cut of the font: cutting it takes 20 times as
# long as embedding it. The last five are the ligatures of "fi" and its like.
COMMON = string.ascii_letters + string.digits + string.punctuation + " –—−±×·→≤≥χ²|ﬀﬁﬂﬃﬄ"


@contextlib.contextmanager
def fewer_subsets() -> Iterator[None]:
    """Let matplotlib embed fonts without layout tables, and cut to the same glyphs for most figures.

    The bytes of a figure depend on that figure alone. Where matplotlib or fontTools have changed, fonts are cut as
    matplotlib does it.
    """
    backend: Any = importlib.import_module("matplotlib.backends._backend_pdf_ps")
    options: Any = importlib.import_module("fontTools.subset").Options
    dropped = getattr(options, "_drop_tables_default", None)
    cut = getattr(backend, "get_glyphs_subset", None)
    if dropped is not None:
        # Text is laid out already, and cutting these tables takes most of the time.
        options._drop_tables_default = [*dropped, "GDEF", "GPOS", "GSUB"]
    if cut is not None:
        backend.get_glyphs_subset = partial(_subset, cut)
    try:
        yield
    finally:
        if dropped is not None:
            options._drop_tables_default = dropped
        if cut is not None:
            backend.get_glyphs_subset = cut


@contextlib.contextmanager
def _subset(cut: Callable[..., Any], fontfile: Any, glyphs: Collection[Any]) -> Iterator[Any]:
    """What matplotlib's own function gives: a font, or since matplotlib 3.11 a font with its numbers of glyphs.

    Parameters
    ----------
    cut : that function
    glyphs : characters as a string, or since matplotlib 3.11 numbers of glyphs
    """
    read: Any = importlib.import_module("fontTools.ttLib").TTFont

    result, content = _kept(cut, fontfile, frozenset(glyphs) | _common(fontfile, isinstance(glyphs, str)))
    with read(io.BytesIO(content), recalcBBoxes=False, recalcTimestamp=False, lazy=True) as font:
        yield font if result is None else result._replace(font=font)


@lru_cache(maxsize=16)
def _common(fontfile: Any, as_characters: bool) -> frozenset[Any]:
    """The characters of `COMMON` that the font has, or their numbers of glyphs."""
    from matplotlib.font_manager import get_font

    font = get_font(fontfile)
    numbers = {character: font.get_char_index(ord(character)) for character in COMMON}
    return frozenset(c if as_characters else number for c, number in numbers.items() if number)


@lru_cache(maxsize=16)
def _kept(cut: Callable[..., Any], fontfile: Any, glyphs: frozenset[Any]) -> tuple[Any, bytes]:
    """Matplotlib's result without its font (None if it is the font alone), and the font's file."""
    wanted = "".join(sorted(glyphs)) if isinstance(next(iter(glyphs)), str) else set(glyphs)
    sink = io.BytesIO()
    with cut(fontfile, wanted) as found:
        getattr(found, "font", found).save(sink, reorderTables=False)
    return (found._replace(font=None) if hasattr(found, "font") else None), sink.getvalue()
