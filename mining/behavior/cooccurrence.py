"""Which products go together more often than chance: group members → pairs with their statistics, in ibis.

For a pair (a, b) in a universe of ``n`` groups:

- support: groups with both; ``n_a``, ``n_b``: groups with each; users: distinct actors behind the support
- confidence = support / n_a, lift = support · n / (n_a · n_b), pmi = ln lift, npmi = pmi / −ln(support / n)
- decay: mean of 2^(−age / half-life) over the joint groups, age from the last event of the log

All sums are of integers (a weight is billionths), so no order of rows, threads or batches changes a digit.
"""

import ibis
import ibis.expr.types as ir

from mining import wilson
from mining.behavior.config import BehaviorConfig

SCALE = 1_000_000_000
DIGITS = 6
STATISTICS = ("support", "users", "confidence", "lift", "pmi", "npmi", "decay")


def sized(members: ir.Table) -> ir.Table:
    """Adds ``size``, the number of products of the group."""
    return members.mutate(size=ibis._.count().over(ibis.window(group_by=["actor", "group"])))


def _weighted(members: ir.Table, last: int, half_life: int) -> ir.Table:
    age = (ibis.literal(last, "int64") - members.at).cast("float64")
    return members.mutate(weight=(ibis.literal(2.0).pow(-age / half_life) * SCALE).round().cast("int64"))


def marginals(members: ir.Table) -> ir.Table:
    """(product, n): in how many groups a product lies."""
    return members.group_by("product").agg(n=ibis._.count())


def _counted(rows: ir.Table) -> ir.Table:
    """(a, b, support, users, weight) of one row (a, b, actor, weight) a joint group.

    Grouped twice, because a grouping spills to disk and count distinct does not.
    """
    by_actor = rows.group_by("a", "b", "actor").agg(joint=ibis._.count(), weight=ibis._.weight.sum())
    return by_actor.group_by("a", "b").agg(
        support=ibis._.joint.sum().cast("int64"), users=ibis._.count(), weight=ibis._.weight.sum().cast("int64")
    )


def together(members: ir.Table, *, config: BehaviorConfig, last: int) -> ir.Table:
    """Pairs a < b of one group, with n_a and n_b. Products that cannot reach ``min_support`` are never joined."""
    counts = marginals(members)
    frequent = counts.filter(counts.n >= config.min_support)
    kept = _weighted(members, last, config.half_life).semi_join(frequent, "product")
    left = kept.select("actor", "group", "weight", a="product")
    right = kept.select("actor", "group", b="product")
    joined = left.inner_join(right, ["actor", "group", left.a < right.b])
    return _with_marginals(_counted(joined.select("a", "b", "actor", "weight")), counts, counts)


def joint(members: ir.Table) -> ir.Table:
    """(a, b, actor, at), a < b, one row a group that holds both."""
    left, right = members.select("actor", "group", "at", a="product"), members.select("actor", "group", b="product")
    return left.inner_join(right, ["actor", "group", left.a < right.b]).select("a", "b", "actor", "at")


def following(members: ir.Table, link: ir.Table, later: ir.Table) -> ir.Table:
    """(a, b, actor, at), one row a follow-up that holds b of a group with a; the follow-ups are those of ``later``."""
    sources = members.select("actor", "product", earlier_group="group")
    before = link.inner_join(sources, ["actor", "earlier_group"]).select("actor", "group", a="product").distinct()
    after = later.select("actor", "group", "at", b="product")
    return after.inner_join(before, ["actor", "group", after.b != before.a]).select("a", "b", "actor", "at")


def links(members: ir.Table, config: BehaviorConfig) -> ir.Table:
    """(actor, group, earlier_group): each group with those it follows, at most ``after_window`` seconds and
    ``after_baskets`` groups back. Its distinct (actor, group) are the *follow-ups*, the universe of ``follows``."""
    groups = members.select("actor", "group", "at").distinct()
    order = ibis.row_number().over(ibis.window(group_by="actor", order_by=["at", "group"]))
    groups = groups.mutate(position=order)
    steps = ibis.memtable({"step": list(range(1, config.after_baskets + 1))}, schema={"step": "int64"})
    # An equality join per step: an inequality on positions would make all pairs of a heavy buyer first.
    earlier = groups.select("actor", "position", earlier_group="group", earlier_at="at")
    ahead = groups.cross_join(steps).mutate(position=ibis._.position - ibis._.step)
    link = ahead.inner_join(earlier, ["actor", "position"])
    link = link.filter((link.at > link.earlier_at) & (link.at - link.earlier_at <= config.after_window))
    return link.select("actor", "group", "earlier_group")


def follows(members: ir.Table, link: ir.Table, *, config: BehaviorConfig, last: int) -> ir.Table:
    """Pairs (a, b): follow-ups with b of a group with a. ``n_a`` counts follow-ups preceded by a, ``n_b`` those that
    hold b, support those with both. A product after itself is a repurchase, not a pair."""
    sources = members.select("actor", "product", earlier_group="group")
    before = link.inner_join(sources, ["actor", "earlier_group"]).select("actor", "group", "product").distinct()
    after = members.semi_join(link, ["actor", "group"])
    counts_a, counts_b = marginals(before), marginals(after)
    before = before.semi_join(counts_a.filter(counts_a.n >= config.min_support), "product")
    after = after.semi_join(counts_b.filter(counts_b.n >= config.min_support), "product")
    left = before.select("actor", "group", a="product")
    right = _weighted(after, last, config.half_life).select("actor", "group", "weight", b="product")
    joined = left.inner_join(right, ["actor", "group", left.a != right.b]).select("a", "b", "actor", "weight")
    return _with_marginals(_counted(joined), counts_a, counts_b)


def _with_marginals(pairs: ir.Table, counts_a: ir.Table, counts_b: ir.Table) -> ir.Table:
    pairs = pairs.inner_join(counts_a.select(a="product", n_a="n"), "a")
    return pairs.inner_join(counts_b.select(b="product", n_b="n"), "b")


def share_bound(successes: ir.NumericValue, trials: ir.NumericValue, z: float) -> ir.FloatingValue:
    """Wilson's bound of a share at ``z`` (below zero: the lower one), for each row."""
    return wilson.bound(successes.cast("float64") / trials, trials, z, lambda square: square.sqrt())


def scored(pairs: ir.Table, *, groups: int, config: BehaviorConfig) -> ir.Table:
    """Adds the statistics, rounded to six digits, and ``belief`` in [0, 1].

    ``belief`` is NPMI with the joint share at its lower bound (Wilson, 99 %) and each user counted once: 0 where chance
    may explain the pair, 1 where the two are never apart. Two lucky baskets stay low, one busy buyer cannot raise it.
    """
    n = ibis.literal(float(groups))
    support = pairs.support.cast("float64")
    chance = pairs.n_a.cast("float64") * pairs.n_b.cast("float64")
    low = share_bound(pairs.users, n, -config.z)
    lift = support * n / chance
    share = support / n
    belief = (low * n * n / chance).ln() / -low.ln()
    return pairs.mutate(
        confidence=(support / pairs.n_a).round(DIGITS),
        lift=lift.round(DIGITS),
        pmi=lift.ln().round(DIGITS),
        npmi=ibis.ifelse(share < 1, lift.ln() / -share.ln(), 0.0).round(DIGITS),
        decay=(pairs.weight.cast("float64") / (support * SCALE)).round(DIGITS),
        belief=belief.clip(0.0, 1.0).round(DIGITS),
    )


def supported(pairs: ir.Table, config: BehaviorConfig) -> ir.Table:
    """Pairs with enough groups and enough people behind them."""
    return pairs.filter((pairs.support >= config.min_support) & (pairs.users >= config.min_users))


def best(pairs: ir.Table, config: BehaviorConfig, *, directed: bool) -> ir.Table:
    """Pairs that chance does not explain, cut to the ``top`` of a product by belief × decay, then support, then id.

    Of a symmetric pair either side may keep it; a directed one is kept by its head.
    """
    pairs = pairs.filter(pairs.belief >= config.min_confidence).mutate(rank_by=ibis._.belief * ibis._.decay)
    kept = _ranked(pairs, "a", "b") < config.top
    if not directed:
        kept = kept | (_ranked(pairs, "b", "a") < config.top)
    return pairs.mutate(kept=kept).filter(ibis._.kept).drop("kept", "rank_by")


def _ranked(pairs: ir.Table, of: str, other: str) -> ir.IntegerValue:
    order = [ibis.desc("rank_by"), ibis.desc("support"), ibis.asc(other)]
    return ibis.row_number().over(ibis.window(group_by=of, order_by=order))
