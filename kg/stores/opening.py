"""``open_store``: the store behind a URL. A new kind of store is one file here and one line in ``SCHEMES``."""

from collections.abc import Callable
from pathlib import Path

from kg.errors import StoreUrlError
from kg.store import GraphStore

Auth = tuple[str, str]  # user, password


def open_store(url: str, *, auth: Auth | None = None) -> GraphStore:
    """Open ``memory://`` · ``sqlite:///relative.db`` · ``sqlite:////absolute.db`` · ``neo4j://host:7687`` · ``bolt://…``.

    ``auth`` is (user, password) for a server; embedded stores have no use for it. Raises StoreUrlError for a URL that
    nobody understands or that holds credentials, StoreUnavailable where the backend cannot be reached.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        # Only the scheme is told: whatever follows may hold a password.
        told = repr(scheme) if separator else "a text without ://"
        raise StoreUrlError(f"the store URL has {told} for a scheme; known are {', '.join(f'{s}://' for s in SCHEMES)}")
    return SCHEMES[scheme](url, rest, auth)


def _memory(url: str, rest: str, auth: Auth | None) -> GraphStore:
    from kg.stores.memory import MemoryStore

    if rest.strip("/"):
        raise StoreUrlError(f"{url!r} names something, but a store in memory has no name; write memory://")
    return MemoryStore()


def _sqlite(url: str, rest: str, auth: Auth | None) -> GraphStore:
    from kg.stores.sqlite import SqliteStore

    if not rest.startswith("/") or not rest[1:]:
        raise StoreUrlError(f"{url!r} names no file; write sqlite:///relative.db or sqlite:////absolute.db")
    return SqliteStore(Path(rest[1:]))


def _neo4j(url: str, rest: str, auth: Auth | None) -> GraphStore:
    if "@" in rest.partition("/")[0]:
        raise StoreUrlError("the store URL holds a user or a password; leave them out and pass them as auth")
    from kg.stores.neo4j import Neo4jStore

    store: GraphStore = Neo4jStore(url, auth=auth)
    return store


SCHEMES: dict[str, Callable[[str, str, Auth | None], GraphStore]] = {
    "memory": _memory,
    "sqlite": _sqlite,
    "neo4j": _neo4j,
    "bolt": _neo4j,
}
