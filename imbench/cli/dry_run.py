"""The plan of a run as a table: jobs to train, jobs already stored, and where the data is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbench.cli.columns import columns_json, columns_text, tables_of
from imbench.cli.output import emit, emit_json, table
from imbench.contract.names import counted

if TYPE_CHECKING:
    from imbench.runs.bench import Plan


def show_plan(plan: Plan, as_json: bool) -> None:
    """Print a plan that was made without fetching data."""
    places = _places(plan)
    read = tables_of(plan.cards.values())
    if as_json:
        columns = {"columns": {card.name: columns_json(card) for card in read}} if read else {}
        emit_json({**plan.to_json(), "data": places, **columns})
        return
    for card in read:
        emit(columns_text(card))
        emit("")
    rows = [_row(plan, spec, places) for spec in dict.fromkeys(job.variant.spec for job in plan.jobs)]
    headers = ["dataset", "to do", "stored", "nets", "steps", "data"]
    emit(table(headers, rows, right=headers[1:5]))
    emit("")
    todo = f"{len(plan.pending):,} of {counted(len(plan.jobs), 'job')} to do"
    emit(f"{todo}, {plan.work}")
    emit(f"protocol {plan.protocol.name}, store {plan.store}")
    for note in (*plan.notes, *_warnings(places)):
        emit(note)


def _warnings(places: dict[str, str]) -> list[str]:
    missing = [name for name, place in places.items() if place.startswith("unreachable")]
    return [f"unreachable at present, so a run would skip or replace them: {', '.join(missing)}"] if missing else []


def _row(plan: Plan, spec: str, places: dict[str, str]) -> list[object]:
    jobs = [job for job in plan.jobs if job.variant.spec == spec]
    pending = [job for job in jobs if job.key not in plan.done]
    nets, steps = sum(plan.size(job).nets for job in pending), sum(plan.size(job).steps for job in pending)
    return [spec, len(pending), len(jobs) - len(pending), f"{nets:,}", f"{steps:,}", places[jobs[0].variant.dataset]]


def _places(plan: Plan) -> dict[str, str]:
    """The place from which each dataset in the plan would be read; hosts are probed, nothing is downloaded."""
    from imbench.data.survey import survey

    places = {job.variant.dataset: "available" for job in plan.jobs}
    cards = {job.variant.dataset: plan.cards[job.variant.spec] for job in plan.jobs}
    missing = [cards[name] for name in plan.unfetched]
    for found in survey(missing, plan.request.sources):
        places[found.name] = f"{found.state}: {found.detail}"
    return places
