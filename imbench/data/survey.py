"""Availability of datasets: cached, in the mirror, reachable from a source, or unreachable."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from imbench.contract.errors import UsageError
from imbench.contract.records import Card, Source
from imbench.data.data_sources import DataSources
from imbench.data.sources import network
from imbench.data.sources.kinds import source_kind

STATES = ("cached", "mirror", "reachable", "unreachable")


@dataclass(frozen=True)
class DatasetStatus:
    """The availability of one dataset.

    Parameters
    ----------
    name, title, rows, features : from the card
    state : the first of `STATES` that applies
    detail : source of the cached copy, location of the mirror, the reachable sources, or why each is unreachable
    """

    name: str
    title: str
    rows: int
    features: int
    state: str
    detail: str


def survey(cards: Iterable[Card], sources: DataSources) -> list[DatasetStatus]:
    """The status of each dataset, in the order of ``cards``.

    Each host is probed once, in parallel and for at most 5 seconds; nothing is downloaded.
    """
    cards = list(cards)
    known: dict[str, tuple[str, str]] = {}
    for card in cards:
        copy = next(iter(sources.copies(card)), None)
        if copy:
            known[card.name] = ("cached", f"{copy.origin.partition(':')[0]}, data {copy.data_hash[:12]}")
        elif sources.mirror and sources.mirror.files(card):
            known[card.name] = ("mirror", sources.mirror.place)
    probes = {
        card.name: [_Probe.from_source(source, sources.downloads) for source in card.sources if source.kind != "mirror"]
        for card in cards
        if card.name not in known
    }
    places = {probe.place for of_card in probes.values() for probe in of_card}
    _probe_all(sorted(place for place in places if place.startswith("http")))
    known |= {name: _reachable(of_card) for name, of_card in probes.items()}
    return [DatasetStatus(c.name, c.title, c.rows, c.features, *known[c.name]) for c in cards]


@dataclass(frozen=True)
class _Probe:
    """What a source needs: ``place``, the result of `SourceKind.probe`, or ``failure``, the error of that call."""

    kind: str
    place: str
    failure: str | None = None

    @classmethod
    def from_source(cls, source: Source, downloads: Path) -> _Probe:
        try:
            return cls(source.kind, source_kind(source.kind).probe(source.options, downloads))
        except UsageError as error:
            return cls(source.kind, "", str(error))
        except (Exception, SystemExit) as error:  # a plugin's kind may raise any exception
            return cls(source.kind, "", f"{type(error).__name__}: {error}")

    def failure_reason(self) -> str | None:
        """Why the source is unreachable; None if it is reachable."""
        if self.failure is not None or not self.place:
            return self.failure
        if self.place.startswith("http"):
            return network.probe(self.place)
        return None if Path(self.place).exists() else f"{self.place} does not exist"


def _probe_all(urls: list[str]) -> None:
    url_by_host = {network.host_of(url): url for url in urls}
    with ThreadPoolExecutor(max_workers=max(1, len(url_by_host))) as pool:
        list(pool.map(network.probe, url_by_host.values()))


def _reachable(probes: list[_Probe]) -> tuple[str, str]:
    reasons = [(probe.kind, probe.failure_reason()) for probe in probes]
    answering = [kind for kind, why in reasons if why is None]
    if answering:
        return "reachable", ", ".join(answering)
    return "unreachable", "; ".join(f"{kind}: {why}" for kind, why in reasons) or "no mirror contains it"
