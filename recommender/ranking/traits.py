"""What is known of each product apart from who took it: price, stars, what reviews praise and criticise, its title."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg import ids
from kg.types import Entity, Fact, Timestamp
from recommender.arrays import Doubles, Sparse, sparse
from recommender.histories import Ids

IDEOGRAPHS = 0x2E80
"""From this code point on, scripts are written without spaces between words."""


class FactSource(Protocol):
    """A graph, or one as it was at a moment."""

    def entities(self, *, type: str | None = None) -> Iterator[Entity]: ...

    def facts(
        self, *, relation: str | None = None, until: Timestamp | None = None, allow_undated: bool = False
    ) -> Iterator[Fact]: ...


@dataclass(frozen=True, slots=True)
class Traits:
    """Arrays (n_items,): ``prices`` and mean ``stars`` are NaN where there is none; ``rated`` counts the ratings,
    ``praised`` and ``criticised`` the reviews that say so of any aspect; ``titles`` are as they are written."""

    prices: Doubles
    stars: Doubles
    rated: Doubles
    praised: Doubles
    criticised: Doubles
    titles: tuple[str, ...]

    @classmethod
    def unknown(cls, n_items: int) -> "Traits":
        """For a log without a catalogue."""
        none, zero = np.full(n_items, np.nan), np.zeros(n_items)
        return cls(none, none, zero, zero, zero, ("",) * n_items)


def read_traits(reader: FactSource, events: pa.Table, items: Ids, *, until: Timestamp | None = None) -> Traits:
    """From a graph and a log that is cut already; reviews count with their evidence from before ``until``."""
    prices, titles = np.full(len(items), np.nan), [""] * len(items)
    for entity in reader.entities(type="Product"):
        place = items.get(ids.product_id(entity.id))
        if place >= 0:
            price = entity.properties.get("price")
            if isinstance(price, int | float) and not isinstance(price, bool) and np.isfinite(price) and price > 0:
                prices[place] = price
            titles[place] = entity.name
    stars, rated = _stars(events, items)
    praised, criticised = (
        _mentions(reader.facts(relation=name, until=until, allow_undated=True), items)
        for name in ("PRAISED_FOR", "CRITICISED_FOR")
    )
    return Traits(prices, stars, rated, praised, criticised, tuple(titles))


def _mentions(facts: Iterable[Fact], items: Ids) -> Doubles:
    found = np.zeros(len(items))
    for fact in facts:
        place = items.get(ids.product_id(fact.head))
        if place >= 0:
            found[place] += len(fact.evidence)
    return found


def _stars(events: pa.Table, items: Ids) -> tuple[Doubles, Doubles]:
    """The mean of the ratings that have a value, and how many there are."""
    if "value" not in events.column_names:
        return np.full(len(items), np.nan), np.zeros(len(items))
    given = events.filter(pc.and_(pc.equal(events["action"], "rating"), pc.is_valid(events["value"])))
    places = np.array([items.get(name) for name in given["product"].to_pylist()], np.int64)
    values = np.asarray(given["value"].to_pylist(), np.float64)
    known = (places >= 0) & np.isfinite(values)
    rated = np.bincount(places[known], minlength=len(items)).astype(np.float64)
    sums = np.bincount(places[known], weights=values[known], minlength=len(items))
    return np.where(rated > 0, sums / np.maximum(rated, 1), np.nan), rated


def words(titles: Sequence[str]) -> Sparse:
    """Titles as rows of unit length over words by tf · idf, (n_items, n_words): the product of two rows is a cosine.

    Words are runs of letters and digits, folded; where a script has no spaces, pairs of characters. What stands in one
    title alone, or in more than half of them, tells nothing about two.
    """
    counted = [Counter(_words(title)) for title in titles]
    titles_with = Counter(word for found in counted for word in found)
    kept = sorted(word for word, count in titles_with.items() if 2 <= count <= max(2, len(titles) // 2))
    places = {word: place for place, word in enumerate(kept)}
    cells = [(row, places[w], n) for row, found in enumerate(counted) for w, n in found.items() if w in places]
    rows, columns, counts = (np.array([cell[part] for cell in cells], np.int64) for part in range(3))
    rarity = np.log(len(titles) / np.maximum([titles_with[word] for word in kept], 1)) if kept else np.zeros(0)
    values = counts * rarity[columns]
    lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=len(titles)))
    unit = (values / np.maximum(lengths[rows], 1e-9)).astype(np.float32)
    return sparse(rows, columns, unit, (len(titles), max(1, len(kept))))


def _words(title: str) -> Iterator[str]:
    plain = "".join(character if character.isalnum() else " " for character in title.casefold())
    for run in plain.split():
        if any(ord(character) >= IDEOGRAPHS for character in run):
            yield from (run[at : at + 2] for at in range(max(1, len(run) - 1)))
        else:
            yield run
