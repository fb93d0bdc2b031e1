"""Create a package for a new strategy from templates."""

from __future__ import annotations

import keyword
import re
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.resources import files
from pathlib import Path
from string import Template

from imbench.contract.errors import UsageError

# Template -> file of the package; placeholders are filled in both names and contents.
FILES = {
    "pyproject.toml.txt": "pyproject.toml",
    "README.md.txt": "README.md",
    "gitignore.txt": ".gitignore",
    "workflow.yml.txt": ".github/workflows/tests.yml",
    "init.py.txt": "src/$module/__init__.py",
    "strategy.py.txt": "src/$module/strategy.py",
    "test_strategy.py.txt": "tests/test_strategy.py",
}
_PREFIX = "imbench-"


def write_plugin(name: str, parent: Path) -> Path:
    """Write the package ``imbench-NAME`` into a new folder of that name in ``parent``, and return the folder.

    Raises `UsageError` for a name that is taken or cannot name a strategy, a package and a class, and for a folder that
    exists.
    """
    names = _names(name)
    folder = parent / names["package"]
    if folder.exists():
        raise UsageError(f"{folder} exists; choose another name, or another folder with --to DIR")
    if not parent.is_dir():
        raise UsageError(f"{parent} is not a folder; create it first, or choose another with --to DIR")
    templates = files("imbench.cli") / "templates" / "plugin"
    for source, target in FILES.items():
        path = folder / Template(target).substitute(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Template((templates / source).read_text("utf-8")).substitute(names), "utf-8")
    return folder


def _names(name: str) -> dict[str, str]:
    """Values of the placeholders: for ``my-mix``, package ``imbench-my-mix``, class ``MyMix``, …"""
    from imbench.runs.registry import strategies

    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name.startswith(_PREFIX):
        raise UsageError(
            f"{name!r} cannot name a strategy and its package; use lower-case words joined by '-', without the "
            f"prefix {_PREFIX!r}, such as my-strategy"
        )
    cls = "".join(part.capitalize() for part in name.split("-"))
    if keyword.iskeyword(cls) or cls in ("Batch", "BatchStrategy", "Noise", "TrainingInfo", "UsageError"):
        raise UsageError(f"{name!r} would create a class {cls}, which is a reserved name; choose another name")
    taken = [entry for entry in strategies() if entry.name == name]
    if taken:
        raise UsageError(f"{name!r} is already a strategy of {taken[0].package}; choose another name")
    package = f"{_PREFIX}{name}"
    try:
        distribution(package)
    except PackageNotFoundError:
        pass
    else:
        raise UsageError(f"package {package} is already installed; choose another name")
    return {
        "name": name,
        "package": package,
        "module": package.replace("-", "_"),
        "cls": cls,
        "imbench_version": ".".join(version("imbench").split(".")[:2]),
    }
