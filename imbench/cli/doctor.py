"""``imbench doctor``: check this machine and installation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from imbench.cli.options import (
    device_option,
    json_option,
    mirror_option,
    plugin_option,
    store_option,
)
from imbench.cli.output import emit, emit_json, paragraph, table
from imbench.cli.session import Session, Verb
from imbench.contract.names import counted


@click.command(cls=Verb)
@store_option
@mirror_option
@device_option
@plugin_option
@json_option
@click.pass_obj
def doctor(session: Session, /, store: str, data_mirror: str | None, device: str, as_json: bool) -> int:
    """Check the installation and this machine; exits 1 if runs would fail.

    A failed check would make runs fail; a note is about something that changes speed or the last digits of scores.
    Both come with a fix. Nothing is downloaded or trained.

    \b
    imbench doctor
    imbench doctor --device cuda --store my-store
    """
    from imbench.runs.doctor import FAILED, NOTE, OK, Setup, examine

    findings = examine(Setup(Path(store), data_mirror, device, session.registry))
    failed, notes = ([name for name, f in findings.items() if f.state == state] for state in (FAILED, NOTE))
    code = 1 if failed else 0
    if as_json:
        checks = [{"check": name, **dataclasses.asdict(f), "state": f.state.lower()} for name, f in findings.items()]
        emit_json({"ok": not failed, "checks": checks})
        return code
    emit(
        table(
            ["check", "", "found"], [[name, f.state, f.found if f.state == OK else ""] for name, f in findings.items()]
        )
    )
    for name in (*failed, *notes):
        finding = findings[name]
        fix = f"; {finding.fix}" if finding.fix else ""
        emit("\n" + paragraph(f"{finding.state}: {name}: {finding.found}{fix}"))
    emit("\n" + (f"{counted(len(failed), 'check')} failed" if failed else "runs work here"))
    return code
