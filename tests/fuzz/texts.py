"""Targets of text: specs and options, cards, suites, protocols, manifests, scores and tables."""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.fuzz.harness import Target, command
from tests.fuzz.mutations import changed_tables, leaves, spliced_bytes, spliced_text, texts, toml

SHORT = "smoke:epochs=1,repeats=1,hidden_layers=1"
CARD: dict[str, Any] = {
    "title": "Made up",
    "modality": "tabular",
    "target": "y",
    "rows": 120,
    "features": 3,
    "missing": 0,
    "decimals": 4,
    "categorical": [],
    "licence": "CC BY 4.0",
    "notes": ["a note"],
    "class_counts": {"a": 60, "b": 40, "c": 20},
    "task": [
        {"name": "binary", "minority": ["c"], "irs": [0.1, 0.2]},
        {"name": "multiclass", "minority": ["b", "c"], "irs": [0.1]},
    ],
    "source": [{"kind": "file", "path": "good.csv", "header": True, "separator": ",", "missing_values": ["?"]}],
}
_URL = {"url": "http://127.0.0.1:9/made.zip", "sha256": "0" * 64, "members": ["made.csv"], "labels": {"a": "b"}}
SOURCES: list[dict[str, Any]] = [
    {"kind": "uci", **_URL, "separator": "whitespace", "drop": ["id"], "columns": ["id", "u", "v", "w", "y"]},
    {"kind": "url", **_URL, "format": "text", "skip_rows": 1, "first_rows": 10},
    {"kind": "openml", "id": 36, "labels": {"x": "a"}},
    {"kind": "mirror", "entry": "made", "files": ["made.parquet"], "labels": {"a": "b"}, "target": "y"},
    {"kind": "wheel", "package": "x==1", "sha256": "0" * 64},
    {"kind": "images", "format": "npz", "files": [{"path": "x.npz"}, {"url": "http://127.0.0.1:9/x", "md5": "0" * 32}]},
]
IMAGES: dict[str, Any] = {
    **CARD,
    "modality": "image",
    "features": 12,
    "pixels": {"height": 2, "width": 2, "brightest": 255, "enlarge": 4},
    "test_per_class": 2,
}
LONG_TAIL: dict[str, Any] = {**CARD, "task": [{"name": "multiclass", "longtail": True, "irs": [0.1]}]}
SUITE: dict[str, Any] = {
    "title": "A suite",
    "protocol": SHORT,
    "configurations": ["card.toml:ir=0.1", {"spec": "segment:ir=0.05", "fallback": "two.csv:target=kind"}],
}
PROTOCOL: dict[str, Any] = {
    "extends": "smoke",
    "epochs": 2,
    "repeats": 1,
    "folds": 2,
    "validation": 0.3,
    "batch_size": 16,
    "drop_last": True,
    "net": "paper",
    "hidden_layers": 1,
    "dropout": 0.1,
    "schedule": "plateau",
    "patience": 10,
    "exceptions": {"made": {"epochs": 3}, "image:task=multiclass": {"net": "resnet32", "learning_rate": 0.1}},
}
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "notes": ["a note"],
    "dataset": {
        "card": {"title": "Made up", "file": "made.parquet", "sha256": "", "rows": 120},
        "segment": {"files": [{"file": "a.parquet", "sha256": "0" * 64}, {"file": "made.parquet", "sha256": ""}]},
    },
}


@functools.cache
def world() -> dict[str, bytes]:
    """The files that every example finds: tables, and a card, suite, protocol and mirror that are right."""
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [60, 40, 20])
    frame = pd.DataFrame(rng.normal(size=(120, 3)).round(3), columns=list("uvw")).assign(y=y)
    two = frame.drop(columns="y").assign(kind=np.where(y == "c", "yes", "no"))
    parquet = io.BytesIO()
    frame.rename(columns={"y": "target"}).to_parquet(parquet, index=False)
    digest = hashlib.sha256(parquet.getvalue()).hexdigest()
    manifest = toml(MANIFEST).replace('"sha256" = ""', f'"sha256" = "{digest}"')
    return {
        "good.csv": frame.to_csv(index=False).encode(),
        "two.csv": two.to_csv(index=False).encode(),
        "card.toml": toml(CARD).encode(),
        "suite.toml": toml(SUITE).encode(),
        "protocol.toml": toml(PROTOCOL).encode(),
        "mirror/made.parquet": parquet.getvalue(),
        "mirror/MANIFEST.toml": manifest.encode(),
    }


def lay(folder: Path, **files: bytes) -> None:
    """Write the files of the world, and these beside or instead of them."""
    for name, content in (world() | files).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def plan(folder: Path, *arguments: str) -> int:
    """The exit code of a plan of the baseline under a short protocol."""
    return command(folder, "plan", "--strategy", "baseline", "--no-checks", *arguments).code


def _run(folder: Path, *arguments: str) -> None:
    """Train the baseline; jobs may fail."""
    command(folder, "run", "--strategy", "baseline", "--no-checks", "--jobs", "1", "--quiet", *arguments)


def written(bases: list[dict[str, Any]], words: tuple[Any, ...] = ()) -> st.SearchStrategy[bytes]:
    """TOML files: valid ones with fields changed, and with bytes changed."""
    changed = changed_tables(bases, words).map(lambda table: toml(table).encode("utf-8", "surrogatepass"))
    return changed | changed | spliced_bytes([toml(base).encode() for base in bases])


# Specs and options.
_WORDS = (
    "baseline", "remix", "mixup", "augmented", "segment", "cifar10", "two.csv", "card.toml", "good.csv",
    "smoke", "protocol.toml", "paper", "alpha", "inner", "ir", "task", "seed", "target", "minority",
    "suite.toml", "folder/", "epochs", "repeats", "folds", "hidden_layers", "batch_size", "net", "patience",
    "multiclass", "binary", "tabular",
)  # fmt: skip
_SPECS = {
    "--strategy": (
        "remix:alpha=0.3",
        "mixup",
        "augmented:inner=(remix:alpha=0.3),shift=0.1",
        "batch-smote:k=3",
        "imbench/remix",
        "remix-aug",
        "cost-adjusted",
    ),
    "--dataset": (
        "segment:ir=0.05",
        "two.csv:target=kind",
        "card.toml:task=multiclass,ir=0.1",
        "good.csv:target=y,minority=b+c,task=multiclass",
        "two.csv:target=kind,ir=0.1,seed=3",
        "cifar10:ir=0.05,task=multiclass",
        "folder/",
    ),
    "--protocol": (
        "smoke",
        "paper:epochs=30",
        "protocol.toml",
        "standard:repeats=1,net=resnet32",
        "protocol.toml:folds=3",
    ),
    "--suite": ("tabular", "suite.toml", "image-small"),
    "--set": (
        "epochs=50",
        "patience=none",
        "net=resnet32",
        "hidden_layers=2",
        "batch_size=8",
        "folds=1",
        "drop_last=no",
    ),
    "--shard": ("1/4", "2/2@0123abcd"),
    "--timeout": ("30m", "1.5h", "none"),
    "--memory": ("4GB", "none", "800MiB"),
    "--device": ("cpu", "cuda", "cuda:1"),
    "--jobs": ("1", "4"),
    "--retry": ("2",),
    "--data-mirror": ("mirror", "http://127.0.0.1:9/m"),
    "--store": ("store", "a/b"),
    "--resource": ("GPU=1",),
}
_option = st.sampled_from(sorted(_SPECS)).flatmap(
    lambda name: spliced_text(_SPECS[name], _WORDS).map(lambda value: [name, value])
)
_spec = st.sampled_from(sorted(_SPECS)).flatmap(lambda name: spliced_text(_SPECS[name], _WORDS))
_DRY: st.SearchStrategy[list[str]] = st.sampled_from(
    [["plan"], ["plan", "--json"], ["run", "--dry-run"], ["plan", "--strict"]]
)


def _joined(line: tuple[list[str], list[list[str]]]) -> list[str]:
    return [*line[0], *itertools.chain(*line[1])]


_lines = st.one_of(
    st.tuples(_DRY, st.lists(_option, min_size=1, max_size=3)).map(_joined),
    st.tuples(_DRY, st.lists(_option, min_size=1, max_size=3)).map(_joined),
    st.tuples(st.just(["info"]), _spec, st.sampled_from([[], ["--json"]])).map(lambda v: [*v[0], v[1], *v[2]]),
    st.tuples(_option, spliced_text(["alpha=0.1,0.3", "k=1,2", "inner=baseline,(mixup:alpha=0.3)"], _WORDS)).map(
        lambda v: ["sweep", "--dry-run", *v[0], "--param", v[1]]
    ),
    st.tuples(spliced_text(["remix:alpha=0.3", "my-strategy"], _WORDS), texts).map(
        lambda v: ["plugin", "new", v[0], "--to", "new"]
    ),
    st.lists(texts | st.sampled_from([*_SPECS, "plan", "info", "list", "data", "status", "--json"]), max_size=5),
)


def _typed(line: list[str]) -> bool:
    """Whether a shell could hand this over, and it names nothing that takes minutes or leaves the machine."""
    return not any("\0" in word for word in line) and not any(
        word in line for word in ("--dask", "reproduce", "doctor", "--plugin")
    )


def check_specs(line: list[str], folder: Path) -> None:
    """A command with specs and options."""
    lay(folder)
    command(folder, *line)


# Files.
def check_tables(example: tuple[str, str, bytes], folder: Path) -> None:
    """A user's table: planned, described, and trained on if it was planned."""
    suffix, options, content = example
    (folder / f"mine{suffix}").write_bytes(content)
    spec = f"mine{suffix}:{options}"
    command(folder, "info", spec)
    if plan(folder, "--dataset", spec, "--protocol", SHORT) == 0 and len(content) < 20_000:
        _run(folder, "--dataset", spec, "--protocol", SHORT)


@functools.cache
def _parquets() -> list[bytes]:
    frame = pd.read_csv(io.BytesIO(world()["good.csv"]))
    kinds = [
        frame,
        frame.assign(y=frame["y"].astype("category")),
        frame.assign(u=pd.Timestamp("2020-01-01"), y=(frame["y"] == "c")),
        frame.assign(u=[[1, 2]] * len(frame)),
        frame.assign(y=[{"a": i % 2} for i in range(len(frame))]),
        frame.assign(u=b"x", v=[Decimal(i) / 3 for i in range(len(frame))]),
        frame.assign(u=pd.Timedelta(1), v=pd.Period("2020-01")),
        frame.assign(u=[None, *frame["u"][1:]], v=frame["v"].astype("float32"), y=frame["u"].round().astype("Int64")),
        frame.set_index("u"),
        frame.rename(columns={"u": "0"}).set_index(frame["v"].rename(0)),
    ]
    sink = io.BytesIO()
    pq.write_table(pa.table([frame["u"], frame["y"], frame["y"]], names=["u", "y", "y"]), sink)
    found = [sink.getvalue()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that are numbers
        for kind in kinds:
            sink = io.BytesIO()
            kind.to_parquet(sink)
            found.append(sink.getvalue())
    return found


@st.composite
def _tables(draw: st.DrawFn) -> tuple[str, str, bytes]:
    suffix = draw(st.sampled_from([".csv", ".csv", ".tsv", ".parquet"]))
    options = ("target=y", "target=y", "target=y,minority=c,ir=0.1", "target=y,task=multiclass", "target=u")
    spec = draw(st.sampled_from(options) | spliced_text(options))
    if suffix == ".parquet":
        return suffix, spec, draw(spliced_bytes(_parquets()))
    separator = "\t" if suffix == ".tsv" else draw(st.sampled_from([",", ",", ";", "\t"]))
    cells = st.one_of(texts, leaves.map(str), st.sampled_from(["a", "b", "1.5", "2", "", "NA"]))
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(["u", "v", "y", "kind", "y"]) | texts, min_size=1, max_size=4))
        bodies = st.lists(st.lists(cells, min_size=1, max_size=5), max_size=4)
        lines = [names, *draw(bodies) * draw(st.sampled_from([1, 3, 20]))]
        text = "\n".join(separator.join(line) for line in lines)
        return suffix, spec, text.encode("utf-8", "surrogatepass")
    good = [world()["good.csv"], world()["two.csv"], world()["good.csv"][:300]]
    return suffix, spec, draw(spliced_bytes([content.replace(b",", separator.encode()) for content in good]))


def check_cards(content: bytes, folder: Path) -> None:
    """A card: planned with and without data, described, and its data fetched."""
    lay(folder, **{"mine.toml": content})
    command(folder, "info", "mine.toml")
    if plan(folder, "--dataset", "mine.toml", "--protocol", SHORT) == 0:
        command(folder, "plan", "--dataset", "mine.toml:task=multiclass,ir=0.1", "--strategy", "remix", "--json")
        command(folder, "data", "fetch", "mine.toml", "--data-mirror", "mirror")


def check_suites(content: bytes, folder: Path) -> None:
    """A suite: planned and described."""
    lay(folder, **{"mine.toml": content})
    command(folder, "info", "mine.toml")
    plan(folder, "--suite", "mine.toml")


def check_protocols(example: tuple[bytes, list[str]], folder: Path) -> None:
    """A protocol, and fields set by hand: planned on a table and an image dataset."""
    content, settings = example
    lay(folder, **{"mine.toml": content})
    options = [part for setting in settings for part in ("--set", setting)]
    command(folder, "info", "mine.toml")
    plan(folder, "--dataset", "two.csv:target=kind", "--protocol", "mine.toml", *options)
    plan(folder, "--dataset", "cifar10:ir=0.1", "--protocol", "mine.toml", *options)


_FIELDS = tuple(key for key in PROTOCOL if key not in ("extends", "exceptions"))
_settings = spliced_text(
    [f"{key}={str(PROTOCOL[key]).lower()}" for key in _FIELDS] + ["learning_rate=1e-3", "beta2=0.9", "clip=5"], _WORDS
)


def check_mirrors(content: bytes, folder: Path) -> None:
    """The manifest of a mirror: surveyed, planned with, and read from."""
    lay(folder, **{"mirror/MANIFEST.toml": content})
    if plan(folder, "--dataset", "card.toml", "--protocol", SHORT, "--data-mirror", "mirror") == 0:
        command(folder, "data", "--data-mirror", "mirror", "--json")
        command(folder, "data", "fetch", "card.toml", "segment", "--data-mirror", "mirror")


_SCORES = (
    "dataset,a,b,c\nw,1,2,3\nx,1,3,2\ny,3,2,1\nz,2,2,2\n",
    "dataset;ir;a;b\nw;0.1;1;2\nw;0.2;2;3\nx;0.1;3;1\ny;0.1;;2\n",
    "dataset\trepeat\tfold\ta\tb\nw\t0\t0\t1\t2\nw\t0\t1\t2\t3\nw\t1\t0\t2\t4\nw\t1\t1\t1\t3\n",
    "a,b\n1,2\n3,4\n5,5\n",
    ",a,b\nx,1,2\ny,0.5,1e300\nz,-1e300,NA\n",
)
_EVALUATE = ("--blocks", "--label", "--reference", "--alpha")


def check_scores(example: tuple[bytes, list[str]], folder: Path) -> None:
    """A table of scores for `imbench evaluate`."""
    content, options = example
    (folder / "scores.csv").write_bytes(content)
    command(folder, "evaluate", "scores.csv", "--higher", *options)


@st.composite
def _score_files(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    option = st.tuples(st.sampled_from(_EVALUATE), st.sampled_from(["dataset", "a", "ir", "0.1", "fold", "0"]) | texts)
    options = [part for pair in draw(st.lists(option, max_size=2)) for part in pair]
    options += draw(st.sampled_from([[], ["--json"], ["--lower"]]))
    if draw(st.booleans()):
        return draw(spliced_bytes([text.encode() for text in _SCORES])), options
    columns, rows = draw(st.integers(1, 6)), draw(st.integers(0, 30))
    cells = st.one_of(st.floats().map(str), numbers_of_few, texts)
    names = draw(st.lists(st.sampled_from(["dataset", "repeat", "fold", "a", "b", "c"]) | texts, min_size=columns))
    lines = [names[:columns]] + [[draw(cells) for _ in range(columns)] for _ in range(rows)]
    return "\n".join(",".join(line) for line in lines).encode("utf-8", "surrogatepass"), options


numbers_of_few = st.sampled_from(["0", "1", "0.5", "-1", "1e308", "5e-324", "nan", "inf", "", "1"])


def _parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(list(columns.values()), names=[name.rstrip("_") for name in columns]), sink)
    return sink.getvalue()


_NESTED, _SINGLE = pa.array([[1, 2], [3]]), pa.array(["a", "b"])
# A list as a class or a category, and two columns of one name.
_KEPT_TABLES = tuple(
    (".parquet", "target=y", content)
    for content in (
        _parquet(u=_SINGLE, y=_NESTED),
        _parquet(u=_NESTED, y=_SINGLE),
        _parquet(u=_SINGLE, y=_SINGLE, y_=_SINGLE),
    )
)
# A name that is as long as a file may make it was repeated in full.
_KEPT_SPECS = (
    *(["[" * 20_000], ["info", "[" * 20_000]),
    *(["plan", "--data-mirror", place] for place in ("http://127.0.]0.1:9/m", "~mirror")),
)
_KEPT_SUITES = (
    toml(SUITE | {"configurations": [{"spec": "segment:ir=0.05", "fallback": "~.csv:target=kind"}]}).encode(),
)
_KEPT_SCORES = ((b"dataset\n0.0\n" + b"[" * 20_000, []),)
# A control character reached the terminal with a warning that is no error.
_KEPT_MIRRORS = (toml({"dataset": {"card": {"file": "\x83.parquet", "sha256": "0" * 64}}}).encode(),)

TARGETS = (
    Target("specs", _lines.filter(_typed), check_specs, _KEPT_SPECS, smoke=25),
    Target("tables", _tables(), check_tables, _KEPT_TABLES, prepare=_parquets, smoke=30),
    Target("cards", written([CARD, IMAGES, LONG_TAIL, *({**CARD, "source": [one]} for one in SOURCES)]), check_cards),
    Target(
        "suites",
        written([SUITE], (SUITE["configurations"], "two.csv:target=kind", "../x.toml")),
        check_suites,
        _KEPT_SUITES,
    ),
    Target("protocols", st.tuples(written([PROTOCOL]), st.lists(_settings, max_size=2)), check_protocols),
    Target("mirrors", written([MANIFEST]), check_mirrors, _KEPT_MIRRORS),
    Target("scores", _score_files(), check_scores, _KEPT_SCORES),
)
