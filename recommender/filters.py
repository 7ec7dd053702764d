"""What may be shown: conditions on products, answered exactly from the graph, each one by its name.

Flow: the products of one graph version as arrays (``Shelf``) → one mask a condition → what every condition lets pass.
The masks are known before anything is ranked, so that a filter never costs places: n asked is n answered.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kg import ids
from kg.store import GraphReader
from kg.types import Entity
from recommender.arrays import Bools, Doubles, Ints
from recommender.errors import FilterError
from recommender.histories import Ids

FEW = 12
"""Names that an error tells at most."""


class Shelf:
    """What the graph says about a model's products, read once for one version of the graph.

    ``prices`` (n_items,) are NaN where the graph has no price, or none that is a number; ``available`` (n_items,) is
    False only where the catalogue says so. Safe to use from several threads.
    """

    def __init__(
        self, reader: GraphReader, items: Ids, version: int | None = None, products: Iterable[Entity] | None = None
    ) -> None:
        """``products`` are those of the graph where someone has read them already, at ``version``."""
        self.version = reader.version if version is None else version  # before the reading: it is at least as new
        self.reader = reader
        self.items = items
        self.prices: Doubles = np.full(len(items), np.nan)
        self.available: Bools = np.ones(len(items), bool)
        self._tails: dict[tuple[str, int], str | None] = {}
        self._heads: dict[tuple[str, str], Ints] = {}
        self._kept: dict[Filters, Bools] = {}
        for entity in reader.entities(type="Product") if products is None else products:
            self._note(entity)

    def _note(self, product: Entity) -> None:
        place = self.items.get(ids.product_id(product.id))
        if place >= 0:
            price = product.properties.get("price")
            told = isinstance(price, int | float) and not isinstance(price, bool)
            self.prices[place] = price if told else np.nan
            self.available[place] = product.properties.get("available") is not False

    def after(self, product: Entity, items: Ids, version: int) -> "Shelf":
        """The shelf at a later version of the graph, by which nothing but this product has changed; ``items`` are those
        here, in any order, and perhaps this one."""
        shelf = Shelf(self.reader, items, version, ())
        places = np.array([self.items.get(name) for name in items.names], np.int64)
        held = places >= 0
        shelf.prices[held], shelf.available[held] = self.prices[places[held]], self.available[places[held]]
        shelf._note(product)
        return shelf

    @cached_property
    def values(self) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
        """The entity ids behind each value of each attribute, both as normal forms: a value is scoped by category, so
        that ``color: black`` has one entity a category. A value goes by its surface, its other names and its normal
        form."""
        found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for entity in self.reader.entities(type="Value"):
            attribute = ids.normal_form(str(entity.properties.get("attribute", "")))
            surfaces = (entity.name, *entity.aliases, str(entity.properties.get("value", entity.name)))
            for name in {ids.normal_form(surface) for surface in surfaces}:
                found[attribute][name].append(entity.id)
        return {attribute: {v: tuple(i) for v, i in values.items()} for attribute, values in found.items()}

    def tail(self, relation: str, item: int) -> str | None:
        """What this relation leads to from the item at a place, the first where there are several; None for nothing."""
        key = (relation, item)
        if key not in self._tails:
            facts = self.reader.facts(head=ids.product(self.items[item]), relation=relation)
            self._tails[key] = next((fact.tail for fact in facts), None)
        return self._tails[key]

    def kept(self, filters: "Filters") -> Bools:
        """``filters.allowed``, remembered: for filters that every request has, not to be changed by whoever asks."""
        if filters not in self._kept:
            self._kept[filters] = filters.allowed(self)
        return self._kept[filters]

    def marked(self, names: Collection[str]) -> Bools:
        """The places of these product ids, (n_items,); ids that the model does not know mark nothing."""
        marked = np.zeros(len(self.items), bool)
        marked[[place for place in map(self.items.get, names) if place >= 0]] = True
        return marked

    def stating(self, relation: str, tails: Collection[str]) -> Bools:
        """The products that head a fact of this relation with one of these tails, (n_items,)."""
        marked = np.zeros(len(self.items), bool)
        for tail in tails:
            marked[self._stating(relation, tail)] = True
        return marked

    def _stating(self, relation: str, tail: str) -> Ints:
        """The places of the products that head such a fact, remembered: the same pages are asked for again."""
        key = (relation, tail)
        if key not in self._heads:
            heads = (ids.product_id(fact.head) for fact in self.reader.facts(relation=relation, tail=tail))
            places = [place for place in map(self.items.get, heads) if place >= 0]
            self._heads[key] = np.array(places, np.int64)
        return self._heads[key]


@dataclass(frozen=True, slots=True)
class Filters:
    """All conditions must hold; one that is None or empty says nothing.

    ``category`` and ``brand`` are entity ids (``category:coffee > grinders``); a category holds its subcategories.
    ``attributes`` are (name, value) pairs, compared by their normal form: a product must state one of the values asked
    for each attribute. Prices are in the shop's currency, both ends included; a product whose price is absent or no
    number passes no price condition. ``only`` and ``exclude`` are product ids. ``available`` leaves out what the
    catalogue says cannot be had. Raises FilterError for a price range that nothing can lie in.
    """

    category: str | None = None
    brand: str | None = None
    min_price: float | None = None
    max_price: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()
    only: Collection[str] | None = None
    exclude: Collection[str] = ()
    available: bool = True

    def __post_init__(self) -> None:
        for name in ("min_price", "max_price"):
            bound = getattr(self, name)
            if bound is not None and math.isnan(bound):
                raise FilterError(f"{name} is {bound}; expected a number")
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise FilterError(f"min_price {self.min_price} lies above max_price {self.max_price}: no price is both")

    def masks(self, shelf: Shelf) -> Iterator[tuple[str, Bools]]:
        """Each condition that says something, by its name, and which items pass it, (n_items,).

        Raises FilterError for an attribute that no product has.
        """
        if self.only is not None:
            yield "only", shelf.marked(self.only)
        if self.exclude:
            yield "exclude", ~shelf.marked(self.exclude)
        if self.category is not None:
            yield "category", shelf.stating("IN_CATEGORY", _with_all_below(shelf.reader, self.category))
        if self.brand is not None:
            yield "brand", shelf.stating("MADE_BY", [self.brand])
        for attribute in dict.fromkeys(ids.normal_form(name) for name, _ in self.attributes):
            yield f"attribute {attribute}", shelf.stating("HAS_ATTRIBUTE", self._values(shelf, attribute))
        if self.min_price is not None:
            yield "min_price", shelf.prices >= self.min_price  # NaN is on neither side of anything
        if self.max_price is not None:
            yield "max_price", shelf.prices <= self.max_price
        if self.available:
            yield "available", shelf.available

    def allowed(self, shelf: Shelf) -> Bools:
        """Which items pass every condition, (n_items,)."""
        allowed = np.ones(len(shelf.items), bool)
        for _, passes in self.masks(shelf):
            allowed &= passes
        return allowed

    def _values(self, shelf: Shelf, attribute: str) -> list[str]:
        known = shelf.values.get(attribute)
        if known is None:
            names = sorted(shelf.values)
            more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
            raise FilterError(f"no product has an attribute {attribute!r}; there are {', '.join(names[:FEW])}{more}")
        wanted = {ids.normal_form(value) for name, value in self.attributes if ids.normal_form(name) == attribute}
        return sorted({entity for value in wanted for entity in known.get(value, ())})


def _with_all_below(reader: GraphReader, category: str) -> list[str]:
    """A category and everything below it; a tree that runs in circles ends."""
    waiting, seen = [category], {category}
    while waiting:
        below = {fact.head for fact in reader.facts(relation="SUBCATEGORY_OF", tail=waiting.pop())} - seen
        seen |= below
        waiting += below
    return sorted(seen)
