"""Team drafts: laws of every draft, and the better of two rankers found sooner than by showing each to half."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.errors import RecommenderError
from recommender.interleaving import Draft, placements, team_draft, verdict

CLICKS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "clicks.py"))
WINDOW = CLICKS["Window"].of(1)
BETTER, WORSE = WINDOW.ranker(2, 0.15), WINDOW.ranker(3, 0.5)
ANSWERS, RUNS = 200, 25
rankings = st.permutations(["a", "b", "咖啡", "d", "🎧", "f"]).flatmap(
    lambda names: st.integers(0, 6).map(lambda size: names[:size])
)


@given(rankings, rankings, st.integers(0, 8), st.text(max_size=3))
def test_laws_of_every_draft(a, b, k, seed):
    draft = team_draft(a, b, k, seed)
    assert draft == team_draft(a, b, k, seed)
    longer = team_draft(a, b, k + 1, seed)
    assert (longer.products[:k], longer.teams[:k]) == (draft.products, draft.teams)
    assert len(set(draft.products)) == len(draft.products) == len(draft.teams) == min(k, len({*a, *b}))
    for place, (name, team) in enumerate(zip(draft.products, draft.teams, strict=True)):
        ranking = a if team == "a" else b
        assert name == next(other for other in ranking if other not in draft.products[:place])
    if set(a) == set(b):
        assert all(set(draft.teams[n : n + 2]) == {"a", "b"} for n in range(0, len(draft.teams) - 1, 2))


def enumerated(a, b, k, products=()):
    """[(probability, products)] of all drafts, coin by coin, as the paper tells it."""
    if len(products) >= min(k, len({*a, *b})):
        return [(1.0, products)]
    found = []
    for order in ([a, b], [b, a]):
        drafted = products
        for ranking in order:
            best = next((name for name in ranking if name not in drafted), None)
            if best is not None and len(drafted) < k:
                drafted = (*drafted, best)
        found += [(chance / 2, whole) for chance, whole in enumerated(a, b, k, drafted)]
    return found


@given(rankings, rankings, st.integers(0, 8))
def test_placements_are_those_of_all_coins(a, b, k):
    table = placements(a, b, k)
    expected = [{} for _ in range(min(k, len({*a, *b})))]
    for chance, products in enumerated(a, b, k):
        for rank, name in enumerate(products):
            expected[rank][name] = expected[rank].get(name, 0.0) + chance
    assert table == [pytest.approx(row) for row in expected]


def test_long_rankings_have_placements_too():
    names = [f"p{n}" for n in range(150)]
    a, b = (list(np.random.default_rng(seed).permutation(names)) for seed in (1, 2))
    assert [sum(row.values()) for row in placements(a, b, 100)] == pytest.approx([1.0] * 100)


def test_who_begins_is_a_fair_coin():
    begins = sum(team_draft(["x"], ["x"], 1, str(seed)).teams == ("a",) for seed in range(2000))
    assert abs(begins - 1000) < 4.5 * np.sqrt(500)


def test_credit_and_verdict():
    draft = Draft(("x", "y", "z"), ("a", "b", "a"))
    assert [draft.credit(clicked) for clicked in ({"x"}, {"y"}, {"x", "y"}, {"x", "z"}, {"other"}, set())] == [
        1, -1, 0, 2, 0, 0,
    ]  # fmt: skip
    won = verdict([1] * 9 + [-2] + [0] * 5)
    assert (won.wins_a, won.wins_b, won.ties, won.share, won.better) == (9, 1, 5, 0.9, "a")
    assert won.p_value == pytest.approx(2 * (1 + 10) / 2**10)
    assert won.low < 0.9 < won.high
    assert verdict([-1] * 9 + [1]).better == "b"
    assert verdict([1, -1]).better is None
    with pytest.raises(RecommenderError, match="none of 3 was won"):
        verdict([0, 0, 0])


def found(comparison, a, b):
    """How often ``a`` and how often ``b`` is found better at the 5 % level."""
    signed = [CLICKS[comparison](WINDOW, a, b, ANSWERS, seed) for seed in range(RUNS)]
    return sum(0 <= p < 0.05 for p in signed), sum(-0.05 < p < 0 for p in signed)


def test_the_better_ranker_is_found_sooner_than_by_half_and_half():
    better, worse = found("interleaved", BETTER, WORSE)
    assert better > 2 * found("halved", BETTER, WORSE)[0]
    assert better > 0.6 * RUNS
    assert worse == 0


def test_a_ranker_does_not_beat_itself():
    assert sum(found("interleaved", WORSE, WORSE)) <= 4
