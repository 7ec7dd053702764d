"""Facts from product texts by a language model, each found again in its text or set aside with its reason.

Flow of one document: prompt → cache, else budget → model → cache; then each proposed fact → schema → grounding →
plausibility → fact or reason. The reply is never trusted: whatever it says, a fact's quote stands in the text.

Confidence is a constant by how the quote was found, not yet calibrated: a quote copied exactly is worth more than one
that had to be folded or matched nearly. All lie below the rules', since models of a billion parameters and less are
right in about half of what they propose.
"""

import json
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kg import ids
from kg.schema import SHOP, Schema
from kg.types import Document, Entity, Evidence, Fact
from mining.catalog import ATTRIBUTE_FIELD, category_of
from mining.errors import BudgetExhausted, ModelRefused, ModelUnavailable
from mining.extraction import negation
from mining.extraction.orders import REASON, in_order, order_spans
from mining.extraction.plausibility import implausible, trim
from mining.extraction.prompts import TEXT_RELATIONS, build_prompt, key_of
from mining.extraction.stated import attribute_fits, coordinated, settled, settled_attribute, unstated
from mining.grounding import Grounding, How, ground, is_boundary
from mining.language import chinese_share, sentences
from mining.language_model.budget import Budget
from mining.language_model.cache import ReplyCache
from mining.language_model.types import LanguageModel, Prompt, Reply, Usage
from mining.normal_values import in_form, value_entity
from mining.types import Extraction, SetAside

METHOD = "llm"
CONFIDENCE: dict[How, float] = {"exact": 0.6, "normalised": 0.55, "fuzzy": 0.4}
MAX_TEXT = 2400  # code points of prose that are shown to the model

# Reason codes for whole documents; those for single facts are below and in plausibility.py.
UNAVAILABLE = "model unavailable"
REFUSED = "model refused"
BUDGET = "budget"
NO_MODEL = "no model"
CUT = "text cut"

_STRUCTURED = ("brand", "category")
MAX_PLACES = 4  # occurrences of a quote that are looked at for one that states the fact


@dataclass(frozen=True, slots=True)
class LLMReport:
    """Where the replies came from. ``unanswered`` counts documents by reason; ``usage`` is the model's, whole."""

    live: int = 0
    cached: int = 0
    replayed: int = 0
    unanswered: Mapping[str, int] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


class LLMExtractor:
    """Implements mining.types.Extractor over any LanguageModel.

    ``model`` None replays what ``cache`` has and asks nobody. After ``patience`` documents in a row without a reply
    from an unavailable model, it is not asked again; the same once the budget is used up. Documents of other kinds than
    ``product`` come back empty. The same replies give the same extractions.
    """

    method = METHOD

    def __init__(
        self,
        model: LanguageModel | None,
        *,
        schema: Schema = SHOP,
        cache: ReplyCache | None = None,
        budget: Budget | None = None,
        relations: Sequence[str] = TEXT_RELATIONS,
        patience: int = 3,
    ) -> None:
        if budget is not None and model is not None:
            budget.check_price(model.price)
        self._model = model
        self._schema = schema
        self._cache = cache
        self._budget = budget
        self._relations = tuple(relations)
        self._patience = patience
        self._failures = 0  # in a row
        self._stopped: str | None = NO_MODEL if model is None else None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def report(self) -> LLMReport:
        unanswered = {r: self._counts[r] for r in (UNAVAILABLE, REFUSED, BUDGET, NO_MODEL) if self._counts[r]}
        usage = self._model.usage if self._model is not None else Usage()
        return LLMReport(
            self._counts["live"], self._counts["cached"], self._counts["replayed"], unanswered=unanswered, usage=usage
        )

    def prompt(self, document: Document) -> Prompt:
        """What is asked about a product document; its key names the reply in a cache."""
        return build_prompt(
            _shown(document), schema=self._schema, category=category_of(document), relations=self._relations
        )

    def extract(self, documents: Iterable[Document]) -> Iterator[Extraction]:
        """One extraction a document, in order; a model that fails is counted, never raised."""
        if self._model is None or self._model.concurrency <= 1:
            for document in documents:
                yield self._read(document, self._ask(document))
            return
        yield from self._extract_concurrently(documents, self._model.concurrency)

    def _extract_concurrently(self, documents: Iterable[Document], concurrency: int) -> Iterator[Extraction]:
        waiting: deque[tuple[Document, Future[Reply | str | None]]] = deque()
        pool = ThreadPoolExecutor(concurrency, thread_name_prefix="shopgraph-llm")
        try:
            for document in documents:
                waiting.append((document, pool.submit(self._ask, document)))
                if len(waiting) >= 2 * concurrency:
                    first, reply = waiting.popleft()
                    yield self._read(first, reply.result())
            while waiting:
                first, reply = waiting.popleft()
                yield self._read(first, reply.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, document: Document) -> Reply | str | None:
        """The reply about a document, the reason why there is none, or None where there is nothing to ask."""
        if document.kind != "product" or not _shown(document).strip():
            return None
        prompt = self.prompt(document)
        name = self._model.name if self._model is not None else None
        reply = self._cache.get(prompt, name) if self._cache is not None else None
        answer = reply if reply is not None else self._call(prompt)
        with self._lock:
            self._counts[answer if isinstance(answer, str) else answer.origin] += 1
        return answer

    def _call(self, prompt: Prompt) -> Reply | str:
        if self._stopped is not None or self._model is None:
            return self._stopped or NO_MODEL
        try:
            if self._budget is not None:
                self._budget.take_product()
            reply = self._model.complete(prompt, self._budget)
        except BudgetExhausted:
            self._stopped = BUDGET
            return BUDGET
        except ModelRefused:
            self._failures = 0  # it answers, if not usefully
            return REFUSED
        except ModelUnavailable:
            with self._lock:
                self._failures += 1
                if self._failures >= self._patience:
                    self._stopped = UNAVAILABLE
            return UNAVAILABLE
        self._failures = 0
        if self._cache is not None:
            self._cache.put(prompt, reply)
        return reply

    def _read(self, document: Document, answer: Reply | str | None) -> Extraction:
        if answer is None:
            return Extraction(document.id)
        if isinstance(answer, str):
            return Extraction(document.id, set_aside=(SetAside(document.id, METHOD, "", "", answer),))
        reader = _Reader(document, self._schema, self._relations)
        if len(_shown(document)) < len(_prose(document)):
            reader.set_aside(CUT)
        for item in _items(answer.text, self._relations):
            reader.read(item)
        return reader.extraction()


def _prose(document: Document) -> str:
    """What people wrote: the text without the lines of structured fields, which are facts already."""
    if not document.fields:
        return document.text
    prose = [f for f in document.fields if f.name not in _STRUCTURED and not f.name.startswith(ATTRIBUTE_FIELD)]
    return "\n".join(document.text[f.start : f.end] for f in prose)


def _shown(document: Document) -> str:
    """The prose, cut after the last sentence that ends within ``MAX_TEXT``."""
    prose = _prose(document)
    if len(prose) <= MAX_TEXT:
        return prose
    ends = [end for _, end in sentences(prose[:MAX_TEXT]) if end < MAX_TEXT]
    return prose[: ends[-1] if ends else MAX_TEXT]


def _items(text: str, relations: Sequence[str]) -> Iterator[dict[str, Any] | None]:
    """The proposed facts of a reply as {relation, attribute, quote}; None for each thing of another form."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        yield None
        return
    known = {key_of(relation): relation for relation in relations}
    for key, values in said.items():
        if key not in known or not isinstance(values, list):
            yield None
            continue
        for value in values:
            if known[key] != "HAS_ATTRIBUTE":
                yield {"relation": known[key], "attribute": None, "quote": value}
            elif isinstance(value, dict) and set(value) == {"name", "value"}:
                yield {"relation": known[key], "attribute": value["name"], "quote": value["value"]}
            else:
                yield None


class _Reader:
    """Judges the proposed facts of one document, one after the other."""

    def __init__(self, document: Document, schema: Schema, relations: Sequence[str]) -> None:
        self._document = document
        self._category = category_of(document)
        self._attributes = {attribute.name: attribute for attribute in schema.attributes_of(self._category)}
        title = next((f.end for f in document.fields if f.name == "title"), None)
        self._title_end = len(document.text.partition("\n")[0]) if title is None else title
        self._orders = order_spans(document.text)
        self._schema = schema
        self._relations = relations
        self._facts: dict[tuple[str, str], Fact] = {}
        self._entities: dict[str, Entity] = {}
        self._starts: set[int] = set()
        self._set_aside: list[SetAside] = []

    def extraction(self) -> Extraction:
        return Extraction(
            self._document.id, tuple(self._entities.values()), tuple(self._facts.values()), tuple(self._set_aside)
        )

    def set_aside(self, reason: str, relation: object = "", quote: object = "") -> None:
        """Counts what is not written; what a model said is cut, it may be anything."""
        said, quoted = _printable(str(relation)[:40]), _printable(str(quote)[:200])
        self._set_aside.append(SetAside(self._document.id, METHOD, said, quoted, reason))

    def read(self, item: object) -> None:
        if not self._on_schema(item):
            raw = item if isinstance(item, dict) else {}
            self.set_aside("off schema", raw.get("relation", ""), raw.get("quote", ""))
            return
        assert isinstance(item, dict)
        relation, attribute, quote = item["relation"], item["attribute"], item["quote"]
        if attribute is not None and (measured := settled_attribute(attribute, quote)) in self._attributes:
            attribute = measured
        reason = "ungrounded"
        for found in islice(self._places(quote), MAX_PLACES):
            start, end = trim(self._document.text, found.start, found.end)
            relation = settled(item["relation"], self._document.text[start:end])
            if relation not in self._relations:
                relation = item["relation"]
            refusal = self._refusal(relation, attribute, start, end)
            if refusal is None:
                self._write(relation, attribute, start, end, CONFIDENCE[found.how])
                return
            reason = refusal if reason == "ungrounded" else reason
        self.set_aside(reason, relation, quote)

    def _on_schema(self, item: object) -> bool:
        if not isinstance(item, dict) or not isinstance(item.get("quote"), str) or not item["quote"].strip():
            return False
        if item.get("relation") not in self._relations or set(item) - {"relation", "attribute", "quote"}:
            return False
        if item["relation"] == "HAS_ATTRIBUTE":
            return isinstance(item.get("attribute"), str) and item["attribute"] in self._attributes
        return item.get("attribute") is None

    def _places(self, quote: str) -> Iterator[Grounding]:
        """Where the quote stands as whole words, first place first: a piece of a word names something else.

        ``ground`` prefers whole words, so the first piece of a word is the end of the search.
        """
        text = self._document.text
        found = first = ground(quote, text)
        while found is not None and first is not None and found.how == first.how:
            if not (is_boundary(text, found.start) and is_boundary(text, found.end)):
                return
            yield found
            found = ground(quote, text, after=found.start + 1)

    def _refusal(self, relation: str, attribute: str | None, start: int, end: int) -> str | None:
        text = self._document.text
        name = self._document.field_at(start) or ""
        if name in _STRUCTURED or name.startswith(ATTRIBUTE_FIELD):
            return "structured field"
        if in_order(self._orders, start, end):
            return REASON
        reason = implausible(text[start:end])
        if reason is not None:
            return reason
        if negation.negated(text, start, end):
            return negation.REASON
        if attribute is not None:
            return None if attribute_fits(self._attributes[attribute], text[start:end]) else "no such value"
        return (
            "too short"
            if end - start < 2 and text[start].isascii()
            else unstated(relation, text, start, end, self._title_end)
        )

    def _write(self, relation: str, attribute: str | None, start: int, end: int, confidence: float) -> None:
        spans = [(start, end)] if attribute is not None else coordinated(self._document.text, start, end)
        for first, last in spans:
            quote = self._document.text[first:last]
            entity = self._named(relation, quote) if attribute is None else self._value(attribute, quote)
            reason = self._repeated(relation, entity.id, first)
            if reason is not None:
                self.set_aside(reason, relation, quote)
            else:
                self._add(relation, entity, first, last, confidence)

    def _named(self, relation: str, quote: str) -> Entity:
        kind = self._schema.relations[relation].tails[
            -1
        ]  # a Thing where a Product would do too: who it is, comes later
        return Entity(ids.named(kind, quote), kind, " ".join(quote.split()), lang=_lang(quote))

    def _value(self, attribute: str, quote: str) -> Entity:
        return value_entity(self._category, attribute, quote, in_form(self._attributes[attribute], quote))

    def _repeated(self, relation: str, tail: str, start: int) -> str | None:
        """``duplicate``: said before. ``conflict``: the same words are the tail of another relation already."""
        if (relation, tail) in self._facts:
            return "duplicate"
        return "conflict" if relation != "HAS_ATTRIBUTE" and start in self._starts else None

    def _add(self, relation: str, entity: Entity, start: int, end: int, confidence: float) -> None:
        document = self._document
        evidence = Evidence(
            document.id,
            METHOD,
            confidence,
            at=document.at,
            field=document.field_at(start),
            quote=document.text[start:end],
            start=start,
            end=end,
        )
        self._entities[entity.id] = entity
        if relation != "HAS_ATTRIBUTE":
            self._starts.add(start)
        self._facts[relation, entity.id] = Fact(document.about, relation, entity.id, (evidence,))


def _lang(surface: str) -> str | None:
    return "zh" if chinese_share(surface) > 0 else None


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
