"""The oracle of every engine: one net after another, in the plainest torch."""

import itertools
import math

import numpy as np
import torch

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.strategy import TrainingInfo
from imbench.contract.streams import stream
from imbench.engine.batches import BLOCK_STEPS
from imbench.engine.mlp import glorot_uniform, mlp_widths

# A unit whose input is nearer to zero than this may be on in one engine and off in another, by rounding alone.
KINK = 1e-6


def plain_loop(dataset, fold, fitted, strategy, protocol):
    """Train one dense net without dropout, at a constant rate; its weights [W0, b0, W1, b1, …] and its model.

    The model's ``closest`` is how near to zero the input of any unit ever came.
    """
    widths = mlp_widths(dataset.x.shape[1], dataset.classes, protocol)
    key = (*dataset.stream_key, fold.repeat, fold.fold)
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    start = [torch.from_numpy(p) for p in glorot_uniform(widths, stream("weights", *key))]
    for i, layer in enumerate(layers):
        layer.weight.data, layer.bias.data = start[2 * i].T.clone(), start[2 * i + 1].clone()
    model = torch.nn.Sequential(*[m for layer in layers for m in (layer, torch.nn.ReLU())][:-1])
    watch_units(model)
    train_plainly(model, dataset, fold, fitted, strategy, protocol)
    return [p.detach().numpy() for layer in layers for p in (layer.weight.T, layer.bias)], model


def watch_units(model):
    """Keep in ``model.closest`` how near to zero the input of any of its ReLUs comes."""
    model.closest = math.inf

    def look(unit, inputs, outputs):
        model.closest = min(model.closest, float(inputs[0].detach().abs().min()))

    for module in model.modules():
        if isinstance(module, torch.nn.ReLU):
            module.register_forward_hook(look)


def tolerance(closest):
    """How far the weights of another engine may be from those of a plain loop in which units came so close to zero.

    The derivative of ReLU jumps there, and one unit on instead of off for one row moves a weight by some 1e-4.
    """
    return 1e-5 if closest > KINK else 1e-2


def train_plainly(model, dataset, fold, fitted, strategy, protocol):
    """Train any model so, batch by batch."""
    key = (*dataset.stream_key, fold.repeat, fold.fold)
    adam = torch.optim.Adam(model.parameters(), protocol.learning_rate, (0.9, 0.999), protocol.epsilon)
    x = np.nan_to_num((dataset.x[fold.train] - fitted.center) * fitted.scale).clip(-fitted.clip, fitted.clip)
    x, y = torch.from_numpy(x), torch.nn.functional.one_hot(torch.from_numpy(dataset.y[fold.train])).float()
    order, own = stream("order", *key), stream("strategy", *key, strategy.name)
    counts = y.sum(0)
    size = min(protocol.batch_size, len(x))
    for epoch in range(protocol.epochs):
        info = TrainingInfo(counts, dataset.card.modality, dataset.feature_kinds, epoch, protocol.epochs)
        rows = torch.from_numpy(order.permutation(len(x)))
        whole = rows[: len(x) // size * size].reshape(-1, size)
        blocks = [*torch.split(whole, BLOCK_STEPS), *([] if protocol.drop_last else [rows[None, whole.numel() :]])]
        for block in filter(torch.Tensor.numel, blocks):
            batch = strategy.rebalance(Batch(x[block][None], y[block][None]), info, Noise([own], (1, len(block))))
            for step in range(len(block)):
                loss = strategy.loss(model(batch.x[0, step]), batch.y[0, step], info)
                adam.zero_grad()
                (loss if batch.weight is None else loss * batch.weight[0, step]).mean().backward()
                adam.step()
