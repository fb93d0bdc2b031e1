import time

from imbench.contract.records import Source
from imbench.data.sources import network
from imbench.data.sources.downloads import package_index
from tests.data import made
from tests.data.made import fetch, survey


def test_each_dataset_says_where_it_stands(tmp_path, web):
    place = made.mirror(tmp_path / "mirror", {"made": made.frame(), "other": made.frame()})
    fetch(made.card("made"), place)
    cards = [
        made.card("made"),
        made.card("other"),
        made.card("third", (Source("uci", {"url": f"{web.url}/x.zip"}),)),
        made.card("fourth", (Source("file", {"path": str(tmp_path / "gone.csv")}),)),
        made.card("fifth"),
    ]
    found = survey(cards, place)
    assert [s.name for s in found] == ["made", "other", "third", "fourth", "fifth"]
    assert [s.state for s in found] == ["cached", "mirror", "reachable", "unreachable", "unreachable"]
    assert found[0].detail.startswith("mirror, data ")
    assert found[2].detail == "uci"
    assert found[3].detail.endswith("gone.csv does not exist")


def test_hosts_that_are_silent_are_asked_once_and_side_by_side(monkeypatch):
    monkeypatch.setattr(network, "PROBE_SECONDS", 0.3)
    silent = [network.socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    urls = [f"http://127.0.0.1:{s.getsockname()[1]}/x" for s in silent]
    cards = [made.card(f"d{i}", tuple(Source("uci", {"url": u}) for u in urls)) for i in range(5)]
    start = time.monotonic()
    found = survey(cards)
    assert time.monotonic() - start < 2.5
    assert {s.state for s in found} == {"unreachable"}
    for server in silent:
        server.close()


def test_the_package_index_is_the_one_pip_is_told_to_use(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    package_index.cache_clear()
    assert package_index() == "https://index.invalid/simple"
    package_index.cache_clear()
