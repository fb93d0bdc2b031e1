"""References: competitors that boards of strategies leave out, and their boards beside the strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from imbench.contract.records import REFERENCE
from imbench.stats.names import labelled
from imbench.stats.scope import Scope
from imbench.stats.score_table import ScoreTable, make_score_tables

# The column that says whether a job is of a strategy or of a reference.
KIND = "kind"

_PROTOCOL = ["protocol", "protocol_fields"]


def is_reference(rows: pd.DataFrame) -> pd.Series:
    """Whether each row is of a reference; rows of earlier versions, without a column ``kind``, are of strategies."""
    if KIND not in rows:
        return pd.Series(False, index=rows.index)
    found: pd.Series = rows[KIND].astype("object") == REFERENCE
    return found


def of_strategies(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of strategies; the same object if there are no others."""
    other = is_reference(rows)
    return rows[~other].reset_index(drop=True) if other.any() else rows


def with_distinct_names(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with `` (reference)`` after the name of each reference that a strategy shares."""
    other = is_reference(rows)
    if not other.any():
        return rows
    names = rows["strategy"].astype("str")
    shared = other & names.isin(set(names[~other]))
    renamed: pd.DataFrame = rows.assign(strategy=names.where(~shared, names + " (reference)"))
    return renamed


def references_in(rows: pd.DataFrame) -> frozenset[str]:
    """The names of the references on boards of these rows, or of rows of `beside`."""
    named = with_distinct_names(rows)
    return frozenset(map(str, named["strategy"][is_reference(named)].unique()))


def beside(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of strategies and of the references that can be compared with them, with the labels of `labelled`.

    Protocols have the same labels as without references. References under other protocols than the strategies are
    omitted.

    Parameters
    ----------
    rows : rows of `Store.frame`
    """
    named = with_distinct_names(rows)
    other = is_reference(named)
    own = named[~other]
    known = labelled(own)
    pair = [*_PROTOCOL, *(["numbers"] if "numbers" in rows else [])]
    labels = own[pair].astype(dict.fromkeys(_PROTOCOL, "str")).assign(label=known["protocol"].astype("str"))
    references = labelled(named[other]).assign(**{name: named[other][name].astype("str") for name in _PROTOCOL})
    found = references.merge(labels.drop_duplicates(), on=pair, how="inner")
    found = found.assign(protocol=found["label"]).drop(columns="label")
    texts = dict.fromkeys((*_PROTOCOL, "strategy"), "str")
    return pd.concat([known.astype(texts), found.astype(texts)], ignore_index=True)


def reference_tables(
    rows: pd.DataFrame,
    score_tables: Sequence[ScoreTable],
    columns: Sequence[str],
    scope: Scope | None,
    modality: Mapping[str, str] | None = None,
) -> list[ScoreTable]:
    """For each score table of strategies, one over the same configurations that has the references too.

    Parameters
    ----------
    rows : rows of `beside`
    score_tables : score tables of the strategies in these rows
    columns, modality : as in `make_score_tables`
    scope : that of ``score_tables``, which gives the families of datasets
    """
    return [
        one
        for own in score_tables
        for one in make_score_tables(
            rows[(rows["protocol"] == own.protocol) & (rows["task"] == own.task)],
            columns,
            modality,
            _same_scope(own, scope or Scope()),
        )
    ]


def _same_scope(own: ScoreTable, scope: Scope) -> Scope:
    declared = (c.spec for c, inside in zip(own.configurations, own.inside, strict=True) if inside)
    return replace(scope, name=own.scope, specs=frozenset(declared))
