"""Titles that read alike: the cosine of their words, there or not, each weighed by how rare it is.

Words are those of search (``kg.search``), so that Chinese titles are read by characters and pairs of them.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from kg.search import tokens
from recommender.arrays import Doubles, Ints

ALIKE = "reads like"
"""What links a newcomer with the products whose titles read like its own: no fact, so that it moves scores and is no
reason."""


class Titles:
    """The titles of some products, ready to be asked which of them are like another one. Never changes."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        """``titles`` by product."""
        self._keys = tuple(titles)
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, title in enumerate(titles.values()):
            for word in tokens(title):
                places[word].append(place)
        self._places: dict[str, Ints] = {word: np.array(held, np.int64) for word, held in places.items()}
        squares = np.zeros(len(self._keys))
        for word, held in self._places.items():
            squares[held] += self._weight(word) ** 2
        self._lengths: Doubles = np.sqrt(squares)

    def alike(self, title: str, *, least: float, most: int) -> dict[str, float]:
        """The ``most`` products whose titles are nearest, with the cosine, as far as it is at least ``least`` above 0;
        of equals the first."""
        found = np.zeros(len(self._keys))
        square = 0.0
        for word in tokens(title):
            weight = self._weight(word)
            square += weight**2
            if word in self._places:
                found[self._places[word]] += weight**2
        near = np.flatnonzero(found)
        found[near] /= self._lengths[near] * np.sqrt(square)
        near = near[found[near] >= least]
        best = near[np.lexsort((near, -found[near]))][:most]
        return {self._keys[place]: float(found[place]) for place in best.tolist()}

    def _weight(self, word: str) -> float:
        """log((n + 1) / titles that have it); a word that none has weighs as if one had it."""
        held = self._places.get(word)
        return float(np.log((len(self._keys) + 1) / (1 if held is None else len(held))))
