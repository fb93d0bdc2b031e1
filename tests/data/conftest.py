import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imbench.data import data_sources
from imbench.data.sources import downloads, network

# Taken before the fixture below hides it from tests that must not lean on it.
REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch, tmp_path):
    """No test sees the user's mirror or cache, nor what another test learnt of hosts."""
    monkeypatch.delenv("IMBENCH_DATA_MIRROR", raising=False)
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "cache"))
    network.forget()
    downloads.forget()
    data_sources._note_unusable.cache_clear()


@pytest.fixture(scope="session")
def real_mirror():
    if not REAL_MIRROR:
        pytest.skip("IMBENCH_DATA_MIRROR is not set: no real datasets here")
    return REAL_MIRROR


@pytest.fixture(scope="session")
def real_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("real-cache")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if self.server.cut_short else content)


@pytest.fixture
def web(tmp_path):
    """A web server over ``web.folder`` at ``web.url``; with ``web.cut_short`` it breaks off half-way."""
    folder = tmp_path / "web"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.cut_short = False
    server.folder = folder
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
