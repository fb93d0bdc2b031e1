"""The context of a reproduction: its store of results, and the training of missing ones."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imbench
from imbench.contract.protocol import caveat, caveats
from imbench.runs.protocols import load_protocol
from imbench.stats.words import counted

if TYPE_CHECKING:
    from imbench import Results, RunRequest
    from imbench.runs.bench import Event

# The file of strategies that only reproductions use.
PLUGIN = str(Path(__file__).with_name("variants.py"))

# The strategies of the paper's Table 2, in its order, and those it adds for images in Figure 6.
TABULAR = ("baseline", "cost-adjusted", "batch-smote", "mixup", "remix")
IMAGE = (*TABULAR, "augment", "remix-aug")


# The protocol of suites/image-small.toml: as many epochs and repeats as a CPU trains in minutes.
_ON_A_CPU = "standard:epochs=30,repeats=1"


@dataclass(frozen=True)
class Images:
    """The images that a context trains on.

    Parameters
    ----------
    suite : suite of images for the results of all strategies
    cifar10 : the suite's dataset that is CIFAR-10 or replaces it
    protocol : protocol for images; None for the context's protocol
    """

    suite: str
    cifar10: str
    protocol: str | None


@dataclass(frozen=True)
class ReproductionContext:
    """The settings that all items are made with.

    Parameters
    ----------
    request : store, protocol (default ``paper``) with its settings, data mirror, workers and device. Results in the
        store are used; missing ones are trained and stored there
    progress : called with every event of a run
    """

    request: RunRequest
    progress: Callable[[Event], None] | None = None

    @property
    def store(self) -> Path:
        """Folder of results."""
        return self.request.store

    @property
    def protocol(self) -> str:
        """Protocol spec, such as ``paper`` or ``paper:repeats=2``."""
        return self.request.protocol or "paper"

    @property
    def settings(self) -> Mapping[str, str]:
        """Changed protocol fields, as text."""
        return self.request.settings

    def train(
        self,
        strategies: Sequence[str],
        *,
        protocol: str | None = None,
        settings: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Results:
        """Results of these strategies; those missing from the store are trained.

        Parameters
        ----------
        strategies : specs of strategies
        protocol : replaces the context's protocol
        settings : added to the context's settings
        fields : ``suite``, ``datasets`` or ``plugins`` of an `imbench.RunRequest`

        Raises
        ------
        UsageError
            For an unavailable dataset or unknown name, before any training. Unavailable configurations of a suite are
            skipped and reported in ``notes`` of the results.
        """
        request = self.request.replace(
            strategies=strategies,
            references=(),
            protocol=protocol or self.protocol,
            settings={**self.settings, **(settings or {})},
            **fields,
        )
        return imbench.run(request, progress=self.progress)

    @property
    def options(self) -> str:
        """The command-line options for this protocol and its settings; empty for ``paper``, the default."""
        options = [] if self.protocol == "paper" else ["--protocol", self.protocol]
        for name, value in self.settings.items():
            options += ["--set", f"{name}={value}"]
        return shlex.join(options)

    def _is(self, protocol: str) -> bool:
        """Whether nets are trained under this protocol, with any settings."""
        return self.protocol.partition(":")[0] == protocol

    @property
    def is_smoke(self) -> bool:
        """Whether this is a smoke run, for which items reduce their work to seconds."""
        return bool(caveat(load_protocol(self.protocol).name))

    @property
    def images(self) -> Images:
        """The images that the device can train on in reasonable time.

        A GPU trains on the paper's images under any protocol. A CPU trains on them with fewer epochs and one repeat for
        ``paper``, and on a subset of CIFAR-10 for the shorter protocols.
        """
        if self.request.device != "cpu":
            return Images("image", "cifar10", None)
        if self._is("paper"):
            return Images("image", "cifar10", _ON_A_CPU)
        return Images("image-small", "cifar10_10k", None if self.is_smoke else _ON_A_CPU)

    def train_images(self, strategies: Sequence[str]) -> Results:
        """Results on the suite of `images`."""
        return self.train(strategies, suite=self.images.suite, protocol=self.images.protocol)


def basis_of(results: Results) -> tuple[str, ...]:
    """Notes on these results for readers: protocol, coverage, skipped configurations and failed jobs."""
    protocols = ", ".join(sorted(set(results.rows["protocol"])))
    failed = len(results.failures())
    return (
        f"Protocol {protocols}; {counted(results.rows['key'].nunique() - failed, 'job')}"
        + (f" and {counted(failed, 'failed job')}" if failed else ""),
        *caveats(results.rows["protocol"]),
        *results.notes,
    )
