"""The protocol files shipped with imbench, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.names import suggest
from imbench.contract.protocol import Protocol, derived_name
from imbench.contract.spec import parse_spec

# Of a run that names none, on a suite that states none.
DEFAULT_PROTOCOL = "standard"


def protocol_names() -> list[str]:
    """Names of the shipped protocols, sorted."""
    return sorted(p.name.removesuffix(".toml") for p in files(__name__).iterdir() if p.name.endswith(".toml"))


def load_protocol(name: str, settings: Mapping[str, str] | None = None) -> Protocol:
    """The protocol of this name, or of the TOML file of this path, with fields set by hand.

    ``paper:epochs=30`` and ``paper`` with the setting ``epochs=30`` are the same.

    A file may say ``extends = "paper"`` and then only what differs. One that extends ``smoke`` ranks as little, and its
    results are called ``smoke/NAME`` for it.

    Raises `UsageError` for a name that is neither, a file that is not TOML, or a field out of its range.
    """
    base, own = parse_spec(name)
    called, values = _read(base)
    return Protocol.from_mapping(called, values).with_settings({**own, **(settings or {})})


def _read(name: str) -> tuple[str, dict[str, Any]]:
    """The name of a protocol in results, and its fields, including those of the protocol that it extends."""
    shipped = not name.endswith(".toml")
    if shipped and name not in protocol_names():
        also = "a .toml file can be named by its path"
        raise UsageError(f"unknown protocol {name!r}; {suggest(name, protocol_names(), also)}")
    try:
        text = (files(__name__) / f"{name}.toml").read_text("utf-8") if shipped else Path(name).read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read protocol {name!r}: {error}") from None
    base = values.pop("extends", None)
    if base == name:
        raise UsageError(f"protocol {name!r} extends itself; name another protocol in extends")
    if not base:
        return Path(name).stem, values
    called, inherited = _read(base)
    return derived_name(Path(name).stem, called), {**inherited, **values}
