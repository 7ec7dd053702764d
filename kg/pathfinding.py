"""Paths between two entities: one bidirectional search that every store shares, so that all give the same paths.

The search meets in the middle: walks grow from both ends, the end with fewer walks first, and are joined where they
meet. No path leads through an entity with more than ``HUB`` facts: such a meeting point explains nothing, and walking
through it would cost everything. The two ends may be hubs.
"""

import heapq
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kg.types import Fact, GraphPath, Triple

HUB = 1_000  # facts; an entity with more is not walked through
MAX_WORK = 500_000  # facts looked at, walks grown and joins tried in one search

# neighbours(ids, limit): for each id the facts that touch it, in any order, each fact once; of an entity with more
# than ``limit`` facts any ``limit`` of them will do. None means all.
Neighbours = Callable[[Sequence[str], int | None], Mapping[str, Sequence[Fact]]]

_BATCH = 256  # entities asked for at once

log = logging.getLogger("shopgraph.kg.pathfinding")


@dataclass(frozen=True, slots=True)
class _Walk:
    """A simple chain of facts from one end; ``nodes`` starts with that end."""

    nodes: tuple[str, ...]
    facts: tuple[Fact, ...] = ()


@dataclass(slots=True)
class _Map:
    """What the search has seen so far: the steps out of every opened entity, in triple order; none out of a hub."""

    neighbours: Neighbours
    ends: tuple[str, str]
    steps: dict[str, list[tuple[str, Fact]]] = field(default_factory=dict)
    work: int = 0

    def spend(self, amount: int) -> bool:
        """Whether the search may go on."""
        self.work += amount
        return self.work <= MAX_WORK

    def open(self, ids: Iterable[str]) -> None:
        """Look up the steps out of these entities. What lies past the work limit counts as a hub."""
        unseen = sorted(set(ids) - self.steps.keys())
        for end in (i for i in unseen if i in self.ends):
            self._keep([end], self.neighbours([end], None), limit=None)
        inner = [i for i in unseen if i not in self.ends]
        for start in range(0, len(inner), _BATCH):
            batch = inner[start : start + _BATCH]
            self._keep(batch, self.neighbours(batch, HUB + 1) if self.spend(0) else {}, limit=HUB)

    def _keep(self, ids: Sequence[str], found: Mapping[str, Sequence[Fact]], limit: int | None) -> None:
        for entity_id in ids:
            facts = found.get(entity_id, ())
            self.spend(len(facts))
            self.steps[entity_id] = _steps(entity_id, facts) if limit is None or len(facts) <= limit else []

    def grown(self, walks: Sequence[_Walk], stop: str) -> list[_Walk]:
        """All walks one step longer; those that reached ``stop``, the other end, are complete and do not grow."""
        self.open(w.nodes[-1] for w in walks if w.nodes[-1] != stop)
        longer = []
        for walk in walks:
            if walk.nodes[-1] == stop:
                continue
            for other, fact in self.steps[walk.nodes[-1]]:
                if other not in walk.nodes:
                    longer.append(_Walk((*walk.nodes, other), (*walk.facts, fact)))
            if not self.spend(len(self.steps[walk.nodes[-1]])):
                break
        return longer

    def joined(self, forward: Sequence[_Walk], backward: Sequence[_Walk]) -> Iterator[GraphPath]:
        """The simple paths that a forward and a backward walk make where they end on the same entity."""
        back: dict[str, list[_Walk]] = {}
        for walk in backward:
            back.setdefault(walk.nodes[-1], []).append(walk)
        meetings = {w.nodes[-1] for w in forward} & back.keys()
        self.open(meetings - set(self.ends))
        for walk in forward:
            end = walk.nodes[-1]
            if end not in meetings or not (end in self.ends or self.steps[end]):
                continue
            for rest in back[end]:
                if not self.spend(1):
                    return
                if not set(walk.nodes) & set(rest.nodes[:-1]):
                    yield GraphPath((*walk.facts, *reversed(rest.facts)))


def find_paths(source: str, target: str, neighbours: Neighbours, *, max_hops: int, limit: int) -> list[GraphPath]:
    """Simple paths of at most ``max_hops`` facts, walked in either direction.

    Shortest first, then by the product of the confidences, then by triples. An entity has no path to itself. Bounded:
    past ``MAX_WORK`` the search returns what it has and says so in the log.
    """
    if source == target or limit < 1 or max_hops < 1:
        return []
    seen = _Map(neighbours, (source, target))
    forward, backward = [_Walk((source,))], [_Walk((target,))]
    found: list[GraphPath] = []
    for _ in range(max_hops):
        if len(forward) <= len(backward):
            forward = seen.grown(forward, target)
        else:
            backward = seen.grown(backward, source)
        found += heapq.nsmallest(limit - len(found), seen.joined(forward, backward), key=_order)
        if len(found) >= limit or not forward or not backward or not seen.spend(0):
            break
    if seen.work > MAX_WORK:
        log.warning("paths from %s to %s: stopped after %d steps, longer paths may exist", source, target, MAX_WORK)
    return found


def _steps(entity_id: str, facts: Sequence[Fact]) -> list[tuple[str, Fact]]:
    ordered = sorted(facts, key=lambda fact: fact.triple)
    steps = [(fact.tail if fact.head == entity_id else fact.head, fact) for fact in ordered]
    return [(other, fact) for other, fact in steps if other != entity_id]


def _order(path: GraphPath) -> tuple[float, list[Triple]]:
    return (-math.prod(fact.confidence for fact in path.facts), [fact.triple for fact in path.facts])
