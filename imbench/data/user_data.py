"""A user's data, by the path in its spec: a table, or a folder of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imbench.contract.modality import IMAGE, TABULAR
from imbench.contract.records import Card
from imbench.contract.spec import format_spec, parse_spec
from imbench.data.canonical import Table
from imbench.data.image_folder import describe_image_folder, read_image_folder
from imbench.data.user_table import describe_user_table, read_user_table
from imbench.data.variants import FOLDER_SUFFIX, TABLE_SUFFIXES


@dataclass(frozen=True)
class _Form:
    """How data of paths with one suffix is read.

    Parameters
    ----------
    modality : of all such data
    read, describe : give the card with the rows, and the card with the data hash, of a spec
    """

    modality: str
    read: Callable[[str], tuple[Card, Table]]
    describe: Callable[[str], tuple[Card, str]]


_FORMS = {
    **dict.fromkeys(TABLE_SUFFIXES, _Form(TABULAR.name, read_user_table, describe_user_table)),
    FOLDER_SUFFIX: _Form(IMAGE.name, read_image_folder, describe_image_folder),
}


def is_user_data(name: str) -> bool:
    """Whether the name in a spec is the path of a table or of a folder of images."""
    return name.endswith(tuple(_FORMS))


def user_data_modality(name: str) -> str:
    """The modality of the data at a path for which `is_user_data` is true; nothing is read."""
    return _form_of(name).modality


def read_user_data(spec: str) -> tuple[Card, Table]:
    """The card and the rows of a user's data; the errors are those of its form."""
    return _form_of(parse_spec(spec)[0]).read(spec)


def describe_user_data(spec: str) -> tuple[Card, str]:
    """The card and the data hash; what has not changed since is not read again."""
    return _form_of(parse_spec(spec)[0]).describe(spec)


def user_data_hash(card: Card) -> str:
    """The data hash of the files behind a card that `describe_user_data` gave."""
    options = {k: v for k, v in card.sources[0].options.items() if k != "path"}
    return describe_user_data(format_spec(card.name, options))[1]


def _form_of(name: str) -> _Form:
    return next(form for suffix, form in _FORMS.items() if name.endswith(suffix))
