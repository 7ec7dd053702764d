"""What reviews praise and criticise: known sentences, the quotes of everything found, and precision on real reviews."""

import ast
import json

import pytest

from kg.schema import SHOP
from kg.types import Document, FieldSpan
from mining.reviews import lexicon
from mining.reviews.extractor import CRITICISED, PRAISED, ReviewExtractor


@pytest.fixture(scope="module")
def extractor():
    return ReviewExtractor()


def review(text, kind="review"):
    return Document("review:1", "product:p", kind, text, 7, (FieldSpan("text", 0, len(text)),))


def said(extractor, text):
    (extraction,) = extractor.extract([review(text)])
    return {(f.relation, f.tail.removeprefix("aspect:")): f.evidence[0].quote for f in extraction.facts}


@pytest.mark.parametrize(
    ("text", "relation", "aspect", "quote"),
    [
        ("The sound quality is really good.", PRAISED, "sound", "sound quality is really good"),
        ("Great sound, nothing else to say", PRAISED, "sound", "Great sound"),
        ("Battery life was terrible!", CRITICISED, "battery", "Battery life was terrible"),
        ("The smell is not pleasant.", CRITICISED, "scent", "smell is not pleasant"),
        ("The shipping wasn't good", CRITICISED, "delivery", "shipping wasn't good"),
        ("Way overpriced.", CRITICISED, "price", "overpriced"),
        ("It was very easy to use", PRAISED, "ease of use", "easy to use"),
        ("音质很好，就是贵", PRAISED, "sound", "音质很好"),
        ("质量不是很好", CRITICISED, "quality", "质量不是很好"),
        ("物流太慢了", CRITICISED, "delivery", "物流太慢"),
        ("包装👍 味道好闻", PRAISED, "scent", "好闻"),
        ("很好的质量", PRAISED, "quality", "很好的质量"),
    ],
)
def test_what_is_said_plainly_is_found(extractor, text, relation, aspect, quote):
    assert said(extractor, text)[relation, aspect] == quote


@pytest.mark.parametrize(
    "text",
    [
        "I hope the sound is good.",
        "Is the battery good?",
        "The sound would be great if it worked",
        "The screen is better than other screens with great sound",
        "The quality is not bad.",
        "Not only great sound",
        "I like the sound and the dog is good",
        "味道好像变了",
        "希望质量好",
        "价格不高",
        "质量最好不要期待",
        "sound",
        "",
    ],
)
def test_what_is_not_said_plainly_is_left(extractor, text):
    assert said(extractor, text) == {}


def test_both_sides_of_one_review(extractor):
    found = said(extractor, "Great design.\nBut the battery life is awful. 物流很快，包装很差。")
    assert set(found) == {
        (PRAISED, "design"),
        (CRITICISED, "battery"),
        (PRAISED, "delivery"),
        (CRITICISED, "packaging"),
    }


def test_evidence_is_the_reviews_own_words(extractor):
    document = review("Good value. 😀 The smell is lovely. 价格实惠")
    (extraction,) = extractor.extract([document])
    assert len(extraction.facts) == 3 - 1  # the price is praised twice in one review, and counts once
    for fact in extraction.facts:
        (evidence,) = fact.evidence
        assert document.text[evidence.start : evidence.end] == evidence.quote
        assert (evidence.source, evidence.at, evidence.field, evidence.method) == ("review:1", 7, "text", "reviews")
        SHOP.check(fact.relation, "Product", "Aspect")
        assert fact.head == "product:p"
    assert {e.id for e in extraction.entities} == {f.tail for f in extraction.facts}


def test_only_reviews_are_read(extractor):
    assert [e.facts for e in extractor.extract([review("Great sound", "product"), review("")])] == [(), ()]


def test_no_word_means_two_aspects():
    surfaces = [surface for surfaces in lexicon.ASPECTS.values() for surface in surfaces]
    assert len(surfaces) == len(set(surfaces))


def labelled_english(folder):
    for path in sorted((folder / "extraction" / "en_reviews_dmaste").glob("*/dev.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text, triplets, _ = line.split("####")
            tokens = text.split()
            gold = ast.literal_eval(triplets)
            yield text, [({t.lower() for t in tokens[o[0] : o[-1] + 1]}, p) for _, o, p in gold]


def labelled_chinese(folder):
    path = folder / "extraction" / "zh_reviews_zhijiang" / "dev.jsonl"
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        polarity = {"正面": "POS", "负面": "NEG", "中性": "NEU"}
        yield row["text"], [(set(q["opinion"]), polarity[q["polarity"]]) for q in row["quads"] if q["opinion"] != "_"]


@pytest.mark.parametrize(("labelled", "words"), [(labelled_english, str.split), (labelled_chinese, list)])
def test_precision_on_real_reviews(extractor, data_dir, labelled, words):
    right = wrong = 0
    for text, gold in labelled(data_dir):
        for (relation, _), quote in said(extractor, text).items():
            said_so = {p for opinion, p in gold if opinion & set(words(quote.lower()))}
            if {PRAISED: "POS", CRITICISED: "NEG"}[relation] in said_so:
                right += 1
            else:
                wrong += 1
    assert right >= 90
    assert right / (right + wrong) >= 0.9
