"""A model of one table: fit, files, prediction, and the card that describes it."""
