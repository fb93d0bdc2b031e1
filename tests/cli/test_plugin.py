"""`imbench plugin check` and `imbench plugin new`: what they print, and what they refuse."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from imbench.checks import CHECKS

SOURCE = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import Batch, BatchStrategy

@dataclass(frozen=True)
class {cls}(BatchStrategy):
    """Keep the rows, and do {what} to the labels (K. Popper, 1934)."""

    name: ClassVar[str] = "{name}"
    exemptions: ClassVar = {exemptions}

    def rebalance(self, batch, info, noise):
        return Batch(batch.x, {labels})
'''


def source(name, labels="batch.y", exemptions=None):
    return SOURCE.format(cls=name.title(), name=name, what="something", labels=labels, exemptions=exemptions or {})


@pytest.fixture
def two(tmp_path):
    """A file with a sound strategy and one that halves the labels."""
    (tmp_path / "two.py").write_text(source("good") + source("bad", "batch.y / 2"))
    return "two.py"


def test_a_strategy_that_holds_has_a_line_a_property_and_its_cost(imbench):
    answer = imbench("plugin", "check", "remix:alpha=0.3")
    assert answer.code == 0
    title, *lines = answer.out.splitlines()
    assert title == "remix:alpha=0.3"
    assert [line.split()[:2] for line in lines[: len(CHECKS)]] == [["ok", name] for name in CHECKS]
    assert "times the baseline's" in lines[-2]
    assert lines[-1] == f"{len(CHECKS)} of {len(CHECKS)} checks passed, 0 failed, 0 exempt"


def test_every_strategy_of_a_file_is_checked_and_one_failure_is_exit_code_1(imbench, two):
    answer = imbench("plugin", "check", two)
    assert answer.code == 1
    assert "FAILED labels_are_shares" in answer.out
    assert f"{len(CHECKS) - 1} of {len(CHECKS)} checks passed, 1 failed, 0 exempt" in answer.out
    assert [line for line in answer.out.splitlines() if line in ("good", "bad")] == ["bad", "good"]


def test_json_has_every_property_and_the_cost(imbench, two):
    answer = imbench("plugin", "check", two, "--json")
    assert answer.code == 1
    told = {one["strategy"]: one for one in json.loads(answer.out)}
    assert (told["good"]["ok"], told["bad"]["ok"]) == (True, False)
    assert [one["property"] for one in told["bad"]["properties"]] == list(CHECKS)
    failed = [one for one in told["bad"]["properties"] if one["outcome"] == "failed"]
    assert [one["property"] for one in failed] == ["labels_are_shares"]
    assert "must sum to 1, the sum is off by 0.5" in failed[0]["detail"]
    assert told["good"]["cost_us"]["baseline"] > told["good"]["cost_us"]["rebalance"] > 0


def test_an_exemption_is_shown_with_its_reason(imbench, tmp_path):
    (tmp_path / "excused.py").write_text(source("odd", "batch.y / 2", {"labels_are_shares": "half is enough"}))
    answer = imbench("plugin", "check", "excused.py")
    assert answer.code == 0
    assert "half is enough" in next(line for line in answer.out.splitlines() if line.startswith("exempt"))


def test_narrow_terminals_cut_what_holds_and_tell_what_fails_in_full(imbench, two, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    lines = imbench("plugin", "check", two).out.splitlines()
    assert max(map(len, lines)) <= 50
    assert len([line for line in lines if line.startswith(("ok", "FAILED"))]) == 2 * len(CHECKS)
    assert "divide by the sum" in " ".join(" ".join(lines).split())


def test_a_strategy_that_always_raises_fails_without_a_traceback(imbench, tmp_path):
    (tmp_path / "raising.py").write_text(source("odd", "1 / 0"))
    answer = imbench("plugin", "check", "raising.py")
    assert answer.code == 1
    assert "ZeroDivisionError" in answer.out
    assert "cost: not measured" in answer.out
    assert "Traceback" not in answer.out + answer.err


@pytest.mark.parametrize(("target", "said"), [
    ("remxi", "did you mean remix"),
    ("remix:alpha=-1", "ReMix.alpha must be positive"),
    ("nowhere.py", "is not a Python file"),
])  # fmt: skip
def test_what_cannot_be_checked_is_wrong_usage(imbench, target, said):
    answer = imbench("plugin", "check", target)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_info_shows_modalities_and_exemptions(imbench, tmp_path):
    (tmp_path / "one.py").write_text(source("odd", "batch.y / 2", {"labels_are_shares": "half is enough"}))
    told = json.loads(imbench("info", "odd", "--plugin", "one.py", "--json").out)
    assert told["modalities"] == ["tabular", "image"]
    assert told["exemptions"] == {"labels_are_shares": "half is enough"}
    assert "labels_are_shares: half is enough" in imbench("info", "odd", "--plugin", "one.py").out


def test_a_new_package_has_all_its_files_and_says_what_to_do_next(imbench, tmp_path):
    answer = imbench("plugin", "new", "my-mix", "--to", tmp_path)
    assert answer.code == 0
    folder = tmp_path / "imbench-my-mix"
    assert answer.out.splitlines()[0] == str(folder)
    assert "pip install -e" in answer.out
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "pyproject.toml",
        "README.md",
        ".gitignore",
        ".github/workflows/tests.yml",
        "src/imbench_my_mix/__init__.py",
        "src/imbench_my_mix/strategy.py",
        "tests/test_strategy.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["imbench.strategies"] == {"my-mix": "imbench_my_mix.strategy:MyMix"}
    assert [part.partition(">")[0] for part in project["dependencies"]] == ["imbench"]
    workflow = (folder / ".github" / "workflows" / "tests.yml").read_text()
    assert "python-version: ${{ matrix.python }}" in workflow
    assert "imbench plugin check my-mix" in workflow
    # No template's hole is left open.
    assert not [p for p in folder.rglob("*") if p.is_file() and "$" in p.read_text().replace("${{", "")]


def test_the_strategy_of_a_new_package_passes_its_check(imbench, tmp_path):
    imbench("plugin", "new", "my-mix")
    answer = imbench("plugin", "check", Path("imbench-my-mix", "src", "imbench_my_mix", "strategy.py"))
    assert answer.code == 0, answer.out


@pytest.mark.parametrize(("name", "said"), [
    ("remix", "is already a strategy of imbench"),
    ("My-Mix", "use lower-case words"),
    ("my_mix", "use lower-case words"),
    ("2mix", "use lower-case words"),
    ("my mix", "use lower-case words"),
    ("my-", "use lower-case words"),
    ("../mix", "use lower-case words"),
    ("imbench-mix", "without the prefix 'imbench-'"),
    ("none", "a class None"),
    ("batch", "a class Batch"),
])  # fmt: skip
def test_an_invalid_or_taken_name_is_rejected(imbench, tmp_path, name, said):
    answer = imbench("plugin", "new", name)
    assert answer.code == 2
    assert said in answer.err
    assert not list(tmp_path.glob("imbench*"))


def test_an_existing_folder_is_left_alone(imbench, tmp_path):
    (tmp_path / "imbench-my-mix").mkdir()
    answer = imbench("plugin", "new", "my-mix")
    assert answer.code == 2
    assert "exists; choose another name" in answer.err
    assert not list((tmp_path / "imbench-my-mix").iterdir())


def test_a_parent_that_is_no_folder_is_refused(imbench):
    answer = imbench("plugin", "new", "my-mix", "--to", "nowhere")
    assert answer.code == 2
    assert "nowhere is not a folder" in answer.err


def test_help_of_plugin_needs_no_training_library():
    look = "from imbench.cli import main; main(['plugin', 'check', '--help'])"
    script = f"import sys; {look}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_results_are_loaded_without_a_training_library():
    script = "import imbench, sys; imbench.load; assert not {'torch', 'numba'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
