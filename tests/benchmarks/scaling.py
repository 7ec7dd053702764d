"""Does training stay linear in the edges, and in memory? Beauty, three- and ten-fold, by the model of ``lifted.py``.

    python tests/benchmarks/scaling.py --data ../shared/data/beauty [--times 1 3 10] [--epochs 2] [--steps 32]
    python tests/benchmarks/scaling.py --data ../shared/data/beauty --alike 10      how alike the lifted shop is

Each model is fitted at each size in a process of its own, one thread: CPU seconds of an epoch (the mean of all but the
first, which pays for what is made once) or of a whole closed form, the largest resident set before training (the data)
and after. Edges are pairs of user and item, links, and attributes. The exponent e is the least-squares slope of log
seconds over log edges: 1 is linear. An epoch has at most ``--steps`` steps (a third of that in the relational network,
which asks one question a user): the batch grows, not their number. ``equal batches`` is LightGCN as published, 2,048
pairs a step: three steps are measured, and an epoch of them is extrapolated. EASE is not fitted: it holds n² numbers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from lifted import lifted
from protocols import beauty

from recommender.arrays import Sparse
from recommender.dataset import Dataset
from recommender.model import Model
from recommender.models.itemknn import ItemKNN
from recommender.models.lightgcn import LightGCN, LightGCNLearner
from recommender.models.relational import Relational
from recommender.models.spectral import Spectral
from recommender.training import Epoch, Run, peak_memory

Told = dict[str, float]
MODELS = ("itemknn", "spectral", "lightgcn", "relational")


def edges(data: Dataset) -> int:
    return int(data.matrix().nnz) + sum(len(e) for e in {**data.links, **data.attributes}.values())


def closed(model: Model, data: Dataset) -> Told:
    begun = time.process_time()
    model.fit(data)
    return {"seconds": time.process_time() - begun}


def trained(model: LightGCN | Relational, data: Dataset) -> Told:
    """CPU seconds of an epoch, and of everything."""
    marks = [time.process_time()]

    def heard(epoch: Epoch) -> None:
        marks.append(time.process_time())
        print(
            f"  epoch {epoch.number}: loss {epoch.loss:.3f}, {marks[-1] - marks[-2]:.1f} s", file=sys.stderr, flush=True
        )

    replace(model, run=Run(on_epoch=heard)).fit(data)
    return {"seconds": float(np.mean(np.diff(marks)[1:])), "whole": time.process_time() - marks[0]}


def equal_batches(data: Dataset, steps: int = 3) -> float:
    """Seconds that an epoch of LightGCN in batches of 2,048 would take, by a few of its steps."""
    learner = LightGCNLearner(LightGCN(), data)
    marks = [time.process_time()]
    for batch, _ in zip(learner.batches(np.random.default_rng(0)), range(steps + 1), strict=False):
        learner.optimiser.zero_grad()
        learner.loss(batch, slice(0, len(batch))).backward()  # type: ignore[no-untyped-call]
        learner.optimiser.step()
        marks.append(time.process_time())
    return float(np.mean(np.diff(marks)[1:])) * -(-data.matrix().nnz // LightGCN().batch)


def one(folder: Path, name: str, epochs: int, steps: int) -> Told:
    """One model at one size."""
    torch.set_num_threads(1)
    data = beauty(folder, "loo", entities=True).asks.train
    told = {"users": len(data.users), "items": len(data.items), "edges": edges(data), "data": peak_memory("cpu")}
    if name in ("lightgcn", "relational"):
        most = steps if name == "lightgcn" else -(-steps // 3)
        model = {"lightgcn": LightGCN(), "relational": Relational()}[name]
        told |= trained(replace(model, epochs=epochs, most_steps=most), data)
    else:
        told |= closed({"itemknn": ItemKNN(), "spectral": Spectral()}[name], data)
    told["memory"] = peak_memory("cpu")
    if name == "lightgcn":
        told["equal batches"] = equal_batches(data)
    return told


def slope(rows: list[Told], key: str) -> float:
    if len(rows) < 2:
        return float("nan")
    return float(np.polyfit(np.log([row["edges"] for row in rows]), np.log([row[key] for row in rows]), 1)[0])


def shown(name: str, rows: list[Told], key: str) -> None:
    each = "  ".join(f"{row[key]:8.1f} s ({1e6 * row[key] / row['edges']:6.1f} µs an edge)" for row in rows)
    print(f"{name:26s} {each}  e = {slope(rows, key):.2f}", flush=True)


def measured(options: argparse.Namespace, shop: Callable[[int], Path]) -> None:
    found: dict[str, list[Told]] = {}
    for times in options.times:
        for name in options.models:
            command = [sys.executable, "-W", "ignore", __file__, "--data", str(shop(times)), "--one", name]
            command += ["--epochs", str(options.epochs), "--steps", str(options.steps)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            row = json.loads(done.stdout.splitlines()[-1])
            found.setdefault(name, []).append(row)
            print(
                f"{times:3d}× {name:10s} {row['users']:,} users, {row['items']:,} items, {row['edges']:,} edges: "
                f"{row['seconds']:.1f} CPU s, {row['memory'] / 1e9:.2f} GB, of which the data {row['data'] / 1e9:.2f}",
                flush=True,
            )
    print(f"\nCPU s {' '.join(f'{times}×' for times in options.times)}; e: exponent in edges")
    for name, rows in found.items():
        shown(f"{name}, {'an epoch' if name in MODELS[2:] else 'fit'}", rows, "seconds")
        if "equal batches" in rows[0]:
            shown(f"{name}, equal batches", rows, "equal batches")
    for row in next(iter(found.values())):
        print(f"EASE would hold {4e-9 * row['items'] ** 2:.1f} GB a matrix of {row['items']:,} items, and invert it")


def alike(original: Dataset, larger: Dataset) -> None:
    """What the model keeps, printed side by side."""
    print(f"{'':44s} {'original':>12s} {'lifted':>12s}")
    lifts = _statistics(larger)
    for name, told in _statistics(original).items():
        print(f"{name:44s} {told:12.3f} {lifts[name]:12.3f}", flush=True)


def _statistics(data: Dataset) -> dict[str, float]:
    x: Sparse = (data.matrix() > 0).astype(np.float32)
    told = {"pairs": float(x.nnz)}
    for kind, degrees in (("user", x.sum(axis=1)), ("item", x.sum(axis=0))):
        some = np.asarray(degrees)[np.asarray(degrees) > 0]
        told[f"mean degree of a {kind}"] = float(some.mean())
        told |= {f"degree of a {kind}, quantile {q}": float(np.quantile(some, q)) for q in (0.5, 0.9, 0.99, 1.0)}
    together = (x.T @ x).tocoo()
    often = together.data[together.coords[0] < together.coords[1]]
    told |= {f"item pairs with ≥ {n} users, an item": float((often >= n).sum()) / x.shape[1] for n in (1, 2, 3, 5)}
    counts, held = together.tocsr(), {name: e.matrix((x.shape[1],) * 2) for name, e in data.links.items()}
    for name, link in held.items():
        told[f"{name}: links an item"] = link.nnz / x.shape[1]
        told[f"{name}: share with a common user"] = float((counts.multiply(link > 0) > 0).sum()) / link.nnz
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 3, 10])
    parser.add_argument("--models", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--steps", type=int, default=32)
    parser.add_argument("--one", choices=MODELS, help="fit this one on --data as it is, and print JSON")
    parser.add_argument("--alike", type=int, metavar="K", help="compare the shop with its K-fold, train nothing")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.data, options.one, options.epochs, options.steps)))
        return
    with tempfile.TemporaryDirectory() as folder:

        def shop(times: int) -> Path:
            place = Path(folder) / str(times)
            if not place.exists():
                lifted(options.data, place, times)
            return place

        if options.alike:
            alike(*(beauty(shop(times), "loo", entities=True).asks.train for times in (1, options.alike)))
        else:
            measured(options, shop)


if __name__ == "__main__":
    main()
