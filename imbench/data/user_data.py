"""Data of the user's own, by the path in its spec: a table, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imbench.contract.records import Card
from imbench.contract.spec import format_spec, parse_spec
from imbench.data.canonical import Table
from imbench.data.image_folder import describe_image_folder, read_image_folder
from imbench.data.user_table import describe_user_table, read_user_table
from imbench.data.variants import FOLDER_SUFFIX, TABLE_SUFFIXES


@dataclass(frozen=True)
class _Kind:
    read: Callable[[str], tuple[Card, Table]]
    describe: Callable[[str], tuple[Card, str]]


_KINDS = {
    **dict.fromkeys(TABLE_SUFFIXES, _Kind(read_user_table, describe_user_table)),
    FOLDER_SUFFIX: _Kind(read_image_folder, describe_image_folder),
}


def is_own(name: str) -> bool:
    """Whether the name in a spec is the path of a table or of a folder of images."""
    return name.endswith(tuple(_KINDS))


def read_own(spec: str) -> tuple[Card, Table]:
    """The card and the rows of a spec whose name `is_own`; the errors are those of its kind."""
    return _kind_of(parse_spec(spec)[0]).read(spec)


def describe_own(spec: str) -> tuple[Card, str]:
    """The card and the data hash; what has not changed since is not read again."""
    return _kind_of(parse_spec(spec)[0]).describe(spec)


def own_hash(card: Card) -> str:
    """The data hash of the files behind a card that `describe_own` gave."""
    options = {k: v for k, v in card.sources[0].options.items() if k != "path"}
    return describe_own(format_spec(card.name, options))[1]


def _kind_of(name: str) -> _Kind:
    return next(kind for suffix, kind in _KINDS.items() if name.endswith(suffix))
