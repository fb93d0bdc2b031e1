"""``imbench merge`` and ``imbench compare``: what can be done with several stores."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from imbench.cli.options import json_option
from imbench.cli.output import emit, emit_json, paragraph, table
from imbench.cli.session import Verb


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
    from imbench.study.merge import merge as merge_stores

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
@json_option
def compare(a: str, b: str, metrics: tuple[str, ...], rule: str, alpha: float, as_json: bool) -> None:
    """Show what differs between the stores A and B beyond the noise of folds.

    Jobs about the same data, variant and strategy are paired, and their folds of the same rows; the test is Nadeau and
    Bengio's corrected resampled t-test with Holm's correction.
    """
    from imbench.registry import Registry
    from imbench.study.compare import compare as compare_rows
    from imbench.study.competitors import HEADLINE
    from imbench.study.results import load
    from imbench.study.rules import RULES

    registry, names = Registry(), [name.rpartition("/")[2] for name in metrics] or HEADLINE
    one, other = (registry.with_metrics(load(store), metrics) for store in (a, b))
    needs = RULES[rule].needs if rule in RULES else ""
    found = compare_rows(one.rows, other.rows, names, rule, alpha)
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
    for job in found.unpaired:
        emit(
            paragraph(
                f"not paired: {job.store} {job.dataset} {job.variant}, {job.strategy}, {job.protocol}: {job.reason}"
            )
        )


def _written(row: dict[Any, Any]) -> list[str]:
    names = [row[name] for name in ("dataset", "variant", "strategy", "protocol", "metric", "folds")]
    means = [f"{row['mean_a']:.4f}", f"{row['mean_b']:.4f}", f"{row['difference']:+.4f}"]
    return [*map(str, names), *means, f"{row['p_holm']:.2g}"]
