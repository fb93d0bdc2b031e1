"""Datasets: cards, sources, cache, imbalanced variants, folds and preprocessing."""
