"""An entity's neighbourhood as the options of a clickable ECharts graph."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from api.page.frame import COLORS, OTHER
from api.phrases import SAYS, spoken
from kg.types import Entity, Fact

MOST = 30  # neighbours drawn; more is a hairball
LONGEST = 26  # characters of a name in the drawing

_BRACES = str.maketrans("{}", "()")


def chosen(groups: Mapping[str, Iterable[Fact]], centre: str) -> list[Fact]:
    """The facts worth drawing: the best of each relation in turn, each neighbour once, at most ``MOST``."""
    seen: dict[str, Fact] = {}
    for round_ in zip_longest(*groups.values()):
        for fact in filter(None, round_):
            other = fact.tail if fact.head == centre else fact.head
            if other != centre and len(seen) < MOST:
                seen.setdefault(other, fact)
    return list(seen.values())


def options(centre: Entity, facts: Iterable[Fact], entities: Mapping[str, Entity]) -> dict[str, Any]:
    """Nodes carry the entity id as ``value``, so that a click knows where it goes.

    Tooltips are drawn on the canvas (``richText``): names are never read as HTML. Labels take no
    clicks: one that lies over a neighbour's dot would lead to the wrong page. The layout starts on a
    circle, so the same neighbourhood is drawn the same way each time.
    """
    drawn = [f for f in facts if f.head in entities and f.tail in entities]
    nodes = {centre.id: centre} | {i: entities[i] for f in drawn for i in (f.head, f.tail)}
    kinds = sorted({entity.type for entity in nodes.values()})
    return {
        "color": [COLORS.get(kind, OTHER) for kind in kinds],
        "tooltip": {"renderMode": "richText", "confine": True, "formatter": "{b}"},
        "legend": [{"data": kinds, "bottom": 0, "icon": "circle", "textStyle": {"color": "#475569"}}],
        "series": [
            {
                "type": "graph", "layout": "force", "roam": True, "draggable": True, "animation": False, "zoom": 0.85,
                "force": {"repulsion": 380, "edgeLength": [70, 170], "gravity": 0.08, "layoutAnimation": False,
                          "initLayout": "circular"},
                "top": 20, "bottom": 50, "left": 30, "right": 30,
                "label": {
                    "show": True, "position": "bottom", "fontSize": 11, "color": "#334155",
                    "width": 130, "overflow": "truncate", "silent": True,
                },
                "labelLayout": {"hideOverlap": True},
                "emphasis": {"focus": "adjacency", "edgeLabel": {"show": True}, "label": {"fontWeight": "bold"}},
                "edgeSymbol": ["none", "arrow"], "edgeSymbolSize": 6,
                "edgeLabel": {"show": False, "formatter": "{c}", "fontSize": 10, "color": "#475569"},
                "lineStyle": {"color": "#94a3b8", "curveness": 0.05, "opacity": 0.8},
                "categories": [{"name": kind, "itemStyle": {"color": COLORS.get(kind, OTHER)}} for kind in kinds],
                "data": [_node(nodes[i], kinds, centre.id) for i in sorted(nodes)],
                "links": [_edge(f) for f in drawn],
            }
        ],
    }  # fmt: skip


def _node(entity: Entity, kinds: list[str], centre: str) -> dict[str, Any]:
    name = entity.name if len(entity.name) <= LONGEST else entity.name[: LONGEST - 1] + "…"
    central = entity.id == centre
    return {
        "id": entity.id,
        "name": spoken(entity),
        "value": entity.id,
        "category": kinds.index(entity.type),
        "symbolSize": 34 if central else 16,
        # braces would be read as a template
        "label": {"formatter": name.translate(_BRACES), "fontWeight": "bold" if central else "normal"},
    }


def _edge(fact: Fact) -> dict[str, Any]:
    return {
        "source": fact.head,
        "target": fact.tail,
        "value": SAYS.get(fact.relation, fact.relation),
        "tooltip": {"formatter": f"{SAYS.get(fact.relation, fact.relation)} · confidence {fact.confidence:.2f}"},
        "lineStyle": {"width": round(0.5 + 2.5 * fact.confidence, 2)},
    }
