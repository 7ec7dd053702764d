"""What a pair means: substitute or complement, by a written rule; and pairs → facts.

======================  ===============================================================================
COMPLEMENTS             co-bought above chance, and in different leaf categories or with a stated
                        compatibility; confidence = belief of the co-purchase
SUBSTITUTE_FOR          co-viewed above chance, same leaf category, not co-bought above chance, no
                        stated compatibility (a refill and its bottle are looked at together too);
                        confidence = belief of the co-view × (1 − u), u = upper 99 % bound of the share
                        of the rarer product's baskets that hold both: with few purchases u is near 1,
                        because then their absence proves nothing
neither                 two lipsticks in one basket (co-bought, same leaf); a leaf that lies above the
                        other (the catalogue is imprecise, not different); no category, no compatibility
======================  ===============================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from kg import ids
from kg.types import Evidence, Fact, Timestamp
from mining.behavior.config import BehaviorConfig
from mining.behavior.cooccurrence import DIGITS, STATISTICS, share_bound, supported

METHOD = "behavior"
RELATIONS = ("BOUGHT_WITH", "VIEWED_WITH", "BOUGHT_AFTER", "SUBSTITUTE_FOR", "COMPLEMENTS")
DIRECTED = frozenset({"BOUGHT_AFTER"})


@dataclass(frozen=True, slots=True)
class Window:
    """First and last counted event, both inclusive."""

    first: Timestamp
    last: Timestamp


def source(relation: str) -> str:
    """The evidence source of a mined relation: one a relation, so that a new count replaces the old one."""
    return f"behavior:{relation}"


def kinship(pairs: ir.Table, leaves: ir.Table) -> ir.Table:
    """(a, b, same, apart) for pairs whose products both have a leaf category; ``leaves`` is (product, leaf).

    ``same``: a shared leaf. ``apart``: none shared, and none above another (leaf ids are paths joined by " > ").
    """
    of_a = leaves.select(a="product", leaf_a="leaf")
    of_b = leaves.select(b="product", leaf_b="leaf")
    joined = pairs.select("a", "b").inner_join(of_a, "a").inner_join(of_b, "b")
    nested = joined.leaf_a.startswith(joined.leaf_b + " > ") | joined.leaf_b.startswith(joined.leaf_a + " > ")
    joined = joined.mutate(equal=joined.leaf_a == joined.leaf_b, nested=nested)
    kin = joined.group_by("a", "b").agg(same=ibis._.equal.any(), nested=ibis._.nested.any())
    return kin.mutate(apart=~kin.same & ~kin.nested).select("a", "b", "same", "apart")


def complements(buys: ir.Table, *, leaves: ir.Table, compatible: ir.Table, config: BehaviorConfig) -> ir.Table:
    """Complements among scored co-purchases; ``compatible`` is (a, b), a < b."""
    strong = supported(buys, config).filter(ibis._.belief >= config.min_confidence)
    stated = compatible.select("a", "b").distinct().mutate(stated=ibis.literal(True))
    judged = strong.left_join(kinship(strong, leaves), ["a", "b"]).drop("a_right", "b_right")
    judged = judged.left_join(stated, ["a", "b"]).drop("a_right", "b_right")
    chosen = judged.filter(judged.apart.fill_null(False) | judged.stated.fill_null(False))
    return chosen.drop("same", "apart", "stated")


def substitutes(
    views: ir.Table,
    buys: ir.Table,
    bought: ir.Table,
    *,
    leaves: ir.Table,
    compatible: ir.Table,
    config: BehaviorConfig,
) -> ir.Table:
    """Substitutes among scored co-views; ``bought`` is (product, n), the baskets of each product, ``compatible`` is
    (a, b), a < b.

    Adds ``bought_together``, the baskets with both; ``belief`` is that of the substitution.
    """
    strong = supported(views, config).filter(ibis._.belief >= config.min_confidence)
    alike = strong.inner_join(kinship(strong, leaves).filter(ibis._.same).select("a", "b"), ["a", "b"])
    joint = buys.select("a", "b", bought_together="support", buyers="users", together="belief")
    alike = alike.anti_join(compatible, ["a", "b"])
    pairs = alike.left_join(joint, ["a", "b"]).drop("a_right", "b_right")
    pairs = pairs.inner_join(bought.select(a="product", bought_a="n"), "a")
    pairs = pairs.inner_join(bought.select(b="product", bought_b="n"), "b")
    pairs = pairs.mutate(bought_together=ibis._.bought_together.fill_null(0), buyers=ibis._.buyers.fill_null(0))
    counted = (pairs.bought_together >= config.min_support) & (pairs.buyers >= config.min_users)
    pairs = pairs.filter(~(counted & (pairs.together.fill_null(0.0) >= config.min_confidence)))
    at_most = share_bound(pairs.buyers, ibis.least(pairs.bought_a, pairs.bought_b).cast("float64"), config.z)
    belief = (pairs.belief * (1 - at_most)).clip(0.0, 1.0).round(DIGITS)
    return pairs.mutate(belief=belief).drop("buyers", "together", "bought_a", "bought_b")


def facts(relation: str, pairs: pa.Table, window: Window, *, run: str | None = None) -> Iterator[Fact]:
    """Facts from (head, tail, belief, statistics...) in the table's order; heads and tails are the shop's keys.

    Evidence: source ``behavior:<relation>``, method ``behavior``, at = the last counted event, counts = the statistics
    and the window as ``from`` and ``to`` (Unix seconds).
    """
    extra = tuple(name for name in ("bought_together",) if name in pairs.column_names)
    for batch in pairs.to_batches(max_chunksize=5_000):
        for row in batch.to_pylist():
            counts = {name: float(row[name]) for name in (*STATISTICS, *extra)}
            counts.update({"from": float(window.first), "to": float(window.last)})
            evidence = Evidence(
                source=source(relation),
                method=METHOD,
                confidence=row["belief"],
                at=window.last,
                run=run,
                counts=counts,
            )
            yield Fact(ids.product(row["head"]), relation, ids.product(row["tail"]), (evidence,))
