"""What only Neo4j can get wrong; the laws of every store are in tests/contracts."""

import logging
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import neo4j
import pytest
import yaml

import kg.stores
from kg.errors import FormatError, SchemaError, StoreAuthError, StoreUnavailable, StoreUrlError, UnknownEntity
from kg.schema import LABELS, SHOP
from kg.snapshot import digest
from kg.store import GraphStore
from kg.stores import cypher, open_store
from kg.stores import neo4j as store_module
from kg.stores.memory import MemoryStore
from kg.stores.neo4j import Neo4jStore
from kg.types import Counts, Document, Entity, Evidence, Fact, Scalar

ROOT = Path(__file__).resolve().parents[2]
BROWSER = Path(kg.stores.__file__).parent / "browser"
QUERIES = re.findall(r"```cypher\n(.*?)```", (BROWSER / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def empty(neo4j_server: Any) -> Iterator[Neo4jStore]:
    neo4j_server.wipe()
    with Neo4jStore(neo4j_server.url, auth=neo4j_server.auth) as store:
        yield store


@pytest.fixture
def loaded(empty: Neo4jStore, shop: MemoryStore) -> Neo4jStore:
    empty.put(shop.entities(), shop.facts(), shop.documents())
    return empty


@pytest.fixture
def driver(neo4j_server: Any) -> Iterator[neo4j.Driver]:
    with neo4j.GraphDatabase.driver(neo4j_server.url, auth=neo4j_server.auth) as driver:
        yield driver


def rows(driver: neo4j.Driver, query: str, **parameters: Any) -> list[dict[str, Any]]:
    return [record.data() for record in driver.execute_query(query, parameters).records]


def line(size: int) -> tuple[list[Entity], list[Fact]]:
    """Products in a row, each bought with the next one."""
    entities = [Entity(f"product:{i:05}", "Product", f"Thing {i}") for i in range(size)]
    evidence = (Evidence("events", "mined", 0.5),)
    return entities, [Fact(a.id, "BOUGHT_WITH", b.id, evidence) for a, b in pairwise(entities)]


# Reaching the server


@pytest.mark.timeout(30)
@pytest.mark.parametrize("scheme", ["bolt", "neo4j"])
def test_a_dead_server_is_told_at_once_and_with_what_to_do(scheme: str) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"{scheme}://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(StoreUnavailable, match=rf"{url}.*is Neo4j running there"):
            open_store(url, auth=("neo4j", "a secret word"))


@pytest.mark.timeout(30)
def test_a_port_where_something_else_answers(neo4j_server: Any) -> None:
    if neo4j_server.http is None:
        pytest.skip("the server named by SHOPGRAPH_TEST_NEO4J tells no HTTP port")
    url = neo4j_server.http.replace("http://", "bolt://")
    with pytest.raises(StoreUnavailable, match=r"is the port its Bolt port\?"):
        open_store(url, auth=neo4j_server.auth)


def test_wrong_credentials_are_told_without_telling_them(neo4j_server: Any) -> None:
    for auth in (None, ("neo4j", "wrong-password")):
        with pytest.raises(StoreAuthError, match="SHOPGRAPH_NEO4J_PASSWORD") as caught:
            open_store(neo4j_server.url, auth=auth)
        assert "wrong-password" not in str(caught.value)


@pytest.mark.parametrize("url", ["neo4j://neo4j:secret@localhost:7687", "neo4j://localhost:port", "bolt+x://localhost"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(StoreUrlError) as caught:
        Neo4jStore(url, auth=("neo4j", "password"))
    assert "secret" not in str(caught.value)


def test_a_closed_store_says_so(empty: Neo4jStore) -> None:
    empty.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        empty.put([Entity("product:a", "Product", "A")])


def test_a_database_of_somebody_else_is_refused(neo4j_server: Any, driver: neo4j.Driver) -> None:
    neo4j_server.wipe()
    rows(driver, "CREATE (:Product {id: 'theirs'})")
    with pytest.raises(FormatError, match="Product"):
        open_store(neo4j_server.url, auth=neo4j_server.auth)
    neo4j_server.wipe()
    rows(driver, "CREATE (:ShopGraph {id: 'shopgraph', version: 7, format: 99})")
    with pytest.raises(FormatError, match="format 99"):
        open_store(neo4j_server.url, auth=neo4j_server.auth)


# The same graph


def test_equal_digests_with_memory_after_every_write(empty: Neo4jStore, shop: MemoryStore) -> None:
    empty.put(shop.entities(), shop.facts(), shop.documents())
    assert digest(empty) == digest(shop)
    for source in ("events", "product:pot/text", "catalogue", "review:1"):
        assert empty.retract(source) == shop.retract(source)
        assert digest(empty) == digest(shop)


def test_whatever_names_and_values_come_they_come_back(empty: Neo4jStore, driver: neo4j.Driver) -> None:
    properties: dict[str, Scalar] = {
        "": 1,
        "id": "x",
        "search": 2.0,
        "property:a": True,
        "a\0b%": "",
        "50%": -(2**63),
        "价": "¥",
        "f": -0.0,
    }
    entity = Entity("product:🫖 '\"`\\", "Product", "{name: 1}) DETACH DELETE n //", ("", "a"), "", properties)
    text = Document("doc\0:1", entity.id, "review", "a\r\n\tb\0c 🫖")
    counts = {"support": 1e300, "sources": 2.0, "": 3.0, "lift": 5e-324}
    found = (
        Evidence("s", "m", 0.1, -5, "run 1", "title", counts=counts),
        Evidence(text.id, "m", 1.0, quote="c 🫖", start=6, end=9),
        Evidence("t", "m", 0.0),
    )
    fact = Fact(entity.id, "SUBSTITUTE_FOR", entity.id, found)
    memory = MemoryStore()
    for store in (empty, memory):
        assert store.put([entity], [fact], [text]) == Counts(1, 1, 1, 3)
    rows(driver, "MATCH (n:Product) SET n:Favourite")  # people may mark what they like
    assert digest(empty) == digest(memory)
    assert list(empty.facts()) == list(memory.facts())
    assert [e.run for e in next(empty.facts()).evidence] == [e.run for e in next(memory.facts()).evidence]
    assert empty.entity(entity.id) == entity
    assert empty.search("DETACH") == memory.search("DETACH")


@pytest.mark.parametrize("text", ["tea AND", 'a"b\\', "kettle~ +pot -cup", "name:acme", "(acme", "/tea/", "*", "te?"])
def test_search_reads_no_query_language(loaded: Neo4jStore, shop: MemoryStore, text: str) -> None:
    assert loaded.search(text) == shop.search(text)


def test_an_id_longer_than_an_index_takes_is_refused(empty: Neo4jStore) -> None:
    with pytest.raises(SchemaError, match="8000 bytes"):
        empty.put([Entity("product:" + "水" * 3_000, "Product", "x")])
    assert list(empty.entities()) == []


# What a person sees


def test_a_person_can_read_it(loaded: Neo4jStore, driver: neo4j.Driver) -> None:
    (fact,) = rows(
        driver, "MATCH (:Product {name: 'Ajax tea pot 1.2 L'})-[r:MADE_BY]->(b:Brand) RETURN properties(r) AS r"
    )
    assert fact["r"].pop("key") != ""
    assert fact["r"] == {
        "confidence": 0.9, "support": 1, "sources": ["product:pot/text"], "methods": ["rules"], "confidences": [0.9],
        "fields": ["title"], "quotes": ["Ajax"], "starts": [0], "ends": [4], "ats": [100],
    }  # fmt: skip
    (fact,) = rows(driver, "MATCH (:Product {id: 'product:cup'})-[r:COMPLEMENTS]->() RETURN properties(r) AS r")
    assert (fact["r"]["lift"], fact["r"]["support"], fact["r"]["counts"]) == (
        4.0,
        3.0,
        ['{"lift": 4.0, "support": 3.0}'],
    )
    assert "quotes" not in fact["r"]
    nameless = "MATCH (n) WHERE size(labels(n)) <> 1 OR n.name IS NULL OR n.id IS NULL RETURN n"
    assert rows(driver, nameless) == []
    (review,) = rows(driver, "MATCH (d:Document {kind: 'review'})-[:ABOUT]->(p) RETURN d.name AS name, p.id AS about")
    assert review == {"name": "Pours well ☕", "about": "product:pot"}
    assert rows(driver, "MATCH (n:ShopGraph) RETURN n.version AS version, n.sources AS sources") == [
        {"version": 1, "sources": ["catalogue", "events"]}
    ]


def test_ids_are_unique_and_indexes_are_there(loaded: Neo4jStore, driver: neo4j.Driver) -> None:
    unique = {row["label"] for row in rows(driver, "SHOW CONSTRAINTS YIELD labelsOrTypes AS l RETURN l[0] AS label")}
    assert unique == {*LABELS, cypher.DOCUMENT, cypher.META}
    states = rows(driver, "SHOW INDEXES YIELD name, state WHERE name STARTS WITH 'shopgraph' RETURN name, state")
    assert {row["name"] for row in states} == cypher.INDEXES.keys()
    assert {row["state"] for row in states} == {"ONLINE"}


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_guide_finds_something(loaded: Neo4jStore, driver: neo4j.Driver, query: str) -> None:
    loaded.put([Entity("product:lamp", "Product", "Lamp")])
    found = rows(driver, query)
    assert found
    if "substring" in query:
        assert len(found) >= 8
        assert [row["found"] for row in found] == [row["quote"] for row in found]


def test_the_style_knows_every_label_and_no_strange_relation() -> None:
    style = (BROWSER / "style.grass").read_text(encoding="utf-8")
    assert set(re.findall(r"node\.(\w+)", style)) == {*LABELS, cypher.DOCUMENT, cypher.META}
    assert set(re.findall(r"relationship\.(\w+)", style)) <= SHOP.relations.keys()


# Writers, readers, broken ends


def test_two_writers_take_turns(neo4j_server: Any, empty: Neo4jStore) -> None:
    entities, facts = line(60)
    counts: list[Counts] = []

    def write(store: GraphStore) -> None:
        counts.extend(store.put(entities, facts[start : start + 10]) for start in range(0, 60, 10))

    with Neo4jStore(neo4j_server.url, auth=neo4j_server.auth) as other:
        threads = [threading.Thread(target=write, args=(store,)) for store in (empty, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(counts, start=Counts()) == Counts(entities=60, facts=59, evidence=59)
    memory = MemoryStore()
    memory.put(entities, facts)
    assert digest(empty) == digest(memory)
    assert empty.version == sum(map(bool, counts))


def test_what_another_writer_took_away_is_not_believed_to_be_there(neo4j_server: Any, empty: Neo4jStore) -> None:
    (a, b), (fact,) = line(2)
    empty.put([a, b], [fact])
    with Neo4jStore(neo4j_server.url, auth=neo4j_server.auth) as other:
        other.retract("events")
    with pytest.raises(UnknownEntity):
        empty.put(facts=[fact])
    assert list(empty.facts()) == []


def test_entities_deleted_by_hand_are_missed_before_anything_is_lost(empty: Neo4jStore, driver: neo4j.Driver) -> None:
    (a, b), (fact,) = line(2)
    empty.put([a, b])
    rows(driver, "MATCH (n:Product {id: $id}) DELETE n", id=a.id)
    with pytest.raises(StoreUnavailable, match="vanished"):
        empty.put(facts=[fact])
    assert list(empty.facts()) == []


def test_a_large_put_is_checked_first_and_then_written_in_parts(
    empty: Neo4jStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WHOLE", 7)
    entities, facts = line(20)
    with pytest.raises(UnknownEntity):
        empty.put(entities, [*facts, Fact(entities[0].id, "BOUGHT_WITH", "product:none", facts[0].evidence)])
    assert list(empty.entities()) == []
    assert empty.put(entities, facts) == Counts(entities=20, facts=19, evidence=19)
    assert empty.version == 1
    assert empty.put(entities, facts) == Counts()
    assert empty.version == 1


KILLED = """
import sys
from kg.stores import neo4j
from kg.types import Entity
neo4j.WHOLE = 20
url, user, password = sys.stdin.read().split()
store = neo4j.Neo4jStore(url, auth=(user, password))
store.put([Entity(f"product:{i:05}", "Product", f"Thing {i}") for i in range(4000)])
"""


def test_a_large_put_that_was_killed_is_finished_by_the_next_one(
    neo4j_server: Any,
    empty: Neo4jStore,
    driver: neo4j.Driver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_SECONDS", 0.5)  # the killed one may have announced a commit
    writer = subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, cwd=ROOT)
    assert writer.stdin is not None
    writer.stdin.write("\n".join((neo4j_server.url, *neo4j_server.auth)).encode())
    writer.stdin.close()
    while not rows(driver, "MATCH (g:ShopGraph) WHERE g.unfinished RETURN g"):
        assert writer.poll() is None
        time.sleep(0.01)
    writer.kill()
    writer.wait()
    written = len(list(empty.entities()))
    assert 0 < written < 4_000
    assert written % 20 == 0
    assert empty.version == 0
    with caplog.at_level(logging.WARNING), Neo4jStore(neo4j_server.url, auth=neo4j_server.auth) as again:
        assert "run it again" in caplog.text
        monkeypatch.setattr(store_module, "WHOLE", 1_000)
        entities = line(4_000)[0]
        again.put([Entity("product:late", "Product", "Late")])  # the dead writer holds nothing
        assert again.put(entities).entities == 4_000 - written
    caplog.clear()
    Neo4jStore(neo4j_server.url, auth=neo4j_server.auth).close()
    assert caplog.text == ""


def test_a_commit_that_died_holds_readers_up_for_a_while_only(
    empty: Neo4jStore, driver: neo4j.Driver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_SECONDS", 0.1)
    entities, facts = line(3)
    empty.put(entities, facts)
    for announced, told in (("timestamp()", 0), ("timestamp() + 3600000", 1)):  # an hour ahead: it never grows old
        rows(driver, f"MATCH (g:ShopGraph) SET g.committing = {announced}")
        assert len(list(empty.facts())) == 2
        assert caplog.text.count("two versions") == told
    assert empty.retract("events") == Counts(entities=3, facts=2, evidence=2)
    assert rows(driver, "MATCH (g:ShopGraph) RETURN g.committing AS c") == [{"c": None}]


# Docker, which is not run here


def test_the_compose_file_says_what_it_must() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert services["neo4j"]["image"].startswith("neo4j:5.26")
    assert services["api"]["build"] == {"context": ".", "dockerfile": "api/Dockerfile"}
    assert services["api"]["depends_on"] == {"neo4j": {"condition": "service_healthy"}}
    for service in services.values():
        assert service["healthcheck"]["test"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    for secret in (
        services["neo4j"]["environment"]["NEO4J_AUTH"],
        services["api"]["environment"]["SHOPGRAPH_NEO4J_PASSWORD"],
    ):
        assert "${SHOPGRAPH_NEO4J_PASSWORD:?" in secret
    assert "@" not in services["api"]["environment"]["SHOPGRAPH_STORE"]
