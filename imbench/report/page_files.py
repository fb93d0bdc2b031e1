"""The small files of a publication: a citation, a badge, pages of plain HTML."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

from imbench.stats.leaderboard import Leaderboard

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
th { text-align: left; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
""".strip()

# Roughly a character of 11 px Verdana, as badges are drawn.
_CHARACTER = 6.6


def citation(title: str, authors: Sequence[str], abstract: str, sha256: str) -> str:
    """A CITATION.cff (format 1.2.0) of published results, identified by the hash of their rows.

    Parameters
    ----------
    authors : ``Family, Given`` for a person, anything without a comma for a group; may not be empty
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
    """A badge as SVG: two boxes of text, readable by a screen reader, without anything from elsewhere."""
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


def html(title: str, body: str) -> str:
    """A whole page that needs nothing else."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def board_html(board: Leaderboard) -> str:
    """A leaderboard as a table with its heading."""
    better = board.metric.better
    heading = f"{board.task}, {board.metric.title} ({better} is better), protocol {board.protocol}"
    numbers = ["mean", "rank_sum", "average_rank"]
    head = '<th scope="col">strategy</th>' + "".join(
        f'<th scope="col" class="n">{name.replace("_", " ")}</th>' for name in numbers
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(row["strategy"])}</th>'
        + "".join(f'<td class="n">{row[name]:.4g}</td>' for name in numbers)
        + "</tr>"
        for row in board.table.to_dict("records")
    )
    count = len(board.configurations)
    basis = board.undefined or f"Friedman p = {board.table['p'].iloc[0]:.2g}"
    return (
        f"<h3>{escape(heading)}</h3>\n<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>\n"
        f"<p>{count} configurations; {escape(basis)}</p>"
    )


def listing(items: Sequence[str]) -> str:
    """Sentences as an HTML list, "" if there are none."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else ""


def _yaml(text: str) -> str:
    # A JSON string is a YAML string.
    return json.dumps(" ".join(text.split()), ensure_ascii=False)
