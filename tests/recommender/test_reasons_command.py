"""The benchmark of reasons: it finds what is true, and it notices what is not."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from kg.events import EventLog
from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact, GraphPath, Interaction, Reason
from recommender.choosing import build
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.recommender import Recommender

BENCHMARK = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "reasons.py"), run_name="reasons")
measure, tell, cells_of, Replay, spread = (BENCHMARK[n] for n in ("measure", "tell", "cells_of", "Replay", "spread"))

TEXT = "滤纸 Filters\nMade for the Moka 3."
START = TEXT.index("Moka 3")
QUOTED = Evidence("doc:filter", "rules", 0.8, quote="Moka 3", start=START, end=START + 6)


def stated(head, relation, tail, source="catalog"):
    return Fact(head, relation, tail, (Evidence(source, "catalog", 0.5),))


@pytest.fixture
def shop(tmp_path):
    """A pot with filters made for it by name, cups stated from both ends, and a use that three products share."""
    names = {"pot": "Moka 3", "filter": "Filters", "cup": "Cup", "mug": "Mug", "tray": "Tray"}
    with MemoryStore() as store, EventLog(tmp_path / "events.db") as log:
        store.put(
            [Entity(f"product:{key}", "Product", name) for key, name in names.items()]
            + [Entity("thing:moka 3", "Thing", "Moka 3"), Entity("use:露营", "Use", "露营")],
            [
                Fact("product:filter", "COMPATIBLE_WITH", "thing:moka 3", (QUOTED,)),
                stated("product:pot", "BOUGHT_WITH", "product:cup"),
                stated("product:cup", "BOUGHT_WITH", "product:pot", "other"),
                *(stated(f"product:{key}", "USED_FOR", "use:露营") for key in ("pot", "mug", "tray")),
            ],
            [Document("doc:filter", "product:filter", "product", TEXT)],
        )
        log.append(
            Interaction(f"{user}{at}", product, "purchase", at, user)
            for user, products in (("a", ["pot"]), ("b", ["cup", "mug"]), ("c", ["filter"]), ("d", ["tray", "pot"]))
            for at, product in enumerate(products, start=1)
        )
        data = read_dataset(store, log, allow_undated=True)
        artifact = build(Mixture(((1.0, ItemKNN()), (0.5, Relations()))), data)
        yield Recommender(artifact, store, log), store, log


def test_true_reasons_replay_and_the_drop_is_what_they_say(shop):
    recommender, store, log = shop
    found = measure(recommender, store, log, ["a", "b", "c", "d"], k=5, reasons=3)
    assert found.replay.whole == found.replay.reasons == sum(len(r.reasons) for r in _all(recommender)) > 0
    assert found.replay.found == found.replay.asked
    assert found.replay.asked["quotes"] > 0
    assert len(found.without) == found.with_reason
    for one in found.without:
        assert one.drop == pytest.approx(one.expected, abs=1e-6)
        assert one.expected >= one.told - 1e-6
        assert one.told > 0
        assert one.after >= one.rank
    assert len(list(tell(found, 5))) > 8


def _all(recommender):
    return [r for user in "abcd" for r in recommender.recommend(user, k=5)]


def test_what_a_reason_claims_too_much_is_seen(shop):
    """The drop is measured by scoring again: a contribution that is not there would show."""
    recommender, store, log = shop
    found = measure(recommender, store, log, ["a"], k=5, reasons=1)
    assert any(one.drop > 0.01 for one in found.without)
    assert BENCHMARK["_wrong"](found.without) == 0
    assert BENCHMARK["_wrong"]([replace(one, expected=2 * one.expected + 0.01) for one in found.without]) == len(
        found.without
    )


def test_one_fact_that_leads_on_from_two_products_carries_more_than_is_told(shop):
    """Whoever owns pot and tray is led to the mug by both, over the same fact of the mug."""
    recommender, store, log = shop
    found = measure(recommender, store, log, ["d"], k=5, reasons=1)
    assert any(one.expected > one.told + 1e-6 for one in found.without)
    assert all(one.drop == pytest.approx(one.expected, abs=1e-6) for one in found.without)


def test_a_thing_stands_for_the_product_that_it_names(shop):
    recommender, _, _ = shop
    shown = next(r for r in recommender.recommend("a", k=5) if r.product_id == "filter")
    assert set(cells_of(shown.reasons[0], "filter")) == {
        ("COMPATIBLE_WITH", "filter", "thing:moka 3"),
        ("COMPATIBLE_WITH by name", "filter", "pot"),
    }
    shown = next(r for r in recommender.recommend("c", k=5) if r.product_id == "pot")
    assert ("COMPATIBLE_WITH by name", "filter", "pot") in set(cells_of(shown.reasons[0], "pot"))


def test_what_does_not_replay_is_counted(shop):
    recommender, store, log = shop
    shown = next(r for r in recommender.recommend("a", k=5) if r.product_id == "filter")
    (true,) = shown.reasons
    (fact,) = true.path.facts
    moved = replace(QUOTED, start=QUOTED.start + 1, end=QUOTED.end + 1)
    forged = [
        replace(true, events=(replace(true.events[0], event_id="made up"),)),
        replace(true, events=()),
        replace(true, path=GraphPath((replace(fact, tail="thing:never said"),))),
        replace(true, path=GraphPath((replace(fact, evidence=(moved,)),))),
        Reason(true.events, GraphPath(()), 1.0),
    ]
    replay = Replay()
    for reason in forged:
        replay.add(reason, store, log)
    assert (replay.reasons, replay.whole) == (len(forged), 0)
    replay.add(true, store, log)
    assert replay.whole == 1


def test_users_are_spread_evenly():
    names = [str(n) for n in range(10)]
    assert spread(names, 3) == ["0", "4", "9"]
    assert spread(names, 50) == names
    assert spread([], 5) == []
