"""Exact maximum inner product search among many vectors, filtered: the best k of the allowed for each query.

Score of a vector x for a query q: Σ_j q_j x_j in float64, added in the order of j. The product of two float32 is exact
in float64, so the sum has the same bits on every machine, and the answer depends neither on threads nor on the other
queries nor on how candidates were found. Of equals the lower place goes first: the answer for k heads that for k + 1.

Two scans find candidates, and both are exact: whatever may be among the best k by a proven bound is scored again. The
compiled one (scanning.py; extra ``retrieval``) reads 8 bits a number, the plain one is BLAS in float32.
"""

from typing import NamedTuple

import numpy as np

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.errors import ScoreError
from recommender.quantised import lengths
from recommender.retrieval import under_kth
from recommender.scanning import Scanner, installed

_ABREAST = 16  # queries of the plain scan at once
_CHUNK = 1 << 16  # candidates that are scored again at once
_SPARSE = 8  # the plain scan gathers the allowed rows where fewer than one in so many passes


class Found(NamedTuple):
    """The best of one query, best first: places (≤ k,) and their scores (≤ k,)."""

    places: Ints
    scores: Doubles


class InnerProductIndex:
    """Searches vectors (n, d), which are kept and not copied. Safe to use from several threads.

    ``compiled`` None takes the compiled scan where its extra is installed; it holds d + 16 bytes a vector beside them.
    ``threads`` are those of the compiled scan; BLAS has its own. Raises ScoreError for vectors that are not finite,
    ConfigurationError where ``compiled`` is True and the extra is missing.
    """

    def __init__(self, vectors: Floats, *, threads: int = 1, compiled: bool | None = None) -> None:
        if vectors.ndim != 2 or vectors.shape[1] == 0 or vectors.dtype != np.float32:
            raise ScoreError(
                f"vectors are {vectors.dtype} of the shape {vectors.shape}, expected float32 (n, d), d > 0"
            )
        _refuse_non_finite(vectors, "vectors")
        self.vectors = vectors
        self._longest = float(lengths(vectors).max(initial=0.0))
        self._scanner = Scanner(vectors, threads) if (installed() if compiled is None else compiled) else None

    def search(self, queries: Floats, k: int, allowed: Bools | None = None) -> list[Found]:
        """For each row of ``queries`` (m, d) the best k of the places that ``allowed`` (n,) passes.

        Raises ScoreError for queries that are not finite or of another width, and for a mask of another length.
        """
        n, d = self.vectors.shape
        if queries.ndim != 2 or queries.shape[1] != d or queries.dtype != np.float32:
            raise ScoreError(f"queries are {queries.dtype} of the shape {queries.shape}, expected float32 (m, {d})")
        if allowed is not None and (allowed.shape != (n,) or allowed.dtype != np.bool_):
            raise ScoreError(f"the mask is {allowed.dtype} of the shape {allowed.shape}, expected bool {(n,)}")
        _refuse_non_finite(queries, "queries")
        k = min(k, n if allowed is None else int(np.count_nonzero(allowed)))
        if k < 1 or len(queries) == 0:
            return [Found(np.zeros(0, np.int64), np.zeros(0)) for _ in queries]
        candidates: list[Ints | None] = [None] * len(queries)
        if self._scanner:
            candidates = self._scanner.candidates(queries, k, allowed)
        missing = [row for row, some in enumerate(candidates) if some is None]
        for start in range(0, len(missing), _ABREAST):
            rows = missing[start : start + _ABREAST]
            for row, some in zip(rows, self._plain(queries[rows], k, allowed), strict=True):
                candidates[row] = some
        return [self._best(query, k, some) for query, some in zip(queries, candidates, strict=True) if some is not None]

    def _best(self, query: Floats, k: int, places: Ints) -> Found:
        places = np.sort(places)
        scores = exact_scores(self.vectors, query, places)
        order = np.lexsort((places, -scores))[:k]
        return Found(places[order], scores[order])

    def _plain(self, queries: Floats, k: int, allowed: Bools | None) -> list[Ints]:
        """Candidates by float32 products p, of which |p − q·x| ≤ γ‖q‖‖x‖ with γ = du / (1 − du), u = 2⁻²⁴.

        Higham, "Accuracy and stability of numerical algorithms", 2nd ed., 2002, section 3.1; true of any order of
        addition, and of any d below 2²³. Twice as much is allowed for, and what may underflow.
        """
        n, d = self.vectors.shape
        everything = np.arange(n) if allowed is None else np.flatnonzero(allowed)
        bounds = lengths(queries) * self._longest
        slacks = d * (2.0**-22 * bounds + 2.0**-140)
        if bounds.max() > 2.0**120:  # a product may overflow: score them all again
            return [everything for _ in queries]
        sparse = len(everything) * _SPARSE < n
        products = queries @ (self.vectors[everything] if sparse else self.vectors).T
        if not sparse and allowed is not None:
            products[:, ~allowed] = -np.inf
        near = [
            np.flatnonzero(row >= np.nextafter(np.float32(float(under_kth(row, k)) - slack), np.float32(-np.inf)))
            for row, slack in zip(products, slacks, strict=True)
        ]
        return [everything[some] for some in near] if sparse else near


def exact_scores(vectors: Floats, query: Floats, places: Ints) -> Doubles:
    """Σ_j q_j x_j in float64 in the order of j, for the vectors at ``places``, (len(places),)."""
    scores = np.empty(len(places))
    for start in range(0, len(places), _CHUNK):
        part = slice(start, start + _CHUNK)
        products = vectors[places[part]].astype(np.float64) * query.astype(np.float64)
        scores[part] = np.add.accumulate(products, axis=1)[:, -1]
    return scores


def _refuse_non_finite(array: Floats, what: str) -> None:
    bad = int(array.size - np.isfinite(array).sum())
    if bad:
        raise ScoreError(f"{bad} numbers of the {what} are NaN or infinite; an inner product needs finite ones")
