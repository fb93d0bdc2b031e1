"""Datasets that scikit-learn and imbalanced-learn fetch or bundle."""

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
    """Fetch by OpenML's number, ``id``, with `sklearn.datasets.fetch_openml`."""
    from sklearn.datasets import fetch_openml

    with transfer(OPENML_HOST), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its warnings of retries: the reason is reported by us
        bunch = fetch_openml(data_id=options["id"], as_frame=True, parser="auto", cache=False, n_retries=1, delay=0.01)
    return to_table(bunch.frame, card, {"target": bunch.target.name, **options})


def from_imblearn(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Fetch by ``name`` with `imblearn.datasets.fetch_datasets`, which downloads all 27 of its datasets at once."""
    from imblearn.datasets import fetch_datasets

    home = downloads / "imblearn"
    name = options["name"]
    if not home.is_dir():
        downloads.mkdir(parents=True, exist_ok=True)
        # Unpacked aside and renamed whole, so that neither a broken download nor a second process leaves a part.
        with tempfile.TemporaryDirectory(dir=downloads) as aside:
            with transfer(ZENODO_HOST):
                fetch_datasets(data_home=aside, filter_data=(name,))
            try:
                os.rename(aside, home)
            except OSError:
                if not home.is_dir():  # not the work of another process
                    raise
    try:
        bunch = fetch_datasets(data_home=str(home), filter_data=(name,), download_if_missing=False)[name]
    except Exception as error:
        shutil.rmtree(home, ignore_errors=True)
        raise SourceError(f"the downloaded archive cannot be read ({error}) and was removed") from None
    frame = pd.DataFrame(bunch.data, columns=[f"f{j}" for j in range(1, bunch.data.shape[1] + 1)])
    return to_table(frame.assign(target=bunch.target), card, {"target": "target", **options})


def from_sklearn(card: Card, options: Mapping[str, Any], downloads: Path) -> Table:
    """Load by ``name`` what scikit-learn bundles, for example ``breast_cancer``."""
    import sklearn.datasets

    loaders = {n.removeprefix("load_"): n for n in sklearn.datasets.__all__ if n.startswith("load_")}
    if options["name"] not in loaders:
        raise SourceError(f"scikit-learn bundles no dataset {options['name']!r}")
    bunch = getattr(sklearn.datasets, loaders[options["name"]])(as_frame=True)
    return to_table(bunch.frame, card, {"target": "target", **options})


_OPENML_FIELDS = {"id": (int, True), "drop": (list, False), "first_rows": (int, False), **LABELS}
OPENML = SourceKind("openml", _OPENML_FIELDS, from_openml, lambda options, downloads: OPENML_HOST)
IMBLEARN = SourceKind(
    "imblearn", {"name": (str, True), **LABELS}, from_imblearn, lambda options, downloads: ZENODO_HOST
)
SKLEARN = SourceKind("sklearn", {"name": (str, True), **LABELS}, from_sklearn, lambda options, downloads: "")
