"""networkx sees the graph, and the file it can read back."""

from pathlib import Path

import networkx as nx
import pytest

from kg import analysis
from kg.stores.memory import MemoryStore
from kg.types import Entity, Evidence, Fact


def test_the_summary_counts_what_is_there(shop: MemoryStore) -> None:
    told = analysis.summary(shop, top=3)
    assert (told.entities, told.facts) == (15, 18)
    assert (told.components, told.largest, told.isolated) == (3, (13, 1, 1), 2)
    assert len(told.central) == 3
    assert told.central[0][0] == "category:kitchen"  # where all categories lead
    assert told.degrees["Brand"] == analysis.Degree(2, 1.0, 1, "brand:acme")
    assert told.degrees["Product"].busiest == "product:kettle"
    assert told.degrees["Product"].most == 7
    total = sum(d.mean * d.entities for d in told.degrees.values())
    assert total == pytest.approx(2 * told.facts)


def test_an_empty_graph_has_a_summary() -> None:
    assert analysis.summary(MemoryStore()) == analysis.Summary(0, 0, 0, (), 0, (), {})


def test_networkx_has_flat_attributes(shop: MemoryStore) -> None:
    graph = analysis.to_networkx(shop)
    assert graph.nodes["value:kettles/volume/1.2 l"] == {
        "type": "Value",
        "name": "1.2 L",
        "attribute": "volume",
        "number": 1200.0,
        "unit": "ml",
        "value": "1.2 L",
    }
    assert graph.edges["product:cup", "product:pot", "BOUGHT_WITH"] == {
        "relation": "BOUGHT_WITH",
        "confidence": 0.5,
        "evidence": 1,
        "methods": "cooccurrence",
        "lift": 4.0,
        "support": 3.0,
    }


def test_graphml_loads_back_as_it_was_written(shop: MemoryStore, tmp_path: Path) -> None:
    awkward = Entity(
        'use:<a> & "b"\n',
        "Use",
        "<茶> & 🫖\r\nx",
        ("a", "b"),
        "zh",
        {"name": "mine", "flag": True, "n": 3, "number": "three"},
    )
    evidence = (
        Evidence("events", "mined", 0.25, counts={"confidence": 0.75, "lift": 1.5}),
        Evidence("events", "asked", 0.5),
    )
    shop.put([awkward], [Fact("product:cup", "USED_FOR", awkward.id, evidence)])
    analysis.write_graphml(shop, tmp_path / "graph.graphml")
    read, expected = nx.read_graphml(tmp_path / "graph.graphml"), analysis.to_networkx(shop)
    assert dict(read.nodes(data=True)) == dict(expected.nodes(data=True))
    assert read.nodes[awkward.id]["property_name"] == "mine"
    assert read.edges["product:cup", awkward.id, "USED_FOR"]["count_confidence"] == 0.75
    assert sorted((u, v, k, sorted(d.items())) for u, v, k, d in read.edges(keys=True, data=True)) == sorted(
        (u, v, k, sorted(d.items())) for u, v, k, d in expected.edges(keys=True, data=True)
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "graph.graphml"]


def test_what_xml_cannot_hold_is_marked(tmp_path: Path) -> None:
    store = MemoryStore()
    store.put([Entity("use:x", "Use", "a\x00b\x1fc\uffff👩‍💻")])
    analysis.write_graphml(store, tmp_path / "graph.graphml")
    assert nx.read_graphml(tmp_path / "graph.graphml").nodes["use:x"]["name"] == "a\ufffdb\ufffdc\ufffd👩‍💻"
