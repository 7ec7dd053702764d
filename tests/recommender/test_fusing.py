"""A sum takes what is complementary and leaves what is not, on scores whose answers are known."""

from dataclasses import dataclass

import numpy as np
import pytest

from recommender.fusing import Shelf, Sum, best_of, grow, joined
from recommender.histories import NO_IDS, Histories, Ids
from recommender.model import Scorer
from recommender.splits import Cases

USERS, ITEMS = 40, 30
NAMES = Ids(tuple(f"i{i:02d}" for i in range(ITEMS)))


@dataclass(frozen=True)
class Table(Scorer):
    """Scores by user, as given."""

    table: np.ndarray
    items: Ids = NAMES
    users: Ids = NO_IDS

    def scores_batch(self, histories):
        return self.table[histories.users].astype(np.float32)

    def speaks(self, histories):
        return np.ones(len(histories), bool)


@pytest.fixture
def cases():
    histories = Histories.build(
        np.arange(USERS),
        np.ones(USERS, np.int64),
        np.zeros(USERS, np.int64),
        np.zeros(USERS, np.int8),
        np.arange(USERS),
    )
    return Cases(histories, np.arange(USERS), 1 + np.arange(USERS) % (ITEMS - 1))


@pytest.fixture
def shelf(tmp_path, cases):
    return Shelf(tmp_path, cases, ITEMS, 10)


def knowing(cases, who, noise):
    """Right about ``who``, noise about everyone."""
    table = np.random.default_rng(noise).random((USERS, ITEMS))
    table[who, cases.targets[who]] += 2.0
    return Table(table)


def test_what_is_complementary_joins_and_what_is_noise_does_not(shelf, cases):
    even, odd = np.arange(0, USERS, 2), np.arange(1, USERS, 2)
    nobody = np.zeros(0, np.int64)
    scorers = [knowing(cases, even, 1), knowing(cases, nobody, 2), knowing(cases, odd, 3), knowing(cases, even, 1)]
    parts = [shelf.keep(scorer) for scorer in scorers]
    alone = shelf.ndcgs(parts[:1], [(1.0,)])[0]
    steps = grow(shelf, parts, Sum((0,), (1.0,), alone), range(4), most=4, gain=0.01)
    assert [step.members for step in steps] == [(0,), (0, 2)]
    assert alone < 0.7 < 0.95 < steps[1].ndcg


def test_a_sum_ends_at_its_most_parts(shelf, cases):
    thirds = [knowing(cases, np.arange(third, USERS, 3), third) for third in range(3)]
    parts = [shelf.keep(scorer) for scorer in thirds]
    alone = shelf.ndcgs(parts[:1], [(1.0,)])[0]
    assert len(grow(shelf, parts, Sum((0,), (1.0,), alone), range(3), most=2, gain=0.0)[-1].members) == 2


def test_the_file_holds_the_scores_and_weights_are_in_units_of_spread(shelf, cases):
    one, tenth = knowing(cases, np.arange(USERS), 1), Table(knowing(cases, np.arange(USERS), 1).table / 10)
    parts = [shelf.keep(one), shelf.keep(tenth)]
    kept = np.fromfile(parts[0].path, np.float32).reshape(USERS, ITEMS)
    np.testing.assert_array_equal(kept, one.table.astype(np.float32))
    rows = joined(shelf, parts, Sum((0,), (2.0,), 1.0), 1)
    assert rows[0].weights == (2.0, 0.0)
    assert rows[6].weights == (2.0, 20.0)
    assert best_of(rows).ndcg == max(row.ndcg for row in rows[1:])


@pytest.mark.parametrize("front", [4, 9])
def test_what_is_counted_in_the_fronts_is_what_all_items_give(tmp_path, front):
    """Scores with many ties, several targets a user, some taken already: under no weight does a figure differ."""
    random = np.random.default_rng(front)
    lengths = random.integers(1, 6, USERS)
    items = np.concatenate([random.permutation(ITEMS)[:length] for length in lengths])
    histories = Histories.build(np.arange(USERS), lengths, items, np.zeros(len(items), np.int8), np.arange(len(items)))
    pairs = np.unique(random.integers(0, USERS * ITEMS, 4 * USERS))
    shelf = Shelf(tmp_path, Cases(histories, pairs // ITEMS, pairs % ITEMS), ITEMS, 3)
    shelf.front = front
    parts = [shelf.keep(Table(np.round(random.random((USERS, ITEMS)), 1))) for _ in range(3)]
    base = Sum((0, 2), (1.0, 0.3), 0.0)
    weights = [0.0, 0.25, 1.0, 4.0]
    expected = shelf.ndcgs([parts[0], parts[2], parts[1]], [(1.0, 0.3, weight) for weight in weights])
    assert shelf.beside(shelf.total(parts, base), parts[1], weights) == expected
    assert len(set(expected)) == len(weights)
