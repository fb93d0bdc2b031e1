"""Strategies in other training loops: plain PyTorch, DataLoader, DDP, Lightning and Hugging Face."""

from imbench.torch.batch_sampler import BalancedBatchSampler
from imbench.torch.collate import Collate
from imbench.torch.rebalancer import Rebalancer

__all__ = ["BalancedBatchSampler", "Collate", "Rebalancer"]
