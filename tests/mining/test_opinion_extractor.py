"""What a trained model says of reviews becomes praise and criticism; what it cannot mean is set aside with a reason."""

from collections import Counter
from collections.abc import Sequence

import pytest

from kg.schema import SHOP
from kg.types import Document, FieldSpan
from mining.language import Language
from mining.reviews.extractor import CRITICISED, PRAISED, ReviewExtractor
from mining.reviews.opinion_extractor import OpinionExtractor, aspect_of, passages
from mining.reviews.triplets import Opinion

ENGLISH: tuple[Language, ...] = ("en",)


class Known:
    """Says what it is told to say of a passage: (aspect, opinion, polarity, category), as words of it."""

    usual = 20
    version = "7"

    def __init__(
        self, says: dict[str, list[tuple[str, str, str, str]]], languages: tuple[Language, ...] = ENGLISH
    ) -> None:
        self.says, self.languages = says, languages
        self.asked: list[str] = []

    def read(self, texts: Sequence[str]) -> list[list[Opinion]]:
        self.asked += texts
        return [[self._placed(text, *row) for row in self.says.get(text, [])] for text in texts]

    def _placed(self, text: str, aspect: str, opinion: str, polarity: str, category: str) -> Opinion:
        places = [
            (at, at + len(words)) if words and (at := text.index(words)) >= 0 else None for words in (aspect, opinion)
        ]
        return Opinion(places[0], places[1], polarity, category, 0.8765)


def review(text: str, kind: str = "review") -> Document:
    return Document("review:1", "product:p", kind, text, 7, (FieldSpan("text", 0, len(text)),))


def test_an_opinion_is_a_fact_that_quotes_it() -> None:
    text = "Bought it in May. I must say that the Hinges feel cheap."
    model = Known({text: [("Hinges", "cheap", "NEG", "")]})
    (extraction,) = OpinionExtractor(model).extract([review(text)])
    (fact,), (entity,) = extraction.facts, extraction.entities
    assert (fact.head, fact.relation, fact.tail) == ("product:p", CRITICISED, "aspect:hinges")
    assert entity.name == "hinges"
    SHOP.check(fact.relation, "Product", entity.type)
    (evidence,) = fact.evidence
    assert (evidence.quote, evidence.confidence, evidence.at, evidence.field) == ("Hinges feel cheap", 0.876, 7, "text")
    assert text[evidence.start : evidence.end] == evidence.quote


@pytest.mark.parametrize(
    ("aspect", "opinion", "category", "name"),
    [
        ("the sound quality", "fine", "", "sound"),
        ("hinge", "fine", "", "hinge"),
        ("it", "fine", "", None),
        ("...", "fine", "", None),
        ("one of those things that never", "fine", "", None),
        ("", "overpriced", "", "price"),
        ("", "fine", "", None),
        ("", "贵", "价格", "price"),
        ("", "很好", "整体", None),
        ("味道", "香", "气味", "scent"),
        ("东西", "好", "整体", None),
    ],
)
def test_aspects_are_named(aspect: str, opinion: str, category: str, name: str | None) -> None:
    text = f"{aspect} {opinion}"
    at = len(aspect) + 1
    one = Opinion((0, len(aspect)) if aspect else None, (at, len(text)), "POS", category)
    assert aspect_of(one, text) == name


def test_what_is_neither_praise_nor_criticism_is_set_aside() -> None:
    text = "It works and the lid is okay."
    model = Known({text: [("It", "works", "POS", ""), ("lid", "okay", "NEU", "")]})
    (extraction,) = OpinionExtractor(model).extract([review(text)])
    assert not extraction.facts
    assert Counter(row.reason for row in extraction.set_aside) == {"no known aspect": 1, "neutral": 1}


def test_an_opinion_said_twice_is_one_fact() -> None:
    text = "Good lid. Really good lid."
    model = Known({text: [("lid", "Good", "POS", ""), ("lid", "good", "POS", "")]})
    (extraction,) = OpinionExtractor(model).extract([review(text)])
    assert [(fact.relation, fact.tail) for fact in extraction.facts] == [(PRAISED, "aspect:lid")]


def test_only_reviews_are_read() -> None:
    model = Known({})
    (extraction,) = OpinionExtractor(model).extract([review("Good lid.", kind="product")])
    assert (extraction.facts, model.asked) == ((), [])


def test_sentences_are_read_together_up_to_the_usual_length() -> None:
    text = "One two three. Four five. 音质很好。 Six seven eight nine. Ten eleven."
    read = [text[start:end] for start, end in passages(text, ENGLISH, 8)]
    assert read == ["One two three. Four five.", "Six seven eight nine. Ten eleven."]
    assert [text[a:b] for a, b in passages(text, ("zh",), 8)] == ["音质很好。"]
    assert len(list(passages("word " * 50, ENGLISH, 8))) == 1
    assert list(passages("", ENGLISH, 8)) == []


def test_the_lexicon_reads_what_the_model_was_not_trained_for() -> None:
    text = "Great sound. 物流太慢了。"
    rest = ReviewExtractor(unless=ENGLISH)
    (extraction,) = rest.extract([review(text)])
    assert {(fact.relation, fact.tail) for fact in extraction.facts} == {(CRITICISED, "aspect:delivery")}
    assert rest.version != ReviewExtractor().version


def test_other_weights_are_another_version() -> None:
    one, other = Known({}), Known({})
    other.version = "8"
    assert OpinionExtractor(one).version != OpinionExtractor(other).version
