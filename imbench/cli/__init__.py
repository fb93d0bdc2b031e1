"""The command line: arguments -> bench, one module per verb."""

from imbench.cli.app import main

__all__ = ["main"]
