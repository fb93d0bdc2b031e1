"""Predictions to scores: metrics, decision rules, calibration, the scores of a fold."""
