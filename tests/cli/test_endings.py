"""How a command ends: interrupted, cut off by its reader, in a narrow terminal, or by a fault of imbench's own."""

import os
import signal
import subprocess
import sys

import pytest

from imbench.cli import main
from tests.cli.processes import LIMIT, started, stop_group, wait_for


def test_a_typo_in_a_verb_names_the_near_one(imbench):
    answer = imbench("rnu")
    assert answer.code == 2
    assert "Did you mean 'run'" in answer.err


def test_no_verb_shows_the_verbs(imbench):
    answer = imbench()
    assert answer.code == 2
    assert "Commands:" in answer.err


@pytest.mark.parametrize("verb", ["run", "list", "info", "data", "status", "report"])
def test_every_verb_has_help_and_explains_every_option(verb, imbench):
    answer = imbench(verb, "--help")
    assert answer.code == 0
    assert answer.out.startswith(f"Usage: imbench {verb}")


def test_the_version_is_the_packages(imbench):
    from importlib.metadata import version

    assert version("imbench") in imbench("--version").out


def test_an_error_of_our_own_keeps_its_traceback_in_a_file(imbench, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("imbench.runs.registry.Registry.entries", lambda *_: 1 / 0)
    answer = imbench("list", "strategies")
    assert answer.code == 70
    assert "Traceback" not in answer.err
    (file,) = tmp_path.glob("imbench-error-*.txt")
    assert str(file) in answer.err
    assert "ZeroDivisionError" in file.read_text()


@pytest.mark.parametrize("arguments", [("--debug", "list", "strategies"), ("list", "strategies", "--debug")])
def test_debug_shows_the_traceback_at_once(arguments, imbench, monkeypatch):
    monkeypatch.setattr("imbench.runs.registry.Registry.entries", lambda *_: 1 / 0)
    assert "Traceback" in imbench(*arguments).err


def test_an_interrupted_run_ends_with_130_and_the_command_to_resume(imbench, table, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("imbench.runs.bench.run_plan", interrupted)
    answer = imbench("run", "--dataset", table, "--set", "epochs=7")
    assert answer.code == 130
    assert answer.err.rstrip().endswith(f"imbench run --dataset {table} --set epochs=7")


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_run_in_the_background_outlives_ctrl_c_and_ends_when_it_is_told_to(table):
    arguments = ["run", "--dataset", table, "--strategy", "baseline", "--protocol", "smoke", "--set", "epochs=1000000"]
    # What a shell does to a command that a script starts with &.
    process = started(*arguments, preexec_fn=ignore_interrupts)
    try:
        wait_for(lambda: os.path.exists("imbench-store/imbench-store.json"), process)
        os.killpg(process.pid, signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.terminate()
        _, err = process.communicate(timeout=LIMIT)
        assert process.returncode == 128 + signal.SIGTERM
        assert "interrupted by SIGTERM; finished jobs are kept" in err
    finally:
        stop_group(process.pid)


def ignore_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_sixty_columns_are_enough_for_a_leaderboard(finished, imbench, monkeypatch):
    _, command, _ = finished
    monkeypatch.setenv("COLUMNS", "60")
    lines = imbench(*command).out.splitlines()
    # A path has no place where a line may break; everything else does.
    assert max(len(line) for line in lines if "/" not in line) <= 60
    assert any(line.split() == ["strategy", "mean", "rank", "sum", "avg", "rank"] for line in lines)


def test_main_reads_the_arguments_the_program_was_started_with(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["imbench", "list", "protocols"])
    assert main() == 0
    assert "paper" in capsys.readouterr().out
