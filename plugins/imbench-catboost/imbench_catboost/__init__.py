"""CatBoost as a reference of imbench, plain and balanced."""

from __future__ import annotations

from typing import Any


def catboost(
    iterations: int = 1000,
    learning_rate: float | None = None,
    depth: int = 6,
    random_state: int | None = None,
) -> Any:
    """Gradient-boosted oblivious trees: CatBoostClassifier 1.2 with its defaults.

    ``learning_rate`` None lets CatBoost choose it by the number of rows and iterations.
    """
    return _made(iterations, learning_rate, depth, random_state)


def balanced_catboost(
    iterations: int = 1000,
    learning_rate: float | None = None,
    depth: int = 6,
    random_state: int | None = None,
) -> Any:
    """`catboost` with rows weighted inversely to the frequency of their class."""
    return _made(iterations, learning_rate, depth, random_state, auto_class_weights="Balanced")


# imbench corrects its probabilities from equal class frequencies.
balanced_catboost.balances = True  # type: ignore[attr-defined]


def _made(iterations: int, learning_rate: float | None, depth: int, random_state: int | None, **more: str) -> Any:
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        iterations=iterations,
        learning_rate=learning_rate,
        depth=depth,
        # CatBoost takes seeds below 2**31 on all platforms.
        random_seed=None if random_state is None else random_state % 2**31,
        thread_count=1,
        verbose=False,
        allow_writing_files=False,
        **more,
    )
