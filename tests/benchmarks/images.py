"""What the benchmarks of image nets time: a plain loop, and the engine, in processes of their own."""

import time
from dataclasses import replace

import numpy as np
import torch

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.records import Fold, Preprocessing
from imbench.contract.strategy import TrainingInfo
from imbench.engine.train import train
from imbench.runs.registry import strategy
from imbench.strategies.remix import ReMix
from tests.benchmarks.nets import REPEATS, made

SHAPE, SIZE, ROWS, SECONDS = (3, 32, 32), 64, 1600, 6.0


def made_images():
    """Random images of two classes."""
    table = made(int(np.prod(SHAPE)), ROWS)
    x = (table.x.reshape(-1, *SHAPE).clip(-3, 3) * 40 + 127).astype(np.uint8)
    card = replace(table.card, modality="image")
    return replace(table, x=x, card=card, feature_names=(), feature_kinds=())


def plain_loop():
    """Milliseconds of a step of the plain loop, channels last, on the threads torch has here, at its fastest epoch."""
    dataset, protocol = made_images(), Protocol()
    model = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(32, 64, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(2304, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)),
    ).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), 1e-3, eps=protocol.epsilon, fused=True)
    x = torch.from_numpy(dataset.x)
    y = torch.nn.functional.one_hot(torch.from_numpy(dataset.y)).float()
    info, noise, remix = TrainingInfo(y.sum(0), "image"), Noise([np.random.default_rng(0)]), ReMix()
    best, end = np.inf, time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end:
        rows = torch.randperm(len(x))
        for chosen in rows.reshape(-1, SIZE):
            batch = remix.rebalance(Batch(x[chosen].float().div_(255), y[chosen]), info, noise)
            images = batch.x.contiguous(memory_format=torch.channels_last)
            loss = torch.nn.functional.cross_entropy(model(images), batch.y)
            adam.zero_grad()
            loss.backward()
            adam.step()
        best = min(best, time.perf_counter() - start)
    return (best / (len(x) // SIZE) * 1e3,)


def our_nets(name="remix"):
    """Milliseconds of a step of the engine on one thread, and of the strategy in it, after its first epochs.

    The whole path, gathering, schedule and bookkeeping included; the fastest of several repeats of some epochs each.
    """
    torch.set_num_threads(1)
    dataset, few, many = made_images(), 1, 6
    pixels = Preprocessing(np.zeros((3, 1, 1), np.float32), np.full((3, 1, 1), 1 / 255, np.float32), 5.0)
    timed = Timed(strategy(name))

    def seconds(epochs):
        start, timed.seconds = time.perf_counter(), 0.0
        train(
            dataset,
            [Fold(0, 0, np.arange(ROWS), np.arange(2), np.arange(2))],
            [pixels],
            timed.strategy,
            Protocol(epochs=epochs),
        )
        return np.array([time.perf_counter() - start, timed.seconds])

    least = [np.min([seconds(epochs) for _ in range(REPEATS)], axis=0) for epochs in (few, many)]
    return tuple((least[1] - least[0]) / ((many - few) * (ROWS // SIZE)) * 1e3)


class Timed:
    """A strategy, and the seconds that its `rebalance` took so far."""

    def __init__(self, strategy):
        self.strategy, self.seconds = strategy, 0.0
        kind = type(strategy)
        rebalance = kind.rebalance

        def timed(strategy, batch, info, noise):
            start = time.perf_counter()
            try:
                return rebalance(strategy, batch, info, noise)
            finally:
                self.seconds += time.perf_counter() - start

        kind.rebalance = timed


if __name__ == "__main__":
    import sys

    print(*globals()[sys.argv[1]](*sys.argv[2:]))
