import numpy as np
import pytest

from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, Evidence, Fact
from recommender.errors import LeakageError
from recommender.naming import Naming, is_named_by, resolve, words
from recommender.reading import read_dataset


def product(shop_id, name, **properties):
    return Entity(f"product:{shop_id}", "Product", name, properties=properties)


def fact(head, relation, tail, *at, confidence=0.8):
    return Fact(
        f"product:{head}",
        relation,
        tail,
        tuple(Evidence(f"source{i}", "catalog", confidence, time) for i, time in enumerate(at)),
    )


@pytest.fixture
def store():
    with MemoryStore() as store:
        store.put(
            [
                product("k5", "Velkin K5 Mirrorless Camera", mpn="VK-5"),
                product("vb", "Velkin VB-20 Battery for the Velkin K5"),
                product("bag", "Camera Bag"),
                Entity("brand:velkin", "Brand", "Velkin"),
                Entity("thing:velkin k5", "Thing", "Velkin K5"),
                Entity("thing:camera", "Thing", "cameras"),
                Entity("aspect:noise", "Aspect", "noise"),
            ],
            [
                fact("k5", "MADE_BY", "brand:velkin", 5),
                fact("vb", "MADE_BY", "brand:velkin", 5),
                fact("vb", "COMPATIBLE_WITH", "thing:velkin k5", 6),
                fact("bag", "COMPATIBLE_WITH", "thing:camera", 6),
                fact("bag", "BOUGHT_WITH", "product:k5", 5, 20, confidence=0.5),
                fact("k5", "CRITICISED_FOR", "aspect:noise", 5),
            ],
        )
        yield store


@pytest.fixture
def events(log):
    return log([("u", "k5", 1), ("u", "bag", 2), ("v", "gone", 3)])


def pairs(data, edges, tails):
    return {
        (data.items[h], tails[t], round(float(w), 3), int(at))
        for h, t, w, at in zip(edges.heads, edges.tails, edges.weights, edges.at, strict=True)
    }


def test_facts_become_typed_edges(store, events):
    data = read_dataset(store, events)
    assert data.items.names == ("bag", "gone", "k5", "vb")
    assert data.entities.names == ("brand:velkin", "thing:camera", "thing:velkin k5")
    assert pairs(data, data.attributes["MADE_BY"], data.entities) == {
        ("k5", "brand:velkin", 0.8, 5),
        ("vb", "brand:velkin", 0.8, 5),
    }
    assert pairs(data, data.links["BOUGHT_WITH"], data.items) == {("bag", "k5", 0.75, 20)}
    assert "CRITICISED_FOR" not in data.attributes


def test_until_cuts_evidence_and_events(store, log):
    data = read_dataset(store, log([("u", "k5", 1)]), until=20)
    assert pairs(data, data.links["BOUGHT_WITH"], data.items) == {("bag", "k5", 0.5, 5)}
    assert read_dataset(store, log([("u", "k5", 1)]), until=6).attributes.keys() == {"MADE_BY"}
    with pytest.raises(LeakageError, match="1 events"):
        read_dataset(store, log([("u", "k5", 1), ("u", "bag", 6)]), until=6)


def test_an_event_log_is_asked_for_its_past(store, log):
    class Log:
        def table(self, until=None):
            whole = log([("u", "k5", 1), ("u", "bag", 30)])
            return whole if until is None else whole.filter(np.array(whole["at"]) < until)

    assert len(read_dataset(store, Log(), until=10).histories.items) == 1
    assert len(read_dataset(store, Log()).histories.items) == 2


def test_bots_teach_nothing(store, log):
    events = log([("u", "k5", 1), ("bot", "bag", 2), (None, "bag", 3, "view", "s")])
    data = read_dataset(store, events, excluded={"bot"})
    assert data.users.names == ("session:s", "u")


def test_undated_facts_need_a_word(store, events):
    store.put(facts=[fact("bag", "MADE_BY", "brand:velkin", None)])
    with pytest.raises(LeakageError, match="allow_undated"):
        read_dataset(store, events, until=10)
    data = read_dataset(store, events, until=10, allow_undated=True)
    assert data.undated == 1
    assert data.until == 10
    only = read_dataset(store, events, until=10, relations=["BOUGHT_WITH"])
    assert (only.undated, only.links.keys(), only.attributes.keys()) == (0, {"BOUGHT_WITH"}, set())


def test_undated_evidence_beside_dated_does_not_count_without_a_word(store, events):
    store.put(facts=[fact("k5", "MADE_BY", "brand:velkin", 5, None)])
    strict = read_dataset(store, events, until=10).attributes["MADE_BY"]
    loose = read_dataset(store, events, until=10, allow_undated=True).attributes["MADE_BY"]
    assert strict.weights.tolist() == pytest.approx([0.8, 0.8])
    assert loose.weights.tolist() == pytest.approx([0.96, 0.8])


def test_a_thing_that_names_a_product_is_a_link_to_it(store, events):
    data = read_dataset(store, events)
    # the battery names the camera too, but is itself made for it; "cameras" is a kind of product
    assert pairs(data, data.links["COMPATIBLE_WITH by name"], data.items) == {("vb", "k5", 0.8, 6)}


@pytest.mark.parametrize(
    ("surface", "named"),
    [
        ("Velkin K5", True),
        ("velkin k5", True),
        ("K5", True),
        ("VK-5", True),
        ("K50", False),
        ("Velkin", False),
        ("camera", False),
        ("mirrorless cameras", True),
        ("Velkin Camera", False),
        ("", False),
        ("…", False),
    ],
)
def test_what_names_a_camera(surface, named):
    assert is_named_by(Naming(("Velkin K5 Mirrorless Camera",), ("VK-5",)), surface) is named


@pytest.mark.parametrize(("surface", "named"), [("胶囊咖啡机", True), ("咖啡机", False), ("卡朵罗 Piccola", True)])
def test_what_names_a_chinese_product(surface, named):
    assert is_named_by(Naming(("卡朵罗 Piccola 胶囊咖啡机 0.7L",)), surface) is named


def test_words_keep_scripts_and_models_apart():
    assert words("Lirra胶囊 V-7") == ("lirra", "胶", "囊", "v", "7")
    assert words("glass boxes bus") == ("glass", "boxe", "bus")


def test_a_thing_with_too_many_products_names_none():
    products = {f"product:{i}": Naming((f"Lirra Capsules {i}",)) for i in range(9)}
    assert resolve({"thing:lirra capsule": ["Lirra capsule"]}, products) == {}
    del products["product:8"]
    assert len(resolve({"thing:lirra capsule": ["Lirra capsule"]}, products)["thing:lirra capsule"]) == 8


def test_reading_ignores_documents(store, events):
    store.put(documents=[Document("doc:k5", "product:k5", "product", "Velkin K5")])
    assert read_dataset(store, events).items.names == ("bag", "gone", "k5", "vb")
