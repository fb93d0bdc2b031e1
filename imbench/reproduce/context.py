"""The context: the store that items are made from, and how what it lacks is trained."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import imbench
from imbench.contract.protocol import caveat, caveats
from imbench.data.data_sources import DataSources
from imbench.runs.protocols import load_protocol

if TYPE_CHECKING:
    from imbench import Results
    from imbench.runs.bench import Event

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
    store : the folder of results; what it holds is used, what it lacks is trained and kept there
    protocol : how nets are trained, with settings if any, such as ``paper:repeats=2``
    settings : protocol fields set by hand, as text
    data_mirror, jobs, device : as in `imbench.run`
    progress : called with every event of a run
    """

    store: Path
    protocol: str = "paper"
    settings: Mapping[str, str] = field(default_factory=dict)
    data_mirror: str | None = None
    jobs: int | None = None
    device: str = "cpu"
    progress: Callable[[Event], None] | None = None

    @cached_property
    def sources(self) -> DataSources:
        """Where data comes from, for items that read data without training on it."""
        return DataSources.open(self.data_mirror)

    def train(
        self,
        strategies: Sequence[str],
        *,
        suite: str | None = None,
        datasets: Sequence[str] = (),
        protocol: str | None = None,
        settings: Mapping[str, str] | None = None,
        plugins: Sequence[str] = (),
    ) -> Results:
        """Results of these strategies on these configurations, trained where the store lacks them.

        Parameters
        ----------
        strategies, datasets : specs
        suite : its configurations without data are left out, which the results' notes say
        protocol : in place of the context's own
        settings : besides the context's, and before them
        plugins : paths of Python files that define strategies

        Raises
        ------
        UsageError
            For anything unavailable, before any training.
        """
        return imbench.run(
            suite=suite,
            datasets=datasets,
            strategies=strategies,
            protocol=protocol or self.protocol,
            settings={**self.settings, **(settings or {})},
            store=self.store,
            data_mirror=self.data_mirror,
            plugins=plugins,
            jobs=self.jobs,
            device=self.device,
            progress=self.progress,
        )

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
        if self.device != "cpu":
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
