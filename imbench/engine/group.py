"""Train many jobs as few large stacks: nets of one architecture side by side, whatever their strategy and variant."""

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
from imbench.engine.choice import Engine, engine_for, stands_alone
from imbench.engine.net_group import NetGroup, Request
from imbench.engine.runner import Runner
from imbench.engine.stacked import StackedNets
from imbench.engine.trainers import SequentialTrainer, StackedTrainer, Trainer

# Bytes of one core's share of the last-level cache that a block of batches may take in the fused engine, the same where
# a loss of the strategy's own is differentiated for all nets of a block at once (which the more of them share the
# better), and bytes that a stack may take on a CPU; on a GPU, the share of its free memory. They change speed, and no
# number.
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
    """Train every net of these jobs; each job's predictions as soon as its last net has ended.

    Nets of the general engine are stacked over folds, strategies and variants where their architecture and protocol are
    the same; a strategy with a loss of its own is stacked with itself alone, over variants, and one with a forward pass
    of its own over folds alone. No number depends on what is trained together.

    Parameters
    ----------
    requests : jobs; those of one variant should hold the same `Dataset`, of which the device then has one copy
    engine : default: for each job the one that suits it and the device
    budget : bytes that a stack may take, all in all; default: a share of what the GPU has free, or `HOST_BYTES`
    runner : how the steps of stacks are run; default: what suits the device

    Yields
    ------
    ``(position in requests, one Predictions a fold in the order of its folds)``, or in their place what went wrong
    (`TrainingError`, `UsageError`, or an error of the strategy's), which ends no other job.
    """
    device = torch.device(device)
    jobs = [_Job(request) for request in requests]
    for i, job in enumerate(jobs):
        try:
            _architecture(job.request)
        except UsageError as error:  # there is no net for such data
            job.over = True
            yield i, error
    todo = [(i, job.request) for i, job in enumerate(jobs) if not job.over]
    with _training(device):
        datasets = {id(request.dataset): request.dataset for _, request in todo}
        tables = {key: Table(dataset, device) for key, dataset in datasets.items()}
    most = budget or _budget(device)
    shares = [share for i, request in todo for share in _shares(i, request, engine, device, most)]
    for group in _groups(shares, most):
        with _training(device):
            net_groups = {s.net_group(tables[id(s.request.dataset)]): s.job for s in group if not jobs[s.job].over}
        yield from _results(group[0].trainer(list(net_groups), runner), net_groups, jobs, device)


@dataclass
class _Job:
    """What is known of a job so far; over once its result is yielded."""

    request: Request
    over: bool = False
    predictions: dict[int, Predictions] = field(default_factory=dict)

    def add(self, net_group: NetGroup, error: Exception | None) -> list[Predictions] | Exception | None:
        """The job's result if this net group was the last one it waited for; None otherwise."""
        self.predictions |= net_group.predictions
        if self.over or (error is None and len(self.predictions) < len(self.request.folds)):
            return None
        self.over = True
        return error or [self.predictions[i] for i in range(len(self.request.folds))]


@dataclass(frozen=True, eq=False)
class _Share:
    """Folds of a job that train together; with others in one stack, if their kinds are equal."""

    job: int
    request: Request
    members: Sequence[int]
    batching: tuple[int, int, int]
    engine: Engine
    alone: bool

    @property
    def bytes(self) -> int:
        """What they take of a device, roughly."""
        return len(self.members) * _net_bytes(self.request, self.batching)

    @property
    def kind(self) -> Hashable:
        """Shares of one kind can be one stack."""
        strategy, protocol = self.request.strategy, replace(self.request.protocol, name="", exceptions={})
        if self.alone or self.engine is not StackedNets or strategy.overrides("forward"):
            return id(self)
        own_loss = strategy.overrides("loss")
        return _architecture(self.request), protocol, strategy if own_loss else None

    def net_group(self, table: Table) -> NetGroup:
        """Their nets before the first step."""
        ahead = table.x.device.type != "cpu"
        return NetGroup(self.request, self.members, table, self.batching, ahead=ahead)

    def trainer(self, net_groups: Sequence[NetGroup], runner: Runner | None) -> Trainer:
        """The trainer for net groups of this kind."""
        return (
            StackedTrainer(net_groups, runner)
            if issubclass(self.engine, StackedNets)
            else SequentialTrainer(net_groups, self.engine)
        )


def _shares(job: int, request: Request, engine: Engine | None, device: torch.device, most: int) -> Iterator[_Share]:
    """A job's folds by the number and size of their batches, in pieces of as many nets as go together."""
    chosen = engine or engine_for(request.strategy, device, request.dataset.card.modality)
    alike = defaultdict(list)
    for i, fold in enumerate(request.folds):
        alike[batching(len(fold.train), request.protocol)].append(i)
    for batches, members in alike.items():
        steps, size, _ = batches
        block = min(steps, BLOCK_STEPS) * size * request.dataset.x[0].size * _FLOAT_BYTES
        # One operation for all nets is what makes the general engine fast; a block in the cache, the fused one.
        cache = OWN_LOSS_BYTES if request.strategy.overrides("loss") else CACHE_BYTES
        nets = max(1, most // _net_bytes(request, batches) if chosen is StackedNets else cache // block)
        alone = stands_alone(request.dataset.card.modality, device)
        nets = 1 if alone else nets
        for first in range(0, len(members), nets):
            yield _Share(job, request, members[first : first + nets], batches, chosen, alone)


def _groups(shares: Iterable[_Share], most: int) -> Iterator[list[_Share]]:
    """Shares of one kind, as many as fit the budget; kinds and shares in the order they come."""
    kinds = defaultdict(list)
    for share in shares:
        kinds[share.kind].append(share)
    for alike in kinds.values():
        group: list[_Share] = []
        for share in alike:
            if group and sum(s.bytes for s in group) + share.bytes > most:
                yield group
                group = []
            group.append(share)
        yield group


def _results(
    trainer: Trainer, net_groups: Mapping[NetGroup, int], jobs: Sequence[_Job], device: torch.device
) -> Iterator[Result]:
    """Train net groups, each mapped to its job, and yield the result of each job as it ends."""
    try:
        while True:
            with _training(device):
                ended = trainer.until_some_end()
            if not ended:
                return
            for net_group, error in ended:
                job = net_groups[net_group]
                result = jobs[job].add(net_group, error)
                if error is not None:  # the job's other folds are of no use any more
                    for other in (c for c, j in net_groups.items() if j == job):
                        trainer.drop(other)
                if result is not None:
                    yield job, result
    finally:
        trainer.close()


def _net_bytes(request: Request, batches: tuple[int, int, int]) -> int:
    """What a net of a stack takes, roughly: parameters, gradient, rates and moments, blocks, the values of a step.

    Of blocks there are the one being trained on, the one after it, and while that is made its rows as they come and
    what a strategy needs beside them.
    """
    net = _architecture(request)
    features = math.prod(net.features)
    steps, size, _ = batches
    block = min(steps, BLOCK_STEPS) * size * (features + net.classes + 1)
    return _FLOAT_BYTES * (5 * net.size + 4 * block + 8 * size * (features + sum(net.outputs)))


def _architecture(request: Request) -> Architecture:
    dataset = request.dataset
    return architecture_of(dataset.x.shape[1:], dataset.classes, request.protocol, dataset.card.modality)


def _budget(device: torch.device) -> int:
    """Bytes that a stack may take."""
    if device.type != "cuda":
        return HOST_BYTES
    gc.collect()  # stacks before may be held by cycles alone
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(GPU_SHARE * (free + unused))


@contextmanager
def _training(device: torch.device) -> Iterator[None]:
    """How training computes; set anew between any two results, so that it never reaches whoever takes them.

    Denormals read as 0 meanwhile: dead units make them, and they slow a step many times.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))
        torch.set_flush_denormal(True)
        stack.callback(torch.set_flush_denormal, False)
        yield
