"""What another policy would have earned, estimated from answers that a policy with known propensities gave.

The value of a policy π is the expected reward of one answer, a sum over its ranks. The estimators take the reward of a
product to depend on user, product and rank, not on its neighbours (the item–position model of Li, Abbasi-Yadkori,
Kveton, Muthukrishnan, Vinay & Wen, Offline evaluation of ranking policies with click models, KDD 2018). With answers
x = 1 … m, the products a shown in them at ranks r with rewards y and propensities μ(a, r | x), and
w = π(a, r | x) / μ(a, r | x):

    IPS    1/m Σ_x Σ_r w y                                            (Horvitz & Thompson, JASA 1952)
    SNIPS  Σ_r (Π_r / m) · Σ_x w y / Σ_x w, Π_r = Σ_x Σ_a π(a, r | x) (Swaminathan & Joachims, NIPS 2015, at each rank)
    DR     1/m Σ_x [Σ_r Σ_a π(a, r | x) q(x, a, r) + Σ_r w (y − q)]   (Dudík, Langford & Li, ICML 2011)

IPS and DR have no bias where π shows nothing that μ could not have shown (support); SNIPS has one that vanishes with m.
What breaks this is refused, never clipped. q is given, or learned on the users of the other folds (cross-fitting;
Chernozhukov et al., The Econometrics Journal 2018). Intervals are the middle 95 % of bootstrap draws of the users, for
their answers depend on each other (Efron & Tibshirani 1993). The effective sample size at a rank is (Σ w)² / Σ w²
(Kish 1965).

Where rewards are rare, the bootstrap knows too little of the rewards that it has not seen, and its intervals are too
short: ``verdict`` wants enough of them first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from recommender.arrays import Bools, Doubles, Ints
from recommender.errors import OffPolicyError, PropensityError, SupportError

RESAMPLES = 1000
FOLDS = 5
LEAST = 10.0
"""Fewer effective answers at a rank are no estimate."""
LEAST_TO_JUDGE = 50.0
"""Fewer effective answers at a rank are no verdict."""
LEAST_REWARDS = 20.0
"""Nor is one where fewer rewards were to be expected of the effective answers."""
_SLACK = 1e-9  # of sums of probabilities
_PRIOR = 5.0  # rewards that a product's lift is shrunk by towards 1


@dataclass(frozen=True, slots=True)
class Shown:
    """The log: n products shown in m answers. All (n,): the answer's number from 0, the rank from 1, the product's
    number, its reward (not below 0) and its propensity at that rank. ``users`` (m,) numbers whom each answer was for;
    answers of one user are drawn together."""

    answers: Ints
    ranks: Ints
    items: Ints
    rewards: Doubles
    propensities: Doubles
    users: Ints


@dataclass(frozen=True, slots=True)
class Target:
    """The policy asked about: p products that it shows in the same answers, each with its ``probabilities`` π at that
    rank and the ``propensities`` μ with which the log's policy would have shown it just there, all (p,)."""

    answers: Ints
    ranks: Ints
    items: Ints
    probabilities: Doubles
    propensities: Doubles


RewardModel = Callable[[Ints, Ints, Ints], Doubles]
"""What is expected of (answers, items, ranks), three of (n,): the rewards (n,)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The value of a policy, the reward of one answer, with its 95 % interval; ``draws`` are the bootstrap's."""

    value: float
    low: float
    high: float
    draws: Doubles = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Report:
    """``logged`` is the mean reward of the answers as they were given; ``effective`` the effective number of answers
    at the rank that has the fewest; ``rewards`` how many of the log's rewards so many answers would have brought, at
    the ranks that chance filled. It does not depend on what the policy earned."""

    answers: int
    users: int
    effective: float
    rewards: float
    logged: Estimate
    ips: Estimate
    snips: Estimate
    dr: Estimate

    def difference(self, other: "Report", estimator: str) -> Estimate:
        """How much more this policy is worth than the other one, by ``ips``, ``snips``, ``dr`` or ``logged``.

        Both must come from the same log with the same seed: then their draws are of the same users. OffPolicyError.
        """
        one, two = getattr(self, estimator), getattr(other, estimator)
        if (self.answers, self.users, len(one.draws)) != (other.answers, other.users, len(two.draws)):
            raise OffPolicyError("the two reports are of different logs or draws; estimate both from the same log")
        return _estimate(one.value - two.value, one.draws - two.draws)


def evaluate(
    shown: Shown, target: Target, *, model: RewardModel | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Report:
    """What ``target`` is worth by all three estimators.

    Raises PropensityError for a propensity that is missing or no probability in (0, 1], SupportError where the target
    shows what the log's policy could not have shown, or where fewer than ``LEAST`` effective answers speak for one of
    its ranks, OffPolicyError for rows that contradict each other.
    """
    check(shown, target)
    ratios = _ratios(shown, target)
    if model is None:
        predicted, expected = _cross_fitted(shown, target, seed)
    else:
        predicted = model(shown.answers, shown.items, shown.ranks)
        expected = model(target.answers, target.items, target.ranks)
    m, depth = len(shown.users), int(max(shown.ranks.max(), target.ranks.max()))

    def by_answer(table: Shown | Target, values: Doubles) -> Doubles:
        return np.bincount(table.answers, values, minlength=m).astype(np.float64)

    def by_rank(table: Shown | Target, values: Doubles) -> Doubles:
        return _by_rank(table, values, m, depth)

    mass, weights = by_rank(target, target.probabilities), by_rank(shown, ratios)
    direct = by_answer(target, target.probabilities * expected)
    per_answer = [
        np.ones(m),
        by_answer(shown, shown.rewards),
        by_answer(shown, ratios * shown.rewards),
        direct + by_answer(shown, ratios * (shown.rewards - predicted)),
    ]
    columns = np.column_stack([*per_answer, mass, by_rank(shown, ratios * shown.rewards), weights])
    users, codes = np.unique(shown.users, return_inverse=True)
    sums = np.zeros((len(users), columns.shape[1]))
    np.add.at(sums, codes, columns)
    effective = _least(_effective(mass, weights), _chosen(shown))
    drawn = np.where(shown.propensities < 1 - _SLACK, 1.0, 0.0)
    by_chance, rewarded = by_rank(shown, drawn * ratios), by_rank(shown, drawn * shown.rewards)
    due = _kish(by_chance) * _kish(rewarded) / np.maximum(by_rank(shown, drawn).sum(axis=0), 1.0)
    values, draws = _values(sums.sum(axis=0)[None]), _values(_drawn(sums, resamples, seed))
    estimates = {name: _estimate(float(values[name][0]), draws[name]) for name in values}
    return Report(m, len(users), effective, float(due.sum()), **estimates)


def verdict(one: Report, two: Report) -> Literal["a", "b"] | None:
    """Which of two policies earns more, ``one`` being a: by DR, where IPS and SNIPS say so too; None where nothing is
    shown.

    Raises OffPolicyError for less than ``LEAST_TO_JUDGE`` and ``LEAST_REWARDS``: there a difference would be found
    where there is none.
    """
    effective, rewards = min(one.effective, two.effective), min(one.rewards, two.rewards)
    if effective < LEAST_TO_JUDGE or rewards < LEAST_REWARDS:
        raise OffPolicyError(
            f"too few rewards to say who earns more: {effective:,.0f} effective answers, which {rewards:,.1f} rewards "
            f"were to be expected of, and {LEAST_TO_JUDGE:g} and {LEAST_REWARDS:g} are needed; log more answers"
            + (", or judge fewer ranks" if effective < LEAST_TO_JUDGE else "")
        )
    signs = {_sign(one.difference(two, name)) for name in ("dr", "ips", "snips")}
    if len(signs) > 1 or 0 in signs:
        return None
    return "a" if 1 in signs else "b"


def _sign(difference: Estimate) -> int:
    return int(difference.low > 0) - int(difference.high < 0)


def depth(shown: Shown, target: Target) -> int:
    """The deepest rank up to which each rank has ``LEAST`` effective answers, among them one that chance filled; 0
    where there is none."""
    check(shown, target)
    m, deepest = len(shown.users), int(max(shown.ranks.max(), target.ranks.max()))
    mass = _by_rank(target, target.probabilities, m, deepest)
    enough = _effective(mass, _by_rank(shown, _ratios(shown, target), m, deepest)) >= LEAST
    found = deepest if enough.all() else int(enough.argmin())
    return found if found >= _chosen(shown) else 0


def upto(shown: Shown, target: Target, k: int) -> tuple[Shown, Target]:
    """The first k ranks alone, of the same answers."""

    def cut(table: Shown | Target) -> dict[str, Any]:
        kept: Bools = table.ranks <= k
        return {name: getattr(table, name)[kept] for name in table.__dataclass_fields__ if name != "users"}

    return replace(shown, **cut(shown)), replace(target, **cut(target))


def lift_model(items: Ints, ranks: Ints, rewards: Doubles) -> Callable[[Ints, Ints], Doubles]:
    """A reward model that knows product and rank, learned from n rows: the mean at the rank times the product's lift.

    The lift is what the product earned over what its ranks earn on average, both raised by ``_PRIOR``, so that a
    product rarely shown is taken to be an average one (the posterior mean of a Gamma–Poisson model).
    """
    depth, count = int(ranks.max()) + 1, int(items.max()) + 1
    at_rank = np.bincount(ranks, rewards, depth) / np.maximum(np.bincount(ranks, minlength=depth), 1)
    due = np.bincount(items, at_rank[ranks], count)
    lifts = (np.bincount(items, rewards, count) + _PRIOR) / (due + _PRIOR)

    def predict(asked: Ints, at: Ints) -> Doubles:
        lift = np.where(asked < count, lifts[np.minimum(asked, count - 1)], 1.0)
        mean = np.where(at < depth, at_rank[np.minimum(at, depth - 1)], 0.0)
        found: Doubles = lift * mean
        return found

    return predict


def _cross_fitted(shown: Shown, target: Target, seed: int) -> tuple[Doubles, Doubles]:
    """The rewards predicted for what was shown and for what the target shows, by a model of the other users."""
    users, codes = np.unique(shown.users, return_inverse=True)
    folds = min(FOLDS, len(users))
    fold_of = (np.random.default_rng(seed).permutation(len(users)) % folds)[codes]
    predicted, expected = np.zeros(len(shown.answers)), np.zeros(len(target.answers))
    for fold in range(folds):
        held: Bools = fold_of[shown.answers] == fold
        asked: Bools = fold_of[target.answers] == fold
        if held.all():
            raise OffPolicyError("one user has every shown product, so that no reward model can be fitted; log more")
        predict = lift_model(shown.items[~held], shown.ranks[~held], shown.rewards[~held])
        predicted[held] = predict(shown.items[held], shown.ranks[held])
        expected[asked] = predict(target.items[asked], target.ranks[asked])
    return predicted, expected


def _ratios(shown: Shown, target: Target) -> Doubles:
    """π / μ of each product shown, 0 where the target does not show it there, (n,)."""
    keys, wanted = _keys(shown, target)
    order = np.argsort(wanted)
    places = np.minimum(np.searchsorted(wanted[order], keys), len(wanted) - 1)
    rows = order[places]
    same = wanted[rows] == keys
    if np.abs(target.propensities[rows] - shown.propensities)[same].max(initial=0.0) > _SLACK:
        raise OffPolicyError("a product that both show at a rank has two propensities there; give the log's in both")
    ratios: Doubles = np.where(same, target.probabilities[rows], 0.0) / shown.propensities
    return ratios


def _keys(shown: Shown, target: Target) -> tuple[Ints, Ints]:
    """One number for (answer, rank, product), alike in both tables, (n,) and (p,)."""
    depth = int(max(shown.ranks.max(), target.ranks.max()))
    count = int(max(shown.items.max(), target.items.max())) + 1
    one, two = (((t.answers * depth + t.ranks - 1) * count + t.items) for t in (shown, target))
    return one, two


def _by_rank(table: Shown | Target, values: Doubles, m: int, depth: int) -> Doubles:
    """The values of rows added up by answer and rank, (m, depth)."""
    cells = table.answers * depth + table.ranks - 1
    return np.bincount(cells, values, minlength=m * depth).astype(np.float64).reshape(m, depth)


def _kish(weights: Doubles) -> Doubles:
    """(Σ w)² / Σ w² of each column, 0 where there is nothing, (columns,)."""
    squares = (weights**2).sum(axis=0)
    found: Doubles = np.where(squares > 0, weights.sum(axis=0) ** 2 / np.where(squares > 0, squares, 1.0), 0.0)
    return found


def _effective(mass: Doubles, weights: Doubles) -> Doubles:
    """Of (m, depth) the effective number of answers at each rank, (depth,); infinite where the target fills none."""
    found: Doubles = np.where(mass.sum(axis=0) > 0, _kish(weights), np.inf)
    return found


def _chosen(shown: Shown) -> float:
    """The first rank that chance filled, infinite where it filled none."""
    return float(min(shown.ranks[shown.propensities < 1 - _SLACK], default=np.inf))


def _least(effective: Doubles, first: float) -> float:
    """The smallest one. Raises SupportError, which names the first rank that has too few; ``first`` is the first that
    chance filled, and those before it tell no policies apart."""
    if effective.min() < LEAST:
        rank = int((effective < LEAST).argmax())
        raise SupportError(
            f"at rank {rank + 1} only {effective[rank]:.1f} effective answers show what the policy asked about would "
            f"show, and {LEAST:g} are needed: log more answers, explore with a lower sharpness"
            + (f", or judge the first ranks alone, {rank} at most" if rank >= first else "")
        )
    return float(effective.min())


def _drawn(sums: Doubles, resamples: int, seed: int) -> Doubles:
    """The sums (columns,) of users drawn anew with replacement, (resamples, columns)."""
    users, random = len(sums), np.random.default_rng(seed)
    found = np.empty((resamples, sums.shape[1]))
    for draw in range(resamples):
        found[draw] = np.bincount(random.integers(0, users, users), minlength=users) @ sums
    return found


def _values(sums: Doubles) -> Mapping[str, Doubles]:
    """The estimates (b,) from the sums (b, 4 + 3 · depth) over answers; see ``evaluate`` for the columns."""
    answers = sums[:, 0]
    mass, earned, weights = np.split(sums[:, 4:], 3, axis=1)
    mean = np.divide(earned, weights, out=np.zeros_like(earned), where=weights > 0)
    return {
        "logged": sums[:, 1] / answers,
        "ips": sums[:, 2] / answers,
        "snips": (mass * mean).sum(axis=1) / answers,
        "dr": sums[:, 3] / answers,
    }


def _estimate(value: float, draws: Doubles) -> Estimate:
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(value, float(low), float(high), draws)


def check(shown: Shown, target: Target) -> None:
    """Refuse what no estimate can come from. Raises PropensityError, SupportError, OffPolicyError."""
    for name, table in (("log", shown), ("target", target)):
        sizes = {len(getattr(table, column)) for column in table.__dataclass_fields__ if column != "users"}
        if len(sizes) > 1 or 0 in sizes:
            raise OffPolicyError(f"the columns of the {name} have {sorted(sizes)} rows; expected one number, not 0")
        if table.answers.min() < 0 or table.answers.max() >= len(shown.users) or table.ranks.min() < 1:
            raise OffPolicyError(f"the {name} names an answer that has no user, or a rank before 1")
    if len(np.unique(shown.users)) < 2:
        raise OffPolicyError("the log is of one user, which gives no interval; log the answers to more")
    if not (np.isfinite(shown.rewards) & (shown.rewards >= 0)).all():
        raise OffPolicyError("a reward is below 0 or no number; expected clicks, purchases or what they brought")
    _check_probabilities("log", shown.propensities, shown.answers, least=np.nextafter(0.0, 1.0))
    _check_probabilities("target", target.probabilities, target.answers, least=0.0)
    _check_probabilities("target", target.propensities, target.answers, least=0.0)
    _check_places(shown, target)


def _check_probabilities(name: str, values: Doubles, answers: Ints, *, least: float) -> None:
    wrong = np.flatnonzero(~((values >= least) & (values <= 1 + _SLACK)))
    if len(wrong):
        raise PropensityError(
            f"{len(wrong)} of {len(values)} rows of the {name} have no probability, the first {values[wrong[0]]} in "
            f"answer {answers[wrong[0]]}: expected one {'above 0' if least else 'from 0'} up to 1. Answers that were "
            "logged without propensities cannot be used"
        )


def _check_places(shown: Shown, target: Target) -> None:
    """Each place of an answer is filled once, and the target fills none that the log could not have filled alike."""
    depth = int(max(shown.ranks.max(), target.ranks.max()))
    places, wanted = (t.answers * depth + t.ranks - 1 for t in (shown, target))
    if len(np.unique(places)) < len(places):
        raise OffPolicyError("an answer of the log has two products at one rank; expected one")
    mass = np.bincount(wanted, target.probabilities)
    if mass.max() > 1 + _SLACK or len(np.unique(_keys(shown, target)[1])) < len(wanted):
        raise OffPolicyError("the target names a product twice, or fills a rank with a probability above 1")
    asked = target.probabilities > 0
    never = asked & ((target.propensities == 0) | ~np.isin(wanted, places))
    if never.any():
        raise SupportError(
            f"in {len(np.unique(target.answers[never]))} of {len(shown.users)} answers the policy asked about shows a "
            f"product at a rank ({int(target.ranks[never].min())} is the first) where the log's policy never would: no "
            "estimate can come from this log. Explore from the first rank on that they order differently, among "
            "candidates of both"
        )
