"""Imports point down only, and rooms of one floor do not know each other."""

import re
import tomllib

from importlinter import cli


def test_no_import_points_up_or_sideways(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    # import-linter puts the working folder on sys.path by itself.
    code = cli.lint_imports(no_cache=True)
    assert code == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_import_that_points_up_would_be_found(root, monkeypatch, capsys, tmp_path):
    contracts = (root / "pyproject.toml").read_text("utf-8")
    turned = re.sub(r'("imbench\.cli",)(.*?)("imbench\.runs",)', r"\3\2\1", contracts, flags=re.DOTALL)
    assert turned != contracts
    (tmp_path / "pyproject.toml").write_text(turned)
    monkeypatch.chdir(root)
    assert cli.lint_imports(config_filename=str(tmp_path / "pyproject.toml"), no_cache=True) == cli.EXIT_STATUS_ERROR
    assert "imbench.runs.bench" in capsys.readouterr().out


def test_every_module_has_its_floor(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    placed = {name.strip().removeprefix("imbench.") for layer in layers for name in layer.replace("|", ":").split(":")}
    paths = [path for path in (root / "imbench").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    assert {path.stem for path in paths} - {"__init__"} == placed
