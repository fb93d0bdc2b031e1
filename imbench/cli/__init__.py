"""The command line: arguments -> bench, one module per verb."""

from imbench.cli.ending import main, script

__all__ = ["main", "script"]
