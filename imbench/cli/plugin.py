"""``imbench plugin``: check a strategy, or create a package for a new one."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, paragraph, width
from imbench.cli.session import Session, Verbs
from imbench.contract.names import counted

if TYPE_CHECKING:
    from imbench.checks import CheckResult, Cost
    from imbench.contract.strategy import BatchStrategy
    from imbench.runs.registry import Registry

_MARKS = {"passed": "ok", "failed": "FAILED", "exempt": "exempt", "not judged": "?"}


@click.group(cls=Verbs)
def plugin() -> None:
    """Check a strategy or create a new one."""


@plugin.command
@click.argument("target", metavar="NAME|SPEC|FILE")
@plugin_option
@json_option
@click.pass_obj
def check(session: Session, /, target: str, as_json: bool) -> int:
    """Run the conformance checks; exits 1 on failure.

    NAME or SPEC is an installed strategy. In a Python FILE, all strategies are checked.

    \b
    imbench plugin check remix:alpha=0.3
    imbench plugin check my_strategy.py
    """
    from imbench.checks import check_strategy

    if target.endswith(".py"):
        session.plugins += (target,)
    strategies = _strategies(target, session.registry)
    checked = [(strategy, check_strategy(strategy), _cost(strategy)) for strategy in strategies]
    if as_json:
        emit_json([_as_json(*one) for one in checked])
    else:
        emit("\n\n".join(_as_text(*one) for one in checked))
    return 0 if all(result.ok for _, results, _ in checked for result in results) else 1


@plugin.command
@click.argument("name")
@click.option("--to", default=".", metavar="DIR", help="Parent folder of the new package; default: the current folder.")
def new(name: str, to: str) -> None:
    """Create a package for a new strategy.

    The package contains a working example that passes the conformance checks. NAME is the name of the strategy, such as
    my-strategy; the package is then called imbench-my-strategy.

    \b
    imbench plugin new my-strategy
    imbench plugin new my-strategy --to ~/code
    """
    from imbench.cli.new_plugin import write_plugin

    folder = write_plugin(name, Path(to))
    file = f"src/{folder.name.replace('-', '_')}/strategy.py"
    emit(
        f"""{folder}

Next, in that folder:
  pip install -e ".[test]"
      installs the package; `imbench list strategies` then shows the strategy
  python -m pytest
      runs the conformance checks
  {file}
      contains the strategy: edit the parts marked CHANGE, starting with the docstring
  imbench run --suite tabular --protocol smoke --strategy {name} --strategy baseline
      trains it on a whole suite as a quick test"""
    )


def _strategies(target: str, registry: Registry) -> list[BatchStrategy]:
    """The strategy of a spec, or those that a plugin file defines."""
    if not target.endswith(".py"):
        return [registry.strategy(target)]
    return [registry.strategy(f"{e.package}/{e.name}") for e in registry.entries("strategy") if e.package == target]


def _cost(strategy: BatchStrategy) -> Cost | str:
    from imbench.checks import measure_cost

    try:
        return measure_cost(strategy)
    except (Exception, SystemExit) as error:  # third-party code; the checks report what is wrong with it
        return f"not measured: {type(error).__name__}: {error}"


def _as_text(strategy: BatchStrategy, results: Sequence[CheckResult], cost: Cost | str) -> str:
    failed, exempt = (sum(r.outcome == outcome for r in results) for outcome in ("failed", "exempt"))
    passed = sum(r.outcome == "passed" for r in results)
    counts = f"{passed} of {counted(len(results), 'check')} passed, {failed} failed, {exempt} exempt"
    return "\n".join([strategy.spec, *map(_line, results), paragraph(f"cost: {cost}"), paragraph(counts)])


def _line(result: CheckResult) -> str:
    """Outcome, check and detail; only the details of passed checks are cut to the width of the terminal."""
    longest = max(map(len, _MARKS.values()))
    head = f"{_MARKS[result.outcome]:<{longest}} {result.name:<27} "
    text, room = f"{head}{result.detail}", width()
    if result.outcome == "passed" or len(text) <= room:
        return text if len(text) <= room else f"{text[: room - 1].rstrip()}…"
    return "\n".join([head.rstrip(), textwrap.indent(textwrap.fill(result.detail, room - 4), " " * 4)])


def _as_json(strategy: BatchStrategy, results: Sequence[CheckResult], cost: Cost | str) -> dict[str, Any]:
    measured = {"error": cost} if isinstance(cost, str) else cost.to_json()
    return {
        "strategy": strategy.spec,
        "ok": all(result.ok for result in results),
        "properties": [
            {
                "property": r.name,
                "asks": r.sentence,
                "outcome": r.outcome,
                "detail": r.detail,
                "obsolete_exemption": r.obsolete,
            }
            for r in results
        ],
        "cost_us": measured,
    }
