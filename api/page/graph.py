"""A product's neighbourhood as the options of a clickable ECharts graph."""

from collections.abc import Iterable, Mapping
from typing import Any

from kg.types import Entity, Fact

MOST = 40  # neighbours drawn; more is a hairball
COLORS = {
    "Product": "#4C8EDA", "Brand": "#F79767", "Category": "#C990C0", "Value": "#8DCC93", "Use": "#FFC454",
    "Audience": "#D9C8AE", "Thing": "#57C7E3", "Aspect": "#F16667",
}  # fmt: skip


def chosen(facts: Iterable[Fact]) -> list[Fact]:
    """The facts worth drawing: most confident first, each neighbour once, at most ``MOST``."""
    best = sorted(facts, key=lambda f: (-f.confidence, f.triple))
    seen: dict[tuple[str, str], Fact] = {}
    for fact in best:
        seen.setdefault((min(fact.head, fact.tail), max(fact.head, fact.tail)), fact)
    return list(seen.values())[:MOST]


def options(centre: str, facts: Iterable[Fact], entities: Mapping[str, Entity]) -> dict[str, Any]:
    """Nodes carry the entity id as ``value``, so that a click knows where it goes."""
    drawn = chosen(f for f in facts if f.head in entities and f.tail in entities)
    wanted = {centre} | {i for f in drawn for i in (f.head, f.tail)}
    kinds = sorted({entities[i].type for i in wanted})
    return {
        "tooltip": {},
        "legend": [{"data": kinds}],
        "series": [
            {
                "type": "graph", "layout": "force", "roam": True, "animation": False,
                "force": {"repulsion": 220, "edgeLength": 110},
                "label": {"show": True, "position": "right", "formatter": "{b}", "width": 140, "overflow": "truncate"},
                "edgeSymbol": ["none", "arrow"], "edgeSymbolSize": 6,
                "edgeLabel": {"show": True, "formatter": "{c}", "fontSize": 9, "color": "#888"},
                "categories": [{"name": k, "itemStyle": {"color": COLORS.get(k, "#999")}} for k in kinds],
                "data": [_node(entities[i], kinds, centre) for i in sorted(wanted)],
                "links": [{"source": f.head, "target": f.tail, "value": f.relation} for f in drawn],
            }
        ],
    }  # fmt: skip


def _node(entity: Entity, kinds: list[str], centre: str) -> dict[str, Any]:
    size = 42 if entity.id == centre else 24
    return {
        "id": entity.id, "name": entity.name, "value": entity.id,
        "category": kinds.index(entity.type), "symbolSize": size,
    }  # fmt: skip
