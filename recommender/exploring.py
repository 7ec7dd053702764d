"""Exploration: chance fills the lower ranks, with a probability for each product and rank that is known exactly.

The bandit is Plackett–Luce over ranks, the softmax of Hofmann, Whiteson & de Rijke (A probabilistic method for
inferring preferences from clicks, CIKM 2011) drawn without replacement. Of n candidates, the one at place p = 0 … n − 1
without chance has the weight (1 + p)^−s, s the ``sharpness``; the product at the first drawn rank is drawn by weight,
the next one by weight among those left, and so on. Weights come from ranks, so that they mean the same whichever model
or fallback gave the scores, boosts and diversity included.

The propensity of a product at a rank is its marginal under all orders. By the exponential clocks of the model
(T_j ~ Exp(w_j), first to ring stands first) it is an integral over one variable (Yellott, J. Math. Psychology 1977):

    P(p at drawn rank r) = ∫ w_p e^(−w_p t) · P(exactly r of the others rang before t) dt

which the trapezoid rule on t = e^u gives to rounding error (Trefethen & Weideman, The exponentially convergent
trapezoidal rule, SIAM Review 2014); it is computed once for each n.
"""

import hashlib
import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from recommender.arrays import Doubles
from recommender.errors import ConfigurationError

MOVED = "exploration"
"""What ``Recommendation.moved_by`` calls it."""
MOST_CANDIDATES = 50
MOST_SHARPNESS = 3.0
_STEP = 0.1  # of u; the error falls as e^(−π²/step)


@dataclass(frozen=True, slots=True)
class Exploration:
    """Ranks before ``first`` (from 1) are never touched; ``pool`` candidates compete for those from there on.

    A ``sharpness`` of 0 is a uniform draw, a large one leaves nearly every order as it was. Pins keep their ranks and
    are no candidates.
    """

    first: int = 3
    pool: int = 12
    sharpness: float = 1.5

    def __post_init__(self) -> None:
        """Raises ConfigurationError."""
        if self.first < 1:
            raise ConfigurationError(f"exploration begins at rank {self.first}; expected a whole number from 1")
        if not 2 <= self.pool <= MOST_CANDIDATES:
            raise ConfigurationError(f"{self.pool} candidates to explore; expected 2 to {MOST_CANDIDATES}")
        if not 0 <= self.sharpness <= MOST_SHARPNESS:
            raise ConfigurationError(f"a sharpness of {self.sharpness}; expected 0 to {MOST_SHARPNESS:g}")

    @property
    def reach(self) -> int:
        """Ranks from 1 that a draw may touch, before pins are put between them."""
        return self.first - 1 + self.pool


@dataclass(frozen=True, slots=True)
class Draw:
    """Exploration for one request. The same ``seed``, the request's own id, draws the same order again."""

    exploration: Exploration
    seed: str

    def order(self, n: int) -> list[int]:
        """The places of n candidates in the order that chance gives them: one draw of Plackett–Luce."""
        chance = random.Random(hashlib.sha256(self.seed.encode("utf-8", "surrogatepass")).digest())
        clocks = [chance.expovariate(weight) for weight in weights(n, self.exploration.sharpness).tolist()]
        return sorted(range(n), key=clocks.__getitem__)


@dataclass(frozen=True, slots=True)
class Lottery:
    """What chance chose among for one answer, enough to say how probable each other choice was.

    ``candidates`` stand in the order without chance; ``ranks``, as many and rising, are those that chance filled, the
    ones of the candidates without it.
    """

    candidates: tuple[str, ...]
    ranks: tuple[int, ...]
    sharpness: float

    def propensity(self, product_id: str, rank: int) -> float:
        """The probability with which chance puts the product at the rank; 0 where it cannot."""
        if product_id not in self.candidates or rank not in self.ranks:
            return 0.0
        place, slot = self.candidates.index(product_id), self.ranks.index(rank)
        return float(propensities(len(self.candidates), self.sharpness)[place, slot])


def weights(n: int, sharpness: float) -> Doubles:
    """(1 + p)^−sharpness for the places p of n candidates, (n,)."""
    return np.arange(1, n + 1, dtype=np.float64) ** -sharpness


@lru_cache(maxsize=64)
def propensities(n: int, sharpness: float) -> Doubles:
    """[p, r] is the probability that candidate p of n stands at drawn rank r, both from 0; rows and columns sum to 1.

    Not to be written to: it is shared. Time n³ for some 500 values of t.
    """
    rates = weights(n, sharpness)
    u = np.arange(-42.0, np.log(45.0 / rates.min()) + _STEP, _STEP)  # outside, less than e^−42 is left
    t = np.exp(u)
    rang = -np.expm1(-np.outer(rates, t))  # (n, len(t))
    found = np.empty((n, n))
    for place in range(n):
        density = _STEP * rates[place] * t * np.exp(-rates[place] * t)
        found[place] = _how_many(np.delete(rang, place, axis=0)) @ density
    found.setflags(write=False)
    return found


def _how_many(chances: Doubles) -> Doubles:
    """[r, i] is the probability that r of the events happen, each with its chance (m, i): Poisson's binomial."""
    total = np.zeros((len(chances) + 1, chances.shape[1]))
    total[0] = 1.0
    for count, chance in enumerate(chances, start=1):
        total[1 : count + 1] = total[1 : count + 1] * (1 - chance) + total[:count] * chance
        total[0] *= 1 - chance
    return total


def lottery(drawn: Iterable[tuple[int, int, str]], sharpness: float) -> Lottery:
    """Of (rank, place without chance, product) for everything that chance placed, by rank."""
    rows = list(drawn)
    candidates = tuple(name for _, _, name in sorted(rows, key=lambda row: row[1]))
    return Lottery(candidates, tuple(rank for rank, _, _ in rows), sharpness)
