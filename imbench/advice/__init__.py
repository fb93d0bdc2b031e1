"""Advice for one table: whether rebalancing helps, whether probabilities may be trusted, and what to do."""
