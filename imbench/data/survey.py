"""Where each dataset would come from now: cached, in the mirror, reachable from a source, or unreachable."""

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
    name, title, rows, features : from its card
    state : the first of `STATES` that is true
    detail : the cached copy's source, the mirror, the sources that answer, or why none does
    """

    name: str
    title: str
    rows: int
    features: int
    state: str
    detail: str


def survey(cards: Iterable[Card], sources: DataSources) -> list[DatasetStatus]:
    """The status of each of these datasets, in their order.

    Hosts are asked once each, side by side, and given 5 seconds; nothing is downloaded.
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
        card.name: [_Probe.of(source, sources.downloads) for source in card.sources if source.kind != "mirror"]
        for card in cards
        if card.name not in known
    }
    places = {probe.place for asked in probes.values() for probe in asked}
    _probe_all(sorted(place for place in places if place.startswith("http")))
    known |= {name: _reachable(asked) for name, asked in probes.items()}
    return [DatasetStatus(c.name, c.title, c.rows, c.features, *known[c.name]) for c in cards]


@dataclass(frozen=True)
class _Probe:
    """What a source needs: ``place`` as of `SourceKind.probe`, or ``failure``, why that is not known."""

    kind: str
    place: str
    failure: str | None = None

    @classmethod
    def of(cls, source: Source, downloads: Path) -> _Probe:
        try:
            return cls(source.kind, source_kind(source.kind).probe(source.options, downloads))
        except UsageError as error:
            return cls(source.kind, "", str(error))
        except Exception as error:  # a package's kind may fail in any way
            return cls(source.kind, "", f"{type(error).__name__}: {error}")

    def why_not(self) -> str | None:
        """Why the source is unreachable; None if it can be reached."""
        if self.failure is not None or not self.place:
            return self.failure
        if self.place.startswith("http"):
            return network.probe(self.place)
        return None if Path(self.place).exists() else f"{self.place} does not exist"


def _probe_all(urls: list[str]) -> None:
    one_a_host = {network.host_of(url): url for url in urls}
    with ThreadPoolExecutor(max_workers=max(1, len(one_a_host))) as pool:
        list(pool.map(network.probe, one_a_host.values()))


def _reachable(probes: list[_Probe]) -> tuple[str, str]:
    reasons = [(probe.kind, probe.why_not()) for probe in probes]
    answering = [kind for kind, why in reasons if why is None]
    if answering:
        return "reachable", ", ".join(answering)
    return "unreachable", "; ".join(f"{kind}: {why}" for kind, why in reasons) or "no mirror given that has it"
