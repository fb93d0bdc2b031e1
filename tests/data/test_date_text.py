"""Notations of dates that no text can have are left out, which changes nothing."""

from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbench.data import date_text
from imbench.data.date_text import ISO, read_dates

_MOMENTS = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1))
_FORMATS = st.sampled_from(["%Y-%m-%dT%H:%M:%S" if one == ISO else one for _, one, _ in date_text._NOTATIONS])
# Dates as they are written, or with a character too much, too little or of another kind.
_CHANGES = st.sampled_from(["", "", "", "x", "-", " ", ".", "٣", "é", "_"])


@st.composite
def dates(draw):
    text = draw(_MOMENTS).strftime(draw(_FORMATS))
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(_CHANGES) + text[place + draw(st.integers(0, 1)) :]


def known(found):
    return found and (found.days.tolist(), found.notation, found.fits.tolist(), found.other, found.format)


@given(st.one_of(st.lists(dates(), min_size=1, max_size=8), _FORMATS.flatmap(
    lambda one: st.lists(_MOMENTS.map(lambda moment: moment.strftime(one)), min_size=1, max_size=8)
)))  # fmt: skip
def test_the_notations_that_are_tried_are_all_that_could_fit(texts):
    found = read_dates(texts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(date_text, "_marks", lambda _: ("", False))
        patch.setattr(date_text, "_NOTATIONS", [(words, one, ("", False)) for words, one, _ in date_text._NOTATIONS])
        every = read_dates(texts)
    np.testing.assert_equal(known(found), known(every))
