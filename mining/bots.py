"""Which users behave as no person does: set-wise over the whole log, before anything is mined from it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kg.types import Timestamp

DAY = 86_400
CLOCK_START: Timestamp = 100_000_000  # 1973: earlier "times" are positions in a history, and say nothing of speed


@dataclass(frozen=True, slots=True)
class BotConfig:
    """Where a person ends, and why there."""

    # The floor protects small shops; above it the line rises with what is usual, so that eager shops lose nobody. On
    # real logs of buyers the most eager person met 206 products on a day where the median busiest day had 5.
    products_per_day: int = 100
    z: float = 6.0
    hours_per_day: int = 20  # people sleep
    # A page every two seconds, thirty times in a row, is a program.
    session_events: int = 30
    events_per_minute: float = 30.0


def bots(table: Any, config: BotConfig | None = None) -> frozenset[str]:
    """The users that behave as no person does.

    ``table`` is a ``pyarrow.Table`` with user, session, product, action, at (Unix seconds). A bot is who, on one UTC
    day, meets more products than ``products_per_day`` and than the shop's usual busiest day allows (median +
    ``z`` robust deviations of its logarithm), or acts in ``hours_per_day`` different hours; or who, in one
    session of ``session_events`` events, makes more than ``events_per_minute``. Set-wise, in ibis on DuckDB.
    """
    import ibis

    config = config or BotConfig()
    connection = ibis.duckdb.connect(threads=1)
    try:
        events = ibis.memtable(table.select(["user", "session", "product", "at"]))
        events = events.filter(events.user.notnull() & (events.at >= CLOCK_START))
        busy = connection.to_pyarrow(_busiest_days(events)).to_pydict()
        fast = connection.to_pyarrow(_fast_sessions(events, config)).to_pydict()
    finally:
        connection.disconnect()
    most = _products_limit(np.asarray(busy["products"], dtype=np.float64), config)
    flagged = {
        user
        for user, products, hours in zip(busy["user"], busy["products"], busy["hours"], strict=True)
        if products > most or hours >= config.hours_per_day
    }
    return frozenset(map(str, flagged | set(fast["user"])))


def _busiest_days(events: Any) -> Any:
    """user → the most products and the most hours of any one day."""
    days = events.mutate(day=events["at"] // DAY, hour=events["at"] // 3600)
    days = days.group_by("user", "day").agg(products=days["product"].nunique(), hours=days.hour.nunique())
    return days.group_by("user").agg(products=days.products.max(), hours=days.hours.max())


def _fast_sessions(events: Any, config: BotConfig) -> Any:
    """The users of sessions faster than a person. A log of whole days knows no speed: one time, no rate."""
    named = events.mutate(visit=events.session.cast("string").fill_null((events["at"] // DAY).cast("string")))
    at = named["at"]
    visits = named.group_by("user", "visit").agg(events=named.count(), span=at.max() - at.min())
    long = visits.filter((visits["events"] >= config.session_events) & (visits["span"] > 0))
    rate = (long["events"] - 1) * 60.0 / long["span"]
    return long.filter(rate > config.events_per_minute).select("user").distinct()


def _products_limit(products: np.ndarray[Any, np.dtype[np.float64]], config: BotConfig) -> float:
    if not products.size:
        return math.inf
    logs = np.log(products)
    middle = float(np.median(logs))
    usual = math.exp(middle + config.z * 1.4826 * float(np.median(np.abs(logs - middle))))
    return max(config.products_per_day, usual)
