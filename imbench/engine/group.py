"""Train many jobs in a few large stacks, shared by strategies and variants with equal architectures."""

from __future__ import annotations

import gc
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import torch

from imbench.contract.errors import UsageError
from imbench.contract.records import Predictions
from imbench.engine.architecture import Architecture
from imbench.engine.architectures import architecture_of
from imbench.engine.batches import BLOCK_STEPS, Table, batching
from imbench.engine.choice import Engine, engine_for, is_unstacked
from imbench.engine.net_group import NetGroup, Request
from imbench.engine.runner import Runner
from imbench.engine.stacked import StackedNets
from imbench.engine.trainers import SequentialTrainer, StackedTrainer, Trainer

# Memory limits, in bytes: a block of batches in the fused engine, so that it fits one core's share of the last-level
# cache; the same for a custom loss, which is differentiated for all nets of a block at once; and a stack on a CPU. On
# a GPU, a stack may take this share of the free memory. These limits change speed but not results.
CACHE_BYTES, OWN_LOSS_BYTES = 2**22, 2**23
HOST_BYTES = 2**30
GPU_SHARE = 0.6
_FLOAT_BYTES = 4

Result = tuple[int, list[Predictions] | Exception]


def train_group(
    requests: Sequence[Request],
    *,
    device: torch.device | str = "cpu",
    engine: Engine | None = None,
    budget: int | None = None,
    runner: Runner | None = None,
) -> Iterator[Result]:
    """Train all nets of these jobs, and yield each job's result when its last net has finished.

    The general engine stacks nets of equal architecture and protocol over folds, strategies and variants. A strategy
    with a custom loss shares a stack with its own variants only, and one with a custom forward pass with its own folds
    only. Results do not depend on which nets are trained together.

    Parameters
    ----------
    requests : jobs; jobs of one variant should share one `Dataset` object, which is then copied to the device once
    device : where to train, such as ``"cpu"`` or ``"cuda:0"``
    engine : engine of all jobs; default: `imbench.engine.choice.engine_for` each job
    budget : bytes that a stack may take in total; default: `GPU_SHARE` of the GPU's free memory, or `HOST_BYTES`
    runner : runs the steps of stacks; default: `imbench.engine.runner.runner_for` the device

    Yields
    ------
    ``(position in requests, result)``. The result is a list with one `Predictions` for each fold in order, or the
    exception that ended the job: `TrainingError`, `UsageError`, or an error of the strategy. Other jobs continue.
    """
    device = torch.device(device)
    jobs = [_Job(request) for request in requests]
    for i, job in enumerate(jobs):
        try:
            _architecture(job.request)
        except UsageError as error:  # no net supports this data
            job.finished = True
            yield i, error
    todo = [(i, job.request) for i, job in enumerate(jobs) if not job.finished]
    with _training_mode(device):
        datasets = {id(request.dataset): request.dataset for _, request in todo}
        tables = {key: Table(dataset, device) for key, dataset in datasets.items()}
    limit = budget or _default_budget(device)
    fold_groups = [found for i, request in todo for found in _fold_groups(i, request, engine, device, limit)]
    for group in _stacks(fold_groups, limit):
        with _training_mode(device):
            net_groups = {f.net_group(tables[id(f.request.dataset)]): f.job for f in group if not jobs[f.job].finished}
        yield from _results(group[0].trainer(list(net_groups), runner), net_groups, jobs, device)


@dataclass
class _Job:
    """The state of a job; finished once its result is yielded."""

    request: Request
    finished: bool = False
    predictions: dict[int, Predictions] = field(default_factory=dict)

    def add(self, net_group: NetGroup, error: Exception | None) -> list[Predictions] | Exception | None:
        """Add a net group's predictions or error; returns the job's result if it is now complete, else None."""
        self.predictions |= net_group.predictions
        if self.finished or (error is None and len(self.predictions) < len(self.request.folds)):
            return None
        self.finished = True
        return error or [self.predictions[i] for i in range(len(self.request.folds))]


@dataclass(frozen=True, eq=False)
class _FoldGroup:
    """Folds of a job that train together; groups with equal `stack_key` can share a stack."""

    job: int
    request: Request
    members: Sequence[int]
    batching: tuple[int, int, int]
    engine: Engine
    unstacked: bool

    @property
    def bytes(self) -> int:
        """Estimated memory on the device."""
        return len(self.members) * _net_bytes(self.request, self.batching)

    @property
    def stack_key(self) -> Hashable:
        """Fold groups with equal keys can be trained as one stack."""
        strategy, protocol = self.request.strategy, replace(self.request.protocol, name="", exceptions={})
        if self.unstacked or self.engine is not StackedNets or strategy.overrides("forward"):
            return id(self)
        own_loss = strategy.overrides("loss")
        return _architecture(self.request), protocol, strategy if own_loss else None

    def net_group(self, table: Table) -> NetGroup:
        """The net group of these folds, with initial weights."""
        ahead = table.x.device.type != "cpu"
        return NetGroup(self.request, self.members, table, self.batching, ahead=ahead)

    def trainer(self, net_groups: Sequence[NetGroup], runner: Runner | None) -> Trainer:
        """The trainer for net groups with this `stack_key`."""
        return (
            StackedTrainer(net_groups, runner)
            if issubclass(self.engine, StackedNets)
            else SequentialTrainer(net_groups, self.engine)
        )


def _fold_groups(
    job: int, request: Request, engine: Engine | None, device: torch.device, budget: int
) -> Iterator[_FoldGroup]:
    """Group a job's folds by number and size of their batches, with at most as many nets as fit the memory limits."""
    chosen = engine or engine_for(request.strategy, device, request.dataset.card.modality)
    alike = defaultdict(list)
    for i, fold in enumerate(request.folds):
        alike[batching(len(fold.train), request.protocol)].append(i)
    for batches, members in alike.items():
        steps, size, _ = batches
        block = min(steps, BLOCK_STEPS) * size * row_bytes(request)
        # The general engine is fast with many nets in one operation, the fused engine with a block that fits the cache.
        cache = OWN_LOSS_BYTES if request.strategy.overrides("loss") else CACHE_BYTES
        nets = max(1, budget // _net_bytes(request, batches) if chosen is StackedNets else cache // block)
        unstacked = is_unstacked(request.dataset.card.modality, device)
        nets = 1 if unstacked else nets
        for first in range(0, len(members), nets):
            yield _FoldGroup(job, request, members[first : first + nets], batches, chosen, unstacked)


def row_bytes(request: Request) -> int:
    """What a row of a block of batches takes in the fused engine."""
    dataset, strategy = request.dataset, request.strategy
    if strategy.reads_features or strategy.overrides("loss"):
        return int(dataset.x[0].size) * _FLOAT_BYTES
    # Two numbers of rows, a share, and labels before and after the strategy.
    return 2 * 8 + (1 + 2 * dataset.classes) * _FLOAT_BYTES


def _stacks(fold_groups: Iterable[_FoldGroup], budget: int) -> Iterator[list[_FoldGroup]]:
    """Fold groups that share a stack, as many as fit the budget, in the order given."""
    by_key = defaultdict(list)
    for found in fold_groups:
        by_key[found.stack_key].append(found)
    for alike in by_key.values():
        stack: list[_FoldGroup] = []
        for found in alike:
            if stack and sum(f.bytes for f in stack) + found.bytes > budget:
                yield stack
                stack = []
            stack.append(found)
        yield stack


def _results(
    trainer: Trainer, net_groups: Mapping[NetGroup, int], jobs: Sequence[_Job], device: torch.device
) -> Iterator[Result]:
    """Train net groups, each mapped to its job, and yield the result of each job when it is complete."""
    try:
        while True:
            with _training_mode(device):
                ended = trainer.train_until_some_end()
            if not ended:
                return
            for net_group, error in ended:
                job = net_groups[net_group]
                result = jobs[job].add(net_group, error)
                if error is not None:  # the job has failed, so its other folds are not needed
                    for other in (c for c, j in net_groups.items() if j == job):
                        trainer.drop(other)
                if result is not None:
                    yield job, result
    finally:
        trainer.close()


def _net_bytes(request: Request, batches: tuple[int, int, int]) -> int:
    """Estimated memory of a net in a stack: parameters, gradients, rates, moments, blocks and the values of a step.

    Four blocks are counted: the current one, the next one, its rows before the strategy, and the strategy's
    temporary arrays.
    """
    net = _architecture(request)
    features = math.prod(net.features)
    steps, size, _ = batches
    block = min(steps, BLOCK_STEPS) * size * (features + net.classes + 1)
    return _FLOAT_BYTES * (5 * net.size + 4 * block + 8 * size * (features + sum(net.outputs)))


def _architecture(request: Request) -> Architecture:
    dataset = request.dataset
    return architecture_of(dataset.x.shape[1:], dataset.classes, request.protocol, dataset.card.modality)


def _default_budget(device: torch.device) -> int:
    """Bytes that a stack may take on this device."""
    if device.type != "cuda":
        return HOST_BYTES
    gc.collect()  # earlier stacks may be kept alive by reference cycles
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(GPU_SHARE * (free + unused))


@contextmanager
def _training_mode(device: torch.device) -> Iterator[None]:
    """Torch settings for training; they are reset before each result is yielded, so that callers never see them.

    Gradients are off, and denormal numbers are flushed to 0: dead units produce them, and they make a step many times
    slower.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
        torch.set_flush_denormal(True)
        stack.callback(torch.set_flush_denormal, False)
        yield
