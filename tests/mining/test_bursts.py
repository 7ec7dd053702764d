"""Bursts of empty accounts: what is set aside, and what is not."""

import math
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from mining.behavior.bursts import Habits, Judged, Votes, hopeful, judge, suspects
from mining.behavior.config import DAY, BehaviorConfig
from mining.behavior.miner import made_up, mine_behavior
from mining.errors import ConfigurationError

START = 1_700_000_000
CONFIG = BehaviorConfig()


def votes(at, first, second, people=None):
    at = np.array(at, np.int64)
    return Votes(np.arange(len(at)), at, people or len(at), *(np.sort(np.array(x, np.int64)) for x in (first, second)))


def habits(share, groups=1000):
    return Habits.of(np.arange(groups) * DAY, np.arange(groups) < share * groups)


def test_the_chance_of_a_burst_is_that_of_all_draws():
    """Four of fourteen groups with b hold a as well, all on one day, on which nothing else with b was bought."""
    best, rare = range(0, 300 * DAY, DAY), [d * 20 * DAY for d in range(10)]
    at = [250 * DAY + n for n in range(4)]
    found = judge(votes(at, [*best, *at], [*rare, *at]), habits(0.0), CONFIG)
    all_in = sum(set(draw) == set(range(10, 14)) for draw in combinations(range(14), 4)) / math.comb(14, 4)
    burst = all_in * 4 * len(CONFIG.burst_windows)
    accounts = 3 * (1 / 1002) ** 4
    product = burst * accounts
    assert found.p == pytest.approx(product * (1 - math.log(product)), rel=1e-6)  # Fisher's method for two
    assert found.actors.tolist() == [0, 1, 2, 3]


def test_a_launch_is_no_burst():
    """All that is known of b lies in the window: its joint groups could lie nowhere else."""
    best, at = range(0, 300 * DAY, DAY), [250 * DAY + n for n in range(6)]
    assert judge(votes(at, [*best, *at], at), habits(0.0), CONFIG).p == 1.0


def test_a_burst_of_people_with_a_life_is_none():
    best, rare = range(0, 300 * DAY, DAY), [d * 10 * DAY for d in range(20)]
    at = [250 * DAY + n for n in range(2)]
    assert judge(votes(at, [*best, *at], [*rare, *at], people=40), habits(0.2), CONFIG).p == 1.0


def test_where_newcomers_are_usual_they_prove_nothing():
    best, rare = range(0, 300 * DAY, DAY), [d * 10 * DAY for d in range(20)]
    at = [250 * DAY + n for n in range(4)]
    campaign = Habits.of(np.arange(3000) * DAY // 10, (np.arange(3000) // 10 > 240) & (np.arange(3000) // 10 < 260))
    few, many = (judge(votes(at, [*best, *at], [*rare, *at]), usual, CONFIG).p for usual in (habits(0.0), campaign))
    assert few < 1e-8
    assert many == 1.0


def test_false_alarms_are_rare_among_pairs_of_honest_people():
    """A twentieth of all people have no life, whenever they buy: at a hundredth, hardly any of 2,000 pairs is found."""
    random, alarms, judged = np.random.default_rng(0), 0, []
    usual = Habits.of(np.sort(random.integers(0, 300 * DAY, 5000)), random.random(5000) < 0.05)
    for _ in range(2000):
        first, second = (np.sort(random.integers(0, 300 * DAY, n)) for n in (60, 25))
        joint = random.choice(second, 8, replace=False)
        empty = np.sort(joint[random.random(8) < 0.05])
        if len(empty) > 1:
            judged.append(judge(votes(empty, np.sort([*first, *joint]), second, people=8), usual, CONFIG))
            alarms += judged[-1].p <= 0.01
    assert len(judged) > 50
    assert alarms <= 20  # one in a hundred of all
    assert suspects(judged, 2000, CONFIG) == (frozenset(), 0)


def test_only_what_survives_all_tests_together_is_suspect():
    found = [Judged(1e-6, np.array([1, 2])), Judged(1.5e-5, np.array([2, 3])), Judged(0.004, np.array([9]))]
    assert suspects(found, 1000, CONFIG) == (frozenset({1, 2, 3}), 2)
    assert suspects(found[2:], 1, CONFIG) == (frozenset({9}), 1)
    assert suspects([], 1000, CONFIG) == (frozenset(), 0)


def test_no_pair_that_would_be_found_is_passed_over():
    best, rare = range(0, 300 * DAY, DAY), [d * 20 * DAY for d in range(6)]
    for count in range(2, 7):
        at = [250 * DAY + n for n in range(count)]
        found = judge(votes(at, [*best, *at], [*rare, *at]), habits(0.01), CONFIG)
        counts = np.array([count]), np.array([0]), np.array([0])
        looked = hopeful(counts, counts[0], np.array([6 + count]), [habits(0.01).overall] * 3, 100, CONFIG)
        assert looked[0] or not suspects([found], 100, CONFIG)[1], count


# --- whole logs ----------------------------------------------------------------------------------------------------


def shop(seed=0):
    """(user, product, at): 150 people of ten purchases each over 200 days, products of very different sales, in baskets
    of one and two."""
    random = np.random.default_rng(seed)
    weights = 1.0 / np.arange(1, 31)
    rows = []
    for user in np.repeat(np.arange(150), 8):
        at = START + int(random.integers(0, 200)) * DAY
        basket = random.choice(30, 1 + int(random.random() < 0.4), replace=False, p=weights / weights.sum())
        rows += [(f"u{user}", f"p{product:02d}", at) for product in basket]
    return rows


def crowd(count, first="p00", second="p20", start=START + 150 * DAY):
    return [(f"fake{n}", product, start + 3600 * n) for n in range(count) for product in (first, second)]


def table(rows):
    rows = sorted(rows, key=lambda row: row[2])
    text = pa.string()
    columns = {"event_id": [f"e{n}-{row[0]}" for n, row in enumerate(rows)], "user": [row[0] for row in rows]}
    columns |= {"session": [None] * len(rows), "product": [row[1] for row in rows], "action": ["purchase"] * len(rows)}
    types = dict.fromkeys(columns, text) | {"at": pa.int64()}
    return pa.table({**columns, "at": [row[2] for row in rows]}, schema=pa.schema(types))


def test_a_crowd_is_set_aside_and_all_is_counted_without_it():
    honest = mine_behavior(table(shop()))
    mined = mine_behavior(table(shop() + crowd(6)))
    assert honest.report.suspect_pairs == {}
    assert mined.report.suspect_pairs == {"BOUGHT_WITH": 1}
    assert mined.report.set_aside == {"burst of empty accounts": 12}
    assert {name: pairs.to_pylist() for name, pairs in mined.pairs.items()} == {
        name: pairs.to_pylist() for name, pairs in honest.pairs.items()
    }
    assert {event.split("-")[1] for event in made_up(table(shop() + crowd(6)))} == {f"fake{n}" for n in range(6)}


def test_nobody_can_have_an_honest_pair_removed_by_voting_for_it():
    together = [(f"u{n}", p, START + n * DAY + 60) for n in range(30) for p in ("p12", "p20")]
    honest, voted = (mine_behavior(table(shop() + together + more)) for more in ([], crowd(6, "p12")))
    assert voted.report.suspect_pairs == {"BOUGHT_WITH": 1}
    assert voted.pairs["BOUGHT_WITH"].to_pylist() == honest.pairs["BOUGHT_WITH"].to_pylist()
    assert ("p12", "p20") in {(row["head"], row["tail"]) for row in voted.pairs["BOUGHT_WITH"].to_pylist()}


def test_a_launch_and_a_season_are_left_alone():
    """A new product that newcomers buy with the best-seller from its first day on; two that sell only in one month."""
    launch = [(f"new{n}", p, START + 150 * DAY + n * DAY) for n in range(20) for p in ("p00", "launched")]
    season = [(f"u{n}", p, START + 100 * DAY + n * 7200) for n in range(40) for p in ("tree", "lights")]
    mined = mine_behavior(table(shop() + launch + season))
    assert mined.report.suspect_pairs == {}
    assert {("launched", "p00"), ("lights", "tree")} <= {
        (row["head"], row["tail"]) for row in mined.pairs["BOUGHT_WITH"].to_pylist()
    }


def test_it_can_be_left_out():
    mined = mine_behavior(table(shop() + crowd(6)), config=BehaviorConfig(burst_alarms=0.0))
    assert mined.report.suspect_pairs == {}
    assert mined.report.set_aside == {}


@pytest.mark.parametrize("wrong", [{"burst_alarms": 1.0}, {"burst_windows": ()}, {"burst_windows": (0,)}])
def test_a_configuration_without_sense_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="burst"):
        BehaviorConfig(**wrong)
