"""CPU time of a LightGCN training step beside PyTorch Geometric's own, interleaved in one process.

    python tests/benchmarks/lightgcn_step.py --train ../shared/data/gowalla/train.parquet [--batch 2048] [--rounds 5]

Both have the same graph, width, layers, batch, BPR loss, weight decay, fused Adam and one thread. The peer is the
network of torch_geometric.nn.LightGCN as its documentation uses it: messages over edge_index, normalised in each layer.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from protocols import Files, lightgcn
from torch_geometric.nn import LightGCN as Peer

from recommender.arrays import Ints
from recommender.dataset import Dataset
from recommender.models.lightgcn import LightGCN, LightGCNLearner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="Parquet with the columns user and item")
    for name, default in (("batch", 2048), ("dimensions", 64), ("layers", 3), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = lightgcn(Files(options.train, options.train)).asks.train
    model = LightGCN(options.dimensions, options.layers, loss="bpr", batch=options.batch)
    print(f"{len(data.users):,} users, {len(data.items):,} items, {data.matrix().nnz:,} pairs; {model!r}")
    steps = {"ours": _ours(model, data), "PyG": _peer(model, data)}
    for step in steps.values():
        step()  # what is made once is not a step's
    seen: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            begun = time.process_time()
            step()
            seen[name].append(time.process_time() - begun)
    for name, seconds in seen.items():
        print(f"{name:5s} CPU s a step: median {statistics.median(seconds):.3f}  min {min(seconds):.3f}")
    ratio = statistics.median(a / b for a, b in zip(*seen.values(), strict=True))
    print(f"ours / PyG, median of {options.rounds} rounds: {ratio:.3f} = 1/{1 / ratio:.1f}")


def _ours(model: LightGCN, data: Dataset) -> Callable[[], None]:
    learner = LightGCNLearner(model, data)

    def losses() -> Iterator[torch.Tensor]:
        while True:
            for batch in learner.batches(np.random.default_rng(0)):
                yield learner.loss(batch, slice(0, len(batch)))

    endless = losses()

    def step() -> None:
        _descend(next(endless), learner.optimiser)

    return step


def _peer(model: LightGCN, data: Dataset) -> Callable[[], None]:
    users, items = (np.asarray(part, np.int64) for part in data.matrix().nonzero())
    n_users, n_items = data.matrix().shape
    one_way = torch.from_numpy(np.stack((users, items + n_users)))
    edge_index = torch.cat((one_way, one_way.flip(0)), dim=1)
    network = Peer(n_users + n_items, model.dimensions, model.layers)
    optimiser = torch.optim.Adam(network.parameters(), lr=model.learning_rate, fused=True)
    random = np.random.default_rng(0)

    def step() -> None:
        which = random.integers(0, len(users), model.batch)
        wrong = random.integers(0, n_items, model.batch)
        labels = _labels(users[which], items[which] + n_users, wrong + n_users)
        better, worse = network(edge_index, labels).chunk(2)
        nodes = labels.flatten().unique()
        _descend(network.recommendation_loss(better, worse, nodes, lambda_reg=model.weight_decay), optimiser)

    return step


def _labels(users: Ints, right: Ints, wrong: Ints) -> torch.Tensor:
    """edge_label_index (2, 2 batch): the pairs that are, then those that are not."""
    return torch.from_numpy(np.stack((np.concatenate((users, users)), np.concatenate((right, wrong)))))


def _descend(loss: torch.Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


if __name__ == "__main__":
    main()
