"""The leading singular vectors of a large sparse matrix, by a randomised range finder.

Halko, Martinsson, Tropp: "Finding structure with randomness", SIAM Review 2011. https://arxiv.org/abs/0909.4061
"""

import numpy as np

from recommender.arrays import Floats, Sparse

_MORE = 16  # columns of the sketch beyond what is asked


def right_vectors(matrix: Sparse, dimensions: int, *, power_iterations: int, seed: int) -> tuple[Floats, Floats]:
    """V (n_columns, d) and the singular values (d,), largest first, each vector of fixed sign.

    d is ``dimensions``, or the rank of the matrix where that is less.
    """
    width = min(dimensions, *matrix.shape)
    sketch = min(width + _MORE, *matrix.shape)
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(matrix @ random.standard_normal((matrix.shape[1], sketch), dtype=np.float32))[0]
    for _ in range(power_iterations):
        basis = np.linalg.qr(matrix @ np.linalg.qr(matrix.T @ basis)[0])[0]
    small = np.asarray(basis.T @ matrix, np.float32)
    _, values, right = np.linalg.svd(small, full_matrices=False)
    enough = values[:width] > 1e-6
    kept = right[:width][enough]
    signs = np.sign(kept[np.arange(len(kept)), np.abs(kept).argmax(axis=1)])
    return np.asarray((kept * signs[:, None]).T, np.float32), np.asarray(values[:width][enough], np.float32)
