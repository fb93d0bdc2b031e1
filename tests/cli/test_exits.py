"""Plugins that end the process: it goes on, and names them."""

import pytest

PLUGIN = '''
import os, sys
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

def leave(where):
    if where == {where!r}:
        {call}

leave("import")

@dataclass(frozen=True)
class Leaving(BatchStrategy):
    """Leaves, after Nobody (2020)."""

    name: ClassVar[str] = "leaving"

    def __post_init__(self):
        leave("init")

    @property
    def modalities(self):
        leave("modalities")
        return ("tabular",)

    def rebalance(self, batch, info, noise):
        leave("rebalance")
        return batch

    def loss(self, logits, y, info):
        leave("loss")
        return super().loss(logits, y, info)
'''
CALLS = {"sys.exit(7)": "SystemExit: 7", "os._exit(7)": "SystemExit: os._exit(7)"}


@pytest.fixture
def leaving(table, tmp_path, imbench):
    """Runs a strategy that leaves at one place, beside the baseline."""

    def run(where, call, *options):
        plugin = tmp_path / "leaving.py"
        plugin.write_text(PLUGIN.format(where=where, call=call))
        chosen = ["--strategy", "leaving", "--strategy", "baseline", "--plugin", plugin]
        return imbench("run", "--dataset", table, *chosen, "--protocol", "smoke", "--store", "store", *options)

    return run


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["import", "init"])
def test_a_plugin_that_leaves_while_it_is_loaded_is_named(leaving, where, call):
    answer = leaving(where, call)
    assert answer.code == 2
    assert "leaving.py" in answer.err
    assert CALLS[call] in answer.err


@pytest.mark.parametrize("call", CALLS)
def test_a_plugin_that_leaves_elsewhere_is_named_with_its_line(leaving, call):
    answer = leaving("modalities", call)
    assert answer.code == 70
    assert f"unexpected {CALLS[call]}" in answer.err
    assert "leaving.py, line 9" in answer.err


@pytest.mark.parametrize(
    ("where", "call", "jobs", "reason"),
    [
        ("rebalance", "sys.exit(7)", 1, "SystemExit: 7"),
        ("rebalance", "os._exit(7)", 1, "SystemExit: os._exit(7)"),
        ("loss", "sys.exit(7)", 1, "SystemExit: 7"),
        ("rebalance", "sys.exit(7)", 2, "SystemExit: 7"),
        ("loss", "os._exit(7)", 2, "its worker process ended with exit code 7"),
    ],
)
def test_a_strategy_that_leaves_is_a_failed_job(leaving, where, call, jobs, reason):
    answer = leaving(where, call, "--jobs", jobs, "--no-checks")
    assert answer.code == 1
    assert "with leaving: " in answer.err
    assert reason in answer.err
    assert "1 job done, 1 failed" in answer.err


def test_a_strategy_that_leaves_fails_its_checks(leaving):
    answer = leaving("rebalance", "os._exit(7)", "--jobs", 1)
    assert answer.code == 1
    assert "1 job done, 1 failed" in answer.err


@pytest.mark.parametrize("call", CALLS)
def test_its_checks_name_the_reason(imbench, tmp_path, call):
    plugin = tmp_path / "leaving.py"
    plugin.write_text(PLUGIN.format(where="rebalance", call=call))
    answer = imbench("plugin", "check", plugin)
    assert answer.code == 1
    assert CALLS[call] in answer.out
