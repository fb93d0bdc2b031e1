"""`imbench sweep`: what it trains and prints, resuming, its files, and what it refuses."""

import json
import os

import pandas as pd
import pytest

import imbench as library
from tests.cli.conftest import call, write_table

# Before tests hide it from what they run.
REAL_MIRROR = os.environ.get("IMBENCH_DATA_MIRROR")
QUICK = ("--protocol", "smoke", "--set", "repeats=2", "--jobs", "1")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A store with a sweep of alpha on two ratios of one table, the command, its answer and its folder of files."""
    folder = tmp_path_factory.mktemp("swept")
    spec = write_table(folder / "table.csv", {"no": 160, "yes": 40})
    datasets = ["--dataset", f"{spec},ir=0.1", "--dataset", f"{spec},ir=0.2"]
    command = ["sweep", "--strategy", "remix", "--param", "alpha=0.3,0.05", *datasets, *QUICK]
    command += ["--store", str(folder / "store"), "--to", str(folder / "out")]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COLUMNS", raising=False)
        return folder, command, call(*command)


def test_every_value_the_default_and_the_baseline_are_trained(swept):
    folder, _, answer = swept
    assert answer.code == 0
    frame = library.load(folder / "store").frame()
    assert set(frame["strategy"]) == {"baseline", "remix", "remix:alpha=0.05", "remix:alpha=0.3"}
    assert "8 jobs done, 0 failed" in answer.err


def test_the_table_has_a_line_a_value_a_column_a_configuration_and_the_means_of_the_store(swept):
    folder, _, answer = swept
    frame = library.load(folder / "store").frame()
    lines = answer.out.splitlines()
    start = lines.index("remix, G-mean by alpha (higher is better)")
    assert lines[start + 1].split() == ["alpha", "table.csv:ir=0.1,target=kind", "table.csv:ir=0.2,target=kind"]
    assert [line.split()[0] for line in lines[start + 2 : start + 6]] == ["0.05", "0.1", "0.3", "baseline"]
    strategies = ["remix:alpha=0.05", "remix", "remix:alpha=0.3", "baseline"]
    means = frame.groupby(["strategy", "variant"])["gmean"].mean()
    for line, strategy in zip(lines[start + 2 :], strategies, strict=False):
        shown = [cell.rstrip("*") for cell in line.replace("(default)", "").split()[1:] if cell.count("0.") == 1]
        for variant in ("ir=0.1,target=kind", "ir=0.2,target=kind"):
            assert f"{means[strategy, variant]:.4f}" in shown
    assert lines[start + 3].startswith("0.1 (default)")
    assert sum(line.count("*") for line in lines[start + 2 : start + 6]) == 2


def test_running_again_trains_nothing_and_says_the_same(swept):
    _, command, first = swept
    again = call(*command)
    assert "0 jobs to do" in again.err
    assert again.out == first.out


def test_one_more_value_trains_that_value_only(swept):
    _, command, _ = swept
    answer = call(*[word.replace("0.3,0.05", "0.3,0.05,0.2") for word in command])
    assert "2 jobs to do" in answer.err
    assert "0.2 " in answer.out


def test_the_folder_has_figures_and_numbers(swept):
    folder, command, _ = swept
    call(*command)
    figures = {f"sweep-{metric}.{kind}" for metric in ("gmean", "bbs") for kind in ("svg", "pdf", "png")}
    tables = {"sweep.csv", "effects.csv", "verdicts.csv", "sweep.json"}
    assert {path.name for path in (folder / "out").iterdir()} == figures | tables
    written = pd.read_csv(folder / "out" / "sweep.csv").query("metric == 'gmean' and strategy == 'remix'")
    means = library.load(folder / "store").frame().query("strategy == 'remix'").groupby("variant")["gmean"].mean()
    assert written.set_index("variant")["mean"].to_dict() == pytest.approx(means.to_dict())


def test_json_is_what_the_library_gives(swept):
    folder, command, _ = swept
    shown = json.loads(call(*command, "--json").out)
    spec = f"{folder / 'table.csv'}:target=kind"
    found = library.sweep(
        *("remix", "alpha", [0.05, 0.3]),
        datasets=[f"{spec},ir=0.1", f"{spec},ir=0.2"],
        protocol="smoke",
        settings={"repeats": "2"},
        store=folder / "store",
        jobs=1,
    )
    means = [row["mean"] for row in shown["scores"] if row["metric"] == "bbs"]
    assert means == pytest.approx(found.scores("bbs")["mean"].tolist())
    assert (shown["values"], shown["default"]) == ([0.05, 0.1, 0.3], 0.1)


def test_without_the_baseline_nothing_of_it_is_trained_or_shown(table, imbench):
    answer = imbench(
        *("sweep", "--strategy", "mixup", "--param", "alpha=0.1,0.2", "--dataset", table, *QUICK, "--no-baseline"),
        *("--metric", "brier", "--quiet"),
    )
    assert (answer.code, answer.err) == (0, "")
    assert "mixup, Brier score by alpha (lower is better)" in answer.out
    assert "baseline" not in answer.out
    assert set(library.load("imbench-store").frame()["strategy"]) == {"mixup", "mixup:alpha=0.2"}


def test_a_dry_run_trains_and_writes_nothing(table, imbench, tmp_path):
    answer = imbench(
        *("sweep", "--strategy", "remix", "--param", "alpha=0.1,0.2", "--dataset", table, *QUICK),
        *("--to", "out", "--dry-run"),
    )
    assert answer.code == 0
    assert "3 of 3 jobs to do" in answer.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv"]


def test_values_that_are_text_are_swept_as_well(table, imbench):
    answer = imbench(
        *("sweep", "--strategy", "mine", "--param", "rule=first,second", "--dataset", table, *QUICK, "--quiet"),
        *("--plugin", _plugin()),
    )
    assert answer.code == 0
    lines = [line.split()[0] for line in answer.out.splitlines() if line]
    assert lines[1:5] == ["rule", "first", "second", "baseline"]


def test_a_job_that_fails_is_told_and_the_others_are_shown(table, imbench):
    answer = imbench(
        *("sweep", "--strategy", "mine", "--param", "rule=first,broken", "--dataset", table, *QUICK),
        *("--plugin", _plugin()),
    )
    assert answer.code == 1
    assert "no such rule" in answer.err
    assert "1 of 3 jobs failed; imbench status" in answer.err
    assert "first (default)" in answer.out


def _plugin() -> str:
    with open("mine.py", "w") as file:
        file.write(PLUGIN)
    return "mine.py"


PLUGIN = '''
from dataclasses import dataclass
from typing import ClassVar
from imbench import BatchStrategy

@dataclass(frozen=True)
class Mine(BatchStrategy):
    """Leaves every batch as it is."""

    name: ClassVar[str] = "mine"
    rule: str = "first"

    def rebalance(self, batch, info, noise):
        if self.rule == "broken":
            raise RuntimeError("no such rule")
        return batch
'''


def test_ctrl_c_keeps_what_ended_and_says_how_to_resume(table, imbench, monkeypatch):
    from imbench.runs import bench

    whole = bench.run_plan

    def interrupted(plan, progress):
        def stop(event):
            progress(event)
            if event.kind == "finished":
                raise KeyboardInterrupt

        return whole(plan, stop)

    monkeypatch.setattr(bench, "run_plan", interrupted)
    command = ("sweep", "--strategy", "remix", "--param", "alpha=0.1,0.2", "--dataset", table, *QUICK)
    answer = imbench(*command)
    assert answer.code == 130
    assert "To resume:\n  imbench sweep --strategy remix --param alpha=0.1,0.2" in answer.err
    monkeypatch.setattr(bench, "run_plan", whole)
    assert "2 jobs to do" in imbench(*command).err


RIGHT = {"--strategy": "remix", "--param": "alpha=0.1,0.3", "--dataset": "segment:ir=0.05"}
WRONG = {
    "strategy": ({"--strategy": "remx"}, "did you mean remix"),
    "strategy missing": ({"--strategy": None}, "--strategy is missing; write for example --strategy remix"),
    "strategy states it": ({"--strategy": "remix:alpha=0.2"}, "remix:alpha=0.2 sets alpha, which the sweep varies"),
    "parameter": ({"--param": "alhpa=0.1,0.3"}, "no parameter 'alhpa'; did you mean alpha"),
    "parameter missing": ({"--param": None}, "--param is missing; write for example --param alpha=0.05,0.1,0.3"),
    "parameter form": ({"--param": "alpha"}, "--param 'alpha' is not NAME=A,B,C"),
    "parameter of none": ({"--strategy": "baseline"}, "no parameter 'alpha'; there are none"),
    "one value": ({"--param": "alpha=0.3"}, "at least two values of alpha, got only 0.3"),
    "empty value": ({"--param": "alpha=0.3,,0.1"}, "a value is empty in '0.3,,0.1'"),
    "same value": ({"--param": "alpha=0.1,0.3,0.10"}, "alpha has the same value twice, 0.1 and 0.10; keep one"),
    "range": ({"--param": "alpha=0,0.1"}, "ReMix.alpha must be positive, got 0.0"),
    "kind": ({"--param": "alpha=0.1,big"}, "'big'"),
    "dataset": ({"--dataset": "segmnt"}, "did you mean segment"),
    "dataset missing": ({"--dataset": None}, "nothing to run"),
    "suite": ({"--suite": "tabula"}, "did you mean tabular"),
    "protocol": ({"--protocol": "papr"}, "unknown protocol 'papr'"),
    "set": ({"--set": "epoch=3"}, "no field 'epoch'"),
    "set form": ({"--set": "epochs"}, "--set epochs=50"),
    "metric": ({"--metric": "gmaen"}, "did you mean gmean"),
    "plugin": ({"--plugin": "nowhere.py"}, "nowhere.py"),
    "mirror": ({"--data-mirror": "nowhere"}, "'nowhere' does not exist"),
    "jobs": ({"--jobs": "0"}, "--jobs must be at least 1, got 0"),
    "device": ({"--device": "cdua"}, "unknown device 'cdua'"),
    "to": ({"--to": "taken"}, "taken is a file; give the path of a folder"),
    "store": ({"--store": "taken"}, "taken"),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_one_error_with_exit_code_2_before_any_work(change, said, imbench, tmp_path):
    (tmp_path / "taken").write_text("")
    options = {name: value for name, value in {**RIGHT, **change}.items() if value is not None}
    answer = imbench("sweep", *(word for pair in options.items() for word in pair))
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "imbench-store").exists()


@pytest.mark.parametrize(
    ("again", "said"),
    [
        (("--param", "alpha=0.2,0.4"), "--param is given 2 times, alpha=0.1,0.3 and alpha=0.2,0.4"),
        (("--strategy", "mixup"), "--strategy is given 2 times, remix and mixup"),
        (("--prama", "alpha=0.2"), "--param"),
    ],
)
def test_one_sweep_has_one_strategy_and_one_parameter(again, said, imbench):
    answer = imbench("sweep", *(word for pair in RIGHT.items() for word in pair), *again)
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.data
def test_a_real_dataset_is_swept(imbench):
    if not REAL_MIRROR:
        pytest.skip("IMBENCH_DATA_MIRROR is unset: no real datasets here")
    answer = imbench(
        *("sweep", "--strategy", "remix", "--param", "alpha=0.1,0.3", "--dataset", "segment:ir=0.05", *QUICK),
        *("--data-mirror", REAL_MIRROR),
    )
    assert answer.code == 0
    assert "segment:ir=0.05: " in answer.out
