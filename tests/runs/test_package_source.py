"""Where a package came from is kept with its results, as a reader can install it, and without whom it names."""

import json

import pandas as pd
import pytest

from imbench.checks.source import package_source
from imbench.report.provenance import commands
from imbench.report.scrub import Scrubber
from imbench.scoring.columns import ORIGIN

ROW = {"protocol": "paper", "protocol_fields": "{}", "dataset": "segment", "variant": "ir=0.05", "task": "binary"}


def by_url(url, **more):
    return json.dumps({"url": url, **more})


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Lay out the metadata of an installed package, with this ``direct_url.json``."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(direct_url):
        folder = tmp_path / "imbench_far-2.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: imbench-far\nVersion: 2.0\n")
        if direct_url is not None:
            (folder / "direct_url.json").write_text(direct_url)
        return package_source("imbench-far")

    return make


@pytest.mark.parametrize(
    ("direct_url", "source"),
    [
        (None, "index"),
        (by_url("file:///home/eve/my%20plugins/far", dir_info={"editable": True}), "./imbench-far"),
        (by_url("file:///srv/imbench_far-2.0-py3-none-any.whl", archive_info={}), "./imbench_far-2.0-py3-none-any.whl"),
        (
            by_url("https://eve:word@example.org/r.git", vcs_info={"vcs": "git", "commit_id": "ab12"}),
            "git+https://example.org/r.git@ab12",
        ),
        (
            by_url("ssh://git@example.org/r", vcs_info={"vcs": "git", "commit_id": "ab12"}, subdirectory="far"),
            "git+ssh://git@example.org/r@ab12#subdirectory=far",
        ),
        (
            by_url("https://example.org/f.whl", archive_info={"hashes": {"sha256": "cd34"}}),
            "https://example.org/f.whl#sha256=cd34",
        ),
    ],
)
def test_what_the_installer_kept_becomes_what_pip_can_install(installed, direct_url, source):
    assert installed(direct_url) == source


def test_a_package_that_is_not_installed_has_no_known_source():
    assert package_source("imbench-nowhere") == "unknown"


def printed(*packages):
    """The commands for one job of each of these packages: name, version, source."""
    jobs = [
        ROW | dict(zip(ORIGIN, (*one, "0123456789abcdef", "passed", "1"), strict=True)) | {"strategy": f"s{i}:a=1"}
        for i, one in enumerate(packages)
    ]
    return commands(pd.DataFrame(jobs).assign(imbench="0.1.0"))


@pytest.mark.parametrize("source", ["index", "unknown", ""])
def test_a_package_of_an_index_is_installed_by_its_name(source):
    install, *rest = printed(("imbench-far", "2.0", source))
    assert install == "pip install imbench==0.1.0 imbench-far==2.0"
    assert not [line for line in rest if line.startswith("#")]


def test_a_package_of_a_repository_is_installed_from_there():
    install, *_ = printed(("imbench-far", "2.0", "git+https://example.org/r@ab12#subdirectory=far"))
    assert install == "pip install imbench==0.1.0 'git+https://example.org/r@ab12#subdirectory=far'"


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [("./imbench-far", "folder", "imbench-far"), ("./imbench_far-2.0.tar.gz", "file", "imbench_far-2.0.tar.gz")],
)
def test_a_package_of_the_authors_computer_is_to_be_got_from_its_author(source, kind, name):
    install, note, *_ = printed(("imbench-far", "2.0", source))
    assert install == f"pip install imbench==0.1.0 {source}"
    assert note.startswith(f"# needs the {kind} {name} from its author: package imbench-far 2.0 ")
    assert "0123456789ab of s0" in note


def test_of_several_sources_of_one_version_that_is_printed_which_a_reader_has():
    local, unknown = ("imbench-far", "2.0", "./imbench-far"), ("imbench-far", "2.0", "unknown")
    assert printed(local, unknown, ("imbench-far", "2.0", "git+https://e.org/r@1"))[0].endswith(
        " git+https://e.org/r@1"
    )
    assert printed(local, unknown)[0].endswith(" ./imbench-far")


def test_strategies_inside_others_have_sources_of_their_own():
    install, *_ = printed(("imbench, imbench-far, mine.py", "0.1.0, 2.0, ", "./imbench, ./imbench-far, "))
    assert install == "pip install imbench==0.1.0 ./imbench-far"


def test_an_address_that_names_its_author_is_no_more_than_the_package_once_it_is_scrubbed():
    rows = pd.DataFrame(
        {"package_source": ["git+https://example.org/mallory/r@ab12", "git+ssh://git@example.org/r@cd"]}
    )
    named, other = Scrubber(frozenset({"mallory"})).rows(rows)["package_source"]
    assert "mallory" not in named
    assert other == "git+ssh://git@example.org/r@cd"
    assert printed(("imbench-far", "2.0", named))[0] == "pip install imbench==0.1.0 ./imbench-far"
