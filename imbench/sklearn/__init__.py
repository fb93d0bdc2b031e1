"""Strategies in scikit-learn: `BatchStrategyClassifier`, a dense net trained with any strategy."""

from imbench.sklearn.classifier import BatchStrategyClassifier

__all__ = ["BatchStrategyClassifier"]
