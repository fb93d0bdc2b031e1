"""``imbench merge`` and ``imbench compare``: join or compare stores."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, paragraph, table
from imbench.cli.selection import Choice, protocols_option, refuse_empty, selection_options
from imbench.cli.session import Session, Verb
from imbench.contract.names import counted

if TYPE_CHECKING:
    import pandas as pd

    from imbench.runs.registry import Registry
    from imbench.stats.board_changes import BoardChanges
    from imbench.store.compare import Unpaired


@click.command(cls=Verb)
@click.argument("stores", nargs=-1, required=True, metavar="STORE...")
@click.option(
    "--into",
    required=True,
    metavar="DIR",
    help="Store to merge into, created if missing; may be one of the stores to merge.",
)
@click.option(
    "--prefer",
    multiple=True,
    metavar="STORE",
    help="Store to use if stores disagree. Repeatable; the first one has priority.",
)
@json_option
def merge(stores: tuple[str, ...], into: str, prefer: tuple[str, ...], as_json: bool) -> None:
    """Merge several stores into one.

    Each job is kept once. If stores disagree on a job, merging stops unless --prefer picks one.
    """
    from imbench.store.merge import merge as merge_stores

    merged = merge_stores(stores, into, prefer)
    if as_json:
        conflicts = [
            {"key": c.key, "job": c.job, "stores": [str(s) for s in c.stores], "difference": c.difference}
            for c in merged.conflicts
        ]
        counts = {name: getattr(merged, name) for name in ("jobs", "added", "replaced", "failed")}
        left_out = [{**dataclasses.asdict(one), "store": str(one.store)} for one in merged.left_out]
        damaged = [{"store": str(path), "jobs": jobs} for path, jobs in merged.damaged]
        found = {"conflicts": conflicts, "left_out": left_out, "damaged": damaged}
        emit_json({"into": str(merged.into), **counts, **found})
        return
    emit(
        f"store {merged.into}: {counted(merged.jobs, 'job')} done ({merged.added} new, {merged.replaced} replaced), "
        f"{merged.failed} failed"
    )
    for conflict in merged.conflicts:
        emit(paragraph(f"resolved by --prefer: {conflict}"))
    for path, jobs in merged.damaged:
        emit(paragraph(f"{counted(jobs, 'job')} of {path} have damaged or missing files; run them again there"))
    for one in merged.left_out:
        missing = f", {one.missing} of them in no other store" if one.missing else ""
        emit(paragraph(f"left out by --prefer: {counted(one.jobs, 'job')} of {one.strategy} in {one.store}{missing}"))


@click.command(cls=Verb)
@click.argument("a")
@click.argument("b")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="Metric to compare. Repeatable; default: gmean and bbs."
)
@click.option(
    "--rule", default="argmax", show_default=True, metavar="NAME", help="Decision rule, as in `imbench list rules`."
)
@click.option(
    "--alpha", default=0.05, show_default=True, metavar="A", help="Significance level, after Holm's correction."
)
@selection_options
@protocols_option
@click.option("--protocol-a", metavar="NAME", help="Only results of A under this protocol.")
@click.option("--protocol-b", metavar="NAME", help="Only results of B under this protocol.")
@click.option("--boards", is_flag=True, help="Compare the boards of A and B instead of single jobs.")
@click.option("--all", "everything", is_flag=True, help="List all jobs without a counterpart instead of their number.")
@plugin_option
@json_option
@click.pass_obj
def compare(
    session: Session,
    /,
    a: str,
    b: str,
    metrics: tuple[str, ...],
    rule: str,
    alpha: float,
    protocol_a: str | None,
    protocol_b: str | None,
    boards: bool,
    everything: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Compare two stores, job by job or by their boards.

    Shows the scores that differ between the stores A and B by more than the noise of folds. Jobs with the same data,
    variant and strategy are paired, fold by fold. The test is Nadeau and Bengio's corrected resampled t-test with
    Holm's correction.

    With --boards, ranks the strategies of both over the configurations that both have, and shows Kendall's tau and the
    conclusions that differ. Use it for results of other splits, whose folds have no rows in common. A and B can be the
    same store with two protocols: --protocol-a and --protocol-b.
    """
    from imbench.scoring.rules import RULES
    from imbench.stats.board_changes import board_changes
    from imbench.stats.names import HEADLINE
    from imbench.store.compare import compare as compare_rows
    from imbench.store.results import load
    from imbench.store.selection import select

    registry, names = session.registry, [name.rpartition("/")[2] for name in metrics] or HEADLINE
    results = [registry.with_metrics(load(store), metrics) for store in (a, b)]
    one, other = _chosen((a, b), [of_store.rows for of_store in results], Choice(**chosen), registry)
    one, other = (
        rows if protocol is None else select(rows, protocols=[protocol])
        for rows, protocol in ((one, protocol_a), (other, protocol_b))
    )
    if boards:
        _compare_boards(
            (a, b), (one, other), board_changes(one, other, names, rule, alpha, results[0].metrics), as_json
        )
        return
    needs = RULES[rule].needs if rule in RULES else ""
    found = compare_rows(one, other, names, rule, alpha, results[0].metrics)
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
            f"{len(beyond)} of {counted(len(found.table), 'comparison')} ({counted(pairs, 'pair')} of jobs) "
            f"{'differs' if len(beyond) == 1 else 'differ'} beyond noise at alpha = {alpha:g}"
        )
    )
    if needs and (lacking := int((found.table["folds"] == 0).sum())):
        emit(paragraph(f"no data for decision rule {rule} in {counted(lacking, 'comparison')}: it needs {needs}"))
    for line in _not_paired(found.unpaired, everything):
        emit(paragraph(line))


def _compare_boards(
    stores: tuple[str, str], rows: tuple[pd.DataFrame, pd.DataFrame], found: Sequence[BoardChanges], as_json: bool
) -> None:
    """Print the boards of both stores side by side, and the conclusions that differ."""
    if as_json:
        emit_json({"a": stores[0], "b": stores[1], "boards": [_changes_json(one) for one in found]})
        return
    (a, b), protocols = stores, [frame["protocol"].iloc[0] for frame in rows]
    emit(f"A is {a} ({protocols[0]}), B is {b} ({protocols[1]})\n")
    for one in found:
        headers = ["strategy", "place A", "place B", "rank A", "rank B", "mean A", "mean B"]
        values = [
            [name, *map(str, places), *(f"{rank:.2f}" for rank in ranks), *(f"{mean:.4f}" for mean in means)]
            for name, *numbers in one.table.itertuples(index=False, name=None)
            for places, ranks, means in [(numbers[:2], numbers[2:4], numbers[4:])]
        ]
        emit(table(headers, values, title=one.a.title, right=headers[1:]))
        count = counted(len(one.changes), "conclusion")
        emit(paragraph(f"over {one.a.over}; Kendall's tau {one.tau:.2f}; {count} of {one.pairs} changed"))
        for change in one.changes:
            emit(paragraph(f"{change.first} and {change.second}: {change.a} in A, {change.b} in B"))
        emit("")


def _changes_json(one: BoardChanges) -> dict[str, Any]:
    return {
        "task": one.a.task,
        "metric": one.a.metric.name,
        "rule": one.a.rule,
        "protocol_a": one.a.protocol,
        "protocol_b": one.b.protocol,
        "configurations": [[c.dataset, c.variant] for c in one.a.configurations],
        "tau": None if math.isnan(one.tau) else one.tau,
        "pairs": one.pairs,
        "rows": one.table.to_dict("records"),
        "changes": [dataclasses.asdict(change) for change in one.changes],
    }


def _chosen(
    stores: Sequence[str], rows: Sequence[pd.DataFrame], choice: Choice, registry: Registry
) -> list[pd.DataFrame]:
    """The selected rows of each store; a selected name must be in at least one store."""
    import pandas as pd

    for store, frame in zip(stores, rows, strict=True):
        refuse_empty(store, frame)
    if choice.is_all:
        return list(rows)
    together = pd.concat([frame.assign(_store=i) for i, frame in enumerate(rows)], ignore_index=True)
    found = choice.of(together, registry)
    return [found[found["_store"] == i].drop(columns="_store") for i in range(len(rows))]


def _not_paired(unpaired: Sequence[Unpaired], everything: bool) -> Iterator[str]:
    """The number of jobs without a counterpart; with ``everything`` each job and the reason."""
    if everything:
        for job in unpaired:
            yield f"not paired: {job.store} {job.dataset} {job.variant}, {job.strategy}, {job.protocol}: {job.reason}"
    elif unpaired:
        counts = Counter(job.store for job in unpaired)
        of = " and ".join(f"{counts[store]} of {store}" for store in sorted(counts))
        yield f"{counted(len(unpaired), 'job')} not paired ({of}); --all or --json lists them"


def _written(row: dict[Any, Any]) -> list[str]:
    names = [row[name] for name in ("dataset", "variant", "strategy", "protocol", "metric", "folds")]
    means = [f"{row['mean_a']:.4f}", f"{row['mean_b']:.4f}", f"{row['difference']:+.4f}"]
    return [*map(str, names), *means, f"{row['p_holm']:.2g}"]
