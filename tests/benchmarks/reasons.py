"""Are reasons true, do they carry the score, and what is left without them? Measured over many answers of a workspace.

    python tests/benchmarks/reasons.py --workspace DIR [--answers 1000] [--k 10] [--reasons 3]

An answer is the list of one user, users spread evenly over the log. Nothing is written into the workspace.

replay           every event of a reason is in the log, every fact in the graph with all its evidence, every quote at
                 its span in its document
carried          contributions of the told reasons, and of all facts, over the score of the product
counterfactual   the facts of the told reasons are taken out of the matrices of the model, and the product is scored and
                 ranked again. The drop must be the contributions of every way over those facts: at least what is told,
                 more where one fact leads on from other products of the history too
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from api.serving import current_model
from api.workspace import Workspace
from kg import ids
from kg.events import EventLog
from kg.schema import SHOP
from kg.store import GraphReader
from kg.stores import open_store
from kg.types import Evidence, Fact, Interaction, Reason, Recommendation
from recommender.arrays import Sparse
from recommender.coupled import CoupledScorer, both_ways
from recommender.explanation import Contribution, contributions, fact_terms
from recommender.histories import Histories, UserState
from recommender.model import Scorer
from recommender.reading import NAMED
from recommender.recommender import RECENT, Recommender
from recommender.scorers import RelationScorer
from recommender.splits import taken

Cell = tuple[str, str, str]
"""(relation, head, tail) as matrices name it: shop ids of products, graph ids of entities."""


@dataclass(slots=True)
class Replay:
    """How many of each were looked up, and how many were there."""

    asked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("events", "facts", "quotes"), 0))
    found: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("events", "facts", "quotes"), 0))
    reasons: int = 0
    whole: int = 0

    def add(self, reason: Reason, reader: GraphReader, log: EventLog) -> None:
        checks = [("events", _logged(event, log)) for event in reason.events]
        checks += [("facts", _stated(fact, reader)) for fact in reason.facts]
        checks += [
            ("quotes", _quoted(evidence, reader))
            for fact in reason.facts
            for evidence in fact.evidence
            if evidence.quote is not None
        ]
        for what, holds in checks:
            self.asked[what] += 1
            self.found[what] += holds
        self.reasons += 1
        self.whole += bool(reason.events and reason.path.facts) and all(holds for _, holds in checks)


def _logged(event: Interaction, log: EventLog) -> bool:
    return event in log.history(event.user_id, session_id=event.session_id)


def _stated(fact: Fact, reader: GraphReader) -> bool:
    held = next(iter(reader.facts(head=fact.head, relation=fact.relation, tail=fact.tail)), None)
    return held is not None and bool(fact.evidence) and set(fact.evidence) <= set(held.evidence)


def _quoted(evidence: Evidence, reader: GraphReader) -> bool:
    return reader.document(evidence.source).text[evidence.start : evidence.end] == evidence.quote


@dataclass(frozen=True, slots=True)
class Without:
    """One product without the facts of its reasons. ``expected`` is what the contributions say, ``drop`` what scoring
    again says; ``rank`` and ``after`` count from 1 among what may be shown."""

    told: float
    expected: float
    drop: float
    score: float
    rank: int
    after: int


@dataclass(slots=True)
class Findings:
    """``told`` and ``all_facts`` are shares of scores above 0; ``unreadable`` counts the scores that are not."""

    answers: int = 0
    products: int = 0
    origins: dict[str, int] = field(default_factory=dict)
    with_reason: int = 0
    first_with_reason: int = 0
    replay: Replay = field(default_factory=Replay)
    told: list[float] = field(default_factory=list)
    all_facts: list[float] = field(default_factory=list)
    unreadable: int = 0
    without: list[Without] = field(default_factory=list)


def measure(
    recommender: Recommender, reader: GraphReader, log: EventLog, users: Sequence[str], *, k: int, reasons: int
) -> Findings:
    found = Findings()
    chain = dict(recommender.artifact.chain)
    for user in users:
        state = UserState(user, log.history(user, limit=RECENT))
        answer = recommender.recommend(user, k=k, max_reasons=reasons)
        found.answers += 1
        found.first_with_reason += bool(answer and answer[0].reasons)
        shelf: dict[str, _Scored] = {}
        for shown in answer:
            found.products += 1
            found.origins[shown.origin] = found.origins.get(shown.origin, 0) + 1
            found.with_reason += bool(shown.reasons)
            for reason in shown.reasons:
                found.replay.add(reason, reader, log)
            scorer = chain.get(shown.origin)
            if scorer is None:
                continue
            ways = contributions(scorer, state, shown.product_id)
            _carried(found, shown, ways)
            if shown.reasons:
                scored = shelf.setdefault(shown.origin, _Scored(scorer, state, recommender))
                found.without.append(scored.without(shown, ways))
    return found


def _carried(found: Findings, shown: Recommendation, ways: Sequence[Contribution]) -> None:
    if shown.score <= 0:
        found.unreadable += 1
        return
    found.told.append(sum(reason.contribution or 0.0 for reason in shown.reasons) / shown.score)
    found.all_facts.append(sum(way.value for way in ways) / shown.score)


class _Scored:
    """One user's scores of all products, and what they are without some facts."""

    def __init__(self, scorer: Scorer, state: UserState, recommender: Recommender) -> None:
        self.scorer = scorer
        self.histories = Histories.of([state], scorer.items, scorer.users)
        self.scores = scorer.scores_batch(self.histories)[0].astype(np.float64)
        self.hidden = np.zeros(len(self.scores), bool)
        self.hidden[self.histories.items[taken(self.histories, recommender.artifact.taking)]] = True

    def without(self, shown: Recommendation, ways: Sequence[Contribution]) -> Without:
        cells = {cell for reason in shown.reasons for cell in cells_of(reason, shown.product_id)}
        expected = sum(way.value for way in ways if cells & set(_ways_cells(way, shown.product_id)))
        after = self.scores.copy()
        for weight, term in fact_terms(self.scorer):
            after -= weight * _lost(term, cells, self.histories)
        place = self.scorer.items.places[shown.product_id]
        told = sum(reason.contribution or 0.0 for reason in shown.reasons)
        drop = float(self.scores[place] - after[place])
        ranks = (self._rank(self.scores, place), self._rank(after, place))
        return Without(told, expected, drop, float(self.scores[place]), *ranks)

    def _rank(self, scores: np.ndarray, place: int) -> int:
        return 1 + int(np.count_nonzero(scores[~self.hidden] > scores[place]))


def cells_of(reason: Reason, product: str) -> Iterator[Cell]:
    """The cells of the relation matrices that stand for the facts of a reason.

    A symmetric fact is told for both of its ends. A fact to a Thing is a cell of its own, and another one where the
    Thing stands for a product of the path.
    """
    start = reason.events[-1].product_id
    for fact in reason.facts:
        head, tail = ids.product_id(fact.head) or fact.head, ids.product_id(fact.tail)
        yield fact.relation, head, tail or fact.tail
        if tail is not None and SHOP.relations[fact.relation].symmetric:
            yield fact.relation, tail, head
        if tail is None and len(reason.path.facts) == 1:
            yield fact.relation + NAMED, head, product if head == start else start


def _ways_cells(way: Contribution, product: str) -> Iterator[Cell]:
    if way.onward is not None:
        between = ids.product_id(way.entity or "") or ""
        for one, relation, other, forward in (
            (way.item, way.relation, between, way.forward), (between, way.onward[0], product, way.onward[1]),
        ):  # fmt: skip
            yield (relation, *((one, other) if forward else (other, one)))
    elif way.entity is not None:
        yield way.relation, way.item, way.entity
        yield way.relation, product, way.entity
    else:
        yield (way.relation, *((way.item, product) if way.forward else (product, way.item)))


def _lost(term: RelationScorer | CoupledScorer, cells: set[Cell], histories: Histories) -> np.ndarray:
    """What the term says less without the cells, (n_items,): the same scoring code on matrices with those cells 0."""
    if isinstance(term, CoupledScorer):
        links = _emptied(term.links, cells, term.items.places, term.items.places)
        without = replace(term, links=links, related=both_ways(links, len(term.items)))
        return (term.scores_batch(histories)[0] - without.scores_batch(histories)[0]).astype(np.float64)
    names = sorted({relation for relation, _, _ in cells} & set(term.strengths))
    if not names:
        return np.zeros(len(term.items))
    before = replace(
        term,
        links={name: term.links[name] for name in names if name in term.links},
        attributes={name: term.attributes[name] for name in names if name in term.attributes},
        strengths={name: term.strengths[name] for name in names},
    )
    after = replace(
        before,
        links=_emptied(before.links, cells, term.items.places, term.items.places),
        attributes=_emptied(before.attributes, cells, term.items.places, term.entities.places),
    )
    return (before.scores_batch(histories)[0] - after.scores_batch(histories)[0]).astype(np.float64)


def _emptied(
    matrices: Mapping[str, Sparse], cells: set[Cell], rows: Mapping[str, int], columns: Mapping[str, int]
) -> dict[str, Sparse]:
    emptied = {name: matrix.copy() for name, matrix in matrices.items()}
    for name, head, tail in cells:
        if name in emptied and head in rows and tail in columns:
            matrix, row = emptied[name], rows[head]
            part = slice(matrix.indptr[row], matrix.indptr[row + 1])
            matrix.data[part][matrix.indices[part] == columns[tail]] = 0
    return emptied


def spread(names: Sequence[str], count: int) -> list[str]:
    """At most ``count`` of them, evenly."""
    places = np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)
    return [names[place] for place in dict.fromkeys(places.tolist())]


def tell(found: Findings, k: int) -> Iterator[str]:
    origins = ", ".join(f"{name} {count:,}" for name, count in sorted(found.origins.items(), key=lambda o: -o[1]))
    yield f"{found.answers:,} answers, {found.products:,} products; said by: {origins}"
    replay = found.replay
    yield f"replay: {replay.whole:,} of {replay.reasons:,} reasons ({_share(replay.whole, replay.reasons)})"
    for what, asked in replay.asked.items():
        yield f"  {what}: {replay.found[what]:,} of {asked:,}"
    yield f"at least one reason: {_share(found.with_reason, found.products)} of the products, "
    yield f"  {_share(found.first_with_reason, found.answers)} of the answers for their first product"
    yield f"carried, of {len(found.told):,} scores above 0 ({found.unreadable:,} are not):"
    for name, shares in (("told reasons", found.told), ("all facts", found.all_facts)):
        if shares:
            low, mid, high = np.percentile(shares, [25, 50, 75])
            yield f"  {name}: mean {np.mean(shares):.1%}, quartiles {low:.1%} {mid:.1%} {high:.1%} of the score"
    if not found.without:
        return
    each = found.without
    errors = [abs(one.drop - one.expected) for one in each]
    yield f"counterfactual: {len(each):,} products scored without the facts of their reasons"
    yield f"  largest |drop − contributions|: {max(errors):.2g}; larger than 0.01 % of the score: {_wrong(each)}"
    more = sum(one.expected > one.told * (1 + 1e-6) + 1e-9 for one in each)
    yield f"  the facts carry more than is told, by other products of the history: {_share(more, len(each))}"
    drops = [one.drop / one.score for one in each if one.score > 0]
    if drops:
        yield f"  drop: mean {np.mean(drops):.1%}, median {np.median(drops):.1%} of the score"
    worse = sum(one.after > one.rank for one in each)
    gone = sum(one.rank <= k < one.after for one in each)
    fell = [one.after - one.rank for one in each]
    low, mid, high = np.percentile(fell, [25, 50, 75])
    yield f"  rank: worse for {_share(worse, len(each))}, out of the first {k} for {_share(gone, len(each))}; "
    yield f"  places lost: mean {np.mean(fell):.1f}, quartiles {low:.0f} {mid:.0f} {high:.0f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _wrong(each: Sequence[Without]) -> int:
    """Beyond what float32 can tell apart."""
    return sum(abs(one.drop - one.expected) > 1e-4 * max(abs(one.score), abs(one.expected)) for one in each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--store", help="where the graph is, if not in the workspace")
    parser.add_argument("--answers", type=int, default=1000)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--reasons", type=int, default=3)
    options = parser.parse_args()
    workspace = Workspace(options.workspace)
    model = current_model(workspace.models)
    if model is None:
        parser.error(f"{options.workspace} serves no model: run `shopgraph train` first")
    with open_store(options.store or workspace.store_url) as store, EventLog(workspace.events) as log:
        recommender = Recommender.load(workspace.models / model, store, log)
        users = spread(log.users(limit=10**9), options.answers)
        found = measure(recommender, store, log, users, k=options.k, reasons=options.reasons)
    print(f"model {model}")
    print("\n".join(tell(found, options.k)))


if __name__ == "__main__":
    main()
