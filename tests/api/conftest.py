"""A shop small enough to know by heart, behind the real application: graph, log, a fitted model, HTTP."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.bootstrap import shop as open_shop
from api.cli import app as command_line
from api.deps import Services
from api.intake import Intake
from api.metrics import Metrics
from api.serving import ModelHolder
from api.settings import Settings
from api.workspace import Workspace
from kg.events import EventLog
from kg.store import GraphStore
from kg.stores.memory import MemoryStore
from kg.stores.sqlite import SqliteStore
from kg.types import Action, Document, Entity, Evidence, Fact, Interaction
from recommender.artifact import promote, save
from recommender.choosing import build
from recommender.model import Model
from recommender.models.itemknn import ItemKNN
from recommender.models.mixture import Mixture
from recommender.models.relations import Relations
from recommender.reading import read_dataset
from recommender.recommender import Recommender

TEXT = "VB-20 Battery\nMade for the Velkin K5 camera. 适用于 K5。🔋"
DAY = 86_400
START = 1_767_225_600  # 2026-01-01T00:00:00Z


def _product(shop_id: str, name: str, **properties: str | float | bool) -> Entity:
    return Entity(f"product:{shop_id}", "Product", name, properties=properties)


def _fact(head: str, relation: str, tail: str, evidence: Evidence | None = None) -> Fact:
    return Fact(head, relation, tail, (evidence or Evidence("catalog", "catalog", 0.9),))


def _quoted(quote: str) -> Evidence:
    start = TEXT.index(quote)
    return Evidence("doc:vb", "rules", 0.8, field="description", quote=quote, start=start, end=start + len(quote))


def _counted(users: int, lift: float) -> Evidence:
    counts = {"support": float(users), "users": float(users), "lift": lift}
    return Evidence("behavior:BOUGHT_WITH", "behavior", 0.5, at=START, counts=counts)


PRODUCTS = (
    _product("k5", "Velkin K5 Camera", price=900.0, currency="USD"),
    _product("vb", "VB-20 Battery", price=50.0),
    _product("bag", "Shoulder Bag"),
    _product("mug", "Enamel Mug"),
    _product("tent", "Two-Person Tent", available=False),
    _product("咖啡/机:1?#%", "摩卡壶 Moka 咖啡机"),
    _product("k5/related", "An id that ends like a route"),
    _product("🎧 a b", "Headphones <img src=x onerror=alert(1)></script>"),
)
OTHERS = (
    Entity("thing:velkin k5", "Thing", "Velkin K5"),
    Entity("use:travel", "Use", "travel"),
    Entity("brand:velkin", "Brand", "Velkin", aliases=("维尔金",)),
    Entity("category:photo", "Category", "Photo"),
    Entity("category:photo > power", "Category", "Power"),
    Entity("value:power/volume/1 l", "Value", "1 l", properties={"attribute": "volume", "value": "1 l"}),
)
FACTS = (
    _fact("product:vb", "COMPATIBLE_WITH", "thing:velkin k5", _quoted("Velkin K5")),
    _fact("product:vb", "COMPATIBLE_WITH", "product:k5", _quoted("适用于 K5")),
    _fact("product:vb", "HAS_ATTRIBUTE", "value:power/volume/1 l"),
    _fact("product:k5", "USED_FOR", "use:travel"),
    _fact("product:bag", "USED_FOR", "use:travel"),
    _fact("product:bag", "BOUGHT_WITH", "product:k5", _counted(7, 11.4)),
    _fact("product:k5", "BOUGHT_WITH", "product:咖啡/机:1?#%", _counted(1, 1.2)),
    _fact("product:k5", "MADE_BY", "brand:velkin"),
    _fact("product:k5", "IN_CATEGORY", "category:photo"),
    _fact("product:vb", "IN_CATEGORY", "category:photo > power"),
    _fact("category:photo > power", "SUBCATEGORY_OF", "category:photo"),
)
DOCUMENTS = (
    Document("doc:vb", "product:vb", "product", TEXT),
    Document("review:1", "product:vb", "review", "Lasts the whole day.", at=START),
)


def event(event_id: str, user: str | None, product: str, action: Action = "purchase", at: int = 0) -> Interaction:
    return Interaction(event_id, product, action, START + at, user, None if user else "s1")


EVENTS = (
    event("e1", "u1", "mug", at=1), event("e2", "u1", "tent", at=2), event("e3", "u2", "mug", at=3),
    event("e4", "u2", "bag", at=4), event("e5", "u3", "tent", at=5), event("e6", "u3", "mug", at=6),
    event("e7", "用户/a:b", "k5", "view", at=7), event("e8", "用户/a:b", "k5", at=DAY),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shop:
    """Open services, and the application over them."""

    services: Services
    client: TestClient
    store: GraphStore
    log: EventLog

    @property
    def models(self) -> Path:
        return self.services.workspace.models

    def train(self, model: Model | None = None) -> str:
        """Fit on everything there is, and serve the result; the name of the artifact."""
        data = read_dataset(self.store, self.log.table(), allow_undated=True)
        chosen = model or Mixture(((1.0, ItemKNN()), (0.5, Relations())))
        folder = save(build(chosen, data, {"seed": 7}), self.models)
        promote(folder)
        return folder.name


@contextmanager
def opened(store: GraphStore, folder: Path) -> Iterator[Shop]:
    store.put([*PRODUCTS, *OTHERS], FACTS, DOCUMENTS)
    workspace = Workspace(folder)
    workspace.open()
    with EventLog(workspace.events) as log:
        log.append(EVENTS)
        models = ModelHolder(workspace.models, lambda f: Recommender.load(f, store, log), look_every=0.0)
        services = Services(store, log, models, workspace, Metrics(), intake=Intake(store, workspace))
        with TestClient(create_app(services), raise_server_exceptions=False) as client:
            yield Shop(services, client, store, log)


@pytest.fixture
def untrained(tmp_path: Path) -> Iterator[Shop]:
    """The shop before its first training."""
    with MemoryStore() as store, opened(store, tmp_path) as shop:
        yield shop


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same for all tests of a file."""
    with MemoryStore() as store, opened(store, tmp_path_factory.mktemp("bare")) as shop:
        yield shop


@pytest.fixture
def shop(untrained: Shop) -> Shop:
    """A trained shop of one's own."""
    untrained.train()
    return untrained


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A trained shop for all tests of a file that change nothing which others look at."""
    with MemoryStore() as store, opened(store, tmp_path_factory.mktemp("trained")) as shop:
        shop.train()
        yield shop


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The same, in memory and in SQLite."""
    folder = tmp_path_factory.mktemp("shop")
    with (
        MemoryStore() if request.param == "memory" else SqliteStore(folder / "graph.db") as store,
        opened(store, folder) as shop,
    ):
        shop.train()
        yield shop


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A trained shop in SQLite for all tests of a file that bring products of their own."""
    folder = tmp_path_factory.mktemp("own")
    with SqliteStore(folder / "graph.db") as store, opened(store, folder) as shop:
        shop.train()
        yield shop


@pytest.fixture
def get(shared: Shop) -> Callable[..., dict[str, object]]:
    """The JSON of a route that answers 200."""

    def ask(path: str, **query: object) -> dict[str, object]:
        answer = shared.client.get(path, params={n: str(v) for n, v in query.items()} or None)
        assert answer.status_code == 200, answer.text
        body: dict[str, object] = answer.json()
        return body

    return ask


TASTES = [f"{taste}{place}" for taste in ("tea", "咖啡") for place in range(12)]
BRANDS = ("brand:leaf", "brand:豆 <img src=x onerror=alert(1)> {b}")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighty users, each of one taste, buying for sixty days, in a workspace to copy."""
    folder = tmp_path_factory.mktemp("tastes")
    random = np.random.default_rng(0)
    with open_shop(Settings(workspace=folder), write=True) as one:
        one.store.put(
            [Entity(f"product:{name}", "Product", name) for name in TASTES] + [Entity(b, "Brand", b) for b in BRANDS],
            [_fact(f"product:{name}", "MADE_BY", BRANDS[place // 12]) for place, name in enumerate(TASTES)],
        )
        one.log.append(
            Interaction(f"{user}-{at}", TASTES[12 * (user % 2) + item], "purchase", START + int(at), f"u{user}")
            for user in range(80)
            for at, item in zip(np.sort(random.integers(0, 60 * DAY, 8)), random.permutation(12), strict=False)
        )
    return folder


@pytest.fixture(scope="session")
def evaluated(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shop of two tastes after `shopgraph evaluate`, with everything that competes; it takes ten seconds."""
    workspace = Workspace(tmp_path_factory.mktemp("evaluated") / "shop")
    shutil.copytree(filled, workspace.root)
    done = CliRunner().invoke(command_line, ["evaluate", "--json", "--workspace", str(workspace.root)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"]
    return workspace
