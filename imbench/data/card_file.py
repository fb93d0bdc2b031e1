"""Read a card from its TOML file, and validate each field."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imbench.contract.errors import DataError, UsageError
from imbench.contract.modality import MODALITIES, TABULAR
from imbench.contract.names import counted, suggest
from imbench.contract.reading import read_toml
from imbench.contract.records import TASKS, Card, Pixels, Source, Task
from imbench.data.sources.kinds import kind_names, source_kind
from imbench.data.sources.mirror import MIRROR_FIELDS, check_mirror
from imbench.data.sources.source_kind import Field, check_fields
from imbench.data.split_columns import SPLIT_COLUMNS

_CARD: Mapping[str, Field] = {
    "title": (str, True),
    "modality": (str, False),
    "target": (str, True),
    "rows": (int, True),
    "features": (int, True),
    "missing": (int, False),
    "content": (str, False),
    "decimals": (int, False),
    "categorical": (list, False),
    "family": (str, False),
    "licence": (str, False),
    "citation": (str, False),
    "notes": (list, False),
    "class_counts": (dict, True),
    "task": (list, True),
    "source": (list, False),
    "pixels": (dict, False),
    "test_per_class": (int, False),
    "group": (str, False),
    "time": (str, False),
}
_TASK: Mapping[str, Field] = {
    "name": (str, True),
    "minority": (list, False),
    "irs": (list, False),
    "longtail": (bool, False),
}
_PIXELS: Mapping[str, Field] = {
    "height": (int, True),
    "width": (int, True),
    "brightest": (int, False),
    "enlarge": (int, False),
}


def read_card(path: Path, name: str) -> Card:
    """Read a card; ``name`` is its name in specs.

    Raises `DataError`, naming file, field and fix, for a file that is not TOML, a missing or unknown field, a field of
    the wrong type, class counts that do not sum to the number of rows, and a minority that is not a class.
    """
    fields = read_toml(path, f"the card {path}", DataError)
    where = f"card {path.name}"
    check_fields(fields, _CARD, where)
    counts = _class_counts(fields, where)
    modality = fields.get("modality", TABULAR.name)
    if modality not in MODALITIES:
        raise DataError(f"{where}: modality must be one of {', '.join(MODALITIES)}, got {modality!r}")
    _check_split_columns(fields, modality, where)
    return Card(
        name=name,
        title=fields["title"],
        modality=modality,
        target=fields["target"],
        rows=fields["rows"],
        features=fields["features"],
        missing=fields.get("missing", -1),
        class_counts=counts,
        tasks=_tasks(fields["task"], counts, where),
        sources=tuple(_source(s, path, f"{where}, source {i}") for i, s in enumerate(fields.get("source", []), 1)),
        content=_content(fields, where),
        categorical=_texts(fields, "categorical", where),
        licence=fields.get("licence", ""),
        citation=fields.get("citation", ""),
        notes=_texts(fields, "notes", where),
        family=fields.get("family", ""),
        pixels=_pixels(fields, where),
        test_per_class=_test_per_class(fields, counts, where),
        group=fields.get("group", ""),
        time=fields.get("time", ""),
    )


def _check_split_columns(fields: Mapping[str, Any], modality: str, where: str) -> None:
    for role in SPLIT_COLUMNS:
        if role in fields and (modality != TABULAR.name or "pixels" in fields):
            raise DataError(f"{where}: {role} is for tables, and the rows of this card are images; remove it")
        if fields.get(role) in ("", fields["target"], *fields.get("categorical", [])):
            raise DataError(
                f"{where}: {role} must name a column that is neither the target nor categorical, got {fields[role]!r}"
            )


def _texts(fields: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = fields.get(key, [])
    wrong = [v for v in values if not isinstance(v, str)]
    if wrong:
        raise DataError(f"{where}: {key} must be a list of text, but contains {wrong[0]!r}; put it in quotes")
    return tuple(values)


def _class_counts(fields: Mapping[str, Any], where: str) -> dict[str, int]:
    counts: dict[str, int] = fields["class_counts"]
    for label, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise DataError(f"{where}: class_counts.{label} must be a positive whole number, got {count!r}")
    if len(counts) < 2:
        raise DataError(
            f"{where}: class_counts lists {counted(len(counts), 'class', 'classes')}; a task needs at least two"
        )
    for key in ("rows", "features"):
        if fields[key] < 1:
            raise DataError(f"{where}: {key} must be positive, got {fields[key]}")
    if sum(counts.values()) != fields["rows"]:
        raise DataError(
            f"{where}: class_counts sum to {sum(counts.values())}, but rows is {fields['rows']}; correct one of them"
        )
    return counts


def _tasks(tables: list[Any], counts: Mapping[str, int], where: str) -> tuple[Task, ...]:
    tasks: list[Task] = []
    for number, fields in enumerate(tables, 1):
        here = f"{where}, task {number}"
        check_fields(fields, _TASK, here)
        if fields["name"] not in TASKS or fields["name"] in [t.name for t in tasks]:
            raise DataError(f"{here}: name must be one of {', '.join(TASKS)}, each once, got {fields['name']!r}")
        longtail = fields.get("longtail", False)
        minority = tuple(counts)[1:] if longtail else _minority(fields, counts, here)
        if longtail and (fields["name"] == TASKS[0] or "minority" in fields):
            raise DataError(f"{here}: longtail requires name = {TASKS[1]!r} and no minority; change one of them")
        tasks.append(Task(fields["name"], minority, _irs(fields, here), longtail))
    if not tasks:
        raise DataError(f"{where} has no task; add a [[task]] with name and minority")
    return tuple(sorted(tasks, key=lambda t: TASKS.index(t.name)))


def _minority(fields: Mapping[str, Any], counts: Mapping[str, int], where: str) -> tuple[str, ...]:
    if "minority" not in fields:
        raise DataError(f"{where} lacks the field 'minority'; add a list of classes, or longtail = true")
    minority = _texts(fields, "minority", where)
    for label in minority:
        if label not in counts:
            raise DataError(f"{where}: minority {label!r} is not among the class_counts; {suggest(label, counts)}")
    most = 1 if fields["name"] == "binary" else len(counts) - 1
    if not 1 <= len(set(minority)) == len(minority) <= most:
        wanted = "exactly one class" if most == 1 else f"1 to {most} classes, each once"
        raise DataError(f"{where}: minority must name {wanted}, got {list(minority)}")
    return minority


def _irs(fields: Mapping[str, Any], where: str) -> tuple[float, ...]:
    irs = fields.get("irs", [])
    wrong = [ir for ir in irs if not isinstance(ir, float) or not 0 < ir < 1]
    if wrong:
        raise DataError(f"{where}: irs must lie between 0 and 1 (minority / majority), got {wrong[0]!r}")
    return tuple(irs)


def _pixels(fields: Mapping[str, Any], where: str) -> Pixels | None:
    if "pixels" not in fields:
        return None
    check_fields(fields["pixels"], _PIXELS, f"{where}, pixels")
    return Pixels(**fields["pixels"])


def _test_per_class(fields: Mapping[str, Any], counts: Mapping[str, int], where: str) -> int:
    rows: int = fields.get("test_per_class", 0)
    if not 0 <= rows < min(counts.values()):
        raise DataError(f"{where}: test_per_class must lie between 0 and the rows of the smallest class, got {rows}")
    return rows


def _content(fields: Mapping[str, Any], where: str) -> str:
    content, decimals = fields.get("content", ""), fields.get("decimals")
    if content and (len(content) != 64 or set(content) - set("0123456789abcdef")):
        raise DataError(f"{where}: content must be a SHA-256 of 64 hexadecimal digits, got {content!r}")
    # "HASH@DECIMALS": rows are rounded before hashing, for sources that publish them with different precision.
    return content if decimals is None or not content else f"{content}@{decimals}"


def _source(fields: Any, path: Path, where: str) -> Source:
    """One source of a card. The source of kind ``mirror`` describes how copies of mirrors are read."""
    kind = fields.get("kind") if isinstance(fields, dict) else None
    if not isinstance(kind, str):
        raise DataError(f"{where}: kind must be one of mirror, {', '.join(kind_names())}, got {kind!r}")
    options = {k: v for k, v in fields.items() if k != "kind"}
    if kind == "mirror":
        check_fields(options, MIRROR_FIELDS, where)
        check_mirror(options, where)
        return Source(kind, _labelled(options, where))
    try:
        known = source_kind(kind)
    except UsageError as error:
        raise DataError(f"{where}: {error}") from None
    check_fields(options, known.fields, where)
    return Source(kind, known.complete(_labelled(options, where), path, where))


def _labelled(options: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """The options, after checking that their labels are text."""
    labels = options.get("labels", {})
    wrong = [k for k, v in labels.items() if not isinstance(v, str)]
    if wrong:
        raise DataError(f"{where}: labels.{wrong[0]} must be text, got {labels[wrong[0]]!r}; put it in quotes")
    return options
