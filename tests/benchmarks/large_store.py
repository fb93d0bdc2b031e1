"""Large stores made from the jobs of a small one: other seeds and parameters, and numbers with some noise."""

import json
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa

from imbench.contract.spec import format_spec
from imbench.store.blocks import blocks, jobs_of
from imbench.store.derive import with_origin
from imbench.store.index import MOST_JOBS, Seen, add_block
from imbench.store.parquet import from_parquet, identity_of, to_parquet, with_digest
from imbench.store.stamps import stamp_of
from imbench.store.store import Store

_CONTROL, _VARIED = "baseline", "remix"


def fill_large(small, large, jobs, *, strategies, repeats=10, rows=6, workers=2):
    """Fill a store with this many jobs, made from those of `baseline` and `remix` in a small one.

    Each configuration of the small store gets as many seeds as are needed, and ReMix as many values of alpha as there
    are further strategies. Jobs keep their first repeats, and these many predicted rows of each fold and part. Files
    are written as the store writes them, but not synced, and the index is written with them.
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
    together = max(1, MOST_JOBS // strategies)
    work = partial(_write, Path(small), Path(large), repeats, rows, strategies)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(work, [tasks[at : at + together] for at in range(0, len(tasks), together)]))


def _write(small, large, repeats, size, strategies, tasks):
    """The jobs of all strategies on some configurations, and their block of the index."""
    tables, seen = {}, {}
    for varied, control, seed in tasks:
        for template, numbers in ((control, range(1)), (varied, range(1, strategies))):
            for key, rows, digests in _jobs(small, large, template, seed, numbers, repeats, size):
                stamps = tuple(stamp_of(large / folder / f"{key}.parquet") for folder in ("jobs", "predictions"))
                tables[key, False], seen[key] = rows, Seen(key, False, stamps, digests)
    for block in blocks(tables):
        add_block(large, block, [seen[key] for key, _ in jobs_of(block)])


def _jobs(small, large, template, seed, numbers, repeats, size):
    """Write one configuration's jobs of the strategies with these numbers: their keys, rows and digests."""
    rows, predictions, identity = _template(small, template, repeats, size)
    identity = json.loads(identity)
    measured = [field.name for field in rows.schema if pa.types.is_floating(field.type) and field.name != "ir"]
    values = np.array([rows[name].to_numpy() for name in measured])
    rng = np.random.default_rng([seed, numbers[0]])
    shape = (len(numbers), len(measured), 1), (len(numbers), *values.shape)
    noisy = values * (1 + 0.01 * (rng.normal(size=shape[0]) + rng.normal(size=shape[1])))
    identity["variant"]["seed"] = seed
    identity["protocol"]["repeats"] = repeats = min(repeats, identity["protocol"]["repeats"])
    variant = rows["variant"][0].as_py()
    labels = {
        "variant": variant if not seed else f"seed={seed}" if variant == "natural" else f"{variant},seed={seed}",
        "protocol": f"{rows['protocol'][0].as_py().partition(':')[0]}:repeats={repeats}",
        "protocol_fields": json.dumps(identity["protocol"], sort_keys=True, separators=(",", ":")),
    }
    described = []
    for number in numbers:
        if number:
            identity["params"]["alpha"] = number / 1000
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        strategy = format_spec(_VARIED, {"alpha": number / 1000}) if number else _CONTROL
        described.append((sha256(text.encode()).hexdigest(), text, strategy))
    count = rows.num_rows
    columns = dict(zip(rows.column_names, rows.columns, strict=True))
    columns = {name: pa.concat_arrays(column.chunks * len(numbers)) for name, column in columns.items()}
    columns |= {name: pa.array(noisy[:, i].ravel(), from_pandas=True) for i, name in enumerate(measured)}
    columns |= {name: pa.array([label] * count * len(numbers)) for name, label in labels.items()}
    columns |= {
        name: pa.array(np.repeat([one[i] for one in described], count)) for name, i in (("key", 0), ("strategy", 2))
    }
    whole = pa.table(columns, schema=rows.schema)
    for place, (key, text, _) in enumerate(described):
        predicted = to_parquet(predictions, text)
        mine = with_digest(whole.slice(place * count, count), predicted)
        content = to_parquet(mine, text)
        (large / "predictions" / f"{key}.parquet").write_bytes(predicted)
        (large / "jobs" / f"{key}.parquet").write_bytes(content)
        yield key, with_origin(mine), (sha256(content).digest(), sha256(predicted).digest())


@cache
def _template(small, key, repeats, size):
    """The rows of a job's first repeats, as few of its predictions, and its identity as JSON."""
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
    identity = identity_of(rows)
    rows = rows.take(pa.array(np.flatnonzero(rows["repeat"].to_numpy() < repeats)))
    return rows, predicted.take(pa.array(taken)).replace_schema_metadata(metadata), identity
