"""Aspects that reviews criticise more than their history explains: three tests a product and aspect, and an alert.

Time up to the newest review is cut into windows of equal length. Of each window we know how many reviews a product got
and how many of them criticise an aspect. The newest windows are held against those before, one-sided, by tests that
must agree (the largest p-value counts, so the rate holds where any test's does):

- **Fisher's exact test** over reviews (1935): given all reviews and all criticisms, those in the newest windows are
  hypergeometric if every review criticises with one chance. It knows small counts, and nothing of bursts.
- **Student's prediction test** over windows: is the newest share above what the spread of the older ones predicts?
  Shares are arcsines of roots (Anscombe 1948), their variance at least that of counts. It knows bursts (a bad batch)
  that are not too skewed.
- **The predictive tail of a beta-binomial** (``overdispersion.py``) knows strong bursts, and how strong they are in
  the other histories of the run. It is asked where the first two agree.

Many products and aspects are looked at: p-values of a run are adjusted by **Benjamini and Hochberg** (1995). If nothing
has changed anywhere, the chance that a run tells any alert is at most ``level``; where something has, no more than that
share of the alerts is false on average. It holds for one run: each further look takes that chance anew.

``tests/benchmarks/review_trends.py`` simulates the stated rate, where it does not hold (a calm share and now and then a
bad batch four times as high), and the delay until a rise is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from kg.store import GraphReader
from kg.types import Timestamp
from mining.reviews.overdispersion import Counts, Numbers, of_bursts
from mining.reviews.quotes import Quote

CRITICISED = "CRITICISED_FOR"
DAY = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class TrendConfig:
    """``window``: seconds. ``windows``: how many are looked at, the newest included. ``recent``: how many of the newest
    are held against the rest, each tried, the best counted so often as there are tries (Bonferroni): one finds a jump
    at once, three a slow rise. ``level``: the stated false-alarm rate of a run. ``at_least``: criticisms in the recent
    windows below which nothing is told."""

    window: int = 30 * DAY
    windows: int = 13
    recent: tuple[int, ...] = (1, 3)
    level: float = 0.05
    at_least: int = 3
    quotes: int = 5


@dataclass(frozen=True, slots=True)
class Alert:
    """An aspect that is criticised more than before. ``about``: the product's entity id, None for the whole shop.

    In ``[start, end)`` ``criticisms`` of ``reviews``; before, since ``since``, ``criticisms_before`` of
    ``reviews_before``. ``q`` is the adjusted p-value.
    """

    about: str | None
    aspect: str
    since: Timestamp
    start: Timestamp
    end: Timestamp
    criticisms: int
    reviews: int
    criticisms_before: int
    reviews_before: int
    p: float
    q: float
    quotes: tuple[Quote, ...]


@dataclass(frozen=True, slots=True)
class TrendReport:
    """``tested``: products and aspects, the shop as one more product; ``undated``: reviews without a time."""

    alerts: tuple[Alert, ...] = ()
    tested: int = 0
    undated: int = 0


@dataclass(frozen=True, slots=True)
class Tested:
    """One row a history: p-value, and how many of the newest windows gave it."""

    p: Numbers
    recent: Counts


def rising(criticisms: Counts, reviews: Counts, config: TrendConfig | None = None) -> Tested:
    """The test of each history. Both arrays: (histories, windows), newest window first, 0 <= criticisms <= reviews.

    A history without reviews in its newest or in its older windows, or with fewer than two older ones, has p = 1. So
    has one that Fisher's and Student's tests do not call at ``level``; the third is not asked of it. That changes no
    alert and no q of one: Benjamini and Hochberg count the p-values up to a bound that is never above ``level``.
    """
    config = config or TrendConfig()
    tries = [r for r in config.recent if r + 2 <= criticisms.shape[1]]
    best = np.ones(len(criticisms))
    chosen = np.ones(len(criticisms), dtype=np.int64)
    for recent in tries:
        p = np.maximum(of_reviews(criticisms, reviews, recent), of_windows(criticisms, reviews, recent)) * len(tries)
        called = np.flatnonzero(p <= config.level)
        third = of_bursts(criticisms, reviews, recent, called) * len(tries)
        agreed = np.ones(len(p))
        agreed[called] = np.maximum(p[called], third)
        better = agreed < best
        best, chosen = np.where(better, agreed, best), np.where(better, recent, chosen)
    return Tested(best, chosen)


def of_reviews(criticisms: Counts, reviews: Counts, recent: int) -> Numbers:
    """Fisher's exact p-value of each history: the newest ``recent`` windows against the others."""
    new, newest = criticisms[:, :recent].sum(1), reviews[:, :recent].sum(1)
    p = stats.hypergeom.sf(new - 1, reviews.sum(1), criticisms.sum(1), newest)
    return np.where((newest > 0) & (reviews[:, recent:].sum(1) > 0), p, 1.0)


def of_windows(criticisms: Counts, reviews: Counts, recent: int) -> Numbers:
    """Student's p-value of the mean of the newest ``recent`` windows, predicted from the others (two at least).

    Windows without reviews count as no window.
    """
    known = reviews > 0
    share = np.where(known, np.arcsin(np.sqrt((criticisms + 0.375) / (reviews + 0.75))), 0.0)
    of_counts = np.where(known, 1 / (4 * reviews + 2), 0.0)
    n_new, n_old = known[:, :recent].sum(1), known[:, recent:].sum(1)
    enough = (n_new > 0) & (n_old > 1)
    n_new, n_old = np.where(enough, n_new, 1), np.where(enough, n_old, 2)
    old = share[:, recent:].sum(1) / n_old
    squares = np.where(known, (share - old[:, None]) ** 2, 0.0)[:, recent:].sum(1)
    variance = np.maximum(squares / (n_old - 1), of_counts[:, recent:].sum(1) / n_old)
    far = share[:, :recent].sum(1) / n_new - old
    t = far / np.sqrt(np.where(enough, variance * (1 / n_new + 1 / n_old), 1.0))
    return np.where(enough, stats.t.sf(t, n_old - 1), 1.0)


def adjusted(p: Numbers) -> Numbers:
    """Benjamini and Hochberg's adjusted p-values."""
    return np.asarray(stats.false_discovery_control(p, method="bh")) if len(p) else p


def negative_trends(
    reader: GraphReader,
    *,
    until: Timestamp | None = None,
    product: str | None = None,
    config: TrendConfig | None = None,
) -> TrendReport:
    """The alerts of one run, surest first. ``product``: the entity id of the only one to look at.

    Reads ``CRITICISED_FOR`` facts: a review that no other seconds is in no fact and counts as no criticism. Reviews
    without a time are left out and counted.
    """
    config = config or TrendConfig()
    history = _history(reader, until, product)
    if not history.times:
        return TrendReport(undated=history.undated)
    end = until if until is not None else max(at for at, _ in history.times.values()) + 1
    rows = _Rows(config, end, history)
    if not rows.keys:
        return TrendReport(undated=history.undated)
    tested = rising(rows.criticisms, rows.reviews, config)
    q = adjusted(tested.p)
    alerts = [
        rows.alert(row, tested, float(q[row]))
        for row in np.argsort(tested.p, kind="stable").tolist()
        if q[row] <= config.level and rows.criticisms[row, : tested.recent[row]].sum() >= config.at_least
    ]
    return TrendReport(tuple(alerts), len(rows.keys), history.undated)


@dataclass(slots=True)
class _History:
    """``times``: review → (when, product); ``criticisms``: (product or None, aspect) → review → quote."""

    times: dict[str, tuple[Timestamp, str]] = field(default_factory=dict)
    criticisms: dict[tuple[str | None, str], dict[str, Quote]] = field(default_factory=dict)
    undated: int = 0


def _history(reader: GraphReader, until: Timestamp | None, product: str | None) -> _History:
    found = _History()
    for document in reader.documents(about=product):
        if document.kind != "review" or (until is not None and document.at is not None and document.at >= until):
            continue
        if document.at is None:
            found.undated += 1
        else:
            found.times[document.id] = (document.at, document.about)
    for fact in reader.facts(relation=CRITICISED, head=product):
        for e in fact.evidence:
            if e.source in found.times and e.quote is not None and e.start is not None and e.end is not None:
                said = Quote(e.source, e.quote, e.start, e.end, found.times[e.source][0])
                for about in (fact.head,) if product else (fact.head, None):
                    found.criticisms.setdefault((about, fact.tail), {}).setdefault(e.source, said)
    return found


class _Rows:
    """The histories as arrays, newest window first; those with too few criticisms to tell of are no tests."""

    def __init__(self, config: TrendConfig, end: Timestamp, history: _History) -> None:
        self._config, self._end, self._history = config, end, history
        self.keys = sorted(
            (key for key, said in history.criticisms.items() if len(said) >= config.at_least),
            key=lambda key: (key[0] or "", key[1]),
        )
        of_product: dict[str | None, list[Timestamp]] = {}
        for at, about in history.times.values():
            of_product.setdefault(about, []).append(at)
            of_product.setdefault(None, []).append(at)
        self.reviews = self._counted(of_product[about] for about, _ in self.keys)
        self.criticisms = self._counted([q.at or 0 for q in history.criticisms[key].values()] for key in self.keys)

    def _counted(self, rows: Iterable[Iterable[Timestamp]]) -> Counts:
        windows = self._config.windows
        ages = ([age for at in row if (age := self._age(at)) < windows] for row in rows)
        counted = [np.bincount(row, minlength=windows) for row in ages]
        return np.array(counted, dtype=np.int64).reshape(len(counted), windows)

    def _age(self, at: Timestamp) -> int:
        return (self._end - 1 - at) // self._config.window

    def alert(self, row: int, tested: Tested, q: float) -> Alert:
        config, recent = self._config, int(tested.recent[row])
        about, aspect = self.keys[row]
        said: Mapping[str, Quote] = self._history.criticisms[about, aspect]
        newest = [quote for quote in said.values() if self._age(quote.at or 0) < recent]
        newest.sort(key=lambda quote: (-(quote.at or 0), quote.document))
        old, new = self.criticisms[row, recent:].sum(), self.criticisms[row, :recent].sum()
        return Alert(
            about,
            aspect,
            since=self._end - config.windows * config.window,
            start=self._end - recent * config.window,
            end=self._end,
            criticisms=int(new),
            reviews=int(self.reviews[row, :recent].sum()),
            criticisms_before=int(old),
            reviews_before=int(self.reviews[row, recent:].sum()),
            p=float(tested.p[row]),
            q=q,
            quotes=tuple(newest[: config.quotes]),
        )
