"""Examples of everything the service says and accepts, built from one small story of the sample shop."""

from typing import Any

Example = dict[str, Any]

_STAMP: Example = {"model": "ease-relations-4be2f9c01a7d", "graph_version": 214, "as_of": "2026-06-29T21:14:07Z"}

EVIDENCE: Example = {
    "source": "product:cof-01", "method": "rules", "confidence": 0.9, "field": "description",
    "quote": "works with Lirra capsules", "start": 137, "end": 162,
}  # fmt: skip
_COUNTED: Example = {
    "source": "behavior:BOUGHT_WITH", "method": "behavior", "confidence": 0.62, "at": "2026-06-30T00:00:00Z",
    "counts": {"support": 31.0, "users": 28.0, "lift": 11.4},
}  # fmt: skip
ENTITY: Example = {
    "id": "product:cof-09", "type": "Product", "name": "Lirra Espresso Capsules, 100 pieces",
    "properties": {"price": 34.0, "currency": "USD", "available": True},
}  # fmt: skip
FACT: Example = {
    "head": "product:cof-01", "relation": "COMPATIBLE_WITH", "tail": "thing:lirra capsules",
    "head_name": "Caldoro Piccola Capsule Coffee Machine, 0.7 L, Cream", "tail_name": "Lirra capsules",
    "confidence": 0.9, "evidence": [EVIDENCE],
}  # fmt: skip
_BOUGHT_WITH: Example = {
    "head": "product:cof-01", "relation": "BOUGHT_WITH", "tail": "product:cof-09",
    "head_name": FACT["head_name"], "tail_name": ENTITY["name"], "confidence": 0.62, "evidence": [_COUNTED],
}  # fmt: skip
DOCUMENT: Example = {
    "id": "product:cof-01", "kind": "product",
    "text": "Caldoro Piccola Capsule Coffee Machine, 0.7 L, Cream\nA slim machine … works with Lirra capsules …",
}  # fmt: skip
EVENT: Example = {
    "event_id": "e-81f2", "product_id": "cof-01", "product": FACT["head_name"],
    "action": "purchase", "at": "2026-06-29T21:14:07Z",
}  # fmt: skip
REASON: Example = {
    "text": f"You bought “{FACT['head_name']}”; it is bought with “{ENTITY['name']}” "
    "(28 users, 11.4 times more often than chance).",
    "contribution": 0.183, "events": [EVENT], "facts": [_BOUGHT_WITH],
}  # fmt: skip
RECOMMENDATION: Example = {
    "id": "cof-09", "title": ENTITY["name"], "score": 0.412, "rank": 1, "origin": "ease + relations",
    "reasons": [REASON], "explained": True,
}  # fmt: skip
RULE: Example = {"name": "summer sale", "action": "boost", "products": 12}
RECOMMENDATIONS: Example = {
    **_STAMP, "recommendation_id": "5f0c2c6a7d1e4b0f9a3d8e7c6b5a4f3e", "user_id": "u0421", "session_id": None,
    "items": [RECOMMENDATION], "rules": [RULE],
}  # fmt: skip
AGAINST: Example = {
    "cause": "threshold", "name": "rank 10", "detail": "ranked by 0.0312, it is number 24; number 10 has 0.118",
}  # fmt: skip
WHY_NOT: Example = {
    **_STAMP, "user_id": "u0421", "session_id": None, "id": "cof-03", "title": "Orvo Hand Grinder", "shown_at": 0,
    "rank": 24, "score": 0.0312, "origin": "ease + relations",
    "against": [
        AGAINST,
        {"cause": "path", "name": "facts", "detail": "no fact joins it to any of the 14 products of the history"},
    ],
    "rules": [RULE],
}  # fmt: skip
SESSION_EVENT_IN: Example = {"product_id": "cof-01", "action": "view", "at": "2026-06-29T21:14:07Z"}
SESSION_ASKED: Example = {
    "events": [SESSION_EVENT_IN, {"product_id": "no-such-product", "action": "cart"}], "k": 3, "max_price": 150,
}  # fmt: skip
UNUSED_EVENT: Example = {
    "index": 1, "product_id": "no-such-product",
    "reason": "neither the model nor the graph knows a product 'no-such-product'",
}  # fmt: skip
SESSION: Example = {
    **_STAMP, "recommendation_id": "0d4f7a52c3e94b6e8f21a0b9c8d7e6f5", "events": 2, "used": 1, "unknown": 1,
    "rejected": 0, "unused": [UNUSED_EVENT], "items": [RECOMMENDATION],
}  # fmt: skip
PRODUCT: Example = {
    **_STAMP, "id": "cof-01",
    "product": {"id": "product:cof-01", "type": "Product", "name": FACT["head_name"], "properties": {"price": 119.0}},
    "facts": {"COMPATIBLE_WITH": [FACT], "BOUGHT_WITH": [_BOUGHT_WITH]},
    "fact_counts": {"COMPATIBLE_WITH": 1, "BOUGHT_WITH": 17}, "documents": [DOCUMENT], "document_count": 5,
}  # fmt: skip
RELATED_ITEM: Example = {"product": ENTITY, "fact": _BOUGHT_WITH}
RELATED: Example = {**_STAMP, "id": "cof-01", "relation": "BOUGHT_WITH", "items": [RELATED_ITEM]}
PATH: Example = {"facts": [_BOUGHT_WITH]}
PATHS: Example = {**_STAMP, "source": "product:cof-01", "target": "product:cof-09", "paths": [PATH]}
HIT: Example = {"entity": ENTITY, "score": 0.87}
SEARCH: Example = {**_STAMP, "query": "lirra", "items": [HIT]}
INTEREST: Example = {
    "entity": {"id": "brand:caldoro", "type": "Brand", "name": "Caldoro", "aliases": ["卡朵罗"]},
    "weight": 11.0, "events": [EVENT],
    "facts": [
        {
            "head": "product:cof-01", "relation": "MADE_BY", "tail": "brand:caldoro", "head_name": FACT["head_name"],
            "tail_name": "Caldoro", "confidence": 1.0,
            "evidence": [
                {
                    "source": "product:cof-01", "method": "catalog", "confidence": 1.0, "field": "brand",
                    "quote": "Caldoro", "start": 0, "end": 7,
                }
            ],
        }
    ],
}  # fmt: skip
PROFILE: Example = {**_STAMP, "user_id": "u0421", "events": 14, "interests": [INTEREST]}
LIVE: Example = {"status": "live"}
READY: Example = {**_STAMP, "status": "ready"}

EVENT_IN: Example = {
    "event_id": "e-81f2", "product_id": "cof-01", "action": "purchase", "user_id": "u0421",
    "at": "2026-06-29T21:14:07Z", "value": 1, "recommendation_id": "5f0c2c6a7d1e4b0f9a3d8e7c6b5a4f3e",
}  # fmt: skip
EVENTS_IN: Example = {"events": [EVENT_IN, {"event_id": "e-81f3", "product_id": "cof-09", "action": "buy"}]}
EVENT_REPORT: Example = {"index": 0, "event_id": "e-81f2", "status": "accepted"}
EVENTS: Example = {
    **_STAMP, "accepted": 1, "duplicates": 0, "rejected": 1,
    "events": [
        EVENT_REPORT,
        {
            "index": 1, "event_id": "e-81f3", "status": "rejected",
            "reason": "neither user_id nor session_id is given; one of them is needed",
        },
    ],
}  # fmt: skip
PRODUCT_IN: Example = {
    "title": FACT["head_name"], "description": "A slim machine … works with Lirra capsules …", "brand": "Caldoro",
    "category": "Kitchen > Coffee Machines", "price": 119.0, "currency": "USD", "available": True,
    "attributes": {"color": "cream"},
}  # fmt: skip
ARRIVAL: Example = {
    **_STAMP, "id": "cof-01", "status": "created",
    "product": {"id": "product:cof-01", "type": "Product", "name": FACT["head_name"], "properties": {"price": 119.0}},
    "facts": {"COMPATIBLE_WITH": [FACT]}, "set_aside": {"unsure": 1}, "notes": [],
}  # fmt: skip
PROBLEM: Example = {
    "type": "about:blank", "title": "There is no such entity", "status": 404, "code": "unknown_entity",
    "detail": "no entity has the id 'product:no-such-product'",
}  # fmt: skip
