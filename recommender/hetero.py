"""A dataset as PyTorch Geometric's HeteroData, for those who bring their own network. Leaf module: imports torch."""

import numpy as np
import torch
from torch_geometric.data import HeteroData

from recommender.arrays import Ints
from recommender.dataset import Dataset


def to_hetero(data: Dataset) -> HeteroData:
    """Node types ``user``, ``product`` and ``entity``; edges as long tensors (2, e), with their reverse.

    ``(user, took, product)`` has one edge a (user, product) pair with ``edge_weight`` of its strongest action and
    ``edge_time`` of its newest event. Each relation keeps its name, with the confidence of its facts in
    ``edge_weight``. ``names`` of a node type are its ids in the order of its nodes.
    """
    graph = HeteroData()
    for kind, ids in (("user", data.users), ("product", data.items), ("entity", data.entities)):
        graph[kind].num_nodes = len(ids)
        graph[kind].names = list(ids.names)
    pairs = data.matrix().tocoo()
    users, items = (np.asarray(part, np.int64) for part in pairs.coords)
    newest = _newest(data)
    times = torch.tensor([newest[pair] for pair in zip(users.tolist(), items.tolist(), strict=True)], dtype=torch.long)
    _connect(graph, ("user", "took", "product"), users, items, torch.from_numpy(pairs.data.copy()))
    graph["user", "took", "product"].edge_time = times
    graph["product", "rev_took", "user"].edge_time = times
    for name, edges in data.links.items():
        weights = torch.from_numpy(edges.weights.copy())
        _connect(graph, ("product", name, "product"), edges.heads, edges.tails, weights)
    for name, edges in data.attributes.items():
        weights = torch.from_numpy(edges.weights.copy())
        _connect(graph, ("product", name, "entity"), edges.heads, edges.tails, weights)
    return graph


def _connect(graph: HeteroData, kind: tuple[str, str, str], heads: Ints, tails: Ints, weights: torch.Tensor) -> None:
    source, name, target = kind
    forward = torch.stack([torch.as_tensor(heads, dtype=torch.long), torch.as_tensor(tails, dtype=torch.long)])
    for key, index in ((kind, forward), ((target, f"rev_{name}", source), forward.flip(0))):
        graph[key].edge_index = index
        graph[key].edge_weight = weights


def _newest(data: Dataset) -> dict[tuple[int, int], int]:
    histories = data.histories
    events = zip(histories.owners.tolist(), histories.items.tolist(), histories.at.tolist(), strict=True)
    return {(user, item): at for user, item, at in events}  # time order: the last one stays
