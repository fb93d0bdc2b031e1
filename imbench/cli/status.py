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
    from imbench.store.look import Look

    path, registry = store_of(context, folder, store), session.registry
    # What is imported below takes as long as a look at the files of 50,000 jobs.
    look = None if check else Look(path)
    from imbench.scoring.columns import ORIGIN
    from imbench.stats.references import is_reference
    from imbench.store.blocks import LABELS
    from imbench.store.completeness import completeness
    from imbench.store.results import damage_notes
    from imbench.store.source_marks import retrain_notes
    from imbench.store.store import Store

    choice, opened = Choice(**chosen), Store.open(path)
    if check:
        opened.check()
    suites = registry.known_suites()
    contents = opened.contents(look)
    # A row for each job says as much here as one for each fold. Keys, the only text that differs in all jobs, take as
    # long as the rest.
    labels = [name for name in LABELS if name not in ORIGIN and (name != "key" or not choice.is_all)]
    jobs = choice.of(contents.jobs(columns=labels), registry)
    finished = jobs["error"] == ""
    failures = jobs.loc[~finished, list(_JOB)]
    status = contents.status()
    trials = int((jobs["trial"].notna() & finished).sum())
    counts = status if choice.is_all else dataclasses.replace(status, done=int(finished.sum()), failed=len(failures))
    retrains = opened.failed_retrains(None if choice.is_all else set(jobs["key"]))
    notes = list(completeness(jobs, suites) if len(jobs) else ())
    notes += [*retrain_notes(retrains), *damage_notes(contents)]
    if as_json:
        kept = [{name: getattr(one, name) for name in _JOB} for one in retrains]
        described = {"store": path, **dataclasses.asdict(counts), "trials": trials, "notes": notes}
        emit_json({**described, "failures": failures.to_dict("records"), "retrain": kept})
        return
    references = int(is_reference(jobs[finished]).sum())
    emit(_counts(path, counts, references, trials, chosen=not choice.is_all))
    for note in notes:
        emit(paragraph(note))
    _emit_errors(failures.itertuples(index=False, name=None))
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
