"""`--help` keeps to the terminal's width, and every command in it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import click
import numpy as np
import pytest

from imbench.cli.app import cli
from imbench.cli.help import folded
from imbench.runs.registry import Registry


def verbs(group=cli, above=()):
    """The words of every command, the groups' own among them."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, (*above, name))
        else:
            yield (*above, name)


VERBS = sorted(verbs())


def examples():
    """Every command of every help text, as a shell would read it."""
    for verb in VERBS:
        text = cli
        for word in verb:
            text = text.commands[word]
        lines = re.sub(r" \\\n +", " ", text.help or "").splitlines()
        yield from (line.strip() for line in lines if line.strip().startswith("imbench "))


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """The files that examples name, and a home folder."""
    (tmp_path / "my_table.csv").write_text(
        "a,churn\n" + "".join(f"{i % 7},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(80))
    )
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("command", list(examples()))
@pytest.mark.usefixtures("surroundings")
def test_every_example_is_taken(command, imbench):
    _, *words = command.split()
    if words[0] in ("run", "sweep"):
        answer = imbench(*words, "--dry-run")
        assert answer.code == 0, answer.err
        return
    group, context = cli, cli.make_context("imbench", list(words))
    while isinstance(group, click.Group):
        name, group, words = group.resolve_command(context, list(words))
        context = group.make_context(name, words, parent=context)
    registry = Registry()
    for spec in context.params.get("strategies", ()):
        registry.select(spec)
    if context.params.get("dataset"):
        registry.variant(context.params["dataset"])


def test_there_are_examples_of_what_takes_many_options():
    assert {command.split()[1] for command in examples()} >= {"run", "sweep", "evaluate", "samples", "reproduce"}


@pytest.mark.parametrize("columns", [40, 57, 60, 80, 100, 300])
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_help_keeps_to_the_columns(verb, columns, imbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    answer = imbench(*verb, "--help")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= min(columns, 100)


@pytest.mark.parametrize("columns", [1, 20, 30])
def test_a_very_narrow_terminal_breaks_no_help_and_no_command(columns, imbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = imbench("sweep", "--help").out
    joined = re.sub(r" \\\n +", " ", out)
    assert "imbench sweep --strategy remix --param alpha=0.05,0.1,0.3 --dataset segment:ir=0.05" in joined
    assert max(len(line.split()[0]) for line in out.splitlines() if line) <= max(map(len, out.split()))


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("columns", [44, 72, 180])
def test_help_keeps_to_a_real_terminal(columns):
    import fcntl
    import pty
    import struct
    import termios

    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "imbench", "sweep", "--help"]
    process = subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    text = b""
    while chunk := read(controller):
        text += chunk
    os.close(controller)
    assert process.wait(60) == 0
    widest = max(len(line.rstrip("\r")) for line in text.decode().split("\n"))
    assert min(columns, 100) - 15 <= widest <= min(columns, 100)


def read(controller):
    try:
        return os.read(controller, 65536)
    except OSError:  # Linux's sign that the other end is closed
        return b""


def test_a_folded_command_is_the_same_command():
    words = [f"--option-{i} {'x' * int(length)}" for i, length in enumerate(np.linspace(1, 60, 12))]
    command = "imbench run " + " ".join(words)
    for room in (10, 40, 77, 1000):
        assert re.sub(r" \\\n +", " ", folded(command, room)) == command
