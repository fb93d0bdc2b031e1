"""Network requests with short time limits; a host that failed is not tried again."""

from __future__ import annotations

import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

PROBE_SECONDS = 5.0
TRANSFER_SECONDS = 10.0  # without receiving data

_failed: dict[str, str] = {}
_reached: set[str] = set()


class SourceError(Exception):
    """A source failed; the next source is tried."""


def host_of(url: str) -> str:
    """The host of a URL."""
    return urlsplit(url).netloc


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
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
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
