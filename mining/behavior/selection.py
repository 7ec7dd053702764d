"""Which events are counted, and why the others are not."""

from collections.abc import Collection

import pyarrow as pa
import pyarrow.compute as pc

from kg.types import Timestamp

_COLUMNS = {"event_id": pa.string(), "user": pa.string(), "session": pa.string(), "product": pa.string()}
_SCHEMA = pa.schema({**_COLUMNS, "action": pa.string(), "at": pa.int64()})


def selected(
    events: pa.Table, products: Collection[str] | None, excluded: frozenset[str], until: Timestamp | None
) -> tuple[pa.Table, dict[str, int]]:
    """The events that count, with those set aside by reason: each event under the first reason that fits."""
    table = events.select(_SCHEMA.names).cast(_SCHEMA)
    set_aside: dict[str, int] = {}
    rules: list[tuple[str, pa.ChunkedArray]] = []
    if until is not None:
        rules.append(("at or after until", pc.less(table["at"], until)))
    bots = pc.is_in(table["user"], value_set=pa.array(sorted(excluded), pa.string()))
    rules.append(("bot", pc.invert(bots)))
    if products is not None:
        known = pa.array(sorted(products), pa.string())
        rules.append(("unknown product", pc.is_in(table["product"], value_set=known)))
    keep = pa.chunked_array([pa.array([True] * len(table), pa.bool_())])
    for reason, passes in rules:
        narrowed = pc.and_(keep, passes)
        lost = (pc.sum(keep).as_py() or 0) - (pc.sum(narrowed).as_py() or 0)
        if lost:
            set_aside[reason] = lost
        keep = narrowed
    return table.filter(keep), set_aside


def without(events: pa.Table, ids: Collection[str]) -> pa.Table:
    """The table without the events of these ids."""
    return events.filter(pc.invert(pc.is_in(events["event_id"], value_set=pa.array(sorted(ids), pa.string()))))
