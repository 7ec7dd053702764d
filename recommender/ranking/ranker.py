"""Serving the ranker: attention of a candidate over the history, experts shared by tasks, forward only, in NumPy.

Zhou et al.: "Deep interest network for click-through rate prediction" (DIN), KDD 2018, https://arxiv.org/abs/1706.06978:
what counts of a history depends on the candidate. Ma et al.: "Modeling task relationships in multi-task learning with
multi-gate mixture-of-experts" (MMoE), KDD 2018. Unlike DIN, attention sums to 1 with a place for nothing, and it reads
what joins two products (cosines, facts, prices), not their vectors.
"""

import heapq
from dataclasses import dataclass, replace

import numpy as np

from recommender.arrays import Bools, Doubles, Floats, Ints
from recommender.coupled import CoupledScorer
from recommender.explanation import fact_terms
from recommender.histories import Histories, Ids
from recommender.model import Scorer
from recommender.ranking.view import Told, View, tell
from recommender.retrieval import top_k
from recommender.scorers import RelationScorer
from recommender.splits import taken
from recommender.titles import ALIKE

TASKS = ("click", "cart", "purchase", "rating")
RANKER = "ranker"
"""What ``moved_by`` calls it."""
MOST = 4.0
"""Features are standardised and cut off here: a value that training never saw is told as an extreme one."""


@dataclass(frozen=True, slots=True)
class Network:
    """φ = ReLU(b · W_in + c_in) of candidate and history item; a = softmax over the history and nothing, by head, of
    φ · W_att; u = Σ a φ; x = (f, u); expert_e = ReLU(x · W_e + c_e);
    logit_t = tower_t · Σ_e softmax_e(x · G_t) expert_e + direct_t · f; p_t = softmax of logit_t over the list.

    Shapes for g and s features, width w, h heads, e experts of width m and t tasks: ``near_mean``, ``near_scale`` (g,),
    ``list_mean``, ``list_scale`` (s,); ``enter`` (g, w), ``enter_bias`` (w,), ``attend`` (w, h), ``experts``
    (e, s + w, m), ``expert_bias`` (e, m), ``gates`` (t, s + w, e), ``towers`` (t, m), ``direct`` (t, s).
    """

    near_mean: Floats
    near_scale: Floats
    list_mean: Floats
    list_scale: Floats
    enter: Floats
    enter_bias: Floats
    attend: Floats
    experts: Floats
    expert_bias: Floats
    gates: Floats
    towers: Floats
    direct: Floats

    def chances(self, told: Told) -> Doubles:
        """p (n, p, t): by task, which candidate of a list it will be; 0 where there is none."""
        near, alone = self.scaled(told)
        inner = np.maximum(near @ self.enter + self.enter_bias, 0)
        x = np.concatenate([alone, self._attended(inner, told.past)], axis=2)
        hidden = np.maximum(np.einsum("npx,exm->npem", x, self.experts, optimize=True) + self.expert_bias, 0)
        gates = _softmax(np.einsum("npx,txe->npte", x, self.gates, optimize=True))
        mixed = np.einsum("npte,npem->nptm", gates, hidden, optimize=True)
        logits = np.einsum("nptm,tm->npt", mixed, self.towers) + alone @ self.direct.T
        among = np.where(told.shown[:, :, None], logits, -np.inf).astype(np.float64).swapaxes(1, 2)
        return _softmax(among).swapaxes(1, 2)

    def scaled(self, told: Told) -> tuple[Floats, Floats]:
        near = np.clip((told.beside - self.near_mean) / self.near_scale, -MOST, MOST)
        return near, np.clip((told.alone - self.list_mean) / self.list_scale, -MOST, MOST)

    def _attended(self, inner: Floats, past: Bools) -> Floats:
        """u (n, p, w): each head reads its part of φ."""
        n, p, most, width = inner.shape
        logits = np.where(past[:, None, :, None], inner @ self.attend, -np.inf)
        top = np.maximum(logits.max(axis=2, keepdims=True), 0)
        weights = np.exp(logits - top)
        weights /= weights.sum(axis=2, keepdims=True) + np.exp(-top)
        heads = inner.reshape(n, p, most, weights.shape[3], -1)
        attended: Floats = np.einsum("nplh,nplhw->nphw", weights, heads).reshape(n, p, width)
        return attended


@dataclass(frozen=True)
class Ranker:
    """A network, what it is told, and what its tasks are worth, ``values`` (t,). The best ``pool`` change places, which
    does not depend on how many are asked for; ``most`` newest items of a history are looked at."""

    view: View
    network: Network
    links: tuple[str, ...]
    attributes: tuple[str, ...]
    values: tuple[float, ...]
    pool: int
    most: int

    @property
    def items(self) -> Ids:
        return self.view.items

    def relevance(self, histories: Histories, pools: Ints, scores: Floats) -> Doubles:
        """Σ_t v_t p_t, (n, p), at least 0: the value of what is expected of each candidate.

        ``pools`` (n, p) items, best first, −1 for none; ``scores`` (n, p) are those of retrieval.
        """
        told = tell(self.view, (self.links, self.attributes), histories, pools, scores, self.most)
        relevance: Doubles = self.network.chances(told) @ np.asarray(self.values, np.float64)
        return relevance


@dataclass(frozen=True)
class Reranked(Scorer):
    """A scorer whose best ``pool`` products are in the ranker's order: they exchange their scores. For measuring; the
    service tells everyone the score of the base."""

    base: Scorer
    ranker: Ranker
    taking: tuple[str, ...]

    @property
    def items(self) -> Ids:  # type: ignore[override]
        return self.base.items

    @property
    def users(self) -> Ids:  # type: ignore[override]
        return self.base.users

    def scores_batch(self, histories: Histories) -> Floats:
        scores = self.base.scores_batch(histories).copy()
        pools, theirs = candidates(scores, histories, self.taking, self.ranker.pool)
        relevance = np.where(pools >= 0, self.ranker.relevance(histories, pools, theirs), -np.inf)
        free = np.take_along_axis(carried(self.base, histories), np.maximum(pools, 0), axis=1)
        for row, count in enumerate((pools >= 0).sum(axis=1).tolist()):
            order = arrangement(relevance[row, :count], free[row, :count])
            scores[row, pools[row, order]] = theirs[row, :count]
        return scores

    def speaks(self, histories: Histories) -> Bools:
        return self.base.speaks(histories)


def carried(scorer: Scorer, histories: Histories) -> Bools:
    """Of which scores facts carry a part, so that there is a reason, (n, n_items)."""
    told = np.zeros((len(histories), len(scorer.items)), np.float32)
    for weight, term in fact_terms(scorer):
        told += np.float32(weight) * _by_facts(term).scores_batch(histories)
    found: Bools = told > 0
    return found


def _by_facts(term: RelationScorer | CoupledScorer) -> RelationScorer | CoupledScorer:
    """The term without titles that read alike: they move a score and are no reason."""
    if isinstance(term, CoupledScorer) or ALIKE not in term.strengths:
        return term
    return replace(term, strengths={name: strength for name, strength in term.strengths.items() if name != ALIKE})


def arrangement(worth: Doubles, free: Bools) -> list[int]:
    """The old places (p,) of a list in their new order: by what they are worth, but only who is ``free`` moves up.

    So among the first n, for every n, there are at least as many of the free as before: the ranker never takes a reason
    out of a list. Where nobody is, there is nothing to keep, and all are. Of equals the one that stood first comes
    first.
    """
    free = free if free.any() else ~free
    wanted = np.argsort(-worth, kind="stable").tolist()
    turn = {place: at for at, place in enumerate(wanted)}
    lifted = [place for place in reversed(wanted) if free[place]]
    due: list[tuple[int, int]] = []
    order = list[int]()
    for place in range(len(wanted)):
        if not free[place]:
            heapq.heappush(due, (turn[place], place))
        if due and (not lifted or due[0][0] < turn[lifted[-1]]):
            order.append(heapq.heappop(due)[1])
        else:
            order.append(lifted.pop())
    return order


def candidates(scores: Floats, histories: Histories, taking: tuple[str, ...], most: int) -> tuple[Ints, Floats]:
    """The best ``most`` of each row (n, n_items) that were not taken and of which something is said, (n, most), −1 for
    none; and their scores."""
    pools = np.full((len(scores), most), -1, np.int64)
    had = taken(histories, taking)  # type: ignore[arg-type]
    owners, items = histories.owners[had], histories.items[had]
    for row, own in enumerate(scores):
        allowed = own != 0
        allowed[items[owners == row]] = False
        best = top_k(own, most, allowed)
        pools[row, : len(best)] = best
    found = np.take_along_axis(scores, np.maximum(pools, 0), axis=1)
    return pools, np.where(pools >= 0, found, np.float32(0))


def _softmax(logits: Doubles) -> Doubles:
    """Over the last axis; −∞ gets 0, and a row of nothing else stays 0."""
    top = logits.max(axis=-1, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0))
    shares: Doubles = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)
    return shares
