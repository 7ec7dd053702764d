"""Which products the small model leaves to a language model, and what that says of them.

A product is as sure as the values that are written for it are on average, and not at all where there are none. What is
less sure than a threshold is asked; the reply, quoted from the text as everything, then stands for the whole product.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kg.schema import SHOP, Attribute, Schema
from kg.types import Document, FieldSpan
from mining.errors import ConfigurationError, SourceError
from mining.extraction.attribute_model import Answer, AttributeModel, Value
from mining.extraction.attribute_rows import AttributeNames, Row
from mining.extraction.llm import BUDGET, NO_MODEL, REFUSED, UNAVAILABLE, LLMExtractor
from mining.language_model import Budget, LanguageModel, ReplyCache
from mining.types import Extraction

ROUTE = "route.json"  # beside the model: the threshold that its user picked
RELATIONS = ("HAS_ATTRIBUTE",)
UNANSWERED = (UNAVAILABLE, REFUSED, BUDGET, NO_MODEL)


@dataclass(frozen=True, slots=True)
class Read:
    """A product as the small model reads it. ``sure``: the mean confidence of its values, in 0..1; 0 without any."""

    row: Row
    answer: Answer
    sure: float


def read(model: AttributeModel, rows: Sequence[Row]) -> list[Read]:
    """Every row with its answer and how sure it is."""
    found = zip(rows, model.find(rows), strict=True)
    answers = [(row, model.answer(row, spans, model.threshold)) for row, spans in found]
    return [Read(row, answer, sureness(answer)) for row, answer in answers]


def sureness(answer: Answer) -> float:
    """The mean confidence of what is written.

    On the dev titles of OA-Mine it finds the products worth asking about sooner than the least confidence does, the
    product of the chances of all decisions, or their mean.
    """
    said = [value.confidence for value in answer.values.values()]
    return sum(said) / len(said) if said else 0.0


def route_of(folder: Path) -> float | None:
    """The threshold that was kept beside a model, or None. Raises SourceError where the file is broken."""
    try:
        return checked(json.loads((folder / ROUTE).read_text("utf-8"))["route_below"])
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        told = f'expected {{"route_below": 0..1}} ({error}); delete it or pick a threshold anew'
        raise SourceError(f"{folder / ROUTE}: {told}") from error


def keep_route(folder: Path, route_below: float) -> None:
    (folder / ROUTE).write_text(json.dumps({"route_below": checked(route_below)}) + "\n", "utf-8")


def checked(route_below: float) -> float:
    """Raises ConfigurationError unless it is a share."""
    if not 0 <= route_below <= 1:
        raise ConfigurationError(f"a routing threshold is a number from 0 (nobody is asked) to 1; got {route_below}")
    return float(route_below)


class AttributeAsker:
    """Asks a language model for the attribute values of rows, by the prompts of ``llm.py``.

    ``model`` None replays what the cache has. The same replies give the same answers.
    """

    def __init__(
        self,
        model: LanguageModel | None,
        names: AttributeNames,
        *,
        cache: ReplyCache | None = None,
        budget: Budget | None = None,
    ) -> None:
        attributes = {category: tuple(Attribute(name) for name in listed) for category, listed in names.items()}
        schema = Schema(SHOP.relations, attributes)
        self.extractor = LLMExtractor(model, schema=schema, cache=cache, budget=budget, relations=RELATIONS)

    def ask(self, rows: Sequence[Row], answers: Sequence[Answer]) -> list[Answer | None]:
        """What the language model says of each row in the form of the small model's answer; None where it said nothing.

        A reply without a usable value is an answer: there is none.
        """
        documents = [document_of_row(number, row) for number, row in enumerate(rows)]
        told = zip(rows, answers, self.extractor.extract(documents), documents, strict=True)
        return [_answered(row, answer, extraction, document) for row, answer, extraction, document in told]


def document_of_row(number: int, row: Row) -> Document:
    """The row as a product's document: its texts as title and description, its category as a field."""
    parts = [("title" if not at else "description", text) for at, text in enumerate(row.texts.values())]
    fields, start = [], 0
    for name, text in [*parts, ("category", row.category)]:
        fields.append(FieldSpan(name, start, start + len(text)))
        start += len(text) + 1
    whole = "\n".join(text for _, text in [*parts, ("category", row.category)])
    return Document(f"row:{number}", f"product:row:{number}", "product", whole, fields=tuple(fields))


def _answered(row: Row, answer: Answer, extraction: Extraction, document: Document) -> Answer | None:
    if any(aside.reason in UNANSWERED for aside in extraction.set_aside):
        return None
    attributes = {e.id: str(e.properties["attribute"]) for e in extraction.entities if "attribute" in e.properties}
    starts = dict(zip(row.texts, (field.start for field in document.fields), strict=False))
    values: dict[str, Value] = {}
    for fact in extraction.facts:
        evidence = fact.evidence[0]
        assert evidence.quote is not None
        assert evidence.start is not None
        field = max((name for name in starts if starts[name] <= evidence.start), key=lambda name: starts[name])
        start = evidence.start - starts[field]
        value = Value(evidence.quote, field, start, start + len(evidence.quote), evidence.confidence)
        values.setdefault(attributes[fact.tail], value)
    return replace(answer, values=values, normalized=None)


def routed(reads: Sequence[Read], asker: AttributeAsker, below: float) -> tuple[list[Answer], Mapping[str, int]]:
    """The answers in order, those less sure than ``below`` asked anew; how many were asked, and answered."""
    chosen = [number for number, one in enumerate(reads) if one.sure < below]
    said = asker.ask([reads[number].row for number in chosen], [reads[number].answer for number in chosen])
    answers = [one.answer for one in reads]
    for number, answer in zip(chosen, said, strict=True):
        answers[number] = answer or answers[number]
    return answers, {"asked": len(chosen), "answered": sum(answer is not None for answer in said)}
