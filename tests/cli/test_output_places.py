"""A place where nothing can be written is refused before any work, by every command that writes where it is told to."""

import os

import pytest

from imbench.contract.errors import UsageError
from imbench.store.outputs import check_output_file, check_output_folder

TABLE = ("table.csv", "--target", "kind")
RUN = ("--strategy", "mixup", "--dataset", "table.csv:target=kind", "--protocol", "smoke")
# How a command is given a folder, or a file, to write.
FOLDERS = {
    "report": ("report", "store", "--to"),
    "publish": ("publish", "store", "--to"),
    "reproduce": ("reproduce", "table2", "--to"),
    "sweep": ("sweep", *RUN, "--param", "alpha=0.1,0.2", "--to"),
    "fit": ("fit", *TABLE, "--strategy", "remix", "--out"),
    "advise": ("advise", *TABLE, "--out"),
}
FILES = {
    "advise": (("advise", *TABLE, "--html"), ".html"),
    "predict": (("predict", "model", "table.csv", "-o"), ".csv"),
    "export": (("export", "model"), ".onnx"),
    "samples": (("samples", "--dataset", "cifar10", "--to"), ".png"),
    "plan": (("plan", *RUN, "--shards", "2", "--export"), ".txt"),
}


@pytest.fixture
def refused(imbench, table, tmp_path):
    """Call a command, which must be refused with this message and leave the folder as it was."""
    for name in ("inner.html", "inner.csv", "inner.onnx", "inner.png", "inner.txt"):
        (tmp_path / name).mkdir()
    (tmp_path / "taken").write_text("kept")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def call(command, place, said):
        answer = imbench(*command, place)
        assert answer.code == 2
        assert answer.out == ""
        assert answer.err.startswith("error: ")
        assert place in answer.err
        assert said in answer.err.replace("\n", " ")
        assert "Traceback" not in answer.err
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

    return call


@pytest.mark.parametrize("command", FOLDERS.values(), ids=FOLDERS)
def test_a_folder(refused, command):
    refused(command, "taken", "taken is a file; give the path of a folder")
    refused(command, "/proc/results", "cannot write to the folder /proc")
    if command[0] not in ("fit", "advise"):  # the others make parents
        refused(command, "taken/results", "taken is a file; give the path of a folder")
    else:
        refused(command, "taken/results", "there is no folder taken; create it, or give another path")


@pytest.mark.parametrize(("command", "suffix"), FILES.values(), ids=FILES)
def test_a_file(refused, command, suffix):
    refused(command, f"inner{suffix}", f"inner{suffix} is a folder; give the path of a file")
    refused(command, f"no/such{suffix}", "there is no folder no; create it, or give another path")
    refused(command, f"/proc/result{suffix}", "cannot write to the folder /proc")
    refused(command, "x" * 300 + suffix, "cannot write to the folder")


def test_the_list_of_inputs_beside_an_exported_model(imbench, tmp_path):
    (tmp_path / "m.json").mkdir()
    answer = imbench("export", "model", "m.onnx")
    assert answer.code == 2
    assert answer.err == "error: m.json is a folder; give the path of a file\n"


@pytest.mark.parametrize("place", ["new", "new/deeper/still", "there", "there/new", "link", "./../here/new", ""])
def test_a_folder_that_can_be_made_passes_and_is_not_made(tmp_path, monkeypatch, place):
    here = tmp_path / "here"
    (here / "there").mkdir(parents=True)
    (here / "link").symlink_to(here / "there")
    monkeypatch.chdir(here)
    before = sorted(here.rglob("*"))
    check_output_folder(place, "--to")
    assert sorted(here.rglob("*")) == before


def test_a_file_that_can_be_made_or_replaced_passes_and_is_not_touched(tmp_path):
    (tmp_path / "old.csv").write_text("kept")
    for name in ("new.csv", "old.csv"):
        check_output_file(tmp_path / name, "-o")
    assert [path.name for path in tmp_path.iterdir()] == ["old.csv"]
    assert (tmp_path / "old.csv").read_text() == "kept"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="everything may be written here")
def test_a_folder_without_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    for check, path in ((check_output_folder, "locked/a/b"), (check_output_file, "locked/a")):
        with pytest.raises(UsageError, match=r"cannot write to the folder .*locked \(Permission denied\)"):
            check(tmp_path / path, "--to")


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match="give the path of a folder"):
        check_output_folder(tmp_path / "a", "--to")
    with pytest.raises(UsageError, match="there is no folder"):
        check_output_file(tmp_path / "a" / "x.csv", "-o")
