"""Training as a composition: the log and the graph as they were at a cut choose, everything up to now is learned from.

The validation cut may not see facts mined from later behaviour. So behaviour is mined once more, up to the cut, and
stands in for the stored one: ``GraphAt``.
"""

import ctypes
import gc
import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from api.progress import Bars
from api.promoting import Promotion
from api.reordering import Parted, proven, ranked
from api.serving import current_model
from api.workspace import Workspace
from kg import ids
from kg.events import EventLog
from kg.store import GraphReader
from kg.types import Document, Entity, Fact, Timestamp
from mining.behavior.miner import made_up, mine_behavior
from mining.behavior.selection import without
from mining.bots import bots
from recommender import artifact, choosing, distributed
from recommender.competing import EVERYONE, Offer, candidates
from recommender.reading import read_dataset
from recommender.splits import Cut, validation_time
from recommender.training import Device, Run, peak_memory

BEHAVIOUR = ("BOUGHT_WITH", "VIEWED_WITH", "BOUGHT_AFTER", "SUBSTITUTE_FOR", "COMPLEMENTS")


class GraphAt:
    """The graph as it was at ``cut``: what texts and the catalogue say, and behaviour mined from before the cut."""

    def __init__(self, reader: GraphReader, events: pa.Table, cut: Timestamp) -> None:
        self._reader = reader
        self._cut = cut
        mined = mine_behavior(
            events,
            products=[key for e in reader.entities(type="Product") if (key := ids.product_id(e.id)) is not None],
            leaves=list(self._pairs("IN_CATEGORY")),
            compatible=[(a, b) for r in ("COMPATIBLE_WITH", "ACCESSORY_OF") for a, b in self._products(r)],
            until=cut,
        )
        self._behaviour = {name: list(mined.facts(name)) for name in BEHAVIOUR}

    def _pairs(self, relation: str) -> Iterator[tuple[str, str]]:
        for fact in self._reader.facts(relation=relation):
            key = ids.product_id(fact.head)
            if key is not None:
                yield key, fact.tail

    def _products(self, relation: str) -> Iterator[tuple[str, str]]:
        for key, tail in self._pairs(relation):
            other = ids.product_id(tail)
            if other is not None:
                yield key, other

    def entities(self, *, type: str | None = None) -> Iterator[Entity]:
        return self._reader.entities(type=type)

    def documents(self, *, about: str | None = None) -> Iterator[Document]:
        return self._reader.documents(about=about)

    def facts(
        self,
        *,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
    ) -> Iterator[Fact]:
        """Stored facts from before the cut, but behaviour from the mining up to it."""
        limit = self._cut if until is None else min(until, self._cut)
        stored = self._reader.facts(head=head, relation=relation, tail=tail, until=limit, allow_undated=allow_undated)
        yield from (f for f in stored if not any(e.method == "behavior" for e in f.evidence))
        for name in BEHAVIOUR if relation is None else (relation,):
            for fact in self._behaviour.get(name, ()):
                if head in (None, fact.head) and tail in (None, fact.tail):
                    yield fact


def newest_cut(reader: GraphReader, events: pa.Table) -> Cut:
    """What was known before the newest tenth of the purchases, and those who bought in it."""
    return _newest(reader, events).cut


def _newest(reader: GraphReader, events: pa.Table) -> Parted:
    """The shop where the newest tenth of the purchases begins."""
    when = validation_time(events)
    newer = pc.greater_equal(events["at"], when)
    past = cast(GraphReader, GraphAt(reader, events, when))
    return Parted(when, past, events.filter(pc.invert(newer)), events.filter(newer))


def human(events: pa.Table) -> pa.Table:
    """The events of those who behave as people do: without bots, and without crowds of empty accounts."""
    flagged = pa.array(sorted(bots(events)), pa.string())
    people = events.filter(pc.invert(pc.is_in(events["user"], value_set=flagged)))
    return without(people, made_up(people))


def train(
    reader: GraphReader,
    log: EventLog,
    workspace: Workspace,
    bars: Bars,
    *,
    until: Timestamp | None,
    device: Device,
    seed: int,
    gate: Promotion | None = None,
    ranker: bool = False,
    offer: Offer = EVERYONE,
) -> dict[str, Any]:
    """Choose on the validation cut, refit on everything before ``until``, put the result into service.

    With ``ranker`` one is trained beside the choice, and served where the same cut shows that it helps. ``offer`` says
    what competes.

    With a ``gate`` only what passes it; what it refuses stays on disk. The report's ``model`` is the id of what was
    trained, ``chose`` what it consists of, ``serves`` the id of what is in service now, ``memory`` the most bytes that
    each of its processes held. Inside ``distributed.joined`` every process reads and learns the same, the networks its
    part of each batch; the first one alone writes, and the others' report is empty.
    """
    events = human(log.table(until=until))
    _give_back()
    choice = _choice(reader, events, workspace, bars, device=device, seed=seed, offer=offer)
    _give_back()
    verdict = (
        None if gate is None else gate.verdict(newest_cut(reader, events), choice.model, workspace, bars, device=device)
    )
    proof = None
    if ranker:
        proof = proven(_newest(reader, events), choice.model, workspace, bars, device=device, seed=seed)
        _give_back()
    bars.start("training: fitting the choice")
    whole = read_dataset(reader, events, until=until, allow_undated=True)
    about = {"seed": seed, "device": device, "validation": _validation(choice)}
    about |= {} if proof is None else {"ranker": proof.as_dict()}
    built = choosing.build(choice.model, whole, about)
    if proof is not None and proof.helps:
        built = ranked(built, proof, whole, reader, events, until)
    memory = {"processes": distributed.count(), "peak_bytes": distributed.largest(peak_memory("cpu"))}
    if device == "cuda":
        memory["peak_bytes_cuda"] = distributed.largest(peak_memory(device))
    if distributed.rank():
        return {}
    folder = artifact.save(built, workspace.models)
    if verdict is None or verdict["passed"]:
        artifact.promote(folder)
    bars.finish()
    told = {**built.about, "validation": _validation(choice, clock=True), "memory": memory}
    if verdict is not None:
        told["gate"] = dict(verdict)
    in_service = current_model(workspace.models)
    return {"model": folder.name, "chose": choice.model.name, "serves": in_service, **told}


def _give_back() -> None:
    """Return free memory to the system, where the C library can: torch and earlier stages leave a gigabyte behind."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _choice(
    reader: GraphReader,
    events: pa.Table,
    workspace: Workspace,
    bars: Bars,
    *,
    device: Device,
    seed: int,
    offer: Offer,
) -> choosing.Choice:
    """What the validation cut prefers. The cut is let go with it: the refit needs its memory."""
    bars.start("training: reading")
    cut = newest_cut(reader, events)
    bars.finish()
    checkpoints, scratch = workspace.checkpoints, workspace.cache / f"choosing-{distributed.rank()}"
    shutil.rmtree(scratch, ignore_errors=True)  # what a killed run left
    for folder in (checkpoints, scratch):
        folder.mkdir(parents=True, exist_ok=True)

    def run(name: str) -> Run:
        return Run(device=device, checkpoint=checkpoints / f"{name}.npz")

    models = candidates(
        cut.train, seed=seed, networks=offer.networks, texts=offer.texts, thorough=offer.thorough, run=run
    )
    bars.start("training: choosing", len(models) + 1)
    choice = choosing.choose(models, cut, scratch=scratch, on_progress=lambda _: bars.advance())
    bars.finish()
    return choice


def _validation(choice: choosing.Choice, *, clock: bool = False) -> dict[str, Any]:
    """``clock`` tells the seconds too: for the report, not for the manifest, whose hash names the model."""
    return {
        "users": choice.cases,
        "tried": [{**_told(t), **({"seconds": round(t.seconds, 1)} if clock else {})} for t in choice.tried],
        "sum": [{**_told(step), "adds": step.name.rsplit(" + ", 1)[-1]} for step in choice.steps],
    }


def _told(t: choosing.Tried) -> dict[str, Any]:
    told = {"model": t.name, "decay": t.decay, "weights": list(t.weights), "ndcg@10": round(t.ndcg, 5)}
    return {**told, "failed": t.failed}
