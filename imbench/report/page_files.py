"""The citation and the badge of published results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

# Roughly a character of 11 px Verdana, as badges are drawn.
_CHARACTER = 6.6


def citation(title: str, authors: Sequence[str], abstract: str, sha256: str) -> str:
    """A CITATION.cff (format 1.2.0) for published results, which the hash of their rows identifies.

    Parameters
    ----------
    authors : at least one; ``Family, Given`` for a person, a name without a comma for a group
    """
    lines = [
        "cff-version: 1.2.0",
        "message: If you use these results, please cite them as below.",
        "type: dataset",
        f"title: {_yaml(title)}",
        f"abstract: {_yaml(abstract)}",
        "authors:",
    ]
    for author in authors:
        family, comma, given = (part.strip() for part in author.partition(","))
        if comma:
            lines += [f"  - family-names: {_yaml(family)}", f"    given-names: {_yaml(given)}"]
        else:
            lines.append(f"  - name: {_yaml(author.strip())}")
    lines += [
        "identifiers:",
        "  - type: other",
        f"    value: sha256:{sha256}",
        "    description: SHA-256 of results.parquet",
        "keywords: [imbalanced learning, benchmark, mini-batches]",
    ]
    return "\n".join(lines) + "\n"


def badge(label: str, message: str) -> str:
    """A self-contained SVG badge of two boxes of text, with its text for screen readers."""
    left, right = (round(len(text) * _CHARACTER) + 12 for text in (label, message))
    text = escape(f"{label}: {message}", quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{text}">'
        f"<title>{text}</title>"
        f'<rect width="{left}" height="20" fill="#444"/><rect x="{left}" width="{right}" height="20" fill="#05618a"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(message)}</text></g></svg>\n'
    )


def _yaml(text: str) -> str:
    # A JSON string is a YAML string.
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
