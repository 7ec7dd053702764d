"""The graph through networkx: components, PageRank, degrees, GraphML."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from kg.store import GraphReader

CENTRAL = 10


@dataclass(frozen=True, slots=True)
class Summary:
    """``components`` are the sizes of the largest weakly connected ones; ``central`` the ids of highest PageRank."""

    entities: int
    facts: int
    components: int
    largest: tuple[int, ...]
    isolated: int
    central: tuple[tuple[str, float], ...]


def to_networkx(reader: GraphReader) -> "nx.MultiDiGraph[str]":
    """Nodes by entity id with type and name; edges keyed by relation with confidence and number of evidence."""
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for entity in reader.entities():
        graph.add_node(entity.id, type=entity.type, name=entity.name)
    for fact in reader.facts():
        graph.add_edge(
            fact.head, fact.tail, key=fact.relation,
            relation=fact.relation, confidence=fact.confidence, evidence=len(fact.evidence),
        )  # fmt: skip
    return graph


def summary(reader: GraphReader) -> Summary:
    """Sizes, components and central entities. Cost: O(entities + facts) memory and about 50 passes over the facts."""
    graph = to_networkx(reader)
    sizes = sorted((len(part) for part in nx.weakly_connected_components(graph)), reverse=True)
    ranks: dict[str, float] = nx.pagerank(nx.DiGraph(graph)) if graph else {}
    best = sorted(ranks, key=lambda entity_id: (-ranks[entity_id], entity_id))[:CENTRAL]
    return Summary(
        entities=graph.number_of_nodes(),
        facts=graph.number_of_edges(),
        components=len(sizes),
        largest=tuple(sizes[:5]),
        isolated=sum(1 for size in sizes if size == 1),
        central=tuple((entity_id, round(ranks[entity_id], 6)) for entity_id in best),
    )


def write_graphml(reader: GraphReader, path: Path) -> None:
    """A GraphML file with flat properties, that networkx, Gephi and yEd read."""
    graph = to_networkx(reader)
    for node in graph:
        attributes: dict[str, Any] = graph.nodes[node]
        attributes["name"] = "".join(c for c in attributes["name"] if c.isprintable())  # XML has no control characters
    partial = path.with_suffix(".partial")
    nx.write_graphml(graph, partial)
    partial.replace(path)
