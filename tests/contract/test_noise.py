"""Noise: its distributions, and whose draws are whose."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from imbench.contract.noise import Noise
from imbench.contract.streams import stream

settled = settings(deadline=None, derandomize=True, max_examples=60)
DRAWS = {
    "uniform": lambda noise: noise.uniform(5),
    "normal": lambda noise: noise.normal(2, 3),
    "beta": lambda noise: noise.beta(0.3, 0.7),
    "permutation": lambda noise: noise.permutation(9),
    "choice": lambda noise: noise.choice(4, 6),
}
drawing = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)


def make_noise(stack=(), first=0):
    return Noise([np.random.default_rng(first + i) for i in range(stack[0] if stack else 1)], stack)


def one_hot(labels, classes):
    return torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float()


@drawing
@pytest.mark.parametrize("stack", [(), (1,), (4,), (3, 2)])
def test_draws_have_the_stack_in_front(draw, stack):
    bare = draw(make_noise()).shape
    assert draw(make_noise(stack)).shape == (*stack, *bare)


@drawing
def test_the_same_streams_give_the_same_draws_and_others_others(draw):
    assert torch.equal(draw(make_noise((3, 2))), draw(make_noise((3, 2))))
    assert not torch.equal(draw(make_noise((3, 2))), draw(make_noise((3, 2), first=10)))


@drawing
@pytest.mark.parametrize("stack", [(4,), (4, 5)])
def test_a_nets_draws_do_not_depend_on_the_other_nets(draw, stack):
    together = draw(make_noise(stack))
    for i in range(4):
        alone = draw(Noise([np.random.default_rng(i)], (1, *stack[1:])))
        assert torch.equal(alone[0], together[i])


def test_a_single_batch_draws_what_a_stack_of_one_draws():
    for draw in DRAWS.values():
        assert torch.equal(draw(make_noise()), draw(make_noise((1,)))[0])


@pytest.mark.parametrize(("stack", "generators"), [((), 0), ((), 2), ((3,), 2), ((2, 3), 6), ((0,), 0)])
def test_one_generator_a_net_is_needed(stack, generators):
    with pytest.raises(ValueError, match="one generator per net"):
        Noise([np.random.default_rng(i) for i in range(generators)], stack)


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (lambda noise: noise.uniform(20000), stats.uniform()),
        (lambda noise: noise.normal(20000), stats.norm()),
        (lambda noise: noise.beta(0.4, 0.4, 20000), stats.beta(0.4, 0.4)),
        (lambda noise: noise.beta(2, 5, 20000), stats.beta(2, 5)),
    ],
)
def test_draws_follow_their_distribution(draw, distribution):
    values = draw(make_noise())
    assert values.dtype == torch.float32
    assert stats.kstest(values.double(), distribution.cdf).pvalue > 1e-4


def test_choice_and_permutation_are_uniform():
    assert stats.chisquare(np.bincount(make_noise().choice(7, 20000), minlength=7)).pvalue > 1e-4
    orders = make_noise((1, 5000)).permutation(4)[0]
    assert torch.equal(orders.sort(dim=-1).values, torch.arange(4).expand(5000, 4))
    _, times = np.unique(orders.numpy(), axis=0, return_counts=True)
    assert len(times) == 24
    assert stats.chisquare(times).pvalue > 1e-4


@st.composite
def labels(draw):
    stack = draw(st.sampled_from([(), (3,), (2, 3)]))
    size, classes = draw(st.integers(1, 70)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.dirichlet(np.full(classes, draw(st.sampled_from([0.1, 1.0, 10.0]))))
    return rng.choice(classes, size=(*stack, size), p=shares), classes


@settled
@given(labels=labels())
def test_a_balanced_draw_takes_each_class_present_equally_often_or_once_more(labels):
    numbers, classes = labels
    rows = make_noise(numbers.shape[:-1]).balanced(one_hot(numbers, classes)).numpy()
    assert rows.shape == numbers.shape
    for i in np.ndindex(numbers.shape[:-1]):
        of_class = np.bincount(numbers[i][rows[i]], minlength=classes)
        present = np.bincount(numbers[i], minlength=classes) > 0
        few = len(numbers[i]) // present.sum()
        assert not of_class[~present].any()
        assert set(of_class[present]) <= {few, few + 1}


def test_the_rows_left_over_go_to_every_class_equally_often():
    y = one_hot(np.repeat([0, 1, 2], [50, 10, 4]), 3).expand(1, 6000, 64, 3)
    drawn = y.argmax(dim=-1).gather(-1, make_noise((1, 6000)).balanced(y))[0]
    one_more = torch.stack([(drawn == c).sum(dim=-1) == 22 for c in range(3)]).sum(dim=-1)
    assert one_more.sum() == 6000
    assert stats.chisquare(one_more).pvalue > 1e-4


def test_every_row_of_a_class_is_drawn_equally_often_and_with_replacement():
    y = one_hot(np.repeat([0, 1], [12, 4]), 2).expand(1, 4000, 16, 2)
    rows = make_noise((1, 4000)).balanced(y)[0]
    times = rows.flatten().bincount(minlength=16)
    assert stats.chisquare(times[:12]).pvalue > 1e-4
    assert stats.chisquare(times[12:]).pvalue > 1e-4
    own = torch.stack([(rows == row).sum(dim=-1) for row in range(12)])
    assert own.max() >= 3


def test_soft_labels_count_as_their_largest_class():
    y = one_hot([0, 0, 0, 1], 2)
    assert torch.equal(make_noise().balanced(y), make_noise().balanced(0.6 * y + 0.2))


def test_streams_are_known_by_their_names():
    assert stream("weights", "segment", 3).random() == stream("weights", "segment", 3).random()
    keys = [("a", 1), ("a", 2), ("b", 1), ("a", "1"), ("a1",), ("a", 1, 0), (1, "a")]
    assert len({stream(*key).random() for key in keys}) == len(keys)


def test_streams_are_the_same_on_every_machine():
    """The key's JSON hashed with SHA-256, which seeds PCG64DXSM: computed here by hand."""
    import hashlib

    digest = hashlib.sha256(b'["order","segment","ir=0.05",0,1]').digest()
    by_hand = np.random.Generator(np.random.PCG64DXSM(int.from_bytes(digest, "little")))
    assert stream("order", "segment", "ir=0.05", 0, 1).random() == by_hand.random()
