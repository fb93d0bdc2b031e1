"""The notebook's code runs, and its outputs are those of a whole run in order."""

import json

from tests.house.conftest import ROOT

CELLS = [
    cell
    for cell in json.loads((ROOT / "docs" / "advice.ipynb").read_text("utf-8"))["cells"]
    if cell["cell_type"] == "code"
]


def text(parts):
    return "".join(parts)


def test_its_code_runs_and_says_what_the_notebook_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "notebook"}
    for number, cell in enumerate(CELLS):
        exec(compile(text(cell["source"]), f"cell {number}", "exec"), names)
    answer = next(text(out["data"]["text/html"]) for out in CELLS[1]["outputs"] if "text/html" in out.get("data", {}))
    assert names["found"].sentences[0] in answer
    assert text(CELLS[-1]["outputs"][0]["text"]).splitlines()[0] in capsys.readouterr().out


def test_its_outputs_are_of_one_run_in_order():
    assert [cell["execution_count"] for cell in CELLS] == list(range(1, len(CELLS) + 1))
    assert all(cell["outputs"] for cell in CELLS)
