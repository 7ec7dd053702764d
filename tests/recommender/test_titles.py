"""Which titles read alike, and what that is worth to products that came after the training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.search import tokens
from kg.stores.memory import MemoryStore
from kg.types import ACTIONS, Entity, Evidence, Fact, Interaction
from recommender.choosing import build
from recommender.diversity import path_types
from recommender.histories import Histories, UserState
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.ranking.ranker import carried
from recommender.reading import read_dataset
from recommender.recommender import Recommender
from recommender.thresholds import Thresholds
from recommender.titles import Titles

SHOP = {"a": "Red Wool Scarf", "b": "Blue Wool Scarf", "c": "Steel Kettle", "d": "红色 羊毛围巾"}
title = st.lists(st.sampled_from(["red", "blue", "wool", "scarf", "kettle", "羊毛围巾", "!"]), max_size=5).map(" ".join)


def cosine(titles, one, other):
    """By dense vectors over every word."""
    every = sorted({word for text in (*titles, one, other) for word in tokens(text)})
    spread = [max(1, sum(word in tokens(text) for text in titles)) for word in every]
    weights = np.log((len(titles) + 1) / np.array(spread))
    x, y = (weights * np.array([word in tokens(text) for word in every], float) for text in (one, other))
    length = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y) / length if length else 0.0


@given(st.lists(title, min_size=1, max_size=6), title)
def test_the_cosine_by_hand(titles, asked):
    shop = {str(n): text for n, text in enumerate(titles)}
    found = Titles(shop).alike(asked, least=0.0, most=10)
    expected = {key: cosine(titles, asked, text) for key, text in shop.items()}
    assert found == pytest.approx({key: told for key, told in expected.items() if told > 0})
    assert list(found) == sorted(found, key=lambda key: (-found[key], int(key)))


def test_the_nearest_come_first_and_far_ones_not_at_all():
    titles = Titles(SHOP)
    assert list(titles.alike("Red Wool Scarf, New", least=0.1, most=10)) == ["a", "b"]
    assert list(titles.alike("Red Wool Scarf, New", least=0.1, most=1)) == ["a"]
    assert list(titles.alike("Red Wool Scarf, New", least=0.6, most=10)) == ["a"]
    assert list(titles.alike("羊毛围巾", least=0.1, most=10)) == ["d"]


@pytest.mark.parametrize("asked", ["", "…", "Umbrella"])
def test_what_has_no_word_in_common_is_like_nothing(asked):
    assert Titles(SHOP).alike(asked, least=0.0, most=10) == {}
    assert Titles({}).alike("Red Wool Scarf", least=0.0, most=10) == {}


ROWS = [("u1", "a", 1), ("u1", "c", 2), ("u2", "a", 3), ("u2", "b", 4), ("u3", "c", 5), ("u3", "b", 6)]
NEW = {"dup": "Red Wool Scarf (2nd edition)", "far": "Umbrella"}


class Nobody:
    """A log of nobody."""

    def history(self, user_id, *, session_id=None, limit=None, until=None):
        return ()

    def products(self, user_id, *, session_id=None, actions=ACTIONS, until=None):
        return frozenset()


@pytest.fixture
def shop(log):
    """A shop of four products, trained, and then two more of which nothing but a title is known."""
    with MemoryStore() as store:
        store.put([Entity(f"product:{key}", "Product", name) for key, name in SHOP.items()])
        wool = Entity("use:wool", "Use", "wool")
        made = [Fact(f"product:{key}", "USED_FOR", wool.id, (Evidence("said", "catalog", 0.5),)) for key in "abc"]
        store.put([wool], made)
        artifact = build(Mixture(((1.0, ItemKNN()),)), read_dataset(store, log(ROWS), allow_undated=True))
        store.put([Entity(f"product:{key}", "Product", name) for key, name in NEW.items()])
        yield Recommender(artifact, store, Nobody())


def on(product):
    return (Interaction("e", product, "view", 9),)


def test_a_title_leads_to_a_newcomer_without_facts_and_is_no_reason(shop):
    found = {r.product_id: r for r in shop.recommend(history=on("a"), k=9)}
    assert (found["dup"].origin, found["dup"].reasons) == ("newcomer", ())
    assert found["dup"].rank < found["d"].rank
    assert found["far"].origin == "catalogue"
    assert {r.product_id: r for r in shop.recommend(history=on("c"), k=9)}["dup"].origin == "catalogue"
    assert shop.why_not("dup", history=on("a"), k=9).against == ()


def test_an_event_on_a_newcomer_leads_to_what_its_title_reads_like(shop):
    first = shop.recommend(history=on("dup"), k=9)[0]
    assert first.product_id == "a"


def test_what_reads_like_nothing_is_told_why(shop):
    (_, said) = shop.why_not("far", history=on("a"), k=2).against
    assert said.name == "facts"
    assert said.detail.endswith("and its title reads like none that the model knows there")
    (*_, known) = shop.why_not("d", history=on("a"), k=1).against
    assert "title" not in known.detail


def test_a_title_is_no_fact_of_any_confidence(shop):
    sure = shop.recommend(history=on("a"), k=9, thresholds=Thresholds(min_confidence=0.1))
    assert {r.product_id for r in sure} == {"b", "c"}


@pytest.mark.parametrize(("touched", "explained"), [(("dup",), {}), (("dup", "c"), {"a": "USED_FOR", "b": "USED_FOR"})])
def test_a_title_is_no_way_that_facts_lead(shop, touched, explained):
    """Neither for the ranker, which lifts what facts lead to, nor for diversity, which tells such ways apart."""
    wide = shop._present.now().wide
    scorer = dict(wide.chain)["relations"]
    asked = Histories.of([UserState(None, tuple(e for p in touched for e in on(p)))], wide.items, scorer.users)
    known = list(range(len(SHOP)))
    scores = scorer.scores_batch(asked)[0]
    assert {wide.items[n] for n in known if scores[n] > 0} == {"a", "b"}
    assert {wide.items[n] for n in np.flatnonzero(carried(scorer, asked)[0])} == set(explained)
    assert path_types(scorer, asked, known) == [explained.get(wide.items[n]) for n in known]
