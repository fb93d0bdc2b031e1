"""A published store is whole, names nobody, and is the same bytes every time."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from imbench.contract.errors import StoreError, UsageError
from imbench.report import Options
from imbench.report import publish as publishing
from imbench.report.publish import publish
from imbench.report.scrub import Scrubber
from imbench.store.parquet import ROWS_SCHEMA, to_parquet
from imbench.store.results import load
from imbench.store.selection import select
from imbench.store.store import Store
from tests.made_results import FACTS, PROTOCOL, fill, job, predictions
from tests.store.test_old_stores import FIRST

STRATEGIES = ["baseline", "mixup", "remix"]
OF_A_PAGE = {"index.html", "results.parquet", "leaderboard.csv", "leaderboard.json", "CITATION.cff", "badge.svg"}


# For tests of what is published beside boards and figures: of those, the few of one metric.
publish_little = partial(publish, describe=lambda _: Options(metrics=("gmean",), rules=("argmax",)))


def content(folder):
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch):
    """What a crash would leave is tested with the store; syncing is what takes time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def filled(store):
    fill(store, ["a", "b"], STRATEGIES)
    return store


def test_a_page_and_the_folder_have_every_file_and_its_hash(filled, tmp_path):
    done = publish(filled.path, tmp_path / "site")
    assert done.page == "store"
    for folder in (tmp_path / "site", tmp_path / "site" / "store"):
        files = json.loads((folder / "manifest.json").read_text())["files"]
        assert set(files) >= OF_A_PAGE
        for name, known in files.items():
            data = (folder / name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (known["sha256"], known["bytes"])
    assert set(done.files) == set(json.loads((tmp_path / "site/store/manifest.json").read_text())["files"])


def test_the_title_stands_on_the_page_and_modalities_in_its_filters(filled, tmp_path):
    describe = lambda rows: Options(modality=dict.fromkeys(rows["dataset"], "tabular"))  # noqa: E731
    publish(filled.path, tmp_path / "site", title="Mixing <harder>", describe=describe)
    page = (tmp_path / "site/store/index.html").read_text()
    assert "<h1>Mixing &lt;harder&gt;</h1>" in page
    assert "<title>Mixing &lt;harder&gt;</title>" in page
    assert "not stated" not in page
    assert not (tmp_path / "site/store/report-files.json").exists()


def test_the_published_rows_are_those_of_the_store(filled, tmp_path):
    publish_little(filled.path, tmp_path / "site")
    rows = pd.read_parquet(tmp_path / "site" / "store" / "results.parquet")
    pd.testing.assert_frame_equal(rows, filled.frame(), check_dtype=False)
    assert "p[0]" not in rows.columns, "predictions stay at home"


def test_publishing_again_changes_no_byte_and_touches_no_file(filled, tmp_path):
    publish(filled.path, tmp_path / "site")
    before = {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in (tmp_path / "site").rglob("*") if f.is_file()}
    publish(filled.path, tmp_path / "site")
    assert {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in (tmp_path / "site").rglob("*") if f.is_file()} == before


def test_the_order_of_publishing_leaves_no_trace(filled, tmp_path):
    other = Store.open(tmp_path / "other", create=True)
    fill(other, ["c"], STRATEGIES, task="multiclass")
    for site, order in (("one", [filled, other]), ("two", [other, filled])):
        for each in order:
            publish_little(each.path, tmp_path / site)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_second_store_adds_a_page_to_the_index(filled, tmp_path):
    publish_little(filled.path, tmp_path / "site", title="The first one")
    first = content(tmp_path / "site" / "store")
    other = Store.open(tmp_path / "other", create=True)
    fill(other, ["c"], STRATEGIES, task="multiclass")
    publish_little(other.path, tmp_path / "site", title="The <second> one")
    assert content(tmp_path / "site" / "store") == first
    index = (tmp_path / "site" / "index.html").read_text()
    assert 'href="store/index.html">The first one<' in index
    assert 'href="other/index.html">The &lt;second&gt; one<' in index
    together = pd.read_parquet(tmp_path / "site" / "results.parquet")
    assert together.groupby("page")["key"].nunique().to_dict() == {"other": 3, "store": 6}
    assert set(pd.read_csv(tmp_path / "site" / "leaderboard.csv")["page"]) == {"other", "store"}
    assert set(json.loads((tmp_path / "site" / "leaderboard.json").read_text())["pages"]) == {"other", "store"}


def test_a_store_that_grew_renews_its_page(filled, tmp_path):
    publish_little(filled.path, tmp_path / "site")
    fill(filled, ["c"], STRATEGIES)
    publish_little(filled.path, tmp_path / "site")
    assert set(pd.read_parquet(tmp_path / "site/store/results.parquet")["dataset"]) == {"a", "b", "c"}


def test_another_store_of_the_same_folder_name_is_not_written_over_the_page(filled, tmp_path):
    publish_little(filled.path, tmp_path / "site")
    other = Store.open(tmp_path / "elsewhere" / "store", create=True)
    fill(other, ["c"], STRATEGIES)
    before = content(tmp_path / "site")
    with pytest.raises(StoreError, match=r"has 6 jobs that this store lacks.*--name, or replace it with --replace"):
        publish_little(other.path, tmp_path / "site")
    assert content(tmp_path / "site") == before
    publish_little(other.path, tmp_path / "site", replace_page=True)
    assert set(pd.read_parquet(tmp_path / "site/store/results.parquet")["dataset"]) == {"c"}


def test_files_of_somebody_else_stay(filled, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "CNAME").write_text("example.org")
    publish_little(filled.path, site)
    assert (site / "CNAME").read_text() == "example.org"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.html").write_text("my thesis")
    with pytest.raises(StoreError, match=r"index.html was not written by imbench"):
        publish_little(filled.path, tmp_path / "mine")
    assert content(tmp_path / "mine") == {"index.html": b"my thesis"}


def test_a_file_that_the_report_no_longer_writes_goes(filled, tmp_path, monkeypatch):
    def report(results, to, options):
        (Path(to) / "figures").mkdir()
        (Path(to) / "figures" / "ranks.svg").write_text("<svg/>")
        (Path(to) / "index.html").write_text(f"<title>{results.store}</title>")
        return []

    with monkeypatch.context() as other:
        other.setattr(publishing, "write_report", report)
        publish(filled.path, tmp_path / "site")
    page = tmp_path / "site" / "store"
    assert (page / "figures" / "ranks.svg").exists(), "whatever the report writes is published"
    assert (page / "index.html").read_text() == "<title>store</title>", "the page, without a path"
    publish(filled.path, tmp_path / "site")
    assert not (page / "figures" / "ranks.svg").exists()


SECRETS = ["alice", "node17", "bob", "carol", "mallory", "corp.example", "/srv/", "C:\\", "/tmp", "/home", "/Users"]


def test_no_host_user_or_path_is_published(tmp_path, monkeypatch):
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "alice")
    monkeypatch.setattr("platform.node", lambda: "node17.corp.example")
    store = Store.open(tmp_path / "alice-results", create=True)
    fill(store, ["/home/bob/data/churn.csv", "segment"], STRATEGIES)
    error = (
        'Traceback:\n  File "/home/bob/my plugins/x.py", line 3\n'
        "OSError: node17 cannot read C:\\Users\\carol\\x.csv or ~mallory/y.csv of alice@node17.corp.example, "
        "see https://node17.corp.example/log?user=bob; Bob's disk /srv/scratch/bob is full"
    )
    store.fail(job("c"), error, {"host note": "run by alice on node17", "threads": 1})
    publish(store.path, tmp_path / "site")
    for name, data in content(tmp_path / "site").items():
        text = data.decode("utf-8", errors="replace")
        if name.endswith(".parquet"):
            text = pq.read_table(tmp_path / "site" / name).to_pandas().to_csv()
        assert [secret for secret in SECRETS if secret.lower() in text.lower()] == [], name
    rows = pd.read_parquet(tmp_path / "site" / "results" / "results.parquet")
    assert set(rows["dataset"]) == {"churn.csv", "segment", "c"}
    assert "line 3" in set(rows["error"]).pop() + "".join(rows["error"])
    assert set(rows["strategy"]) == set(STRATEGIES)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cannot read /data/x/y.csv: denied", "cannot read [path]/y.csv: denied"),
        ("cannot read '/data/my files/y.csv'", "cannot read '[path]/y.csv'"),
        ("in ~/runs/a and ~eve/b", "in [path]/a and [path]/b"),
        (r"D:\runs\a.csv and \\server\share\b", "[path]/a.csv and [path]/b"),
        ("https://user:word@host.example:80/a?b=c", "[url]"),
        ("either/or, 1/2, 12 of 27 configurations", "either/or, 1/2, 12 of 27 configurations"),
        ("remix@2 has gmean@tuned of 0.5", "remix@2 has gmean@tuned of 0.5"),
        ("mail eve@lab.example", "mail [address]"),
        (
            "eve@lab:/data/x.csv, --store=/data/y, error:/data/z",
            "[address]:[path]/x.csv, --store=[path]/y, error:[path]/z",
        ),
        ("zoe_x, Zoe and zoes", "[name]_x, [name] and zoes"),
    ],
)
def test_what_is_scrubbed_and_what_is_not(given, expected):
    assert Scrubber(frozenset({"zoe"})).text(given) == expected


def test_a_mixture_of_protocols_is_refused_unless_told(filled, tmp_path):
    fill(filled, ["a"], STRATEGIES, protocol=dataclasses.replace(PROTOCOL, name="other", epochs=3))
    with pytest.raises(StoreError, match=r"mixes protocols: other, quick; .* --mixed"):
        publish_little(filled.path, tmp_path / "site")
    assert not (tmp_path / "site").exists()
    publish_little(filled.path, tmp_path / "site", mixed=True)


def test_a_mixture_of_schema_versions_is_refused_unless_told(tmp_path):
    old = Store.open(shutil.copytree(FIRST, tmp_path / "old"))
    publish_little(old.path, tmp_path / "site", select=ranked)
    row = old.frame().iloc[0]
    protocol = type(PROTOCOL).from_mapping("smoke", json.loads(row["protocol_fields"]))
    protocol = dataclasses.replace(protocol, name="smoke:epochs=40")
    fill(old, ["d"], ["remix"], protocol=protocol)
    with pytest.raises(StoreError, match=rf"mixes schema versions: 1 .*, {ROWS_SCHEMA} "):
        publish_little(old.path, tmp_path / "site", select=ranked)
    publish_little(old.path, tmp_path / "site", select=ranked, mixed=True)


def ranked(rows):
    """The rows as if no smoke run had made them."""
    return rows.assign(protocol="quick")


def test_a_smoke_store_is_refused_and_a_mixed_one_is_published_without_it(filled, tmp_path):
    smoke = dataclasses.replace(PROTOCOL, name="smoke:epochs=2", epochs=2)
    fill(filled, ["a"], STRATEGIES, protocol=smoke)
    with pytest.raises(StoreError, match=r"smoke checks that everything works; it ranks nothing.*--protocol quick"):
        publish_little(filled.path, tmp_path / "site", mixed=True)
    assert not (tmp_path / "site").exists()
    publish_little(filled.path, tmp_path / "site", select=partial(select, protocols=["quick"]))
    assert set(pd.read_parquet(tmp_path / "site" / "store" / "results.parquet")["protocol"]) == {"quick"}


def test_rows_that_predictions_do_not_give_are_refused(filled, tmp_path):
    one = job("a", "remix")
    file = filled.path / "jobs" / f"{one.key}.parquet"
    table = pq.read_table(file)
    better = table.set_column(table.column_names.index("bbs"), "bbs", [[0.001] * 4])
    identity = table.schema.metadata[b"imbench.identity"].decode()
    kept = {k: v for k, v in table.schema.metadata.items() if k != b"imbench.seal"}
    file.write_bytes(to_parquet(better.replace_schema_metadata(kept), identity))
    with pytest.raises(StoreError, match=r"the stored bbs of .* is 0.001, but its predictions give"):
        publish(filled.path, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_store_with_damaged_jobs_or_none_is_refused(filled, tmp_path):
    empty = Store.open(tmp_path / "empty", create=True)
    with pytest.raises(StoreError, match="no finished job to publish"):
        publish(empty.path, tmp_path / "site")
    os.truncate(filled.path / "jobs" / f"{job('a', 'remix').key}.parquet", 50)
    with pytest.raises(StoreError, match="has 1 damaged job; repeat the run"):
        publish(filled.path, tmp_path / "site")


def test_a_folder_inside_the_store_is_refused(filled):
    with pytest.raises(UsageError, match="lies in the store"):
        publish(filled.path, filled.path / "site")


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_a_name_that_is_no_folder_name_is_refused(filled, tmp_path, name):
    with pytest.raises(UsageError, match="--name"):
        publish(filled.path, tmp_path / "site", name=name)


def test_the_citation_is_yaml_of_the_format_and_names_the_rows(filled, tmp_path):
    publish_little(
        filled.path, tmp_path / "site", title='A "title": x', authors=["Curie, Marie", "The imbench developers"]
    )
    page = tmp_path / "site" / "store"
    cited = yaml.safe_load((page / "CITATION.cff").read_text())
    assert (cited["cff-version"], cited["type"], cited["title"]) == ("1.2.0", "dataset", 'A "title": x')
    assert cited["authors"] == [
        {"family-names": "Curie", "given-names": "Marie"},
        {"name": "The imbench developers"},
    ]
    digest = hashlib.sha256((page / "results.parquet").read_bytes()).hexdigest()
    assert cited["identifiers"][0]["value"] == f"sha256:{digest}"


def test_the_badge_is_svg_that_says_who_leads(filled, tmp_path):
    publish_little(filled.path, tmp_path / "site")
    root = ET.fromstring((tmp_path / "site" / "store" / "badge.svg").read_text())
    leader = load(filled.path).leaderboards()[0].table["strategy"].iloc[0]
    assert root.attrib["aria-label"] == f"imbench: {leader} leads in G-mean"


class Checker(HTMLParser):
    """Finds tags that do not close, and what a page asks from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.elsewhere = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br", "input", "img", "hr", "col"):
            self.open.append(tag)
        self.elsewhere += [v for k, v in attrs if k in ("src", "href") and "//" in (v or "")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_pages_are_well_formed_and_link_to_files_that_are_there(filled, tmp_path):
    publish(filled.path, tmp_path / "site", title="a < b & c")
    for page in (tmp_path / "site").rglob("index.html"):
        checker = Checker()
        checker.feed(page.read_text())
        assert checker.open == []
        assert checker.elsewhere == []
        for link in re.findall(r'href="([^"]+)"', page.read_text()):
            if not link.startswith(("#", "data:")):  # places on the page itself
                assert (page.parent / link).exists(), link


def test_failures_are_published_with_their_errors(filled, tmp_path):
    filled.fail(job("c", "remix"), "diverged", FACTS)
    publish_little(filled.path, tmp_path / "site")
    assert "1 failed" in (tmp_path / "site" / "index.html").read_text()
    failures = json.loads((tmp_path / "site/store/leaderboard.json").read_text())["failures"]
    assert [f["error"] for f in failures] == ["diverged"]


def test_nothing_in_the_store_is_changed(filled, tmp_path):
    one = job("d", "mixup")
    filled.write(one, predictions(one), FACTS)
    before = content(filled.path)
    publish(filled.path, tmp_path / "site")
    assert content(filled.path) == before
