"""The protocol files shipped with imbench, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.spec import parse_spec

# Of a run that names none, on a suite that states none.
DEFAULT_PROTOCOL = "standard"


def protocol_names() -> list[str]:
    """Names of the shipped protocols, sorted."""
    return sorted(p.name.removesuffix(".toml") for p in files(__name__).iterdir() if p.name.endswith(".toml"))


def load_protocol(name: str, settings: Mapping[str, str] | None = None) -> Protocol:
    """The protocol of this name, or of the TOML file of this path, with fields set by hand.

    ``paper:epochs=30`` and ``paper`` with the setting ``epochs=30`` are the same.

    A file may say ``extends = "paper"`` and then only what differs.

    Raises `UsageError` for a name that is neither, a file that is not TOML, or a field out of its range.
    """
    base, own = parse_spec(name)
    return Protocol.from_mapping(Path(base).stem, _values(base)).with_settings({**own, **(settings or {})})


def _values(name: str) -> dict[str, Any]:
    shipped = not name.endswith(".toml")
    if shipped and name not in protocol_names():
        raise UsageError(
            f"unknown protocol {name!r}; there are {', '.join(protocol_names())}, or the path of a .toml file"
        )
    try:
        text = (files(__name__) / f"{name}.toml").read_text("utf-8") if shipped else Path(name).read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"cannot read protocol {name!r}: {error}") from None
    base = values.pop("extends", None)
    if base == name:
        raise UsageError(f"protocol {name!r} extends itself; name another protocol in extends")
    return {**_values(base), **values} if base else values
