import numpy as np
import pytest

from recommender.dataset import Dataset, Edges
from recommender.errors import DatasetError, LeakageError
from recommender.evaluation import measure
from recommender.scorers import PopularityScorer
from recommender.splits import leave_last_out, time_cut, validation_time


def named(data, cases):
    return {
        (data.users[cases.histories.users[owner]], data.items[item])
        for owner, item in zip(cases.owners, cases.targets, strict=True)
    }


def did(data, user):
    row = data.users.places[user]
    return [data.items[item] for item in data.histories.rows(row, row + 1).items]


def test_users_and_items_are_sorted_and_sessions_are_pseudo_users(log):
    data = Dataset.build(
        log([("v", "b", 1), ("u", "c", 2), (None, "a", 3, "view", "s1"), (None, "a", 4), ("v", "a", 5)])
    )
    assert data.users.names == ("session:s1", "u", "v")
    assert data.items.names == ("a", "b", "c")
    assert did(data, "v") == ["b", "a"]
    assert "session:s1" not in Dataset.build(log([("v", "b", 1), (None, "b", 3, "view", "s1")]), sessions=False).users


def test_the_strongest_action_speaks(log):
    data = Dataset.build(log([("u", "a", 1, "view"), ("u", "a", 2, "purchase"), ("u", "b", 3, "cart")]))
    np.testing.assert_allclose(data.matrix().toarray(), [[1.0, 0.5]])


def test_an_event_at_until_is_a_leak(log):
    rows = [("u", "a", 1), ("u", "b", 10)]
    assert Dataset.build(log(rows), until=11).until == 11
    with pytest.raises(LeakageError, match="1 events lie at or after until=10"):
        Dataset.build(log(rows), until=10)


def test_a_later_or_undated_edge_is_a_leak(log):
    events = log([("u", "a", 1), ("u", "b", 2)])
    late = {"BOUGHT_WITH": Edges.of([0], [1], at=np.array([10]))}
    with pytest.raises(LeakageError, match="BOUGHT_WITH 1"):
        Dataset.build(events, links=late, until=10)
    undated = {"ALSO_BOUGHT": Edges.of([0], [1])}
    with pytest.raises(LeakageError, match="allow_undated"):
        Dataset.build(events, links=undated, until=10)
    assert Dataset.build(events, links=undated, until=10, allow_undated=True).undated == 1


def test_before_drops_what_is_later(log):
    links = {"BOUGHT_WITH": Edges.of([0, 1], [1, 2], at=np.array([5, 15]))}
    data = Dataset.build(log([("u", "a", 1), ("u", "b", 10), ("u", "c", 20)]), links=links)
    early = data.before(15)
    assert did(early, "u") == ["a", "b"]
    assert early.links["BOUGHT_WITH"].tails.tolist() == [1]


def test_leave_last_out_asks_for_the_last_new_item(log):
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "c", 3), ("v", "a", 4), ("w", "a", 5), ("w", "b", 6), ("w", "a", 7)]
    cut = leave_last_out(Dataset.build(log(rows)))
    assert named(cut.train, cut.cases) == {("u", "c"), ("w", "b")}
    assert did(cut.train, "u") == ["a", "b"]
    assert did(cut.train, "v") == ["a"]  # nothing before it: no case, all of it to learn from
    assert did(cut.train, "w") == ["a"]  # the repeat after the target is dropped
    again = leave_last_out(cut.train)
    assert named(again.train, again.cases) == {("u", "b")}


def test_looking_is_no_target_where_people_buy(log):
    rows = [("u", "a", 1), ("u", "b", 2), ("u", "c", 3, "view")]
    cut = leave_last_out(Dataset.build(log(rows)))
    assert named(cut.train, cut.cases) == {("u", "b")}


def test_looking_at_what_is_bought_next_is_not_told(log):
    rows = [("u", "a", 1), ("u", "b", 2, "view"), ("u", "c", 3, "view"), ("u", "b", 4)]
    cut = leave_last_out(Dataset.build(log(rows)))
    assert named(cut.train, cut.cases) == {("u", "b")}
    assert did(cut.train, "u") == ["a", "c"]


def test_what_was_looked_at_may_still_be_bought(log):
    train = Dataset.build(log([("u", "a", 1), ("u", "b", 2, "view")]), until=10)
    cases = time_cut(train, log([("u", "a", 10), ("u", "b", 11)])).cases
    assert named(train, cases) == {("u", "b")}
    assert measure(PopularityScorer(train.items, np.array([2, 1], np.float32)), cases, 1).recall == 1


def test_some_cases_spread_evenly(log):
    rows = [(f"u{n}", item, at) for n in range(9) for at, item in enumerate("ab")]
    cases = leave_last_out(Dataset.build(log(sorted(rows, key=lambda row: row[2])))).cases
    assert cases.first(4).histories.users.tolist() == [0, 2, 5, 8]
    assert (len(cases.first(4).targets), cases.first(99)) == (4, cases)


def test_shuffled_facts_are_as_many_but_others(log):
    random = np.random.default_rng(1)
    links = {"BOUGHT_WITH": Edges.of(*random.integers(0, 20, (2, 60)))}
    data = Dataset.build(log([("u", f"i{n:02d}", n) for n in range(20)]), links=links)
    one, two = data.shuffled(1).links["BOUGHT_WITH"], data.links["BOUGHT_WITH"]
    assert one.heads.tolist() == two.heads.tolist()
    assert one.tails.tolist() != two.tails.tolist()
    assert sorted(one.tails) == sorted(two.tails)
    assert data.shuffled(1).links["BOUGHT_WITH"].tails.tolist() == one.tails.tolist()


def test_leave_last_out_refuses_edges_mined_from_the_same_log(log):
    events = log([("u", "a", 1), ("u", "b", 2)])
    mined = {"BOUGHT_WITH": Edges.of([0], [1], at=np.array([3]))}
    with pytest.raises(LeakageError, match="BOUGHT_WITH"):
        leave_last_out(Dataset.build(events, links=mined))
    assert len(leave_last_out(Dataset.build(events, links={"CATALOG": Edges.of([0], [1])})).cases) == 1


def test_a_cut_in_time_asks_known_users_for_new_known_items(log):
    train = Dataset.build(log([("u", "a", 1), ("v", "b", 2), (None, "b", 3, "view", "s")]), until=10)
    later = log(
        [
            ("u", "b", 10),
            ("u", "a", 11),  # seen before
            ("v", "new", 12),  # unknown item
            ("w", "a", 13),  # unknown user
            ("v", "a", 14, "view"),  # only looked
            (None, "a", 15, "purchase", "s"),
            ("v", "a", 20),  # too late
        ]
    )
    cases = time_cut(train, later, before=20).cases
    assert named(train, cases) == {("u", "b"), ("session:s", "a")}


def test_a_cut_in_time_refuses_what_was_trained_on(log):
    train = Dataset.build(log([("u", "a", 1)]), until=10)
    with pytest.raises(LeakageError, match="1 of the later events lie before until=10"):
        time_cut(train, log([("u", "b", 9)]))
    with pytest.raises(DatasetError, match="not cut in time"):
        time_cut(Dataset.build(log([("u", "a", 1)])), log([]))


def test_validation_time_leaves_the_last_share_of_purchases(log):
    rows = [("u", "a", at) for at in range(10)] + [("u", "a", 100 + at, "view") for at in range(50)]
    assert validation_time(log(rows), 0.2) == 8


def test_what_is_no_event_table_says_what_it_lacks(log):
    with pytest.raises(DatasetError, match="lacks action, at"):
        Dataset.build(log([("u", "a", 1)]).drop_columns(["action", "at"]))
    with pytest.raises(DatasetError, match="not in time order"):
        Dataset.build(log([("u", "a", 2), ("u", "a", 1)]))
    with pytest.raises(DatasetError, match="1 products of the events are no items, such as 'a'"):
        Dataset.build(log([("u", "a", 2)]), items=Dataset.build(log([("u", "b", 1)])).items)
