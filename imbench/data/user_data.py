"""Read a user's data from the path in a spec: a table, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imbench.contract.heap import give_back_memory
from imbench.contract.modality import IMAGE, TABULAR
from imbench.contract.records import Card
from imbench.contract.spec import format_spec, is_table, parse_spec
from imbench.data.canonical import Table
from imbench.data.image_folder import describe_image_folder, read_image_folder
from imbench.data.user_table import describe_user_table, read_user_table
from imbench.data.variants import FOLDER_SUFFIX


@dataclass(frozen=True)
class _Reader:
    """How paths with one suffix are read.

    Parameters
    ----------
    modality : modality of the data
    read : returns card and rows for a spec
    describe : returns card, data hash and hashes of the split columns for a spec
    """

    modality: str
    read: Callable[[str], tuple[Card, Table]]
    describe: Callable[[str], tuple[Card, str, Mapping[str, str]]]


_TABLE = _Reader(TABULAR.name, read_user_table, describe_user_table)
_FOLDER = _Reader(IMAGE.name, read_image_folder, describe_image_folder)


def is_user_data(name: str) -> bool:
    """Whether the name in a spec is a table or a folder of images."""
    return is_table(name) or name.endswith(FOLDER_SUFFIX)


def user_data_modality(name: str) -> str:
    """The modality of the data at this path, from its suffix; requires `is_user_data`."""
    return _reader_of(name).modality


def read_user_data(spec: str) -> tuple[Card, Table]:
    """Card and rows of a user's data; raises the errors of `read_user_table` or `read_image_folder`."""
    found = _reader_of(parse_spec(spec)[0]).read(spec)
    give_back_memory()  # the text of a million rows of 30 columns takes half a gigabyte
    return found


def describe_user_data(spec: str) -> tuple[Card, str, Mapping[str, str]]:
    """Card, data hash and hashes of the split columns of a user's data; cached until a file changes."""
    found = _reader_of(parse_spec(spec)[0]).describe(spec)
    give_back_memory()
    return found


def user_data_hashes(card: Card) -> tuple[str, Mapping[str, str]]:
    """The last two values of `describe_user_data`, from the card that it returned."""
    options = {k: v for k, v in card.sources[0].options.items() if k != "path"}
    return describe_user_data(format_spec(card.name, options))[1:]


def _reader_of(name: str) -> _Reader:
    return _TABLE if is_table(name) else _FOLDER
