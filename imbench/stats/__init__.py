"""Scores to ranks, tests and intervals; one board for every surface."""
