"""Embeddings in two dimensions."""

from __future__ import annotations

import numpy as np
from sklearn.manifold import TSNE

LEAST = 5  # rows for t-SNE


def embed(rows: np.ndarray) -> np.ndarray:
    """Lay embeddings out in two dimensions by t-SNE, the same each time.

    https://jmlr.org/papers/v9/vandermaaten08a.html

    Args:
        rows: Embeddings [n, C], ``LEAST`` or more.

    Returns:
        Points [n, 2], of no unit.

    Raises:
        ValueError: If there are fewer.

    Example:
        >>> embed(np.eye(6)).shape
        (6, 2)
    """
    if len(rows) < LEAST:
        raise ValueError(
            f't-SNE needs {LEAST} embeddings or more, got {len(rows)}'
        )
    perplexity = min(30.0, (len(rows) - 1) / 3)
    flat = np.ptp(rows, axis=0).max() == 0
    return TSNE(
        perplexity=perplexity, init='random' if flat else 'pca', random_state=0
    ).fit_transform(rows)
