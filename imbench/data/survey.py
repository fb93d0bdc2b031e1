"""Where each dataset stands: cached, in the mirror, reachable, or why not."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from imbench.contract.records import Card, Source
from imbench.data import cache as store
from imbench.data.cards import load_card
from imbench.data.sources import network
from imbench.data.sources.downloads import wheel_path
from imbench.data.sources.hubs import OPENML, ZENODO
from imbench.data.sources.images import kept_path
from imbench.data.sources.mirror import open_mirror

STATES = ("cached", "mirror", "reachable", "unreachable")
PYPI = "https://pypi.org/simple"


@dataclass(frozen=True)
class DatasetStatus:
    """Where one dataset stands.

    Parameters
    ----------
    name, title, rows, features : from its card
    state : one of `STATES`, the first that holds
    detail : the cached copy's source, the mirror, the sources that answer, or why none does
    """

    name: str
    title: str
    rows: int
    features: int
    state: str
    detail: str


def survey(names: Iterable[str | Card], mirror: str | None = None, cache: Path | None = None) -> list[DatasetStatus]:
    """The status of each of these datasets (names, or cards that plugins bring), in their order.

    Hosts are asked once each, side by side, and given 5 seconds; nothing is downloaded.
    """
    cards = [load_card(n) if isinstance(n, str) else n for n in names]
    opened = open_mirror(mirror)
    known: dict[str, tuple[str, str]] = {}
    for card in cards:
        copy = next(store.copies(card, cache), None)
        if copy:
            known[card.name] = ("cached", f"{copy.origin.partition(':')[0]}, data {copy.data_hash[:12]}")
        elif opened and opened.files(card):
            known[card.name] = ("mirror", opened.place)
    open_cards = [c for c in cards if c.name not in known]
    urls = {_PROBES[s.kind](s.options, cache) for c in open_cards for s in c.sources if s.kind in _PROBES}
    _probe_all(sorted(url for url in urls if url.startswith("http")))
    for card in open_cards:
        known[card.name] = _reachable(card, cache)
    return [DatasetStatus(c.name, c.title, c.rows, c.features, *known[c.name]) for c in cards]


def _probe_all(urls: list[str]) -> None:
    one_a_host = {network.host_of(url): url for url in urls}
    with ThreadPoolExecutor(max_workers=max(1, len(one_a_host))) as pool:
        list(pool.map(network.probe, one_a_host.values()))


def _reachable(card: Card, cache: Path | None) -> tuple[str, str]:
    asked = [(s, _why_not(s, cache)) for s in card.sources if s.kind in _PROBES]
    answering = [s.kind for s, why in asked if why is None]
    if answering:
        return "reachable", ", ".join(answering)
    return "unreachable", "; ".join(f"{s.kind}: {why}" for s, why in asked) or "no mirror given that has it"


def _why_not(source: Source, cache: Path | None) -> str | None:
    place = _PROBES[source.kind](source.options, cache)
    if place.startswith("http"):
        return network.probe(place)
    return None if not place or Path(place).exists() else f"{place} does not exist"


def _wheel_place(options: Mapping[str, Any], cache: Path | None) -> str:
    kept = wheel_path(options["sha256"], store.downloads_folder(cache))
    return str(kept) if kept.is_file() else package_index()


def _images_place(options: Mapping[str, Any], cache: Path | None) -> str:
    """The first file that is not at hand: its URL, or its path."""
    downloads = store.downloads_folder(cache)
    missing = [file for file in options["files"] if not kept_path(file, downloads).is_file()]
    return str(missing[0].get("url") or missing[0]["path"]) if missing else ""


@lru_cache(maxsize=1)
def package_index() -> str:
    """The package index that pip is configured to ask; "" if it has none that can be asked without pip."""
    if not importlib.util.find_spec("pip"):
        return PYPI
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return PYPI
    # Lines read  global.index-url='https://…'  or  :env:.index-url='…';  the environment wins, and sorts first.
    lines = sorted(line.partition("=") for line in done.stdout.splitlines())
    place = next((value.strip("'\"") for key, _, value in lines if key.endswith(".index-url")), PYPI)
    return place.removeprefix("file://") if place.startswith("file://") else place


# Kind of source -> the URL to ask, or a path that must exist; "" needs neither.
_PROBES: dict[str, Callable[[Mapping[str, Any], Path | None], str]] = {
    "openml": lambda options, cache: OPENML,
    "imblearn": lambda options, cache: ZENODO,
    "uci": lambda options, cache: str(options["url"]),
    "url": lambda options, cache: str(options["url"]),
    "wheel": _wheel_place,
    "sklearn": lambda options, cache: "",
    "images": _images_place,
    "file": lambda options, cache: str(options["path"]),
}
