"""Imbalanced variants: select the rows and number the classes of a dataset according to a spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from imbench.contract.errors import DataError
from imbench.contract.joined import escaped, joined, names_in
from imbench.contract.names import counted, suggest
from imbench.contract.records import TASKS, Card, Dataset, Task, Variant
from imbench.contract.spec import convert, is_table, parse_spec
from imbench.contract.streams import stream
from imbench.data.asked import KIND_PARAMETERS, canonical
from imbench.data.canonical import Table, split_hashes
from imbench.data.labels import matching_label
from imbench.data.origin import origin_and_unit
from imbench.data.split_columns import SPLIT_COLUMNS

# Smallest number of rows of a class: with fewer, two folds cannot all have rows to train, validate and test on.
MIN_CLASS_ROWS = 4

PARAMETERS = ("task", "ir", "seed")
# How a table is read; each replaces what `imbench.data.delimited` would detect.
READING_PARAMETERS = ("sep", "decimal", "encoding", "header")
FILE_PARAMETERS = ("target", "minority", "drop", *KIND_PARAMETERS, *SPLIT_COLUMNS, *READING_PARAMETERS)
FOLDER_PARAMETERS = ("minority", "size", "channels")
_BLOCK = 4096  # rows encoded at a time, so that the input columns and output rows of a block fit in the cache
FOLDER_SUFFIX = "/"


def parse_variant(text: str, card: Card) -> Variant:
    """Parse the spec of a dataset. Equivalent specs give equal variants.

    Parameters
    ----------
    text : such as ``segment:ir=0.05,task=binary,seed=0``; for a user's data also ``target``, ``minority``, …
    card : card of the dataset (see `imbench.data.data_sources.card_of`)

    Raises
    ------
    DataError for an unknown parameter, a task that the card does not have, an ``ir`` outside (0, 1) or impossible with
    the card's class counts (see `expected_counts`), and a negative seed.
    """
    name, params = parse_spec(text)
    of_folder = FOLDER_PARAMETERS if card.name.endswith(FOLDER_SUFFIX) else ()
    user_keys = FILE_PARAMETERS if is_table(card.name) else of_folder
    known = (*PARAMETERS, *user_keys)
    for key in params:
        if key not in known:
            raise DataError(f"{name} has no parameter {key!r}; {suggest(key, known)}")
    ir = convert(params.get("ir", "none"), float | None, f"{name}: ir")
    if ir is not None and not 0 < ir < 1:
        raise DataError(f"{name}: ir must lie between 0 and 1 (minority / majority, 0.05 is 1 to 20), got {ir}")
    seed = convert(params.get("seed", "0"), int, f"{name}: seed")
    if seed < 0:
        raise DataError(f"{name}: seed must be 0 or more, got {seed}")
    task = task_of(card, params.get("task", card.tasks[0].name))
    variant = Variant(card.name, task.name, ir, seed, _user_options(params, task, card) if user_keys else ())
    expected_counts(card, variant)  # rejects impossible ratios before any data is fetched
    return variant


def task_of(card: Card, name: str) -> Task:
    """The card's task of this name; raises `DataError` if there is none."""
    for task in card.tasks:
        if task.name == name:
            return task
    raise DataError(f"{card.name} has no task {name!r}; {suggest(name, (t.name for t in card.tasks))}")


def default_minority(counts: Mapping[str, int]) -> tuple[str, ...]:
    """The smaller of two classes, the second one in a tie; no class if there are more than two."""
    return () if len(counts) != 2 else (min(reversed(list(counts)), key=lambda label: counts[label]),)


def user_task(params: Mapping[str, str], counts: Mapping[str, int], name: str, of: str) -> Task:
    """The task of a user's data: binary for one minority class, otherwise multi-class.

    Parameters
    ----------
    params : parameters of the spec: ``minority`` (join several with ``+``; default: the smaller of two classes) and
        ``task``
    counts : rows of each class
    name : name of the data, for errors
    of : what defines the classes, such as a column or folders, for errors

    Raises
    ------
    DataError for a minority that is not a class, is repeated, or includes all classes.
    """
    minority = default_minority(counts)
    if "minority" in params:
        text = params["minority"]
        minority = tuple(matching_label(part, counts) or part for part in names_in(text, counts))
        for label in minority:
            if label not in counts:
                raise DataError(f"{name}: minority {label!r} is not a class of {of}; {suggest(label, counts)}")
        if len(set(minority)) == len(counts) or len(set(minority)) < len(minority):
            raise DataError(f"{name}: minority={text} must not repeat a class or include all classes; remove some")
    is_binary = len(minority) == 1 and params.get("task", TASKS[0]) == TASKS[0]
    return Task(TASKS[0] if is_binary else TASKS[1], minority)


def _user_options(params: Mapping[str, str], task: Task, card: Card) -> tuple[tuple[str, str], ...]:
    options = {} if card.name.endswith(FOLDER_SUFFIX) else {"target": escaped(card.target)}
    columns = [column.name for column in card.columns]
    if task.minority != default_minority(card.class_counts):
        options["minority"] = joined(task.minority)
    for key in ("drop", *KIND_PARAMETERS, *SPLIT_COLUMNS):
        if key in params:
            options[key] = canonical(key, params[key], columns)
    for key in ("size", "channels"):
        if key in params:
            options[key] = str(int(params[key]))
    options |= {key: params[key] for key in READING_PARAMETERS if key in params}
    return tuple(sorted(options.items()))


def build(table: Table, card: Card, variant: Variant, data_hash: str, draws: int = 1) -> Dataset:
    """Build one variant of a dataset by downsampling its minority classes.

    - Binary: the minority class is downsampled to ``int(n_majority * ir)`` rows; all other classes are merged.
    - Multi-class: each minority class is downsampled to ``int(n_largest_class * ir)`` rows; the other classes keep all
      rows (Table 1 of Bellinger, Corizzo & Japkowicz).
    - Long-tailed: class c of K, from 0 in the card's order, is downsampled to ``int(n * ir ** (c / (K - 1)))`` rows,
      where ``n`` is the size of the largest class (Cui et al. 2019; Cao et al. 2019, who call ``ir`` ``imb_factor``).

    ``ir=None`` keeps all rows. Rows of an official test part are always kept and do not count towards the ratio. The
    selected rows depend only on dataset, task, class and seed, so the minority rows of a smaller ``ir`` are a subset of
    those of a larger one. Rows stay in the order of the source. With several ``draws``, the arrays contain the rows of
    any of them; draw 0 selects the same rows as a single draw.

    Raises
    ------
    DataError for a dataset with a single class, and the errors of `expected_counts`.
    """
    if len(table.labels) < 2:
        raise DataError(f"{card.name} has only one class, {table.labels[0]!r}; a task needs at least two")
    task = task_of(card, variant.task)
    minority = [table.labels.index(label) for label in task.minority]
    # Random streams of a file are keyed by its content, so moving the file does not change the selected rows.
    source = data_hash if variant.is_file else variant.dataset
    of_draw = [_kept_rows(table, task, variant, card, source, draw) for draw in range(draws)]
    kept = of_draw[0] if draws == 1 else np.unique(np.concatenate(of_draw))
    y, numbers = _number_classes(table, variant.task, minority)
    x, columns = _encode(table, kept)
    return Dataset(
        variant=variant,
        card=card,
        x=x,
        y=y[kept],
        rows=kept,
        feature_names=tuple(column.name for column in columns),
        feature_kinds=tuple("numeric" if column.code is None else "categorical" for column in columns),
        class_names=class_names(table.labels, variant.task, task.minority),
        minority=numbers,
        data_hash=data_hash,
        origin=np.array([column.origin for column in columns]),
        unit=np.array([column.unit for column in columns]),
        group=None if table.group is None else table.group[kept],
        time=None if table.time is None else table.time[kept],
        split_hashes=split_hashes(table),
        least=table.least,
        drawn=None if draws == 1 else np.stack([np.isin(kept, rows, assume_unique=True) for rows in of_draw]),
    )


def expected_counts(card: Card, variant: Variant) -> tuple[int, ...]:
    """Rows of each class of a variant, computed from the card, without an official test part.

    Raises `DataError` for an ``ir`` that leaves fewer than 4 rows of a class, or needs more rows than a class has.
    """
    counts = {label: rows - card.test_per_class for label, rows in card.class_counts.items()}
    kept = _kept_counts(counts, task_of(card, variant.task), variant, card.name)
    if variant.task == TASKS[0]:
        (minority,) = task_of(card, variant.task).minority
        return (sum(kept.values()) - kept[minority], kept[minority])
    return tuple(kept.values())


def class_names(labels: Sequence[str], task: str, minority: Sequence[str]) -> tuple[str, ...]:
    """Names of a variant's classes. In a binary task, class 0 merges all other classes and class 1 is the minority."""
    if task != TASKS[0]:
        return tuple(labels)
    (kept,) = minority
    return "+".join(label for label in labels if label != kept), kept


def _kept_counts(counts: Mapping[str, int], task: Task, variant: Variant, name: str) -> dict[str, int]:
    if variant.ir is not None and not task.minority:
        raise DataError(
            f"{name}: ir={variant.ir:g} needs the classes to downsample; add them, "
            f"for example minority={next(reversed(list(counts)))},task=multiclass"
        )
    kept = dict(counts)
    for label in task.minority:
        has = counts[label]
        reference = sum(counts.values()) - has if task.name == TASKS[0] else max(counts.values())
        ratio = 1.0 if variant.ir is None else variant.ir
        if task.longtail:
            ratio **= list(counts).index(label) / (len(counts) - 1)
        kept[label] = has if variant.ir is None else int(reference * ratio)
        _check_kept(kept[label], has, reference, variant.ir, f"{name}: class {label!r}")
    return kept


def _check_kept(wanted: int, has: int, reference: int, ir: float | None, what: str) -> None:
    if has < MIN_CLASS_ROWS:
        raise DataError(
            f"{what} has {counted(has, 'row')}; {MIN_CLASS_ROWS} are needed: merge it into another class or remove it"
        )
    if wanted > has:
        raise DataError(
            f"{what} has {counted(has, 'row')}, but ir={ir:g} needs {wanted}; "
            f"use an ir of at most {has / reference:.4g}, or none for the natural ratio"
        )
    if wanted < MIN_CLASS_ROWS:
        raise DataError(
            f"{what} keeps {counted(wanted, 'row')} at ir={ir:g}; {MIN_CLASS_ROWS} are needed: "
            f"use an ir of at least {MIN_CLASS_ROWS / reference:.4g}"
        )


def _kept_rows(table: Table, task: Task, variant: Variant, card: Card, source: str, draw: int) -> np.ndarray:
    start = len(table.y) - card.test_per_class * len(table.labels)
    counts = np.bincount(table.y[:start], minlength=len(table.labels))
    kept = _kept_counts(dict(zip(table.labels, counts.tolist(), strict=True)), task, variant, variant.dataset)
    keep = np.ones(len(table.y), dtype=bool)
    for label in task.minority:
        members = np.flatnonzero(table.y[:start] == table.labels.index(label))
        # A fixed random order of the class's rows; a smaller ratio keeps fewer of its first rows.
        key: tuple[str | int, ...] = (source, "variant", task.name, variant.seed, label, *([draw] if draw else []))
        order = stream(*key).permutation(members)
        keep[order[kept[label] :]] = False
    return np.flatnonzero(keep)


def _number_classes(table: Table, task: str, minority: list[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    if task != TASKS[0]:
        return table.y, tuple(minority)
    (kept,) = minority
    return (table.y == kept).astype(np.int64), (1,)


class _Column(NamedTuple):
    """A feature: a numeric column of the table, or one category of a categorical column, given by its code."""

    source: int
    code: int | None
    name: str
    origin: float = 0.0
    unit: float = 1.0

    def encoded(self, values: np.ndarray) -> np.ndarray:
        """Encode the source's float64 values: shifted and scaled, or 0 and 1 for a category; NaN for missing values."""
        if self.code is not None:
            return np.where(np.isnan(values), np.nan, values == self.code)
        return values if (self.origin, self.unit) == (0.0, 1.0) else (values - self.origin) / self.unit


def _encode(table: Table, rows: np.ndarray) -> tuple[np.ndarray, list[_Column]]:
    """Encode rows as float32, with one column of 0 and 1 for each category, and NaN for missing values.

    Rows that are stored whole, such as images, are not changed.
    """
    if table.modality.storage == "rows":
        x = table.x if len(rows) == len(table.x) else table.x[rows]  # avoids a copy of a whole dataset
        return x, [_Column(j, None, name) for j, name in enumerate(table.names)]
    columns = list(_columns(table))
    x = np.empty((len(rows), len(columns)), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for j, column in enumerate(columns):
            x[start : start + _BLOCK, j] = column.encoded(table.x[block, column.source])
    return x, columns


def _columns(table: Table) -> Iterator[_Column]:
    origin, unit = origin_and_unit(table)
    for j, (name, categories) in enumerate(zip(table.names, table.categories, strict=True)):
        if not categories:
            yield _Column(j, None, name, float(origin[j]), float(unit[j]))
        for code, category in enumerate(categories):
            yield _Column(j, code, f"{name}={category}")
