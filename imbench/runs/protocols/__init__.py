"""The protocol files shipped with imbench, by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from imbench.contract.errors import UsageError
from imbench.contract.names import is_beside, suggest
from imbench.contract.protocol import Protocol, derived_name
from imbench.contract.reading import parse_toml, read_toml
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

    Raises `UsageError` for a name that is neither, a file that is not TOML or extends itself, directly or through other
    files, or a field out of its range.
    """
    base, own = parse_spec(name)
    called, values = _read(base)
    return Protocol.from_mapping(called, values).with_settings({**own, **(settings or {})})


def _read(name: str) -> tuple[str, dict[str, Any]]:
    """The name of a protocol in results, and its fields, including those of the protocols that it extends."""
    chain, tables = [name], [_table(name, "")]
    while (base := tables[-1].pop("extends", None)) is not None:
        if not (isinstance(base, str) and base):
            raise UsageError(
                f"protocol {chain[-1]!r}: extends must be the name of a protocol or the path of a .toml file, "
                f"got {base!r}"
            )
        path = " extends ".join([*chain, base])
        if _place(base) in map(_place, chain):
            raise UsageError(f"{path}: a protocol cannot extend itself; name another one in extends of {chain[-1]}")
        if base.endswith(".toml") and not is_beside(Path(base), Path(chain[-1])):
            raise UsageError(
                f"{path}: {base!r} is outside the folder of {chain[-1]} and the current folder; move it there"
            )
        tables.append(_table(base, f" ({path})"))
        chain.append(base)
    called, fields = "", dict[str, Any]()
    for one, values in zip(reversed(chain), reversed(tables), strict=True):
        called, fields = derived_name(Path(one).stem, called), {**fields, **values}
    return called, fields


def _table(name: str, where: str) -> dict[str, Any]:
    """The contents of a protocol file; ``where`` says in errors which file names it."""
    shipped = not name.endswith(".toml")
    if shipped and name not in protocol_names():
        also = "a .toml file can be named by its path"
        raise UsageError(f"unknown protocol {name!r}{where}; {suggest(name, protocol_names(), also)}")
    what = f"protocol {name!r}{where}"
    if shipped:
        return parse_toml((files(__name__) / f"{name}.toml").read_bytes(), what)
    return read_toml(name, what)


def _place(name: str) -> Path | str:
    """An identity of the protocol: the same for every path of its file."""
    return Path(name).resolve() if name.endswith(".toml") else name
