"""Product texts as vectors, without a trained encoder: hashed n-grams, weighed by rarity, in few dimensions.

Flow: text → words and n-grams of characters → hashed counts → tf-idf, rows of length 1 → truncated SVD. Latent semantic
analysis (Deerwester et al., JASIS 1990) over hashed features (Weinberger et al., ICML 2009). Words written without
spaces need no word list: Han, kana and Thai are read as n-grams of characters.
"""

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from recommender.arrays import Floats, Ints, Sparse, sparse
from recommender.low_rank import right_vectors

BUCKETS = 1 << 18
"""Features: n-grams that share a bucket are one feature."""
NGRAMS = (3, 4, 5)
"""Lengths of the n-grams inside a word, in code points."""
UNSPACED_NGRAMS = (1, 2, 3)
"""The same where words are written without spaces."""
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_MOST = 4000  # code points of a text that are read: what comes later tells products apart no more


def features(text: str) -> Iterator[str]:
    """Words and the n-grams in them, of the compatibility form without case; nothing where no letter or digit is."""
    for match in _RUNS.finditer(unicodedata.normalize("NFKC", text[:_MOST]).casefold()):
        run = match[0]
        if _RUNS.pattern.startswith("[") and re.match(rf"[{_UNSPACED}]", run):
            yield from (run[i : i + n] for n in UNSPACED_NGRAMS for i in range(len(run) - n + 1))
            continue
        yield f"={run}"
        padded = f" {run} "
        yield from (padded[i : i + n] for n in NGRAMS for i in range(len(padded) - n + 1))


def tf_idf(texts: Sequence[str], counted: Ints | None = None) -> Sparse:
    """(n, n_features) with rows of length 1, or of 0 where a text has no feature. Features of one text alone are left
    out. tf = 1 + log count, idf = log(n / texts that have it)."""
    rows, columns, counts = _counts(texts)
    n = len(texts)
    spread = np.bincount(columns, minlength=BUCKETS)
    useful = np.flatnonzero(spread >= 2)
    place = np.full(BUCKETS, -1, np.int64)
    place[useful] = np.arange(len(useful))
    kept = place[columns] >= 0
    rows, columns, counts = rows[kept], columns[kept], counts[kept]
    values = (1 + np.log(counts)) * np.log((n + 1) / spread[columns])
    norms = np.sqrt(np.bincount(rows, weights=values**2, minlength=n))
    values = values / np.maximum(norms, 1e-12)[rows]
    return sparse(rows, place[columns], values.astype(np.float32), (n, len(useful)))


def _counts(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    rows, columns, counts = [], [], []
    for row, text in enumerate(texts):
        found = Counter(zlib.crc32(feature.encode("utf-8", "surrogatepass")) % BUCKETS for feature in features(text))
        rows.append(np.full(len(found), row, np.int64))
        columns.append(np.fromiter(found.keys(), np.int64, len(found)))
        counts.append(np.fromiter(found.values(), np.int64, len(found)))
    empty = np.zeros(0, np.int64)
    return tuple(np.concatenate(part) if part else empty for part in (rows, columns, counts))  # type: ignore[return-value]


def text_vectors(texts: Sequence[str], dimensions: int, *, seed: int = 0) -> Floats:
    """(n, d) with rows of length 1, or of 0 where a text says nothing; d is at most ``dimensions``."""
    matrix = tf_idf(texts)
    if matrix.nnz == 0:
        return np.zeros((len(texts), 0), np.float32)
    left, values = right_vectors(matrix.T.tocsr(), dimensions, power_iterations=1, seed=seed)
    return unit(left * values)


def unit(vectors: Floats) -> Floats:
    """Rows of length 1; what is 0 stays 0."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, np.float32(1e-12)), np.float32)
