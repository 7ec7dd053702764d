"""The shared path search against a search that tries everything."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence

import pytest

from kg import pathfinding
from kg.pathfinding import find_paths
from kg.types import Evidence, Fact, GraphPath


def fact(head: str, tail: str, relation: str = "R", confidence: float = 0.5) -> Fact:
    return Fact(head, relation, tail, (Evidence("s", "m", confidence),))


class Graph:
    """Facts by entity, and how often each entity was asked for."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts, self.asked = facts, list[str]()

    def __call__(self, ids: Sequence[str], limit: int | None) -> Mapping[str, Sequence[Fact]]:
        self.asked += ids
        return {i: [f for f in self.facts if i in (f.head, f.tail)][:limit] for i in ids}


def every_path(facts: Sequence[Fact], source: str, target: str, max_hops: int) -> Iterator[GraphPath]:
    def grow(nodes: tuple[str, ...], walked: tuple[Fact, ...]) -> Iterator[GraphPath]:
        if nodes[-1] == target:
            yield GraphPath(walked)
        elif len(walked) < max_hops:
            for f in facts:
                other = f.tail if f.head == nodes[-1] else f.head if f.tail == nodes[-1] else nodes[-1]
                if other not in nodes:
                    yield from grow((*nodes, other), (*walked, f))

    yield from grow((source,), ())


def order(path: GraphPath) -> tuple[object, ...]:
    surest = -math.prod(f.confidence for f in path.facts)
    return (len(path.facts), surest, [f.triple for f in path.facts])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("max_hops", [1, 2, 3, 4])
def test_it_finds_what_trying_everything_finds(seed: int, max_hops: int) -> None:
    rng = random.Random(seed)
    triples = {(*rng.choices("abcdefg", k=2), rng.choice("RS")) for _ in range(14)}  # some with themselves
    facts = [fact(h, t, r, rng.choice([0.25, 0.5, 1.0])) for h, t, r in sorted(triples)]
    rng.shuffle(facts)
    for source, target in itertools.permutations("abc", 2):
        expected = sorted(every_path(facts, source, target, max_hops), key=order)
        assert find_paths(source, target, Graph(facts), max_hops=max_hops, limit=1_000) == expected
        assert find_paths(source, target, Graph(facts), max_hops=max_hops, limit=2) == expected[:2]


def test_the_side_with_fewer_walks_grows() -> None:
    """A star of 500 around the source: the target's one neighbour is asked, not the 500."""
    graph = Graph([*(fact("hub", f"leaf{i}") for i in range(500)), fact("leaf7", "end")])
    assert len(find_paths("hub", "end", graph, max_hops=3, limit=10)) == 1
    assert len(graph.asked) < 10


def test_a_hub_is_an_end_and_no_way_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pathfinding, "HUB", 3)
    facts = [fact("hub", x) for x in "abcd"] + [fact("a", "x"), fact("x", "b")]
    assert [len(p.facts) for p in find_paths("a", "b", Graph(facts), max_hops=3, limit=10)] == [2]
    assert [len(p.facts) for p in find_paths("hub", "x", Graph(facts), max_hops=2, limit=10)] == [2, 2]


def test_work_is_bounded_and_the_cut_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    everyone = [fact(a, b) for a, b in itertools.combinations("abcdefghijkl", 2)]
    assert len(find_paths("a", "l", Graph(everyone), max_hops=4, limit=10_000)) == 1 + 10 + 90 + 720
    assert caplog.records == []
    monkeypatch.setattr(pathfinding, "MAX_WORK", 300)
    found = find_paths("a", "l", Graph(everyone), max_hops=4, limit=10_000)
    assert 11 <= len(found) < 821
    assert found == find_paths("a", "l", Graph(everyone), max_hops=4, limit=10_000)
    assert "stopped after 300 steps" in caplog.text


def test_nothing_is_asked_for_nothing() -> None:
    graph = Graph([fact("a", "b")])
    assert find_paths("a", "a", graph, max_hops=3, limit=10) == []
    assert find_paths("a", "b", graph, max_hops=0, limit=10) == []
    assert find_paths("a", "b", graph, max_hops=3, limit=0) == []
    assert graph.asked == []
