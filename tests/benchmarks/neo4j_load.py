"""How fast the Beauty graph goes into an empty Neo4j: ``Neo4jStore.put`` beside a bare ``UNWIND … MERGE``.

    python tests/benchmarks/neo4j_load.py --data ../shared/data/beauty [--rounds 2] [--relations 50000]

Both write the same nodes, relationships and properties into the same server (started for this run, -Xmx2g, emptied in
between), with the same constraints and indexes, 5,000 rows a transaction. The bare loop gets its rows ready made and
checks nothing; only its sending is timed. ``put`` gets entities and facts as mining hands them over, in batches of
5,000, and checks, merges and encodes them inside its time. The order alternates from round to round. At the end
the same put again: it must change nothing.
"""

import argparse
import runpy
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, TypeVar

import neo4j
import pandas as pd

from kg import ids
from kg.snapshot import digest
from kg.stores.neo4j import Neo4jStore
from kg.stores.neo4j_rows import entity_row, fact_row
from kg.types import Counts, Entity, Evidence, Fact, merge_evidence

T = TypeVar("T")

BATCH = 5_000
RELATIONS = {"also_bought": "BOUGHT_WITH", "bought_together": "BOUGHT_WITH", "also_viewed": "VIEWED_WITH"}
CATALOGUE = (Evidence("catalogue", "catalog", 1.0),)


def beauty(folder: Path, relations: int | None) -> tuple[list[Entity], list[Fact]]:
    """The catalogue as entities and facts, then its relations in the order of the file."""
    items, names = _rows(folder / "items.parquet"), dict[int, str]()
    entities: dict[str, Entity] = {}
    facts: dict[tuple[str, str, str], Fact] = {}
    for row in items:
        found, said = _product(row)
        names[row.item] = found[0].id
        entities.update((e.id, e) for e in found)
        facts.update((f.triple, f) for f in said)
    evidence = {label: (Evidence(f"catalog:{label}", "catalog", 1.0),) for label in RELATIONS}
    lines = islice(_rows(folder / "relations.parquet"), relations)
    related = [Fact(names[r.head], RELATIONS[r.relation], names[r.tail], evidence[r.relation]) for r in lines]
    return list(entities.values()), [*facts.values(), *related]


def _rows(path: Path) -> Iterator[Any]:
    yield from pd.read_parquet(path).itertuples(index=False)


def _product(row: Any) -> tuple[list[Entity], list[Fact]]:
    product = ids.product(row.asin)
    properties: dict[str, Any] = {"asin": row.asin}
    if not pd.isna(row.price):
        properties["price"] = float(row.price)
    title = row.title if isinstance(row.title, str) and row.title.strip() else row.asin
    entities = [Entity(product, "Product", title, properties=properties)]
    facts: list[Fact] = []
    if isinstance(row.brand, str) and row.brand.strip():
        entities.append(Entity(ids.brand(row.brand), "Brand", row.brand))
        facts.append(Fact(product, "MADE_BY", ids.brand(row.brand), CATALOGUE))
    path = tuple(part.strip() for part in row.categories.split(" > ")) if isinstance(row.categories, str) else ()
    branches = [path[: depth + 1] for depth in range(len(path))]
    entities += [Entity(ids.category(branch), "Category", branch[-1]) for branch in branches]
    facts += [Fact(ids.category(b), "SUBCATEGORY_OF", ids.category(a), CATALOGUE) for a, b in pairwise(branches)]
    if path:
        facts.append(Fact(product, "IN_CATEGORY", ids.category(path), CATALOGUE))
    return entities, facts


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def put(store: Neo4jStore, entities: list[Entity], facts: list[Fact]) -> Counts:
    written = Counts()
    for some in batches(entities):
        written += store.put(some)
    for some_facts in batches(facts):
        written += store.put(facts=some_facts)
    return written


Rows = list[tuple[str, list[dict[str, Any]]]]  # statement, its rows


def bare_rows(entities: list[Entity], facts: list[Fact]) -> Rows:
    """The nodes and relationships that ``put`` makes, ready to be sent."""
    nodes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    types = {e.id: e.type for e in entities}
    for entity in entities:
        nodes[f"UNWIND $rows AS row MERGE (n:{entity.type} {{id: row.id}}) SET n = row.p"].append(
            {"id": entity.id, "p": entity_row(entity)[1]}
        )
    merged: dict[tuple[str, str, str], tuple[Evidence, ...]] = {}
    for fact in facts:
        merged[fact.triple] = merge_evidence(merged.get(fact.triple, ()), fact.evidence)
    links: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for (head, relation, tail), evidence in merged.items():
        ends = f"MATCH (h:{types[head]} {{id: row.h}}) MATCH (t:{types[tail]} {{id: row.t}})"
        links[f"UNWIND $rows AS row {ends} MERGE (h)-[r:{relation}]->(t) SET r = row.p"].append(
            {"h": head, "t": tail, "p": fact_row((head, relation, tail), evidence)}
        )
    return [*nodes.items(), *links.items()]


def send(driver: neo4j.Driver, rows: Rows) -> None:
    for statement, some in rows:
        for batch in batches(some):
            with driver.session() as session:
                session.execute_write(lambda tx: tx.run(statement, rows=batch).consume())  # noqa: B023 - run at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with items.parquet and relations.parquet")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--relations", type=int, help="only the first so many relations")
    options = parser.parse_args()
    entities, facts = beauty(options.data, options.relations)
    rows = bare_rows(entities, facts)
    size = sum(len(some) for _, some in rows)
    print(f"{len(entities):,} nodes, {size - len(entities):,} relationships out of {len(facts):,} facts as mined")
    server_module = runpy.run_path(str(Path(__file__).parents[1] / "neo4j_server.py"))
    began = time.perf_counter()
    with server_module["running_server"](heap="2g") as server:
        print(f"server started in {time.perf_counter() - began:.1f} s")
        measure(server, entities, facts, rows, options.rounds)


def measure(server: Any, entities: list[Entity], facts: list[Fact], rows: Rows, rounds: int) -> None:
    size = sum(len(some) for _, some in rows)
    with (
        Neo4jStore(server.url, auth=server.auth) as store,
        neo4j.GraphDatabase.driver(server.url, auth=server.auth) as driver,
    ):
        ways: dict[str, Callable[[], object]] = {
            "bare": lambda: send(driver, rows),
            "put": lambda: put(store, entities, facts),
        }
        ways["bare"]()  # warm the server: its first load is compiled while it runs
        rates: dict[str, list[float]] = {"bare": [], "put": []}
        for number in range(rounds):
            for name in ("put", "bare") if number % 2 else ("bare", "put"):
                server.wipe()
                began = time.perf_counter()
                ways[name]()
                rates[name].append(size / (time.perf_counter() - began))
                print(f"round {number + 1}  {name:4}  {rates[name][-1]:8,.0f} rows/s", flush=True)
        bare, ours = statistics.median(rates["bare"]), statistics.median(rates["put"])
        print(f"median   bare {bare:,.0f} rows/s   put {ours:,.0f} rows/s   ratio {ours / bare:.2f}")
        server.wipe()
        again(store, entities, facts)


def again(store: Neo4jStore, entities: list[Entity], facts: list[Fact]) -> None:
    first = put(store, entities, facts)
    version, before = store.version, digest(store)
    began = time.perf_counter()
    second = put(store, entities, facts)
    seconds = time.perf_counter() - began
    print(f"first load {first}")
    print(f"second load {second} in {seconds:.1f} s; version kept: {store.version == version}, ", end="")
    print(f"digest kept: {digest(store) == before} ({before[:16]}…)")


if __name__ == "__main__":
    main()
