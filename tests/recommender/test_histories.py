import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kg.types import ACTIONS, Interaction
from recommender.histories import Histories, HistoryWeights, Ids, UserState

ITEMS = Ids(("a", "b", "c", "d"))
USERS = Ids(("u", "v"))

events = st.lists(st.tuples(st.sampled_from([*ITEMS.names, "gone"]), st.sampled_from(ACTIONS)), max_size=8)


def state(did, user=None):
    return UserState(user, tuple(Interaction(f"e{i}", item, action, i) for i, (item, action) in enumerate(did)))


@given(st.lists(events, max_size=4), st.sampled_from([1.0, 0.6]))
def test_a_history_becomes_the_vector_its_definition_says(rows, decay):
    weights = HistoryWeights(decay)
    found = weights.matrix(Histories.of([state(row) for row in rows], ITEMS, USERS), len(ITEMS)).toarray()

    expected = np.zeros((len(rows), len(ITEMS)))
    for row, did in enumerate(rows):
        known = [(item, action) for item, action in did if item in ITEMS]
        newest_first = list(dict.fromkeys(item for item, _ in reversed(known)))
        for age, item in enumerate(newest_first):
            strongest = max(weights.actions[action] for other, action in known if other == item)
            expected[row, ITEMS.places[item]] = strongest * decay**age
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(st.lists(events, min_size=1, max_size=5), st.data())
def test_rows_take_and_keep_are_what_they_say(rows, data):
    histories = Histories.of([state(row) for row in rows], ITEMS, USERS)
    assert histories.lengths.tolist() == [sum(item in ITEMS for item, _ in row) for row in rows]

    picked = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)), np.int64)
    taken = histories.take(picked)
    one_by_one = [histories.rows(row, row + 1).items.tolist() for row in picked]
    assert [taken.rows(i, i + 1).items.tolist() for i in range(len(picked))] == one_by_one

    views = histories.actions == 0
    assert (histories.keep(views).actions == 0).all()
    assert histories.keep(views).lengths.sum() == views.sum()
    assert histories.keep(views).owners.tolist() == histories.owners[views].tolist()


def test_people_are_known_by_name_and_newest_event():
    histories = Histories.of([state([("a", "view")], "v"), state([], "u"), state([("b", "view")] * 3)], ITEMS, USERS)
    assert histories.users.tolist() == [1, 0, -1]
    assert histories.last_at.tolist() == [0, np.iinfo(np.int64).min, 2]
