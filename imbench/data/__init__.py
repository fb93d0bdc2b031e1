"""Cards to arrays: sources, cache, imbalanced variants, folds, preprocessing."""
