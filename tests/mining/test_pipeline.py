"""The stages from files to facts: known results, and the same graph whatever was interrupted, repeated or reordered."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg import ids
from kg.events import EventLog
from kg.snapshot import digest
from kg.stores import open_store
from kg.types import Entity, Evidence, Fact
from mining import loading, text_facts
from mining.entity_join import joined
from mining.errors import BudgetExhausted, MiningError, RejectError, SourceError
from mining.loading import LoadOptions, load
from mining.pipeline import as_dict, mine
from mining.types import Extraction, SetAside

DAY = 86_400
START = 1_700_000_000
PRODUCTS = [
    {
        "id": "p1",
        "title": "Red mug",
        "brand": "Norrvale",
        "category": "Kitchen > Mugs",
        "description": "A red ceramic mug.",
    },
    {
        "id": "p2",
        "title": "Blue mug",
        "brand": "NORRVALE",
        "category": "Kitchen > Mugs",
        "description": "Blue. Dishwasher safe.",
    },
    {
        "id": "p3",
        "title": "马克杯架 🫖",
        "brand": "诺岭",
        "category": "Kitchen > Racks",
        "description": "红色 rack, holds red mugs.",
    },
    {"id": "p4", "title": "Tea towel", "category": "Kitchen > Linen", "description": "RED stripes"},
]
REVIEWS = [
    {"id": "r1", "product": "p1", "user": "u1", "text": "Lovely red", "time": START + DAY},
    {"id": "r2", "product": "p1", "user": "u2", "text": "so red!", "time": START + 3 * DAY},
    {"id": "r3", "product": "p2", "user": "u2", "text": "red? no", "time": START + 5 * DAY},
]
RELATIONS = [
    {"head": "p1", "relation": "also_bought", "tail": "p3"},
    {"head": "p1", "relation": "also_viewed", "tail": "p2"},
]


def events():
    rows = []
    for i in range(40):
        bought, seen = ("p1", "p3") if i % 4 == 0 else ("p2",), ("p1", "p2") if i % 4 == 1 else ("p4",)
        at = START + i * DAY // 5
        rows += [{"user": f"u{i}", "product": p, "action": "purchase", "time": at} for p in bought]
        rows += [{"user": f"u{i}", "product": p, "action": "view", "time": at - 60} for p in seen]
    return rows


def write(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    tables = {"catalog": PRODUCTS, "reviews": REVIEWS, "relations": RELATIONS, "events": events()}
    return {kind: write(folder / f"{kind}.jsonl", rows) for kind, rows in tables.items()}


class Words:
    """Finds one word, in whatever case, and says it is the product's colour: a small extractor that keeps every law."""

    def __init__(self, word="red", *, method="words", version="1", kinds=("product", "review")):
        self.word, self.method, self.version, self.kinds = word, method, version, kinds
        self.asked = []

    def extract(self, documents):
        for document in documents:
            self.asked.append(document.id)
            start = document.text.casefold().find(self.word) if document.kind in self.kinds else -1
            if start < 0:
                yield Extraction(document.id)
                continue
            end = start + len(self.word)
            quote = document.text[start:end]
            value = Entity(ids.value("*", "color", quote), "Value", quote, properties={"attribute": "color"})
            evidence = Evidence(document.id, self.method, 0.5, at=document.at, quote=quote, start=start, end=end)
            fact = Fact(document.about, "HAS_ATTRIBUTE", value.id, (evidence,))
            yield Extraction(document.id, (value,), (fact,))


class Praise(Words):
    """Says that a review praises the colour, which only two reviews together may."""

    def __init__(self):
        super().__init__(method="praise", kinds=("review",))
        self.quorum = {"PRAISED_FOR": 2}

    def extract(self, documents):
        for extraction in super().extract(documents):
            aspect = Entity("aspect:color", "Aspect", "color")
            facts = tuple(Fact(f.head, "PRAISED_FOR", aspect.id, f.evidence) for f in extraction.facts)
            yield Extraction(extraction.document_id, (aspect,) if facts else (), facts)


def state(store):
    return (list(store.entities()), list(store.documents()), list(store.facts()))


class Shop:
    """A store and a log in one folder."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.store = open_store(f"sqlite:///{folder / 'graph.db'}")
        self.log = EventLog(folder / "events.db")

    def load(self, files, **options):
        return load(self.store, self.log, **files, rejects_dir=self.folder / "rejects", **options)

    def mine(self, *extractors, **options):
        return mine(self.store, self.log, extractors=extractors, run_dir=self.folder / "run", **options)

    def close(self):
        self.store.close()
        self.log.close()


@pytest.fixture
def shops(tmp_path):
    made = []

    def shop(name="shop"):
        made.append(Shop(tmp_path / name))
        return made[-1]

    yield shop
    for one in made:
        one.close()


def without(files, *kinds):
    return {kind: path for kind, path in files.items() if kind not in kinds}


# --- load -------------------------------------------------------------------------------------------------------


def test_load_puts_everything_and_counts_it(shops, files):
    shop = shops()
    report = shop.load(files)
    assert [report.catalog.read["kept"], report.catalog.written["documents"]] == [4, 4]
    assert report.reviews.written["documents"] == 3
    assert report.relations.written["facts"] == 2
    assert report.events.written == {"events": shop.log.count} == {"events": len(events())}
    assert {d.id for d in shop.store.documents(about="product:p1")} == {"doc:p1", "review:r1", "review:r2"}
    (fact,) = shop.store.facts(relation="BOUGHT_WITH")
    assert (fact.triple, fact.evidence[0].source) == (
        ("product:p1", "BOUGHT_WITH", "product:p3"),
        "catalog:also_bought",
    )
    assert json.loads(json.dumps(as_dict(report)))["catalog"]["read"]["read"] == 4


def test_loading_twice_changes_nothing(shops, files):
    shop = shops()
    shop.load(files)
    before, version = state(shop.store), shop.store.version
    report = shop.load(files)
    assert (state(shop.store), shop.store.version) == (before, version)
    assert (report.catalog.unchanged, report.reviews.unchanged) == (4, 3)
    assert report.events.unchanged == len(events())


def test_rows_on_unknown_products_are_set_aside_by_row(shops, files):
    extra = {"product": "ghost", "user": "u1", "action": "view", "time": START}
    nobody = {"product": "p1", "action": "view", "time": START}
    write(files["events"], [*events()[:2], extra, *events()[2:], nobody])
    write(files["reviews"], [{**REVIEWS[0], "product": "ghost"}, *REVIEWS[1:]])
    write(files["relations"], [*RELATIONS, {"head": "p1", "relation": "also_bought", "tail": "ghost"}])
    shop = shops()
    report = shop.load(files)
    assert report.events.set_aside == {"neither user nor session": 1, "unknown product": 1}
    assert report.reviews.set_aside == report.relations.set_aside == {"unknown product": 1}
    rejects = [json.loads(line) for line in (shop.folder / "rejects" / "events.jsonl").read_text().splitlines()]
    assert [(r["row"], r["file"]) for r in rejects] == [(n, str(files["events"])) for n in (3, len(events()) + 2)]
    assert shop.log.count == len(events())


def test_a_bad_row_is_rejected_with_its_row_and_raises_when_strict(shops, files):
    write(files["catalog"], [*PRODUCTS, {"title": "no id"}])
    shop = shops()
    report = shop.load(without(files, "reviews", "relations", "events"))
    assert report.catalog.read["set_aside"] == 1
    (reject,) = (shop.folder / "rejects" / "catalog.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(reject)["row"] == 5
    with pytest.raises(RejectError, match="row 5"):
        shop.load({"catalog": files["catalog"]}, options=LoadOptions(strict=True))


def test_columns_map_by_kind_of_file(shops, files):
    write(files["catalog"], [{"artikel": "p1", "name": "Red mug"}])
    shop = shops()
    shop.load({"catalog": files["catalog"]}, options=LoadOptions(columns={"catalog": {"id": "artikel"}}))
    assert shop.store.entity("product:p1").name == "Red mug"


def test_a_new_text_takes_the_place_of_the_old(shops, files):
    changed = [{**PRODUCTS[0], "description": "Now green.", "category": "Garden > Pots"}, *PRODUCTS[1:]]
    old, new = shops("old"), shops("new")
    files = without(files, "events")
    old.load(files)
    old.mine(Words())
    write(files["catalog"], [{**p, "category": p["category"].replace("Mugs", "Cups")} for p in changed])
    write(files["reviews"], [{**REVIEWS[0], "text": "rather green"}, *REVIEWS[1:]])
    report = old.load(files)
    assert (report.catalog.rewritten, report.reviews.rewritten) == (2, 1)
    old.mine(Words())
    new.load(files)
    new.mine(Words())
    assert state(old.store) == state(new.store)
    assert "category:kitchen > mugs" not in {e.id for e in old.store.entities()}


# --- mine -------------------------------------------------------------------------------------------------------


def test_every_fact_quotes_its_document_and_the_report_counts_it(shops, files):
    shop = shops()
    shop.load(files)
    report = shop.mine(Words(), run="run-1")
    texts = {d.id: d.text for d in shop.store.documents()}
    mined = [e for f in shop.store.facts(relation="HAS_ATTRIBUTE") for e in f.evidence if e.method == "words"]
    assert {e.source for e in mined} == {"doc:p1", "doc:p3", "doc:p4", "review:r1", "review:r2", "review:r3"}
    assert all(texts[e.source][e.start : e.end] == e.quote and e.run == "run-1" for e in mined)
    assert report.facts["HAS_ATTRIBUTE"]["words"] == {"0.5-0.6": 6}
    assert (report.text.documents, report.text.added, report.text.silent) == (7, 6, 1)
    assert report.behavior.facts["BOUGHT_WITH"] == 1
    assert {f.triple for f in shop.store.facts(relation="COMPLEMENTS")} == {("product:p1", "COMPLEMENTS", "product:p3")}
    (bought,) = shop.store.facts(relation="BOUGHT_WITH")
    assert [e.source for e in bought.evidence] == ["behavior:BOUGHT_WITH", "catalog:also_bought"]
    assert json.loads(json.dumps(as_dict(report)))["text"]["extractors"]["words"]["facts"] == 6


def test_mining_twice_equals_mining_once_and_asks_nobody(shops, files):
    shop = shops()
    shop.load(files)
    shop.mine(Words())
    before, version = state(shop.store), shop.store.version
    again = Words()
    report = shop.mine(again)
    assert again.asked == []
    assert report.text.extractors["words"].cached == 7
    assert (state(shop.store), shop.store.version) == (before, version)
    assert report.behavior_written == {}


def test_incremental_equals_from_scratch(shops, files):
    grown, scratch = shops("grown"), shops("scratch")
    some = {kind: write(path.with_name(f"some-{path.name}"), [json.loads(line) for line in lines[: len(lines) // 2]])
            for kind, path in files.items() for lines in [path.read_text(encoding="utf-8").splitlines()]}  # fmt: skip
    write(some["relations"], RELATIONS[1:])
    grown.load(some)
    grown.mine(Words(), Praise())
    grown.load(files)
    grown.mine(Words(), Praise())
    scratch.load(files)
    scratch.mine(Words(), Praise())
    assert state(grown.store) == state(scratch.store)


def test_a_better_extractor_leaves_nothing_of_the_old_one(shops, files):
    files = without(files, "events")
    old, new = shops("old"), shops("new")
    for shop in (old, new):
        shop.load(files)
        shop.mine(Words("mug", method="other"))
    old.mine(Words())
    report = old.mine(Words("blue", version="2"))
    new.mine(Words("blue", version="2"))
    assert report.text.replaced == 6
    assert state(old.store) == state(new.store)


def test_batches_leave_no_trace(shops, files, monkeypatch):
    one, many = shops("one"), shops("many")
    files = without(files, "events")
    one.load(files)
    one.mine(Words(), Praise())
    monkeypatch.setattr(loading, "PRODUCTS", 1)
    monkeypatch.setattr(loading, "ROWS", 1)
    monkeypatch.setattr(text_facts, "DOCUMENTS", 1)
    many.load({**files, "catalog": write(files["catalog"].with_name("turned.jsonl"), PRODUCTS[::-1])})
    many.mine(Words(), Praise())
    assert state(one.store) == state(many.store)


def test_until_sees_nothing_of_the_future(shops, files):
    shop, cut = shops("whole"), shops("cut")
    until = START + 4 * DAY
    shop.load(files)
    report = shop.mine(Words(), Praise(), until=until, allow_undated=True)
    assert dict(report.text.left_out) == {"at or after until": 1}
    assert report.behavior.last < until
    before = [r for r in events() if r["time"] < until]
    write(files["events"], before)
    write(files["reviews"], [r for r in REVIEWS if r["time"] < until])
    cut.load(files)
    cut.mine(Words(), Praise())
    assert state(shop.store)[2] == state(cut.store)[2]
    told = list(shop.store.facts(until=until))
    assert any(f.relation == "BOUGHT_WITH" for f in told)
    assert not any(e.at is None or e.at >= until for f in told for e in f.evidence)


def test_undated_texts_count_before_until_only_where_allowed(shops, files):
    shop = shops()
    shop.load(without(files, "events"))
    report = shop.mine(Words(), until=START + 4 * DAY)
    assert dict(report.text.left_out) == {"at or after until": 1, "undated": 4}
    assert report.text.documents == 2


def test_a_fact_that_needs_two_reviews_waits_for_the_second(shops, files):
    files = without(files, "events")
    shop = shops()
    write(files["reviews"], [REVIEWS[0], REVIEWS[2]])
    shop.load(files)
    report = shop.mine(Praise())
    assert report.text.below_quorum == 2
    assert not list(shop.store.facts(relation="PRAISED_FOR"))
    write(files["reviews"], REVIEWS)
    shop.load(files)
    shop.mine(Praise())
    (fact,) = shop.store.facts(relation="PRAISED_FOR")
    assert {e.source for e in fact.evidence} == {"review:r1", "review:r2"}
    shop.store.retract("review:r2")
    shop.mine(Praise())
    assert not list(shop.store.facts(relation="PRAISED_FOR"))


def test_facts_that_break_a_law_are_set_aside_and_the_rest_is_kept(shops, files):
    class Careless(Words):
        def extract(self, documents):
            for extraction in super().extract(documents):
                facts = list(extraction.facts)
                for fact in extraction.facts:
                    (e,) = fact.evidence
                    facts += [
                        Fact(
                            "product:p4" if fact.head != "product:p4" else "product:p1",
                            "HAS_ATTRIBUTE",
                            fact.tail,
                            (e,),
                        ),
                        Fact(fact.head, "MADE_BY", fact.tail, (e,)),
                        Fact(fact.head, "HAS_ATTRIBUTE", "value:nowhere", (e,)),
                        Fact(fact.head, "HAS_ATTRIBUTE", fact.tail, ()),
                        Fact(
                            fact.head,
                            "HAS_ATTRIBUTE",
                            fact.tail,
                            (Evidence(e.source, "words", 0.5, quote="RED", start=0, end=3),),
                        ),
                    ]
                yield Extraction(extraction.document_id, extraction.entities, tuple(facts), extraction.set_aside)

    shop, clean = shops("careless"), shops("clean")
    files = {"catalog": files["catalog"]}
    shop.load(files)
    report = shop.mine(Careless())
    assert set(report.text.extractors["words"].set_aside) == {
        "head is not the document's product",
        "off schema",
        "unknown tail",
        "no evidence",
        "not quoted from the document",
    }
    clean.load(files)
    clean.mine(Words())
    assert state(shop.store) == state(clean.store)


def test_what_an_extractor_cannot_answer_now_keeps_its_old_facts(shops, files):
    class Spent(Words):
        def extract(self, documents):
            for i, extraction in enumerate(super().extract(documents)):
                if i == 1:
                    raise BudgetExhausted("no money left")
                yield extraction

    class Silenced(Words):
        def extract(self, documents):
            for document in documents:
                yield Extraction(document.id, set_aside=(SetAside(document.id, "words", "", "", "budget"),))

    shop = shops()
    shop.load({"catalog": files["catalog"]})
    shop.mine(Words(version=None))
    before = state(shop.store)
    spent = shop.mine(Spent(version=None)).text.extractors["words"]
    assert (spent.documents, spent.unread) == (4, 3)
    silenced = shop.mine(Silenced(version=None)).text.extractors["words"]
    assert (silenced.unread, silenced.set_aside) == (4, {"budget": 4})
    assert state(shop.store) == before


def test_a_disorderly_extractor_is_named(shops, files):
    class Lost(Words):
        def extract(self, documents):
            yield from list(super().extract(documents))[1:]

    shop = shops()
    shop.load({"catalog": files["catalog"]})
    with pytest.raises(MiningError, match="'words' must give one extraction a document"):
        shop.mine(Lost())
    with pytest.raises(MiningError, match="a method of its own"):
        shop.mine(Words(), Words("blue"))


def test_a_cache_that_is_none_is_named(shops, files):
    shop = shops()
    shop.load({"catalog": files["catalog"]})
    (shop.folder / "run").mkdir()
    (shop.folder / "run" / "extractions.db").write_bytes(b"no database at all, but long enough to be read as one" * 9)
    with pytest.raises(SourceError, match="delete it"):
        shop.mine(Words())


# --- interrupted --------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stops a run where no handler of the code can catch it."""


class DyingStore:
    """The store of a process that dies before its n-th write."""

    def __init__(self, store, writes):
        self._store, self._left = store, writes

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _write(self):
        self._left -= 1
        if self._left < 0:
            raise Killed

    def put(self, *args, **kwargs):
        self._write()
        return self._store.put(*args, **kwargs)

    def retract(self, source):
        self._write()
        return self._store.retract(source)


def test_dying_before_any_write_and_going_on_ends_in_the_same_graph(shops, files):
    files = without(files, "events")
    before = dict(files)
    changed = write(files["catalog"].with_name("changed.jsonl"), [{**p, "title": f"{p['title']} II"} for p in PRODUCTS])
    after = {**files, "catalog": changed}

    def whole(shop, store):
        """Loads, mines, loads changed files and mines with a changed extractor: every kind of write there is."""
        load(store, shop.log, **before)
        mine(store, shop.log, extractors=[Words()], run_dir=shop.folder / "run")
        last(shop, store)

    def last(shop, store):
        load(store, shop.log, **after)
        mine(store, shop.log, extractors=[Words("mug", version="2"), Praise()], run_dir=shop.folder / "run")

    undisturbed = shops("undisturbed")
    whole(undisturbed, undisturbed.store)
    expected = state(undisturbed.store)
    for writes in range(100):
        shop = shops(f"dying-{writes}")
        try:
            whole(shop, DyingStore(shop.store, writes))
        except Killed:
            last(shop, shop.store)
            assert state(shop.store) == expected, f"killed before write {writes}"
        else:
            break
    assert writes > 15


DRIVER = """
import os, signal, sys
sys.path.insert(0, {root!r})
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_pipeline import Shop, Words
shop, folder, stage = Shop(Path({shop!r})), Path({folder!r}), {stage!r}

class Deadly:
    def start(self, name, total=None):
        self.name = name
    def advance(self, amount=1):
        if self.name == stage:
            os.kill(os.getpid(), signal.SIGKILL)
    def finish(self):
        if self.name == stage:
            os.kill(os.getpid(), signal.SIGKILL)

files = {{kind: folder / (kind + ".jsonl") for kind in ("catalog", "events", "reviews", "relations")}}
shop.load(files, progress=Deadly())
shop.mine(Words(), progress=Deadly())
"""


def test_kill_9_in_every_stage_and_the_same_command_again(shops, files, tmp_path):
    shop, here, folder = tmp_path / "killed", Path(__file__).resolve(), files["catalog"].parent
    names = {"root": str(here.parents[2]), "tests": str(here.parent), "shop": str(shop), "folder": str(folder)}

    def run(stage):
        return subprocess.run([sys.executable, "-c", DRIVER.format(stage=stage, **names)], check=False).returncode

    for stage in ("catalogue", "events", "behaviour: BOUGHT_WITH"):
        assert run(stage) == -9
    assert run("none") == 0
    calm = shops("calm")
    calm.load(files)
    calm.mine(Words())
    with open_store(f"sqlite:///{shop / 'graph.db'}") as store:
        assert state(store) == state(calm.store)
        assert digest(store) == digest(calm.store)


# --- entities -----------------------------------------------------------------------------------------------------

SURFACES = st.sampled_from(["Apple", "apple", "APPLE", "苹果", "ApPle"])
VALUES = st.dictionaries(st.sampled_from(["number", "unit", "value"]), st.sampled_from([1, 1.5, "g", True]))
ENTITIES = st.builds(
    Entity,
    id=st.just("brand:apple"),
    type=st.just("Brand"),
    name=SURFACES,
    aliases=st.lists(SURFACES, max_size=2).map(tuple),
    lang=st.sampled_from([None, "en", "zh"]),
    properties=VALUES,
)


@given(a=ENTITIES, b=ENTITIES, c=ENTITIES)
def test_joining_entities_does_not_depend_on_order(a, b, c):
    assert joined(a, b) == joined(b, a)
    assert joined(joined(a, b), c) == joined(a, joined(b, c))
    both = joined(a, b)
    assert joined(both, a) == joined(both, b) == joined(both, both) == both
    assert {a.name, b.name} <= {both.name, *both.aliases}


def test_a_brand_is_named_as_a_shop_would_print_it(shops, files):
    shop = shops()
    shop.load({"catalog": files["catalog"]})
    brand = shop.store.entity("brand:norrvale")
    assert (brand.name, brand.aliases) == ("Norrvale", ("NORRVALE",))
    with pytest.raises(ValueError, match="cannot join"):
        joined(brand, shop.store.entity("brand:诺岭"))
