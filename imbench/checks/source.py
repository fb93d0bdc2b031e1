"""The source code of a strategy: its hash, the origin of its package, and whether workers can import it."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from imbench.contract import search_space
from imbench.contract.reference import Reference, source_of
from imbench.contract.search_space import DISTRIBUTIONS
from imbench.contract.strategy import BatchStrategy

UNKNOWN = "unknown"
# Origin of a package that was installed by name from an index.
INDEX = "index"

# Modules whose source counts for strategies of a package, if not all do. imbench is more than its strategies: a change
# of its command line or engine is recorded by its version and does not change the hash of a strategy.
_OWN_MODULES = {
    "imbench": (
        "imbench.strategies",
        "imbench.kernels.compiled",
        "imbench.kernels.row_kernels",
        "imbench.kernels.affine",
        "imbench.contract.rows",
    )
}


def source_hash(strategy: BatchStrategy | Reference) -> str:
    """SHA-256 of the source code of a strategy or of a reference's factory, 64 hexadecimal digits.

    The source is the module of its class and the modules of the same top-level package that it imports, directly or
    indirectly; those of its base classes and inner strategies are included. For a strategy in a single file, this is
    the hash of the file, equal to that of ``sha256sum`` (with Linux line ends). For a class in a notebook or script,
    it is the hash of the class definition. ``unknown (reason)`` if the source cannot be read. The lines of a
    `search_space`, and of imports of distributions alone, are left out: they change no batch.
    """
    parts: dict[str, str] = {}
    makers: list[Any]
    if isinstance(strategy, Reference):
        makers, name = [source_of(strategy.factory)], strategy.name
    else:
        makers, name = [*classes_of(strategy)], type(strategy).__name__
    try:
        for maker in makers:
            parts |= _parts(maker)
    except (OSError, TypeError, SyntaxError) as error:
        return f"{UNKNOWN} (no source of {name}: {error})"
    if len(parts) == 1:
        return next(iter(parts.values()))
    return hashlib.sha256("\n".join(f"{name} {digest}" for name, digest in sorted(parts.items())).encode()).hexdigest()


def package_source(package: str) -> str:
    """Where an installed package came from: ``index``, or an argument of pip that installs the same package again.

    The argument is a URL without credentials, with the commit for a repository. For a local folder or file it is ``./``
    and the name of the package or file. Installers record it in ``direct_url.json`` (PEP 610).
    """
    try:
        text = distribution(package).read_text("direct_url.json")
    except PackageNotFoundError:
        return UNKNOWN
    if text is None:
        return INDEX
    found: dict[str, Any] = json.loads(text)
    url = urlsplit(found["url"])
    if url.scheme == "file":
        return f"./{PurePosixPath(unquote(url.path)).name if 'archive_info' in found else package}"
    digests = found.get("archive_info", {}).get("hashes", {})
    marks = [f"{name}={digests[name]}" for name in sorted(digests)[:1]]
    marks += [f"subdirectory={found['subdirectory']}"] if "subdirectory" in found else []
    vcs = found.get("vcs_info")
    kind, commit = (f"{vcs['vcs']}+", f"@{vcs['commit_id']}") if vcs else ("", "")
    parts = (f"{kind}{url.scheme}", _without_credentials(url), f"{url.path}{commit}", url.query, "&".join(marks))
    return str(urlunsplit(parts))


def is_known(digest: str) -> bool:
    """Whether this is the hash of known source code."""
    return not digest.startswith(UNKNOWN)


def classes_of(strategy: BatchStrategy) -> list[type[BatchStrategy]]:
    """The class of a strategy and its bases outside imbench's contract, also for inner strategies."""
    own = [c for c in type(strategy).__mro__ if issubclass(c, BatchStrategy) and not _of_contract(c)]
    inner = [c for one in inside(strategy) for c in classes_of(one)]
    return list(dict.fromkeys([*own, *inner]))


def inside(strategy: BatchStrategy) -> list[BatchStrategy]:
    """The strategies that are parameters of this one."""
    values = (getattr(strategy, field.name) for field in dataclasses.fields(strategy))  # type: ignore[arg-type]
    return [value for value in values if isinstance(value, BatchStrategy)]


def bound_to_process(cls: type) -> str:
    """Why a worker process cannot import this class; "" if it can."""
    if cls.__module__ == "__main__":
        return f"{cls.__qualname__} is defined in a notebook or script, which worker processes cannot import"
    if "<locals>" in cls.__qualname__:
        return f"{cls.__qualname__} is defined inside a function, which worker processes cannot import"
    try:
        found = importlib.util.find_spec(cls.__module__)
    except (ImportError, ValueError):
        found = None
    return "" if found else f"{cls.__qualname__} is in module {cls.__module__}, which worker processes cannot import"


def _without_credentials(url: SplitResult) -> str:
    user, _, host = url.netloc.rpartition("@")
    return f"git@{host}" if user == "git" else host


def _of_contract(cls: type) -> bool:
    return cls.__module__.startswith("imbench.contract.")


def _parts(cls: Any) -> dict[str, str]:
    """The hash of each module that makes this class or function, by its name."""
    module = sys.modules.get(cls.__module__)
    path = getattr(module, "__file__", None)
    if module is None or path is None or cls.__module__ == "__main__":
        return {cls.__qualname__: _hash(inspect.getsource(cls).encode())}
    if "." not in module.__name__ and not hasattr(module, "__path__"):
        return {Path(path).name: _hash(Path(path).read_bytes())}
    return _closure(module)


def _closure(module: ModuleType) -> dict[str, str]:
    top = module.__name__.partition(".")[0]
    folder = Path(next(iter(sys.modules[top].__path__)))
    found: dict[str, str] = {}
    waiting = [module.__name__]
    while waiting:
        name = waiting.pop()
        file = _file(folder, name)
        if name in found or file is None or not (name == module.__name__ or _is_own(name, top)):
            continue
        content = file.read_bytes()
        found[name] = _hash(content)
        waiting += _imported(content, name, file.name == "__init__.py", folder)
    if not found:
        raise OSError(f"module {module.__name__} has no .py file")
    return found


def _is_own(name: str, top: str) -> bool:
    return any(f"{name}.".startswith(f"{own}.") for own in _OWN_MODULES.get(top, (top,)))


def _file(folder: Path, name: str) -> Path | None:
    """The file of a module of the package in this folder."""
    _, *inner = name.split(".")
    place = folder.joinpath(*inner)
    candidates = (place / "__init__.py", place.parent / f"{place.name}.py")
    return next((file for file in candidates if file.is_file()), None)


def _imported(content: bytes, name: str, is_package: bool, folder: Path) -> Iterator[str]:
    """Modules of the same package that this source imports."""
    for base, names in _imports(content, name, is_package):
        if not names:
            yield base
        for submodule in (f"{base}.{one}" for one in names):
            yield submodule if _file(folder, submodule) else base


# Jobs compare the source of their strategies again and again, and most of that would be parsing.
@lru_cache(maxsize=1024)
def _imports(content: bytes, name: str, is_package: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``(module, names taken from it)`` of each import of the same package."""
    top = name.partition(".")[0]
    found: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            found += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((_base(node, name, is_package), tuple(alias.name for alias in node.names)))
    return tuple((base, names) for base, names in found if base.partition(".")[0] == top)


def _base(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    package = name.split(".") if is_package else name.split(".")[:-1]
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _hash(content: bytes) -> str:
    return hashlib.sha256(_without_search_space(content.replace(b"\r\n", b"\n"))).hexdigest()


def _without_search_space(content: bytes) -> bytes:
    """The source without the statements that declare what ``--tune`` varies."""
    if b"search_space" not in content:
        return content
    try:
        tree = ast.parse(content)
    except SyntaxError:
        return content
    lines: list[bytes] = content.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and _is_search_space(node):
            lines[node.lineno - 1 : node.end_lineno] = [b""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return b"".join(lines)


def _is_search_space(node: ast.stmt) -> bool:
    if isinstance(node, ast.ImportFrom):
        names = {alias.name for alias in node.names}
        return node.module in ("imbench", search_space.__name__) and names <= {d.__name__ for d in DISTRIBUTIONS}
    target = (
        node.target if isinstance(node, ast.AnnAssign) else node.targets[0] if isinstance(node, ast.Assign) else None
    )
    # ``search_space`` of a class, or that of a reference's function: ``function.search_space``
    return getattr(target, "id", None) == "search_space" or getattr(target, "attr", None) == "search_space"
