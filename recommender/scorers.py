"""What was learned, ready to serve: NumPy and SciPy only, one class a kind of formula."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from recommender.arrays import Bools, Floats, Ints, Sparse
from recommender.histories import DEFAULT_WEIGHTS, NO_IDS, Histories, HistoryWeights, Ids
from recommender.model import Scorer

_NARROW, _NARROWER = 64, 32  # users whose signals pass a graph filter at once: their columns stay in the cache


@dataclass(frozen=True)
class PopularityScorer(Scorer):
    """The same (n_items,) scores for everyone."""

    items: Ids
    popularity: Floats
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        return np.broadcast_to(self.popularity, (len(histories), len(self.items))).copy()

    def speaks(self, histories: Histories) -> Bools:
        return np.ones(len(histories), bool)


@dataclass(frozen=True)
class ItemItemScorer(Scorer):
    """score = x · B. ``matrix`` B is (n_items, n_items), dense or sparse; row i is what having item i adds to each."""

    items: Ids
    matrix: Floats | Sparse
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        x = self.weights.matrix(histories, len(self.items))
        return _dense(x @ self.matrix)

    def speaks(self, histories: Histories) -> Bools:
        return histories.lengths > 0


@dataclass(frozen=True)
class FactorScorer(Scorer):
    """score = u · item_factorsᵀ + bias with u a learned user vector, or x · fold_in for whoever has none.

    Shapes: ``item_factors`` (n_items, d); ``fold_in`` (n_items, d), dense or sparse; ``user_factors`` (n_users, d) and
    ``last_at`` (n_users,), the time of the newest event that each learned vector knows; ``bias`` (n_items,).
    ``normalise`` gives a folded-in u the length 1.
    """

    items: Ids
    item_factors: Floats
    fold_in: Floats | Sparse
    users: Ids = NO_IDS
    user_factors: Floats | None = None
    last_at: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    weights: HistoryWeights = DEFAULT_WEIGHTS
    normalise: bool = False
    bias: Floats | None = None

    def scores_batch(self, histories: Histories) -> Floats:
        scores: Floats = self.user_vectors(histories) @ self.item_factors.T
        return scores if self.bias is None else scores + self.bias

    def user_vectors(self, histories: Histories) -> Floats:
        """Shape (n, d)."""
        x = self.weights.matrix(histories, len(self.items))
        vectors = _dense(x @ self.fold_in)
        if self.normalise:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
        if self.user_factors is not None:
            learned = self._learned(histories)
            vectors[learned] = self.user_factors[histories.users[learned]]
        return vectors

    def _learned(self, histories: Histories) -> Bools:
        known = (histories.users >= 0) & (histories.users < len(self.last_at))
        still: Bools = known & (histories.last_at == self.last_at[np.where(known, histories.users, 0)])
        return still

    def speaks(self, histories: Histories) -> Bools:
        return histories.lengths > 0


@dataclass(frozen=True)
class LeastSquaresScorer(Scorer):
    """score = u · Yᵀ with u = (YᵀY + λI + Σ_i αx_i y_i y_iᵀ)⁻¹ Σ_i (1 + αx_i) y_i, the sums over the history.

    Shapes: ``item_factors`` Y (n_items, d), y_i its rows. The formula is how ALS makes a user vector, so nobody needs a
    stored one. Time d³ a user.
    """

    items: Ids
    item_factors: Floats
    alpha: float
    regularisation: float
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        scores: Floats = self.user_vectors(histories) @ self.item_factors.T
        return scores

    def user_vectors(self, histories: Histories) -> Floats:
        """Shape (n, d); 0 where the history is empty."""
        x = self.weights.matrix(histories, len(self.items))
        vectors = np.zeros((len(histories), self.item_factors.shape[1]), np.float32)
        for row in np.flatnonzero(np.diff(x.indptr)):
            part = slice(x.indptr[row], x.indptr[row + 1])
            known, extra = self.item_factors[x.indices[part]], np.float32(self.alpha) * x.data[part]
            vectors[row] = np.linalg.solve(self._common + (known * extra[:, None]).T @ known, (1 + extra) @ known)
        return vectors

    @cached_property
    def _common(self) -> Floats:
        """YᵀY + λI."""
        gram: Floats = self.item_factors.T @ self.item_factors
        gram[np.diag_indices_from(gram)] += np.float32(self.regularisation)
        return gram

    def speaks(self, histories: Histories) -> Bools:
        return histories.lengths > 0


@dataclass(frozen=True)
class GraphFilterScorer(Scorer):
    """score = x · diag(before) · Σ_k c_k T_k(I − 2 R̃ᵀR̃) · diag(after), T_k the Chebyshev polynomials.

    Shapes: ``graph`` R̃ (n_users, n_items), one nameless row a training user; ``before``, ``after`` (n_items,).
    """

    items: Ids
    graph: Sparse
    coefficients: tuple[float, ...]
    before: Floats
    after: Floats
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        x = self.weights.matrix(histories, len(self.items))
        if len(self.coefficients) == 2:
            return self._one_hop((x * self.before[None, :]).tocsr())
        signal = np.ascontiguousarray(_dense((x * self.before[None, :]).T))
        result = np.empty((len(histories), len(self.items)), np.float32)
        for start in range(0, len(histories), _NARROW):
            some = slice(start, start + _NARROW)
            result[some] = self._filtered(np.ascontiguousarray(signal[:, some])).T
        return result * self.after

    def _one_hop(self, signal: Sparse) -> Floats:
        """The same for c_0 + c_1 T_1, signals in rows: only the step back from the users touches the whole graph."""
        own, neighbours = self.coefficients[0] + self.coefficients[1], -2.0 * self.coefficients[1]
        reached = (signal @ self._turned).tocsr()
        found = np.empty(signal.shape, np.float32)
        for start in range(0, len(found), _NARROWER):
            some = slice(start, start + _NARROWER)
            found[some] = (self._turned @ np.ascontiguousarray(_dense(reached[some]).T)).T
        found *= np.float32(neighbours)
        if own:
            found += np.float32(own) * _dense(signal)
        return found * self.after

    def _filtered(self, signal: Floats) -> Floats:
        """T_(k+1)(L) = 2 L T_k(L) − T_(k-1)(L), signals in columns."""
        last, now = signal, self._shifted(signal)
        total = np.float32(self.coefficients[0]) * last
        for coefficient in self.coefficients[1:]:
            total += np.float32(coefficient) * now
            last, now = now, np.float32(2.0) * self._shifted(now) - last
        return total

    def _shifted(self, signal: Floats) -> Floats:
        """L · signal = signal − 2 R̃ᵀ(R̃ signal)."""
        return signal - np.float32(2.0) * (self._turned @ (self.graph @ signal))

    @cached_property
    def _turned(self) -> Sparse:
        return self.graph.T.tocsr()

    def speaks(self, histories: Histories) -> Bools:
        return histories.lengths > 0


@dataclass(frozen=True)
class RelationScorer(Scorer):
    """score = x · R, a linear term over facts, so that each fact's share of a score is exact.

    ``R = D^-1/2 Q D^-1/2`` with ``Q = Σ_r w_r S_r`` and D the row sums of Q. For a relation between items,
    ``S_r = M + Mᵀ`` with the (n_items, n_items) matrix M, heads in rows, in ``links``. For a relation to entities,
    ``S_r = E N Eᵀ`` without its diagonal: E (n_items, n_entities) is in ``attributes``, N weighs an entity by the
    inverse of its degree, so that sharing a rare use means more than sharing a common one. S_r is never formed.

    ``scale`` (n_items,) is D^-1/2, 0 where an item has no relation; ``rarity`` (n_entities,) a relation is the
    diagonal of N.
    """

    items: Ids
    links: Mapping[str, Sparse]
    attributes: Mapping[str, Sparse]
    rarity: Mapping[str, Floats]
    scale: Floats
    strengths: Mapping[str, float]
    entities: Ids = NO_IDS
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        x = self._scaled(histories)
        total = np.zeros(x.shape, np.float32)
        for name, strength in self.strengths.items():
            total += np.float32(strength) * self._carried(name, x, None)
        return total * self.scale

    def said(self, name: str, histories: Histories, targets: Ints, others: Ints) -> tuple[Floats, Floats]:
        """x · R_r of one relation, without its strength: for each row's target (n,), and for ``others`` (n, m)."""
        x = self._scaled(histories)
        own = self._carried_each(name, x, targets)
        return own * self.scale[targets], self._carried(name, x, others) * self.scale[others]

    def _scaled(self, histories: Histories) -> Sparse:
        """x · D^-1/2."""
        x: Sparse = (self.weights.matrix(histories, len(self.items)) * self.scale[None, :]).tocsr()
        return x

    def _carried(self, name: str, x: Sparse, columns: Ints | None) -> Floats:
        """x · S_r in some columns, dense; a relation may join items with each other and with entities."""
        total = np.zeros((x.shape[0], len(self.items) if columns is None else len(columns)), np.float32)
        if name in self.links:
            links, turned = self.links[name], self.turned[name]
            total += _dense(x @ _columns_of(links, turned, columns) + x @ _columns_of(turned, links, columns))
        if name in self.attributes:
            matrix, turned = self.attributes[name], self._back[name]
            through = ((x @ matrix) * self.rarity[name][None, :]) @ _columns_of(turned, matrix, columns)
            back = self._returns[name] if columns is None else self._returns[name][columns]
            total += _dense(through - (x if columns is None else x[:, columns]) * back[None, :])
        return total

    def _carried_each(self, name: str, x: Sparse, targets: Ints) -> Floats:
        """x · S_r of each row at a column of its own, (n,): S_r is symmetric, so that it is a product with a row."""
        total = np.zeros(len(targets), np.float32)
        if name in self.links:
            total += _row_products(x, self.links[name][targets]) + _row_products(x, self.turned[name][targets])
        if name in self.attributes:
            through = ((x @ self.attributes[name]) * self.rarity[name][None, :]).tocsr()
            total += _row_products(through, self.attributes[name][targets])
            total -= np.asarray(x[np.arange(len(targets)), targets], np.float32) * self._returns[name][targets]
        return total

    @cached_property
    def turned(self) -> Mapping[str, Sparse]:
        """The transpose of each matrix of ``links``, by relation."""
        return {name: matrix.T.tocsr() for name, matrix in self.links.items()}

    @cached_property
    def _back(self) -> Mapping[str, Sparse]:
        """The same for ``attributes``: a relation to products and to other things is in both."""
        return {name: matrix.T.tocsr() for name, matrix in self.attributes.items()}

    @cached_property
    def _returns(self) -> Mapping[str, Floats]:
        """The diagonal of E N Eᵀ: the ways from an item to itself and back, which are no reason."""
        return {name: np.asarray((m * m) @ self.rarity[name], np.float32) for name, m in self.attributes.items()}

    def carried(self, name: str, x: Sparse) -> Floats:
        """x · S_r of one relation, (n, n_items), for any x (n, n_items)."""
        return self._carried(name, x, None)

    def joins(self, item: int, place: int) -> bool:
        """Whether what is known of ``item`` may add to the score of ``place``: an item is no reason for itself."""
        return item != place

    def speaks(self, histories: Histories) -> Bools:
        related = self.scale[histories.items] > 0
        return np.bincount(histories.owners[related], minlength=len(histories)) > 0


@dataclass(frozen=True)
class WeightedSumScorer(Scorer):
    """score = Σ_t w_t · score_t over the same items."""

    parts: Sequence[tuple[float, Scorer]]

    @property
    def items(self) -> Ids:  # type: ignore[override]
        return self.parts[0][1].items

    @property
    def users(self) -> Ids:  # type: ignore[override]
        return max((part.users for _, part in self.parts), key=len)

    def scores_batch(self, histories: Histories) -> Floats:
        total = np.zeros((len(histories), len(self.items)), np.float32)
        for weight, part in self.parts:
            total += np.float32(weight) * part.scores_batch(histories)
        return total

    def speaks(self, histories: Histories) -> Bools:
        spoken: Bools = np.any([part.speaks(histories) for _, part in self.parts], axis=0)
        return spoken


def _columns_of(matrix: Sparse, turned: Sparse, columns: Ints | None) -> Sparse:
    """Some columns of a matrix, taken from the rows of its transpose: that does not read the whole of it."""
    if columns is None:
        return matrix
    chosen: Sparse = turned[columns].T.tocsr()
    return chosen


def _row_products(one: Sparse, other: Sparse) -> Floats:
    """Σ_j one_ij other_ij, (n,)."""
    return np.asarray(one.multiply(other).sum(axis=1), np.float32).ravel()


def _dense(product: object) -> Floats:
    """A product of sparse and dense as a dense float32 array, whichever SciPy returned."""
    array = product.toarray() if hasattr(product, "toarray") else product
    return np.asarray(array, dtype=np.float32)
