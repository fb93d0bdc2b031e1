"""``python -m imbench``: the command line, for where its script is not on the path."""

from __future__ import annotations

from imbench.cli import script

if __name__ == "__main__":
    script()
