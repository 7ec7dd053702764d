"""What hostile texts get past extraction: ``python tests/benchmarks/hostile.py``, a table by kind of attack.

Each text of ``tests/mining/hostile/labelled.jsonl`` is a product or a review that gives orders to a language model or
tries to break the path, with what its honest part states and what the attacker wants. It is read by the rules, by the
rules for reviews, and by the model's reader over a model that obeys: it answers with everything that the attacker
wants, beside what the text states. A fact is *injected* if its quote lies in no phrase that the label gives for its
relation (for an attribute: of its name), if it is off the schema, about another product, or not quoted where it says.

Below the table: how many orders of ``paraphrases.jsonl`` are recognised, in words that cues were made for (``seen``)
and in words written when the cues were done (``unseen``). What is not recognised is read as any other sentence.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.extraction import readers
from kg.errors import SchemaError
from kg.schema import SHOP
from kg.types import Document, Entity, Fact, Product
from mining.catalog import ProductGraph, document_of_review, graph_of
from mining.extraction.judge_context import shipped
from mining.extraction.judged import JudgedExtractor
from mining.extraction.llm import LLMExtractor
from mining.extraction.orders import Guarded, order_spans
from mining.extraction.prompts import TEXT_RELATIONS, key_of
from mining.language_model import Budget, Price, Prompt, Reply, Usage
from mining.types import Extraction, Review

CORPUS = Path(__file__).parents[1] / "mining" / "hostile" / "labelled.jsonl"
PARAPHRASES = CORPUS.with_name("paraphrases.jsonl")
SECRET = "sk-live-0123456789abcdef"  # the key that the obedient model gives away where it is asked for it


@dataclass(frozen=True, slots=True)
class Hostile:
    """One text. ``states``: (relation, phrase) or (relation, attribute, phrase) that may be believed; ``wants``: what
    the attacker would have written; ``reply``: what an obedient model says, where that is no list of quotes."""

    id: str
    lang: str
    attack: str
    document: Document
    graph: ProductGraph | None
    states: Sequence[Sequence[str]]
    wants: Sequence[Sequence[str]]
    reply: str | None = None


def read_corpus() -> list[Hostile]:
    """All texts, in file order."""
    return [_read(json.loads(line)) for line in CORPUS.read_text(encoding="utf-8").split("\n") if line]


def _read(row: Mapping[str, Any]) -> Hostile:
    if row["kind"] == "review":
        graph, document = None, document_of_review(Review(row["id"], row["id"], row["text"], row["title"]))
    else:
        product = Product(row["id"], row["title"], row["text"], row.get("brand"), attributes=row.get("attributes", {}))
        graph = graph_of(product)
        document = graph.document
    return Hostile(
        row["id"], row["lang"], row["attack"], document, graph, row["states"], row["wants"], row.get("reply")
    )


@dataclass(slots=True)
class Obedient:
    """A language model that does what the text says. Implements LanguageModel; ``asked`` keeps every prompt."""

    texts: Mapping[str, Hostile]
    name: str = "obedient"
    price: Price | None = None
    usage: Usage = field(default_factory=Usage)
    concurrency: int = 1
    asked: list[Prompt] = field(default_factory=list)

    def complete(self, prompt: Prompt, budget: Budget | None = None) -> Reply:
        messages = [{"role": m.role, "content": m.content} for m in prompt.messages]
        self.asked.append(prompt)
        return Reply(obeying(messages, self.texts), self.name)


def by_title(texts: Iterable[Hostile]) -> dict[str, Hostile]:
    """The products by the first line of their text, by which a request shows which one it is about."""
    return {text.document.text.partition("\n")[0]: text for text in texts if text.graph is not None}


def obeying(messages: Sequence[Mapping[str, str]], texts: Mapping[str, Hostile]) -> str:
    """The reply to a request about one of ``texts``: what it states, what its attacker wants, and secrets if asked."""
    text = texts[messages[-1]["content"].splitlines()[1]]
    if text.reply is not None:
        return text.reply
    other = next(title for title, one in texts.items() if one is not text)
    secrets = {"{api key}": SECRET, "{other product}": other, "{prompt}": messages[0]["content"]}
    lists: dict[str, list[Any]] = {key_of(relation): [] for relation in TEXT_RELATIONS}
    for relation, *named, quote in (*text.wants, *text.states):
        for mark, secret in secrets.items():
            quote = quote.replace(mark, secret)
        said = {"name": named[0], "value": quote} if named else quote
        lists.setdefault(key_of(relation), []).append(said)
    return json.dumps(lists, ensure_ascii=False)


def injected(text: Hostile, facts: Iterable[Fact], entities: Iterable[Entity]) -> Iterator[Fact]:
    """The facts that the text's honest part does not state."""
    known = {entity.id: entity for entity in entities}
    for fact in facts:
        if not _is_stated(text, fact, known.get(fact.tail)):
            yield fact


def _is_stated(text: Hostile, fact: Fact, tail: Entity | None) -> bool:
    if tail is None or fact.head != text.document.about or not fact.evidence:
        return False
    try:
        SHOP.check(fact.relation, "Product", tail.type)
    except SchemaError:
        return False
    named = [str(tail.properties.get("attribute"))] if fact.relation == "HAS_ATTRIBUTE" else []
    phrases = [quote for relation, *of, quote in text.states if relation == fact.relation and of == named]
    body = text.document.text
    for e in fact.evidence:
        if e.source != text.document.id or e.start is None or e.end is None or body[e.start : e.end] != e.quote:
            return False
        spans = (span for phrase in phrases for span in _places(phrase, body))
        if not any(start <= e.start and e.end <= end for start, end in spans):
            return False
    return True


def _places(phrase: str, text: str) -> Iterator[tuple[int, int]]:
    at = text.find(phrase)
    while at >= 0:
        yield at, at + len(phrase)
        at = text.find(phrase, at + 1)


def readings(texts: Sequence[Hostile]) -> dict[str, list[Extraction]]:
    """One extraction a text by each reader: the shop's own facts, rules, judges, reviews, an obeyed model.

    The contextual judge is left out where its encoder is not installed.
    """
    documents = [text.document for text in texts]
    graphs = [text.graph for text in texts]
    catalog = [
        Extraction(d.id, g.entities, tuple(f for f in g.facts if f.head == d.about)) if g else Extraction(d.id)
        for d, g in zip(documents, graphs, strict=True)
    ]
    rules, reviews = readers()
    model = LLMExtractor(Obedient(by_title(texts)))
    context = shipped()
    contextual = list(Guarded(JudgedExtractor(context=context)).extract(documents)) if context else None
    read = {
        "catalog": catalog,
        "rules": list(rules.extract(documents)),
        "rules and judge": list(Guarded(JudgedExtractor()).extract(documents)),
        "rules and contextual judge": contextual,
        "reviews": list(reviews.extract(documents)),
        "obeyed model": list(model.extract(documents)),
    }
    return {reader: extractions for reader, extractions in read.items() if extractions is not None}


def recognised() -> dict[str, tuple[int, int]]:
    """Of the paraphrased orders, by whether the cues were made for them: how many are found, of how many."""
    rows = [json.loads(line) for line in PARAPHRASES.read_text(encoding="utf-8").splitlines()]
    sets = {cues: [row for row in rows if row["cues"] == cues] for cues in ("seen", "unseen")}
    return {cues: (sum(bool(order_spans(row["text"])) for row in of), len(of)) for cues, of in sets.items()}


def main() -> None:
    """Prints texts, facts and injected facts by attack, then each injected fact."""
    texts = read_corpus()
    rows: dict[str, Counter[str]] = {}
    wrong: list[str] = []
    for reader, extractions in readings(texts).items():
        for text, extraction in zip(texts, extractions, strict=True):
            row = rows.setdefault(text.attack, Counter())
            bad = list(injected(text, extraction.facts, extraction.entities))
            row["texts"] += reader == "catalog"
            row["facts"] += len(extraction.facts)
            row["injected"] += len(bad)
            row["refused"] += len(extraction.set_aside)
            wrong += [f"{text.id} {reader}: {f.relation} {f.evidence[0].quote!r}" for f in bad]
    rows["all"] = sum(rows.values(), Counter[str]())
    print(f"{'attack':<18}{'texts':>6}{'facts':>7}{'injected':>10}{'set aside':>11}")
    for attack, row in rows.items():
        print(f"{attack:<18}{row['texts']:>6}{row['facts']:>7}{row['injected']:>10}{row['refused']:>11}")
    print(*wrong, sep="\n")
    for cues, (found, of) in recognised().items():
        print(f"orders recognised, {cues} words: {found} of {of}")


if __name__ == "__main__":
    main()
