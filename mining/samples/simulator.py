"""A seeded simulator of how people behave in the sample shop: catalogue + truth + configuration → interactions.

Nothing here reads a clock or a global random state: one configuration gives one log, byte for byte. What it plants:

- **Taste.** Every shopper has a latent taste over top categories (Dirichlet), a liking for each brand (log-normal) and
  a language; products have a popularity of their own.
- **Substitutes.** A session looks at the products of one substitute group (or of one leaf category) together; at most
  one is bought, and who owns one machine of a group hardly buys another.
- **Complements.** A buyer of an anchor takes a complement that fits it into the same basket, or comes back for it days
  or weeks later. Who owns no anchor buys its complement rarely.
- **Held-out complements.** Before ``held_out_from`` owners of the anchor never buy the pair (a few strangers buy the
  complement, so that it is rare and not unknown); afterwards a share of the owners does. Text alone says why.
- **A trend** of ever more sessions for two products, **seasons** by category, **repeat purchases** of consumables.
- **Dirt.** Bots that walk the whole catalogue, sessions without a user, events sent twice (half of them word for word,
  half under a second event id ending in ``r``, within three seconds).
"""

import csv
import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kg.types import Action, Interaction, Product
from mining.samples.truth import Truth
from mining.samples.world import Weights, World, build_world, seconds

DAY = 86_400


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """How large, how long and how dirty. Rates are probabilities; ``end`` is exclusive, Unix seconds."""

    seed: int = 20260630
    users: int = 1500
    days: int = 180
    end: int = 1_782_777_600  # 2026-06-30T00:00:00Z
    sessions_per_user: float = 5.0
    anonymous_share: float = 0.15
    buy_rate: float = 0.48
    basket_rate: float = 0.4  # a complement in the same basket
    later_rate: float = 0.45  # otherwise, a complement on a later day
    held_out_rate: float = 0.36  # an owner buys a held-out complement in the last weeks
    repeat_rate: float = 0.25
    stranger_weight: float = 0.12  # how much a complement appeals to who owns no anchor of it
    trend_per_day: float = 0.4  # sessions a day gained each day
    bot_days: int = 3
    bot_views_per_day: int = 240
    duplicate_share: float = 0.012

    @property
    def start(self) -> int:
        return self.end - self.days * DAY


@dataclass(slots=True)
class _Shopper:
    """One person: an id (None for a guest), a weight for each product, and what is owned."""

    user_id: str | None
    weights: Weights
    owned: set[int] = field(default_factory=set)
    agenda: list[tuple[int, int]] = field(default_factory=list)  # (time, product, or -1 for just browsing)


_Row = tuple[int, int, int, Action, str | None, float | None]  # time, session, product, action, user, value


@dataclass(slots=True)
class _Run:
    config: SimulatorConfig
    world: World
    rng: np.random.Generator
    rows: list[_Row] = field(default_factory=list)
    sessions: int = 0


def simulate(catalog: Sequence[Product], truth: Truth, config: SimulatorConfig | None = None) -> list[Interaction]:
    """The log of the shop, ordered by time. Deterministic in its arguments; about 50,000 events in a few seconds.

    Raises ValueError where ``truth`` names a product that ``catalog`` lacks.
    """
    config = config or SimulatorConfig()
    run, shoppers = _lived(catalog, truth, config)
    _guests(run, shoppers)
    for bot in truth["bots"]:
        _crawl(run, bot)
    return _duplicated(_numbered(run), config, run.rng)


def wishes(
    catalog: Sequence[Product], truth: Truth, config: SimulatorConfig | None = None
) -> tuple[list[str], NDArray[np.float64]]:
    """What the people of this log would look for next: user ids (n,), and the probability of each product (n, P), in
    the order of the catalogue: by taste, season and what each owns at the end. The truth that recommendations guess at.
    """
    run, shoppers = _lived(catalog, truth, config or SimulatorConfig())
    wanted = np.array([s.weights * run.world.season[-1] * _fit(run, s) for s in shoppers])
    return [str(s.user_id) for s in shoppers], wanted / wanted.sum(axis=1, keepdims=True)


def _lived(catalog: Sequence[Product], truth: Truth, config: SimulatorConfig) -> tuple[_Run, list[_Shopper]]:
    """Everyone with a name, after all their sessions."""
    rng = np.random.Generator(np.random.PCG64(config.seed))
    run = _Run(config, build_world(catalog, truth, _days(config), rng), rng)
    shoppers = _shoppers(run, truth)
    _plan_trends(run, truth, shoppers)
    for shopper in shoppers:
        _live(run, shopper)
    return run, shoppers


def _days(config: SimulatorConfig) -> NDArray[np.int64]:
    return config.start + DAY * np.arange(config.days, dtype=np.int64)


# ---- the people -----------------------------------------------------------------------------------------------------


def _shoppers(run: _Run, truth: Truth) -> list[_Shopper]:
    bots = set(truth["bots"])
    names = (f"u{number:04d}" for number in range(1, run.config.users + len(bots) + 1))
    people = [name for name in names if name not in bots][: run.config.users]
    return [_shopper(run, name) for name in people]


def _shopper(run: _Run, user_id: str) -> _Shopper:
    world, rng, config = run.world, run.rng, run.config
    taste = rng.dirichlet(np.full(int(world.top.max()) + 1, 0.45))
    liking = np.exp(rng.normal(0.0, 0.8, int(world.brand.max()) + 1))
    chinese = (0.1, 0.9, 0.5)[int(rng.choice(3, p=(0.58, 0.24, 0.18)))]  # share of Chinese texts a person reads
    language = np.where(world.chinese, chinese, 1 - chinese)
    weights = world.popularity * taste[world.top] * liking[world.brand] * language
    shopper = _Shopper(user_id, weights)
    sessions = 1 + rng.negative_binomial(2, 2 / (1 + config.sessions_per_user))
    shopper.agenda = [(int(at), -1) for at in rng.integers(config.start, config.end - DAY // 24, sessions)]
    return shopper


def _plan_trends(run: _Run, truth: Truth, shoppers: Sequence[_Shopper]) -> None:
    """Ever more people come for the trend's product: ``trend_per_day`` more each day, drawn by how it suits them."""
    config, rng = run.config, run.rng
    for trend in truth["trend"]:
        product = run.world.ids.index(trend["product"])
        suits = np.array([s.weights[product] / s.weights.sum() for s in shoppers]) ** 0.5
        start = seconds(trend["starts"])
        for day in range((config.end - start) // DAY):
            count = rng.poisson(config.trend_per_day * (day + 1) * config.users / 1500)
            for who in rng.choice(len(shoppers), size=count, p=suits / suits.sum()):
                at = start + day * DAY + int(rng.integers(0, DAY - 3600))
                shoppers[int(who)].agenda.append((at, product))


def _live(run: _Run, shopper: _Shopper) -> None:
    """All sessions of one person in order of time; buying puts later visits on the agenda."""
    heapq.heapify(shopper.agenda)
    while shopper.agenda:
        at, goal = heapq.heappop(shopper.agenda)
        if at >= run.config.end - DAY // 24:
            return
        if goal >= 0 and goal in shopper.owned and not run.world.consumed[goal]:
            continue
        rate = run.config.buy_rate if goal < 0 else 0.9
        _session(run, shopper, at, goal if goal >= 0 else _wish(run, shopper, at), rate=rate)


def _guests(run: _Run, shoppers: Sequence[_Shopper]) -> None:
    """Sessions without a user: somebody with the taste of one of the shoppers, owning nothing."""
    config, rng = run.config, run.rng
    count = round(run.sessions * config.anonymous_share / (1 - config.anonymous_share))
    for at in rng.integers(config.start, config.end - DAY // 24, count):
        guest = _Shopper(None, shoppers[int(rng.integers(len(shoppers)))].weights)
        _session(run, guest, int(at), _wish(run, guest, int(at)), rate=config.buy_rate)


def _wish(run: _Run, shopper: _Shopper, at: int) -> int:
    """What somebody comes to look for without a plan."""
    day = (at - run.config.start) // DAY
    return _draw(run, shopper.weights * run.world.season[day] * _fit(run, shopper))


def _fit(run: _Run, shopper: _Shopper) -> Weights:
    """How far each product still makes sense for what somebody owns. Never zero everywhere."""
    world = run.world
    fit = np.ones(len(world.ids))
    for i, anchors in enumerate(world.anchors):
        if anchors and shopper.owned.isdisjoint(anchors):
            fit[i] = run.config.stranger_weight
    for i in shopper.owned:
        fit[i] = 0.2 if world.consumed[i] else 0.0
        if not world.consumed[i]:
            fit[list(world.group[i])] *= 0.05
        fit[list(world.partners[i])] = 0.0  # held-out pairs meet on the agenda of the last weeks only
    return fit


def _draw(run: _Run, weights: Weights) -> int:
    sums = np.cumsum(weights)
    return int(np.searchsorted(sums, run.rng.random() * sums[-1], side="right"))


# ---- one session ----------------------------------------------------------------------------------------------------


def _session(run: _Run, shopper: _Shopper, at: int, goal: int, *, rate: float) -> None:
    """Looks around among the goal's rivals, perhaps buys, perhaps with complements in the same basket."""
    rng = run.rng
    session = run.sessions
    run.sessions += 1
    seen = _looked_at(run, shopper, goal)
    for product in seen:
        at += int(rng.integers(15, 110))
        run.rows.append((at, session, product, "view", shopper.user_id, None))
        if rng.random() < (0.55 if product == goal else 0.18):
            run.rows.append((at + 5, session, product, "click", shopper.user_id, None))
    if rng.random() >= rate:
        if rng.random() < 0.2:
            run.rows.append((at + 20, session, goal, "cart", shopper.user_id, None))
        return
    fit = _fit(run, shopper)
    rivals = [p for p in seen if p in run.world.group[goal] and fit[p] >= 0.5]
    bought = rivals[int(rng.integers(len(rivals)))] if rivals and rng.random() < 0.12 else goal
    basket = [bought, *_added(run, shopper, bought)]
    for product in basket:
        at += int(rng.integers(10, 60))
        if product not in seen:
            run.rows.append((at - 5, session, product, "view", shopper.user_id, None))
        run.rows.append((at, session, product, "cart", shopper.user_id, None))
    for product in basket:
        quantity = 1.0 + float(run.world.consumed[product] and rng.random() < 0.25)
        run.rows.append((at + 90, session, product, "purchase", shopper.user_id, quantity))
    for product in basket:
        _own(run, shopper, product, at)


def _looked_at(run: _Run, shopper: _Shopper, goal: int) -> list[int]:
    """The goal and some of its rivals in random order, now and then something else altogether."""
    rng, rivals = run.rng, run.world.rivals[goal]
    seen = {goal}
    if rivals:
        weights = np.sqrt(shopper.weights[list(rivals)])
        for _ in range(min(len(rivals), int(rng.poisson(1.7)))):
            seen.add(rivals[_draw(run, weights)])
    if rng.random() < 0.12:
        seen.add(_draw(run, shopper.weights))
    return [sorted(seen)[i] for i in rng.permutation(len(seen))]


def _added(run: _Run, shopper: _Shopper, bought: int) -> list[int]:
    """Complements that go into the same basket. Guests too know what fits."""
    options = [c for c in run.world.complements[bought] if c not in shopper.owned]
    if not options or run.rng.random() >= run.config.basket_rate:
        return []
    return [options[_draw(run, np.sqrt(shopper.weights[options]))]]


def _own(run: _Run, shopper: _Shopper, product: int, at: int) -> None:
    """Remembers what is owned and plans what it will need."""
    rng, config, world = run.rng, run.config, run.world
    shopper.owned.add(product)
    if world.consumed[product] and rng.random() < config.repeat_rate:
        _plan(shopper, at + int(DAY * max(7.0, rng.normal(34, 8))), product)
    options = [c for c in world.complements[product] if c not in shopper.owned]
    if options and rng.random() < config.later_rate:
        chosen = options[_draw(run, np.sqrt(shopper.weights[options]))]
        _plan(shopper, at + int(DAY * (1 + rng.exponential(16))), chosen)
    for complement in world.held_out[product]:
        earliest = max(world.held_out_from, at + DAY)
        if rng.random() < config.held_out_rate and earliest < config.end - DAY:
            _plan(shopper, int(rng.integers(earliest, config.end - DAY // 2)), complement)


def _plan(shopper: _Shopper, at: int, product: int) -> None:
    heapq.heappush(shopper.agenda, (at, product))


# ---- the dirt and the log -------------------------------------------------------------------------------------------


def _crawl(run: _Run, bot: str) -> None:
    """A bot walks the catalogue around the clock, on a few days, every few minutes, in a new order each round."""
    config, rng, size = run.config, run.rng, len(run.world.ids)
    for day in sorted(rng.choice(config.days, size=min(config.bot_days, config.days), replace=False)):
        rounds = [rng.permutation(size) for _ in range(1 + config.bot_views_per_day // size)]
        offsets = np.sort(rng.integers(0, DAY, config.bot_views_per_day))
        for offset, product in zip(offsets, np.concatenate(rounds), strict=False):
            at = config.start + int(day) * DAY + int(offset)
            run.rows.append((at, run.sessions, int(product), "view", bot, None))
        run.sessions += 1


def _numbered(run: _Run) -> list[Interaction]:
    """Event and session ids in order of time, so that they say nothing about who is who."""
    ordered = [row for _, row in sorted(enumerate(run.rows), key=lambda pair: (pair[1][0], pair[0]))]
    sessions: dict[int, str] = {}
    events = []
    for number, (at, session, product, action, user, value) in enumerate(ordered):
        name = sessions.setdefault(session, f"s{len(sessions):06d}")
        events.append(Interaction(f"e{number:06d}", run.world.ids[product], action, at, user, name, value))
    return events


def _duplicated(events: list[Interaction], config: SimulatorConfig, rng: np.random.Generator) -> list[Interaction]:
    """Some events are sent twice: half word for word, half under a new id up to three seconds later."""
    log: list[Interaction] = []
    for event in events:
        log.append(event)
        if rng.random() < config.duplicate_share:
            again = asdict(event)
            if rng.random() < 0.5:
                again |= {"event_id": event.event_id + "r", "at": event.at + int(rng.integers(0, 4))}
            log.append(Interaction(**again))
    return sorted(log, key=lambda e: (e.at, e.event_id))


def write_events(path: Path, events: Iterable[Interaction]) -> int:
    """Writes a ``.csv`` or ``.jsonl`` file with the columns of Interaction; returns how many events.

    Raises ValueError for another suffix.
    """
    if path.suffix not in {".csv", ".jsonl"}:
        raise ValueError(f"{path}: events are written as .csv or .jsonl, not as {path.suffix!r}")
    rows = [asdict(event) for event in events]
    with path.open("w", encoding="utf-8", newline="") as out:
        if path.suffix == ".csv":
            writer = csv.DictWriter(out, [f.name for f in fields(Interaction)], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        else:
            out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return len(rows)
