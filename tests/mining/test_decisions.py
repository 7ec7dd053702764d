"""Decisions of people: kept as they were taken, believed before any machine, and lessons for the small model."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from kg.schema import SHOP
from kg.stores.memory import MemoryStore
from kg.types import Document, Entity, FieldSpan
from mining.decisions import Decision, DecisionLog, Verdict
from mining.errors import ConfigurationError, SourceError
from mining.extraction.people import PeopleExtractor
from mining.extraction.rules import RuleExtractor
from mining.extraction.teaching import lessons
from mining.progress import Silent
from mining.text_facts import REJECTED, TextMining

TITLE, PROSE = "Quilted Mat, Black", "Ideal for yoga. 适合儿童。"
TEXT = f"{TITLE}\n{PROSE}\nHome"
END = len(TITLE) + 1 + len(PROSE)
DOCUMENT = Document(
    "doc:1", "product:1", "product", TEXT,
    fields=(
        FieldSpan("title", 0, len(TITLE)), FieldSpan("description", len(TITLE) + 1, END),
        FieldSpan("category", END + 1, END + 5),
    ),
)  # fmt: skip


def decision(verdict: Verdict, quote: str, right: str = "", *, relation: str = "USED_FOR", at: int = 1) -> Decision:
    start = TEXT.index(quote)
    attribute = "color" if relation == "HAS_ATTRIBUTE" else None
    tail = f"value:home/color/{quote.lower()}" if attribute else f"use:{quote}"
    right = right or ("" if verdict == "reject" else quote)
    return Decision(
        "doc:1", relation, tail, attribute, quote, start, start + len(quote), "rules", 0.7, verdict, right, "Ada", at
    )


@pytest.fixture
def log(tmp_path: Path) -> DecisionLog:
    return DecisionLog(tmp_path / "new" / "decisions.db")


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.put([Entity("product:1", "Product", "Mat")], documents=[DOCUMENT])
    return store


def mined(store: MemoryStore, log: DecisionLog, folder: Path) -> TextMining:
    mining = TextMining(store, [RuleExtractor(), PeopleExtractor(log)], run_dir=folder, run=None, decisions=log)
    mining.run(until=None, allow_undated=True, progress=Silent())
    return mining


def told(store: MemoryStore) -> dict[str, list[str]]:
    facts = store.facts(head="product:1")
    return {fact.tail: sorted(e.method for e in fact.evidence) for fact in facts}


def test_the_last_decision_holds_and_all_are_kept(log: DecisionLog) -> None:
    assert log.holding() == []
    log.record(decision("accept", "yoga"))
    log.record(decision("reject", "yoga", at=2))
    log.record(decision("accept", "Black", relation="HAS_ATTRIBUTE"))
    assert [d.verdict for d in log.holding("doc:1")] == ["accept", "reject"]
    assert [(d.verdict, d.who, d.at) for d in log.history()] == [
        ("accept", "Ada", 1), ("reject", "Ada", 2), ("accept", "Ada", 1)
    ]  # fmt: skip
    assert log.rejected("doc:1") == {("USED_FOR", "use:yoga")}
    assert log.rejected("doc:2") == frozenset()


@pytest.mark.parametrize(("verdict", "right"), [("reject", "x"), ("accept", ""), ("maybe", "x")])
def test_decisions_that_contradict_themselves_are_refused(verdict: Verdict, right: str) -> None:
    with pytest.raises(ConfigurationError):
        Decision("d", "USED_FOR", "use:x", None, "x", 0, 1, "rules", 0.5, verdict, right, "Ada", 1)


def test_a_file_that_is_no_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("hello, I am no database at all, whatever you ask me" * 9)
    with pytest.raises(SourceError, match="other"):
        DecisionLog(tmp_path / "other").holding()


def test_what_people_reject_goes_and_what_they_put_right_comes(
    log: DecisionLog, store: MemoryStore, tmp_path: Path
) -> None:
    mined(store, log, tmp_path)
    assert told(store) == {"use:yoga": ["rules"], "audience:儿童": ["rules"], "value:home/color/black": ["rules"]}
    log.record(decision("reject", "yoga"))
    log.record(decision("correct", "Black", "Quilted", relation="HAS_ATTRIBUTE"))
    mining = mined(store, log, tmp_path)
    assert told(store) == {"audience:儿童": ["rules"], "value:home/color/quilted": ["people"]}
    assert mining.report.extractors["rules"].set_aside[REJECTED] == 2
    log.record(decision("accept", "yoga", at=2))
    mined(store, log, tmp_path)
    assert told(store)["use:yoga"] == ["people", "rules"]
    fresh = MemoryStore()
    fresh.put([Entity("product:1", "Product", "Mat")], documents=[DOCUMENT])
    mined(fresh, log, tmp_path / "fresh")
    assert told(fresh) == told(store)


def test_many_hands_decide_at_once(tmp_path: Path) -> None:
    """The file is made by whoever is first, and by nobody else."""
    for attempt in range(5):
        log = DecisionLog(tmp_path / f"{attempt}.db")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda at, log=log: log.record(decision("accept", "yoga", at=at)), range(16)))  # type: ignore[misc]
        assert sorted(d.at for d in log.history()) == list(range(16))


def test_a_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other, other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(SourceError, match="no log of decisions"):
        DecisionLog(tmp_path / "other.db").record(decision("accept", "yoga"))


def test_an_accepted_quote_is_found_again_in_a_changed_text(log: DecisionLog) -> None:
    log.record(decision("accept", "yoga"))
    moved = Document("doc:1", "product:1", "product", "New: for yoga.")
    (found,) = PeopleExtractor(log).extract([moved])
    assert [(e.quote, e.start) for fact in found.facts for e in fact.evidence] == [("yoga", 9)]
    gone = Document("doc:1", "product:1", "product", "New: for pilates.")
    (found,) = PeopleExtractor(log).extract([gone])
    assert (found.facts, [aside.reason for aside in found.set_aside]) == ((), ["no longer in the text"])


def test_a_product_teaches_when_nothing_in_it_is_in_doubt(log: DecisionLog, store: MemoryStore, tmp_path: Path) -> None:
    log.record(decision("reject", "yoga"))
    assert lessons(store, log).rows == ()  # nothing was decided about attributes
    log.record(decision("reject", "Black", relation="HAS_ATTRIBUTE"))
    mined(store, log, tmp_path)
    (row,) = lessons(store, log).rows
    assert (row.category, row.gold) == ("Home", {"color": ()})
    assert row.texts == {"input_title": TITLE, "input_description": PROSE}
    other = DecisionLog(tmp_path / "other.db")
    doubtful = decision("accept", "Quilted", relation="HAS_ATTRIBUTE")
    other.record(doubtful)
    store.retract("doc:1")
    store.put([Entity("product:1", "Product", "Mat")], documents=[DOCUMENT])
    mined(store, other, tmp_path / "third")
    assert lessons(store, other, sure=0.999).waiting == 1  # Black is a machine's word alone
    assert lessons(store, other, sure=0.1).rows[0].gold == {"color": ("Quilted",)}
    store.retract("doc:1")
    assert lessons(store, other).gone == 1


def test_the_schema_gives_a_persons_value_its_form(log: DecisionLog) -> None:
    text = "Bottle\nHolds 0.5 l of tea"
    log.record(
        Decision("d", "HAS_ATTRIBUTE", "value:x", "volume", "0.5", 13, 16, "rules", 0.3, "correct", "0.5 l", "Ada", 1)
    )
    (found,) = PeopleExtractor(log, SHOP).extract([Document("d", "product:1", "product", text)])
    assert found.entities[0].properties["number"] == 500
