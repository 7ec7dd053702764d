"""Names for the arrays that travel through this room."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
if TYPE_CHECKING:
    Sparse: TypeAlias = sp.csr_array[np.float32, tuple[int, int]]
else:
    Sparse = sp.csr_array  # older SciPy cannot subscript it at run time


def sparse(rows: Ints, columns: Ints, values: Floats, shape: tuple[int, int]) -> Sparse:
    """A CSR matrix with sorted columns; values that share a cell are added."""
    matrix = sp.coo_array((values.astype(np.float32), (rows, columns)), shape=shape).tocsr()
    matrix.sort_indices()
    return matrix


def scaled_rows(matrix: Sparse, factors: NDArray[np.floating]) -> Sparse:
    """Each row times its factor, (n_rows,)."""
    found: Sparse = sp.diags_array(factors.astype(np.float32)).tocsr() @ matrix
    return found


def group_starts(sorted_keys: Ints) -> Ints:
    """The positions (g,) at which a new value begins in a sorted (n,) array."""
    if len(sorted_keys) == 0:
        return np.zeros(0, np.int64)
    return np.flatnonzero(np.concatenate(([True], sorted_keys[1:] != sorted_keys[:-1]))).astype(np.int64)
