"""The kernel of the paper's net for images against plain modules of torch in double precision, bit for bit."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from imbench.contract import rows
from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo
from imbench.engine import compiled_engines
from imbench.engine.backprop import Autograd
from imbench.engine.cnn import Cnn
from imbench.engine.pooled import Pooled
from imbench.engine.stacked import StackedNets, backprop_for
from imbench.engine.train import train
from imbench.kernels import convolutional as image_kernel
from tests.engine.made import make_folds
from tests.engine.test_images import PIXELS, PROTOCOL, make_images
from tests.engine.test_train import Plain


def whole_numbers(net, nets, batch, seed):
    """Arrays, images and gradients on the logits so small and whole that no sum of a step is ever rounded."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(low, high, *shape):
        return torch.randint(low, high + 1, shape, generator=generator).float()

    arrays = [drawn(-2, 2, nets, *shape) for shape in net.shapes]
    arrays[4].zero_().scatter_(1, torch.randint(net.shapes[4][0], (nets, 1, 64), generator=generator), 1.0)
    arrays[6] = drawn(-1, 1, nets, *net.shapes[6])
    return arrays, drawn(0, 3, nets, batch, *net.features), drawn(-1, 1, nets, batch, net.classes)


def plainly(arrays, x, delta):
    """One net's logits and gradients: convolution, ReLU and pool in the paper's order."""
    with torch.enable_grad():
        w1, b1, w2, b2, w3, b3, w4, b4 = leaves = [a.double().requires_grad_() for a in arrays]
        y = functional.max_pool2d(functional.conv2d(x.double(), w1, b1).relu(), 2)
        y = functional.max_pool2d(functional.conv2d(y, w2, b2).relu(), 2)
        logits = (y.flatten(1) @ w3 + b3).relu() @ w4 + b4
        return logits.detach(), torch.autograd.grad(logits, leaves, delta.double())


def check_exactly(net, nets, batch, seed):
    arrays, x, delta = whole_numbers(net, nets, batch, seed)
    form, gradients = Pooled(net), [torch.full_like(a, torch.nan) for a in arrays]
    with torch.no_grad():
        logits = form.forward(arrays, x, None).clone()
        form.backward(delta.clone(), gradients)
    for i in range(nets):
        wanted, wanted_gradients = plainly([a[i] for a in arrays], x[i], delta[i])
        assert torch.equal(logits[i].double(), wanted)
        for ours, theirs in zip(gradients, wanted_gradients, strict=True):
            assert torch.equal(ours[i].double(), theirs)


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 7), height=st.integers(10, 23), width=st.integers(10, 23), nets=st.integers(1, 2),
    batch=st.integers(1, 4), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_logits_and_gradients_are_exact_where_nothing_is_rounded(channels, height, width, nets, batch, seed):
    check_exactly(Cnn((channels, height, width), 3), nets, batch, seed)


def test_the_first_of_equal_values_is_chosen_and_values_cut_off_pass_nothing():
    net = Cnn((3, 32, 32), 3)
    arrays, x, delta = whole_numbers(net, 1, 2, 0)
    form, gradients = Pooled(net), [torch.empty_like(a) for a in arrays]
    with torch.no_grad():
        x[:] = 2.0  # all windows are equal
        arrays[0][:, :16] = -1.0  # and some channels never positive
        arrays[1][:, :16] = 0.0
        form.forward(arrays, x, None)
        form.backward(delta, gradients)
    _, wanted = plainly([a[0] for a in arrays], x[0], delta[0])
    assert torch.equal(gradients[0][0].double(), wanted[0])
    assert not gradients[0][0, :16].any()
    assert gradients[0][0, 16:].any()


# Tiles for registers unlike this machine's, in a folder of its own; twice, to see that the second time finds it. The
# processor is the same: one without AVX-512 cannot run its instructions, but can work through its tiles in parts.
OTHER_REGISTERS = """
from imbench.kernels import simd
simd.WIDE = not simd.WIDE
from imbench.engine.choice import compile_once
print(compile_once("cpu", ["image"]) > 0)
simd.WIDE = not simd.WIDE
from tests.engine.test_pooled import *
for net in (Cnn((3, 14, 19), 3), Cnn((1, 28, 28), 3), Cnn((6, 10, 10), 3)):
    check_exactly(net, 1, 2, 0)
print(image_kernel.PANEL)
"""


def test_narrower_or_wider_registers_give_the_same(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", OTHER_REGISTERS]
    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in "ab"
    ]
    other = 48 - image_kernel.PANEL  # 16 or 32
    assert runs == [["True", str(other)], ["False", str(other)]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 6, 13])  # the last is in one window alone, the last of its pool
def test_a_pixel_that_is_not_finite_shows_in_the_loss(value, place):
    net, x = Cnn((3, 14, 14), 2), torch.rand(1, 2, 4, 3, 14, 14)
    x[0, 1, 2, 1, place, place] = value
    y = torch.eye(2)[[0, 1, 0, 1]].expand(1, 2, 4, 2)
    nets = StackedNets(net, [net.weights(np.random.default_rng(0))], [None], Plain(), PROTOCOL)
    info, noise = TrainingInfo(torch.ones(1, 1, 2)), Noise([None], (1,))
    with torch.no_grad():
        losses = [nets.advance(Batch(x[:, i : i + 1], y[:, i : i + 1]), info, noise, np.ones(1))[0] for i in range(2)]
    assert np.isfinite(losses).tolist() == [True, False]


def test_the_kernel_takes_what_it_can_and_autograd_the_rest():
    assert isinstance(backprop_for(Cnn((3, 12, 12), 2)), Pooled)
    for net, device in (
        (Cnn((3, 12, 12), 2, channels=(24, 64)), "cpu"),
        (Cnn((3, 12, 12), 2, channels=(32,)), "cpu"),
        (Cnn((3, 12, 12), 2), "cuda"),
    ):
        assert isinstance(backprop_for(net, device), Autograd)


@pytest.fixture
def no_numba(monkeypatch):
    """Numba as it is where it is not installed, and nothing imported yet."""
    for room, name in (("engine", "pooled"), ("kernels", "convolutional"), ("kernels", "row_kernels")):
        monkeypatch.delitem(sys.modules, f"imbench.{room}.{name}", raising=False)
        monkeypatch.delattr(f"imbench.{room}.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "numba", None)
    for cached in (compiled_engines.pooled_backprop, rows._row_kernels):
        cached.cache_clear()
    yield
    for cached in (compiled_engines.pooled_backprop, rows._row_kernels):
        cached.cache_clear()


def test_without_numba_autograd_takes_over_with_one_notice(no_numba):
    dataset = make_images()
    folds = make_folds(dataset, count=1)
    protocol = replace(PROTOCOL, epochs=1)
    with pytest.warns(UserWarning, match="image nets .* pip install numba"):
        first = train(dataset, folds, [PIXELS], Plain(), protocol)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = train(dataset, folds, [PIXELS], Plain(), protocol)
    assert np.array_equal(first[0].test.proba, second[0].test.proba)
