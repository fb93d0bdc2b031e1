"""Properties of a strategy's use of random numbers and of its arguments: reproducible and without side effects."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from imbench.checks.global_state import GENERATORS, same_globals, states
from imbench.checks.made import NETS, STEPS, Case, copied, made, parts
from imbench.checks.outputs import RecordedNet, computed, different, far, logits_of, own_forward, own_loss, parameters
from imbench.checks.result import NotJudgedError, ViolationError, require
from imbench.contract.batch import Batch
from imbench.contract.strategy import BatchStrategy

# Allowed difference between a net alone and in a stack: sums round differently in another order.
ROUNDING = 1e-5

# Enough epochs to contain a short phase of a schedule.
LONG = 1000


def input_unmutated(strategy: BatchStrategy) -> str:
    """The given batch and training info are not changed."""
    case = made(strategy, stack=(NETS,))
    given = case.copy()
    with same_globals():
        result = copied(strategy.rebalance(given.batch, given.info, given.noise()))
    _unchanged("rebalance", case, given)
    if own_forward(strategy):
        kept = copied(result)
        with same_globals():
            strategy.forward(RecordedNet(parameters(case)), result, case.noise())
        _same_parts("forward", kept, result)
    if own_loss(strategy):
        given = case.copy()
        logits = logits_of(case)
        with same_globals():
            strategy.loss(logits, given.batch.y, given.info)
        _unchanged("loss", case, given)
        require(torch.equal(logits, logits_of(case)), "loss changed the logits in place; make a new tensor")
    return "rebalance" + ", forward" * own_forward(strategy) + ", loss" * own_loss(strategy)


def same_noise_same_batch(strategy: BatchStrategy) -> str:
    """The same noise gives the same batch, digit by digit."""
    case = made(strategy, stack=(NETS,))
    results = [_computed(strategy, case) for _ in range(3)]
    names = different(results[0], results[1]) or different(results[0], results[2])
    require(not names, f"{names} differ between calls with the same noise; take every random number from noise")
    return ", ".join(results[0])


def global_generators_untouched(strategy: BatchStrategy) -> str:
    """The global generators of torch, numpy and random are neither read nor advanced."""
    case = made(strategy, stack=(NETS,))
    usual = _repeatable(strategy, case)
    for name in GENERATORS:
        read = different(usual, _computed(strategy, case, name))
        require(not read, f"{read} depend on {name}'s global generator; draw from noise instead")
    with same_globals():
        before = states()
        computed(strategy, case)
        after = states()
    advanced = [name for name in GENERATORS if before[name] != after[name]]
    require(not advanced, f"the global generator of {' and '.join(advanced)} is advanced; draw from noise instead")
    return ", ".join(GENERATORS)


def slice_alone(strategy: BatchStrategy) -> str:
    """The batches of a net do not depend on the other nets in its stack, and a single batch equals a stack of one."""
    _repeatable(strategy, made(strategy, stack=(NETS,)))
    for stack in ((NETS,), (NETS, STEPS)):
        case = made(strategy, stack=stack)
        together = parts(case.rebalanced(strategy))
        for index in range(NETS):
            alone = parts(case.net(index).rebalanced(strategy))
            for name in together:
                require(
                    name in alone and not far(together[name][index : index + 1], alone[name], ROUNDING),
                    f"{name} of net {index} alone differs from that in a stack of {stack}; reduce over dim=-1 or -2, "
                    "never over the stack, and draw from noise in the stack's shape (or derive from PerBatchStrategy)",
                )
    single, stacked = made(strategy), made(strategy, stack=(1,))
    one, more = parts(single.rebalanced(strategy)), parts(stacked.rebalanced(strategy))
    for name in one:
        require(
            name in more and not far(one[name], more[name][0], ROUNDING),
            f"{name} of a single batch differs from that in a stack of one; keep leading axes",
        )
    return f"stacks (), ({NETS},), ({NETS}, {STEPS})"


def schedule_stated(strategy: BatchStrategy) -> str:
    """A strategy that depends on info.epoch declares `scheduled = True`, so that its nets train all epochs."""
    case = made(strategy, stack=(NETS,))
    _repeatable(strategy, case)
    if strategy.scheduled:
        return "scheduled: trains all epochs"
    first = _in_epoch(strategy, case, 0)
    for epoch in (*range(LONG // 10, LONG, LONG // 10), LONG - 1):
        names = different(first, _in_epoch(strategy, case, epoch))
        require(
            not names,
            f"{names} differ between epoch {epoch + 1} of {LONG} and the first; set scheduled: ClassVar[bool] = "
            "True, or nets may stop before that epoch, and raise version",
        )
    return f"the same in every epoch of {LONG}"


def _in_epoch(strategy: BatchStrategy, case: Case, epoch: int) -> dict[str, Tensor]:
    case = replace(case, info=replace(case.info, epoch=epoch, epochs=LONG))
    share = strategy.class_share(case.batch, case.info)
    return _computed(strategy, case) | ({} if share is None else {"class_share": share})


def _computed(strategy: BatchStrategy, case: Case, other: str | None = None) -> dict[str, Tensor]:
    with same_globals(other):
        return computed(strategy, case)


def _repeatable(strategy: BatchStrategy, case: Case) -> dict[str, Tensor]:
    """The outputs of the strategy; they must be repeatable to be compared."""
    usual = _computed(strategy, case)
    if different(usual, _computed(strategy, case)):
        raise NotJudgedError("the same noise gives different batches; make the strategy reproducible first")
    return usual


def _unchanged(method: str, case: Case, given: Case) -> None:
    _same_parts(method, case.batch, given.batch)
    if not torch.equal(case.info.class_counts, given.info.class_counts):
        raise ViolationError(f"{method} changed info.class_counts in place; make a new tensor")


def _same_parts(method: str, before: Batch, after: Batch) -> None:
    for name, value in parts(before).items():
        require(
            torch.equal(value, parts(after)[name]),
            f"{method} changed batch.{name} in place; make a new tensor (x * 2, not x.mul_(2))",
        )
