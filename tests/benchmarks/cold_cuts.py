"""Cuts in which some items have no event, and the relations of Beauty by where they come from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from protocols import beauty

from kg.types import Product
from recommender.dataset import Dataset, Edges
from recommender.histories import Ids
from recommender.splits import Cut

HIDDEN = 0.1
FROM_TEXT = " (text)"
SOURCES = ("all", "crawled", "catalogue", "texts", "own")


def cuts(folder: Path) -> tuple[Cut, Cut]:
    """What chooses and what is asked of Beauty, leave-one-out, each with another tenth of the items hidden."""
    task = beauty(folder, "loo", entities=True)
    told = texts_tell(folder / "items.parquet", task.asks.train.items)
    chooses, asks = (Cut(_joined(cut.train, *told), cut.cases) for cut in (task.chooses, task.asks))
    return hiding(chooses, HIDDEN, seed=1), hiding(asks, HIDDEN, seed=0)


def hiding(cut: Cut, share: float, seed: int) -> Cut:
    """The cut without any event on some items, neither learned from nor in a history; they stay targets."""
    n_items = len(cut.train.items)
    hidden = np.random.default_rng(seed).permutation(n_items)[: round(share * n_items)]
    known = ~np.isin(np.arange(n_items), hidden)
    train, cases = cut.train.histories, cut.cases
    kept = cases.histories.keep(known[cases.histories.items])
    return Cut(cut.train.with_histories(train.keep(known[train.items])), replace(cases, histories=kept))


def thinned(cut: Cut, warm: int | None) -> Cut:
    """The cut with at most so many users whose target training knows, spread evenly; the others are asked all."""
    if warm is None:
        return cut
    known = np.isin(cut.cases.targets, cut.train.histories.items)
    rows = np.unique(cut.cases.owners[known])
    few = rows[np.linspace(0, len(rows) - 1, min(warm, len(rows))).astype(np.int64)]
    kept = ~known | np.isin(cut.cases.owners, few)
    owners, place = np.unique(cut.cases.owners[kept], return_inverse=True)
    histories = cut.cases.histories.take(owners)
    return Cut(cut.train, replace(cut.cases, histories=histories, owners=place, targets=cut.cases.targets[kept]))


def of_source(data: Dataset, source: str) -> Dataset:
    """The dataset with the relations of one of ``SOURCES`` only."""
    wanted = {
        "all": [*data.links, *data.attributes],
        "crawled": [*data.links],
        "catalogue": [name for name in data.attributes if not name.endswith(FROM_TEXT)],
        "texts": [name for name in data.attributes if name.endswith(FROM_TEXT)],
        "own": [*data.attributes],
    }[source]
    links, attributes = (
        {name: edges for name, edges in group.items() if name in wanted} for group in (data.links, data.attributes)
    )
    return replace(data, links=links, attributes=attributes)


def texts_tell(path: Path, items: Ids) -> tuple[Ids, dict[str, Edges]]:
    """What rules extract from the titles of ``items.parquet``: the things named, and the edges to them by relation."""
    from mining.catalog import document_of
    from mining.extraction.rules import RuleExtractor  # spaCy

    rows = pq.read_table(path, columns=["item", "title", "categories"]).to_pylist()
    products = (
        Product(str(row["item"]), row["title"] or "", category=tuple((row["categories"] or "").split(" > ")))
        for row in rows
    )
    pairs: dict[str, set[tuple[str, str]]] = {}
    for row, extraction in zip(rows, RuleExtractor().extract(map(document_of, products)), strict=True):
        for fact in extraction.facts:
            pairs.setdefault(f"{fact.relation}{FROM_TEXT}", set()).add((str(row["item"]), fact.tail))
    entities = Ids.sorted(tail for told in pairs.values() for _, tail in told)
    edges = {
        name: Edges.of(
            np.array([items.places[head] for head, _ in sorted(told)], np.int64),
            np.array([entities.places[tail] for _, tail in sorted(told)], np.int64),
        )
        for name, told in sorted(pairs.items())
    }
    return entities, edges


def _joined(data: Dataset, entities: Ids, edges: Mapping[str, Edges]) -> Dataset:
    """The dataset with more entities, placed behind those it has."""
    moved = {name: replace(e, tails=e.tails + len(data.entities)) for name, e in edges.items()}
    names = Ids((*data.entities.names, *entities.names))
    return replace(data, entities=names, attributes={**data.attributes, **moved})
