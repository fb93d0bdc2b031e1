"""Large stores made from the jobs of a small one: other seeds and parameters, and numbers with some noise."""

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from imbench.contract.spec import format_spec
from imbench.store.parquet import from_parquet, identity_of, to_parquet
from imbench.store.store import Store

_CONTROL, _VARIED = "baseline", "remix"


def fill_large(small, large, jobs, *, strategies, repeats=5, rows=6, workers=2):
    """Fill a store with this many jobs, made from those of `baseline` and `remix` in a small one.

    Each configuration of the small store gets as many seeds as are needed, and ReMix as many values of alpha as there
    are further strategies. Jobs keep their first repeats, and these many predicted rows of each fold and part. Files
    are written as the store writes them, but not synced.
    """
    Store.open(large, create=True)
    for name in ("jobs", "predictions"):
        (Path(large) / name).mkdir(exist_ok=True)
    frame = Store.open(small).frame(columns=["key", "strategy", "dataset", "variant"])
    frame = frame.drop_duplicates("key").sort_values(["dataset", "variant"])
    by = {name: frame.loc[frame["strategy"] == name, "key"].tolist() for name in (_CONTROL, _VARIED)}
    places = [(place, seed) for seed in range(-(-jobs // (strategies * len(by[_VARIED])))) for place in by[_VARIED]]
    controls = dict(zip(by[_VARIED], by[_CONTROL], strict=True))
    tasks = [(key, controls[key], seed) for key, seed in places][: -(-jobs // strategies)]
    work = partial(_write, Path(small), Path(large), repeats, rows, strategies)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(work, tasks))


def _write(small, large, repeats, size, strategies, task):
    """The jobs of all strategies on one configuration."""
    varied, control, seed = task
    for number in range(strategies):
        if number < 2:
            rows, predictions, identity = _template(small, varied if number else control, repeats, size)
            columns = dict(zip(rows.column_names, rows.columns, strict=True))
            measured = [n for n, column in columns.items() if pa.types.is_floating(column.type) and n != "ir"]
            values = np.array([columns[name].to_numpy() for name in measured])
        identity = json.loads(json.dumps(identity))
        identity["variant"]["seed"] = seed
        identity["protocol"]["repeats"] = repeats
        strategy, variant = (rows[name][0].as_py() for name in ("strategy", "variant"))
        if number:
            identity["params"]["alpha"] = number / 1000
            strategy = format_spec(_VARIED, {"alpha": number / 1000})
        if seed:
            variant = f"seed={seed}" if variant == "natural" else f"{variant},seed={seed}"
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        key = sha256(text.encode()).hexdigest()
        labels = {
            "variant": variant,
            "strategy": strategy,
            "key": key,
            "protocol": f"{rows['protocol'][0].as_py().partition(':')[0]}:repeats={repeats}",
            "protocol_fields": json.dumps(identity["protocol"], sort_keys=True, separators=(",", ":")),
        }
        rng = np.random.default_rng([seed, number])
        noisy = values * (1 + 0.01 * (rng.normal(size=(len(values), 1)) + rng.normal(size=values.shape)))
        changed = {name: pa.array(noise, from_pandas=True) for name, noise in zip(measured, noisy, strict=True)}
        changed |= {name: pa.array([label] * rows.num_rows) for name, label in labels.items()}
        whole = pa.table(columns | changed, schema=rows.schema)
        (large / "predictions" / f"{key}.parquet").write_bytes(to_parquet(predictions, text))
        (large / "jobs" / f"{key}.parquet").write_bytes(to_parquet(whole, text))


def _template(small, key, repeats, size):
    """The rows of a job's first repeats, as few of its predictions, and its identity."""
    rows, predicted = (
        from_parquet((small / folder / f"{key}.parquet").read_bytes(), key) for folder in ("jobs", "predictions")
    )
    folds, taken, start = [], [], 0
    for fold in json.loads(predicted.schema.metadata[b"imbench.folds"]):
        sizes = {part: min(size, fold[part]) for part in ("validation", "test")}
        if fold["repeat"] < repeats:
            folds.append(fold | sizes)
            taken += range(start, start + sizes["validation"])
            taken += range(start + fold["validation"], start + fold["validation"] + sizes["test"])
        start += fold["validation"] + fold["test"]
    metadata = {b"imbench.folds": json.dumps(folds).encode()}
    identity = json.loads(identity_of(rows))
    rows = rows.take(pa.array(np.flatnonzero(rows["repeat"].to_numpy() < repeats)))
    return rows, predicted.take(pa.array(taken)).replace_schema_metadata(metadata), identity
