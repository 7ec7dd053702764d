"""Vectors and classes of words by the company they keep, learned from texts without labels.

words beside a word → positive pointwise mutual information → truncated singular value decomposition → spherical
k-means, coarse and fine. So *recipes* tells a judge something of *brochures*. Levy, Goldberg and Dagan, "Improving
Distributional Similarity with Lessons Learned from Word Embeddings", TACL 3, 2015: contexts are smoothed by 0.75.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from scipy.sparse.linalg import svds

from mining.extraction.judge_features import Classes
from mining.extraction.judge_network import Vectors

WORDS, CONTEXTS, RARE = 9_000, 3_000, 5  # words that get a class, words beside them, and how often a word must occur
COARSE, FINE = 50, 300
DIMENSIONS, ROUNDS = 40, 12
LENGTH = 2  # of a vector: a network sees it beside ones
BESIDE = (-2, -1, 1, 2)  # places that count each for itself; those up to FAR count together, for half
FAR = 5
LONGEST = 3_000  # characters of one text

_TOKEN = re.compile(r"[a-z][a-z'\-]*|\d[\d.,/]*|[^\w\s]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")


def word_vectors(texts: Iterable[str]) -> Vectors:
    """A vector of length ``LENGTH`` for every word that is not rare. Sentences that repeat count once."""
    sentences = list(dict.fromkeys(s for text in texts for s in _SENTENCE.split(text[:LONGEST].lower())))
    tokens = [["0" if word[0].isdigit() else word for word in _TOKEN.findall(sentence)] for sentence in sentences]
    counts = Counter(word for sentence in tokens for word in sentence)
    common = sorted(counts, key=lambda word: (-counts[word], word))
    words = [word for word in common[:WORDS] if counts[word] >= RARE and word[0].isalpha()]
    return Vectors.of(words, LENGTH * _embedded(_beside(tokens, words, common[:CONTEXTS])))


def word_classes(vectors: Vectors, seed: int = 0) -> Classes:
    """Word → (coarse, fine) class of every word that has a vector."""
    places, draw = vectors.table[:-1], np.random.default_rng(seed)
    coarse, fine = (_clustered(places, min(number, len(places)), draw) for number in (COARSE, FINE))
    return {word: (int(coarse[row]), int(fine[row])) for word, row in vectors.rows.items()}


def _beside(tokens: Sequence[Sequence[str]], words: Sequence[str], contexts: Sequence[str]) -> Any:
    """``[words, 5 * contexts]``: how often each context stands at each place beside each word."""
    row, column = ({word: at for at, word in enumerate(listed)} for listed in (words, contexts))
    gap = [""] * FAR
    flat = [word for sentence in tokens for word in [*sentence, *gap]]
    rows = np.array([row.get(word, -1) for word in flat])
    columns = np.array([column.get(word, -1) for word in flat])
    shape = len(words), len(contexts)
    near = [_counted(rows, columns, place, shape) for place in BESIDE]
    far = sum(_counted(rows, columns, sign * n, shape) for n in range(3, FAR + 1) for sign in (-1, 1))
    return hstack([*near, 0.5 * far]).tocsr()


def _counted(rows: Any, columns: Any, place: int, shape: tuple[int, int]) -> Any:
    """Pairs of a word and the context ``place`` tokens behind it (before it, where negative)."""
    ahead = np.roll(columns, -place)
    both = (rows >= 0) & (ahead >= 0)
    return csr_matrix((np.ones(int(both.sum())), (rows[both], ahead[both])), shape=shape)


def _embedded(counts: Any) -> Any:
    """``[words, DIMENSIONS]``, of length 1."""
    total, pairs = counts.sum(), counts.tocoo()
    of_word, of_context = np.asarray(counts.sum(1)).ravel(), np.asarray(counts.sum(0)).ravel()
    expected = of_word[pairs.row] * of_context[pairs.col] ** 0.75 * total**0.25
    information = np.maximum(np.log(pairs.data * total / expected), 0)
    table = csr_matrix((information, (pairs.row, pairs.col)), shape=counts.shape)
    size = min(DIMENSIONS, min(table.shape) - 1)
    left, strength, _ = svds(table, k=size, v0=np.ones(min(table.shape)))
    places = left * np.sqrt(strength)
    return places / (np.linalg.norm(places, axis=1, keepdims=True) + 1e-9)


def _clustered(places: Any, number: int, draw: np.random.Generator) -> Any:
    centres = places[draw.choice(len(places), number, replace=False)]
    for _ in range(ROUNDS):
        nearest = (places @ centres.T).argmax(1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, places)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.maximum(length, 1e-9), centres)
    return (places @ centres.T).argmax(1)
