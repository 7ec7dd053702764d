"""Messages over a fixed graph: PyTorch Geometric's LightGCN layer on sparse matrices, with a cheap way back.

A layer is linear in the vectors, so its gradient is a product with the transpose. The transpose is made once, when the
graph is; automatic differentiation would make it again in every step. Messages are float32 under autocast too: a sum
over thousands of neighbours is no place for eight bits. Leaf module: imports torch.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch_geometric.nn import LGConv

from recommender.arrays import Floats, Sparse


class Adjacency(NamedTuple):
    """A weighted graph from s sources to t targets: ``forward`` (t, s) and ``backward`` (s, t), torch CSR."""

    forward: Tensor
    backward: Tensor

    @classmethod
    def of(cls, matrix: Sparse, device: str) -> "Adjacency":
        return cls(_csr(matrix, device), _csr(matrix.T.tocsr(), device))

    @classmethod
    def symmetric(cls, matrix: Sparse, device: str) -> "Adjacency":
        """For a matrix that is its own transpose."""
        forward = _csr(matrix, device)
        return cls(forward, forward)


class Propagation(LGConv):  # type: ignore[misc]
    """x'_t = Σ_s A_ts x_s, without parameters.

    He et al.: "LightGCN", SIGIR 2020, https://arxiv.org/abs/2002.02126, with the weights already in A. Shapes: x
    (s, d), result (t, d).
    """

    def __init__(self) -> None:
        super().__init__(normalize=False)

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        # propagate_type: (x: Tensor, back: Tensor)
        result: Tensor = self.propagate(adjacency.forward, x=x, back=adjacency.backward)
        return result

    def message_and_aggregate(self, adj_t: Tensor, x: Tensor, back: Tensor) -> Tensor:
        result: Tensor = _Product.apply(adj_t, back, x)
        return result


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, forward: Tensor, backward: Tensor, x: Tensor) -> Tensor:
        ctx.back = backward
        with torch.autocast(x.device.type, enabled=False):
            return product(forward, x.float())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        with torch.autocast(grads[0].device.type, enabled=False):
            return None, None, product(ctx.back, grads[0].float().contiguous())


def product(matrix: Tensor, x: Tensor) -> Tensor:
    """A x. On a CPU by the kernel of torch that also reduces otherwise: .4 to .7 of the time of ``@`` in trials
    (EXPERIMENTS.md), and not there for a GPU."""
    if x.device.type != "cpu":
        return matrix @ x
    result: Tensor = torch.sparse.mm(matrix, x, "sum")
    return result


def _csr(matrix: Sparse, device: str) -> Tensor:
    parts = (matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data.astype(np.float32))
    indptr, indices, data = (torch.from_numpy(part).to(device) for part in parts)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        return torch.sparse_csr_tensor(indptr, indices, data, size=matrix.shape, check_invariants=False)


def balanced(matrix: Sparse) -> Sparse:
    """D_r^-1/2 A D_c^-1/2 with the row and column sums of A; empty rows and columns stay empty."""
    rows, columns = _inverse_root(matrix.sum(axis=1)), _inverse_root(matrix.sum(axis=0))
    result: Sparse = (matrix * rows[:, None] * columns[None, :]).tocsr()
    return result


def unit_rows(matrix: Sparse) -> Sparse:
    """Each row divided by its Euclidean length; empty rows stay empty."""
    lengths = _inverse_root((matrix * matrix).sum(axis=1))
    result: Sparse = (matrix * lengths[:, None]).tocsr()
    return result


def _inverse_root(sums: Floats) -> Floats:
    flat = np.asarray(sums, np.float32).ravel()
    return np.where(flat > 0, 1.0 / np.sqrt(np.maximum(flat, np.float32(1e-12))), 0.0).astype(np.float32)
