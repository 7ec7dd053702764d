"""A model that answers for products it never saw: what it knows stays as it is, facts and titles speak for newcomers.

Between a newcomer p and any product i, in either direction, a relation term speaks,

    score = w · Σ_i x_i · R_ip,   R_ip = Q_ip / √(D_i D_p),   Q = Σ_r w_r S_r

the formula of ``models.relations`` over the relations that newcomers state, with the strengths w_r and the rarities
that training left; D are the row sums of that Q. Facts from behaviour are among them only where a newcomer has been
mined since and the model has not been trained again; titles that read alike (``titles.ALIKE``) count as a relation of
weight 1. Scores between products that the model knows do not change by a bit. The term stands for all that the model
would say of a newcomer, so the weight w of one request is

    w = mean of the model's best n scores / mean of the best n scores above 0 by the same facts

for this very history, n the best tenth of all products, at most 50 (the measure by which ``fusing`` weighs parts), and
no more than lets the best newcomer score what the model's best product does. So a newcomer whose facts are as strong as
those of the best by such facts stands where the model's best stand, whatever the scale of the model, the length of the
history or its decay; one with weaker facts stands lower in proportion.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from recommender.arrays import Bools, Floats, Ints, Sparse, sparse
from recommender.coupled import CoupledScorer
from recommender.errors import UnknownProduct
from recommender.explanation import relation_terms
from recommender.histories import Histories, HistoryWeights, Ids
from recommender.listing import Chain
from recommender.model import Scorer
from recommender.newcomers import Arrived, Cells
from recommender.scorers import RelationScorer, WeightedSumScorer

BEST = 50


@dataclass(frozen=True)
class WidenedScorer(Scorer):
    """A scorer over more products than it knows; about the others it has nothing to say."""

    base: Scorer
    items: Ids

    @property
    def users(self) -> Ids:  # type: ignore[override]
        return self.base.users

    def scores_batch(self, histories: Histories) -> Floats:
        scores = np.zeros((len(histories), len(self.items)), np.float32)
        scores[:, : len(self.base.items)] = self.base.scores_batch(self._known(histories))
        return scores

    def speaks(self, histories: Histories) -> Bools:
        return self.base.speaks(self._known(histories))

    def _known(self, histories: Histories) -> Histories:
        return histories.keep(histories.items < len(self.base.items))


@dataclass(frozen=True)
class WidenedRelations(RelationScorer):
    """A relation term over more products than it knows. What ``base`` has worked out is taken from there."""

    base: RelationScorer = field(kw_only=True)

    @classmethod
    def of(cls, base: RelationScorer, items: Ids) -> "WidenedRelations":
        n = len(items)
        links = {name: _grown(matrix, (n, n)) for name, matrix in base.links.items()}
        attributes = {name: _grown(matrix, (n, matrix.shape[1])) for name, matrix in base.attributes.items()}
        scale = np.concatenate([base.scale, np.zeros(n - len(base.items), np.float32)])
        return cls(
            items, links, attributes, base.rarity, scale, base.strengths, base.entities, base.weights,
            base.users, base=base,
        )  # fmt: skip

    @cached_property
    def turned(self) -> Mapping[str, Sparse]:
        n = len(self.items)
        return {name: _grown(matrix, (n, n)) for name, matrix in self.base.turned.items()}

    @cached_property
    def _back(self) -> Mapping[str, Sparse]:
        n = len(self.items)
        return {name: _grown(matrix, (matrix.shape[0], n)) for name, matrix in self.base._back.items()}

    @cached_property
    def _returns(self) -> Mapping[str, Floats]:
        more = np.zeros(len(self.items) - len(self.base.items), np.float32)
        return {name: np.concatenate([own, more]) for name, own in self.base._returns.items()}

    def having(self, name: str, entities: Ids) -> Sparse:
        """Which products have these things by one relation, (n_items, n_entities)."""
        back = self._back.get(name)
        if back is None:
            return sparse(*_NO_CELLS, (len(self.items), len(entities)))
        known = [(place, at) for place, at in enumerate(map(self.entities.get, entities.names)) if at >= 0]
        chosen = back[np.array([at for _, at in known], np.int64)].tocoo()
        rows, columns = chosen.coords
        places = np.array([place for place, _ in known], np.int64)
        return sparse(columns.astype(np.int64), places[rows], chosen.data, (len(self.items), len(entities)))


@dataclass(frozen=True)
class NewcomerTerm(RelationScorer):
    """The relation term as far as newcomers are at one end: two of the first ``known`` items say nothing of each
    other. It holds facts and titles of newcomers, and facts of others with the things that newcomers have."""

    known: int = 0

    def joins(self, item: int, place: int) -> bool:
        return item != place and max(item, place) >= self.known

    def _carried(self, name: str, x: Sparse, columns: Ints | None) -> Floats:
        places = np.arange(len(self.items)) if columns is None else columns
        new = places >= self.known
        carried = np.zeros((x.shape[0], len(places)), np.float32)
        mask = np.arange(len(self.items)) >= self.known
        late: Sparse = (x * mask.astype(np.float32)[None, :]).tocsr()
        late.eliminate_zeros()
        if late.nnz and not new.all():
            carried[:, ~new] = super()._carried(name, late, places[~new])
        if new.any():
            carried[:, new] = super()._carried(name, x, places[new])
        return carried


@dataclass(frozen=True)
class JoinedScorer(WeightedSumScorer):
    """A model and what facts and titles say of newcomers, weighed for one request. ``row`` (n_items,) is what they
    score for the histories ``asked``, which were scored to find the weight. It speaks for whom the model speaks."""

    asked: Histories
    row: Floats

    def scores_batch(self, histories: Histories) -> Floats:
        return self.row[None, :].copy() if histories is self.asked else super().scores_batch(histories)

    def speaks(self, histories: Histories) -> Bools:
        return self.parts[0][1].speaks(histories)


@dataclass(frozen=True, slots=True)
class Widened:
    """The chain of a model over its own products and the newcomers.

    ``items`` are both, the first ``known`` the model's. ``chain`` is asked as the model's was. ``term`` and ``plain``
    are the relation term about newcomers and about the others, with a history weighed as the model weighs it; both are
    None where the model has no relation term, or neither fact nor title joins a newcomer to anything.
    """

    items: Ids
    known: int
    chain: Chain
    term: NewcomerTerm | None = None
    plain: Scorer | None = None

    def place(self, product_id: str) -> int:
        """Raises UnknownProduct."""
        place = self.items.get(product_id)
        if place < 0:
            raise UnknownProduct(product_id)
        return place

    def chain_for(self, histories: Histories) -> Chain:
        """The chain for one request, one row: newcomers stand beside what the model knows, by the weight that the
        request gives them."""
        origin, model = self.chain[0]
        if self.term is None or self.plain is None or not model.speaks(histories)[0]:
            return self.chain
        said = self.term.scores_batch(histories)[0]
        if not said.any():
            return self.chain
        scores = model.scores_batch(histories)[0]
        related = said + self.plain.scores_batch(histories)[0]
        weight = worth(scores[: self.known], related, float(said[self.known :].max()))
        if weight == 0:
            return self.chain
        parts = ((1.0, model), (weight, self.term))
        joined = JoinedScorer(parts, histories, scores + np.float32(weight) * said)
        return ((origin, joined), *self.chain[1:])


def worth(scores: Floats, related: Floats, newest: float) -> float:
    """What a unit of the relation term ``related`` (n_items,) is worth among the model's ``scores`` (n_known,);
    ``newest`` is the most that it says of a newcomer.

    0 where the model's best are not above 0, or where neither fact nor title leads anywhere: newcomers then wait for
    the fallbacks.
    """
    most = max(1, min(BEST, len(related) // 10))
    best = np.partition(related, -most)[-most:]
    best = best[best > 0]
    model = np.partition(scores, -min(most, len(scores)))[-most:].mean()
    if not len(best) or model <= 0:
        return 0.0
    weight = float(model / best.mean())
    return min(weight, float(scores.max()) / newest) if newest > 0 else weight


def widen(chain: Chain, arrived: Arrived) -> Widened:
    """The chain of a model over what arrived; the very same chain where nothing did."""
    known = len(chain[0][1].items)
    items = arrived.items
    if len(items) == known:
        return Widened(items, known, chain)
    wide: list[tuple[str, Scorer]] = [(origin, _over(scorer, items)) for origin, scorer in chain]
    base = spoken_for(chain)
    if base is None or not arrived.joined:
        return Widened(items, known, tuple(wide))
    weights = next((inner.weights for _, inner in relation_terms(chain[0][1])), base.weights)
    plain = _measure(base, arrived, weights)
    term = _term(plain, arrived)
    for place, (origin, scorer) in enumerate(chain[1:], start=1):
        if scorer is base:
            wide[place] = (origin, WeightedSumScorer(((1.0, wide[place][1]), (1.0, term))))
    return Widened(items, known, tuple(wide), term, plain)


def spoken_for(chain: Chain) -> RelationScorer | None:
    """The relation term that speaks for newcomers: that of the last in the chain that has one, for the fallback knows
    every relation and what is served may know some."""
    terms: Iterator[RelationScorer] = (term for _, scorer in reversed(chain) for _, term in relation_terms(scorer))
    return next(terms, None)


def _over(scorer: Scorer, items: Ids) -> Scorer:
    """The scorer over more products, with the terms that say which facts they use where explanations find them."""
    if isinstance(scorer, WeightedSumScorer):
        return WeightedSumScorer(tuple((weight, _over(part, items)) for weight, part in scorer.parts))
    if isinstance(scorer, CoupledScorer):
        n = len(items)
        links = {name: _grown(matrix, (n, n)) for name, matrix in scorer.links.items()}
        scale = np.concatenate([scorer.scale, np.zeros(n - len(scorer.items), np.float32)])
        return replace(scorer, items=items, links=links, related=_grown(scorer.related, (n, n)), scale=scale)
    return WidenedRelations.of(scorer, items) if isinstance(scorer, RelationScorer) else WidenedScorer(scorer, items)


def _grown(matrix: Sparse, shape: tuple[int, int]) -> Sparse:
    """The same cells in a larger matrix; they are shared, not copied."""
    more = np.full(shape[0] - matrix.shape[0], matrix.indptr[-1], matrix.indptr.dtype)
    grown: Sparse = sp.csr_array((matrix.data, matrix.indices, np.concatenate([matrix.indptr, more])), shape=shape)
    return grown


def _measure(base: RelationScorer, arrived: Arrived, weights: HistoryWeights) -> WidenedRelations:
    """What facts of the kinds that newcomers state say of the products that the model knows."""
    told = {name: w for name, w in base.strengths.items() if name in arrived.links or name in arrived.attributes}
    even = np.ones(len(arrived.items), np.float32)
    term = replace(WidenedRelations.of(base, arrived.items), strengths=told, weights=weights, scale=even)
    return replace(term, scale=_scale(_row_sums(term)))


def _term(measure: WidenedRelations, arrived: Arrived) -> NewcomerTerm:
    """The same with the rows and columns of newcomers, and the things that only they share."""
    items, known = arrived.items, len(measure.base.items)
    entities = Ids.sorted(tail for cells in arrived.attributes.values() for _, tail in cells)
    links = {name: _cells(cells, items, items) for name, cells in arrived.links.items()}
    attributes = {
        name: (measure.having(name, entities) + _cells(cells, items, entities)).tocsr()
        for name, cells in arrived.attributes.items()
    }
    rarity = {name: _rarity(measure, name, arrived.late.get(name, {}), entities) for name in attributes}
    strengths = {name: measure.strengths.get(name, 1.0) for name in dict.fromkeys([*links, *attributes])}
    even = np.ones(len(items), np.float32)
    term = NewcomerTerm(
        items, links, attributes, rarity, even, strengths, entities, measure.weights, measure.users, known
    )
    fresh = _scale(_row_sums(term))
    return replace(term, scale=np.where(measure.scale > 0, measure.scale, fresh))


def _row_sums(term: RelationScorer) -> Floats:
    """D of a term whose scale is 1 everywhere, (n_items,)."""
    every: Sparse = sp.csr_array(np.ones((1, len(term.items)), np.float32))
    sums = np.zeros(len(term.items), np.float32)
    for name, strength in term.strengths.items():
        sums += np.float32(strength) * term.carried(name, every)[0]
    return sums


def _scale(sums: Floats) -> Floats:
    """D^-1/2, 0 where there is nothing."""
    return np.where(sums > 0, 1.0 / np.sqrt(np.maximum(sums, 1e-12)), 0.0).astype(np.float32)


_NO_CELLS = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


def _cells(cells: Cells, heads: Ids, tails: Ids) -> Sparse:
    rows = np.array([heads.places[head] for head, _ in cells], np.int64)
    columns = np.array([tails.places[tail] for _, tail in cells], np.int64)
    return sparse(rows, columns, np.array(list(cells.values()), np.float32), (len(heads), len(tails)))


def _rarity(base: RelationScorer, name: str, late: Mapping[str, int], entities: Ids) -> Floats:
    known = base.rarity.get(name)
    places = [base.entities.get(entity) for entity in entities.names]
    rarity = np.array([0.0 if known is None or at < 0 else known[at] for at in places], np.float32)
    for entity, count in late.items():
        rarity[entities.places[entity]] = 1.0 / count
    return rarity
