"""The kinds of source a card can name: a new kind is a new row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from imbench.contract.records import Card
from imbench.data.canonical import Table
from imbench.data.sources.downloads import from_file, from_url, from_wheel
from imbench.data.sources.hubs import from_imblearn, from_openml, from_sklearn
from imbench.data.sources.images import from_images

Read = Callable[[Card, Mapping[str, Any], Path], Table]

# In the order in which they are asked; a mirror is asked before any of them.
KINDS: dict[str, Read] = {
    "openml": from_openml,
    "imblearn": from_imblearn,
    "uci": from_url,
    "url": from_url,
    "wheel": from_wheel,
    "sklearn": from_sklearn,
    "images": from_images,
    "file": from_file,
}
