"""From graph and event log to a Dataset: products become items, facts become typed edges.

Flow: entities → item and entity places; facts before ``until`` → edges; Things → the products they name; event table
before ``until`` → histories; the products' own documents → texts. The order of places is the order of ids, so the same
graph gives the same dataset.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg import ids
from kg.store import GraphReader
from kg.types import Entity, Fact, Timestamp
from recommender.dataset import UNDATED, Dataset, Edges
from recommender.histories import HistoryWeights, Ids
from recommender.naming import naming_of, resolve

NAMED = " by name"
"""After a relation's name: the tail is the product that the fact's Thing names."""
NOT_A_TASTE = frozenset({"SAME_AS", "CRITICISED_FOR"})
"""Relations that are no reason to recommend: the same product again, and a shared complaint."""

_log = logging.getLogger("shopgraph.recommender.reading")
_Pairs = dict[tuple[str, str], tuple[float, int]]  # (head, tail) -> (confidence, newest evidence)


class EventSource(Protocol):
    """An event log, as far as training needs one."""

    def table(self, until: Timestamp | None = None) -> pa.Table:
        """Columns event_id, user, session, product, action, at, value, ordered by (at, sequence)."""
        ...


def read_dataset(
    reader: GraphReader,
    events: EventSource | pa.Table,
    *,
    until: Timestamp | None = None,
    allow_undated: bool = False,
    relations: Collection[str] | None = None,
    excluded: Collection[str] = (),
    sessions: bool = True,
    weights: HistoryWeights | None = None,
) -> Dataset:
    """Everything known before ``until``: facts by the time of their evidence, events by their own.

    ``relations`` names the relations to read, all but ``NOT_A_TASTE`` where it is None. A table of events must be cut
    already; an event log is asked for the part before ``until``. ``excluded`` users (bots) teach nothing. Products
    without an entity, known from the log alone, become items without relations. Raises LeakageError for facts without
    a time unless ``allow_undated``; texts without one are then left out.
    """
    table = events if isinstance(events, pa.Table) else events.table(until=until)
    if excluded:
        robots = pc.is_in(table["user"], value_set=pa.array(sorted(excluded), pa.string()))
        table = table.filter(pc.invert(pc.fill_null(robots, False)))
    products = {e.id: e for e in reader.entities(type="Product")}
    items = Ids.sorted([*map(_shop_id, products), *table["product"].to_pylist()])
    unknown = len(items) - len(products)
    if unknown:
        _log.warning("%d products of the event log are not in the graph: they have no facts", unknown)
    found = _Found(items)
    for fact in reader.facts(until=until, allow_undated=True):
        if (fact.relation in relations) if relations is not None else (fact.relation not in NOT_A_TASTE):
            found.add(fact, until, allow_undated)
    _name_things(reader, products, found)
    texts = _texts(reader, items, until, allow_undated)
    entities, links, attributes = found.edges()
    return Dataset.build(
        table,
        items=items,
        entities=entities,
        links=links,
        attributes=attributes,
        until=until,
        allow_undated=allow_undated,
        sessions=sessions,
        weights=weights,
        texts=texts,
    )


def _texts(reader: GraphReader, items: Ids, until: Timestamp | None, allow_undated: bool) -> dict[str, str]:
    """What the shop says of each product. A text as it was written at or after ``until`` is not read, nor is one
    without a time unless ``allow_undated``; reviews are others' words."""
    texts, left = {}, 0
    for document in reader.documents():
        product = ids.product_id(document.about) if document.kind == "product" else None
        if product is None or product not in items:
            continue
        if until is None or (allow_undated if document.at is None else document.at < until):
            texts[product] = document.text
        else:
            left += 1
    if left:
        _log.info("%d product texts may be younger than until=%s and are not read", left, until)
    return texts


@dataclass(slots=True)
class _Found:
    """Facts that start at a product, by relation."""

    items: Ids
    links: defaultdict[str, _Pairs] = field(default_factory=lambda: defaultdict(dict))
    attributes: defaultdict[str, _Pairs] = field(default_factory=lambda: defaultdict(dict))

    def add(self, fact: Fact, until: Timestamp | None, allow_undated: bool) -> None:
        head = ids.product_id(fact.head)
        if head is None or head not in self.items:
            return
        if until is not None and not allow_undated:
            fact = fact.before(until) or fact  # a fact without any dated evidence is left for the dataset to refuse
        told = (fact.confidence, max((e.at for e in fact.evidence if e.at is not None), default=UNDATED))
        tail = ids.product_id(fact.tail)
        if tail is None:
            self.attributes[fact.relation][head, fact.tail] = told
        elif tail in self.items and tail != head:
            self.links[fact.relation][head, tail] = told

    def edges(self) -> tuple[Ids, dict[str, Edges], dict[str, Edges]]:
        entities = Ids.sorted(tail for pairs in self.attributes.values() for _, tail in pairs)
        links = {name: _edges(self.links[name], self.items, self.items) for name in sorted(self.links)}
        attributes = {name: _edges(self.attributes[name], self.items, entities) for name in sorted(self.attributes)}
        return entities, links, attributes


def _edges(pairs: _Pairs, heads: Ids, tails: Ids) -> Edges:
    ordered = sorted(pairs)
    return Edges.of(
        np.array([heads.places[head] for head, _ in ordered], np.int64),
        np.array([tails.places[tail] for _, tail in ordered], np.int64),
        np.array([pairs[pair][0] for pair in ordered], np.float32),
        np.array([pairs[pair][1] for pair in ordered], np.int64),
    )


def _name_things(reader: GraphReader, products: Mapping[str, Entity], found: _Found) -> None:
    """Adds a link ``<relation> by name`` from each product to the products that a Thing it is made for names."""
    to_things = {
        name: pairs for name, pairs in found.attributes.items() if any(tail.startswith("thing:") for _, tail in pairs)
    }
    if not to_things:
        return
    things = {entity.id: (entity.name, *entity.aliases) for entity in reader.entities(type="Thing")}
    meant = resolve(things, {name: naming_of(reader, product) for name, product in products.items()})
    made_for: defaultdict[str, set[str]] = defaultdict(set)
    for pairs in to_things.values():
        for head, tail in pairs:
            made_for[tail].add(head)
    for name, pairs in to_things.items():
        named = found.links[name + NAMED]
        for (head, tail), told in pairs.items():
            for product in map(_shop_id, meant.get(tail, ())):
                if product not in made_for[tail]:
                    named[head, product] = max(told, named.get((head, product), told))
        if not named:
            del found.links[name + NAMED]


def _shop_id(entity_id: str) -> str:
    return ids.product_id(entity_id) or entity_id
