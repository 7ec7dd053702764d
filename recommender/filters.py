"""What may be shown: conditions on products, answered from the graph."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from kg import ids
from kg.store import GraphReader
from kg.types import Entity
from recommender.arrays import Bools
from recommender.histories import Ids


@dataclass(frozen=True, slots=True)
class Filters:
    """All conditions must hold; one that is None or empty says nothing.

    ``category`` and ``brand`` are entity ids (``category:coffee > grinders``); a category holds its subcategories.
    Prices are in the shop's currency; a product without a price passes no price condition. ``only`` and ``exclude``
    are product ids. ``available`` leaves out what the catalogue says cannot be had.
    """

    category: str | None = None
    brand: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    only: Collection[str] | None = None
    exclude: Collection[str] = ()
    available: bool = True

    def allowed(self, reader: GraphReader, items: Ids) -> Bools:
        """Which items pass, (n_items,)."""
        allowed = np.ones(len(items), bool)
        if self.only is not None:
            allowed &= _marked(items, self.only)
        if self.exclude:
            allowed &= ~_marked(items, self.exclude)
        if self.category is not None:
            allowed &= _marked(items, _inside(reader, self.category))
        if self.brand is not None:
            allowed &= _marked(items, _heads(reader, "MADE_BY", self.brand))
        if self.available or self.min_price is not None or self.max_price is not None:
            refused = [e.id.removeprefix("product:") for e in reader.entities(type="Product") if not self._passes(e)]
            allowed &= ~_marked(items, refused)
        return allowed

    def _passes(self, product: Entity) -> bool:
        if self.available and product.properties.get("available") is False:
            return False
        if self.min_price is None and self.max_price is None:
            return True
        price = product.properties.get("price")
        if not isinstance(price, int | float):
            return False
        return (self.min_price is None or price >= self.min_price) and (
            self.max_price is None or price <= self.max_price
        )


def _marked(items: Ids, names: Collection[str]) -> Bools:
    marked = np.zeros(len(items), bool)
    marked[[place for place in map(items.get, names) if place >= 0]] = True
    return marked


def _heads(reader: GraphReader, relation: str, tail: str) -> list[str]:
    heads = (ids.product_id(fact.head) for fact in reader.facts(relation=relation, tail=tail))
    return [head for head in heads if head is not None]


def _inside(reader: GraphReader, category: str) -> list[str]:
    """The products of a category and of everything below it."""
    found, waiting, seen = [], [category], {category}
    while waiting:
        here = waiting.pop()
        found += _heads(reader, "IN_CATEGORY", here)
        below = {fact.head for fact in reader.facts(relation="SUBCATEGORY_OF", tail=here)} - seen
        seen |= below
        waiting += sorted(below)
    return found
