"""imbench: a benchmark of the recipes that rebalance mini-batches on imbalanced classes."""
