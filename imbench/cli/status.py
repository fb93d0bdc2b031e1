"""``imbench status``: summarize a store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, plugin_option, store_of, store_option
from imbench.cli.output import emit, emit_json, last_line, paragraph, table
from imbench.cli.selection import Choice, protocols_option, selection_options
from imbench.cli.session import Session, Verb
from imbench.contract.names import counted

if TYPE_CHECKING:
    from imbench.store.contents import Status

_JOB = ("dataset", "variant", "strategy", "protocol", "error")


@click.command(cls=Verb)
@click.argument("folder", metavar="[STORE]", required=False)
@store_option
@selection_options
@protocols_option
@plugin_option
@click.option("--check", is_flag=True, help="Read every file and verify its checksums; damaged ones are set aside.")
@json_option
@click.pass_obj
@click.pass_context
def status(
    context: click.Context,
    session: Session,
    /,
    folder: str | None,
    store: str,
    check: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Summarize a store.

    Shows the number of jobs, the suites they cover, failed jobs with the reason, jobs whose retraining failed, and jobs
    with damaged files. Damaged files are moved to the folder quarantine of the store; the next run trains their jobs
    again.
    """
    from imbench.scoring.columns import ORIGIN
    from imbench.stats.references import is_reference
    from imbench.store.blocks import LABELS
    from imbench.store.completeness import completeness
    from imbench.store.results import Results, damage_notes
    from imbench.store.source_marks import retrain_notes
    from imbench.store.store import Store

    path, registry = store_of(context, folder, store), session.registry
    choice, opened = Choice(**chosen), Store.open(path)
    if check:
        opened.check()
    contents = opened.contents()
    # A row for each job says as much here as one for each fold.
    jobs = contents.jobs(columns=[name for name in LABELS if name not in ORIGIN])
    results = Results(choice.of(jobs, registry), opened.path)
    status = contents.status()
    done = results.rows.loc[results.rows["error"] == "", "key"].nunique()
    trials = int((results.rows["trial"].notna() & (results.rows["error"] == "")).sum())
    counts = status if choice.is_all else dataclasses.replace(status, done=done, failed=len(results.failures()))
    retrains = opened.failed_retrains(set(results.rows["key"]))
    notes = list(completeness(results.rows, registry.known_suites()) if len(results.rows) else ())
    notes += [*retrain_notes(retrains), *damage_notes(contents)]
    if as_json:
        failures = results.failures().to_dict("records")
        kept = [{name: getattr(one, name) for name in _JOB} for one in retrains]
        described = {"store": path, **dataclasses.asdict(counts), "trials": trials, "notes": notes}
        emit_json({**described, "failures": failures, "retrain": kept})
        return
    done_rows = results.rows[results.rows["error"] == ""]
    references = int(done_rows.loc[is_reference(done_rows), "key"].nunique())
    emit(_counts(path, counts, references, trials, chosen=not choice.is_all))
    for note in notes:
        emit(paragraph(note))
    _emit_errors(results.failures().itertuples(index=False, name=None))
    _emit_errors([getattr(one, name) for name in _JOB] for one in retrains)


def _counts(path: str, counts: Status, references: int, trials: int, *, chosen: bool) -> str:
    if not (counts.done or counts.failed or counts.quarantined):
        return f"store {path} is empty"
    size = "" if chosen else f", {counts.bytes / 1e6:.1f} MB"
    kinds = f" ({counts.done - references:,} of strategies and {references:,} of references)" if references else ""
    of = ", selected results:" if chosen else ":"
    tuned = f" ({trials:,} of them trials of --tune)" if trials else ""
    return f"store {path}{of} {counted(counts.done, 'job')} done{kinds}{tuned}, {counts.failed} failed{size}"


def _emit_errors(jobs: Iterable[Sequence[str]]) -> None:
    rows = [[*job[:-1], last_line(job[-1])] for job in jobs]
    if rows:
        emit("\n" + table(_JOB, rows))
