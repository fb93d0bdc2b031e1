"""`imbench doctor` prints every check, and what to do about those that fail."""

import json
from pathlib import Path

from imbench.runs.doctor import CHECKS


def test_every_check_is_printed_and_nothing_is_left_behind(imbench):
    answer = imbench("doctor")
    assert answer.code == 0, answer.out
    lines = answer.out.splitlines()
    assert [line.split("  ")[0] for line in lines[1 : 1 + len(CHECKS)]] == list(CHECKS)
    assert "runs work here" in answer.out
    assert not Path("imbench-store").exists()


def test_a_failed_check_comes_with_its_fix_and_exit_code_1(imbench):
    answer = imbench("doctor", "--data-mirror", "nowhere", "--device", "cuda:99")
    assert answer.code == 1
    assert "FAILED: mirror: the data mirror 'nowhere' does not exist; give the folder" in answer.out
    assert "FAILED: device: device 'cuda:99' does not exist" in answer.out
    assert answer.out.rstrip().endswith("2 checks failed")


def test_as_json_there_is_the_same(imbench):
    answer = imbench("doctor", "--json", "--data-mirror", "nowhere")
    found = json.loads(answer.out)
    assert (answer.code, found["ok"]) == (1, False)
    assert [check["check"] for check in found["checks"]] == list(CHECKS)
    assert [check["check"] for check in found["checks"] if check["state"] == "failed"] == ["mirror"]


def test_what_fails_in_any_other_way_is_a_failed_check(monkeypatch, imbench):
    def broken(setup):
        raise RuntimeError("libblas.so: cannot open")

    monkeypatch.setattr("imbench.runs.doctor.CHECKS", {"BLAS": broken})
    answer = imbench("doctor")
    assert answer.code == 1
    assert "FAILED: BLAS: RuntimeError: libblas.so: cannot open; reinstall" in answer.out
