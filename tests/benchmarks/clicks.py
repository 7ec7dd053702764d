"""A simulated shop window in which the worth of every ranking is known.

Visitors come in kinds; a kind clicks a product at a rank with the probability
examination[rank] · appeal[kind, product], independently (the position-based model: Craswell, Zoeter, Taylor & Ramsey,
WSDM 2008). A ranker sees each appeal through its own noise. What a ranking earns is then a sum that needs no
simulation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from recommender.exploring import Draw, Exploration, propensities, weights
from recommender.interleaving import team_draft, verdict
from recommender.off_policy import Shown, Target

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """``appeal`` (kinds, products) in [0, 1]; ``examination`` (ranks,). Kinds are equally frequent."""

    appeal: Doubles
    examination: Doubles

    @classmethod
    def of(cls, seed: int, *, kinds: int = 40, products: int = 8, ranks: int = 5) -> "Window":
        """Products are liked to very different degrees, by everybody and by each kind."""
        random = np.random.default_rng(seed)
        taste = random.normal(0.0, 1.0, (kinds, products)) + random.normal(0.0, 1.0, products) - 0.4
        return cls(1 / (1 + np.exp(-taste)), 1 / np.arange(1, ranks + 1) ** 0.7)

    def ranker(self, seed: int, noise: float) -> Ints:
        """What a ranker with this much noise shows each kind: all products, best first, (kinds, products)."""
        seen = self.appeal + np.random.default_rng(seed).normal(0.0, noise, self.appeal.shape)
        return np.argsort(-seen, axis=1)

    def worth(self, ranking: Ints) -> float:
        """The expected clicks of one answer."""
        depth = len(self.examination)
        return float((np.take_along_axis(self.appeal, ranking[:, :depth], 1) * self.examination).sum(axis=1).mean())

    def clicks(self, kind: int, products: Sequence[int], random: np.random.Generator) -> list[int]:
        """Which of the products shown, best rank first, one visitor of this kind clicks."""
        chances = self.appeal[kind, list(products)] * self.examination[: len(products)]
        return [product for product, hit in zip(products, random.random(len(products)) < chances, strict=True) if hit]

    def log(self, ranking: Ints, exploration: Exploration, answers: int, seed: int) -> tuple[Shown, Ints]:
        """So many answers of a ranker with chance, each to another visitor; and the kind of each, (answers,)."""
        random, depth = np.random.default_rng(seed), len(self.examination)
        kinds = random.integers(0, len(ranking), answers)
        begin, end = exploration.first - 1, exploration.reach
        places = np.tile(np.arange(ranking.shape[1]), (answers, 1))
        for answer in range(answers):
            order = Draw(exploration, f"{seed}/{answer}").order(end - begin)
            places[answer, begin:end] = begin + np.array(order)
        places = places[:, :depth]
        chances = np.ones((answers, depth))
        table = propensities(end - begin, exploration.sharpness)
        chances[:, begin:] = table[places[:, begin:] - begin, np.arange(depth - begin)]
        items = np.take_along_axis(ranking[kinds], places, 1)
        appeal = self.appeal[kinds[:, None], items] * self.examination
        rewards = (random.random(appeal.shape) < appeal).astype(np.float64)
        rows, ranks = np.indices(items.shape)
        users = np.arange(answers)
        return Shown(rows.ravel(), ranks.ravel() + 1, items.ravel(), rewards.ravel(), chances.ravel(), users), kinds

    def target(self, ranking: Ints, logged: Ints, exploration: Exploration, kinds: Ints) -> Target:
        """A ranking as a policy to ask about, for a log of the ranker ``logged``."""
        depth, begin = len(self.examination), exploration.first - 1
        table = np.eye(logged.shape[1])
        end = exploration.reach
        table[begin:end, begin:end] = propensities(end - begin, exploration.sharpness)
        items = ranking[kinds][:, :depth]
        places = np.argsort(logged, axis=1)[kinds[:, None], items]
        rows, ranks = np.indices(items.shape)
        chances = table[places, ranks]
        return Target(rows.ravel(), ranks.ravel() + 1, items.ravel(), np.ones(items.size), chances.ravel())


def asked(appeal: Doubles, answers: int, ranks: int, sharpness: float, seed: int) -> tuple[Shown, Target, Target]:
    """A log of products (p,) that are clicked with these chances at any rank, each answer to another visitor, which is
    asked about a random order of them and about the served one, 0 to p − 1."""
    random, pool = np.random.default_rng(seed), len(appeal)
    clocks = random.exponential(size=(answers, pool)) / weights(pool, sharpness)
    items = clocks.argsort(axis=1)[:, :ranks].ravel()
    table, rows = propensities(pool, sharpness), np.repeat(np.arange(answers), ranks)
    at = np.tile(np.arange(1, ranks + 1), answers)
    clicks = (random.random(len(rows)) < appeal[items]).astype(np.float64)

    def target(order: Ints) -> Target:
        wanted = np.tile(order[:ranks], answers)
        return Target(rows, at, wanted, np.ones(len(rows)), table[wanted, at - 1])

    shown = Shown(rows, at, items, clicks, table[items, at - 1], np.arange(answers))
    return shown, target(random.permutation(pool)), target(np.arange(pool))


def interleaved(window: Window, a: Ints, b: Ints, answers: int, seed: int) -> float:
    """The p value of team-draft interleaving over so many answers, signed: below 0 where it says ``b``."""
    random, depth = np.random.default_rng(seed), len(window.examination)
    credits = []
    for answer, kind in enumerate(random.integers(0, len(a), answers).tolist()):
        draft = team_draft([str(i) for i in a[kind]], [str(i) for i in b[kind]], depth, f"{seed}/{answer}")
        clicked = window.clicks(kind, [int(name) for name in draft.products], random)
        credits.append(draft.credit({str(item) for item in clicked}))
    said = verdict(credits)
    return said.p_value if said.wins_a >= said.wins_b else -said.p_value


def halved(window: Window, a: Ints, b: Ints, answers: int, seed: int) -> float:
    """The same of an A/B comparison: each answer is one ranker's, and the mean clicks are compared (Welch's test)."""
    random, depth = np.random.default_rng(seed), len(window.examination)
    clicks: tuple[list[int], list[int]] = ([], [])
    for answer, kind in enumerate(random.integers(0, len(a), answers).tolist()):
        ranking = (a, b)[answer % 2]
        clicks[answer % 2].append(len(window.clicks(kind, ranking[kind, :depth].tolist(), random)))
    test = ttest_ind(*clicks, equal_var=False)
    return float(test.pvalue) if test.statistic >= 0 else -float(test.pvalue)
