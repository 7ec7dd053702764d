"""Exact filtered top-k beside faiss and NumPy: time a query, interleaved in one process, and whether all lists agree.

    python tests/benchmarks/retrieval.py [--vectors embedding|gaussian|FILE.npy] [--only single|batch] [--rounds 7]

faiss is no dependency: `pip install --target peers --no-deps faiss-cpu`, then PYTHONPATH=peers; without it its column
is skipped by name. So is the compiled scan without the extra `retrieval`. `embedding` has the spectrum j^-½ and
log-normal norms, as item factors have; `gaussian` is the worst case: all norms nearly equal. Queries are means of ten
vectors, as of a user's ten products. Filters pass products by chance. faiss gets no selector where all pass; it scans
for one query on one thread. Where other work runs beside, compare CPU time.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.arrays import Bools, Floats, Ints
from recommender.inner_product import InnerProductIndex, exact_scores
from recommender.scanning import installed

Search = Callable[[Floats, Bools | None], list[Ints]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", default="embedding", help="embedding, gaussian, or a float32 array in a .npy file")
    parser.add_argument("--only", choices=("single", "batch"))
    parser.add_argument("--passing", type=float, nargs="+", default=[1.0, 0.1, 0.01], help="shares that filters pass")
    for name, default in (
        ("n", 1_000_000),
        ("dimensions", 64),
        ("k", 100),
        ("batch", 64),
        ("rounds", 7),
        ("threads", 2),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    vectors = made(options.vectors, options.n, options.dimensions, rng)
    with threadpool_limits(options.threads):
        searches = peers(vectors, options.k, options.threads)
        for name, size in (("single", 1), ("batch", options.batch)):
            for share in options.passing if options.only in (None, name) else ():
                allowed = None if share == 1.0 else rng.random(len(vectors)) < share
                asked = [queries(vectors, size, rng) for _ in range(options.rounds)]
                print(f"\n{name}: {size} queries, filter passes {share:.0%}")
                compare(searches, asked, allowed, vectors, options.k)


def made(kind: str, n: int, d: int, rng: np.random.Generator) -> Floats:
    """Vectors (n, d) to search."""
    if kind not in ("embedding", "gaussian"):
        return np.ascontiguousarray(np.load(Path(kind)), np.float32)
    vectors = rng.standard_normal((n, d), np.float32)
    if kind == "embedding":
        vectors *= np.arange(1, d + 1, dtype=np.float32) ** np.float32(-0.5)
        vectors *= np.exp(np.float32(0.5) * rng.standard_normal((n, 1), np.float32))
    return vectors


def queries(vectors: Floats, size: int, rng: np.random.Generator) -> Floats:
    return vectors[rng.integers(0, len(vectors), (size, 10))].mean(axis=1)


def peers(vectors: Floats, k: int, threads: int) -> dict[str, Search]:
    """By name, what answers the same question; ours first."""
    begun = time.process_time()
    found: dict[str, Search] = {}
    if installed():
        found["ours"] = _ours(vectors, k, threads, compiled=True)
        print(f"ours: built and compiled in {time.process_time() - begun:.1f} CPU s")
    else:
        print("ours: skipped, the extra `retrieval` is not installed")
    found["ours, plain"] = _ours(vectors, k, threads, compiled=False)
    try:
        found["faiss"] = _faiss(vectors, k, threads)
    except ImportError:
        print("faiss: skipped, not installed (pip install --target peers --no-deps faiss-cpu)")
    found["NumPy"] = lambda asked, allowed: _numpy(vectors, k, asked, allowed)
    print(f"{len(vectors):,} × {vectors.shape[1]}, best {k}, {threads} threads")
    return found


def _ours(vectors: Floats, k: int, threads: int, *, compiled: bool) -> Search:
    index = InnerProductIndex(vectors, threads=threads, compiled=compiled)
    return lambda asked, allowed: [found.places for found in index.search(asked, k, allowed)]


def _faiss(vectors: Floats, k: int, threads: int) -> Search:
    import faiss

    faiss.omp_set_num_threads(threads)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    def search(asked: Floats, allowed: Bools | None) -> list[Ints]:
        if allowed is None:
            return list(index.search(asked, k)[1])
        selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        return list(index.search(asked, k, params=faiss.SearchParameters(sel=selector))[1])

    return search


def _numpy(vectors: Floats, k: int, asked: Floats, allowed: Bools | None) -> list[Ints]:
    scores = asked @ vectors.T
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    best = []
    for row in scores:
        near = np.argpartition(row, len(row) - k)[len(row) - k :]
        best.append(near[np.argsort(-row[near])])
    return best


def compare(searches: dict[str, Search], asked: list[Floats], allowed: Bools | None, vectors: Floats, k: int) -> None:
    """Print medians and ratios of one question, after a round that is not counted."""
    wall: dict[str, list[float]] = {name: [] for name in searches}
    cpu: dict[str, list[float]] = {name: [] for name in searches}
    lists = {name: search(asked[0], allowed) for name, search in searches.items()}
    for some in asked:
        for name, search in searches.items():
            begun, busy = time.perf_counter(), time.process_time()
            search(some, allowed)
            wall[name].append((time.perf_counter() - begun) * 1000 / len(some))
            cpu[name].append((time.process_time() - busy) * 1000 / len(some))
    for name in searches:
        said = f"{name:12s} ms a query {statistics.median(wall[name]):8.3f} (least {min(wall[name]):8.3f})"
        said += f"   CPU ms {statistics.median(cpu[name]):8.3f}"
        if "faiss" in searches and name != "faiss":
            said += f"   / faiss {_ratio(wall[name], wall['faiss']):.3f}, CPU {_ratio(cpu[name], cpu['faiss']):.3f}"
        print(said)
    agree(lists, asked[0], allowed, vectors, k)


def _ratio(these: list[float], those: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(these, those, strict=True))


def agree(lists: dict[str, list[Ints]], asked: Floats, allowed: Bools | None, vectors: Floats, k: int) -> None:
    """Ours must be brute force in float64 for the first query, and the peers' lists the same up to float32 rounding."""
    everything = np.arange(len(vectors)) if allowed is None else np.flatnonzero(allowed)
    scores = exact_scores(vectors, asked[0], everything)
    truth = everything[np.lexsort((everything, -scores))][:k]
    ours, *others = lists
    assert np.array_equal(lists[ours][0], truth), "ours is not exact"
    for name in others:
        same = 0
        for query, mine, theirs in zip(asked, lists[ours], lists[name], strict=True):
            same += np.array_equal(mine, theirs)
            near = np.abs(exact_scores(vectors, query, mine) - exact_scores(vectors, query, np.asarray(theirs)))
            room = 1e-5 * np.linalg.norm(query) * np.linalg.norm(vectors[mine], axis=1)
            assert (near <= room).all(), f"{name} gives another list"
        print(f"  {name}: {same} of {len(asked)} lists identical, the rest within float32 rounding")


if __name__ == "__main__":
    main()
