"""Properties of `BatchStrategy.rebalance`."""

from __future__ import annotations

from dataclasses import replace

import torch

from imbench.checks.elsewhere import elsewhere, made_elsewhere
from imbench.checks.made import NETS, STEPS, Case, infinite, made, parts
from imbench.checks.result import require
from imbench.contract.batch import Batch
from imbench.contract.modality import MODALITIES
from imbench.contract.names import counted
from imbench.contract.strategy import BatchStrategy, TrainingInfo

STACKS = ((), (NETS,), (NETS, STEPS))

# Labels come from sums and products of float32 numbers.
TOLERANCE = 1e-5

HUGE, TINY = 1e30, 1e-30


def shapes_kept(strategy: BatchStrategy) -> str:
    """x and y keep their shapes and weights have one number per row, for single batches and stacks of batches."""
    for stack in STACKS:
        case = made(strategy, stack=stack)
        result = case.rebalanced(strategy)
        wanted = {"x": case.batch.x.shape, "y": case.batch.y.shape, "weight": case.batch.y.shape[:-1]}
        for name, value in parts(result).items():
            require(
                value.shape == wanted[name],
                f"{name} must be {tuple(wanted[name])} for a stack of {stack}, got {tuple(value.shape)}; return as "
                "many rows as came in, and keep leading axes (or derive from PerBatchStrategy)",
            )
    return "stacks " + ", ".join(map(str, STACKS))


def dtypes_kept(strategy: BatchStrategy) -> str:
    """Tensors keep their dtype, float32 or float64."""
    for dtype in (torch.float32, torch.float64):
        for name, value in parts(made(strategy, dtype=dtype).rebalanced(strategy)).items():
            require(
                value.dtype == dtype, f"{name} must keep dtype {dtype}, got {value.dtype}; convert with .to(batch.x)"
            )
    return "float32, float64"


def devices_kept(strategy: BatchStrategy) -> str:
    """All tensors stay on the device of the batch; without a GPU, a second device is simulated."""
    case = made(strategy, stack=(NETS,))
    with elsewhere():
        result = case.rebalanced(strategy)
        strays = [name for name, value in parts(result).items() if made_elsewhere(value)]
    require(
        not strays, f"{' and '.join(strays)} must be on the batch's device; pass device=batch.x.device to new tensors"
    )
    devices = [torch.device("cpu"), *([torch.device("cuda", 0)] if torch.cuda.is_available() else [])]
    for device in devices:
        batch = Batch(case.batch.x.to(device), case.batch.y.to(device))
        there = Case(batch, _info_on(case, device), case.keys)
        for name, value in parts(there.rebalanced(strategy)).items():
            require(value.device == device, f"{name} must stay on {device}, got {value.device}")
    return ", ".join(map(str, devices))


def labels_are_shares(strategy: BatchStrategy) -> str:
    """Labels are non-negative and sum to one in each row."""
    for case in (made(strategy, stack=(NETS,)), _softened(made(strategy, stack=(NETS,)))):
        y = case.rebalanced(strategy).y
        least, off = float(y.min()), float((y.sum(dim=-1) - 1).abs().max())
        require(least >= 0, f"labels must be from 0 to 1, got {least:.6g}")
        require(off <= TOLERANCE, f"the labels of a row must sum to 1, the sum is off by {off:.6g}; divide by the sum")
    return "hard and soft labels"


def weights_sound(strategy: BatchStrategy) -> str:
    """Weights, if any, are finite and non-negative, and not all zero."""
    weight = made(strategy, stack=(NETS,)).rebalanced(strategy).weight
    if weight is None:
        return "no weights"
    require(torch.isfinite(weight).all(), "a weight is NaN or infinite; divide only by nonzero numbers")
    require((weight >= 0).all(), f"weights must not be negative, got {float(weight.min()):.6g}")
    require((weight.sum(dim=-1) > 0).all(), "all weights of a batch are 0, so it trains nothing; keep some positive")
    return f"{float(weight.min()):.4g} to {float(weight.max()):.4g}"


def absent_class(strategy: BatchStrategy) -> str:
    """A class without rows in the batch or in the training data gets no share of the labels."""
    for training in (None, (200, 0, 70)):
        case = made(strategy, (20, 0, 7), training=training)
        result = case.rebalanced(strategy)
        require(
            not infinite(result),
            f"{infinite(result)} must be finite with class counts {training}; handle classes without rows",
        )
        share = float(result.y[:, 1].sum())
        require(
            share <= TOLERANCE,
            f"the labels of a class without rows must be 0, their sum is {share:.6g}; use only classes with rows",
        )
    return "one of three classes absent"


def single_class(strategy: BatchStrategy) -> str:
    """A batch with a single class stays finite; at an imbalance ratio of 0.01 half of all batches have one class."""
    for counts in ((32, 0, 0), (0, 0, 32)):
        result = made(strategy, counts).rebalanced(strategy)
        require(not infinite(result), f"{infinite(result)} must be finite for a batch of one class")
    return "32 rows of one class"


def one_or_two_rows(strategy: BatchStrategy) -> str:
    """Batches of one or two rows stay finite."""
    for counts in ((1, 0, 0), (0, 0, 1), (2, 0, 0), (1, 1, 0)):
        result = made(strategy, counts).rebalanced(strategy)
        require(not infinite(result), f"{infinite(result)} must be finite for a batch of {counted(sum(counts), 'row')}")
    return "1 row, and 2 rows of one or two classes"


def two_and_twelve_classes(strategy: BatchStrategy) -> str:
    """Two and twelve classes are supported."""
    for counts in ((26, 6), tuple(range(12, 0, -1))):
        for stack in ((), (NETS,)):
            result = made(strategy, counts, stack).rebalanced(strategy)
            require(result.classes == len(counts), f"labels must keep {len(counts)} classes, got {result.classes}")
            require(not infinite(result), f"{infinite(result)} must be finite for {len(counts)} classes")
    return "2 and 12 classes"


def constant_features(strategy: BatchStrategy) -> str:
    """Constant features stay finite."""
    case = made(strategy)
    for value in (0.0, 1.0, -3.5):
        result = case.with_x(torch.full_like(case.batch.x, value)).rebalanced(strategy)
        require(
            not infinite(result), f"{infinite(result)} must be finite if all features are {value}; don't divide by 0"
        )
    return "all features 0, 1 or -3.5"


def huge_and_tiny_values(strategy: BatchStrategy) -> str:
    """Features of about 1e30 or 1e-30 stay finite (not necessarily exact)."""
    case = made(strategy)
    for scale in (HUGE, TINY):
        result = case.with_x(case.batch.x * scale).rebalanced(strategy)
        require(
            not infinite(result),
            f"{infinite(result)} must be finite for features of about {scale:g}; squares and quotients overflow "
            "float32, so scale differences before squaring them",
        )
    return "1e30 and 1e-30, float32"


def modalities_served(strategy: BatchStrategy) -> str:
    """Every modality in `modalities` is supported, images as (*stack, batch, channels, height, width)."""
    known = ", ".join(map(repr, MODALITIES))
    require(strategy.modalities, f"modalities is empty; add at least one of {known}")
    wrong = [m for m in strategy.modalities if m not in MODALITIES]
    require(not wrong, f"modalities contains {', '.join(map(repr, wrong))}; use {known}")
    for modality in strategy.modalities:
        for stack in STACKS:
            case = made(strategy, stack=stack, modality=modality)
            try:
                result = case.rebalanced(strategy)
            except Exception as error:
                message = f"{type(error).__name__} for {modality} batches of shape {tuple(case.batch.x.shape)}: {error}"
                require(False, f"{message}; support any feature shape, or remove {modality!r} from modalities")
            require(
                parts(result).keys() >= {"x", "y"} and not infinite(result),
                f"{infinite(result)} must be finite for {modality} batches",
            )
            require(
                result.x.shape[len(stack) + 1 :] == case.batch.x.shape[len(stack) + 1 :],
                f"a row of {modality} data must keep its shape {tuple(case.batch.x.shape[len(stack) + 1 :])}, got "
                f"{tuple(result.x.shape[len(stack) + 1 :])}",
            )
    return ", ".join(strategy.modalities)


def _softened(case: Case) -> Case:
    y = 0.9 * case.batch.y + 0.1 / case.batch.classes
    return Case(Batch(case.batch.x, y), case.info, case.keys)


def _info_on(case: Case, device: torch.device) -> TrainingInfo:
    return replace(case.info, class_counts=case.info.class_counts.to(device))
