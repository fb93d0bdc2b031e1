"""What the benchmarks of image nets time: a plain loop, and the engine, in processes of their own."""

import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import torch

import imbench
from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.records import Fold, Preprocessing
from imbench.contract.strategy import TrainingInfo
from imbench.engine.train import train
from imbench.runs.registry import strategy
from tests.benchmarks.nets import REPEATS, made

# Rows for one of the longest blocks, 32 steps, of the largest batches, 128 rows.
SHAPE, SIZE, ROWS, SECONDS = (3, 32, 32), 64, 4096, 6.0


def made_images():
    """Random images of two classes."""
    table = made(int(np.prod(SHAPE)), ROWS)
    x = (table.x.reshape(-1, *SHAPE).clip(-3, 3) * 40 + 127).astype(np.uint8)
    card = replace(table.card, modality="image")
    return replace(table, x=x, card=card, feature_names=(), feature_kinds=())


def plain_loop(name="remix"):
    """Milliseconds of a step of the plain loop, channels last, on the threads torch has here, at its fastest epoch.

    By the clock, and processor time of all threads.
    """
    dataset, protocol = made_images(), Protocol()
    model = torch.nn.Sequential(
        *(torch.nn.Conv2d(3, 32, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(32, 64, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Flatten(), torch.nn.Linear(2304, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)),
    ).to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(model.parameters(), 1e-3, eps=protocol.epsilon, fused=True)
    x = torch.from_numpy(dataset.x)
    y = torch.nn.functional.one_hot(torch.from_numpy(dataset.y)).float()
    info, noise, chosen = TrainingInfo(y.sum(0), "image"), Noise([np.random.default_rng(0)]), strategy(name)
    best, end = np.full(2, np.inf), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = clocks()
        for rows in torch.randperm(len(x)).reshape(-1, SIZE):
            batch = chosen.rebalance(Batch(x[rows].float().div_(255), y[rows]), info, noise)
            images = batch.x.contiguous(memory_format=torch.channels_last)
            losses = torch.nn.functional.cross_entropy(model(images), batch.y, reduction="none")
            loss = (losses if batch.weight is None else losses * batch.weight).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        best = np.minimum(best, clocks() - start)
    return tuple(best / (len(x) // SIZE) * 1e3)


def our_nets(name="remix", size=SIZE):
    """Milliseconds of a step of the engine on one thread, after its first epochs: by the clock, processor time of the
    step, and that of the strategy in it.

    The whole path, gathering, schedule and bookkeeping included; the least of several repeats of some epochs each.
    """
    torch.set_num_threads(1)
    dataset, few, many, size = made_images(), 1, 3, int(size)
    pixels = Preprocessing(np.zeros((3, 1, 1), np.float32), np.full((3, 1, 1), 1 / 255, np.float32), 5.0)
    timed = Timed(strategy(name))

    def seconds(epochs):
        start, timed.seconds = clocks(), 0.0
        train(
            dataset,
            [Fold(0, 0, np.arange(ROWS), np.arange(2), np.arange(2))],
            [pixels],
            timed.strategy,
            Protocol(epochs=epochs, batch_size=size),
        )
        return np.array([*(clocks() - start), timed.seconds])

    least = [np.min([seconds(epochs) for _ in range(REPEATS)], axis=0) for epochs in (few, many)]
    return tuple((least[1] - least[0]) / ((many - few) * (ROWS // size)) * 1e3)


def clocks():
    """Seconds by the clock, and of this process on processors."""
    return np.array([time.perf_counter(), time.process_time()])


class Timed:
    """A strategy, and the processor time that its `rebalance` took so far, in seconds."""

    def __init__(self, strategy):
        self.strategy, self.seconds = strategy, 0.0
        kind = type(strategy)
        rebalance = kind.rebalance

        def timed(strategy, batch, info, noise):
            start = time.process_time()
            try:
                return rebalance(strategy, batch, info, noise)
            finally:
                self.seconds += time.process_time() - start

        kind.rebalance = timed


def cifar_steps(protocol="paper"):
    """Steps of the paper's configurations of CIFAR-10, by configuration, batch size and strategy, as a dry run counts.

    At most so many where a protocol ends nets early; ``paper`` does not.
    """
    plan, steps = imbench.plan(suite="image", protocol=protocol, store="no-store", fetch=False), defaultdict(int)
    for job in plan.jobs:
        if job.variant.dataset == "cifar10":
            steps[job.variant.spec, job.protocol.batch_size, job.strategy] += plan.size(job).steps
    return steps


if __name__ == "__main__":
    import sys

    print(*globals()[sys.argv[1]](*sys.argv[2:]))
