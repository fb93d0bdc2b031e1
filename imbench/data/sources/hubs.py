"""Read datasets that scikit-learn and imbalanced-learn download or include."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from imbench.contract.records import Card
from imbench.data.canonical import Table
from imbench.data.sources.network import SourceError, transfer
from imbench.data.sources.source_kind import LABELS, SourceKind
from imbench.data.sources.tables import to_table

OPENML_HOST = "https://api.openml.org"
ZENODO_HOST = "https://zenodo.org"


def from_openml(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Fetch the dataset with the OpenML number ``id``, with `sklearn.datasets.fetch_openml`."""
    bunch = _openml(options["id"])
    return to_table(bunch.frame, card, {"target": bunch.target.name, **options})


def openml_table(number: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """The columns of the dataset with this OpenML number, and its ``name``, ``version`` and default ``target``.

    The target is "" if the dataset has none, or several. Raises `SourceError` if OpenML cannot be reached, and the
    errors of `sklearn.datasets.fetch_openml`.
    """
    bunch = _openml(number)
    target = bunch.target.name if isinstance(bunch.target, pd.Series) else ""
    details = {"name": str(bunch.details["name"]), "version": str(bunch.details["version"]), "target": str(target)}
    return bunch.frame, details


def _openml(number: int) -> Any:
    from sklearn.datasets import fetch_openml

    with transfer(OPENML_HOST), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about retries; `SourceError` reports the reason
        return fetch_openml(data_id=number, as_frame=True, parser="auto", cache=False, n_retries=1, delay=0.01)


def from_imblearn(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Fetch the dataset ``name`` with `imblearn.datasets.fetch_datasets`, which downloads all 27 datasets at once."""
    from imblearn.datasets import fetch_datasets

    home = downloads / "imblearn"
    name = options["name"]
    if not home.is_dir():
        downloads.mkdir(parents=True, exist_ok=True)
        # Unpacked in a temporary folder and then renamed, so that an interrupted download never leaves partial files.
        with tempfile.TemporaryDirectory(dir=downloads) as aside:
            with transfer(ZENODO_HOST):
                fetch_datasets(data_home=aside, filter_data=(name,))
            try:
                os.rename(aside, home)
            except OSError:
                if not home.is_dir():  # if it exists, another process was faster
                    raise
    try:
        bunch = fetch_datasets(data_home=str(home), filter_data=(name,), download_if_missing=False)[name]
    except Exception as error:
        shutil.rmtree(home, ignore_errors=True)
        raise SourceError(f"the downloaded archive cannot be read ({error}) and was removed") from None
    frame = pd.DataFrame(bunch.data, columns=[f"f{j}" for j in range(1, bunch.data.shape[1] + 1)])
    return to_table(frame.assign(target=bunch.target), card, {"target": "target", **options})


def from_sklearn(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Load the dataset ``name`` that scikit-learn includes, for example ``breast_cancer``."""
    import sklearn.datasets

    loaders = {n.removeprefix("load_"): n for n in sklearn.datasets.__all__ if n.startswith("load_")}
    if options["name"] not in loaders:
        raise SourceError(f"scikit-learn includes no dataset {options['name']!r}")
    bunch = getattr(sklearn.datasets, loaders[options["name"]])(as_frame=True)
    return to_table(bunch.frame, card, {"target": "target", **options})


_OPENML_FIELDS = {"id": (int, True), "drop": (list, False), "first_rows": (int, False), **LABELS}
OPENML = SourceKind("openml", _OPENML_FIELDS, from_openml, lambda options, downloads: OPENML_HOST)
IMBLEARN = SourceKind(
    "imblearn", {"name": (str, True), **LABELS}, from_imblearn, lambda options, downloads: ZENODO_HOST
)
SKLEARN = SourceKind("sklearn", {"name": (str, True), **LABELS}, from_sklearn, lambda options, downloads: "")
