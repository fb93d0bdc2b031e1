"""The context: the store that items are made from, and how what it lacks is trained."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imbench
from imbench.contract.protocol import caveat, caveats
from imbench.runs.protocols import load_protocol

if TYPE_CHECKING:
    from imbench import Results, RunRequest
    from imbench.runs.bench import Event

# The file of strategies that only reproductions use.
PLUGIN = str(Path(__file__).with_name("variants.py"))

# The strategies of the paper's Table 2, in its order, and those it adds for images in Figure 6.
TABULAR = ("baseline", "cost-adjusted", "batch-smote", "mixup", "remix")
IMAGE = (*TABULAR, "augment", "remix-aug")


# What suites/image-small.toml states: as many epochs and repeats as a CPU trains in minutes.
_ON_A_CPU = "standard:epochs=30,repeats=1"


@dataclass(frozen=True)
class Images:
    """The images that a context trains on.

    Parameters
    ----------
    suite : for results of every strategy
    cifar10 : the dataset of it that is CIFAR-10, or stands for it
    protocol : in place of the context's own; None for its own
    """

    suite: str
    cifar10: str
    protocol: str | None


@dataclass(frozen=True)
class ReproductionContext:
    """What every item is made from.

    Parameters
    ----------
    request : store, protocol (default ``paper``) with its settings, data mirror, workers and device. What the store has
        is used, what it lacks is trained and stored there
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
        """Name of the protocol, with settings if any, such as ``paper:repeats=2``."""
        return self.request.protocol or "paper"

    @property
    def settings(self) -> Mapping[str, str]:
        """Changed fields of the protocol, as text."""
        return self.request.settings

    def train(
        self,
        strategies: Sequence[str],
        *,
        protocol: str | None = None,
        settings: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Results:
        """Results of these strategies, trained where the store lacks them.

        Parameters
        ----------
        strategies : specs
        protocol : instead of the protocol of the context
        settings : in addition to the settings of the context
        fields : ``suite``, ``datasets`` or ``plugins`` of an `imbench.RunRequest`

        Raises
        ------
        UsageError
            For anything unavailable, before any training. Unavailable configurations of a suite are skipped, which the
            notes of the results say.
        """
        request = self.request.replace(
            strategies=strategies,
            protocol=protocol or self.protocol,
            settings={**self.settings, **(settings or {})},
            **fields,
        )
        return imbench.run(request, progress=self.progress)

    @property
    def options(self) -> str:
        """The command-line options that train as here; the protocol ``paper`` is the default and needs none."""
        options = [] if self.protocol == "paper" else ["--protocol", self.protocol]
        for name, value in self.settings.items():
            options += ["--set", f"{name}={value}"]
        return shlex.join(options)

    def _is(self, protocol: str) -> bool:
        """Whether nets are trained under this protocol, whatever its settings."""
        return self.protocol.partition(":")[0] == protocol

    @property
    def is_smoke(self) -> bool:
        """Whether this only shows that everything runs: items keep their own work to seconds then."""
        return bool(caveat(load_protocol(self.protocol).name))

    @property
    def images(self) -> Images:
        """The images within reach of the device.

        A GPU trains the paper's under any protocol. A CPU trains them in fewer epochs and one repeat for ``paper``, and
        a part of CIFAR-10 for the shorter protocols.
        """
        if self.request.device != "cpu":
            return Images("image", "cifar10", None)
        if self._is("paper"):
            return Images("image", "cifar10", _ON_A_CPU)
        return Images("image-small", "cifar10_10k", None if self.is_smoke else _ON_A_CPU)

    def train_images(self, strategies: Sequence[str]) -> Results:
        """Results on the suite of images within reach."""
        return self.train(strategies, suite=self.images.suite, protocol=self.images.protocol)


def basis_of(results: Results) -> tuple[str, ...]:
    """What a reader must know of these results: protocol, coverage, what was left out, jobs that failed."""
    protocols = ", ".join(sorted(set(results.rows["protocol"])))
    failed = len(results.failures())
    return (
        f"Protocol {protocols}; {results.rows['key'].nunique() - failed} jobs"
        + (f", and {failed} that failed" if failed else ""),
        *caveats(results.rows["protocol"]),
        *results.notes,
    )
