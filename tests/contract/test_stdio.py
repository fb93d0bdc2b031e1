"""Standard streams that cannot be written to."""

import io
import os
import subprocess
import sys

import pytest

from imbench.contract.stdio import LastingStream, OutputError, lasting_stdio

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason="no device that is always full")


def say(stream, text="text"):
    stream.write(text)
    stream.flush()


def goes_nowhere(file):
    """Whether what is written to a file is dropped from now on."""
    return os.path.samestat(os.fstat(file.fileno()), os.stat(os.devnull))


@needs_full
@pytest.mark.parametrize("buffering", [1, -1])
def test_a_full_disk_is_an_error_once_and_then_all_is_dropped(buffering):
    with open(FULL, "w", buffering) as full:
        stream = LastingStream(full, "stdout", strict=True)
        with pytest.raises(OutputError, match="could not write to stdout: No space left on device"):
            say(stream, "text\n")
        say(stream)


@needs_full
def test_a_stream_that_need_not_be_kept_drops_at_once():
    with open(FULL, "w") as full:
        say(LastingStream(full, "stderr", strict=False))
        assert goes_nowhere(full)


def test_a_reader_that_left_is_no_error():
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as pipe:
        say(LastingStream(pipe, "stdout", strict=True))
        assert goes_nowhere(pipe)


def test_a_stream_closed_before_the_start_cannot_be_written_to():
    stream = LastingStream(None, "stdout", strict=True)
    with pytest.raises(OutputError, match="could not write to stdout: Bad file descriptor"):
        stream.writelines(["a", "b"])
    say(LastingStream(None, "stderr", strict=False))


def test_characters_that_the_encoding_lacks_are_escaped():
    latin = io.TextIOWrapper(io.BytesIO(), "latin-1")
    say(LastingStream(latin, "stdout", strict=True), "é ≥ 1")
    assert latin.buffer.getvalue() == b"\xe9 \\u2265 1"


def test_the_streams_of_before_come_back(capsys):
    before = sys.stdout, sys.stderr
    with lasting_stdio():
        print("text")
        assert not sys.stdout.isatty()
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == "text\n"


def test_warnings_of_imbench_are_messages_without_code():
    code = (
        "import warnings; from imbench.contract import stdio\n"
        "with stdio.lasting_stdio():\n"
        "    warnings.warn_explicit('slow', UserWarning, stdio.__file__, 3)\n"
        "    warnings.warn_explicit('other', UserWarning, 'elsewhere.py', 3)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "warning: slow\nelsewhere.py:3: UserWarning: other\n"
