"""What a dataset is, and what readers call it: a file of the user's own is its data, not its path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from imbench.contract.spec import FILE_SUFFIXES

_FEWEST_DIGITS = 6  # of a hash, where a label needs one


@dataclass(frozen=True)
class DatasetLabel:
    """One dataset of some rows.

    Parameters
    ----------
    identity : equal for the same data and for nothing else: the data hash of a file or folder of the user's own,
        whatever its path; name and data hash of a registered dataset
    label : for readers, one for each identity: the name, or of a file the last part of its path; with the first digits
        of the data hash where other data of these rows have that name too
    """

    identity: str
    label: str


def dataset_labels(rows: pd.DataFrame) -> dict[tuple[str, str], DatasetLabel]:
    """The identity and the label of each pair of ``dataset`` and ``data_hash`` in these rows, whatever their order.

    A registered dataset keeps its plain name beside a file of that name. Files of several names with equal data have
    the first of these names in the order of the alphabet.

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
    # A registered name is sorted before files, so that it wins a label without digits.
    first = {identity: min((is_file(d), file_name(d), h) for d, h in of) for identity, of in named.items()}
    labels: dict[str, str] = {}
    for name in {called for _, called, _ in first.values()}:
        alike = {identity: (own, h) for identity, (own, called, h) in first.items() if called == name}
        labels |= _apart(name, alike)
    return {pair: DatasetLabel(_identity(*pair), labels[_identity(*pair)]) for pair in pairs}


def by_label(rows: pd.DataFrame, among: pd.DataFrame | None = None) -> pd.DataFrame:
    """These rows with the label of `dataset_labels` as ``dataset``, so that grouping by it groups by identity.

    ``among``: rows, these among them, whose labels are to differ; default these.
    """
    pairs = rows[["dataset", "data_hash"]]
    # Looked up once for each of the few pairs there are: a big store has millions of rows.
    number = pairs.groupby(["dataset", "data_hash"], sort=False, observed=True, dropna=False).ngroup()
    found = dataset_labels(rows if among is None else among)
    few = pairs.drop_duplicates().itertuples(index=False, name=None)
    labels = [found[str(dataset), str(digest)].label for dataset, digest in few]
    told: pd.DataFrame = rows.assign(dataset=number.map(dict(enumerate(labels))).astype("str"))
    return told


def rows_of_dataset(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of the dataset that is called so: by its name or label, or for a file by any path of its data.

    A path leads to what was trained under that path, or under another path of the same data; a path that nothing was
    trained under, to the one dataset of that file name, if there is no other.
    """
    found = dataset_labels(rows)
    by_name = {one.identity for (dataset, _), one in found.items() if name == one.label or _same_place(dataset, name)}
    alike = {one.identity for (dataset, _), one in found.items() if file_name(dataset) == file_name(name)}
    wanted = by_name or (alike if is_file(name) and len(alike) == 1 else set())
    pairs = pd.MultiIndex.from_tuples([pair for pair, one in found.items() if one.identity in wanted] or [("", "")])
    return rows[pd.MultiIndex.from_frame(rows[["dataset", "data_hash"]].astype("str")).isin(pairs)]


def is_file(dataset: str) -> bool:
    """Whether this is the path of a file or folder of the user's own, and not a registered name."""
    return dataset.endswith(FILE_SUFFIXES)


def file_name(dataset: str) -> str:
    """A dataset's name without a path: readers have other folders."""
    return re.split(r"[/\\]", dataset.rstrip("/\\"))[-1] or dataset if is_file(dataset) else dataset


def _same_place(dataset: str, name: str) -> bool:
    return dataset == name or (
        is_file(dataset) and is_file(name) and os.path.realpath(dataset) == os.path.realpath(name)
    )


def _identity(dataset: str, data_hash: str) -> str:
    # Rows that do not say the hash leave the path alone to go by.
    return data_hash if is_file(dataset) and data_hash else f"{dataset} {data_hash}".rstrip()


def _apart(name: str, alike: dict[str, tuple[bool, str]]) -> dict[str, str]:
    """Labels of the identities that share a name."""
    registered = [identity for identity, (own, _) in alike.items() if not own]
    plain = list(alike) if len(alike) == 1 else registered if len(registered) == 1 else []
    digits = _digits(digest or identity for identity, (_, digest) in alike.items())
    labels = dict.fromkeys(plain, name)
    for identity, (own, digest) in alike.items():
        # A file may well hold the very data of the registered dataset.
        kind = "file " if own and registered else ""
        labels.setdefault(identity, f"{name} ({kind}{(digest or identity)[:digits]})")
    return labels


def _digits(texts: Iterable[str]) -> int:
    """How many first characters tell these texts apart."""
    known = set(texts)
    return next(n for n in range(_FEWEST_DIGITS, 10_000) if len({text[:n] for text in known}) == len(known))
