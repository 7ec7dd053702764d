"""Behaviour mining from end to end: an event table → pairs per relation → facts, on DuckDB in bounded memory.

events → actors → sessions, baskets, follow-ups → scored pairs → the best of each product → typed relations
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from kg.types import Fact, Timestamp
from mining.behavior import cooccurrence, crowds, relations, sessions
from mining.behavior.config import BehaviorConfig
from mining.behavior.relations import Window
from mining.behavior.selection import selected, without
from mining.errors import MiningError

log = logging.getLogger("shopgraph.mining.behavior")

BasketRule = Literal["gap", "user window"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorReport:
    """What was counted and what was not. ``pairs`` are those seen, ``facts`` those kept, ``suspect_pairs`` those that a
    crowd of empty accounts made (``crowds``), whose events are set aside; by relation."""

    events: int = 0
    set_aside: Mapping[str, int] = field(default_factory=dict)
    sessions: int = 0
    baskets: int = 0
    follow_ups: int = 0
    basket_rule: BasketRule = "gap"
    buy_actions: tuple[str, ...] = ()
    oversized: Mapping[str, int] = field(default_factory=dict)
    pairs: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, int] = field(default_factory=dict)
    first: Timestamp | None = None
    last: Timestamp | None = None
    suspect_pairs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MinedBehavior:
    """The pairs of each relation, sorted by (head, tail), and the report."""

    pairs: Mapping[str, pa.Table]
    window: Window | None
    report: BehaviorReport

    def facts(self, relation: str, *, run: str | None = None) -> Iterator[Fact]:
        """The facts of one of ``relations.RELATIONS``, by (head, tail); made one batch at a time."""
        if self.window is not None and relation in self.pairs:
            yield from relations.facts(relation, self.pairs[relation], self.window, run=run)


def mine_behavior(
    events: pa.Table,
    *,
    products: Collection[str] | None = None,
    leaves: Collection[tuple[str, str]] = (),
    compatible: Collection[tuple[str, str]] = (),
    excluded: Collection[str] = (),
    until: Timestamp | None = None,
    config: BehaviorConfig | None = None,
    spill_dir: Path | None = None,
) -> MinedBehavior:
    """Counts an event table (event_id, user, session, product, action, at in Unix seconds; more is ignored).

    ``products``: the shop's keys that count (None: all). ``leaves``: (product, leaf category id). ``compatible``:
    product pairs with a stated compatibility, in any order. ``excluded``: user ids, bots. Only events before ``until``
    are seen: the result is that of the log cut there. No clock, no order of rows and no thread changes it.

    Raises MiningError where DuckDB cannot do the work (disk full, memory limit too small).
    """
    config = config or BehaviorConfig()
    clean, set_aside = selected(events, products, frozenset(excluded), until)
    found = _counted(clean, config, spill_dir, leaves, compatible)
    if found.crowd:
        set_aside[crowds.REASON], made = len(found.crowd), found.report.suspect_pairs
        clean, once = without(clean, found.crowd), replace(config, burst_alarms=0.0)
        found = _counted(clean, once, spill_dir, leaves, compatible)
        found = replace(found, report=replace(found.report, suspect_pairs=made))
    report = replace(found.report, events=len(clean), set_aside=set_aside)
    log.info("behaviour: %d events, facts %s", report.events, dict(report.facts))
    return MinedBehavior(found.pairs, found.window, report)


def made_up(events: pa.Table, *, config: BehaviorConfig | None = None, spill_dir: Path | None = None) -> frozenset[str]:
    """The ids of the events by which a crowd of empty accounts made pairs up: what ``mine_behavior`` sets aside."""
    clean, _ = selected(events, None, frozenset(), None)
    return _counted(clean, config or BehaviorConfig(), spill_dir, (), ()).crowd


@dataclass(frozen=True, slots=True)
class _Counted:
    """Pairs by relation, or the ids of the events of a crowd, without which all is to be counted again."""

    pairs: Mapping[str, pa.Table]
    report: BehaviorReport
    crowd: frozenset[str] = frozenset()
    window: Window | None = None


def _counted(
    clean: pa.Table,
    config: BehaviorConfig,
    spill_dir: Path | None,
    leaves: Collection[tuple[str, str]],
    compatible: Collection[tuple[str, str]],
) -> _Counted:
    if not len(clean):
        return _Counted({}, BehaviorReport())
    bounds = pc.min_max(clean["at"]).as_py()
    window = Window(bounds["min"], bounds["max"])
    with _connected(config, spill_dir) as connection:
        try:
            found = _Counting(connection, clean, config, window.last).run(leaves, compatible)
            report = replace(found.report, first=window.first, last=window.last)
            return replace(found, report=report, window=window)
        except duckdb.Error as error:
            raise MiningError(
                f"behaviour mining of {len(clean)} events failed in DuckDB with {config.threads} threads and "
                f"{config.memory_limit}: {error}. Give it more memory, more disk, or a smaller max_basket"
            ) from error


@contextmanager
def _connected(config: BehaviorConfig, spill_dir: Path | None) -> Iterator[ibis.BaseBackend]:
    if spill_dir is not None:
        spill_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="behavior-", dir=spill_dir) as folder:
        connection = ibis.duckdb.connect(
            ":memory:",
            threads=config.threads,
            memory_limit=config.memory_limit,
            temp_directory=folder,
            preserve_insertion_order=False,
        )
        try:
            yield connection
        finally:
            connection.disconnect()


class _Counting:
    """One run over one connection: names and keeps the tables that several steps read."""

    def __init__(self, connection: ibis.BaseBackend, events: pa.Table, config: BehaviorConfig, last: Timestamp) -> None:
        self.connection = connection
        self.config = config
        self.last = last
        self.oversized: dict[str, int] = {}
        named = sessions.with_actor(ibis.memtable(events))
        named = named.mutate(actor_name=named.actor, visit_name=named.visit, product_name=named.product)
        named = named.drop("actor", "visit", "product")
        for name in ("actor", "visit", "product"):
            named = self.keep(f"events_by_{name}", sessions.coded(named, f"{name}_name", into=name))
        self.events = named
        self.codes = self.keep("codes", self.events.select("product", "product_name").distinct())

    def keep(self, name: str, expression: ir.Table) -> ir.Table:
        """Computes a table once; DuckDB spills it when memory is short."""
        return self.connection.create_table(name, expression, temp=True)

    def number(self, expression: ir.Scalar) -> int:
        return int(self.connection.execute(expression))

    def capped(self, name: str, members: ir.Table) -> ir.Table:
        """Members without oversized groups, which are counted: such a group is no part of any universe."""
        sized = self.keep(f"{name}_sized", cooccurrence.sized(members))
        large = sized.filter(sized.size > self.config.max_basket)
        lost = self.number(large.select("actor", "group").distinct().count())
        if lost:
            self.oversized[name] = lost
        return sized.filter(sized.size <= self.config.max_basket).drop("size")

    def groups(self, members: ir.Table) -> int:
        return self.number(members.select("actor", "group").distinct().count())

    def buy_actions(self) -> tuple[str, ...]:
        bought = self.events.action.isin(list(self.config.buy_actions))
        return self.config.buy_actions if self.number(bought.sum().fill_null(0)) else self.config.fallback_buy_actions

    def baskets(self, actions: tuple[str, ...]) -> tuple[ir.Table, ir.Table, BasketRule]:
        """(checkouts, baskets, rule): the baskets are the checkouts, or user windows where those are single items."""
        found = sessions.baskets(self.events, actions, gap=self.config.basket_gap)
        checkouts = self.capped("baskets", found)
        joint = self.number((cooccurrence.sized(checkouts).size > 1).sum().fill_null(0))
        if joint >= self.config.min_joint_share * self.number(checkouts.count()):
            return checkouts, checkouts, "gap"
        wide = sessions.windows(self.events, actions, length=self.config.user_window)
        return checkouts, self.capped("user_windows", wide), "user window"

    def run(self, leaves: Collection[tuple[str, str]], compatible: Collection[tuple[str, str]]) -> _Counted:
        """A relation whose universe is empty is not computed at all."""
        config, actions = self.config, self.buy_actions()
        seen = self.capped("sessions", sessions.sessions(self.events, config.view_actions, gap=config.session_gap))
        checkouts, baskets, rule = self.baskets(actions)
        link = self.keep("links", cooccurrence.links(checkouts, config))
        counted, sizes = {}, {name: self.groups(m) for name, m in (("s", seen), ("b", baskets), ("f", link))}
        if sizes["s"]:
            counted["VIEWED_WITH"] = self.scored("views", self.together(seen), sizes["s"])
        if sizes["b"]:
            counted["BOUGHT_WITH"] = self.scored("buys", self.together(baskets), sizes["b"])
        if sizes["f"]:
            later = cooccurrence.follows(checkouts, link, config=config, last=self.last)
            counted["BOUGHT_AFTER"] = self.scored("later", later, sizes["f"])
        following = partial(cooccurrence.following, checkouts, link)
        ways = {"VIEWED_WITH": (seen, cooccurrence.joint), "BOUGHT_WITH": (baskets, cooccurrence.joint)}
        ways |= {"BOUGHT_AFTER": (checkouts, following)}
        crowd, made = self.crowds({name: crowds.Evidence(pairs, *ways[name]) for name, pairs in counted.items()})
        if crowd:
            return _Counted({}, BehaviorReport(suspect_pairs=made), crowd)
        typed = self.typed(counted, cooccurrence.marginals(baskets), leaves, compatible)
        kept = {relation: self.named(relation, pairs) for relation, pairs in {**counted, **typed}.items()}
        report = BehaviorReport(
            sessions=sizes["s"],
            baskets=sizes["b"],
            follow_ups=sizes["f"],
            basket_rule=rule,
            buy_actions=actions,
            oversized=self.oversized,
            pairs={relation: self.number(pairs.count()) for relation, pairs in counted.items()},
            facts={relation: len(table) for relation, table in kept.items()},
        )
        return _Counted(kept, report)

    def crowds(self, evidence: Mapping[str, crowds.Evidence]) -> tuple[frozenset[str], dict[str, int]]:
        """The event ids of those who made pairs up, and how many pairs they made, by relation."""
        if not self.config.burst_alarms:
            return frozenset(), {}
        search, actors, made = crowds.Search(self.connection, self.events, self.config), frozenset[int](), {}
        for relation, one in evidence.items():
            found, made[relation] = search.found(replace(one, pairs=cooccurrence.supported(one.pairs, self.config)))
            actors |= found
        if not actors:
            return frozenset(), {}
        known = ibis.memtable(pa.table({"actor": pa.array(sorted(actors), pa.int64())}))
        events = self.connection.to_pyarrow(self.events.semi_join(known, "actor").select("event_id"))
        return frozenset(events["event_id"].to_pylist()), {name: n for name, n in made.items() if n}

    def typed(
        self,
        counted: Mapping[str, ir.Table],
        bought: ir.Table,
        leaves: Collection[tuple[str, str]],
        compatible: Collection[tuple[str, str]],
    ) -> dict[str, ir.Table]:
        """Substitutes and complements, where there is something to tell them by."""
        views, buys, typed = counted.get("VIEWED_WITH"), counted.get("BOUGHT_WITH"), {}
        if buys is None or not (leaves or compatible):
            return {}
        leaf, stated = self.leaves(leaves), self.compatible(compatible)
        if views is not None and leaves:
            alike = relations.substitutes(views, buys, bought, leaves=leaf, compatible=stated, config=self.config)
            typed["SUBSTITUTE_FOR"] = self.keep("substitutes", alike)
        paired = relations.complements(buys, leaves=leaf, compatible=stated, config=self.config)
        typed["COMPLEMENTS"] = self.keep("complements", paired)
        return typed

    def together(self, members: ir.Table) -> ir.Table:
        return cooccurrence.together(members, config=self.config, last=self.last)

    def scored(self, name: str, pairs: ir.Table, groups: int) -> ir.Table:
        return self.keep(name, cooccurrence.scored(pairs, groups=groups, config=self.config))

    def named(self, relation: str, pairs: ir.Table) -> pa.Table:
        """The best pairs with the shop's keys as head and tail, sorted."""
        directed = relation in relations.DIRECTED
        chosen = cooccurrence.best(cooccurrence.supported(pairs, self.config), self.config, directed=directed)
        chosen = chosen.inner_join(self.codes.select(a="product", head="product_name"), "a")
        chosen = chosen.inner_join(self.codes.select(b="product", tail="product_name"), "b")
        table: pa.Table = self.connection.to_pyarrow(chosen.order_by("a", "b").drop("a", "b", "weight", "n_a", "n_b"))
        return table

    def leaves(self, leaves: Collection[tuple[str, str]]) -> ir.Table:
        rows = self.pairs_table(leaves, "product_name", "leaf")
        return self.keep("leaves", rows.inner_join(self.codes, "product_name").select("product", "leaf").distinct())

    def compatible(self, compatible: Collection[tuple[str, str]]) -> ir.Table:
        rows = self.pairs_table(compatible, "first", "second")
        rows = rows.inner_join(self.codes.select(first="product_name", x="product"), "first")
        rows = rows.inner_join(self.codes.select(second="product_name", y="product"), "second")
        return self.keep("compatible", rows.select(a=ibis.least(rows.x, rows.y), b=ibis.greatest(rows.x, rows.y)))

    def pairs_table(self, rows: Collection[tuple[str, str]], first: str, second: str) -> ir.Table:
        columns = {first: [row[0] for row in rows], second: [row[1] for row in rows]}
        return ibis.memtable(pa.table(columns, schema=pa.schema({first: pa.string(), second: pa.string()})))
