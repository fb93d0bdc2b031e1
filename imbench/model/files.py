"""The folder of a model: model.json, weights.npz and card.md; nothing in it is code."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.reading import parse_json, read_file
from imbench.model.decision import Decision
from imbench.model.encoding import Encoding
from imbench.model.fitted import Model
from imbench.model.scorers import scorer_from, scorer_parts
from imbench.scoring.recalibration import Recalibration
from imbench.store.outputs import check_output_folder

FORMAT = 1
ABOUT, WEIGHTS, CARD = "model.json", "weights.npz", "card.md"
FILES = (ABOUT, WEIGHTS, CARD)
# Weights of real models are a thousand times smaller.
_MOST_WEIGHTS = 8 * 2**30


def check_folder(out: str | Path, overwrite: bool) -> Path:
    """The folder that a model is to be written to.

    Raises
    ------
    UsageError if it cannot be written, or has files and ``overwrite`` is not set; never is a folder replaced that has
    other files than those of a model.
    """
    folder = Path(out)
    check_output_folder(folder, "--out", parents=False)
    if folder.is_dir() and (names := sorted(path.name for path in folder.iterdir())):
        foreign = [name for name in names if name not in FILES]
        if foreign:
            raise UsageError(f"--out {folder} has other files, such as {foreign[0]}; give a new folder")
        if not overwrite:
            raise UsageError(f"--out {folder} has a model already; give another folder, or --overwrite to replace it")
    return folder


def save(model: Model, out: str | Path, overwrite: bool = False) -> Path:
    """Write a model's folder: all of it, or nothing.

    Raises
    ------
    UsageError as `check_folder`, StoreError if the folder cannot be written.
    """
    folder = check_folder(out, overwrite)
    kind, arrays, settings = scorer_parts(model.scorer)
    weights = _packed(arrays)
    about = {
        "format": FORMAT,
        "imbench": version("imbench"),
        "recipe": model.recipe,
        "classes": list(model.classes),
        "encoding": model.encoding.to_json(),
        "scorer": {"kind": kind, **settings},
        "recalibration": {
            "slope": model.recalibration.slope,
            "bias": [None if math.isnan(value) else value for value in model.recalibration.bias.tolist()],
            "method": model.recalibration.method,
        },
        "decision": {
            "rule": model.decision.rule,
            "weights": list(model.decision.weights),
            "recalibrated": model.decision.recalibrated,
            "costs": model.decision.costs,
        },
        "weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()},
        "about": dict(model.about),
    }
    text = json.dumps({**about, "sha256": _hash(about)}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files = {ABOUT: text.encode(), WEIGHTS: weights, CARD: model.card.encode()}
    try:
        _put(folder, files)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}; give another folder") from error
    return folder


def load_model(path: str | Path) -> Model:
    """The model in a folder that `imbench fit` wrote.

    Raises
    ------
    StoreError for a folder that is no model, is damaged, was changed by hand, or has a newer format; names the file.
    """
    folder = Path(path)
    if not (folder / ABOUT).is_file():
        raise StoreError(f"{folder} is no model: it has no {ABOUT}; give the folder that `imbench fit --out` wrote")
    name = str(folder / ABOUT)
    try:
        about = parse_json(read_file(name, name, StoreError), dict[str, Any], name, StoreError)
    except StoreError as error:
        raise StoreError(f"{error}; the file is damaged: fit the model again") from None
    if about.get("format") != FORMAT:
        newer = isinstance(about.get("format"), int) and about["format"] > FORMAT
        fix = "install a newer imbench" if newer else "fit the model again"
        raise StoreError(f"{name} has the format {about.get('format')!r}, and this imbench reads {FORMAT}; {fix}")
    if about.pop("sha256", None) != _hash(about):
        raise StoreError(f"{name} was changed or is damaged: its hash differs; fit the model again")
    try:
        content = read_file(folder / WEIGHTS, str(folder / WEIGHTS), StoreError, _MOST_WEIGHTS)
    except StoreError as error:
        raise StoreError(f"{error}; copy the whole folder of the model again, or fit it again") from None
    if hashlib.sha256(content).hexdigest() != about["weights"]["sha256"]:
        raise StoreError(
            f"{folder / WEIGHTS} was changed or is damaged: its hash is not that in {ABOUT}; fit the model again"
        )
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as packed:
            arrays = {key: packed[key] for key in packed.files}
        return _made(about, arrays, folder)
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise StoreError(f"{folder} is no whole model: {error}; fit the model again") from None


def _made(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray], folder: Path) -> Model:
    settings = dict(about["scorer"])
    fit, decision = about["recalibration"], about["decision"]
    bias = np.array([np.nan if value is None else value for value in fit["bias"]], dtype=np.float64)
    costs = decision["costs"]
    card = folder / CARD
    return Model(
        tuple(about["classes"]),
        Encoding.from_json(about["encoding"]),
        scorer_from(settings.pop("kind"), arrays, settings),
        Recalibration(float(fit["slope"]), bias, fit["method"]),
        Decision(
            decision["rule"],
            tuple(map(float, decision["weights"])),
            bool(decision["recalibrated"]),
            None if costs is None else (float(costs[0]), float(costs[1])),
        ),
        about["recipe"],
        about["about"],
        card.read_text("utf-8", "replace") if card.is_file() else "",
    )


def _packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as .npz, equal bytes for equal arrays."""
    out = io.BytesIO()
    np.savez(out, **dict(arrays))  # type: ignore[arg-type]
    return out.getvalue()


def _hash(about: Mapping[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder under another name, and rename it when it is complete."""
    parent = folder.resolve().parent
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=parent))
    old = made.with_name(f"{made.name}-old")
    try:
        for name, content in files.items():
            with open(made / name, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        made.chmod(0o777 & ~_umask())
        if folder.is_dir():
            os.rename(folder, old)
        try:
            os.rename(made, folder)
        except BaseException:
            if old.is_dir():
                os.rename(old, folder)
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
