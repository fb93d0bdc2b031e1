"""What goes through a worker's pipe: messages, and nothing else is taken for one."""

import io
import pickle

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imbench.runs.worker import _MARK, _first_mark, _GarbledError, _messages, _write

MESSAGES = st.lists(st.one_of(st.none(), st.text(), st.binary(), st.integers()), max_size=5)


def written(messages):
    stream = io.BytesIO()
    for message in messages:
        _write(stream, message)
    return stream.getvalue()


@given(MESSAGES)
def test_what_is_written_is_read(messages):
    assert list(_messages(io.BytesIO(written(messages)))) == messages


@given(MESSAGES, st.integers(0, 200))
def test_a_stream_cut_short_gives_the_whole_messages_before_the_cut(messages, cut):
    read = list(_messages(io.BytesIO(written(messages)[:cut])))
    assert read == messages[: len(read)]


@given(MESSAGES, st.binary(min_size=1), MESSAGES)
def test_anything_else_is_found_before_the_next_message(before, garbage, after):
    assume(not garbage.startswith(_MARK))
    messages = _messages(io.BytesIO(written(before) + garbage + written([*after, "end"])))
    assert [next(messages) for _ in before] == before
    with pytest.raises(_GarbledError):
        next(messages)


@given(st.text(), st.integers(0, 7))
def test_a_flipped_bit_is_found(message, bit):
    content = bytearray(written([message]))
    content[-1] ^= 1 << bit
    with pytest.raises(_GarbledError):
        list(_messages(io.BytesIO(bytes(content))))


@given(st.binary())
def test_what_is_printed_before_the_first_message_is_read_past(printed):
    assume(_MARK not in printed)
    stream = io.BytesIO(printed + written(["ready"]))
    assert list(_messages(stream, _first_mark(stream))) == ["ready"]


def test_a_pickle_alone_is_no_message():
    with pytest.raises(_GarbledError):
        list(_messages(io.BytesIO(pickle.dumps("a plain pickle"))))
