"""What is made for one thing does not complement another of its kind."""

import numpy as np
import pytest

from kg.errors import UnknownEntity
from kg.store import GraphStore
from kg.stores.memory import MemoryStore
from kg.stores.sqlite import SqliteStore
from kg.types import Entity, Evidence, Fact, Interaction
from recommender.artifact import Artifact
from recommender.compatibility import conflict
from recommender.histories import Ids
from recommender.recommender import Recommender
from recommender.scorers import PopularityScorer

PRODUCTS = {
    "k5": ("Velkin K5 Mirrorless Camera", "cameras"),
    "z9": ("Orvo Z9 Camera", "cameras"),
    "vb": ("VB-20 Battery", "batteries"),
    "ob": ("OB-3 Battery for Z9", "batteries"),
    "grip": ("Velkin K5 Battery Grip", "grips"),
    "bag": ("Shoulder Bag", "bags"),
    "case": ("Case for the Nuvo X", "cases"),
    "相机": ("维尔金 X1 相机", "cameras"),
}


def fact(head, relation, tail, confidence=0.9):
    return Fact(head, relation, tail, (Evidence("catalog", "catalog", confidence),))


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def store(request, tmp_path_factory) -> GraphStore:
    folder = tmp_path_factory.mktemp("graph")
    things = [Entity(f"product:{i}", "Product", name) for i, (name, _) in PRODUCTS.items()]
    things += [Entity(f"category:{c}", "Category", c) for c in {c for _, c in PRODUCTS.values()}]
    things += [Entity("thing:velkin k5", "Thing", "Velkin K5"), Entity("thing:nuvo x", "Thing", "Nuvo X")]
    facts = [fact(f"product:{i}", "IN_CATEGORY", f"category:{c}") for i, (_, c) in PRODUCTS.items()]
    facts += [
        fact("product:vb", "COMPATIBLE_WITH", "thing:velkin k5", 0.8),
        fact("product:grip", "ACCESSORY_OF", "thing:velkin k5"),
        fact("product:ob", "COMPATIBLE_WITH", "product:z9"),
        fact("product:case", "COMPATIBLE_WITH", "thing:nuvo x"),
        *(fact("product:k5", "COMPLEMENTS", f"product:{i}", 0.5) for i in ("vb", "ob", "grip", "bag", "case")),
    ]
    with MemoryStore() if request.param == "memory" else SqliteStore(folder / "graph.db") as store:
        store.put(things, facts)
        yield store


def said(store, one, other):
    found = conflict(store, *(store.entity(f"product:{i}") for i in (one, other)))
    return found and found.triple


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("vb", "k5", None),
        ("vb", "z9", ("product:vb", "COMPATIBLE_WITH", "thing:velkin k5")),
        ("vb", "相机", ("product:vb", "COMPATIBLE_WITH", "thing:velkin k5")),
        ("ob", "k5", ("product:ob", "COMPATIBLE_WITH", "product:z9")),
        ("ob", "z9", None),
        ("grip", "z9", ("product:grip", "ACCESSORY_OF", "thing:velkin k5")),
        ("grip", "vb", None),
        ("vb", "bag", None),
        ("bag", "z9", None),
        ("case", "k5", None),
        ("k5", "z9", None),
    ],
)
def test_conflicts_are_stated_and_of_one_kind(store, one, other, expected, turned):
    assert said(store, *((other, one) if turned else (one, other))) == expected


def test_a_complement_must_fit(store):
    items = Ids.sorted(PRODUCTS)

    class Log:
        def history(self, user_id, *, session_id=None, limit=None, until=None) -> tuple[Interaction, ...]:
            return ()

    scorer = PopularityScorer(items, np.ones(len(items), np.float32))
    found = Recommender(Artifact((("popularity", scorer),)), store, Log()).related("k5", "COMPLEMENTS")
    assert [r.product_id for r in found] == ["bag", "case", "grip", "vb"]
    assert [r.rank for r in found] == [1, 2, 3, 4]


def test_a_product_that_is_not_there(store):
    with pytest.raises(UnknownEntity):
        said(store, "k5", "gone")
