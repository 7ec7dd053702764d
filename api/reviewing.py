"""What reviews say against the catalogue, and which aspects they criticise more than before: ``shopgraph reviews``."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.bootstrap import Shop
from api.phrases import shortened
from kg import ids
from kg.store import GraphReader
from mining import json_lines
from mining.reviews.contradictions import contradictions
from mining.reviews.trends import DAY, TrendConfig, negative_trends

SHOWN = 3  # quotes of each entry that are printed


def reviews(
    opened: Shop, *, product: str | None = None, until: int | None = None, days: int = 30, out: Path | None = None
) -> dict[str, Any]:
    """Contradictions and alerts as plain values, each with ``kind``, ``title`` and a sentence; written to ``out`` as
    JSON lines where asked. ``product``: the shop's own id; ``days``: the length of a window of the trend.

    Raises UnknownEntity for a product that the graph does not know.
    """
    store = opened.store
    about = None if product is None else store.entity(ids.product(product)).id
    against = contradictions(store, until=until, product=about)
    config = TrendConfig(window=days * DAY)
    trends = negative_trends(store, until=until, product=about, config=config)
    entries = [_entry(store, "contradiction", asdict(found)) for found in against.contradictions]
    entries += [_entry(store, "alert", asdict(found)) for found in trends.alerts]
    if out is not None:
        json_lines.write(out, entries)
    return {
        "entries": entries,
        "claims_tested": against.tested,
        "trends_tested": trends.tested,
        "false_alarm_rate": config.level,
        "undated_reviews": trends.undated,
        "repeated_reviews": against.repeated,
        "out": None if out is None else str(out),
    }


def _entry(store: GraphReader, kind: str, found: dict[str, Any]) -> dict[str, Any]:
    about = found["about"]
    title = "the whole shop" if about is None else store.entity(about).name
    entry = {"kind": kind, "product_id": about and ids.product_id(about), "title": title, **found}
    if kind == "alert":
        entry["aspect"] = store.entity(found["aspect"]).name
    return {**entry, "text": _contradiction(entry) if kind == "contradiction" else _alert(entry)}


def _contradiction(entry: dict[str, Any]) -> str:
    said = entry["statement"]["text"]
    return (
        f"the catalogue says “{said}” ({entry['claim']}); {entry['disagree']} of {entry['mention']} reviews that "
        f"mention it disagree, {entry['agree']} agree (95 % interval of the share that disagrees: {entry['low']:.0%} "
        f"to {entry['high']:.0%})"
    )


def _alert(entry: dict[str, Any]) -> str:
    return (
        f"{entry['aspect']}: criticised in {entry['criticisms']} of {entry['reviews']} reviews from "
        f"{_day(entry['start'])} to {_day(entry['end'] - 1)}; before, since {_day(entry['since'])}, in "
        f"{entry['criticisms_before']} of {entry['reviews_before']} (adjusted p {entry['q']:.2g})"
    )


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def told(report: dict[str, Any]) -> str:
    """The report for a terminal: each entry with its first quotes, then what was looked at."""
    lines = [line for entry in report["entries"] for line in _lines(entry)]
    kinds = [entry["kind"] for entry in report["entries"]]
    lines.append(
        f"{kinds.count('contradiction')} contradictions of {report['claims_tested']} claims that reviews mention; "
        f"{kinds.count('alert')} alerts of {report['trends_tested']} trends (stated false alarms: "
        f"{report['false_alarm_rate']:.0%} of runs in which nothing changed; more where critics come in bursts)"
    )
    left = {"without a time, in no trend": report["undated_reviews"], "repeated": report["repeated_reviews"]}
    aside = ", ".join(f"{count:,} {what}" for what, count in left.items() if count)
    return "\n".join([*lines, *([f"reviews set aside: {aside}"] if aside else [])])


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    name = f" [{entry['product_id']}]" if entry["product_id"] else ""
    yield f"{entry['kind']}: {shortened(entry['title'])}{name}"
    yield f"  {entry['text']}"
    for quote in entry["quotes"][:SHOWN]:
        yield f"    “{' '.join(quote['text'].split())}”  ({quote['document']})"
