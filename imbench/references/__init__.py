"""References: classifiers beside the strategies, without mini-batches."""
