"""Product texts as vectors, without a trained encoder: hashed words and n-grams, weighed by how rare they are.

Flow: text → words and the n-grams in them → hashed counts → tf-idf, rows of length 1. Hashed features: Weinberger et
al.: "Feature hashing for large scale multitask learning", ICML 2009. Words that are written without spaces need no
word list: Thai, kana and Han are read as n-grams of characters.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from recommender.arrays import Floats, Ints, Sparse, sparse

BUCKETS = 1 << 18
"""Features; those that share a bucket are one."""
NGRAMS = (3, 4, 5)
"""Lengths of the n-grams in a word and its two edges, in code points."""
UNSPACED_NGRAMS = (1, 2, 3)
"""The same where words are written without spaces."""
MOST = 4000
"""Code points of a text that are read."""
_BLOCK_CELLS = 1 << 23
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"([{_UNSPACED}]+)|[^\W_{_UNSPACED}]+")


def features(text: str) -> Iterator[str]:
    """Words and n-grams of the compatibility form without case; nothing where no letter or digit is."""
    for match in _RUNS.finditer(unicodedata.normalize("NFKC", text[:MOST]).casefold()):
        run = match[0]
        lengths = UNSPACED_NGRAMS if match[1] else NGRAMS
        if not match[1]:
            yield f"={run}"
            run = f" {run} "
        yield from (run[i : i + n] for n in lengths for i in range(len(run) - n + 1))


def tf_idf(texts: Sequence[str], most_shared: int) -> Sparse:
    """(n_texts, n_features) with rows of length 1, or of 0 where a text has no feature that joins it with another.

    Value (1 + log count) · log((n + 1) / texts that have it). Features of one text alone are left out, and those that
    more than ``most_shared`` texts have.
    """
    rows, columns, counts = _counts(texts)
    n = len(texts)
    spread = np.bincount(columns, minlength=BUCKETS)
    useful = np.flatnonzero((spread >= 2) & (spread <= most_shared))
    place = np.full(BUCKETS, -1, np.int64)
    place[useful] = np.arange(len(useful))
    kept = place[columns] >= 0
    rows, columns, counts = rows[kept], columns[kept], counts[kept]
    values = (1 + np.log(counts)) * np.log((n + 1) / spread[columns])
    return unit(sparse(rows, place[columns], values.astype(np.float32), (n, len(useful))))


def _counts(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Text, bucket and count of each feature."""
    found = [Counter(zlib.crc32(f.encode("utf-8", "surrogatepass")) % BUCKETS for f in features(t)) for t in texts]
    rows = np.repeat(np.arange(len(found), dtype=np.int64), [len(one) for one in found])
    columns = np.fromiter((bucket for one in found for bucket in one), np.int64, len(rows))
    return rows, columns, np.fromiter((count for one in found for count in one.values()), np.int64, len(rows))


def unit(matrix: Sparse) -> Sparse:
    """Rows of length 1; a row of 0 stays one."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1), np.float32)).ravel()
    inverse = np.asarray(1 / np.maximum(lengths, 1e-12), np.float32)
    scaled: Sparse = (matrix * inverse[:, None]).tocsr()
    return scaled


def nearest(vectors: Sparse, dense: Floats | None, count: int) -> Sparse:
    """T (n, n) with T_ij = v_i · v_j + d_i · d_j where i is among the ``count`` nearest to j and it is above 0.

    T_jj = 0. Of equals the first counts. Time n² · the features of a row; memory a block of rows by n.
    """
    n = vectors.shape[0]
    turned = vectors.T.tocsc()
    size = max(1, _BLOCK_CELLS // max(1, n))
    found: list[tuple[Ints, Ints, Floats]] = []
    for start in range(0, n, size):
        near = (vectors[start : start + size] @ turned).toarray()
        if dense is not None:
            near += dense[start : start + size] @ dense.T
        near[np.arange(len(near)), np.arange(start, start + len(near))] = 0
        found.append(_best(near, count, start))
    if not found:
        return sparse(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32), (n, n))
    others, places, values = (np.concatenate(part) for part in zip(*found, strict=True))
    return sparse(others, places, values, (n, n))


def _best(near: Floats, count: int, start: int) -> tuple[Ints, Ints, Floats]:
    """The largest ``count`` of each row above 0: their columns, their rows counted from ``start``, their values."""
    least = np.zeros(len(near), np.float32)
    if count < near.shape[1]:
        least = np.maximum(np.partition(near, -count, axis=1)[:, -count], 0)
    rows, columns = np.nonzero((near >= least[:, None]) & (near > 0))
    values = near[rows, columns]
    order = np.lexsort((columns, -values, rows))
    first = np.searchsorted(rows[order], rows[order], side="left")
    kept = order[np.arange(len(order)) - first < count]
    return columns[kept], rows[kept] + start, values[kept]
