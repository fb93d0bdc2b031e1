"""Selection of rows by specs of strategies and datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from imbench.contract.errors import UsageError
from imbench.contract.names import list_known, suggest
from imbench.contract.records import REFERENCE, STRATEGY
from imbench.contract.spec import is_own_data, parse_spec, read_value
from imbench.stats.references import is_reference

if TYPE_CHECKING:
    import pandas as pd

# Parameters that a dataset's spec omits. A strategy's spec states every parameter that is not at its default.
DATASET_DEFAULTS: Mapping[str, str] = MappingProxyType({"task": "binary", "ir": "none", "seed": "0"})
_NONE: Mapping[str, str] = MappingProxyType({})


def select(
    rows: pd.DataFrame,
    strategies: Sequence[str] = (),
    datasets: Sequence[str] = (),
    *,
    references: Sequence[str] | None = None,
    protocols: Sequence[str] = (),
    suites: Mapping[str, Collection[str]] = MappingProxyType({}),
    defaults: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> pd.DataFrame:
    """The rows of these strategies and references on these datasets; an empty argument selects everything.

    A name without parameters selects all its parametrisations: ``remix`` every ReMix, ``segment`` all its variants. A
    spec that the rows have selects this one (``segment:ir=0.05``; ``remix:``, with a colon, is ReMix at its defaults).
    Any other spec selects all that agree with its parameters.

    Parameters
    ----------
    rows : rows of `Store.frame`
    strategies : specs; a label with a version (``mine@2``) selects that version
    datasets : specs; a file or folder by its path or the end of it, such as its base name
    references : specs; None selects all references, ``()`` none
    protocols : names, with settings as in the rows; a name without settings selects all its settings
    suites : dataset specs of each suite by name, added to ``datasets``; specs without rows are skipped if the suite
        has others with rows
    defaults : default parameters of strategies and references by name, as far as known; with them a spec may state a
        parameter that results omit because it is the default

    Raises
    ------
    UsageError
        For a name that matches no row, with suggestions; if no row matches all names.
    """
    chosen = rows
    if strategies or references is not None:
        other = is_reference(rows)
        mine = _named(rows, STRATEGY, ~other, strategies or None, defaults)
        chosen = rows[mine | _named(rows, REFERENCE, other, references, defaults)]
    if datasets or suites:
        specs = dataset_specs(rows)
        wanted = {spec for name in datasets for spec in _found("dataset", name, set(specs), DATASET_DEFAULTS)}
        for name, entries in suites.items():
            wanted |= _of_suite(name, entries, set(specs))
        chosen = chosen[specs.loc[chosen.index].isin(wanted)]
    if protocols:
        there = set(map(str, rows["protocol"].unique()))
        wanted = {spec for name in protocols for spec in _found("protocol", name, there)}
        chosen = chosen[chosen["protocol"].astype("str").isin(wanted)]
    if chosen is rows:
        return rows
    if chosen.empty:
        raise UsageError("each of these names has results, but no result matches all of them; give fewer names")
    selected: pd.DataFrame = chosen.reset_index(drop=True)
    for name in selected.columns[selected.dtypes == "category"]:
        selected[name] = selected[name].cat.remove_unused_categories()
    return selected


def matching(
    wanted: str, stored: Iterable[str], defaults: Mapping[str, str] = _NONE, *, one: bool = False
) -> list[str]:
    """The stored specs that a spec selects; see `select`.

    Parameters
    ----------
    defaults : values of omitted parameters
    one : whether to select a single job; a name without parameters then prefers the spec equal to it

    >>> matching("remix", ["remix", "remix:alpha=0.3"]), matching("remix:", ["remix", "remix:alpha=0.3"])
    (['remix', 'remix:alpha=0.3'], ['remix'])
    """
    name, params = parse_spec(wanted)
    parsed = {spec: parse_spec(spec) for spec in stored}
    has = {spec: _read({**defaults, **own}) for spec, (called, own) in parsed.items() if _is_called(called, name)}
    given, whole = _read(params), _read({**defaults, **params})
    name_only = not params and not wanted.rstrip().endswith(":")
    equal = [spec for spec, values in has.items() if values == whole]
    if equal and (one or not name_only):
        return equal
    return [spec for spec, values in has.items() if name_only or (given and given.items() <= values.items())]


def dataset_specs(rows: pd.DataFrame) -> pd.Series:
    """The dataset spec of every row, such as ``segment:ir=0.05``."""
    datasets, variants = rows["dataset"].astype("str"), rows["variant"].astype("str")
    return datasets.where(variants == "natural", datasets + ":" + variants)


def _read(params: Mapping[str, str]) -> dict[str, Any]:
    """Parameters as values, so that ``0.30`` equals ``0.3``."""
    return {key: read_value(text, key) for key, text in params.items()}


def _is_called(stored: str, name: str) -> bool:
    """Whether a name matches a stored one: in full, without its package, or without the folder of a file."""
    if stored == name:
        return True
    if not is_own_data(stored):
        return stored.rpartition("/")[2] == name
    if stored.endswith("/") != name.endswith("/"):
        return False
    one, other = Path(stored), Path(name)
    return one.parts[-len(other.parts) :] == other.parts or one.resolve() == other.resolve()


def _found(kind: str, wanted: str, stored: Collection[str], defaults: Mapping[str, str] = _NONE) -> list[str]:
    found = matching(wanted, stored, defaults)
    if not found:
        raise _unknown(kind, wanted, stored)
    return found


def _named(
    rows: pd.DataFrame,
    kind: str,
    among: pd.Series,
    wanted: Sequence[str] | None,
    defaults: Mapping[str, Mapping[str, str]],
) -> pd.Series:
    """The rows of these strategies or references, of any version unless a label names one; None for all of the kind.

    ``among``: which rows are of this kind.
    """
    if not wanted:
        return among if wanted is None else among & ~among
    names, labels = rows["strategy"].astype("str"), _labels(rows[among])
    stored, others = set(names[among]), set(names[~among])
    found: set[str] = set()
    for name in (name for name in wanted if name not in labels):
        default = defaults.get(parse_spec(name)[0], _NONE)
        if matching(name, others, default) and not matching(name, stored, default):
            other = STRATEGY if kind == REFERENCE else REFERENCE
            raise UsageError(f"{name!r} is a {other} here, not a {kind}; select it with --{other} {name}")
        found |= set(_found(kind, name, stored, default))
    selected: pd.Series = among & (names.isin(found) | _versions(rows, wanted))
    return selected


def _versions(rows: pd.DataFrame, wanted: Sequence[str]) -> pd.Series:
    """The rows of strategies selected with their version, as boards label several versions of a strategy."""
    meant = {label: pair for label, pair in _labels(rows).items() if label in wanted}
    named = rows["strategy"].isin([])
    for strategy, version in meant.values():
        named |= (rows["strategy"] == strategy) & (rows["strategy_version"].astype("str") == version)
    return named


def _labels(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    if "strategy_version" not in rows:
        return {}
    pairs = rows[["strategy", "strategy_version"]].drop_duplicates().astype("str")
    return {f"{strategy}@{version}": (strategy, version) for strategy, version in pairs.itertuples(index=False)}


def _of_suite(suite: str, entries: Collection[str], stored: Collection[str]) -> set[str]:
    # A suite's spec without parameters is the natural ratio, not every variant of the dataset.
    exact = [entry if ":" in entry else f"{entry}:" for entry in entries]
    wanted = {spec for entry in exact for spec in matching(entry, stored, DATASET_DEFAULTS, one=True)}
    if not wanted:
        raise UsageError(f"no results on a dataset of suite {suite!r}; {list_known(sorted(stored))}")
    return wanted


def _unknown(kind: str, wanted: str, stored: Collection[str]) -> UsageError:
    return UsageError(f"no results of {kind} {wanted!r}; {suggest(wanted, sorted(stored))}")
