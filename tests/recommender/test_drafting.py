"""An answer that two models share: laws of every draft with pins, whose reasons it tells, and its true propensities."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.types import Recommendation
from recommender.drafting import MOVED, drafted
from recommender.filters import Filters
from recommender.interleaving import Interleaved, team_draft
from recommender.recommender import Answer
from recommender.rules import Rule

PIN = Rule("summer", "pin", Filters(only=("pinned",), available=False), position=3)
NAMES = ["a", "b", "咖啡", "d", "🎧", "f", "g"]
rankings = st.permutations(NAMES).flatmap(lambda names: st.integers(0, 7).map(lambda size: names[:size]))


def answer(names, origin, pin=None):
    """As a recommender gives it, the pin at its rank or at the end of a shorter list."""
    shown = [(name, (), score) for score, name in zip(range(99, 0, -1), names, strict=False)]
    if pin is not None:
        shown.insert(min(pin - 1, len(shown)), ("pinned", (PIN.label,), 0))
    return Answer([Recommendation(n, s, r, origin, (), moved) for r, (n, moved, s) in enumerate(shown, 1)], None)


@given(rankings, rankings, st.integers(1, 8), st.text(max_size=3), st.sampled_from([None, 1, 3, 6]))
def test_laws_of_every_shared_answer(a, b, k, seed, pin):
    one, two = answer(a, "one", pin), answer(b, "two", pin)
    pins = [(pin, "pinned")] if pin else []
    cut = [Answer(whole.shown[:k], None) for whole in (one, two)]
    found = drafted(*cut, k, seed, rival="two", pins=pins)
    names = [r.product_id for r in found.shown]
    assert [r.rank for r in found.shown] == list(range(1, len(names) + 1))
    assert len(set(names)) == len(names) == min(k, len({*a, *b}) + bool(pin))
    if found.interleaved is None:  # nothing but a pin
        assert found == cut[0]
        return
    draft = found.interleaved.draft
    assert draft == team_draft(a, b, k - ("pinned" in names), seed)
    assert [n for n in names if n != "pinned"] == list(draft.products)
    if "pinned" in names:
        at = names.index("pinned")
        assert found.propensity(found.shown[at]) == 1.0
        assert at + 1 == pin or at == len({*a, *b}) < pin  # or it closes a list that ends before
        assert found.shown[at].moved_by == (PIN.label,)
    else:
        assert not pin or pin > k
    deeper = drafted(*(Answer(whole.shown[: k + 1], None) for whole in (one, two)), k + 1, seed, rival="two", pins=pins)
    assert [r.product_id for r in deeper.shown[:k]] == names
    teams = dict(zip(draft.products, draft.teams, strict=True))
    for r in found.shown:
        if r.product_id != "pinned":
            assert r.origin == {"a": "one", "b": "two"}[teams[r.product_id]]
        assert 0 < found.propensity(r) <= 1
    still = [r.score for r in found.shown if not r.moved_by]
    assert still == sorted(still, reverse=True)
    assert all(r.origin == "one" for r in found.shown if MOVED not in r.moved_by and not pin)


def test_propensities_are_how_often_it_happens():
    one, two = answer(["a", "b", "d"], "one", 3), answer(["b", "f", "a"], "two", 3)
    seen, told, draws = Counter(), {}, 4000
    for seed in range(draws):
        found = drafted(one, two, 4, str(seed), rival="two", pins=[(3, "pinned")])
        seen.update((r.product_id, r.rank) for r in found.shown)
        told |= {(r.product_id, r.rank): found.propensity(r) for r in found.shown}
    assert set(told) == set(seen)
    assert {place: count / draws for place, count in seen.items()} == pytest.approx(told, abs=0.035)


def test_a_rival_speaks_where_the_model_says_nothing():
    found = drafted(answer([], "one"), answer(["a", "b"], "two"), 5, "x", rival="two")
    assert [r.product_id for r in found.shown] == ["a", "b"]
    assert found.interleaved == Interleaved("two", team_draft([], ["a", "b"], 5, "x"))
    assert drafted(answer([], "one"), answer([], "two"), 5, "x", rival="two").interleaved is None


def test_a_pin_keeps_its_rank_though_both_lists_end_before_it():
    one, two = answer(["a"], "one", 3), answer(["b"], "two", 3)
    assert [one.shown.index(r) for r in one.shown if r.product_id == "pinned"] == [1]
    found = drafted(one, two, 5, "x", rival="two", pins=[(3, "pinned")])
    assert [(r.product_id, r.rank) for r in found.shown if r.product_id == "pinned"] == [("pinned", 3)]
