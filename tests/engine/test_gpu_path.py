"""What a GPU runs, on the CPU: image nets in one stack by autograd, replayed steps, and the memory of a stack.

The order of operations, their results and the sizes of tensors are tested here. Speed, and whether a driver can record
these steps, can only be tested on a GPU.
"""

import gc
from dataclasses import replace

import numpy as np
import pytest
import torch

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.records import Variant
from imbench.contract.strategy import TrainingInfo
from imbench.engine import group, stacked
from imbench.engine.backprop import Autograd
from imbench.engine.batches import batching
from imbench.engine.cnn import Cnn
from imbench.engine.group import train_group
from imbench.engine.net_group import Request
from imbench.engine.resnet import ResNet32
from imbench.engine.stacked import StackedNets, backprop_for
from imbench.strategies.augment import Augment
from imbench.strategies.remix import ReMix
from tests.engine.made import make_folds
from tests.engine.test_group import request, variant
from tests.engine.test_images import PIXELS, SMOOTHED, make_images
from tests.engine.test_stacked import recorded
from tests.engine.test_train import Focal, Plain

NETS = [Cnn((3, 11, 14), 3), ResNet32((3, 11, 14), 3, blocks=1)]


@pytest.fixture
def autograd(monkeypatch):
    """Gradients as on a GPU, where the compiled kernel does not run; counts the nets of each stack."""
    monkeypatch.setattr(stacked, "backprop_for", lambda net, device: backprop_for(net, "cuda"))
    stacks, build = [], StackedNets.__init__

    def counted(self, net, weights, *arguments, **named):
        stacks.append(len(weights))
        build(self, net, weights, *arguments, **named)

    monkeypatch.setattr(StackedNets, "__init__", counted)
    return stacks


def trained(net, strategy, chosen, **options):
    """Nets after a block of four steps, and their losses."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 6, 8, *net.features, generator=generator)
    y = torch.nn.functional.one_hot(torch.randint(3, (3, 6, 8), generator=generator), 3).float()
    streams = [np.random.default_rng(i) for i in chosen]
    weights = [net.weights(np.random.default_rng(i)) for i in chosen]
    nets = StackedNets(net, weights, streams, strategy, SMOOTHED, **options)
    info, noise = TrainingInfo(torch.ones(len(chosen), 1, 3)), Noise(streams, (len(chosen),))
    with torch.no_grad():
        batch, rates = Batch(x[chosen], y[chosen]), np.array([1e-3, 2e-3, 3e-3])[chosen]
        return nets, nets.advance(batch, info, noise, rates)


@pytest.mark.parametrize("strategy", [Plain(), Focal()], ids=lambda s: type(s).__name__)
def test_the_papers_net_in_a_stack_by_autograd_is_the_compiled_kernels_net(strategy, monkeypatch, autograd):
    together, losses = trained(NETS[0], strategy, [0, 1, 2])
    assert isinstance(together._backprop, Autograd)
    monkeypatch.undo()
    for i in range(3):
        alone, own = trained(NETS[0], strategy, [i])
        assert not isinstance(alone._backprop, Autograd)
        np.testing.assert_allclose(losses[i], own[0], rtol=1e-4)
        for a, b in zip(together.parameters, alone.parameters, strict=True):
            np.testing.assert_allclose(a[i], b[0], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("net", NETS, ids=["cnn", "resnet"])
@pytest.mark.parametrize("strategy", [Plain(), Focal()], ids=lambda s: type(s).__name__)
def test_replayed_steps_of_images_give_the_bits_of_called_ones(net, strategy, autograd):
    called, replayed = (trained(net, strategy, [0, 1, 2], **runner) for runner in ({}, {"runner": recorded()}))
    np.testing.assert_array_equal(called[1], replayed[1])
    for a, b, trainable in zip(called[0].parameters, replayed[0].parameters, net.trainable, strict=True):
        # Batch normalisation does not declare that it updates its running values, so this recorder cannot undo that.
        assert torch.equal(a, b) or not trainable


def image_requests():
    """Jobs of two strategies on two variants of images."""
    for seed in range(2):
        dataset = make_images(rows=300)
        dataset = replace(dataset, variant=Variant("made", dataset.variant.task, seed=seed))
        folds = make_folds(dataset, count=3, train=64 - 16 * seed)
        for strategy in (ReMix(), Augment()):
            yield Request(dataset, folds, [PIXELS] * 3, strategy, replace(SMOOTHED, epochs=2))


def test_the_jobs_of_images_are_one_stack_and_give_the_numbers_of_a_cpu(monkeypatch, autograd):
    requests = list(image_requests())
    monkeypatch.setattr(group, "is_unstacked", lambda modality, device: False)
    on_gpu = dict(train_group(requests))
    assert autograd == [12]
    monkeypatch.undo()
    for i, ours in train_group(requests):
        for a, b in zip(ours, on_gpu[i], strict=True):
            np.testing.assert_allclose(a.test.proba, b.test.proba, atol=1e-3)


def test_a_stack_may_take_a_share_of_a_gpus_free_memory(monkeypatch):
    numbers = {"mem_get_info": (10**9, 2 * 10**9), "memory_reserved": 3 * 10**8, "memory_allocated": 10**8}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, number=number: number)
    assert group._default_budget(torch.device("cuda", 0)) == int(group.GPU_SHARE * 1.2e9)


def most_memory(requests):
    """The most bytes that tensors made in training had at the same time."""
    gc.collect()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        list(train_group(requests, engine=StackedNets))
    memory = [event.nbytes() for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    return int(np.cumsum(memory).max())


@pytest.mark.parametrize("kind", ["table", "image"])
def test_a_stack_takes_about_the_memory_that_is_planned_for_it(kind, monkeypatch, autograd):
    monkeypatch.setattr(group, "is_unstacked", lambda modality, device: False)
    requests = list(image_requests()) if kind == "image" else [request(variant(i), ReMix()) for i in range(2)]
    requests = [replace(r, protocol=replace(r.protocol, epochs=1)) for r in requests]
    planned = sum(group._net_bytes(r, batching(len(fold.train), r.protocol)) for r in requests for fold in r.folds)
    found = most_memory(requests)
    assert 0.3 * planned < found < planned
