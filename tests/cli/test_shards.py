"""A plan shared out among machines and joined again."""

import math
import shlex
from pathlib import Path

import pytest

import imbench
from imbench.cli import main
from imbench.cli.training import limits
from imbench.runs.shards import Shard

MACHINE = ["seconds"]
# A dataset whose only source is a file that is missing.
CARD = """
title = "Gone"
target = "kind"
rows = 90
features = 2
missing = 0
class_counts = {no = 60, yes = 30}
task = [{name = "binary", minority = ["yes"]}]
licence = "CC0"
citation = "Nobody (2020)"
content = "%s"
source = [{kind = "file", path = "gone.csv"}]
""" % ("0" * 64)


@pytest.fixture
def options(table):
    strategies = [part for name in ("baseline", "remix", "mixup") for part in ("--strategy", name)]
    return ["--dataset", table, *strategies, "--protocol", "smoke", "--jobs", "1", "--no-checks"]


def rows(store):
    return imbench.load(store).frame().drop(columns=MACHINE)


def test_four_shards_merged_equal_the_whole_run(options, tmp_path, capsys):
    """Four shards of three jobs: one has nothing to do."""
    whole, jobs, merged = tmp_path / "whole", tmp_path / "jobs.txt", tmp_path / "merged"
    assert main(["run", *options, "--store", str(whole), "-q"]) == 0
    exported = ["--store", str(tmp_path / "shard"), "--shards", "4", "--export", str(jobs), "--own-stores"]
    assert main(["plan", *options, *exported]) == 0
    assert "imbench merge" in capsys.readouterr().err
    commands = [shlex.split(line) for line in jobs.read_text().splitlines()]
    for command in commands:
        assert command[:2] == ["imbench", "run"]
        assert main([*command[1:], "-q"]) == 0
    stores = [command[command.index("--store") + 1] for command in commands]
    assert len(set(stores)) == 4
    assert main(["merge", *stores, "--into", str(merged)]) == 0
    assert rows(merged).equals(rows(whole))


def test_shards_of_a_suite_with_missing_data_are_those_of_a_named_plan(table, options, tmp_path, capsys):
    suite, gone = tmp_path / "half.toml", tmp_path / "gone.toml"
    gone.write_text(CARD)
    suite.write_text(f'title = "Half"\nconfigurations = ["{table}", "{gone}"]\n')
    given = ["--suite", str(suite), *options[2:], "--store", str(tmp_path / "store")]
    assert main(["run", *given, "--shard", "1/2"]) == 2
    assert "imbench plan --shards N --export FILE" in capsys.readouterr().err
    assert main(["plan", *given, "--shards", "2", "--export", str(tmp_path / "jobs.txt")]) == 0
    commands = [shlex.split(line) for line in (tmp_path / "jobs.txt").read_text().splitlines()]
    assert [main([*command[1:], "-q"]) for command in commands] == [0, 0]
    assert rows(tmp_path / "store")["key"].nunique() == 3
    # Elsewhere the data is another.
    named = commands[0][-1]
    file = Path(table.partition(":")[0])
    file.write_text(file.read_text() + file.read_text().splitlines()[-1] + "\n")
    assert main(["run", *given, "--shard", named]) == 2
    assert "of another plan" in capsys.readouterr().err


def test_shards_may_share_one_store(options, tmp_path):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert main(["run", *options, "--store", str(whole), "-q"]) == 0
    for shard in ("1/2", "2/2", "2/2"):
        assert main(["run", *options, "--store", str(shared), "--shard", shard, "-q"]) == 0
    assert rows(shared).equals(rows(whole))


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1-4", "4", "1/4@00000000"])
def test_a_wrong_shard_ends_before_any_work(options, tmp_path, capsys, shard):
    assert main(["run", *options, "--store", str(tmp_path / "store"), "--shard", shard]) == 2
    assert shard in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--export", "jobs.txt"], "--export needs --shards N"),
        (["--export", "jobs.txt", "--shards", "0"], "--export needs --shards N of at least 1, got 0"),
        (["--shards", "4"], "name the file to write"),
        (["--own-stores"], "name the file to write"),
        (["--export", "jobs.txt", "--shards", "2", "--shard", "1/2"], "omit --shard"),
        (["--export", "missing/jobs.txt", "--shards", "2"], "--export missing/jobs.txt: there is no folder missing"),
    ],
)
def test_a_wrong_export_is_refused(options, tmp_path, capsys, monkeypatch, given, message):
    monkeypatch.chdir(tmp_path)
    assert main(["plan", *options, *given]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_without_export_is_shown_and_trains_nothing(options, tmp_path, capsys):
    assert main(["plan", *options, "--store", str(tmp_path / "store")]) == 0
    assert "3 of 3 jobs to do" in capsys.readouterr().out
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--timeout", "soon"], "--timeout 'soon' is not a duration"),
        (["--timeout", "0"], "--timeout '0' is not a duration"),
        (["--memory", "4"], "--memory '4' is not an amount of memory"),
        (["--retry", "-1"], "retry must be at least 0, got -1"),
        (["--dask", "host:8786"], "--dask 'host:8786' is not a scheduler"),
        (["--dask", "local:0"], "--dask 'local:0' is not a scheduler"),
        (["--dask", "missing.json"], "no such scheduler file"),
        (["--resource", "GPU=1"], "give --dask as well"),
        (["--dask", "local:1", "--resource", "GPU"], "is not NAME=N"),
        (["--device", "cuda", "--timeout", "1h"], "trains in this process"),
    ],
)
def test_wrong_limits_and_clusters_are_refused_before_any_work(options, tmp_path, capsys, given, message):
    store = tmp_path / "store"
    assert main(["run", *options, "--store", str(store), *given]) == 2
    assert message in capsys.readouterr().err
    assert not list(store.glob("jobs/*"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"jobs": 2}, ["at most 1 h 0 min for a job (--timeout)", "GB for each worker (--memory)"]),
        ({"jobs": 1}, []),
        ({"jobs": 1, "timeout": 90.0, "memory": 4e9}, ["at most 90 s for a job", "4.0 GB for each worker"]),
        ({"executor": imbench.DaskExecutor("local:2")}, ["1 h 0 min", "a cluster's worker divided by its threads"]),
        ({"jobs": 2, "timeout": math.inf, "memory": math.inf}, ["no time limit", "no memory limit"]),
    ],
)
def test_the_limits_of_jobs_are_shown(fields, words, table, tmp_path):
    plan = imbench.plan(datasets=[table], protocol="smoke", store=tmp_path / "store", **fields)
    shown = limits(plan)
    assert len(shown) == bool(words)
    assert all(word in shown[0] for word in words)


def test_configurations_of_other_shards_are_not_missing_here(table, tmp_path):
    fields = {"datasets": [table, f"{table},ir=0.2"], "strategies": ["baseline"], "protocol": "smoke"}
    whole, *shards = (
        imbench.plan(**fields, store=tmp_path / "store", shard=shard) for shard in (None, Shard(1, 2), Shard(2, 2))
    )
    assert whole.coverage == "Data ready: 2 configurations of 1 dataset"
    assert [shard.coverage for shard in shards] == ["Data ready: 1 dataset"] * 2
