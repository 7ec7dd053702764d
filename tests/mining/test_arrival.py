"""Products that arrive one by one leave the graph that the whole catalogue would have given."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from kg import snapshot
from kg.errors import StoreUnavailable
from kg.events import EventLog
from kg.store import GraphStore
from kg.stores.memory import MemoryStore
from kg.types import Counts, Document, Entity, Fact
from mining import loading, samples
from mining.arrival import Arrivals
from mining.extraction.rules import RuleExtractor
from mining.progress import Silent
from mining.sources import read_products
from mining.text_facts import TextMining

LAST = 12  # rows of the sample shop that come later


@pytest.fixture(scope="module")
def rules() -> RuleExtractor:
    return RuleExtractor()


def whole(store: GraphStore, catalog: Path, rules: RuleExtractor, folder: Path) -> GraphStore:
    with EventLog(folder / "events.db") as log:
        loading.load(store, log, catalog=catalog)
    TextMining(store, [rules], run_dir=folder, run=None).run(until=None, allow_undated=True, progress=Silent())
    return store


def sent(catalog: Path) -> list[dict[str, object]]:
    """The last rows of the catalogue as a shop would send them."""
    rows = list(read_products(catalog, on_reject=lambda reject: pytest.fail(reject.reason)))[-LAST:]
    names = ("id", "title", "description", "brand", "category", "price", "currency", "gtin", "mpn", "available")
    return [{**{name: getattr(row, name) for name in names}, "attributes": row.attributes} for row in rows]


def test_one_by_one_is_the_same_graph_as_all_at_once(tmp_path: Path, rules: RuleExtractor) -> None:
    catalog = samples.sample_shop().catalog
    shorter = tmp_path / "shorter.jsonl"
    shorter.write_text("".join(catalog.read_text("utf-8").splitlines(keepends=True)[:-LAST]), "utf-8")
    with MemoryStore() as once, MemoryStore() as grown:
        for name in ("once", "grown"):
            (tmp_path / name).mkdir()
        whole(once, catalog, rules, tmp_path / "once")
        whole(grown, shorter, rules, tmp_path / "grown")
        assert snapshot.digest(grown) != snapshot.digest(once)
        arrivals = Arrivals(grown, [rules], run_dir=tmp_path / "grown")
        assert {arrivals.take(values).status for values in sent(catalog)} == {"created"}
        assert snapshot.digest(grown) == snapshot.digest(once)
        assert {arrivals.take(values).status for values in sent(catalog)} == {"unchanged"}


class Dying(MemoryStore):
    """Refuses the next put after something was retracted, as a killed process would never come to it."""

    dying = False

    def retract(self, source: str) -> Counts:
        self.dying = True
        return super().retract(source)

    def put(
        self, entities: Iterable[Entity] = (), facts: Iterable[Fact] = (), documents: Iterable[Document] = ()
    ) -> Counts:
        if self.dying:
            self.dying = False
            raise StoreUnavailable("gone")
        return super().put(entities, facts, documents)


def test_killed_between_the_old_text_and_the_new_one_it_is_finished_by_the_next(
    tmp_path: Path, rules: RuleExtractor
) -> None:
    with Dying() as store, MemoryStore() as fresh:
        arrivals = Arrivals(store, [rules], run_dir=tmp_path)
        arrivals.take({"id": "a", "title": "Old Kettle", "brand": "Acme"})
        with pytest.raises(StoreUnavailable):
            arrivals.take({"id": "a", "title": "Kettle made for the Velkin K5"})
        arrivals.take({"id": "b", "title": "Another"})
        for values in ({"id": "a", "title": "Kettle made for the Velkin K5"}, {"id": "b", "title": "Another"}):
            Arrivals(fresh, [rules], run_dir=tmp_path).take(values)
        assert snapshot.digest(store) == snapshot.digest(fresh)


def test_what_is_left_out_is_told(tmp_path: Path, rules: RuleExtractor) -> None:
    with MemoryStore() as store:
        arrivals = Arrivals(store, [rules], run_dir=tmp_path)
        told = arrivals.take({"id": "a", "title": "Cup", "brand": "Unknown", "attributes": {"note": "x" * 300}})
        assert told.product == store.entity("product:a")
        assert "placeholder brand" in told.notes
        assert any(note.startswith("attribute longer") for note in told.notes)
        assert not list(store.facts(relation="MADE_BY"))
