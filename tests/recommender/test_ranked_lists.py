"""What the benchmark calls served is what the product lists, strangers and unknown items included."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from kg.stores.memory import MemoryStore
from recommender.choosing import build, fallbacks
from recommender.dataset import Dataset, Edges
from recommender.filters import Shelf
from recommender.histories import Histories, Ids
from recommender.listing import Wish, ranked
from recommender.metrics import target_ranks
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.popularity import Popularity

USERS, ITEMS, KNOWN = 12, 30, 20


@pytest.fixture
def lists(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module("ranked_lists")


@pytest.fixture
def data(log):
    """The last ten items have no event; four of them have a relation, two of those to an item that has events."""
    random = np.random.default_rng(0)
    items = Ids(tuple(f"i{n:02d}" for n in range(ITEMS)))
    rows = [(f"u{u:02d}", items[int(i)], 10 * u) for u in range(USERS) for i in random.permutation(KNOWN)[:3]]
    edges = Edges.of(np.array([0, 1, 22]), np.array([20, 21, 23]))
    return Dataset.build(log(rows), items=items, links={"also_bought": edges})


@pytest.fixture
def histories(data):
    """Everyone of training, then someone who only had an unrelated item, an item without events, and nobody."""
    h = data.histories
    extra = Histories.build(
        np.full(4, -1), np.array([1, 1, 1, 0]), np.array([25, 22, 0]), np.full(3, 3, np.int8), np.zeros(3)
    )
    return Histories.build(
        np.concatenate((h.users, extra.users)),
        np.concatenate((h.lengths, extra.lengths)),
        *(np.concatenate((getattr(h, f), getattr(extra, f))) for f in ("items", "actions", "at")),
    )


def hidden(histories):
    masked = np.zeros((len(histories), ITEMS), bool)
    masked[histories.owners, histories.items] = True
    return masked


MIXED = Mixture(((1.0, ItemKNN()), (-0.5, Popularity())))  # some of its scores are below 0


@pytest.mark.parametrize("model", [ItemKNN(), MIXED])
def test_served_is_the_order_of_the_product(lists, data, histories, model):
    chain, masked = build(model, data).chain, hidden(histories)
    scorer = chain[0][1]
    scores, speaks = scorer.scores_batch(histories), scorer.speaks(histories)
    found = lists.filled(scores, speaks, masked, histories, fallbacks(data))
    shelf = Shelf(MemoryStore(), data.items)
    tiers = set()
    for row in range(len(histories)):
        wish = Wish(histories.rows(row, row + 1), shelf)
        wanted = list(ranked(chain, wish, ITEMS, ~masked[row]))
        assert lists.top_k(found[row], ITEMS, ~masked[row]).tolist() == [place.item for place in wanted]
        tiers |= {place.tier for place in wanted}
    assert tiers >= {chain[0][0], "relations", "popularity", "catalogue"}, "the case asks everyone in the chain"


def test_a_stranger_gets_what_sells(lists, data, histories):
    scorer, masked = ItemKNN().fit(data), hidden(histories)
    found = lists.filled(scorer.scores_batch(histories), scorer.speaks(histories), masked, histories, fallbacks(data))
    sold = Popularity(half_life_days=30.0).fit(data).popularity
    assert lists.top_k(found[-1], KNOWN).tolist() == np.lexsort((np.arange(ITEMS), -sold))[:KNOWN].tolist()
    equals = [int(np.count_nonzero(sold >= sold[item])) for item in range(ITEMS)]  # ties count against the target
    rows = np.full(ITEMS, len(histories) - 1)
    alone = [target_ranks(found, rows[:1], np.array([item])).item() for item in range(ITEMS)]
    assert alone == equals


def test_where_nothing_is_open_the_scores_come_back_as_they_are(lists, data, histories):
    scores = np.random.default_rng(1).normal(size=(len(histories), ITEMS)).astype(np.float32)
    masked = hidden(histories)
    scores[masked] = 0.0  # what was taken may score nothing
    everyone = np.ones(len(histories), bool)
    assert lists.filled(scores, everyone, masked, histories, fallbacks(data)) is scores
    scores[3, np.argmin(masked[3])] = 0.0
    found = lists.filled(scores, everyone, masked, histories, fallbacks(data))
    others = np.arange(len(histories)) != 3
    assert (found[others] == scores[others]).all()
    assert found[3, np.argmin(masked[3])] == found[3][~masked[3]].min()


def test_numbers_for_scores_keep_order_and_equality(lists):
    edge = [0.0, -0.0, 1e-45, -1e-45, 1.0, np.nextafter(np.float32(1), np.float32(2)), -1.0, 3e38, -3e38, 1e-30]
    scores = np.concatenate((edge, np.random.default_rng(0).normal(size=200))).astype(np.float32)
    numbers = lists._in_order(scores)
    exact = scores.astype(np.float64)
    assert (np.sign(exact[:, None] - exact) == np.sign(numbers[:, None] - numbers)).all()
    assert (numbers == np.trunc(numbers)).all()
    assert np.abs(numbers).max() < 2**31
