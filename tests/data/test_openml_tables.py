"""Tables of OpenML by their number, from a server that answers as OpenML does."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets._openml as client

from imbench.cli import main
from imbench.contract.errors import DataError
from imbench.contract.spec import parse_spec
from imbench.data.data_sources import card_of
from imbench.data.sources import hubs, network
from imbench.data.variants import parse_variant
from imbench.model.encoding import encoding_of, read_new_table
from imbench.runs.registry import dataset

ROWS = 40
FRAME = pd.DataFrame(
    {
        "row": range(ROWS),
        "size": np.round(np.linspace(1, 9, ROWS), 2),
        "town": [("rome", "bern")[i % 2] for i in range(ROWS)],
        "note": [f"the customer said {i} things today" for i in range(ROWS)],
        "class": ["good" if i % 4 else "bad" for i in range(ROWS)],
    }
)
KINDS = {"row": "numeric", "size": "numeric", "town": "nominal", "note": "string", "class": "nominal"}
ARFF = {"numeric": "numeric", "string": "string"}


def answers(targets=("class",), form="ARFF"):
    """What OpenML answers to each path about data set 31."""
    levels = {name: sorted(set(FRAME[name])) for name, kind in KINDS.items() if kind == "nominal"}
    lines = [f"@attribute {n} {ARFF.get(k) or '{' + ','.join(levels[n]) + '}'}" for n, k in KINDS.items()]
    body = FRAME.to_csv(header=False, index=False, quoting=2, quotechar="'")
    arff = ("@relation t\n" + "\n".join(lines) + "\n@data\n" + body).encode()
    features = [
        {"index": str(j), "name": n, "data_type": k, "is_target": str(n in targets).lower(), "is_ignore": "false",
         "is_row_identifier": str(n == "row").lower(), "number_of_missing_values": "0"}
        | ({"nominal_value": levels[n]} if k == "nominal" else {})
        for j, (n, k) in enumerate(KINDS.items())
    ]  # fmt: skip
    about = {"id": "31", "name": "credit-g", "version": "1", "description": "made up", "format": form,
             "status": "active", "url": "{url}/data/31.arff",
             "md5_checksum": hashlib.md5(arff).hexdigest()}  # fmt: skip
    qualities = [{"name": "NumberOfInstances", "value": str(float(ROWS))}]
    return {
        "/api/31": json.dumps({"data_set_description": about}).encode(),
        "/api/features/31": json.dumps({"data_features": {"feature": features}}).encode(),
        "/api/qualities/31": json.dumps({"data_qualities": {"quality": qualities}}).encode(),
        "/data/31.arff": arff,
    }


@pytest.fixture
def openml(monkeypatch, tmp_path):
    """A server like OpenML's, which counts the requests; its answers can be changed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked += 1
            content = server.answers.get(self.path)
            self.send_response(412 if content is None else 200)
            self.end_headers()
            self.wfile.write((content or b"{}").replace(b"{url}", server.url.encode()))

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.answers, server.asked, server.url = answers(), 0, f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(hubs, "OPENML_HOST", server.url)
    for name, path in (("_DATA_INFO", "{}"), ("_DATA_FEATURES", "features/{}"), ("_DATA_QUALITIES", "qualities/{}")):
        monkeypatch.setattr(client, name, f"{server.url}/api/{path}")
    monkeypatch.chdir(tmp_path)
    yield server
    server.shutdown()
    server.server_close()


def test_a_table_is_fetched_once_and_read_as_any_other(openml):
    found = dataset("openml:31")
    assert found.card.target == "class"
    assert found.card.title == "credit-g (openml:31)"
    assert found.card.reading == "OpenML credit-g, version 1"
    assert {c.name: c.kind for c in found.card.columns} == {
        "size": "numeric", "town": "categorical", "note": "text", "class": "target"
    }  # fmt: skip
    asked = openml.asked
    assert found.variant.spec == "openml:31:target=class"
    assert parse_variant("openml:31", card_of("openml:31")) == found.variant
    FRAME.drop(columns="row").to_csv("t.csv", index=False)
    assert dataset("t.csv:target=class").data_hash == found.data_hash
    assert dataset("openml:31:target=town,ir=0.5,minority=rome").class_counts.tolist() == [20, 10]
    assert openml.asked == asked


def test_a_cache_that_is_named_is_the_only_one_that_is_used(openml, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "usual"))
    found = dataset("openml:31", cache=tmp_path / "own")
    assert [path.name for path in (tmp_path / "own").rglob("*.parquet")] == ["31.parquet"]
    assert not (tmp_path / "usual").exists()
    asked = openml.asked
    assert dataset("openml:31", cache=tmp_path / "own").data_hash == found.data_hash
    assert openml.asked == asked
    assert card_of("openml:31").rows == ROWS
    assert openml.asked > asked


def test_a_table_without_a_single_default_target_needs_one(openml):
    openml.answers = answers(targets=("class", "town"))
    with pytest.raises(DataError, match=r"which column contains the class.* openml:31:target=COLUMN; likely are"):
        card_of("openml:31")
    assert card_of("openml:31:target=class").target == "class"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("openml:99", "openml:99: OpenML has no table of this number"),
        ("openml:x31", "openml:x31: 'x31' is no number of a table of OpenML; write for example openml:31"),
        ("openml:0", "'0' is no number"),
        ("openml:31:target=clas", "there is no column 'clas'; did you mean class"),
        ("openml:31:sep=tab", "sep, decimal, encoding and header are for delimited text; remove them"),
    ],
)
def test_what_openml_does_not_have_is_refused_in_one_sentence(openml, spec, reason, capsys):
    assert main(["run", "--dataset", spec, "--dry-run"]) == 2
    printed = capsys.readouterr().err
    assert reason in printed
    assert "\n" not in printed.strip()


def test_a_sparse_table_is_refused(openml):
    openml.answers = answers(form="Sparse_ARFF")
    with pytest.raises(DataError, match="openml:31: the table is sparse; give a table with one column for each"):
        card_of("openml:31")


def test_a_damaged_download_is_refused_and_not_kept(openml):
    openml.answers["/data/31.arff"] += b"1"
    with pytest.raises(DataError, match=r"OpenML's table cannot be read .*md5"):
        card_of("openml:31")
    openml.answers = answers()
    assert card_of("openml:31").rows == ROWS


def test_without_a_network_the_error_says_so(monkeypatch):
    monkeypatch.setattr(network, "_probe_host", lambda url: "no network")
    with pytest.raises(DataError, match=r"openml:31 is not in the cache, and OpenML cannot be reached \(no network\)"):
        card_of("openml:31")


def test_the_number_is_part_of_the_name_of_a_spec():
    assert parse_spec("openml:31:target=class") == ("openml:31", {"target": "class"})
    assert parse_spec("openml:31") == ("openml:31", {})
    assert parse_spec("openml:ir=0.1") == ("openml", {"ir": "0.1"})


def test_a_model_of_it_reads_it_again(openml):
    made = dataset("openml:31")
    encoding = encoding_of(made)
    frame, how = read_new_table("openml:31", encoding)
    assert np.array_equal(encoding.encode(frame, decimal=how.decimal).x, made.x, equal_nan=True)
