"""Who did it, and in one go with what: events → actors, sessions and baskets, as ibis expressions.

An *actor* is the user; else the user that the rest of the session names; else the session; else the event alone.
A *group* (session or basket) is named by (actor, group) and has members (actor, group, product, at), one row a distinct
product, where ``at`` is the group's last event.

Input is the table of ``kg.events.EventLog.table``: event_id, user, session, product, action, at (Unix seconds), ...
"""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

_SEPARATOR = "\x1f"


def with_actor(events: ir.Table) -> ir.Table:
    """Adds ``actor`` and ``visit``, the session id where there is one.

    An id that several users share (a counter per user) is no session of all of them: it is scoped by user.
    """
    in_session = ibis.window(group_by="session")
    events = events.mutate(first_user=events.user.min().over(in_session), last_user=events.user.max().over(in_session))
    alone = events.session.notnull() & (events.first_user == events.last_user).fill_null(True)
    user = events.user.fill_null(ibis.ifelse(alone, events.first_user, ibis.null("string")))
    scope = ibis.ifelse(alone, "", _SEPARATOR + events.user.fill_null(""))
    visit = ibis.ifelse(events.session.notnull(), events.session + scope, ibis.null("string"))
    events = events.mutate(visit=visit, known=user)
    actor = ibis.coalesce("u:" + events.known, "s:" + events.visit, "e:" + events.event_id)
    return events.mutate(actor=actor).select("event_id", "actor", "visit", "product", "action", "at")


def coded(events: ir.Table, column: str, *, into: str) -> ir.Table:
    """Adds ``into``: dense integers in the order of ``column``'s values, so that joins compare numbers.

    Null stays null. The order is that of code points, on every backend.
    """
    values = events.filter(events[column].notnull()).select(column).distinct()
    codes = values.mutate(**{into: ibis.row_number().over(ibis.window(order_by=column))})
    return events.left_join(codes, column).drop(f"{column}_right")


def _runs(events: ir.Table, gap: int) -> ir.Table:
    """Adds ``run``: per actor, rises by one after each silence longer than ``gap`` seconds."""
    order = ibis.window(group_by="actor", order_by=["at", "event_id"])  # the id makes ties stable, so runs never tear
    events = events.mutate(silence=events.at - events.at.lag().over(order))
    broken = (events.silence > gap).fill_null(False).cast("int64")
    return events.mutate(broken=broken).mutate(run=ibis._.broken.cumsum().over(order)).drop("silence", "broken")


def _members(events: ir.Table) -> ir.Table:
    ends = events.group_by("actor", "group").agg(at=events.at.max())
    rows = events.select("actor", "group", "product").distinct()
    return rows.inner_join(ends, ["actor", "group"]).select("actor", "group", "product", "at")


def sessions(events: ir.Table, actions: Sequence[str], *, gap: int) -> ir.Table:
    """Members of sessions: a given session id, else the actor's events without a silence longer than ``gap``.

    ``events`` carries actor, visit (integers or null), product, action, at, event_id.
    """
    chosen = events.filter(events.action.isin(list(actions)))
    given = chosen.filter(chosen.visit.notnull()).mutate(group=-1 - ibis._.visit)  # below zero: never a run's number
    found = _runs(chosen.filter(chosen.visit.isnull()), gap).mutate(group=ibis._.run)
    columns = ["actor", "group", "product", "at"]
    return _members(ibis.union(given.select(columns), found.select(columns)))


def baskets(events: ir.Table, actions: Sequence[str], *, gap: int) -> ir.Table:
    """Members of baskets: an actor's purchases without a silence longer than ``gap``, whatever the session.

    In a log of whole days that is one basket a day, for every gap shorter than a day.
    """
    return _members(_runs(events.filter(events.action.isin(list(actions))), gap).mutate(group=ibis._.run))


def windows(events: ir.Table, actions: Sequence[str], *, length: int) -> ir.Table:
    """Members of user windows: what an actor bought between two multiples of ``length`` seconds.

    Fixed cuts, not chains: a weekly shopper's chain would never end.
    """
    return _members(events.filter(events.action.isin(list(actions))).mutate(group=ibis._.at // length))
