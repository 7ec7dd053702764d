"""The benchmark of poisoning: its search is exact, attackers are who they are called, and defences hold them off."""

import runpy
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.types import Interaction
from mining.bots import bots

BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "poisoning.py"), run_name="poisoning")
cost, fake, related, recommended = (BENCHMARK[name] for name in ("cost", "fake", "related", "recommended"))
DAY, END = 86_400, 1_780_000_000


@given(st.integers(0, 200), st.integers(1, 128))
def test_the_least_number_that_suffices_is_found(least, most):
    assert cost(lambda baskets: baskets >= least, most) == (least if least <= most else None)


@pytest.mark.parametrize(
    ("attack", "users"), [("crowd", 40), ("slow", 40), ("dressed", 40), ("patient", 1), ("script", 1)]
)
def test_attackers_are_who_they_are_called(attack, users):
    events = fake(attack, 40, "best", "target", END)
    assert len(events) == (240 if attack == "dressed" else 80)
    assert len(set(events["user"].to_pylist())) == users
    assert max(events["at"].to_pylist()) < END
    assert bool(bots(events)) == (attack == "script")


@pytest.fixture
def honest():
    """Thirty-six people buy the best-seller, each with one of twelve companions; the target sells alone."""
    rows = []
    for user in range(36):
        at = END - 60 * DAY + user * DAY
        rows += [
            Interaction(f"{user}-{product}", product, "purchase", at, f"u{user}", f"s{user}")
            for product in ("best", f"with-{user % 12}")
        ]
        rows += [
            Interaction(f"{user}-{n}", f"other-{(user + n) % 30}", "purchase", at + n * DAY // 3, f"v{user}", f"t{n}")
            for n in range(3)
        ]
    rows += [Interaction(f"t{n}", "target", "purchase", END - n * DAY, f"w{n}", f"w{n}") for n in range(1, 4)]
    return BENCHMARK["table"](rows)


@pytest.mark.parametrize("attack", ["patient", "script"])
def test_one_account_gets_nowhere_against_distinct_users(honest, attack):
    events = pa.concat_tables([honest, fake(attack, 30, "best", "target", END)]).sort_by("at")
    assert related(events, "best", "target", "off")
    assert not related(events, "best", "target", "users")


def test_a_crowd_that_is_large_enough_gets_through_where_nobody_looks_for_bursts(honest):
    events = pa.concat_tables([honest, fake("crowd", 30, "best", "target", END)]).sort_by("at")
    assert not related(honest, "best", "target", "off")
    assert related(events, "best", "target", "users")
    assert recommended(events, "best", "target", "users")


def test_the_best_seller_and_what_nobody_bought_with_it(honest):
    rows = [
        Interaction(event, product, action, at, user, session)
        for event, user, session, product, action, at in zip(*(c.to_pylist() for c in honest.columns), strict=True)
    ]
    best, targets = BENCHMARK["choose"](rows, 3)
    assert best == "best"
    assert len(targets) == 3
    assert not any(target.startswith("with-") for target in targets)
