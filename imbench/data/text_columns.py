"""Text as inputs: a hashed bag of words, which learns nothing from the rows and so leaks nothing between folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Inputs of a text column. More would keep apart more words, and nets of `standard` get hidden layers from their number.
WORD_INPUTS = 64
# Words of any length, in lower case.
_WORD = r"(?u)\b\w+\b"


def hashed_words(texts: Sequence[str]) -> np.ndarray:
    """The words of each text, counted in `WORD_INPUTS` places by their hash: ``(texts, WORD_INPUTS)`` float64.

    The hashing trick of Weinberger et al. (2009): a word adds 1 or -1, by its hash, to the place of its hash, and rows
    are scaled to length 1; a text without words is a row of zeros. Equal to scikit-learn's `HashingVectorizer` with
    these parameters, which depends on no other text, in whatever order or process.

    >>> hashed_words(["good service", "Service: GOOD", "—"]).any(axis=1).tolist()
    [True, True, False]
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    # NOTE: the parameters are written out, since a later default would change the meaning of stored models.
    vectorizer = HashingVectorizer(
        n_features=WORD_INPUTS,
        analyzer="word",
        token_pattern=_WORD,
        lowercase=True,
        strip_accents=None,
        stop_words=None,
        ngram_range=(1, 1),
        binary=False,
        norm="l2",
        alternate_sign=True,
    )
    return np.asarray(vectorizer.transform(list(texts)).toarray(), dtype=np.float64)
