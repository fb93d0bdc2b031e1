"""LDAM: a margin for every class, the wider the fewer rows it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from imbench import Batch, BatchStrategy, Noise, TrainingInfo, UsageError
from imbench_longtail.parameters import validated

# Of scale * max_margin. float32 knows 1 - p to 6e-8; e^15 times that is as inexact as it may get, 1 % of the steepest
# slope. It is also what the authors' code has, 30 * 0.5.
MOST = 15.0


@dataclass(frozen=True)
class LDAM(BatchStrategy):
    """Keep the rows and take cross-entropy after lowering the logit of each row's class by that class's margin.

    K. Cao, C. Wei, A. Gaidon, N. Arechiga and T. Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
    Loss", NeurIPS 2019, Section 3.2 and the authors' scale s: for a row of class c with logits z

        L_c = -log( exp(s (z_c - d_c)) / (exp(s (z_c - d_c)) + sum_{j != c} exp(s z_j)) )
        d_j = C / n_j^(1/4),  C such that the largest margin is max_margin

    max_margin = 0 is the cross-entropy of s z. A soft label counts linearly: ``sum_c y_c L_c``. A class without
    training rows has no margin.

    NOTE: the authors normalise the last layer's features and weights, so that their logits are cosines; a loss sees
    logits only. On cosines softmax needs s = 30 to come near 0 or 1. Logits without bounds choose their own scale, and
    with s other than 1 the net would predict by softmax(z) what was trained as softmax(s z): the default is s = 1, and
    max_margin counts in units of the logits, where 0.5 is a mild margin.

    Shapes: the batch unchanged; logits and y ``(*stack, batch, classes)`` -> loss ``(*stack, batch)``.

    Parameters
    ----------
    max_margin : at least 0; the margin of the rarest class; the authors' code uses 0.5 on cosines
    scale : positive, and at most 15 / max_margin; s

    Raises
    ------
    UsageError for values outside these ranges.

    >>> import torch
    >>> logits, y = torch.zeros(3, 2), torch.eye(2)[[0, 0, 1]]
    >>> LDAM().loss(logits, y, TrainingInfo(torch.tensor([160.0, 10.0])))  # margins 0.25 and 0.5
    tensor([0.8259, 0.8259, 0.9741])
    """

    name: ClassVar[str] = "ldam"

    max_margin: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        validate_margin(self)

    def rebalance(self, batch: Batch, info: TrainingInfo, noise: Noise) -> Batch:
        """The batch itself."""
        return batch

    def loss(self, logits: Tensor, y: Tensor, info: TrainingInfo) -> Tensor:
        """``sum_c y_c L_c``, ``(*stack, batch)``."""
        return margin_loss(logits, y, info.class_counts.to(logits), self.max_margin, self.scale)


def validate_margin(strategy: Any) -> None:
    """Judge ``max_margin`` and ``scale`` of `LDAM` and of what else has them. Raises `UsageError`."""
    validated(strategy, "max_margin", "at least 0", "the paper tunes it; its authors' code uses 0.5")
    validated(strategy, "scale", "positive", "1 suits logits that are not normalised")
    if strategy.scale * strategy.max_margin > MOST:
        raise UsageError(
            f"{type(strategy).__name__}.scale times max_margin must be at most {MOST:g}, got "
            f"{strategy.scale:g} * {strategy.max_margin:g}; the authors' code uses 30 * 0.5"
        )


def margin_loss(logits: Tensor, y: Tensor, counts: Tensor, max_margin: float, scale: float) -> Tensor:
    """``(*stack, batch)`` label-distribution-aware margin loss; ``counts`` is ``(*stack, classes)``."""
    margins = torch.where(counts > 0, counts.clamp(min=1) ** -0.25, 0.0)  # n_j^(-1/4)
    margins = (margins * (scale * max_margin) / margins.amax(dim=-1, keepdim=True)).unsqueeze(-2)  # s d_j
    log_p = torch.log_softmax(scale * logits, dim=-1)
    # With p = softmax(s z), L_c = -log p_c + log(1 + (1 - p_c)(exp(s d_c) - 1)), for all classes at once.
    raised = torch.log1p(torch.expm1(log_p) * -torch.expm1(margins))
    return (y * (raised - log_p)).sum(dim=-1)
