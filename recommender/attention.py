"""Serving a model of order: a causal transformer over what someone did, forward only, in NumPy.

Flow: a history → its distinct items, oldest first → tokens → blocks of attention → the state after the newest item.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from recommender.arrays import Bools, Floats, Ints
from recommender.histories import DEFAULT_WEIGHTS, NO_IDS, Histories, HistoryWeights, Ids
from recommender.model import Scorer

EPSILON = 1e-5  # of the layer norms, as in torch
_TOKENS = 4096  # that pass the blocks at once


@dataclass(frozen=True, slots=True)
class Sequences:
    """Each row's distinct items in the order of their newest event, oldest first.

    Shapes: row u is ``[indptr[u], indptr[u+1])`` of ``items`` and of ``strengths`` (d,), the weight of the strongest
    action on each.
    """

    indptr: Ints
    items: Ints
    strengths: Floats

    @classmethod
    def of(cls, histories: Histories, weights: HistoryWeights, known: Bools) -> "Sequences":
        """Items that are not ``known`` (n_items,), and those whose actions weigh nothing, are left out."""
        newest, strengths = weights.distinct(histories, len(known))
        in_time = np.argsort(newest)
        positions, strengths = newest[in_time], strengths[in_time]
        kept = known[histories.items[positions]] & (strengths > 0)
        positions, strengths = positions[kept], strengths[kept]
        lengths = np.bincount(histories.owners[positions], minlength=len(histories))
        return cls(np.concatenate(([0], np.cumsum(lengths))), histories.items[positions], strengths)

    @property
    def lengths(self) -> Ints:
        return np.diff(self.indptr)


def padded(starts: Ints, lengths: Ints) -> tuple[Ints, Bools]:
    """Positions ``start … start + length − 1`` of each row, (n, longest), and which of them are no padding."""
    steps = np.arange(lengths.max(initial=1))
    real: Bools = steps[None, :] < lengths[:, None]
    return np.where(real, starts[:, None] + steps[None, :], starts[:, None]), real


def by_length(rows: Ints, lengths: Ints, tokens: int) -> list[Ints]:
    """The rows in groups of at most ``tokens`` places, padding included; rows of like length stand together.

    ``lengths`` are above 0; a longer row stands alone.
    """
    order = rows[np.argsort(lengths[rows], kind="stable")]
    groups = []
    while len(order):
        count = max(1, tokens // int(lengths[order[-1]]))
        groups.append(order[-count:])
        order = order[:-count]
    return groups


@dataclass(frozen=True, slots=True)
class Blocks:
    """x ← x + Attention(LN(x)); x ← x + W_down ReLU(LN(x) W_up + b_up) + b_down; after the last, LN(x).

    Shapes for l blocks of width d: ``norms`` (2l + 1, 2, d), gain and shift in the order of use; ``mix`` (l, d, 3d) for
    queries, keys and values side by side; ``out`` (l, d, d); ``up`` (l, d, w); ``up_bias`` (l, w); ``down`` (l, w, d);
    ``down_bias`` (l, d).
    """

    heads: int
    norms: Floats
    mix: Floats
    out: Floats
    up: Floats
    up_bias: Floats
    down: Floats
    down_bias: Floats

    def forward(self, x: Floats) -> Floats:
        """(n, t, d) to (n, t, d); a place sees itself and what is before it."""
        for block in range(len(self.mix)):
            x = x + self._attended(self._normed(x, 2 * block), block)
            inner = np.maximum(self._normed(x, 2 * block + 1) @ self.up[block] + self.up_bias[block], 0)
            x = x + inner @ self.down[block] + self.down_bias[block]
        return self._normed(x, len(self.norms) - 1)

    def _attended(self, x: Floats, block: int) -> Floats:
        n, t, d = x.shape
        mixed = (x @ self.mix[block]).reshape(n, t, 3, self.heads, d // self.heads)
        query, key, value = mixed.transpose(2, 0, 3, 1, 4)
        closeness = query @ key.swapaxes(2, 3) / np.float32(np.sqrt(d // self.heads))
        closeness[:, :, ~np.tri(t, dtype=bool)] = -np.inf
        closeness = np.exp(closeness - closeness.max(axis=3, keepdims=True))
        closeness /= closeness.sum(axis=3, keepdims=True)
        seen = (closeness @ value).swapaxes(1, 2).reshape(n, t, d)
        attended: Floats = seen @ self.out[block]
        return attended

    def _normed(self, x: Floats, place: int) -> Floats:
        centred = x - x.mean(axis=2, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=2, keepdims=True) + np.float32(EPSILON))
        normed: Floats = centred / spread * self.norms[place, 0] + self.norms[place, 1]
        return normed


@dataclass(frozen=True)
class SequenceScorer(Scorer):
    """score_i = h · e_i − min_j h · e_j, with h the state after the newest item; 0 for items without a vector.

    The token of an item is e_i + strength · ``strength`` + ``positions``[place], places counted from the oldest of the
    newest ``len(positions)`` items. Shapes: ``item_vectors`` (n_items, d), rows of 0 for items that training never saw;
    ``positions`` (longest, d); ``strength`` (d,).
    """

    items: Ids
    item_vectors: Floats
    positions: Floats
    strength: Floats
    blocks: Blocks
    weights: HistoryWeights = DEFAULT_WEIGHTS
    users: Ids = NO_IDS

    def scores_batch(self, histories: Histories) -> Floats:
        states, told = self.states(histories)
        scores: Floats = states @ self.item_vectors.T
        scores -= np.where(self._known, scores, np.float32(np.inf)).min(axis=1, keepdims=True)
        scores[:, ~self._known] = 0
        scores[~told] = 0
        return scores

    def states(self, histories: Histories) -> tuple[Floats, Bools]:
        """h of each row, (n, d), and for whom there is one, (n,)."""
        sequences = Sequences.of(histories, self.weights, self._known)
        lengths = np.minimum(sequences.lengths, len(self.positions))
        starts = sequences.indptr[1:] - lengths
        states = np.zeros((len(histories), self.item_vectors.shape[1]), np.float32)
        for rows in by_length(np.flatnonzero(lengths), lengths, _TOKENS):
            states[rows] = self._newest(sequences, starts[rows], lengths[rows])
        return states, lengths > 0

    def _newest(self, sequences: Sequences, starts: Ints, lengths: Ints) -> Floats:
        places, _ = padded(starts, lengths)  # padding comes after what is real, where no real place looks
        tokens = self.item_vectors[sequences.items[places]] + sequences.strengths[places][:, :, None] * self.strength
        states = self.blocks.forward(tokens + self.positions[: places.shape[1]])
        newest: Floats = states[np.arange(len(lengths)), lengths - 1]
        return newest

    @cached_property
    def _known(self) -> Bools:
        known: Bools = np.any(self.item_vectors, axis=1)
        return known

    def speaks(self, histories: Histories) -> Bools:
        return Sequences.of(histories, self.weights, self._known).lengths > 0
