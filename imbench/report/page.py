"""The page: one self-contained HTML file, complete without JavaScript."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from imbench.contract.protocol import caveat
from imbench.report.answer import TUNED
from imbench.report.columns import PLAIN_RULE, RULES, Column
from imbench.report.coverage import PROCESS, zero_recall_title
from imbench.report.evidence import basis
from imbench.report.figures.inline import inline_svg
from imbench.report.figures.kinds import Figures
from imbench.report.figures.sample_grid import SampleGrid, picture
from imbench.report.figures.spec import FigureSpec, colour_of
from imbench.report.figures.tuning import MOST
from imbench.report.further import Beside, further
from imbench.report.gains import ir_labels
from imbench.report.latex import escape
from imbench.report.model import Model
from imbench.report.overview import Overview, overviews
from imbench.report.provenance import SHOWN_VALUES
from imbench.report.tables import TABLES
from imbench.report.tuned import BudgetTable, about_tuning, budget_tables
from imbench.report.verdict import Verdict, verdict
from imbench.scoring.rules import EACH
from imbench.stats.board import Board, merit
from imbench.stats.ranks import TRAINED
from imbench.stats.score_table import Configuration, Floats, ScoreTable
from imbench.stats.words import counted, level, listed, number, p_in_text, p_value, span

if TYPE_CHECKING:
    from jinja2 import Environment

# Limits of the page; it reports omitted rows, and the data files contain all rows.
MOST_MATRIX = 20
MOST_CELLS = 20_000
MOST_FAILURES = 200
# More notes than these would push the first table off the first screen; the section on coverage has all.
MOST_NOTES = 3

PAPER = """@misc{bellinger2020remix,
  title = {ReMix Training for Calibrated Imbalanced Deep Learning},
  author = {Bellinger, Colin and Corizzo, Roberto and Japkowicz, Nathalie},
  year = {2020},
  eprint = {2012.02312},
  archivePrefix = {arXiv}
}"""

# Titles of metrics in the columns of the first screen, where the whole title is a tooltip.
_SHORT = {"bbs": "BBS", "brier": "Brier"}


def page(model: Model, figures: Figures) -> str:
    """The HTML of a model; equal models give equal text."""
    text = (
        _environment()
        .get_template("report.html.j2")
        .render(
            model=model,
            view=View(model, figures),
            css=_part("report.css"),
            script=_part("report.js"),
            metrics={column.metric.name: column.metric for column in model.columns},
            rules=RULES,
            plain=PLAIN_RULE,
            level=level(model.alpha),
            interval=f"{level(model.alpha)} interval",
            each=EACH,
            process=PROCESS,
            tied=f"{TRAINED.absolute:g}",
            nan=math.nan,
            shown_values=SHOWN_VALUES,
            most_failures=MOST_FAILURES,
            zero_recall_title=zero_recall_title,
            most_notes=MOST_NOTES,
            most_lines=MOST,
            about_tuning=about_tuning(model.budgets, model.selected_by) if model.budgets else "",
        )
    )
    # Macros leave empty lines where they are defined.
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


@cache
def _environment() -> Environment:
    """Where the template lives, compiled once for all pages of a process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("imbench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": number,
        "p": p_value,
        "p_in_text": p_in_text,
        "listed": listed,
        "percent": _percent,
        "share": _share,
    }
    environment.filters["capitalize_first"] = _capitalized
    environment.globals |= {"span": span, "counted": counted, "caveat": caveat}
    return environment


class View:
    """Input of the template besides the model: selections that fit on the page, figures, data for filters."""

    def __init__(self, model: Model, figures: Figures) -> None:
        self.model, self.figures = model, figures

    @cached_property
    def overviews(self) -> list[Overview]:
        """The tables of the first screen."""
        return overviews(self.model)

    @property
    def scopes(self) -> list[str]:
        """The named sets of configurations that boards are over, such as ``suite tabular``."""
        return list(dict.fromkeys(scores.scope for scores in self.model.score_tables if scores.scope))

    @property
    def verdicts(self) -> list[tuple[Board, Verdict]]:
        """The verdict of each leading board, and of those with a tuned threshold for every strategy."""
        model = self.model
        tuned = [
            b for b in model.others if b.rule == TUNED and b.metric.of_decisions and b.metric.name in model.headline
        ]
        order = {(scores.protocol, scores.task): place for place, scores in enumerate(model.score_tables)}
        boards = sorted([*model.leading, *tuned], key=lambda b: order[b.protocol, b.task])
        known = dict(zip(model.leading, model.verdicts, strict=True))
        return [(board, known.get(board) or verdict(board)) for board in boards]

    @cached_property
    def beside(self) -> list[Beside]:
        """What else is known of each leading board under one decision rule."""
        rows = TABLES["leaderboard"](self.model)
        found = []
        for board in self.model.leading:
            where = (rows["task"] == board.task) & (rows["protocol"] == board.protocol) & (rows["rule"] == board.rule)
            columns, cells = further(rows[where & (rows["metric"] == board.metric.name)])
            sentences = basis(board, self.model.evidence) if board.configurations else []
            if (columns or sentences) and board.rule != EACH:
                found.append(Beside(board, sentences, columns, cells))
        return found

    @cached_property
    def budgets(self) -> list[BudgetTable]:
        """The tables of a tuned run."""
        return budget_tables(self.model.budgets, self.model.references)

    @cached_property
    def evidence(self) -> pd.DataFrame | None:
        """A row for each configuration with what its scores rest on; None if the report has no such table."""
        made = TABLES.get("evidence")
        table = made(self.model) if made else None
        return table if table is not None and len(table) else None

    def short(self, column: Column | Board) -> str:
        """The title of a column of the first screen."""
        title = _SHORT.get(column.metric.name, column.metric.title)
        return title if column.rule == PLAIN_RULE else f"{title}, {column.rule}"

    def colour(self, name: str) -> int:
        """The number of a competitor's colour."""
        return colour_of(self.model.series.get(name, 0))

    def unranked(self, one: Overview) -> list[str]:
        """The strategies that the first board does not rank."""
        return [*(partial.name for partial in one.first.partial), *one.first.absent]

    def seconds_digits(self, one: Overview) -> int:
        """Decimals of seconds per net."""
        known = [row.seconds for row in (*one.rows, *one.references) if not math.isnan(row.seconds)]
        return 1 if max(known, default=0.0) >= 10 else 2

    @property
    def bibtex(self) -> str:
        """Entries for imbench with this page's fingerprint, and for the paper."""
        model = self.model
        versions = ", ".join(model.facts.get("imbench", ()))
        fields = {
            "title": f"{{{escape(model.title) or 'imbench report'}}}",
            "author": "{{The authors of imbench}}",
            "note": f"{{imbench {versions}, {listed([*self.scopes, *(f'protocol {p}' for p in model.protocols)])}, "
            f"SHA-256 of all job keys {model.fingerprint}}}",
        }
        if model.date:
            fields["year"] = f"{{{model.date[:4]}}}"
        lines = ",\n".join(f"  {name} = {value}" for name, value in fields.items())
        return f"@misc{{imbench-{model.fingerprint[:12]},\n{lines}\n}}\n\n{PAPER}"

    def choices(self, what: str) -> list[str]:
        """The options of a filter, in the order of the page."""
        listed_: Mapping[str, list[Any]] = {
            "protocol": [c.protocol for c in self.model.score_tables],
            "task": [c.task for c in self.model.score_tables],
            "modality": [one.modality for c in self.model.score_tables for one in c.configurations],
            "ir": [label for labels in self.ratios for label in labels],
            "metric": [b.metric.name for b in self.model.boards],
            "rule": [b.rule for b in self.model.boards],
        }
        found = list(dict.fromkeys(listed_[what]))
        return sorted(found, key=_ratio_order) if what == "ir" else found

    @cached_property
    def ratios(self) -> list[list[str]]:
        """The label of the imbalance ratio of each configuration of each `ScoreTable`."""
        every = [c for scores in self.model.score_tables for c in scores.configurations]
        labels = ir_labels(every)
        return [[labels[c] for c in scores.configurations] for scores in self.model.score_tables]

    @property
    def steps(self) -> str:
        """A sentence on the gradient steps of strategies; "" if the rows do not record them."""
        ratios = [ratio for scores in self.model.score_tables for ratio in _step_ratios(scores)]
        if not ratios:
            return ""
        if max(ratios) == min(ratios):
            return "Every strategy takes the same number of gradient steps on a configuration."
        return (
            "Training ends early for nets that stop improving, so strategies differ in gradient steps: on a "
            f"configuration a strategy takes {min(ratios):.2g} to {max(ratios):.2g} times the mean of all strategies."
        )

    @property
    def partial_curves(self) -> list[str]:
        """The reliability curves that use only part of the configurations."""
        few = [c for c in self.model.curves if c.configurations < c.of]
        return [f"{c.strategy}, {c.task}: {c.configurations} of {c.of}" for c in few]

    def svg(self, spec: FigureSpec | None) -> Any:
        """A figure as inline SVG; "" for None."""
        from markupsafe import Markup

        return Markup(inline_svg(spec)) if spec is not None else ""

    def verdict(self, board: Board) -> Verdict:
        """The verdict of a board that is not among the leading ones."""
        return verdict(board)

    def rows(self, grid: SampleGrid) -> list[tuple[str, list[tuple[str, list[tuple[str, bool]]]]]]:
        """For each strategy its images as data URLs, each with the lines of its caption (see `SampleGrid.captions`)."""
        return [(row.name, list(zip(map(_data_url, row.images), grid.captions(row), strict=True))) for row in grid.rows]

    def wins(self, board: Board) -> tuple[list[str], list[list[float]]]:
        """Names, best first, and for each pair the share of configurations the first wins; a tie counts half."""
        names = [row.name for row in board.table][:MOST_MATRIX]
        return names, board.win_rates(names).tolist()

    def datasets(self, scores: ScoreTable) -> list[dict[str, Any]]:
        """Tables of mean ± sd: for each leading column, the strategies shown and a row for each configuration."""
        columns = [b for b in self.model.leading if (b.protocol, b.task) == (scores.protocol, scores.task)]
        columns = [b for b in columns if b.rule != EACH]
        most = max(2, MOST_CELLS // max(1, len(scores.configurations) * len(self.model.leading)))
        return [self._dataset_table(board, scores, most) for board in columns]

    def _dataset_table(self, board: Board, scores: ScoreTable, most: int) -> dict[str, Any]:
        name = Column(board.metric, board.rule).name
        names = [row.name for row in board.table]
        first = list(dict.fromkeys([*([board.control] if board.control else []), *names]))[:most]
        index = [scores.strategies.index(n) for n in first]
        mean, sd = scores.mean[name][:, index], scores.sd[name][:, index]
        return {
            "board": board,
            "names": first,
            "of": len(names),
            "rows": list(_rows(scores, mean, sd, merit(board.metric, mean))),
        }

    def mean(self, scores: ScoreTable, column: Column, strategy: int) -> float:
        """A strategy's mean over the configurations on which it has a result."""
        values = scores.mean[column.name][:, strategy]
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else math.nan

    def knows(self, name: str) -> bool:
        """Whether any strategy has a value of this column of `PROCESS`."""
        return any(not math.isnan(one.process.get(name, math.nan)) for one in self.model.covered)

    def digits(self, name: str) -> int:
        """Decimals of a column of `PROCESS`: none if its values are large."""
        largest = max(abs(one.process.get(name, 0.0)) for one in self.model.covered)
        return 0 if largest >= 20 else 3

    @cached_property
    def data(self) -> Any:
        """The input of the filters as JSON that is safe inside a script element; scores keep all their bits."""
        from markupsafe import Markup

        text = json.dumps(self._data(), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("<", "\\u003c"))

    def _data(self) -> dict[str, Any]:
        shown = {(b.protocol, b.task, b.metric.name, b.rule) for b in self.model.boards}
        first = {(one.protocol, one.task): one.columns for one in self.overviews}
        groups = []
        for scores, ratios in zip(self.model.score_tables, self.ratios, strict=True):
            columns = [
                [c.metric.name, c.rule, _packed(scores.mean[c.name])]
                for c in dict.fromkeys((*self.model.columns, *first.get((scores.protocol, scores.task), ())))
                if c in first.get((scores.protocol, scores.task), ())
                or {(scores.protocol, scores.task, c.metric.name, rule) for rule in (c.rule, EACH)} & shown
            ]
            groups.append(
                {
                    "protocol": scores.protocol,
                    "task": scores.task,
                    "strategies": scores.strategies,
                    "repeated": sorted(name for group in scores.same for name in group[1:]),
                    "inside": [int(there) for there in scores.inside],
                    "complete": [int(there) for there in scores.complete],
                    "configurations": [
                        [c.dataset, c.variant, ir, c.modality, c.original]
                        for c, ir in zip(scores.configurations, ratios, strict=True)
                    ],
                    "columns": columns,
                }
            )
        every = [*self.model.columns, *(column for one in self.overviews for column in one.columns)]
        metrics = list(dict.fromkeys(column.metric for column in every))
        return {
            "leading": self.model.headline,
            "rule": self.model.columns[0].rule if self.model.columns else PLAIN_RULE,
            "tolerance": {"absolute": TRAINED.absolute, "relative": TRAINED.relative},
            "higher": {metric.name: metric.higher_is_better for metric in metrics},
            "target": {metric.name: metric.target for metric in metrics if metric.target is not None},
            "colours": {name: colour_of(series) for name, series in self.model.series.items()},
            "groups": groups,
        }


def _step_ratios(scores: ScoreTable) -> list[float]:
    """Gradient steps of each strategy on each configuration over the mean of the strategies there."""
    steps = scores.mean.get("steps")
    if steps is None:
        return []
    found: list[float] = []
    for row in steps:
        known = row[~np.isnan(row)]
        found += (known / known.mean()).tolist() if len(known) > 1 and known.mean() > 0 else []
    return found


def _rows(
    scores: ScoreTable, mean: Floats, sd: Floats, worth: Floats
) -> Sequence[tuple[Configuration, list[tuple[float, float, bool]]]]:
    known = ~np.isnan(mean)
    best = np.where(known.any(axis=1), np.max(np.where(known, worth, -np.inf), axis=1, initial=-np.inf), np.nan)
    top = known & (worth >= best[:, None] - TRAINED.absolute)
    return [
        (c, [(float(m), float(s), bool(t)) for m, s, t in zip(mean[i], sd[i], top[i], strict=True)])
        for i, c in enumerate(scores.configurations)
    ]


def _packed(values: Floats) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()


def _data_url(image: np.ndarray) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture(image)).decode()}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f}"


def _share(value: float) -> str:
    """A share as whole percent; less than half a percent, but not 0, as ``< 1 %``."""
    if math.isnan(value):
        return "–"
    return "< 1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ratio_order(label: str) -> float:
    return float(label.partition("–")[0]) if label[:1].isdigit() else math.inf


def _part(name: str) -> Any:
    from markupsafe import Markup

    return Markup(resources.files("imbench.report").joinpath("templates", name).read_text("utf-8"))
