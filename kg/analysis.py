"""The graph through networkx: components, PageRank, degrees; and a GraphML file for other tools."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

import networkx as nx

from kg.store import GraphReader
from kg.types import Entity, Fact, Scalar

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # XML 1.0 cannot hold these


@dataclass(frozen=True, slots=True)
class Degree:
    """How many facts touch the entities of one type."""

    entities: int
    mean: float
    most: int
    busiest: str


@dataclass(frozen=True, slots=True)
class Summary:
    """``largest`` are the sizes of the largest weakly connected components, ``central`` the ids of highest PageRank."""

    entities: int
    facts: int
    components: int
    largest: tuple[int, ...]
    isolated: int
    central: tuple[tuple[str, float], ...]
    degrees: dict[str, Degree]


def to_networkx(reader: GraphReader) -> "nx.MultiDiGraph[str]":
    """The whole graph in memory, about 1 kB a fact.

    Nodes by entity id with ``type``, ``name``, ``aliases``, ``lang`` and the properties; edges keyed by relation with
    ``relation``, ``confidence``, ``evidence`` (how many), ``methods`` and the counts. All flat scalars.
    """
    graph: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for entity in reader.entities():
        graph.add_node(entity.id, **_node(entity))
    for fact in reader.facts():
        graph.add_edge(fact.head, fact.tail, key=fact.relation, **_edge(fact))
    return graph


def summary(reader: GraphReader, *, top: int = 10) -> Summary:
    """Sizes, components, PageRank over the directed graph, degrees. Memory: one light edge a fact."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    types: dict[str, str] = {}
    degree: defaultdict[str, int] = defaultdict(int)
    facts = 0
    for entity in reader.entities():
        graph.add_node(entity.id)
        types[entity.id] = entity.type
    for fact in reader.facts():
        graph.add_edge(fact.head, fact.tail)
        facts += 1
        for end in {fact.head, fact.tail}:
            degree[end] += 1
    sizes = sorted((len(part) for part in nx.weakly_connected_components(graph)), reverse=True)
    ranks: dict[str, float] = nx.pagerank(graph) if graph else {}
    best = sorted(ranks, key=lambda entity_id: (-round(ranks[entity_id], 6), entity_id))[:top]
    return Summary(
        entities=len(types),
        facts=facts,
        components=len(sizes),
        largest=tuple(sizes[:5]),
        isolated=sum(1 for size in sizes if size == 1),
        central=tuple((entity_id, round(ranks[entity_id], 6)) for entity_id in best),
        degrees=_degrees(types, degree),
    )


def _degrees(types: Mapping[str, str], degree: Mapping[str, int]) -> dict[str, Degree]:
    members: defaultdict[str, list[str]] = defaultdict(list)
    for entity_id in sorted(types):
        members[types[entity_id]].append(entity_id)
    told = {}
    for kind in sorted(members):
        busiest = max(members[kind], key=lambda entity_id: degree.get(entity_id, 0))
        total = sum(degree.get(entity_id, 0) for entity_id in members[kind])
        told[kind] = Degree(len(members[kind]), total / len(members[kind]), degree.get(busiest, 0), busiest)
    return told


def write_graphml(reader: GraphReader, path: Path) -> None:
    """A GraphML file with the nodes and edges of ``to_networkx``, streamed, for networkx, Gephi and yEd.

    Characters that XML cannot hold become U+FFFD. The file appears when it is whole.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            _write(reader, file)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(reader: GraphReader, file: TextIO) -> None:
    file.write('<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n')
    nodes = _declare(file, "node", lambda: map(_node, reader.entities()))
    edges = _declare(file, "edge", lambda: map(_edge, reader.facts()))
    file.write('<graph edgedefault="directed">\n')
    for entity in reader.entities():
        file.write(f"<node id={_quoted(entity.id)}>{_data(_node(entity), nodes)}</node>\n")
    for fact in reader.facts():
        ends = f"source={_quoted(fact.head)} target={_quoted(fact.tail)}"
        file.write(f"<edge id={_quoted(fact.relation)} {ends}>{_data(_edge(fact), edges)}</edge>\n")
    file.write("</graph>\n</graphml>\n")


_XML_TYPES: dict[type, str] = {str: "string", bool: "boolean", int: "long", float: "double"}
_Keys = dict[tuple[str, str], str]


def _declare(file: TextIO, kind: str, attributes: Callable[[], Iterator[dict[str, Scalar]]]) -> _Keys:
    """Declare every attribute under every type it has; costs one pass over the graph."""
    named = {(name, _XML_TYPES[type(value)]) for flat in attributes() for name, value in flat.items()}
    keys = {pair: f"{kind}{number}" for number, pair in enumerate(sorted(named))}
    for (name, xml_type), key in keys.items():
        file.write(f'<key id="{key}" for="{kind}" attr.name={_quoted(name)} attr.type="{xml_type}"/>\n')
    return keys


def _data(flat: Mapping[str, Scalar], keys: _Keys) -> str:
    return "".join(
        f'<data key="{keys[name, _XML_TYPES[type(value)]]}">{_text(value)}</data>' for name, value in flat.items()
    )


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else escape(_NO_XML.sub("\ufffd", str(value)), {"\r": "&#13;"})


def _quoted(text: str) -> str:
    return quoteattr(_NO_XML.sub("\ufffd", text))


def _node(entity: Entity) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {"type": entity.type, "name": entity.name}
    if entity.aliases:
        flat["aliases"] = " | ".join(entity.aliases)
    if entity.lang is not None:
        flat["lang"] = entity.lang
    taken = {"type", "name", "aliases", "lang"}
    return flat | {f"property_{n}" if n in taken else n: value for n, value in sorted(entity.properties.items())}


def _edge(fact: Fact) -> dict[str, Scalar]:
    flat: dict[str, Scalar] = {
        "relation": fact.relation,
        "confidence": fact.confidence,
        "evidence": len(fact.evidence),
        "methods": " | ".join(sorted({e.method for e in fact.evidence})),
    }
    return flat | {f"count_{n}" if n in flat else n: value for n, value in sorted(fact.counts.items())}
