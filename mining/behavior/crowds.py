"""Who made pairs of products up: the tests of ``bursts`` over the tables of a count.

What suspects did is no evidence at all: the count is made again without their events. So a pair that others support
keeps that support, and nobody can have an honest pair removed by voting for it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mining.behavior.bursts import FLAGS, Habits, Ints, Judged, Votes, hopeful, judge, suspects
from mining.behavior.config import BehaviorConfig

REASON = "burst of empty accounts"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One relation: its supported ``pairs`` (a, b, users), the ``members`` of its groups (actor, group, product, at),
    and what makes ``joint`` rows (a, b, actor, at) of some of these members."""

    pairs: ir.Table
    members: ir.Table
    joint: Callable[[ir.Table], ir.Table]


class Search:
    """``events`` (actor, actor_name, product, at) tell who is who."""

    def __init__(self, connection: ibis.BaseBackend, events: ir.Table, config: BehaviorConfig) -> None:
        self.connection, self.config = connection, config
        people = events.group_by("actor").agg(
            first=events["at"].min(), met=events["product"].nunique(), known=events.actor_name.startswith("u:").any()
        )
        lone = people.known & (people.met <= config.lone_products)
        self.people = people.mutate(lone=lone, nameless=~people.known).drop("met")

    def found(self, evidence: Evidence) -> tuple[frozenset[int], int]:
        """The suspects of one relation, and how many pairs they made."""
        shares = self._habits(evidence.members)
        tests = int(self.connection.execute(evidence.pairs.count()))
        votes = self._votes(evidence)
        pairs = self._hopeful(evidence, votes, shares, tests)
        if pairs is None:
            return frozenset(), 0
        rows = self._columns(votes.semi_join(pairs, ["a", "b"]).order_by("a", "b", "at", "actor"))
        people = evidence.pairs.semi_join(pairs, ["a", "b"]).order_by("a", "b").select("a", "b", "users")
        times = self._times(evidence.members, rows)
        judged = []
        for stretch, users in zip(_by_pair(rows), self._columns(people)["users"], strict=True):
            one = {name: column[stretch] for name, column in rows.items()}
            judged.append(self._judged(one, int(users), times, shares))
        return suspects(judged, tests, self.config)

    def _judged(self, rows: dict[str, Ints], people: int, times: dict[int, Ints], shares: list[Habits]) -> Judged:
        """By the flag that says most; the p-value counts them all."""
        found = []
        first, second = times[int(rows["a"][0])], times[int(rows["b"][0])]
        for flag, usual in zip(FLAGS, shares, strict=True):
            chosen = rows[flag].astype(bool)
            if chosen.sum() > 1:
                votes = Votes(rows["actor"][chosen], rows["at"][chosen], people, first, second)
                found.append(judge(votes, usual, self.config))
        return min(found, key=lambda one: one.p)

    def _told(self, rows: ir.Table) -> ir.Table:
        """Adds the flags of the actor at that time."""
        rows = rows.inner_join(self.people, "actor")
        new = rows.known & (rows["at"] - rows["first"] <= self.config.new_account)
        return rows.mutate(new=new).drop("first", "known")

    def _habits(self, members: ir.Table) -> list[Habits]:
        """What is usual among groups of two products and more, by flag."""
        groups = members.group_by("actor", "group").agg(at=members["at"].max(), size=members.count())
        told = self._told(groups.filter(groups.size > 1)).select("at", *FLAGS)
        read = self._columns(told.order_by("at"))
        return [Habits.of(read["at"], read[flag].astype(bool)) for flag in FLAGS]

    def _votes(self, evidence: Evidence) -> ir.Table:
        """(a, b, actor, at, …flags): each flagged person's earliest joint group of each pair."""
        groups = self._told(evidence.members)
        some = groups.filter(groups.lone | groups.new | groups.nameless).drop(*FLAGS)
        joint = evidence.joint(some)
        return self._told(joint.group_by("a", "b", "actor").agg(at=joint["at"].min()))

    def _hopeful(self, evidence: Evidence, votes: ir.Table, shares: list[Habits], tests: int) -> ir.Table | None:
        """(a, b) of the pairs that are worth a look."""
        counts = votes.group_by("a", "b").agg(**{flag: votes[flag].sum() for flag in FLAGS})
        counts = counts.filter(ibis.greatest(*(counts[flag] for flag in FLAGS)) > 1)
        counts = counts.inner_join(evidence.pairs.select("a", "b", "users"), ["a", "b"])
        of_each = evidence.members.group_by("product").agg(n=ibis._.count())
        counts = counts.inner_join(of_each.select(a="product", of_a="n"), "a")
        counts = counts.inner_join(of_each.select(b="product", of_b="n"), "b")
        counts = counts.select("a", "b", *FLAGS, "users", n=ibis.least(counts.of_a, counts.of_b))
        read = self._columns(counts.order_by("a", "b"))
        flagged, usual = [read[flag] for flag in FLAGS], [share.overall for share in shares]
        kept = hopeful(flagged, read["users"], read["n"], usual, tests, self.config)
        return ibis.memtable(pa.table({"a": read["a"][kept], "b": read["b"][kept]})) if kept.any() else None

    def _times(self, members: ir.Table, rows: dict[str, Ints]) -> dict[int, Ints]:
        """When each product of the rows was in a group."""
        products = np.unique(np.concatenate((rows["a"], rows["b"])))
        asked = ibis.memtable(pa.table({"product": products}))
        read = self._columns(members.semi_join(asked, "product").select("product", "at").order_by("product", "at"))
        bounds = (np.searchsorted(read["product"], products, side) for side in ("left", "right"))
        return {int(p): read["at"][low:high] for p, low, high in zip(products, *bounds, strict=True)}

    def _columns(self, table: ir.Table) -> dict[str, Ints]:
        read = self.connection.to_pyarrow(table)
        return {name: pc.cast(read[name], pa.int64()).to_numpy() for name in read.column_names}


def _by_pair(rows: dict[str, Ints]) -> Iterator[slice]:
    """Stretches of equal (a, b) in rows that are sorted by them."""
    a, b = rows["a"], rows["b"]
    bounds = np.flatnonzero((a[1:] != a[:-1]) | (b[1:] != b[:-1])) + 1
    for start, stop in pairwise([0, *bounds.tolist(), len(a)]):
        yield slice(start, stop)
