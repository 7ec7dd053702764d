"""The store for people: a Neo4j database that one opens in Neo4j Browser and reads without a manual.

A node has one label, an ``id`` and a ``name``; a fact is one relationship with its evidence on it; a text is a
``(:Document)-[:ABOUT]->(product)``. The node ``(:ShopGraph)`` holds the version. Needs Neo4j 5.23 or newer; Community
will do. The only module that knows the driver.

Writing: one writer at a time, also across processes. Everything is checked before anything is written. A put of at most
``WHOLE`` rows is one transaction. A larger one is checked as a whole and then committed in several, because a server's
memory is finite: until its end the version stays and readers may see a part of it. Where it was cut off, the node
``(:ShopGraph)`` says ``unfinished``, the next opening says so in the log, and the same put again finishes the work.

Reading: Neo4j shows a reader each commit as it is being applied. Answers are therefore read between two looks at the
version and read again where a commit came between. Long answers come in pages of ``PAGE`` facts: each page belongs to
one version, and a version that changed between two pages is told in the log.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, Protocol, TypeVar

import neo4j
from neo4j import exceptions as driver_errors

from kg import search as searching
from kg.errors import FormatError, StoreAuthError, StoreLocked, StoreUnavailable, StoreUrlError, UnknownDocument
from kg.pathfinding import find_paths
from kg.stores import cypher, neo4j_writing
from kg.stores.neo4j_reading import (
    PAGE,
    Transaction,
    candidates,
    documents_by_id,
    entities_by_id,
    entity_by_id,
    facts_around,
    head_pages,
    sorted_ids,
)
from kg.stores.neo4j_rows import fact_of
from kg.stores.neo4j_writing import Batch
from kg.types import Counts, Document, Entity, Fact, GraphPath, Timestamp
from kg.validation import is_unicode

T = TypeVar("T")

FORMAT = 1
WHOLE = 50_000  # rows of a put that are one transaction
CONNECT_SECONDS = 5.0
RETRY_SECONDS = 8.0
READ_SECONDS = 120.0
WRITE_SECONDS = 600.0  # waiting for another writer included
COMMIT_SECONDS = 10.0  # how long a reader waits for an announced commit
_PAUSE = 0.002
_MAX_TYPES = 500_000  # types of entities remembered between puts
_MAX_LOOSE = 1_000  # sources that are no documents, remembered by name
_ANYWHERE = ""  # in their place where there are more: every source may be cited anywhere

log = logging.getLogger("shopgraph.kg.neo4j")


@dataclass(frozen=True, slots=True)
class _State:
    """The graph's own node."""

    version: int = 0
    committing: bool = False
    unfinished: bool = False
    sources: tuple[str, ...] = ()


class _Page(Protocol[T]):
    def __call__(self, tx: Transaction, ids: Sequence[str]) -> list[T]: ...


class Neo4jStore:
    """A graph in a Neo4j database that holds nothing else of the same labels. Safe to use from several threads."""

    def __init__(self, url: str, *, auth: tuple[str, str] | None = None) -> None:
        """``auth`` is (user, password). Raises StoreAuthError, StoreUnavailable, FormatError, StoreUrlError."""
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise StoreUrlError("the store URL holds a user or a password; leave them out and pass them as auth")
        self._url = url
        self._lock = RLock()
        self._types: dict[str, str] = {}  # of entities that are known to be there at version self._types_at
        self._types_at = self._raised = 0  # the latter: versions that this store made
        with self._translated():
            self._driver = _driver(url, auth)
        try:
            with self._translated(), _good_address(url):
                self._driver.verify_connectivity()
            with self._translated():
                self._bookmarks = neo4j.GraphDatabase.bookmark_manager()
                self._prepare()
        except BaseException:
            self._driver.close()
            raise

    @property
    def version(self) -> int:
        return self._once(_state).version

    def entity(self, entity_id: str) -> Entity:
        return self._once(lambda tx: entity_by_id(tx, entity_id))

    def entities(self, *, type: str | None = None) -> Iterator[Entity]:
        if type is not None and type not in cypher.ENTITY_IDS_OF:
            return
        listing = cypher.ENTITY_IDS if type is None else cypher.ENTITY_IDS_OF[type]

        def page(tx: Transaction, ids: Sequence[str]) -> list[Entity]:
            found = entities_by_id(tx, ids)
            return [found[i] for i in ids if i in found]

        yield from self._paged(lambda tx: sorted_ids(tx, listing, PAGE), page)

    def document(self, document_id: str) -> Document:
        found = self._once(lambda tx: documents_by_id(tx, [document_id])) if is_unicode(document_id) else []
        if not found:
            raise UnknownDocument(document_id)
        return found[0]

    def documents(self, *, about: str | None = None) -> Iterator[Document]:
        if about is not None and not is_unicode(about):
            return
        query = cypher.DOCUMENT_IDS if about is None else cypher.DOCUMENT_IDS_ABOUT
        yield from self._paged(lambda tx: sorted_ids(tx, query, PAGE // 10, ids=[about]), documents_by_id)

    def facts(
        self,
        *,
        head: str | None = None,
        relation: str | None = None,
        tail: str | None = None,
        until: Timestamp | None = None,
        allow_undated: bool = False,
    ) -> Iterator[Fact]:
        if relation not in cypher.FACTS or not all(is_unicode(i) for i in (head, tail) if i is not None):
            return
        to_tail = tail is not None

        def pages(tx: Transaction) -> list[list[str]]:
            return [[head]] if head is not None else head_pages(tx, cypher.HEADS[relation][to_tail], tail)

        def page(tx: Transaction, ids: Sequence[str]) -> list[Fact]:
            rows = tx.run(cypher.FACTS[relation][to_tail], heads=ids, tail=tail)
            return sorted(map(fact_of, rows), key=lambda fact: fact.triple)

        for fact in self._paged(pages, page):
            told = fact if until is None else fact.before(until, allow_undated=allow_undated)
            if told is not None:
                yield told

    def paths(self, source: str, target: str, *, max_hops: int = 3, limit: int = 10) -> list[GraphPath]:
        def found(tx: Transaction) -> list[GraphPath]:
            entity_by_id(tx, source), entity_by_id(tx, target)
            return find_paths(source, target, partial(facts_around, tx), max_hops=max_hops, limit=limit)

        return self._read(found)[1]

    def search(self, text: str, *, type: str | None = None, limit: int = 20) -> list[tuple[Entity, float]]:
        tokens = searching.query_tokens(text)
        if not tokens:
            return []
        _, found = self._read(lambda tx: candidates(tx, tokens, type))
        return searching.rank(text, found, limit)

    def put(
        self, entities: Iterable[Entity] = (), facts: Iterable[Fact] = (), documents: Iterable[Document] = ()
    ) -> Counts:
        batch = Batch.of(entities, facts, documents)
        with self._lock:
            if batch.size <= WHOLE:
                return self._put(batch, part=False, last=True)
            self._once(lambda tx: neo4j_writing.checked(tx, batch, {}))  # refused as a whole, before the first part
            parts = list(batch.parts(WHOLE))
            numbered = enumerate(parts, 1)
            return sum((self._put(p, part=True, last=n == len(parts)) for n, p in numbered), start=Counts())

    def retract(self, source: str) -> Counts:
        if not is_unicode(source):
            return Counts()

        def work(tx: Transaction, state: _State) -> tuple[Counts, _State]:
            loose = {source} if _ANYWHERE in state.sources else set(state.sources)
            counts = neo4j_writing.retract(tx, source, loose)
            left = tuple(s for s in state.sources if s != source)
            return counts, _State(state.version + bool(counts), False, state.unfinished, left)

        with self._lock:
            self._types.clear()
            return self._write(work)

    def close(self) -> None:
        self._driver.close()

    def __enter__(self) -> "Neo4jStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _put(self, batch: Batch, *, part: bool, last: bool) -> Counts:
        """One transaction; ``part`` of a larger put, whose ``last`` one raises the version."""
        found: dict[str, str] = {}

        def work(tx: Transaction, state: _State) -> tuple[Counts, _State]:
            if state.version != self._types_at:
                self._types.clear()
            plan = neo4j_writing.checked(tx, batch, self._types)
            counts = neo4j_writing.write(tx, plan)
            found.update(plan.types)
            raised = last and bool(counts or (part and state.unfinished))
            unfinished = state.unfinished or bool(counts) if part and not last else state.unfinished and not part
            sources = _remembered({*state.sources, *plan.loose})
            return counts, _State(state.version + raised, False, unfinished, sources)

        with self._lock:
            counts = self._write(work)
            if len(self._types) > _MAX_TYPES:
                self._types.clear()
            self._types.update(found)
        return counts

    def _write(self, work: Callable[[Transaction, _State], tuple[Counts, _State]]) -> Counts:
        """Run ``work`` as the one writer and commit what it did together with the new state that it returns."""
        announced = False
        version = raised = 0

        @neo4j.unit_of_work(timeout=WRITE_SECONDS)
        def job(tx: neo4j.ManagedTransaction) -> Counts:
            nonlocal announced, version, raised
            tx.run(cypher.ACQUIRE, id=cypher.WRITER_ID).consume()
            before = replace(_state(tx), committing=False)
            counts, after = work(tx, before)
            version, raised = after.version, after.version - before.version
            if counts or after != before:
                announced = True
                self._announce(begins=True)
                told: dict[str, Any] = {"version": after.version, "sources": list(after.sources)}
                tx.run(cypher.FINISH, told | {"id": cypher.META_ID, "unfinished": after.unfinished or None})
            tx.run(cypher.RELEASE, id=cypher.WRITER_ID)
            return counts

        with self._translated(writing=True):
            try:
                with self._session() as session:
                    counts = session.execute_write(job)
            finally:
                if announced:
                    # Where even this fails, readers wait a while and go on.
                    with suppress(driver_errors.DriverError, driver_errors.Neo4jError):
                        self._announce(begins=False)
        self._types_at = version
        self._raised += raised
        return counts

    def _announce(self, *, begins: bool) -> None:
        """Tell readers, outside the writer's transaction, that its commit is about to be applied, or has been."""
        told: dict[str, Any] = {"id": cypher.META_ID, "format": FORMAT, "begins": begins}
        with self._session() as session:
            session.execute_write(lambda tx: tx.run(cypher.ANNOUNCE, told).consume())

    def _once(self, work: Callable[[Transaction], T]) -> T:
        """One reading transaction."""
        with self._translated(), self._session() as session:
            return session.execute_read(neo4j.unit_of_work(timeout=READ_SECONDS)(work))

    def _read(self, work: Callable[[Transaction], T]) -> tuple[int, T]:
        """What ``work`` finds within one version of the graph, and that version.

        A commit that is announced or that came between the two looks means: look again. The announcement is made
        before the commit and taken back after it, so no answer can lie across one. One that was made too long ago
        died with its process.
        """
        began = time.monotonic()
        while True:
            waited = time.monotonic() - began  # a slow read may miss what grows old meanwhile
            before, value, after = self._once(lambda tx: (_state(tx), work(tx), _state(tx)))
            if before == after and not before.committing:
                return before.version, value
            if waited > COMMIT_SECONDS:
                log.warning("%s: commit after commit; an answer may lie across two versions", self._url)
                return after.version, value
            time.sleep(_PAUSE)

    def _paged(self, pages: Callable[[Transaction], list[list[str]]], page: _Page[T]) -> Iterator[T]:
        """The list of pages and the first page are read at once, so that a short answer belongs to one version."""

        def first(tx: Transaction) -> tuple[list[list[str]], list[T]]:
            listed = pages(tx)
            return listed[1:], page(tx, listed[0]) if listed else []

        raised, (version, (rest, found)) = self._raised, self._read(first)
        yield from found
        for ids in rest:
            now, found = self._read(partial(page, ids=ids))
            version, raised = version + self._raised - raised, self._raised  # who writes while reading knows that
            if now != version:
                log.warning("%s: the graph went from version %d to %d while it was read", self._url, version, now)
                version = now
            yield from found

    def _session(self) -> neo4j.Session:
        return self._driver.session(fetch_size=PAGE, bookmark_manager=self._bookmarks)

    def _prepare(self) -> None:
        """Refuse what is not ours, make the constraints and indexes that are missing."""
        with self._session() as session:
            graph = session.run(cypher.STATE, _asked()).single()
            stranger = None if graph else session.run(cypher.FOREIGN).single()
            if stranger is not None:
                raise FormatError(
                    f"{self._url} holds nodes labelled {stranger['label']} that belong to no graph of ours; "
                    "give an empty database"
                )
            if graph is not None and graph["format"] != FORMAT:
                raise FormatError(
                    f"{self._url} has the format {graph['format']} and this version reads {FORMAT}; use the version of "
                    "shopgraph that wrote it, or export there and load into an empty database"
                )
            if graph is not None and graph["unfinished"]:
                log.warning("%s: the last large put was cut off; run it again to finish it", self._url)
            names = session.run(cypher.INDEX_NAMES).single(strict=True)["names"]
            missing = [statement for name, statement in cypher.INDEXES.items() if name not in names]
            if missing:
                session.execute_write(lambda tx: [tx.run(statement).consume() for statement in missing])
                session.run(cypher.AWAIT_INDEXES, seconds=int(READ_SECONDS)).consume()

    @contextmanager
    def _translated(self, *, writing: bool = False) -> Iterator[None]:
        """The driver's errors in our words."""
        try:
            yield
        except (driver_errors.DriverError, driver_errors.Neo4jError) as error:
            raise _our_error(self._url, error, writing) from error


def _driver(url: str, auth: tuple[str, str] | None) -> neo4j.Driver:
    with _good_address(url):
        return neo4j.GraphDatabase.driver(
            url,
            auth=auth,
            connection_timeout=CONNECT_SECONDS,
            connection_acquisition_timeout=2 * CONNECT_SECONDS,
            max_transaction_retry_time=RETRY_SECONDS,
            notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
            user_agent="shopgraph",
        )


@contextmanager
def _good_address(url: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, driver_errors.ConfigurationError) as error:
        raise StoreUrlError(f"{url!r} is no Neo4j address ({error}); write neo4j://host:7687") from error


def _our_error(url: str, error: Exception, writing: bool) -> StoreUnavailable:
    code = getattr(error, "code", None) or type(error).__name__
    if isinstance(error, driver_errors.AuthError) or code.startswith("Neo.ClientError.Security"):
        return StoreAuthError(
            f"{url} refused the credentials ({code}); give the right ones in SHOPGRAPH_NEO4J_USER and "
            "SHOPGRAPH_NEO4J_PASSWORD"
        )
    if isinstance(error, driver_errors.DriverError) and "closed" in str(error):
        return StoreUnavailable(f"{url}: the store is closed; open it again")
    if "OutOfMemory" in code:
        return StoreUnavailable(
            f"{url}: the server has too little memory for this transaction ({code}); raise db.memory.transaction.max "
            "or the heap in its neo4j.conf"
        )
    if "TimedOut" in code or "LockAcquisition" in code:
        told = f"{url}: gave up waiting ({code}); another writer or a heavy query holds the server, wait for its end"
        return StoreLocked(told) if writing else StoreUnavailable(told)
    told = " ".join(str(error).split()) or code
    return StoreUnavailable(f"{url}: {told} ({code}); is Neo4j running there, is the port its Bolt port?")


def _state(tx: Transaction) -> _State:
    row = next(iter(tx.run(cypher.STATE, _asked())), None)
    if row is None:
        return _State()
    return _State(row["version"], row["committing"], row["unfinished"], tuple(row["sources"]))


def _asked() -> dict[str, Any]:
    return {"id": cypher.META_ID, "patience": round(COMMIT_SECONDS * 1_000)}


def _remembered(sources: set[str]) -> tuple[str, ...]:
    return (_ANYWHERE,) if _ANYWHERE in sources or len(sources) > _MAX_LOOSE else tuple(sorted(sources))
