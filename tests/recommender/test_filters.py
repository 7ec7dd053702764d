"""Exact filters: what is answered is what passes, and as much of it as was asked for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.errors import FilterError
from recommender.filters import Filters, Shelf
from recommender.histories import Ids
from recommender.recommender import RECENT, Recommender
from recommender.scorers import ItemItemScorer, PopularityScorer

COLORS = ("black", "Rosé 🌸", "深空灰")
ODD = "咖啡/机:1?#% 🎧"


def fact(head, relation, tail):
    return Fact(head, relation, tail, (Evidence("catalog", "catalog", 0.9),))


def value(category, attribute, surface):
    entity_id = f"value:{category}/{attribute}/{surface.casefold()}"
    return Entity(entity_id, "Value", surface, properties={"attribute": attribute, "value": surface})


@pytest.fixture(scope="module")
def store():
    """Twelve products in two categories, one below the other, of two brands; every third without a price, every
    fourth out of stock; p11 states nothing at all."""
    products, facts = [], []
    for n in range(11):
        known = {} if n % 3 == 0 else {"price": 10.0 * n}
        products.append(Entity(f"product:p{n:02d}", "Product", f"P{n}", properties=known | {"available": n % 4 != 0}))
        facts.append(fact(f"product:p{n:02d}", "IN_CATEGORY", "category:a" if n % 2 else "category:a > b"))
        facts.append(fact(f"product:p{n:02d}", "MADE_BY", f"brand:{n % 2}"))
        color = value("ab"[n % 2], "color", COLORS[n % 3])
        products.append(color)
        facts.append(fact(f"product:p{n:02d}", "HAS_ATTRIBUTE", color.id))
    products += [Entity("product:p11", "Product", "P11"), Entity(f"product:{ODD}", "Product", "Odd")]
    products += [Entity("category:a", "Category", "A"), Entity("category:a > b", "Category", "B")]
    products += [Entity("brand:0", "Brand", "Zero"), Entity("brand:1", "Brand", "One")]
    with MemoryStore() as store:
        store.put(
            {e.id: e for e in products}.values(), [*facts, fact("category:a > b", "SUBCATEGORY_OF", "category:a")]
        )
        yield store


ITEMS = Ids.sorted([*(f"p{n:02d}" for n in range(12)), ODD])


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    with EventLog(tmp_path_factory.mktemp("log") / "events.db") as log:
        yield log


@pytest.fixture(scope="module")
def recommender(store, log):
    """Item i leads to item i + 1; what is left is told by popularity, which knows seven products; the others are only
    in the catalogue."""
    n = len(ITEMS)
    after = ItemItemScorer(ITEMS, np.eye(n, k=1, dtype=np.float32))
    popular = PopularityScorer(ITEMS, np.where(np.arange(n) % 2, 0, np.arange(n, 0, -1)).astype(np.float32))
    return Recommender(Artifact((("model", after), ("popularity", popular))), store, log)


def passes(n, f):
    """The definition, product by product."""
    if n >= 11:
        return f == Filters(available=f.available, exclude=f.exclude, only=f.only)
    price = None if n % 3 == 0 else 10.0 * n
    bounded = f.min_price is not None or f.max_price is not None
    wanted = {v for _, v in f.attributes}
    return (
        (not f.available or n % 4 != 0)
        and (f.category is None or f.category == "category:a" or n % 2 == 0)
        and (f.brand is None or f.brand == f"brand:{n % 2}")
        and (not bounded or (price is not None and (f.min_price or -9) <= price <= (f.max_price or 999)))
        and (not wanted or COLORS[n % 3] in wanted)
    )


filters = st.builds(
    Filters,
    category=st.sampled_from([None, "category:a", "category:a > b"]),
    brand=st.sampled_from([None, "brand:0", "brand:1"]),
    min_price=st.sampled_from([None, 10.0, 35.0]),
    max_price=st.sampled_from([None, 40.0, 80.0]),
    attributes=st.sampled_from([(), (("color", COLORS[0]),), (("color", COLORS[1]), ("color", COLORS[2]))]),
    exclude=st.sets(st.sampled_from(ITEMS.names), max_size=3),
    available=st.booleans(),
)


@settings(deadline=None)  # a busy machine is no failure
@given(filters, st.integers(0, 14), st.sets(st.integers(0, 12), max_size=4))
def test_n_asked_is_n_answered_of_what_passes(recommender, wanted, k, had):
    history = tuple(Interaction(f"e{i}", ITEMS[i], "purchase", i) for i in sorted(had))
    found = [r.product_id for r in recommender.recommend(history=history, k=k, filters=wanted)]
    names = {
        name
        for place, name in enumerate(ITEMS.names)
        if passes(place, wanted) and name not in wanted.exclude and place not in had
    }
    assert len(found) == len(set(found)) == min(k, len(names))
    assert set(found) <= names


def test_attributes_are_and_their_values_are_or(store):
    shelf = Shelf(store, ITEMS)
    both = Filters(attributes=(("COLOR", "Black"), ("color", "深空灰")), available=False)
    assert [ITEMS[i] for i in np.flatnonzero(both.allowed(shelf))] == [f"p{n:02d}" for n in range(11) if n % 3 != 1]
    assert not Filters(attributes=(("color", "no such colour"),)).allowed(shelf).any()
    with pytest.raises(FilterError, match="'colour'; there are color"):
        Filters(attributes=(("colour", "black"),)).allowed(shelf)


@pytest.mark.parametrize("price", [math.nan, "12.50", True, None])
def test_a_price_that_is_no_number_passes_no_price_condition_and_every_other(price):
    class Reader:
        """A store would refuse such a price; what is served must not depend on it."""

        version = 1

        def entities(self, *, type):
            yield Entity("product:a", "Product", "A", properties={"price": price})
            yield Entity("product:b", "Product", "B", properties={"price": 5})

    shelf = Shelf(Reader(), Ids(("a", "b")))
    assert Filters().allowed(shelf).tolist() == [True, True]
    for bounds in ({"min_price": 0.0}, {"max_price": 99.0}, {"min_price": 5.0, "max_price": 5.0}):
        assert Filters(**bounds).allowed(shelf).tolist() == [False, True]


def test_ranges_that_no_price_lies_in_are_refused():
    with pytest.raises(FilterError, match=r"min_price 9\.0 lies above max_price 3\.0"):
        Filters(min_price=9.0, max_price=3.0)
    with pytest.raises(FilterError, match="max_price is nan"):
        Filters(max_price=math.nan)


def test_what_was_bought_long_ago_is_still_known(recommender, log):
    """A user with 100,000 events: only the newest speak, and the very first purchase is not shown again."""
    log.append([Interaction("first", "p01", "purchase", 0, "busy")])
    log.append(Interaction(f"v{i}", "p05", "view", i, "busy") for i in range(1, 100_000))
    assert all(event.product_id == "p05" for event in log.history("busy", limit=RECENT))
    everything = recommender.recommend("busy", k=99, filters=Filters(available=False))
    assert {r.product_id for r in everything} == set(ITEMS.names) - {"p01", "p05"}
    assert everything[0].product_id == "p06"
    again = recommender.recommend("busy", k=99, exclude_seen=False, filters=Filters(available=False))
    assert len(again) == len(ITEMS)


def test_a_given_history_of_100_000_events_in_any_order(recommender):
    events = [Interaction(f"e{i}", ITEMS[i % 3], "view", -i) for i in range(100_000)]
    forwards = recommender.recommend(history=events, k=99)
    assert forwards == recommender.recommend(history=list(reversed(events)), k=99)
    assert forwards[0].product_id == "p03"
