"""Everything a model may learn from: histories and typed edges, as arrays with id maps, cut at one moment.

A dataset is built by ``reading.read_dataset`` (graph and event log) or by ``Dataset.build`` (tables). Both refuse what
lies at or after ``until``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import scipy.sparse as sp

from kg.types import Timestamp
from recommender.arrays import Floats, Ints, Sparse, scaled_rows, sparse
from recommender.errors import DatasetError, LeakageError
from recommender.histories import ACTION_CODES, DEFAULT_WEIGHTS, NO_IDS, Histories, HistoryWeights, Ids

UNDATED = int(np.iinfo(np.int64).min)
_COLUMNS = ("user", "session", "product", "action", "at")


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of one relation: ``heads`` and ``tails`` (e,) are places, ``weights`` (e,) confidences, ``at`` (e,) the
    time of the newest evidence behind each, ``UNDATED`` where none carries a time."""

    heads: Ints
    tails: Ints
    weights: Floats
    at: Ints

    @classmethod
    def of(cls, heads: Ints, tails: Ints, weights: Floats | None = None, at: Ints | None = None) -> "Edges":
        count = len(heads)
        return cls(
            np.asarray(heads, np.int64),
            np.asarray(tails, np.int64),
            np.ones(count, np.float32) if weights is None else np.asarray(weights, np.float32),
            np.full(count, UNDATED, np.int64) if at is None else np.asarray(at, np.int64),
        )

    def __len__(self) -> int:
        return len(self.heads)

    def matrix(self, shape: tuple[int, int]) -> Sparse:
        return sparse(self.heads, self.tails, self.weights, shape)

    def before(self, until: Timestamp) -> "Edges":
        kept = self.at < until
        return Edges(self.heads[kept], self.tails[kept], self.weights[kept], self.at[kept])


@dataclass(frozen=True, slots=True)
class Dataset:
    """Histories of users over items, edges between items, edges from items to entities, what the shop says of items.

    ``histories`` has one row a user, row u being ``users[u]``. ``links`` joins items by relation name, ``attributes``
    joins items to ``entities``. ``until`` is the moment at which it was cut, ``undated`` the number of edges that carry
    no time and were let in by ``allow_undated``. ``texts`` has one text an item, "" where there is none, or is empty.
    ``text_vectors`` (n_items, d) are the same read by an encoder, rows of 0 where there is no text; they are handed in
    by whoever has an encoder.
    """

    items: Ids
    users: Ids
    histories: Histories
    entities: Ids = NO_IDS
    links: Mapping[str, Edges] = field(default_factory=dict)
    attributes: Mapping[str, Edges] = field(default_factory=dict)
    until: Timestamp | None = None
    undated: int = 0
    weights: HistoryWeights = DEFAULT_WEIGHTS
    texts: tuple[str, ...] = ()
    text_vectors: Floats | None = None

    @classmethod
    def build(
        cls,
        events: pa.Table,
        *,
        items: Ids | None = None,
        entities: Ids = NO_IDS,
        links: Mapping[str, Edges] | None = None,
        attributes: Mapping[str, Edges] | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
        sessions: bool = True,
        weights: HistoryWeights | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> "Dataset":
        """From an event table with the columns user, session, product, action, at, in time order.

        ``items`` defaults to the products seen; events on other products are an error, as they would be lost without
        a count. ``sessions`` makes each anonymous session a user called ``session:<id>``. ``texts`` are by product.
        Raises DatasetError, and LeakageError for anything at or after ``until``.
        """
        _check_events(events, until)
        links, attributes = dict(links or {}), dict(attributes or {})
        undated = _check_edges({**links, **attributes}, until, allow_undated)
        users, histories, items = _histories(events, items, sessions)
        weights = weights or DEFAULT_WEIGHTS
        data = cls(items, users, histories, entities, links, attributes, until, undated, weights)
        return data if texts is None else data.with_texts(texts)

    def matrix(self) -> Sparse:
        """X (n_users, n_items): the weight of each user's strongest action on each item."""
        return replace(self.weights, decay=1.0).matrix(self.histories, len(self.items))

    def baskets(self) -> Sparse:
        """(n_lists, n_items): for each relation between items and each of its heads, the head with all its tails, as if
        someone had taken them together. Every row has the length 1."""
        n = len(self.items)
        lists = [_list_rows(edges, n) for edges in self.links.values() if len(edges)]
        stacked: Sparse = sp.vstack([_no_rows(n), *lists], format="csr")
        return stacked

    def with_histories(self, histories: Histories) -> "Dataset":
        return replace(self, histories=histories)

    def with_texts(self, texts: Mapping[str, str]) -> "Dataset":
        """By product; who has none gets "". Raises DatasetError for products that are no items."""
        unknown = sorted(texts.keys() - self.items.places.keys())
        if unknown:
            raise DatasetError(f"{len(unknown)} products with a text are no items, such as {unknown[0]!r}")
        return replace(self, texts=tuple(texts.get(name, "") for name in self.items.names))

    def with_text_vectors(self, vectors: Floats) -> "Dataset":
        """(n_items, d). Raises DatasetError where they are not of that many items, or not finite."""
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(self.items):
            raise DatasetError(
                f"text vectors have the shape {vectors.shape}; expected a row for {len(self.items)} items"
            )
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise DatasetError(f"{len(bad)} text vectors are not finite, such as that of {self.items[int(bad[0])]!r}")
        return replace(self, text_vectors=vectors)

    def shuffled(self, seed: int) -> "Dataset":
        """Every edge keeps its head, its weight and its time, and gets another's tail: as many facts, but untrue."""
        random = np.random.default_rng(seed)

        def shuffle(edges: Edges) -> Edges:
            return replace(edges, tails=random.permutation(edges.tails))

        return replace(
            self,
            links={name: shuffle(self.links[name]) for name in sorted(self.links)},
            attributes={name: shuffle(self.attributes[name]) for name in sorted(self.attributes)},
        )

    def without_relations(self) -> "Dataset":
        return replace(self, links={}, attributes={}, entities=NO_IDS)

    def before(self, until: Timestamp, *, allow_undated: bool = False) -> "Dataset":
        """Only what lies before ``until``. An edge with any newer evidence goes whole: what it was before is unknown.

        Texts carry no time here: without ``allow_undated`` they go. Raises LeakageError where undated edges would enter
        without it.
        """
        links = {name: edges.before(until) for name, edges in self.links.items()}
        attributes = {name: edges.before(until) for name, edges in self.attributes.items()}
        undated = _check_edges({**links, **attributes}, until, allow_undated)
        histories = self.histories.keep(self.histories.at < until)
        data = replace(self, histories=histories, links=links, attributes=attributes, until=until, undated=undated)
        return data if allow_undated else replace(data, texts=(), text_vectors=None)


def _no_rows(n_columns: int) -> Sparse:
    nothing = np.zeros(0, np.int64)
    return sparse(nothing, nothing, np.zeros(0, np.float32), (0, n_columns))


def _list_rows(edges: Edges, n_items: int) -> Sparse:
    """The lists of one relation, (n_heads, n_items)."""
    related = edges.matrix((n_items, n_items))
    listing = np.diff(related.indptr) > 0
    lists = (related + sp.eye_array(n_items, format="csr", dtype=np.float32)).tocsr()[listing]
    lengths = np.sqrt(np.asarray(lists.multiply(lists).sum(axis=1))).ravel()
    return scaled_rows(lists, 1.0 / lengths)


def _check_events(events: pa.Table, until: Timestamp | None) -> None:
    missing = [name for name in _COLUMNS if name not in events.column_names]
    if missing:
        raise DatasetError(f"the event table lacks {', '.join(missing)}; it has {', '.join(events.column_names)}")
    if until is not None and len(events):
        late = int((events["at"].to_numpy() >= until).sum())
        if late:
            raise LeakageError(f"{late} events lie at or after until={until}; cut the event table before training")


def _check_edges(edges: Mapping[str, Edges], until: Timestamp | None, allow_undated: bool) -> int:
    """The number of undated edges. Without ``until`` nothing can leak and dates do not matter."""
    undated = sum(int((e.at == UNDATED).sum()) for e in edges.values())
    if until is None:
        return undated
    late = {name: count for name, e in edges.items() if (count := int((e.at >= until).sum()))}
    if late:
        told = ", ".join(f"{name} {count}" for name, count in sorted(late.items()))
        raise LeakageError(f"edges with evidence at or after until={until}: {told}")
    if undated and not allow_undated:
        raise LeakageError(
            f"{undated} edges rest on evidence without a time, which may be younger than until={until}; "
            "pass allow_undated to let them in (the manifest will say so), or leave their relations out"
        )
    return undated


def _histories(events: pa.Table, items: Ids | None, sessions: bool) -> tuple[Ids, Histories, Ids]:
    owners, products = _owner_names(events, sessions), events["product"].to_pylist()
    named = [index for index, owner in enumerate(owners) if owner is not None]
    items = Ids.sorted(products) if items is None else items
    unknown = sorted({products[index] for index in named} - set(items.names))
    if unknown:
        raise DatasetError(f"{len(unknown)} products of the events are no items, such as {unknown[0]!r}")
    users = Ids.sorted(owner for owner in owners if owner is not None)
    rows = np.array([users.places[owners[index] or ""] for index in named], np.int64)
    order = np.argsort(rows, kind="stable")  # the table is in time order, and stays so within a row
    chosen = np.array(named, np.int64)[order]
    places = np.array([items.places[products[index]] for index in chosen], np.int64)
    codes = np.array([ACTION_CODES[a] for a in events["action"].take(pa.array(chosen)).to_pylist()], np.int8)
    at = events["at"].to_numpy()[chosen].astype(np.int64) if len(chosen) else np.zeros(0, np.int64)
    if len(at) and (np.diff(events["at"].to_numpy()) < 0).any():
        raise DatasetError("the event table is not in time order; sort it by (at, sequence)")
    lengths = np.bincount(rows, minlength=len(users)).astype(np.int64)
    return users, Histories.build(np.arange(len(users)), lengths, places, codes, at), items


def _owner_names(events: pa.Table, sessions: bool) -> list[str | None]:
    """Whose event it is: the user, else the session as a pseudo user, else nobody."""
    pairs = zip(events["user"].to_pylist(), events["session"].to_pylist(), strict=True)
    return [
        user if user is not None else (f"session:{session}" if sessions and session is not None else None)
        for user, session in pairs
    ]
