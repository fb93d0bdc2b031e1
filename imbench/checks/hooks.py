"""Properties of the hooks a strategy may override: loss, forward pass and declared class share."""

from __future__ import annotations

from dataclasses import replace

import torch

from imbench.checks.global_state import same_globals
from imbench.checks.made import COUNTS, NETS, Case, made
from imbench.checks.outputs import RecordedNet, far, forwarded, logits_of, own_forward, own_loss, parameters
from imbench.checks.result import require
from imbench.contract.batch import Batch
from imbench.contract.strategy import BatchStrategy

# Matrix products round differently in stacks of other sizes.
ROUNDING = 1e-4
TOLERANCE = 1e-5

# Number of draws for the measured class share, and the allowed error in standard errors of the mean. At 4.5 a correct
# share fails by chance once in 150,000 comparisons; the draws are the same in each call.
DRAWS, ERRORS = 1000, 4.5

NOT_OVERRIDDEN = "not overridden"


def loss_sound(strategy: BatchStrategy) -> str:
    """A custom loss is one finite number per row with a finite gradient, also for extreme logits and absent classes."""
    if not own_loss(strategy):
        return NOT_OVERRIDDEN
    absent = made(strategy, (20, 0, 7), training=(200, 0, 70))
    cases = [("", made(strategy, stack=stack), 3.0) for stack in ((), (NETS,))]
    cases += [("for extreme logits ", made(strategy), 200.0), ("with an absent class ", absent, 3.0)]
    for where, case, scale in cases:
        logits = logits_of(case, scale).requires_grad_()
        with same_globals():
            losses = strategy.loss(logits, case.batch.y, case.info)
        shape = tuple(case.batch.y.shape[:-1])
        require(
            tuple(losses.shape) == shape,
            f"loss must be (*stack, batch) = {shape}, got {tuple(losses.shape)}; don't average over the batch",
        )
        require(
            torch.isfinite(losses).all(),
            f"the loss {where}must be finite; use log_softmax, and allow class counts of 0",
        )
        (gradient,) = torch.autograd.grad(losses.sum(), logits)
        require(
            torch.isfinite(gradient).all(),
            f"the gradient of the loss {where}must be finite; clamp values before raising them to a power",
        )
    return "shape, values and gradient"


def loss_alone(strategy: BatchStrategy) -> str:
    """The loss of a net does not depend on the other nets in its stack."""
    if not own_loss(strategy):
        return NOT_OVERRIDDEN
    case = made(strategy, stack=(NETS,))
    with same_globals():
        together = strategy.loss(logits_of(case), case.batch.y, case.info)
        for index in range(NETS):
            alone = case.net(index)
            value = strategy.loss(logits_of(alone), alone.batch.y, alone.info)
            require(
                not far(together[index : index + 1], value, ROUNDING),
                f"the loss of net {index} alone differs from that in a stack of {NETS}; reduce over dim=-1 only",
            )
    return f"{NETS} nets"


def forward_sound(strategy: BatchStrategy) -> str:
    """A custom forward pass returns finite logits, labels that sum to one, and finite gradients."""
    if not own_forward(strategy):
        return NOT_OVERRIDDEN
    case = made(strategy, stack=(NETS,))
    weights = parameters(case)
    logits, y = forwarded(strategy, case, RecordedNet(weights))
    shape = tuple(case.batch.y.shape)
    for name, value in (("logits", logits), ("labels", y)):
        require(tuple(value.shape) == shape, f"{name} must be {shape}, got {tuple(value.shape)}")
        require(torch.isfinite(value).all(), f"{name} must be finite")
    require((y >= 0).all(), f"labels must be from 0 to 1, got {float(y.min()):.6g}")
    off = float((y.sum(dim=-1) - 1).abs().max())
    require(
        off <= TOLERANCE,
        f"the labels of a row must sum to 1, the sum is off by {off:.6g}; mix labels in the same shares as features",
    )
    require(logits.requires_grad, "the logits have no gradient; run the net's stages outside torch.no_grad()")
    gradients = torch.autograd.grad(-(y * logits.log_softmax(dim=-1)).sum(), weights, allow_unused=True)
    require(all(g is None or torch.isfinite(g).all() for g in gradients), "the gradients of the net must be finite")
    return "shapes, labels, gradients"


def forward_stages(strategy: BatchStrategy) -> str:
    """A custom forward pass runs every stage of the net in order."""
    if not own_forward(strategy):
        return NOT_OVERRIDDEN
    case = made(strategy, stack=(NETS,))
    net = RecordedNet(parameters(case))
    forwarded(strategy, case, net)
    stages = list(range(len(net.stages)))
    passes = [net.calls[i : i + len(stages)] for i in range(0, len(net.calls), len(stages))]
    require(
        passes and all(run == stages for run in passes),
        f"the forward pass ran stages {net.calls} instead of {stages}; run each of net.stages once and in order, or "
        "call net(x)",
    )
    return f"{len(stages)} stages"


def forward_alone(strategy: BatchStrategy) -> str:
    """The forward pass of a net does not depend on the other nets in its stack."""
    if not own_forward(strategy):
        return NOT_OVERRIDDEN
    case = made(strategy, stack=(NETS,))
    together = forwarded(strategy, case, RecordedNet(parameters(case)))
    for index in range(NETS):
        alone = case.net(index)
        for name, one, other in zip(
            ("logits", "labels"), together, forwarded(strategy, alone, RecordedNet(parameters(alone))), strict=True
        ):
            require(
                not far(one[index : index + 1], other, ROUNDING),
                f"{name} of net {index} alone differ from those in a stack of {NETS}; draw one number per net from "
                "noise, and reduce over dim=-1 or -2",
            )
    return f"{NETS} nets"


def class_share(strategy: BatchStrategy) -> str:
    """The declared class share equals the measured one, within the standard error over many draws."""
    if type(strategy).class_share is BatchStrategy.class_share:
        return "not declared"
    declared = []
    cases = [made(strategy, counts) for counts in (COUNTS, (16, 0, 1), (9, 0, 0), (5, 3, 2))]
    for case in cases:
        share = strategy.class_share(case.batch, case.info)
        if share is None:
            continue
        counts = tuple(int(n) for n in case.batch.y.sum(dim=-2))
        shape = (case.batch.classes,)
        require(
            tuple(share.shape) == shape, f"class_share must be (*stack, classes) = {shape}, got {tuple(share.shape)}"
        )
        _stacks_alike(strategy, made(strategy, counts, (NETS,)))
        batch = _repeated(case, DRAWS).rebalanced(strategy)
        weight = torch.ones_like(batch.y[..., 0]) if batch.weight is None else batch.weight
        shares = (weight.unsqueeze(-1) * batch.y).sum(dim=-2) / weight.sum(dim=-1, keepdim=True)  # (1, draws, classes)
        mean, spread = shares[0].double().mean(dim=0), shares[0].double().std(dim=0)
        allowed = TOLERANCE + ERRORS * spread / DRAWS**0.5
        off = (mean - share.double()).abs()
        worst = int((off - allowed).argmax())
        require(
            bool((off <= allowed).all()),
            f"class_share is {float(share[worst]):.4f} for class {worst} in a batch of {counts}, but the measured "
            f"share is {float(mean[worst]):.4f} ± {float(spread[worst]) / DRAWS**0.5:.4f}; return the mean weighted "
            "label",
        )
        declared.append(" ".join(f"{float(value):.3f}" for value in share))
    return f"{declared[0]} for a batch of {COUNTS}" if declared else "not declared for these batches"


def _stacks_alike(strategy: BatchStrategy, case: Case) -> None:
    together = strategy.class_share(case.batch, case.info)
    for index in range(NETS):
        alone = case.net(index)
        share = strategy.class_share(alone.batch, alone.info)
        require(
            together is not None and share is not None and not far(together[index : index + 1], share, ROUNDING),
            f"class_share of net {index} alone differs from that in a stack of {NETS}; keep leading axes",
        )


def _repeated(case: Case, draws: int) -> Case:
    """The same batch repeated: one net, ``draws`` steps."""
    x, y = case.batch.x, case.batch.y
    counts = case.info.class_counts.expand(1, 1, -1)
    return Case(
        Batch(x.expand(1, draws, *x.shape), y.expand(1, draws, *y.shape)), replace(case.info, class_counts=counts)
    )
