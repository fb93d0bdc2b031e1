"""What the benchmarks time: nets of six shapes an epoch at a time, the plain loop, and large products.

The plain loop is what a competent user writes: `torch.nn.Sequential`, fused Adam, batches by index-select, on one
thread or two, whichever is faster. The fastest of several repeats counts: others use these machines too.
"""

import itertools
import os
import subprocess
import sys
import time
from functools import partial

import numpy as np
import torch

from imbench.contract.batch import Batch
from imbench.contract.noise import Noise
from imbench.contract.protocol import Protocol
from imbench.contract.records import Card, Dataset, Fold, Preprocessing, Task, Variant
from imbench.contract.strategy import TrainingInfo
from imbench.engine.batches import Table, batching
from imbench.engine.fused import FusedNets
from imbench.engine.group import CACHE_BYTES, _training_mode, row_bytes
from imbench.engine.mlp import mlp_widths
from imbench.engine.net_group import NetGroup, Request
from imbench.runs.registry import strategy
from imbench.runs.worker import MEMORY_VARIABLES
from imbench.strategies.remix import ReMix

# name: features, batch size, training rows; the times (us) that the fused kernel itself must keep to on one core of a
# 2.45 GHz EPYC, and how many plain loops one core must replace, the whole path counted (twice that on two cores).
SHAPES = {
    "pima": (8, 64, 614, 10, 30.0),
    "segment": (19, 64, 735, 20, 30.0),
    "satimage": (36, 64, 2240, 40, 15.0),
    "coil": (85, 32, 3430, 60, 12.5),
    "musk": (166, 64, 2300, 230, 4.5),
    "seizure": (178, 64, 4000, 270, 4.5),
}
NETS = 20
REPEATS = 7


def made(features, rows):
    rng = np.random.default_rng(0)
    y = (rng.random(rows) < 0.05).astype(np.int64)
    x = (rng.normal(size=(rows, features)) + y[:, None]).astype(np.float32)
    card = Card("made", "", "tabular", "y", rows, features, 0, {}, (Task("binary", ("1",)),))
    names = tuple(map(str, range(features)))
    return Dataset(
        Variant("made"), card, x, y, np.arange(rows), names, ("numeric",) * features, ("0", "1"), (1,), "0" * 64
    )


def fastest(function, repeats=REPEATS):
    """Seconds of the fastest of several calls, the first one not counted."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def asked(dataset, strategy, protocol, nets=NETS):
    """A job of so many nets, all of them on all rows."""
    rows, features = dataset.x.shape
    folds = [Fold(i, 0, np.arange(rows), np.arange(2), np.arange(2)) for i in range(nets)]
    fitted = [Preprocessing(np.zeros(features, np.float32), np.ones(features, np.float32), 5.0)] * nets
    return Request(dataset, folds, fitted, strategy, protocol)


class Epochs:
    """Nets of one shape, an epoch at a time, with the time each part of it takes."""

    def __init__(self, kind, dataset, protocol, strategy=None):
        strategy = strategy or ReMix()
        batches = batching(len(dataset.y), protocol)
        together = NETS
        if kind is FusedNets:
            block = min(batches[0], 32) * protocol.batch_size * row_bytes(asked(dataset, strategy, protocol, 1))
            together = max(1, min(NETS, CACHE_BYTES // block))
        request = asked(dataset, strategy, protocol, together)
        self.net_group = NetGroup(request, range(together), Table(dataset, "cpu"), batches)
        weights, streams = self.net_group.weights(), self.net_group.dropout_streams()
        self.net_group.nets = self.nets = kind(self.net_group.architecture, weights, streams, strategy, protocol)
        self.net_steps = together * batches[0]
        self.shares = {"gather": np.inf, "strategy": np.inf, "nets": np.inf}

    def run(self):
        """One epoch, whole."""
        with _training_mode(torch.device("cpu")):
            for _ in range(self.net_group.batches.blocks):
                losses = self.nets.advance(*self.net_group.next_block())
                self.net_group.close_block(torch.from_numpy(losses))

    def measure(self):
        """One epoch, part by part; keeps the least time of each part, in microseconds a net and step."""
        net_group, clock = self.net_group, time.perf_counter
        counts = torch.as_tensor(net_group.counts, dtype=torch.float32)[:, None]
        info = TrainingInfo(counts, "tabular", net_group.request.dataset.feature_kinds, 0, 500)
        spent = dict.fromkeys(self.shares, 0.0)
        with _training_mode(torch.device("cpu")):
            source = net_group.batches.epoch()
            while True:
                marks = [clock()]
                raw = next(source, None)
                marks.append(clock())
                if raw is None:
                    break
                batch = net_group.strategy.rebalance(raw, info, Noise(net_group.streams, raw.stack))
                marks.append(clock())
                self.nets.advance(batch, info, Noise(net_group.streams, raw.stack[:1]), net_group.schedule.rates)
                marks.append(clock())
                for part, before, after in zip(spent, marks, marks[1:], strict=False):
                    spent[part] += after - before
        for part, seconds in spent.items():
            self.shares[part] = min(self.shares[part], seconds / self.net_steps * 1e6)


def plain_epoch(dataset, protocol, strategy):
    """A function that trains one net for an epoch in a plain loop, ``strategy`` called batch by batch."""
    widths = mlp_widths(dataset.x.shape[1], 2, protocol)
    layers = []
    for i, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers += [torch.nn.Linear(inputs, outputs)]
        layers += [torch.nn.ReLU()] if i < len(widths) - 2 else []
        layers += [torch.nn.Dropout(protocol.dropout)] if i < len(widths) - 3 else []
    model = torch.nn.Sequential(*layers)
    adam = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=True)
    x, y = torch.from_numpy(dataset.x), torch.nn.functional.one_hot(torch.from_numpy(dataset.y)).float()
    info, noise = TrainingInfo(y.sum(0)), Noise([np.random.default_rng(0)])
    size = protocol.batch_size

    def epoch():
        order = torch.randperm(len(x))
        for rows in order[: len(x) // size * size].reshape(-1, size):
            batch = strategy.rebalance(Batch(x.index_select(0, rows), y.index_select(0, rows)), info, noise)
            loss = torch.nn.functional.cross_entropy(model(batch.x), batch.y)
            adam.zero_grad()
            loss.backward()
            adam.step()

    return epoch


def plain_microseconds(dataset, protocol):
    """Of a step of the plain loop, on one thread or two, whichever is faster."""
    times, threads = [], torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        times.append(fastest(plain_epoch(dataset, protocol, ReMix()), 3))
    torch.set_num_threads(threads)
    return min(times) / (len(dataset.y) // protocol.batch_size) * 1e6


def step_operations(features, classes, protocol):
    """Floating-point operations of one step of a dense net that are needed: the first layer passes nothing back."""
    products = [a * b for a, b in itertools.pairwise(mlp_widths(features, classes, protocol))]
    return 2 * protocol.batch_size * (3 * sum(products) - products[0])


def large_product():
    """A product of large matrices as a function, and its operations in billions."""
    a, b, c = torch.rand(512, 512), torch.rand(512, 512), torch.empty(512, 512)
    return partial(torch.mm, a, b, out=c), 2 * 512**3 / 1e9


def sgemm_gigaflops():
    """What one core multiplies in a second, in large matrices."""
    product, billions = large_product()
    return billions / fastest(product, 30)


class Peak:
    """Processes, one for each core, that multiply large matrices at the same time whenever they are asked."""

    def __init__(self, cores):
        command = [sys.executable, "-m", __name__, multiply_when_asked.__name__]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(cores)
        ]
        self.rates = []

    def __enter__(self):
        self.measure()  # begins when all have started
        self.rates.clear()
        return self

    def __exit__(self, *_):
        for process in self._processes:
            process.communicate()

    def measure(self):
        """Add the rate of all cores together, in GF/s, to ``rates``."""
        for process in self._processes:
            print(file=process.stdin, flush=True)
        self.rates.append(sum(float(process.stdout.readline()) for process in self._processes))


def multiply_when_asked(seconds=0.3):
    """For each line read, write the mean rate of one core in large matrices, in GF/s."""
    product, billions = large_product()
    product()
    for _ in sys.stdin:
        start, count = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < seconds:
            product()
            count += 1
        print(billions * count / spent, flush=True)
    return ()


def kernel_gigaflops(shape, seconds=2.0):
    """The rate of the kernel's necessary products on one thread, and that of large ones in turn with it."""
    features, size, rows, *_ = SHAPES[shape]
    protocol = Protocol(batch_size=size)
    nets = Epochs(FusedNets, made(features, rows), protocol)
    end, peak = time.perf_counter() + seconds, 0.0
    while time.perf_counter() < end:
        nets.measure()
        peak = max(peak, sgemm_gigaflops())
    return step_operations(features, 2, protocol) / nets.shares["nets"] / 1e3, peak


def plain_loop_microseconds(shape, seconds=2.0):
    """Of a step of the plain loop on the threads torch has here, at its fastest epoch of this many seconds."""
    features, size, rows, *_ = SHAPES[shape]
    epoch = plain_epoch(made(features, rows), Protocol(batch_size=size), ReMix())
    epoch()
    best, end = np.inf, time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        epoch()
        best = min(best, time.perf_counter() - start)
    return (best / (rows // size) * 1e6,)


def step_parts(shape, name):
    """Microseconds a net and step of the parts of `Epochs.shares` with this strategy, each at its fastest."""
    features, size, rows, *_ = SHAPES[shape]
    epochs = Epochs(FusedNets, made(features, rows), Protocol(batch_size=size), strategy(name))
    fastest(epochs.measure, 3 * REPEATS)
    return epochs.shares.values()


def in_processes(what, *words, count=1, threads=1, kept=True):
    """The numbers of a function of a module that can be run, measured by this many processes at the same time.

    They keep freed memory as workers do, whatever it is that they measure, or not.
    """
    environment = (MEMORY_VARIABLES if kept else {}) | os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", what.__module__, what.__name__, *words]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)]
    return [[float(word) for word in process.communicate()[0].split()] for process in processes]


if __name__ == "__main__":
    print(*globals()[sys.argv[1]](*sys.argv[2:]))
