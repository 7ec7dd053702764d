"""The sample shop, loaded and mined into each store, is the same graph byte for byte, with the same answers."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kg import queries, snapshot
from kg.events import EventLog
from kg.store import GraphStore
from kg.stores import open_store
from mining import pipeline, samples
from mining.extraction.rules import RuleExtractor
from mining.reviews.extractor import ReviewExtractor
from mining.samples.simulator import simulate, write_events
from mining.samples.truth import load_truth

QUESTIONS = ("coffee", "咖啡", "tent", "Caldoro", "toner", "🫖", "1.2L")


def mined(store: GraphStore, folder: Path, events: Path) -> GraphStore:
    shop = samples.sample_shop()
    with EventLog(folder / "events.db") as log:
        pipeline.load(store, log, catalog=shop.catalog, events=events, reviews=shop.reviews)
        pipeline.mine(store, log, extractors=[RuleExtractor(), ReviewExtractor()], run_dir=folder / "mine")
    return store


def answers(store: GraphStore) -> dict[str, Any]:
    """What people ask, over every product: its profile, its neighbours, how it hangs together, what is found."""
    products = [e.id for e in store.entities(type="Product")]
    near = list(pairwise(products))[::10]
    return {
        "search": {q: [(e.id, score) for e, score in store.search(q)] for q in QUESTIONS},
        "related": {
            (p, r): [f.fact.triple for f in queries.related(store, p, r)]
            for p in products
            for r in ("VIEWED_WITH", "BOUGHT_WITH", "BOUGHT_AFTER")
        },
        "paths": {pair: store.paths(*pair, max_hops=3, limit=5) for pair in near},
    }


@pytest.mark.slow
def test_memory_sqlite_and_neo4j_hold_the_same_sample_shop(tmp_path: Path, neo4j_server: Any) -> None:
    events = tmp_path / "events.csv"
    write_events(events, simulate(samples.sample_products(), load_truth()))
    neo4j_server.wipe()
    openers: dict[str, Callable[[], GraphStore]] = {
        "memory": lambda: open_store("memory://"),
        "sqlite": lambda: open_store(f"sqlite:///{tmp_path / 'graph.db'}"),
        "neo4j": lambda: open_store(neo4j_server.url, auth=neo4j_server.auth),
    }
    digests, told = {}, {}
    for name, opener in openers.items():
        (tmp_path / name).mkdir()
        with mined(opener(), tmp_path / name, events) as store:
            digests[name], told[name] = snapshot.digest(store), answers(store)
    assert len(set(digests.values())) == 1, digests
    assert told["sqlite"] == told["memory"]
    assert told["neo4j"] == told["memory"]
