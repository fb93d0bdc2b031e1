"""The workshop: the store that exhibits are made from, and how what it lacks is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from imbench import bench

if TYPE_CHECKING:
    from imbench.study.results import Results

# The strategies of the paper's Table 2, in its order, and those it adds for images in Figure 6.
TABULAR = ("baseline", "cost-adjusted", "batch-smote", "mixup", "remix")
IMAGE = (*TABULAR, "augment", "remix-aug")


@dataclass(frozen=True)
class Workshop:
    """What every exhibit is made from.

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
    progress: Callable[[bench.Event], None] | None = None

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
        protocol : in place of the workshop's own
        settings : besides the workshop's, and before them
        plugins : paths of Python files that define strategies

        Raises
        ------
        UsageError
            For what cannot be had, before any training.
        """
        return bench.run(
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
    def is_smoke(self) -> bool:
        """Whether this only shows that everything runs: exhibits keep their own work to seconds then."""
        return self.protocol.partition(":")[0] == "smoke"

    def train_images(self, strategies: Sequence[str]) -> Results:
        """Results on images: the paper's on a GPU; elsewhere the small suite, under its own protocol but for smoke."""
        small = self.device == "cpu"
        return self.train(
            strategies,
            suite="image-small" if small else "image",
            protocol=SMALL_IMAGES if small and not self.is_smoke else None,
        )


def basis_of(results: Results) -> tuple[str, ...]:
    """What a reader must know of these results: protocol, coverage, what was left out, jobs that failed."""
    protocols = ", ".join(sorted(set(results.rows["protocol"])))
    failed = len(results.failures())
    return (
        f"Protocol {protocols}; {results.rows['key'].nunique() - failed} jobs"
        + (f", and {failed} that failed" if failed else ""),
        *results.notes,
    )


# What suites/image-small.toml states.
SMALL_IMAGES = "standard:epochs=30,repeats=1"
