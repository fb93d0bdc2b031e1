"""Names of competitors, protocols and datasets in all output."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from imbench.contract.reading import parse_json
from imbench.contract.spec import format_value, is_own_data
from imbench.scoring.rules import ARGMAX, RULES

# Gains are measured against the strategy of this name if present.
BASELINE = "baseline"

# The metrics that lead reports and that leaderboards show by default.
HEADLINE = ("gmean", "bbs")

# One configuration: a variant of a dataset, as long as its rows stay the same.
CONFIGURATION = ["dataset", "variant", "data_hash"]

# The columns that `labelled` reads.
LABELLED = ("task", "dataset", "strategy", "strategy_version", "protocol", "protocol_fields", "numbers", "trial")

_NAMED = ["protocol", "dataset", "task"]
_PAIR = ["protocol", "protocol_fields"]

_FEWEST_DIGITS = 6  # of a hash, where a label needs one


def competitor(strategy: str, rule: str) -> str:
    """The name of a strategy under a decision rule: ``baseline+tuned``, plain under ``argmax``."""
    return strategy if rule == ARGMAX else f"{strategy}+{rule}"


def strategy_of(name: str) -> str:
    """The strategy in a competitor's name; strategy names contain no ``+`` outside their parameters.

    >>> strategy_of("remix:alpha=0.3+tuned")
    'remix:alpha=0.3'
    """
    strategy, plus, rule = name.rpartition("+")
    return strategy if plus and rule in RULES else name


def without_trials(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of default configurations: those of all jobs but the trials of a tuned run from the second on."""
    if "trial" not in rows or not (tuned := rows["trial"].notna()).any():
        return rows
    kept: pd.DataFrame = rows[~tuned].reset_index(drop=True)
    for name in kept.columns[kept.dtypes == "category"]:
        kept[name] = kept[name].cat.remove_unused_categories()
    return kept


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of default configurations, with distinct labels for protocols and strategies that share a name.

    Two protocols may share a name, for example after a protocol file was edited: if results of one dataset show it, the
    fields that differ follow the name. Versions of a strategy follow ``@``. If rows have numbers of several versions
    (`imbench.contract.records.NUMBERS_VERSION`), the protocol labels of older ones say so, and they have separate
    boards: nothing is ranked across versions, and new results do not hide old ones.
    """
    rows = without_trials(frame)
    changed: dict[str, pd.Series] = {}
    versions = rows[["strategy", "strategy_version"]].drop_duplicates()["strategy"].value_counts()
    several = set(versions.index[versions > 1])
    if several:
        name = rows["strategy"].astype("str")
        changed["strategy"] = name.where(~name.isin(several), name + "@" + rows["strategy_version"].astype("str"))
    names = _protocol_names(rows)
    if any(label != pair[0] for pair, label in names.items()):
        # Looked up once for each of the few pairs there are: a big store has millions of rows.
        number, pairs = numbered(rows[_PAIR])
        labels = [names[pair] for pair in pairs.itertuples(index=False, name=None)]
        changed["protocol"] = number.map(dict(enumerate(labels))).astype("str")
    newest = rows["numbers"].max() if "numbers" in rows and len(rows) else None
    if newest is not None and (older := rows["numbers"] < newest).any():
        protocol = changed.get("protocol", rows["protocol"].astype("str"))
        version = rows["numbers"].astype("int64").astype("str")
        changed["protocol"] = protocol.where(~older, protocol + " (numbers of version " + version + ")")
    found: pd.DataFrame = rows.assign(**changed)
    return found


def numbered(columns: pd.DataFrame) -> tuple[pd.Series, pd.DataFrame]:
    """The number of each row among the different ones, and those by number; rows that lack a value are alike."""
    return columns.groupby([*columns], sort=False, observed=True, dropna=False).ngroup(), columns.drop_duplicates()


def _fields(text: object) -> dict[str, Any]:
    """The fields of a protocol, as a column of the rows has them."""
    return parse_json(text if isinstance(text, str) else "{}", dict[str, Any], "the column protocol_fields of the rows")


def _protocol_names(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The label of each pair of a protocol's name and fields."""
    few = rows[["protocol_fields", *_NAMED, *(["variant"] if "variant" in rows else [])]].drop_duplicates()
    pairs = {pair: _fields(pair[1]) for pair in zip(few["protocol"], few["protocol_fields"], strict=True)}
    differing: dict[str, set[str]] = {name: set() for name, _ in pairs}
    # Within one dataset only: between datasets a protocol's exceptions differ. Variants that keep all rows have one
    # draw of the minority under every protocol.
    downsampled = few["variant"].astype("str").str.contains(r"(?:^|,)ir=") if "variant" in few else "variant"
    for _, group in few.assign(_downsampled=downsampled).groupby([*_NAMED, "_downsampled"], observed=True):
        name = group["protocol"].iloc[0]
        first, *others = (pairs[name, text] for text in group["protocol_fields"])
        differing[name] |= {key for other in others for key in other if other[key] != first.get(key)}
    return {pair: _protocol_label(pair[0], fields, differing[pair[0]]) for pair, fields in pairs.items()}


def _protocol_label(name: str, fields: dict[str, object], differing: set[str]) -> str:
    settings = ", ".join(f"{key}={format_value(fields[key])}" for key in sorted(differing) if key in fields)
    return f"{name} ({settings})" if settings else name


@dataclass(frozen=True)
class DatasetLabel:
    """One dataset of some rows.

    Parameters
    ----------
    identity : equal only for the same data: the data hash of a user's file or folder under any path; name and data
        hash of a registered dataset
    label : unique name for readers: the name, or the last part of a file's path; with the first digits of the data
        hash if other data in these rows has the same name
    """

    identity: str
    label: str


def dataset_labels(rows: pd.DataFrame) -> dict[tuple[str, str], DatasetLabel]:
    """The identity and the label of each pair of ``dataset`` and ``data_hash``, independent of the order of the rows.

    A registered dataset keeps its plain name if a file has the same name. Files with equal data get the alphabetically
    first of their names.

    >>> rows = pd.DataFrame({"dataset": ["a/my.csv", "b/my.csv", "c/my.csv"], "data_hash": ["12345678", "f00", "f00"]})
    >>> [found.label for found in dataset_labels(rows).values()]
    ['my.csv (123456)', 'my.csv (f00)', 'my.csv (f00)']
    """
    pairs = [
        (str(dataset), str(digest))
        for dataset, digest in rows[["dataset", "data_hash"]].drop_duplicates().itertuples(index=False, name=None)
    ]
    named: dict[str, set[tuple[str, str]]] = {}
    for pair in pairs:
        named.setdefault(_identity(*pair), set()).add(pair)
    # A registered name sorts before files, so it gets the label without digits.
    first = {identity: min((is_file(d), file_name(d), h) for d, h in of) for identity, of in named.items()}
    labels: dict[str, str] = {}
    for name in {called for _, called, _ in first.values()}:
        alike = {identity: (own, h) for identity, (own, called, h) in first.items() if called == name}
        labels |= _apart(name, alike)
    return {pair: DatasetLabel(_identity(*pair), labels[_identity(*pair)]) for pair in pairs}


def by_label(rows: pd.DataFrame, among: pd.DataFrame | None = None) -> pd.DataFrame:
    """These rows with the label of `dataset_labels` as ``dataset``, so that grouping by it groups by identity.

    ``among``: all rows whose labels must differ, these included; default these.
    """
    pairs = rows[["dataset", "data_hash"]]
    # Looked up once for each of the few pairs there are: a big store has millions of rows.
    number = pairs.groupby(["dataset", "data_hash"], sort=False, observed=True, dropna=False).ngroup()
    found = dataset_labels(rows if among is None else among)
    few = pairs.drop_duplicates().itertuples(index=False, name=None)
    labels = [found[str(dataset), str(digest)].label for dataset, digest in few]
    renamed: pd.DataFrame = rows.assign(dataset=number.map(dict(enumerate(labels))).astype("str"))
    return renamed


def called_alike(*frames: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows with files by their label: a user's table may have another path in each frame.

    A registered dataset keeps its name, whatever the hash of its data.
    """
    among = pd.concat([frame[["dataset", "data_hash"]].astype("str") for frame in frames])
    labels = [by_label(frame, among)["dataset"] for frame in frames]
    own = [frame["dataset"].astype("str").map(is_own_data).astype(bool) for frame in frames]
    return [
        frame.assign(dataset=label.where(mine, frame["dataset"].astype("str")))
        for frame, label, mine in zip(frames, labels, own, strict=True)
    ]


def rows_of_dataset(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the dataset with this name or label, or for a file any path of its data.

    A path finds what was trained under it or under another path of the same data. A path that nothing was trained under
    finds the dataset with that file name, if there is only one.
    """
    found = dataset_labels(rows)
    by_name = {one.identity for (dataset, _), one in found.items() if name == one.label or _same_place(dataset, name)}
    alike = {one.identity for (dataset, _), one in found.items() if file_name(dataset) == file_name(name)}
    wanted = by_name or (alike if is_file(name) and len(alike) == 1 else set())
    pairs = pd.MultiIndex.from_tuples([pair for pair, one in found.items() if one.identity in wanted] or [("", "")])
    return rows[pd.MultiIndex.from_frame(rows[["dataset", "data_hash"]].astype("str")).isin(pairs)]


def is_file(dataset: str) -> bool:
    """Whether this is a user's file or folder, or a table of OpenML, not a registered name."""
    return is_own_data(dataset)


def file_name(dataset: str) -> str:
    """A dataset's name without the path."""
    return re.split(r"[/\\]", dataset.rstrip("/\\"))[-1] or dataset if is_file(dataset) else dataset


def _same_place(dataset: str, name: str) -> bool:
    return dataset == name or (
        is_file(dataset) and is_file(name) and os.path.realpath(dataset) == os.path.realpath(name)
    )


def _identity(dataset: str, data_hash: str) -> str:
    # Without a hash only the path identifies the data.
    return data_hash if is_file(dataset) and data_hash else f"{dataset} {data_hash}".rstrip()


def _apart(name: str, alike: dict[str, tuple[bool, str]]) -> dict[str, str]:
    """Labels of the identities that share a name."""
    registered = [identity for identity, (own, _) in alike.items() if not own]
    plain = list(alike) if len(alike) == 1 else registered if len(registered) == 1 else []
    digits = _digits(digest or identity for identity, (_, digest) in alike.items())
    labels = dict.fromkeys(plain, name)
    for identity, (own, digest) in alike.items():
        # A file may contain the data of the registered dataset.
        kind = "file " if own and registered else ""
        labels.setdefault(identity, f"{name} ({kind}{(digest or identity)[:digits]})")
    return labels


def _digits(texts: Iterable[str]) -> int:
    """The number of leading characters that distinguish these texts."""
    known = set(texts)
    return next(n for n in range(_FEWEST_DIGITS, 10_000) if len({text[:n] for text in known}) == len(known))
