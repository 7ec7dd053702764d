"""What the ranker is told about a candidate: alone, in its list, and beside each item of the history.

Nothing here depends on a basis that a fit happened to choose: vectors speak by their cosines, facts by their weight. So
what was learned beside one fit of the retrieval holds beside the next, and for products that came between them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.arrays import Bools, Doubles, Floats, Ints, Sparse
from recommender.attention import Sequences
from recommender.dataset import Dataset
from recommender.histories import Histories, HistoryWeights, Ids
from recommender.models.spectral import Spectral
from recommender.ranking.traits import Traits, words
from recommender.scorers import RelationScorer

DIMENSIONS = 64
HALF_LIFE = 30 * 86_400
BESIDE = ("behaviour", "title", "the same", "strength", "age", "price apart")
IN_LIST = ("score", "share of the best", "rank", "touched", "touched lately", "events")
SUMMED = ("beside the newest", "the most beside any", "in the mean")
ALONE = ("users", "users lately", "price", "has a price", "stars", "ratings", "praise", "criticism", "age")


@dataclass(frozen=True, slots=True)
class Told:
    """Features of n requests with p candidates and l history items each.

    ``beside`` (n, p, l, g) of candidate and history item, ``past`` (n, l) which history items there are; ``alone``
    (n, p, s) of the candidate, its place in the list and the history as a whole, ``shown`` (n, p) which there are.
    """

    beside: Floats
    past: Bools
    alone: Floats
    shown: Bools


@dataclass(frozen=True)
class View:
    """Arrays over the items of one fit: ``behaviour`` (n_items, d) of unit length; ``words`` (n_items, w), titles;
    ``statics`` (n_items, s), see ``ALONE``; ``prices`` (n_items,), logarithms, NaN for none; ``term`` holds the facts.
    """

    items: Ids
    behaviour: Floats
    words: Sparse
    statics: Floats
    prices: Floats
    term: RelationScorer | None
    weights: HistoryWeights

    @classmethod
    def of(cls, data: Dataset, traits: Traits, term: RelationScorer | None) -> "View":
        """Raises ModelFitError where nobody did anything."""
        vectors = Spectral(DIMENSIONS).fit(data).item_factors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            prices = np.log(traits.prices).astype(np.float32)
        unit = (vectors / np.maximum(lengths, np.float32(1e-9))).astype(np.float32)
        weights = HistoryWeights(1.0, data.weights.actions)
        return cls(data.items, unit, words(traits.titles), _statics(data, traits), prices, term, weights)

    @property
    def links(self) -> tuple[str, ...]:
        return () if self.term is None else tuple(sorted(self.term.links))

    @property
    def attributes(self) -> tuple[str, ...]:
        return () if self.term is None else tuple(sorted(self.term.attributes))

    @cached_property
    def joined(self) -> Mapping[str, tuple[Ints, Floats]]:
        """By relation between items, sorted keys ``one * n_items + other`` in both directions and the confidences."""
        found: dict[str, tuple[Ints, Floats]] = {}
        for name in self.links:
            both = (self.term.links[name] + self.term.turned[name]).tocoo()  # type: ignore[union-attr]
            keys = both.coords[0].astype(np.int64) * len(self.items) + both.coords[1]
            order = np.argsort(keys)
            found[name] = keys[order], both.data[order].astype(np.float32)
        return found


def tell(
    view: View, names: tuple[Sequence[str], Sequence[str]], histories: Histories, pools: Ints, scores: Floats, most: int
) -> Told:
    """``pools`` (n, p) are items, best first, −1 where a list is shorter; ``scores`` (n, p) are those of retrieval.

    ``names`` are the relations between items and through entities to tell of, each a feature; ``most`` newest items of
    a history are looked at.
    """
    shown, items = pools >= 0, np.maximum(pools, 0)
    past, strengths, real = _newest(view, histories, most)
    beside = _beside(view, names, items, past, strengths)
    beside *= real[:, None, :, None]
    touched = (beside[..., 2] * strengths[:, None, :]).max(axis=2)
    lately = (beside[..., 2] * beside[..., 4]).max(axis=2)
    listed = _listed(scores, shown, touched, lately, histories.lengths)
    alone = np.concatenate([listed, view.statics[items], _summed(beside, real)], axis=2)
    return Told(beside, real, alone.astype(np.float32), shown)


def _summed(beside: Floats, real: Bools) -> Floats:
    """Of each feature beside a history item, what ``SUMMED`` says, (n, p, 3 g): what needs no attention to be seen."""
    lengths = np.maximum(real.sum(axis=1), 1).astype(np.float32)[:, None, None]
    return np.concatenate([beside[:, :, 0], beside.max(axis=2), beside.sum(axis=2) / lengths], axis=2)


def _newest(view: View, histories: Histories, most: int) -> tuple[Ints, Floats, Bools]:
    """The newest distinct items, newest first, (n, most), with the strength of what was done to each."""
    told = Sequences.of(histories, view.weights, np.ones(len(view.items), bool))
    steps = np.arange(most)
    real: Bools = steps[None, :] < told.lengths[:, None]
    if not len(told.items):
        return np.zeros(real.shape, np.int64), np.zeros(real.shape, np.float32), real
    at = np.where(real, told.indptr[1:, None] - 1 - steps, 0)
    return told.items[at], np.where(real, told.strengths[at], np.float32(0)), real


def _beside(
    view: View, names: tuple[Sequence[str], Sequence[str]], items: Ints, past: Ints, strengths: Floats
) -> Floats:
    n, p, most = *items.shape, past.shape[1]
    ages = np.broadcast_to(1 / (1 + np.arange(most, dtype=np.float32)), (n, p, most))
    apart = np.abs(view.prices[items][:, :, None] - view.prices[past][:, None, :])
    told = [
        np.matmul(view.behaviour[items], view.behaviour[past].swapaxes(1, 2)),
        _by_row(view.words, None, items, past),
        (items[:, :, None] == past[:, None, :]).astype(np.float32),
        np.broadcast_to(strengths[:, None, :], (n, p, most)),
        ages,
        np.nan_to_num(np.minimum(apart, 3)),
    ]
    told += [_joined(view, name, items, past) for name in names[0]]
    told += [_shared(view, name, items, past) for name in names[1]]
    return np.stack(told, axis=3).astype(np.float32)


def _joined(view: View, name: str, items: Ints, past: Ints) -> Floats:
    shape = (*items.shape, past.shape[1])
    keys, values = view.joined.get(name, (np.zeros(0, np.int64), np.zeros(0, np.float32)))
    if not len(keys):
        return np.zeros(shape, np.float32)
    wanted = past[:, None, :] * len(view.items) + items[:, :, None]
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], np.float32(0))


def _shared(view: View, name: str, items: Ints, past: Ints) -> Floats:
    """The root of Σ_e E_ce E_he / degree_e: 1 where two products have what only they have."""
    if view.term is None or name not in view.term.attributes:
        return np.zeros((*items.shape, past.shape[1]), np.float32)
    return np.sqrt(_by_row(view.term.attributes[name], view.term.rarity[name], items, past))


def _by_row(matrix: Sparse, weights: Floats | None, items: Ints, past: Ints) -> Floats:
    """Products of rows of the matrix, request by request, (n, p, l)."""
    found = np.zeros((*items.shape, past.shape[1]), np.float32)
    for row, (some, others) in enumerate(zip(items, past, strict=True)):
        mine = matrix[some] if weights is None else matrix[some] * weights[None, :]
        found[row] = (mine @ matrix[others].T).toarray()
    return found


def _listed(scores: Floats, shown: Bools, touched: Floats, lately: Floats, events: Ints) -> Floats:
    """What a list says of its places, (n, p, 6)."""
    counts = np.maximum(shown.sum(axis=1, keepdims=True), 1)
    values = np.where(shown, scores, 0).astype(np.float64)
    mean = values.sum(axis=1, keepdims=True) / counts
    apart = np.where(shown, values - mean, 0)
    spread = np.sqrt((apart**2).sum(axis=1, keepdims=True) / counts)
    best = np.maximum(np.abs(values).max(axis=1, keepdims=True), 1e-12)
    apart = np.divide(apart, spread, out=np.zeros_like(apart), where=spread > 1e-6 * best)  # equals differ by rounding
    ranks = np.broadcast_to(np.log2(np.arange(scores.shape[1]) + 2), scores.shape)
    long = np.broadcast_to(np.log1p(events)[:, None], scores.shape)
    parts = [apart, values / best, ranks, touched, lately, long]
    told: Floats = np.stack(parts, axis=2).astype(np.float32)
    return told


def _statics(data: Dataset, traits: Traits) -> Floats:
    """See ``ALONE``, (n_items, 9). What a catalogue does not say is told as what is usual."""
    h, n = data.histories, len(data.items)
    users = np.bincount(np.unique(h.owners * n + h.items) % n, minlength=n).astype(np.float64)
    newest = int(h.at.max(initial=0))
    back = (newest - h.at) / HALF_LIFE
    lately = np.bincount(h.items, weights=0.5**back, minlength=n)
    first = np.full(n, newest, np.int64)
    np.minimum.at(first, h.items, h.at)
    logs = np.log1p(np.maximum(np.nan_to_num(traits.prices), 0))
    priced = np.isfinite(traits.prices)
    columns = [
        np.log1p(users),
        np.log1p(lately),
        np.where(priced, logs, _middle(logs[priced])),
        priced,
        _shrunk(traits.stars, traits.rated),
        np.log1p(traits.rated),
        np.log1p(traits.praised),
        np.log1p(traits.criticised),
        np.log1p((newest - first) / 86_400),
    ]
    told: Floats = np.stack(columns, axis=1).astype(np.float32)
    return told


def _middle(values: Doubles) -> float:
    return float(np.median(values)) if len(values) else 0.0


def _shrunk(stars: Doubles, rated: Doubles) -> Doubles:
    """Mean stars drawn to the mean of all by five ratings of no one."""
    known = rated > 0
    usual = float((stars[known] * rated[known]).sum() / rated[known].sum()) if known.any() else 0.0
    shrunk: Doubles = (np.nan_to_num(stars) * rated + 5 * usual) / (rated + 5)
    return shrunk
