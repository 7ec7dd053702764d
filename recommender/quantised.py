"""Vectors in 8 bits whose inner products come with a proven bound.

A row x is kept as x = s·c + r with c in {−127 … 127}^d and s = max|x_j| / 127; a query as q = t·g + w with integers
|g_j| ≤ G. Then, by Cauchy–Schwarz,

    |q·x − s·t·(g·c)| ≤ ‖q‖·‖r‖ + ‖w‖·‖s·c‖ ≤ ‖q‖·margin,
    margin = ‖r‖ + (√d/2G + rounding)·(‖x‖ + ‖r‖).

‖r‖ is measured, not assumed, so the bound holds for any finite x; g·c is exact in 32 bits because 127·d·G < 2³¹. What
a double rounds away in the products and sums is in the margin too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.arrays import Doubles, Floats

BLOCK = 512
"""Rows that are read for every query of a batch while they lie in the first cache."""
_CODE = 127
_CHUNK = 1 << 15  # rows that are coded at once
_GREW = 1.0 + 2.0**-40  # more than any norm below is rounded down by


@dataclass(frozen=True, slots=True)
class Codes:
    """n rows of d numbers by falling norm.

    Shapes: ``codes`` c (n, d); ``scales`` s and ``margins`` (n,); ``places`` (n,) where each row stood before,
    ``rows`` (n,) the way back; ``reach`` (blocks,) a bound on |q·x| / ‖q‖ for every row from that block on.
    """

    codes: NDArray[np.int8]
    scales: Floats
    margins: Floats
    places: NDArray[np.int32]
    rows: NDArray[np.int32]
    reach: Doubles

    @classmethod
    def of(cls, vectors: Floats) -> "Codes":
        """``vectors`` (n, d), finite."""
        n, d = vectors.shape
        norms = lengths(vectors)
        places = np.argsort(-norms, kind="stable").astype(np.int32)
        codes, scales, margins = np.empty((n, d), np.int8), np.empty(n, np.float32), np.empty(n, np.float32)
        for start in range(0, n, _CHUNK):
            part = slice(start, start + _CHUNK)
            rows = vectors[places[part]].astype(np.float64)
            scales[part] = np.abs(rows).max(axis=1, initial=0.0) / _CODE
            scale = scales[part].astype(np.float64)[:, None]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                coded = np.where(scale > 0, np.clip(np.rint(rows / scale), -_CODE, _CODE), 0.0)
            codes[part] = coded
            left = np.linalg.norm(rows - scale * coded, axis=1)
            margin = (left + (np.sqrt(d) / (2 * _levels(d)) + _rounding(d)) * (norms[places[part]] + left)) * _GREW
            margins[part] = np.nextafter(margin.astype(np.float32), np.float32(np.inf))
        reach = norms[places[::BLOCK]] * (1 + _rounding(d)) * _GREW
        back = np.empty(n, np.int32)
        back[places] = np.arange(n, dtype=np.int32)
        return cls(codes, scales, margins, places, back, reach)

    def query(self, queries: Floats) -> tuple[NDArray[np.int16], Doubles, Doubles]:
        """g (m, d), t (m,) and ‖q‖ (m,), the last no smaller than it is."""
        levels = _levels(self.codes.shape[1])
        wide = queries.astype(np.float64)
        steps = np.abs(wide).max(axis=1, initial=0.0) / levels
        safe = np.where(steps > 0, steps, 1.0)
        whole = np.clip(np.rint(wide / safe[:, None]), -levels, levels).astype(np.int16)
        return whole, steps, lengths(queries) * _GREW


def lengths(vectors: Floats) -> Doubles:
    """The norm of each row, (n,)."""
    norms = np.empty(len(vectors))
    for start in range(0, len(vectors), _CHUNK):
        part = slice(start, start + _CHUNK)
        norms[part] = np.linalg.norm(vectors[part].astype(np.float64), axis=1)
    return norms


def _levels(d: int) -> int:
    """G: the largest integers of a query that leave g·c in 32 bits."""
    return min(32767, (2**31 - 1) // (_CODE * max(d, 1)))


def _rounding(d: int) -> float:
    """What d additions of doubles and the few operations around a bound may lose, relative to ‖q‖·‖x‖."""
    return (d + 16) * 2.0**-52
