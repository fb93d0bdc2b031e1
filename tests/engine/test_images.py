"""Nets for images against plain modules of torch, in stacks and alone."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from imbench.contract.batch import Batch
from imbench.contract.errors import UsageError
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.records import Preprocessing
from imbench.contract.strategy import TrainingInfo
from imbench.contract.streams import stream
from imbench.engine.architectures import architecture_of
from imbench.engine.choice import is_independent
from imbench.engine.cnn import Cnn
from imbench.engine.resnet import ResNet32
from imbench.engine.stacked import StackedNets
from imbench.engine.train import train
from tests.engine.made import SMOOTH, make_dataset, make_folds, watched_ends
from tests.engine.plain import train_plainly
from tests.engine.test_train import ByStages, Focal, Plain, SoftAndWeighted

PROTOCOL = Protocol(epochs=3, batch_size=16, schedule="constant")
SMOOTHED = replace(PROTOCOL, epsilon=SMOOTH)
PIXELS = Preprocessing(np.zeros((3, 1, 1), np.float32), np.full((3, 1, 1), 1 / 255, np.float32), 5.0)


def make_images(classes=2, shape=(3, 12, 12), rows=300):
    dataset = make_dataset(rows=rows, classes=classes)
    x = np.random.default_rng(0).integers(0, 200, (rows, *shape)) + 15 * dataset.y[:, None, None, None]
    card = replace(dataset.card, modality="image", features=int(np.prod(shape)))
    return replace(dataset, x=x.astype(np.uint8), card=card, feature_names=(), feature_kinds=())


class PlainResNet(nn.Module):
    """He et al.'s net for CIFAR with shortcuts of kind A."""

    def __init__(self, classes):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        channels = [16] * 10 + [32] * 10 + [64] * 10
        self.add(3, 16, 1)
        for i, out in enumerate(channels):
            before = channels[i - 1] if i else 16
            self.add(before, out, 2 if out != before else 1)
        self.last = nn.Linear(64, classes)

    def add(self, inputs, outputs, stride):
        self.convolutions.append(nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False))
        self.norms.append(nn.BatchNorm2d(outputs))

    def forward(self, x):
        units = [lambda x, c=c, n=n: n(c(x)) for c, n in zip(self.convolutions, self.norms, strict=True)]
        x = units[0](x).relu()
        for first, second in zip(units[1::2], units[2::2], strict=True):
            y = second(first(x).relu())
            if y.shape != x.shape:
                wide = torch.zeros_like(y)
                side = (y.shape[1] - x.shape[1]) // 2
                wide[:, side : side + x.shape[1]] = x[:, :, ::2, ::2]
                x = wide
            x = (x + y).relu()
        return self.last(x.mean(dim=(2, 3)))


def plain_cnn(classes, shape=(3, 12, 12)):
    flat = 64 * ((((shape[1] - 2) // 2) - 2) // 2) * ((((shape[2] - 2) // 2) - 2) // 2)
    return nn.Sequential(
        *(nn.Conv2d(shape[0], 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(flat, 64), nn.ReLU(), nn.Linear(64, classes)),
    )


def arrays_of(model):
    """Its arrays in the order of the engine's."""
    if isinstance(model, PlainResNet):
        of = [
            array
            for c, n in zip(model.convolutions, model.norms, strict=True)
            for array in (c.weight, n.weight, n.bias, n.running_mean, n.running_var)
        ]
        return [*of, model.last.weight.T, model.last.bias]
    return [p.T if p.ndim == 2 else p for p in model.parameters()]


def begin(model, arrays):
    with torch.no_grad():
        for array, value in zip(arrays_of(model), arrays, strict=True):
            array.copy_(torch.from_numpy(value))
    return model


def trained_plainly(dataset, fold, strategy, protocol):
    net = architecture_of(dataset.x.shape[1:], dataset.classes, protocol)
    kind = PlainResNet if protocol.net == "resnet32" else plain_cnn
    key = (*dataset.stream_key, fold.repeat, fold.fold)
    model = begin(kind(dataset.classes), net.weights(stream("weights", *key)))
    train_plainly(model, dataset, fold, PIXELS, strategy, protocol)
    return model


@pytest.mark.parametrize("strategy", [Plain(), SoftAndWeighted(), Focal(), ByStages()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("drop_last", [True, False])
def test_the_papers_net_equals_the_plain_loop_after_more_than_20_steps(strategy, drop_last):
    dataset = make_images(classes=3)
    folds = make_folds(dataset, count=2)
    protocol = replace(SMOOTHED, drop_last=drop_last)
    with watched_ends() as ends:
        results = train(dataset, folds, [PIXELS] * 2, strategy, protocol)
    for fold, result in zip(folds, results, strict=True):
        assert result.steps > 20
        model = trained_plainly(dataset, fold, strategy, protocol)
        _, weights = ends[strategy, dataset.variant.spec, fold.repeat, fold.fold]
        for ours, theirs in zip(weights, arrays_of(model), strict=True):
            np.testing.assert_allclose(ours, theirs.detach(), atol=1e-4)
        proba = torch.softmax(model(torch.from_numpy(dataset.x[fold.test] / np.float32(255))), dim=-1)
        np.testing.assert_allclose(result.test.proba, proba.detach(), atol=1e-4)


def test_resnet_equals_the_plain_loop():
    dataset, protocol = make_images(), replace(SMOOTHED, net="resnet32", epochs=1)
    (fold,) = make_folds(dataset, count=1, train=48)
    with watched_ends() as ends:
        (result,) = train(dataset, [fold], [PIXELS], Plain(), protocol)
    model = trained_plainly(dataset, fold, Plain(), protocol)
    _, weights = ends[Plain(), dataset.variant.spec, 0, 0]
    begun = ResNet32((3, 12, 12), 2).weights(stream("weights", *dataset.stream_key, 0, 0))
    for ours, theirs, before in zip(weights, arrays_of(model), begun, strict=True):
        # Rounding decides whether a unit near 0 passes a gradient on, and 32 layers carry that far.
        theirs = theirs.detach().numpy()
        assert np.linalg.norm(ours - theirs) < 0.2 * np.linalg.norm(theirs - before)
    with torch.no_grad():
        same = begin(PlainResNet(2), weights).eval()
        proba = torch.softmax(same(torch.from_numpy(dataset.x[fold.test] / np.float32(255))), dim=-1)
    np.testing.assert_allclose(result.test.proba, proba, atol=1e-5)


@pytest.mark.parametrize("net", [Cnn((3, 11, 14), 3), ResNet32((3, 11, 14), 3, blocks=1)], ids=["cnn", "resnet"])
@pytest.mark.parametrize("strategy", [Plain(), Focal(), ByStages()], ids=lambda s: type(s).__name__)
def test_a_stack_is_its_nets_one_by_one(net, strategy):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 4, 8, *net.features, generator=generator)
    y = torch.nn.functional.one_hot(torch.randint(3, (3, 4, 8), generator=generator), 3).float()
    weights = [net.weights(np.random.default_rng(i)) for i in range(3)]

    def trained(*chosen):
        streams = [np.random.default_rng(i) for i in chosen]
        nets = StackedNets(net, [weights[i] for i in chosen], streams, strategy, SMOOTHED)
        info, noise = TrainingInfo(torch.ones(len(chosen), 1, 3)), Noise(streams, (len(chosen),))
        with torch.no_grad():
            rates = np.array([1e-3, 2e-3, 3e-3])[list(chosen)]
            losses = nets.advance(Batch(x[list(chosen)], y[list(chosen)]), info, noise, rates)
        return nets, losses

    together, losses = trained(0, 1, 2)
    for i in range(3):
        alone, own = trained(i)
        np.testing.assert_allclose(losses[i], own[0], rtol=1e-4)
        for a, b in zip(together.parameters, alone.parameters, strict=True):
            np.testing.assert_allclose(a[i], b[0], atol=1e-4, rtol=1e-3)
        np.testing.assert_allclose(together.logits(i, x[0, 0]), alone.logits(0, x[0, 0]), atol=1e-3)


def test_ended_nets_leave_the_others_as_they_are():
    net = ResNet32((1, 8, 8), 2, blocks=1)
    weights = [net.weights(np.random.default_rng(i)) for i in range(3)]
    nets = StackedNets(net, weights, [np.random.default_rng(0)] * 3, Plain(), PROTOCOL)
    with torch.no_grad():
        nets.keep(np.array([1]))
        x = torch.rand(1, 2, 4, 1, 8, 8)
        info = TrainingInfo(torch.ones(1, 1, 2))
        nets.advance(Batch(x, torch.eye(2)[[0, 1, 0, 1]].expand(1, 2, 4, 2)), info, Noise([None], (1,)), np.zeros(1))
    for ours, begun, trainable in zip(nets.parameters, weights[1], net.trainable, strict=True):
        assert (np.array_equal(ours[0], begun)) == trainable  # at a rate of 0 only running means and variances move


def test_on_a_cpu_a_nets_bits_do_not_depend_on_its_neighbours():
    assert is_independent(Plain(), "cpu", "image")
    assert is_independent(ByStages(), "cpu", "image")
    dataset = make_images()
    folds = make_folds(dataset, count=3)
    together = train(dataset, folds, [PIXELS] * 3, SoftAndWeighted(), replace(PROTOCOL, epochs=1))
    (alone,) = train(dataset, folds[1:2], [PIXELS], SoftAndWeighted(), replace(PROTOCOL, epochs=1))
    assert np.array_equal(together[1].test.proba, alone.test.proba)


@pytest.mark.parametrize(
    ("features", "protocol", "message"),
    [((1, 8, 8), PROTOCOL, "at least 10 x 10 pixels, got 8 x 8"),
     ((5,), replace(PROTOCOL, net="resnet32"), "supports image data only, not tabular")],
)  # fmt: skip
def test_a_net_that_cannot_take_the_rows_is_refused(features, protocol, message):
    with pytest.raises(UsageError, match=message):
        architecture_of(features, 2, protocol)


@pytest.mark.parametrize("net", [Cnn((3, 32, 32), 10), Cnn((1, 28, 28), 10), ResNet32((3, 32, 32), 10)])
def test_numbers_and_products_are_those_of_the_papers(net):
    with torch.no_grad():
        arrays = [torch.from_numpy(a)[None] for a in net.weights(np.random.default_rng(0))]
        assert [tuple(a.shape[1:]) for a in arrays] == net.shapes
        x = torch.zeros(1, 1, *net.features)
        for stage in net.stages(arrays, (), training=False):
            x = stage(x)
    assert x.shape == (1, 1, 10)


def test_resnet_32_is_as_large_as_published():
    # He et al. 2016, Table 6: 0.46 million parameters; 69 million multiplications at 32 x 32.
    net = ResNet32((3, 32, 32), 10)
    trainable = sum(
        int(np.prod(shape)) for shape, is_trainable in zip(net.shapes, net.trainable, strict=True) if is_trainable
    )
    assert round(trainable / 1e6, 2) == 0.46
    assert round(net.multiplications / 1e6) == 69


@dataclass(frozen=True)
class AtTheEnd(Plain):
    """Doubles what enters the last stage."""

    name: ClassVar[str] = "at-the-end"

    def forward(self, net, batch, noise):
        *before, last = net.stages
        x = batch.x
        for stage in before:
            x = stage(x)
        return last(2 * x), batch.y


def test_a_strategys_own_forward_is_given_every_stage():
    dataset = make_images()
    folds = make_folds(dataset, count=1)
    ours, theirs = (train(dataset, folds, [PIXELS], s, replace(PROTOCOL, epochs=1)) for s in (AtTheEnd(), Plain()))
    assert len(Cnn((3, 12, 12), 2).stages([torch.zeros(1, 1)] * 8, (), training=True)) == 4
    assert not np.allclose(ours[0].test.proba, theirs[0].test.proba)
