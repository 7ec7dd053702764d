"""A reason becomes one sentence that says nothing but its events and facts."""

import pytest

from api.nouns import ReasonOut
from api.phrases import SAYS, counted, sentence, spoken
from kg.schema import SHOP
from kg.types import Action, Entity, Evidence, Fact, GraphPath, Interaction, Reason

NAMES = {"product:a": "Kettle", "product:b": "Tea", "use:tea": "tea", "value:k/volume/1 l": "volume: 1 l"}


def _fact(head: str, relation: str, tail: str, **evidence: object) -> Fact:
    known: dict[str, object] = {"source": "doc:a", "method": "rules", "confidence": 0.8, **evidence}
    return Fact(head, relation, tail, (Evidence(**known),))  # type: ignore[arg-type]


def _did(action: Action, product: str = "a") -> Interaction:
    return Interaction(action, product, action, 1, "u")


QUOTED = {"quote": "fits", "start": 0, "end": 4}
COUNTED = {"counts": {"users": 1200.0, "lift": 2.34}}


@pytest.mark.parametrize(
    ("events", "facts", "expected"),
    [
        (
            [_did("view"), _did("purchase")],
            [_fact("product:a", "COMPATIBLE_WITH", "product:b", **QUOTED)],
            "You viewed and bought “Kettle”; it works with “Tea” (the text says “fits”).",
        ),
        (  # a symmetric relation begins where the reason begins
            [_did("cart", "b")],
            [_fact("product:a", "BOUGHT_WITH", "product:b", **COUNTED)],
            "You put in the cart “Tea”; it is bought with “Kettle” (1,200 users, 2.3 times more often than chance).",
        ),
        (
            [_did("view", "b")],
            [_fact("product:a", "ACCESSORY_OF", "product:b")],
            "You viewed “Tea”; “Kettle” is an accessory of “Tea” (stated by doc:a).",
        ),
        (
            [_did("view"), _did("click"), _did("purchase"), _did("view", "gone")],
            [_fact("product:a", "USED_FOR", "use:tea", **QUOTED), _fact("product:b", "USED_FOR", "use:tea", **QUOTED)],
            "You viewed, clicked and bought “Kettle”, viewed “gone”; “Kettle” is used for “tea” (the text says “fits”)"
            "; “Tea” is used for “tea” (the text says “fits”).",
        ),
        *(  # through a third product: each symmetric relation begins where the one before it ended
            (
                [_did("view")],
                [_fact(*viewed, **COUNTED), _fact("product:b", "BOUGHT_WITH", "product:m", **QUOTED)],
                "You viewed “Kettle”; it is viewed with “m” (1,200 users, 2.3 times more often than chance)"
                "; “m” is bought with “Tea” (the text says “fits”).",
            )
            for viewed in (("product:a", "VIEWED_WITH", "product:m"), ("product:m", "VIEWED_WITH", "product:a"))
        ),
        ([], [_fact("product:x", "MADE_BY", "brand:y")], "“x” is made by “brand:y” (stated by doc:a)."),
    ],
)  # fmt: skip
def test_sentences(events: list[Interaction], facts: list[Fact], expected: str) -> None:
    assert sentence(Reason(tuple(events), GraphPath(tuple(facts)), 0.1), NAMES) == expected


def test_what_says_the_same_is_listed_and_not_said_again() -> None:
    told, again = (_fact("product:a", relation, "product:b", **COUNTED) for relation in ("BOUGHT_WITH", "COMPLEMENTS"))
    reason = Reason((_did("purchase"),), GraphPath((told,)), 0.2, (again,))
    text = sentence(reason, NAMES)
    assert text == "You bought “Kettle”; it is bought with “Tea” (1,200 users, 2.3 times more often than chance)."
    out = ReasonOut.of(reason, text, NAMES)
    assert [fact.relation for fact in out.facts] == ["BOUGHT_WITH", "COMPLEMENTS"]
    assert out.contribution == 0.2


def test_every_relation_of_the_schema_can_be_said() -> None:
    assert set(SAYS) == set(SHOP.relations)


def test_a_quote_is_told_before_counts_and_counts_before_a_bare_source() -> None:
    quote = Evidence("doc:a", "rules", 0.1, quote="fits", start=0, end=4)
    counts = Evidence("log", "behavior", 0.5, counts={"support": 1.0})
    bare = Evidence("crawl", "catalog", 0.9)
    for evidence, told in (
        ((bare, counts, quote), "the text says “fits”"),
        ((bare, counts), "1 time"),
        ((bare,), "crawl"),
    ):
        fact = Fact("product:a", "BOUGHT_WITH", "product:b", evidence)
        assert told in sentence(Reason((), GraphPath((fact,)), None), NAMES)


def test_one_user_is_no_users() -> None:
    assert counted(Evidence("log", "behavior", 0.5, counts={"users": 1.0})) == "1 user"


def test_a_bare_value_says_what_it_is_the_value_of() -> None:
    assert spoken(Entity("value:k/volume/1 l", "Value", "1 l", properties={"attribute": "volume"})) == "volume: 1 l"
    assert spoken(Entity("brand:a", "Brand", "A")) == "A"


def test_a_sentence_cuts_the_longest_names_after_a_word():
    title = "Best Vitamin C Serum, " * 20
    told = spoken(Entity("product:1", "Product", title))
    assert (title.startswith(told[:-1]), told[-1]) == (True, "…")
    assert len(told) <= 91
    assert spoken(Entity("product:2", "Product", "面" * 200)) == "面" * 90 + "…"
