"""``imbench merge`` and ``imbench compare``: what can be done with several stores."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option
from imbench.cli.output import emit, emit_json, paragraph, table
from imbench.cli.selection import Choice, protocols_option, refuse_empty, selection_options
from imbench.cli.session import Verb

if TYPE_CHECKING:
    import pandas as pd

    from imbench.store.compare import Unpaired


@click.command(cls=Verb)
@click.argument("stores", nargs=-1, required=True, metavar="STORE...")
@click.option("--into", required=True, metavar="DIR", help="The joined store; made if need be, may be one of STORE.")
@click.option(
    "--prefer", multiple=True, metavar="STORE", help="Wins where numbers differ. Repeatable, the first one first."
)
@json_option
def merge(stores: tuple[str, ...], into: str, prefer: tuple[str, ...], as_json: bool) -> None:
    """Join the stores of several people into one.

    Each job that any STORE holds is held once. Where two hold other numbers of one job, nothing is merged unless
    --prefer says which wins.
    """
    from imbench.store.merge import merge as merge_stores

    merged = merge_stores(stores, into, prefer)
    if as_json:
        conflicts = [
            {"key": c.key, "job": c.job, "stores": [str(s) for s in c.stores], "difference": c.difference}
            for c in merged.conflicts
        ]
        counts = {name: getattr(merged, name) for name in ("jobs", "added", "replaced", "failed")}
        emit_json({"into": str(merged.into), **counts, "conflicts": conflicts})
        return
    emit(
        f"store {merged.into}: {merged.jobs} jobs done, {merged.added} of them new and {merged.replaced} replaced; "
        f"{merged.failed} failed"
    )
    for conflict in merged.conflicts:
        emit(paragraph(f"decided by --prefer: {conflict}"))


@click.command(cls=Verb)
@click.argument("a")
@click.argument("b")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Repeatable; default: gmean and bbs.")
@click.option("--rule", default="argmax", show_default=True, metavar="NAME", help="How decisions are made.")
@click.option("--alpha", default=0.05, show_default=True, metavar="A", help="Of the test, after Holm's correction.")
@selection_options
@protocols_option
@click.option("--all", "everything", is_flag=True, help="Name every job without a partner, not only their number.")
@json_option
def compare(
    a: str,
    b: str,
    metrics: tuple[str, ...],
    rule: str,
    alpha: float,
    everything: bool,
    as_json: bool,
    **chosen: tuple[str, ...],
) -> None:
    """Show what differs between the stores A and B beyond the noise of folds.

    Jobs about the same data, variant and strategy are paired, and their folds of the same rows; the test is Nadeau and
    Bengio's corrected resampled t-test with Holm's correction.
    """
    from imbench.runs.registry import Registry
    from imbench.scoring.rules import RULES
    from imbench.stats.names import HEADLINE
    from imbench.store.compare import compare as compare_rows
    from imbench.store.results import load

    registry, names = Registry(), [name.rpartition("/")[2] for name in metrics] or HEADLINE
    one, other = _chosen(
        (a, b), [registry.with_metrics(load(store), metrics).rows for store in (a, b)], Choice(**chosen)
    )
    needs = RULES[rule].needs if rule in RULES else ""
    found = compare_rows(one, other, names, rule, alpha)
    if as_json:
        emit_json(
            {
                "a": a,
                "b": b,
                "rule": rule,
                "alpha": alpha,
                "rows": found.table.to_dict("records"),
                "unpaired": [dataclasses.asdict(job) for job in found.unpaired],
            }
        )
        return
    emit(f"A is {a}, B is {b}; a difference is B - A\n")
    beyond = found.beyond_noise
    if len(beyond):
        headers = ["dataset", "variant", "strategy", "protocol", "metric", "folds", "A", "B", "difference", "p (Holm)"]
        emit(table(headers, [_written(dict(row)) for row in beyond.to_dict("records")], right=headers[5:]))
    pairs = len(found.table[["dataset", "variant", "strategy", "protocol"]].drop_duplicates())
    emit(
        paragraph(
            f"{len(beyond)} of {len(found.table)} comparisons ({pairs} pairs of jobs) differ beyond noise at "
            f"alpha = {alpha:g}"
        )
    )
    if needs and (found.table["folds"] == 0).any():
        emit(
            paragraph(f"{int((found.table['folds'] == 0).sum())} comparisons lack what the rule {rule} needs: {needs}")
        )
    for line in _not_paired(found.unpaired, everything):
        emit(paragraph(line))


def _chosen(stores: Sequence[str], rows: Sequence[pd.DataFrame], choice: Choice) -> list[pd.DataFrame]:
    """The rows of each store that were asked for: a name has to be in one of them."""
    import pandas as pd

    for store, frame in zip(stores, rows, strict=True):
        refuse_empty(store, frame)
    if choice.is_all:
        return list(rows)
    found = choice.of(pd.concat([frame.assign(_store=i) for i, frame in enumerate(rows)], ignore_index=True))
    return [found[found["_store"] == i].drop(columns="_store") for i in range(len(rows))]


def _not_paired(unpaired: Sequence[Unpaired], everything: bool) -> Iterator[str]:
    """How many jobs have no partner; each with its reason if all are asked for."""
    if everything:
        for job in unpaired:
            yield f"not paired: {job.store} {job.dataset} {job.variant}, {job.strategy}, {job.protocol}: {job.reason}"
    elif unpaired:
        counts = Counter(job.store for job in unpaired)
        of = " and ".join(f"{counts[store]} of {store}" for store in sorted(counts))
        jobs = "1 job is" if len(unpaired) == 1 else f"{len(unpaired):,} jobs are"
        yield f"{jobs} not paired ({of}); --all names them, --json as well"


def _written(row: dict[Any, Any]) -> list[str]:
    names = [row[name] for name in ("dataset", "variant", "strategy", "protocol", "metric", "folds")]
    means = [f"{row['mean_a']:.4f}", f"{row['mean_b']:.4f}", f"{row['difference']:+.4f}"]
    return [*map(str, names), *means, f"{row['p_holm']:.2g}"]
