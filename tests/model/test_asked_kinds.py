"""Columns whose kind is asked for are encoded in a model as they were in training."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imbench
from imbench import DataError
from imbench.model.encoding import Encoding, encoding_of, frame_like_file, read_new_table

ROWS = 30
WORDS = ("good", "bad", "slow", "service", "the", "Täglich", "42")
# How a column of a kind is asked for after its name, and its values.
ASKED = {
    "text": ("text", "", lambda rng: [" ".join(rng.choice(WORDS, rng.integers(0, 6))) for _ in range(ROWS)]),
    "words": ("boolean", ":J", lambda rng: list(rng.choice(["J", "n", "j"], ROWS))),
    "numbers": ("boolean", ":2", lambda rng: [str(v) for v in rng.choice([1, 2], ROWS)]),
    "packed": ("date", ":%Y%m%d", lambda rng: [f"2024{m:02}{d:02}" for m, d in rng.integers(1, 13, (ROWS, 2))]),
    "american": ("date", ":%m/%d/%Y", lambda rng: [f"{m}/{d}/2024" for m, d in rng.integers(1, 13, (ROWS, 2))]),
    "usual": ("date", "", lambda rng: [f"{d:02}.{m:02}.2024" for m, d in rng.integers(1, 13, (ROWS, 2))]),
}


def table(kinds, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"{kind}{i}": ASKED[kind][2](rng) for i, kind in enumerate(kinds)})
    frame = frame.mask(rng.random(frame.shape) < rng.choice([0, 0.2]), "")
    return frame.assign(y=np.where(np.arange(ROWS) % 3, "no", "yes"))


def spec(path, kinds):
    items = {}
    for i, kind in enumerate(kinds):
        items.setdefault(ASKED[kind][0], []).append(f"{kind}{i}{ASKED[kind][1]}")
    return f"{path}:target=y," + ",".join(f"{key}={'+'.join(values)}" for key, values in items.items())


def bits(x):
    return x.view(np.int32).tolist()


@given(st.lists(st.sampled_from(sorted(ASKED)), min_size=1, max_size=4), st.integers(0, 999), st.booleans())
def test_the_training_table_gets_the_inputs_of_training_to_the_bit(tmp_path_factory, kinds, seed, typed):
    path = tmp_path_factory.mktemp("t") / ("t.parquet" if typed else "t.csv")
    frame = table(kinds, seed)
    if typed:  # numbers as numbers
        for name in frame:
            if name.startswith(("numbers", "packed")):
                frame[name] = pd.to_numeric(frame[name]).astype("Int64")
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    try:
        dataset = imbench.dataset(spec(path, kinds))
    except DataError:  # a column without values, or with a single one
        return
    encoding = Encoding.from_json(json.loads(json.dumps(encoding_of(dataset).to_json())))
    read = frame_like_file(frame) if typed else read_new_table(str(path), encoding)[0]
    assert encoding.inputs == dataset.feature_names
    assert bits(encoding.encode(read).x) == bits(dataset.x)
    alone = range(seed % 6, ROWS, 6)
    one_by_one = [encoding.encode(read.iloc[[i]]).x[0] for i in alone]
    assert bits(np.stack(one_by_one)) == bits(dataset.x[alone])


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("words", "maybe", "the model reads n or j"),
        ("packed", "31.12.2024", "the model reads dates written %Y%m%d"),
        ("american", "2024-12-31", "the model reads dates written %m/%d/%Y"),
    ],
)
def test_a_value_of_another_kind_is_refused_and_named(tmp_path, kind, value, problem):
    frame = table([kind], 1)
    frame.to_csv(tmp_path / "t.csv", index=False)
    encoding = encoding_of(imbench.dataset(spec(tmp_path / "t.csv", [kind])))
    frame.loc[4, f"{kind}0"] = value
    frame.to_csv(tmp_path / "new.csv", index=False)
    new, _ = read_new_table(str(tmp_path / "new.csv"), encoding)
    with pytest.raises(DataError, match=f"{value}.*line 6.*{problem}"):
        encoding.encode(new)
