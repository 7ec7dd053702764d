"""Questions about the small shop, whose answers are known."""

import pytest

from kg import queries
from kg.errors import SchemaError, UnknownEntity
from kg.stores.memory import MemoryStore


def ids(found: list[queries.Related]) -> list[str]:
    return [r.entity.id for r in found]


def test_a_profile_is_everything_about_one_thing(shop: MemoryStore) -> None:
    found = queries.profile(shop, "product:pot")
    assert found.entity == shop.entity("product:pot")
    assert {name: [f.triple for f in facts] for name, facts in found.facts.items()} == {
        "BOUGHT_WITH": [("product:cup", "BOUGHT_WITH", "product:pot")],
        "COMPLEMENTS": [("product:cup", "COMPLEMENTS", "product:pot")],
        "HAS_ATTRIBUTE": [("product:pot", "HAS_ATTRIBUTE", "value:kettles/volume/1.2 l")],
        "IN_CATEGORY": [("product:pot", "IN_CATEGORY", "category:kitchen > tea > pots")],
        "MADE_BY": [("product:pot", "MADE_BY", "brand:ajax")],
        "SUBSTITUTE_FOR": [("product:kettle", "SUBSTITUTE_FOR", "product:pot")],
        "USED_FOR": [("product:pot", "USED_FOR", "use:tea")],
    }
    assert list(found.facts) == sorted(found.facts)
    assert [d.id for d in found.documents] == ["product:pot/text", "review:1"]
    assert queries.profile(shop, "use:garden") == queries.Profile(shop.entity("use:garden"), {}, ())


def test_symmetric_relations_are_read_both_ways_and_the_strongest_comes_first(shop: MemoryStore) -> None:
    assert ids(queries.related(shop, "product:cup", "BOUGHT_WITH")) == ["product:pot", "product:kettle"]
    assert ids(queries.related(shop, "product:cup", "BOUGHT_WITH", limit=1)) == ["product:pot"]
    assert ids(queries.related(shop, "product:pot", "BOUGHT_WITH")) == ["product:cup"]
    assert ids(queries.related(shop, "product:kettle", "BOUGHT_AFTER")) == ["product:filter"]
    assert queries.related(shop, "product:filter", "BOUGHT_AFTER") == []  # it has a direction
    assert ids(queries.substitutes(shop, "pot")) == ["product:kettle"]
    assert ids(queries.substitutes(shop, "kettle")) == ["product:pot"]
    assert ids(queries.complements(shop, "pot")) == ["product:cup"]


def test_what_fits_is_told_from_both_sides(shop: MemoryStore) -> None:
    assert ids(queries.compatible_with(shop, "filter")) == ["thing:k-2"]
    assert ids(queries.accessories(shop, "kettle")) == ["product:filter"]
    assert queries.accessories(shop, "filter") == []


def test_unknown_things_and_relations_are_refused(shop: MemoryStore) -> None:
    with pytest.raises(UnknownEntity, match="product:none"):
        queries.profile(shop, "product:none")
    with pytest.raises(UnknownEntity, match="product:none"):
        queries.substitutes(shop, "none")
    with pytest.raises(SchemaError, match="BOUGHT_WITH"):
        queries.related(shop, "product:cup", "LIKES")


def test_two_products_are_compared_by_attribute(shop: MemoryStore) -> None:
    compared = queries.compare(shop, "kettle", "pot")
    assert (compared.first.id, compared.second.id) == ("product:kettle", "product:pot")
    told = {
        a.name: (ids(list(a.shared)), ids(list(a.only_first)), ids(list(a.only_second)), a.differs)
        for a in compared.aspects
    }
    assert told == {
        "IN_CATEGORY": (["category:kitchen > tea > pots"], [], [], False),
        "MADE_BY": ([], ["brand:acme"], ["brand:ajax"], True),
        "USED_FOR": ([], [], ["use:tea"], False),  # the kettle says nothing of it
        "volume": ([], ["value:kettles/volume/1.7 l"], ["value:kettles/volume/1.2 l"], True),
    }
    assert list(told) == sorted(told)


def test_the_taxonomy_hangs_from_its_roots(shop: MemoryStore) -> None:
    tree = {parent: [c.id for c in children] for parent, children in queries.taxonomy(shop).items()}
    assert tree == {
        None: ["category:kitchen"],
        "category:kitchen": ["category:kitchen > tea"],
        "category:kitchen > tea": ["category:kitchen > tea > pots"],
    }
