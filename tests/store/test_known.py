"""Where the rows of jobs are found: what a plain dictionary says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imbench.store.known import Known

JOBS = st.tuples(st.sampled_from("abcdefgh"), st.booleans())


@st.composite
def added(draw):
    """Blocks of jobs, each with the places of its jobs that are valid."""
    blocks = draw(st.lists(st.lists(JOBS, min_size=1, max_size=8, unique=True), max_size=4))
    return [(jobs, sorted(draw(st.sets(st.integers(0, len(jobs) - 1))))) for jobs in blocks]


ASKED = st.none() | st.sets(st.sampled_from("abcdefghz"))


@given(added(), st.lists(JOBS, max_size=3), ASKED, ASKED)
def test_the_last_block_with_a_job_has_its_rows_unless_it_is_forgotten(blocks, forgotten, finished, failed):
    known, plain, asked = Known(), {}, (finished, failed)
    for number, (jobs, places) in enumerate(blocks):
        keys, are_failed = zip(*jobs, strict=True)
        known.add(number, keys, are_failed, np.array(places, dtype=np.int64))
        plain |= {jobs[place]: (number, place) for place in places}
    for job in forgotten:
        known.discard(job)
        plain.pop(job, None)
    assert {job: known.place(job) for job in plain} == plain
    assert all((job in known) == (job in plain) for job in [*plain, *forgotten])
    assert known.finished() == {key for key, is_failed in plain if not is_failed}
    wanted = {}
    for (key, is_failed), (number, place) in plain.items():
        if asked[is_failed] is None or key in asked[is_failed]:
            wanted.setdefault(number, []).append(place)
    found = known.places(*asked)
    assert {number: places.tolist() for number, places in found.items()} == {n: sorted(p) for n, p in wanted.items()}
    known.clear()
    assert known.places() == {}
    assert not known.finished()
