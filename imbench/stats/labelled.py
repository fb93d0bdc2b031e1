"""Rows as boards rank them: of the newest numbers, with protocols and strategies of one name distinguished."""

from __future__ import annotations

import json

import pandas as pd

from imbench.contract.spec import format_value

# The columns that `labelled` reads.
LABELLED = ("task", "dataset", "strategy", "strategy_version", "protocol", "protocol_fields", "numbers")

_NAMED = ["protocol", "dataset", "task"]
_PAIR = ["protocol", "protocol_fields"]


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with protocols and strategies distinguished that share a name.

    A protocol file that was edited, or fields set by hand in two ways, give one name to two protocols: where the
    results of one dataset show it, the fields that differ follow the name. Versions of a strategy follow ``@``. Where
    rows hold numbers of several versions (`imbench.contract.records.NUMBERS_VERSION`), the protocols of older ones say
    so and have boards of their own: nothing is ranked across versions, and new results hide no old ones.
    """
    rows = frame
    changed: dict[str, pd.Series] = {}
    versions = rows[["strategy", "strategy_version"]].drop_duplicates()["strategy"].value_counts()
    several = set(versions.index[versions > 1])
    if several:
        name = rows["strategy"].astype("str")
        changed["strategy"] = name.where(~name.isin(several), name + "@" + rows["strategy_version"].astype("str"))
    names = _protocol_names(rows)
    if any(label != pair[0] for pair, label in names.items()):
        # Looked up once for each of the few pairs there are: a big store has millions of rows.
        number = rows.groupby(_PAIR, sort=False, observed=True).ngroup()
        labels = [names[pair] for pair in rows[_PAIR].drop_duplicates().itertuples(index=False, name=None)]
        changed["protocol"] = number.map(dict(enumerate(labels))).astype("str")
    newest = rows["numbers"].max() if "numbers" in rows and len(rows) else None
    if newest is not None and (older := rows["numbers"] < newest).any():
        protocol = changed.get("protocol", rows["protocol"].astype("str"))
        version = rows["numbers"].astype("int64").astype("str")
        changed["protocol"] = protocol.where(~older, protocol + " (numbers of version " + version + ")")
    found: pd.DataFrame = rows.assign(**changed)
    return found


def _protocol_names(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """What to call each pair of a protocol's name and its fields."""
    few = rows[["protocol_fields", *_NAMED]].drop_duplicates()
    pairs = {pair: json.loads(pair[1]) for pair in zip(few["protocol"], few["protocol_fields"], strict=True)}
    differing: dict[str, set[str]] = {name: set() for name, _ in pairs}
    # Within one dataset only: between datasets a protocol's own exceptions differ.
    for _, group in few.groupby(_NAMED, observed=True):
        name = group["protocol"].iloc[0]
        first, *others = (pairs[name, text] for text in group["protocol_fields"])
        differing[name] |= {key for other in others for key in other if other[key] != first.get(key)}
    return {pair: _protocol_label(pair[0], fields, differing[pair[0]]) for pair, fields in pairs.items()}


def _protocol_label(name: str, fields: dict[str, object], differing: set[str]) -> str:
    settings = ", ".join(f"{key}={format_value(fields[key])}" for key in sorted(differing) if key in fields)
    return f"{name} ({settings})" if settings else name
