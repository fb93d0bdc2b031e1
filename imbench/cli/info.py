"""``imbench info NAME``: describe a strategy, reference, dataset, suite, metric, source, protocol or decision rule."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from imbench.cli.columns import columns_text
from imbench.cli.options import json_option, plugin_option
from imbench.cli.output import emit, emit_json, table
from imbench.cli.session import Session, Verb
from imbench.cli.table_options import TableOptions, table_options
from imbench.contract.errors import UsageError
from imbench.contract.names import suggest

if TYPE_CHECKING:
    from imbench.contract.search_space import SearchSpace
    from imbench.runs.registry import Registry

Facts = dict[str, Any]

_LISTS = "run imbench list KIND for all strategies, references, datasets, suites, metrics, sources, protocols or rules"


@click.command(cls=Verb)
@click.argument("name", required=False)
@table_options()
@plugin_option
@json_option
@click.pass_obj
def info(session: Session, /, name: str | None, reading: TableOptions, as_json: bool) -> None:
    """Describe a strategy, dataset, suite, metric or protocol.

    NAME can also be a reference, a data source or a decision rule, and a spec with parameters.

    \b
    imbench info remix:alpha=0.3
    imbench info segment:ir=0.05
    imbench info paper
    imbench info my_table.csv --target churn
    """
    if name is None or reading.data is not None:
        (name,) = _one_name(name, reading)
    elif reading:
        name = reading.spec(name)
    registry = session.registry
    kinds = _kinds_of(registry, name)
    described = [{"kind": kind, **_DESCRIBE[kind](registry, name)} for kind in kinds]
    if as_json:
        emit_json(described[0] if len(described) == 1 else described)
        return
    for facts in described:
        about, columns = facts.pop("about", ""), facts.pop("columns", None)
        rows = [[key.replace("_", " "), _written(value)] for key, value in facts.items()]
        emit(table(["", ""], rows).lstrip("\n"))
        if columns:
            emit("\n" + columns_text(registry.card(name)))
        if about:
            emit(f"\n{about}")


def _one_name(name: str | None, reading: TableOptions) -> tuple[str, ...]:
    """The table of ``--data``, which takes the place of a name."""
    if name is not None:
        raise UsageError(f"{name} and --data {reading.data} are two names; run imbench info for each")
    found = reading.added_to(())
    if not found:
        raise UsageError("the name is missing; write for example imbench info remix, or --data FILE --target COLUMN")
    return found


def _kinds_of(registry: Registry, name: str) -> list[str]:
    """The kinds that have an entry of this name; `UsageError` with similar names if none has."""
    from imbench.contract.spec import is_own_data, parse_spec
    from imbench.runs.protocols import protocol_names
    from imbench.runs.registry import GROUPS
    from imbench.scoring.rules import RULES

    base, _ = parse_spec(name)
    if is_own_data(base):
        return ["dataset"]
    names = {kind: {e.name for e in registry.entries(kind)} for kind in GROUPS if kind != "source"}
    names |= {"protocol": set(protocol_names()), "rule": set(RULES)}
    kinds = [kind for kind, known in names.items() if base.rpartition("/")[2] in known]
    if not kinds:
        # Last, because the table of sources imports pandas.
        names["source"] = {e.name for e in registry.entries("source")}
        kinds = ["source"] if base.rpartition("/")[2] in names["source"] else []
    if not kinds and (reason := registry.no_table(base)):
        raise UsageError(reason)
    if not kinds:
        raise UsageError(f"unknown name {base!r}; {suggest(base, sorted(set().union(*names.values())), _LISTS)}")
    return kinds


def _strategy(registry: Registry, spec: str) -> Facts:
    from imbench.contract.spec import parse_spec

    selected = registry.select(spec)
    strategy = selected.strategy
    entry = registry.find("strategy", parse_spec(spec)[0])
    return {
        "name": selected.spec,
        "version": strategy.version,
        "package": f"{entry.package} {entry.version}".strip(),
        "object": entry.value,
        "parameters": strategy.params,
        "search_space": _space(strategy.search_space, strategy.params),
        "modalities": list(strategy.modalities),
        **({"scheduled": "trains all epochs"} if strategy.scheduled else {}),
        "exemptions": dict(strategy.exemptions),
        "about": inspect.getdoc(type(strategy)) or "",
    }


def _reference(registry: Registry, spec: str) -> Facts:
    from imbench.contract.reference import source_of
    from imbench.contract.spec import parse_spec

    reference = registry.reference(spec)
    entry = registry.find("reference", parse_spec(spec)[0])
    return {
        "name": reference.spec,
        "version": reference.version,
        "package": f"{entry.package} {entry.version}".strip(),
        "object": entry.value,
        "parameters": reference.defaults | dict(reference.params),
        "search_space": _space(reference.search_space, reference.defaults),
        "modalities": list(reference.modalities),
        "about": inspect.getdoc(source_of(reference.factory)) or "",
    }


def _space(space: SearchSpace, defaults: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parameters that ``imbench run --tune`` varies."""
    return {
        name: {"distribution": one.text, "default": defaults[name], "source": one.source} for name, one in space.items()
    }


def _dataset(registry: Registry, spec: str) -> Facts:
    from imbench.data.variants import class_names, expected_counts, task_of

    card = registry.card(spec)
    variant = registry.variant(spec)
    names = class_names(tuple(card.class_counts), variant.task, task_of(card, variant.task).minority)
    # Merged classes may share the name of the class that is kept.
    labels = names if len(set(names)) == len(names) else [f"{name} (class {j})" for j, name in enumerate(names)]
    return {
        "name": card.name,
        "title": card.title,
        "modality": card.modality,
        "rows": card.rows,
        "features": card.features,
        "missing": card.missing,
        **({"reading": card.reading, "inputs": card.inputs} if card.columns else {}),
        **({"constant_columns": list(card.constant)} if card.constant else {}),
        "target": card.target,
        "class_counts": dict(card.class_counts),
        "test_per_class": card.test_per_class,
        "tasks": {
            t.name: {"minority": list(t.minority), "irs": list(t.irs)} | ({"longtail": True} if t.longtail else {})
            for t in card.tasks
        },
        "variant": variant.spec,
        "variant_counts": dict(zip(labels, expected_counts(card, variant), strict=True)),
        "sources": [s.kind for s in card.sources],
        "content": card.content,
        **({"family": card.family} if card.family else {}),
        "licence": card.licence,
        "citation": card.citation,
        "notes": list(card.notes),
        **({"columns": [column.to_json() for column in card.columns]} if card.columns else {}),
    }


def _suite(registry: Registry, name: str) -> Facts:
    from imbench.runs.protocols import DEFAULT_PROTOCOL

    suite = registry.suite(name)
    return {
        "name": suite.name,
        "title": suite.title,
        "protocol": suite.protocol or DEFAULT_PROTOCOL,
        "configurations": [
            f"{e.spec} (or {e.fallback} if unavailable)" if e.fallback else e.spec for e in suite.entries
        ],
    }


def _metric(registry: Registry, name: str) -> Facts:
    metric = registry.metric(name)
    return {
        "name": metric.name,
        "title": metric.title,
        "version": metric.version,
        "better": metric.better,
        "definition": metric.definition,
    }


def _source(registry: Registry, name: str) -> Facts:
    entry, kind = registry.find("source", name), registry.source(name)
    fields = {key: f"{of.__name__}{', required' if required else ''}" for key, (of, required) in kind.fields.items()}
    return {"name": kind.name, "package": f"{entry.package} {entry.version}".strip(), "fields": fields}


def _protocol(registry: Registry, spec: str) -> Facts:
    from imbench.contract.search_space import SHARED_SPACE
    from imbench.runs.protocols import load_protocol

    protocol = load_protocol(spec)
    fields = protocol.identity()
    defaults = {name: getattr(protocol, name) for name in SHARED_SPACE}
    return {
        "name": protocol.name,
        **fields,
        "exceptions": dict(protocol.exceptions),
        "search_space": _space(SHARED_SPACE, defaults),
    }


def _rule(registry: Registry, name: str) -> Facts:
    from imbench.scoring.rules import RULES

    rule = RULES[name]
    needs = {"needs": rule.needs} if rule.needs else {}
    return {"name": rule.name, "title": rule.title, "definition": rule.definition} | needs


_DESCRIBE: dict[str, Callable[[Registry, str], Facts]] = {
    "strategy": _strategy,
    "reference": _reference,
    "dataset": _dataset,
    "suite": _suite,
    "metric": _metric,
    "source": _source,
    "protocol": _protocol,
    "rule": _rule,
}


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_inline(part)}" for key, part in value.items()) or "none"
    if isinstance(value, list):
        return "\n".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_inline(part)}" for key, part in value.items())
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
