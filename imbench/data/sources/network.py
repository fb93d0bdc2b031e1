"""Network requests with short time limits; a host that failed is not tried again."""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cache
from urllib.parse import urlsplit

from imbench.contract.text import shown

PROBE_SECONDS = 5.0
# A download is given up that brings fewer bytes a second than this, on average, once it has taken so many seconds.
SLOWEST, SLOW_SECONDS = 10_000, 60.0
TRANSFER_SECONDS = 10.0  # without receiving data

_failed: dict[str, str] = {}
_reached: set[str] = set()


class SourceError(Exception):
    """A source failed; the next source is tried."""


def host_of(url: str) -> str:
    """The host of a URL. Raises `SourceError` for text that is none, such as ``http://[``."""
    try:
        return urlsplit(url).netloc
    except ValueError as error:
        raise SourceError(f"{shown(url)!r} is not a URL ({error})") from None


def probe(url: str) -> str | None:
    """Why the host of a URL does not answer, or None if it does. Each host is probed once in a process."""
    host = host_of(url)
    if host not in _failed and host not in _reached:
        reason = _probe_host(url)
        if reason is None:
            _reached.add(host)
        else:
            _failed[host] = reason
    return _failed.get(host)


def require(url: str) -> None:
    """Raise `SourceError` if the host of a URL does not answer."""
    reason = probe(url)
    if reason:
        raise SourceError(reason)


@contextmanager
def transfer(url: str) -> Iterator[None]:
    """Context of a download from a URL: sets time limits, and raises `SourceError` for network errors.

    A host that fails is not tried again.
    """
    require(url)
    before = socket.getdefaulttimeout()
    # The libraries that download (scikit-learn, imbalanced-learn) have no parameter for a time limit.
    socket.setdefaulttimeout(TRANSFER_SECONDS)
    try:
        yield
    except urllib.error.HTTPError as error:
        raise SourceError(f"{host_of(url)} answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        _failed[host_of(url)] = f"{host_of(url)} failed: {_reason(error)}"
        raise SourceError(_failed[host_of(url)]) from None
    finally:
        socket.setdefaulttimeout(before)


def fetch(url: str, most: int) -> Iterator[bytes]:
    """The content of an http(s) URL, piece by piece.

    Raises `SourceError` where the host does not answer or the URL does not exist, and where the content has more than
    ``most`` bytes, stops or comes too slowly.
    """
    with transfer(url), closing(_pieces(url)) as pieces:
        start, total = time.monotonic(), 0
        for piece in pieces:
            total += len(piece)
            seconds = time.monotonic() - start
            if total > most:
                raise SourceError(f"{url} has more than {most:,} bytes, too many for what the card describes")
            if seconds > SLOW_SECONDS and total < SLOWEST * seconds:
                rate = f"{total:,} bytes in {seconds:.0f} s"
                raise TimeoutError(f"{rate} are too slow; fetch {url} by hand, or give a mirror that has the dataset")
            yield piece


def _pieces(url: str) -> Generator[bytes, None, None]:
    """Pieces as they arrive; read in another thread, since a host can stall a request in ways that know no limit."""
    arrived: queue.Queue[bytes | Exception] = queue.Queue(maxsize=16)
    given_up = threading.Event()

    def read() -> None:
        try:
            request = urllib.request.Request(url, headers={"User-Agent": "imbench"})
            with opener().open(request, timeout=TRANSFER_SECONDS) as answer:
                while not given_up.is_set():
                    piece = answer.read1(2**16)  # as soon as there is any
                    if not piece and answer.length:
                        raise http.client.IncompleteRead(b"", answer.length)
                    put(piece)
                    if not piece:
                        return
        except Exception as error:
            put(error)

    def put(item: bytes | Exception) -> None:
        while not given_up.is_set():
            try:
                arrived.put(item, timeout=1.0)
                return
            except queue.Full:
                continue

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            try:
                item = arrived.get(timeout=2 * TRANSFER_SECONDS)
            except queue.Empty:
                raise TimeoutError(f"nothing arrived in {2 * TRANSFER_SECONDS:g} s") from None
            if isinstance(item, Exception):
                raise item
            if not item:
                return
            yield item
    finally:
        given_up.set()


@cache
def opener() -> urllib.request.OpenerDirector:
    """Opens http and https URLs and follows redirects to such; knows no files, FTP or data URLs."""
    made = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        made.add_handler(handler())
    return made


def forget() -> None:
    """Forget which hosts failed or answered, so that all are probed again."""
    _failed.clear()
    _reached.clear()


def _probe_host(url: str) -> str | None:
    host = host_of(url)
    answer: list[str | None] = []

    def ask() -> None:
        root = f"{urlsplit(url).scheme}://{host}/"
        try:
            request = urllib.request.Request(root, method="HEAD", headers={"User-Agent": "imbench"})
            opener().open(request, timeout=PROBE_SECONDS).close()
            answer.append(None)
        except urllib.error.HTTPError:
            answer.append(None)  # an HTTP error is an answer
        except Exception as error:
            answer.append(f"{host} cannot be reached: {_reason(error)}")

    # DNS lookups have no time limit, so they run in a daemon thread that is abandoned if it hangs.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answer[0] if answer else f"{host} did not answer within {PROBE_SECONDS:g} s"


def _reason(error: BaseException) -> str:
    cause = getattr(error, "reason", None) or error
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return text.splitlines()[0].lower() if text else type(cause).__name__
