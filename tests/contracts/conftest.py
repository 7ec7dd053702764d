"""Every implementation that the laws of this folder are held against. A new store is one line in ``STORES``."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from kg.store import GraphStore
from kg.stores.memory import MemoryStore
from kg.stores.neo4j import Neo4jStore
from kg.stores.sqlite import SqliteStore

NewStore = Callable[[], GraphStore]  # a new, empty store at each call


def _sqlite(request: pytest.FixtureRequest) -> NewStore:
    folder, numbers = request.getfixturevalue("tmp_path"), count()
    return lambda: SqliteStore(folder / f"{next(numbers)}.db")


def _neo4j(request: pytest.FixtureRequest) -> NewStore:
    server = request.getfixturevalue("neo4j_server")

    def new() -> GraphStore:
        server.wipe()  # it has one database: a new store empties the one before
        return Neo4jStore(server.url, auth=server.auth)

    return new


# The name of a module of kg/stores → what makes its stores. A store that needs a server asks for the server's fixture:
# lambda request: request.getfixturevalue("...").
STORES: dict[str, Callable[[pytest.FixtureRequest], NewStore]] = {
    "memory": lambda request: MemoryStore,
    "sqlite": _sqlite,
    "neo4j": _neo4j,
}


@pytest.fixture
def store_names() -> frozenset[str]:
    return frozenset(STORES)


@pytest.fixture(params=sorted(STORES))
def new_store(request: pytest.FixtureRequest) -> Iterator[NewStore]:
    """Makes empty stores of one kind; all are closed after the test."""
    make, made = STORES[request.param](request), []

    def new() -> GraphStore:
        made.append(make())
        return made[-1]

    yield new
    for store in made:
        store.close()


@pytest.fixture
def store(new_store: NewStore) -> GraphStore:
    return new_store()
