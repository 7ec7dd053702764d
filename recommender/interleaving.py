"""Team-draft interleaving: one list out of two rankers, and which of them its clicks speak for.

Radlinski, Kurup & Joachims, How does clickthrough data reflect retrieval quality?, CIKM 2008. The rankers take turns in
rounds, a coin deciding who begins each; whoever's turn it is puts in its best product that is not there yet. A click
counts for the ranker that put the product in. Over many answers, the answers that one ranker won are held against those
that the other won by an exact binomial test; ties say nothing. Each answer is a comparison within one person, which is
why it takes fewer of them than showing each ranker to half of the people.

Answers of one person are no independent trials: who likes what one ranker shows likes it every day. Where people have
several answers, hold people against each other (``replaying.credited``), not answers.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from recommender.errors import RecommenderError

Team: TypeAlias = Literal["a", "b"]


@dataclass(frozen=True, slots=True)
class Draft:
    """The list that is shown, and who put in each product; as many teams as products."""

    products: tuple[str, ...]
    teams: tuple[Team, ...]

    def credit(self, clicked: Collection[str]) -> int:
        """Products of ``a`` that were clicked less those of ``b``; what is not in the list counts for nobody."""
        return sum(
            1 if team == "a" else -1 for name, team in zip(self.products, self.teams, strict=True) if name in clicked
        )


@dataclass(frozen=True, slots=True)
class Interleaved:
    """What is kept of an answer that two models share: the model in service drafts as ``a``, the ``rival`` as ``b``."""

    rival: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Verdict:
    """Answers won by each ranker, the share of ``a`` in those that somebody won with its 95 % interval, and how
    probable so uneven a result is where neither is better (two-sided)."""

    wins_a: int
    wins_b: int
    ties: int
    share: float
    low: float
    high: float
    p_value: float

    @property
    def better(self) -> Team | None:
        """Who is better at the 5 % level; None where chance explains it."""
        if self.p_value >= 0.05:
            return None
        return "a" if self.wins_a > self.wins_b else "b"


def team_draft(a: Sequence[str], b: Sequence[str], k: int, seed: str) -> Draft:
    """At most k products of two rankings, best first, no product twice. The same seed drafts the same list again; the
    list for k heads the list for k + 1."""
    coin, products, teams = random.Random(seed), dict[str, None](), list[Team]()
    rankings: dict[Team, Sequence[str]] = {"a": a, "b": b}
    everything = len({*a, *b})
    while len(products) < min(k, everything):
        order: tuple[Team, Team] = ("a", "b") if coin.random() < 0.5 else ("b", "a")
        for team in order:
            best = next((name for name in rankings[team] if name not in products), None)
            if best is not None and len(products) < k:
                products[best] = None
                teams.append(team)
    return Draft(tuple(products), tuple(teams))


def placements(a: Sequence[str], b: Sequence[str], k: int) -> list[Mapping[str, float]]:
    """With which probability ``team_draft`` puts each product at each of its at most k ranks: a mapping a rank.

    What was drafted is always the first i products of ``a`` with the first j of ``b``, so that few states stand for all
    the coins: exact, in a time that grows with k times the number of states, which is at most about k.
    """
    states, found = {(0, 0, _NEW_ROUND): 1.0}, list[Mapping[str, float]]()
    places = ({name: n for n, name in enumerate(a)}, {name: n for n, name in enumerate(b)})
    while len(found) < min(k, len({*a, *b})):
        here, after = defaultdict[str, float](float), defaultdict[tuple[int, int, int], float](float)
        for (i, j, turn), chance in states.items():
            for share, team, turn_after in _turns(turn, i < len(a), j < len(b)):
                here[b[j] if team else a[i]] += share * chance
                begun = _settled(a, b, places, i + 1 - team, j + team)
                after[(*begun, turn_after)] += share * chance
        states = after
        found.append(dict(here))
    return found


def verdict(credits: Iterable[int]) -> Verdict:
    """Of the ``credit`` of each answer, or of each person. Raises RecommenderError where nobody won any."""
    from scipy.stats import binomtest  # not paid by those who only draft

    counted = Counter((credit > 0) - (credit < 0) for credit in credits)
    if not counted[1] + counted[-1]:
        raise RecommenderError(f"none of {counted[0]:,} was won by anybody; show more")
    test = binomtest(counted[1], counted[1] + counted[-1])
    interval = test.proportion_ci()
    return Verdict(
        counted[1], counted[-1], counted[0], float(test.statistic), float(interval.low), float(interval.high),
        float(test.pvalue),
    )  # fmt: skip


_NEW_ROUND = -1  # else the number of the team whose turn ends the round: 0 is a, 1 is b


def _turns(turn: int, a_has: bool, b_has: bool) -> Iterator[tuple[float, int, int]]:
    """(probability, the team that puts in, whose turn is next). Who has nothing left passes."""
    has = (a_has, b_has)
    if turn != _NEW_ROUND and has[turn]:
        yield 1.0, turn, _NEW_ROUND
    elif a_has and b_has:
        yield 0.5, 0, 1
        yield 0.5, 1, 0
    else:
        yield 1.0, 0 if a_has else 1, _NEW_ROUND


def _settled(
    a: Sequence[str], b: Sequence[str], places: tuple[Mapping[str, int], Mapping[str, int]], i: int, j: int
) -> tuple[int, int]:
    """The same drafted products by the longest prefixes: whatever follows them is not drafted yet."""
    drafted = j
    while i < len(a) and places[1].get(a[i], len(b)) < drafted:
        i += 1
    while j < len(b) and places[0].get(b[j], len(a)) < i:
        j += 1
    return i, j
