"""Rules say what a text says: the relation, the words that name its tail, and nothing that is denied or only praise."""

from collections.abc import Callable

import pytest
import spacy

from kg.schema import SHOP, Attribute, Schema
from kg.types import Document, Fact, FieldSpan, Product
from mining.catalog import document_of
from mining.extraction import chinese, patterns
from mining.extraction.rule_pipeline import MAX_TEXT
from mining.extraction.rules import CONFIDENCE, RuleExtractor
from mining.types import Extraction

C, A, U, S = "COMPATIBLE_WITH", "ACCESSORY_OF", "USED_FOR", "SUITS"
Read = Callable[..., Extraction]


@pytest.fixture(scope="module")
def extractor() -> RuleExtractor:
    return RuleExtractor()


@pytest.fixture
def read(extractor: RuleExtractor) -> Read:
    """``read(description, title="Thing")``: the extraction of a product with this text."""

    def extraction(description: str, title: str = "Thing", brand: str = "") -> Extraction:
        text = "\n".join(part for part in (title, description, brand) if part)
        fields = [
            FieldSpan("title", 0, len(title)),
            FieldSpan("description", len(title) + 1, len(title) + 1 + len(description)),
        ]
        if brand:
            fields.append(FieldSpan("brand", len(text) - len(brand), len(text)))
        (found,) = extractor.extract([Document("doc:1", "product:1", "product", text, 5, tuple(fields))])
        return found

    return extraction


def relations(extraction: Extraction) -> list[tuple[str, str | None]]:
    return [(f.relation, f.evidence[0].quote) for f in extraction.facts if f.relation != "HAS_ATTRIBUTE"]


def values(extraction: Extraction) -> dict[str, str | None]:
    return {str(f.tail).split("/")[1]: f.evidence[0].quote for f in extraction.facts if f.relation == "HAS_ATTRIBUTE"}


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        # the definitions' own examples
        ("Toner for HP LaserJet 1012.", [(C, "HP LaserJet 1012")]),
        ("Works with Alexa.", [(C, "Alexa")]),
        ("It fits standard three-ring binders.", [(C, "standard three-ring binders")]),
        ("Refill for Pilot G2.", [(A, "Pilot G2")]),
        ("Replacement blade for utility knife cutters.", [(A, "utility knife cutters")]),
        ("Ideal for scrapbooking.", [(U, "scrapbooking")]),
        ("It is for sealing cartons.", [(U, "sealing cartons")]),
        ("Great for kids.", [(S, "kids")]),
        ("Good for sensitive skin.", [(S, "sensitive skin")]),
        ("Perfect for your home office.", [(S, "home office")]),
        # lists: separate labels, the verb with its first object only, the words of the cue once
        ("Ideal for home, school or office use.", [(S, "home"), (S, "school"), (S, "office")]),
        ("For serving rice, soups and stews.", [(U, "serving rice"), (U, "soups"), (U, "stews")]),
        ("Suitable for dry skin and for oily skin.", [(S, "dry skin"), (S, "oily skin")]),
        ("Compatible with MG5520, MG6620 and iP7220.", [(C, "MG5520"), (C, "MG6620"), (C, "iP7220")]),
        ("Made for the Caldoro Piccola and Piccola Duo.", [(C, "Caldoro Piccola"), (C, "Piccola Duo")]),
        ("These fit the Moln & Aske Drip 8.", [(C, "Moln & Aske Drip 8")]),
        ("Perfect for small and large rooms.", [(S, "small and large rooms")]),
        ("Great for a wide range of taping tasks.", [(U, "taping tasks")]),
        ("Whether you're a drummer or an aspiring artist, enjoy.", [(S, "drummer"), (S, "aspiring artist")]),
        # the same tail twice is one label, the first place
        ("Ideal for kids. Loved by all, perfect for kids.", [(S, "kids")]),
        # examples, ranges and "as well as" go on with a list
        ("Used for bonding many materials, including felt, cork and slate.",
         [(U, "bonding many materials"), (U, "felt"), (U, "cork"), (U, "slate")]),
        ("Ideal for garden projects, from raised beds to pergolas.",
         [(U, "garden projects"), (U, "raised beds"), (U, "pergolas")]),
        ("Great for sanding and polishing, as well as for buffing chrome.",
         [(U, "sanding"), (U, "polishing"), (U, "buffing chrome")]),
        ("Perfect for baking, roasting, or as a serving dish.",
         [(U, "baking"), (U, "roasting"), (U, "serving dish")]),
        ("Compatible with Ultravox, Merlin, Quartz, and more!",
         [(C, "Ultravox"), (C, "Merlin"), (C, "Quartz")]),
        ("Compatible with ZX100/ZX200/ZX300.", [(C, "ZX100"), (C, "ZX200"), (C, "ZX300")]),
        # the object of a further preposition is its own label
        ("Perfect for picnics in the garden.", [(U, "picnics"), (S, "garden")]),
        ("Great for sorting screws in your garage, workshop and shed.",
         [(U, "sorting screws"), (S, "garage"), (S, "workshop"), (S, "shed")]),
        # modifiers of one head, and people whose words no list knows
        ("Ideal for correcting single or multiple words.", [(U, "correcting single or multiple words")]),
        ("Suitable for document and inventory control.", [(U, "document and inventory control")]),
        ("Perfect for both beginners and seasoned luthiers.", [(S, "beginners"), (S, "seasoned luthiers")]),
        ("Perfect for the weekend wanderer.", [(S, "weekend wanderer")]),
        ("A treat for hiking enthusiasts.", [(S, "hiking enthusiasts")]),
        # what it fits: a size, a narrowed kind, what it runs on
        ("It is designed for 2\" diameter tubes.", [(C, "2\" diameter tubes")]),
        ("Works with 3D printers using 1.75 mm filament.", [(C, "3D printers using 1.75 mm filament")]),
        ("It is powered by 6 AAA batteries.", [(C, "AAA batteries")]),
        # what it is made to do, does, and is used on and in
        ("It is designed to safely collect fallen leaves.", [(U, "collect fallen leaves")]),
        ("It lets you label cables.", [(U, "label cables")]),
        ("This spray removes rust and mildew.", [(U, "removes rust"), (U, "mildew")]),
        ("Use it on tiles, stone and grout.", [(U, "tiles"), (U, "stone"), (U, "grout")]),
        ("Typical uses include irrigation and aquariums.", [(U, "irrigation"), (U, "aquariums")]),
        ("A great solution for wet cellars.", [(U, "wet cellars")]),
        # a clause is no member of a list
        ("It is made for small kitchens, and the tray folds up.", [(S, "small kitchens")]),
        ("Perfect for travel, this bag is light.", [(U, "travel")]),
    ],
)  # fmt: skip
def test_english_relations(read: Read, text: str, stated: list[tuple[str, str]]) -> None:
    assert relations(read(text)) == stated


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("适用于华为 Mate 60、Mate 60 Pro。", [(C, "华为 Mate 60"), (C, "Mate 60 Pro")]),
        ("兼容普印达 LX210。", [(C, "普印达 LX210")]),
        ("用于清洁地板。", [(U, "清洁地板")]),
        ("适合孕妇和上班族使用。", [(S, "孕妇"), (S, "上班族")]),
        ("适合油性和混合性肌肤。", [(S, "油性和混合性肌肤")]),
        ("适合日常书写和练字。", [(U, "日常书写"), (U, "练字")]),
        ("适用于洁禾 M42 拖把的替换布。", [(A, "洁禾 M42 拖把")]),
        ("海边、草地都能用。", [(S, "海边"), (S, "草地")]),
        ("补妆、卸妆都合适。", [(U, "补妆"), (U, "卸妆")]),
        ("可清洁瓷砖、玻璃。", [(U, "清洁瓷砖"), (U, "玻璃")]),
        ("专为大户型设计。", [(S, "大户型")]),
        ("适用于其他热水壶。", []),
        ("海边、草地都不适合。", []),
        ("Power bank. 适用于 iPhone 15，ideal for travel.", [(C, "iPhone 15"), (U, "travel")]),
    ],
)
def test_chinese_relations(read: Read, text: str, stated: list[tuple[str, str]]) -> None:
    assert relations(read(text)) == stated


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Not for kids.", "negated"),
        ("It is not compatible with HP LaserJet 1012.", "negated"),
        ("It does not fit the Spark 3.", "negated"),
        ("Too small for the Hugin 3.", "negated"),
        ("Unsuitable for children under 5.", "negated"),
        ("No\u200bt for kids.", "negated"),
        ("不\u200b适合儿童。", "negated"),
        ("Ideal for ki\ufe01ds.", "hidden characters"),
        ("Works with Al\u034fexa.", "hidden characters"),
        ("适合孕\u034f妇。", "hidden characters"),
        ("不适用于 Mate 50。", "negated"),
        ("不建议用于 iPhone 6。", "negated"),
        ("Compatible with most printers.", "names nothing"),
        ("Great for any occasion.", "names nothing"),
        ("Perfect for all your projects.", "names nothing"),
        ("适合更多场合。", "names nothing"),
        ("A grip for easy handling.", "praise"),
        ("Designed for superior comfort and quality.", "praise"),
        ("Perfect for adding a touch of elegance to any kitchen.", "praise"),
        ("Perfect for red green blue black white pink shelves.", "too long"),
        ("An extra blade for unforeseen things.", "names nothing"),
        ("Straps for balconies.", "unsure"),
        ("Perfect for those of us.", "names nothing"),
        ("Ideal for everyday use.", "names nothing"),
        ("It can be used on all surfaces.", "names nothing"),
        ("It is designed to last a lifetime.", "praise"),
        ("It lets you organize everything.", "names nothing"),
        ("Perfect for brightening any corner or hallway.", "praise"),
        ("Used in conjunction with care.", "names nothing"),
    ],
)
def test_what_is_no_relation_is_set_aside_with_its_reason(read: Read, text: str, reason: str) -> None:
    found = read(text)
    assert relations(found) == []
    assert reason in {aside.reason for aside in found.set_aside}


def test_a_text_of_one_line_has_a_title_too(extractor: RuleExtractor) -> None:
    line = "Filament for 3D printers. Compatible with Ultravox, Merlin, Quartz, and more."
    (found,) = extractor.extract([Document("d", "p", "product", line)])
    assert relations(found) == [(C, "3D printers"), (C, "Ultravox"), (C, "Merlin"), (C, "Quartz")]


def test_what_stands_between_for_and_the_products_own_word_counts(read: Read) -> None:
    assert relations(read("An adhesive for slate.", title="Instant Adhesive")) == [(U, "slate")]
    assert relations(read("A finish for slate.", title="Instant Adhesive")) == []


def test_not_only_is_no_negation(read: Read) -> None:
    assert (S, "kids") in relations(read("Not only for kids."))


def test_words_of_the_products_own_name_are_no_relation(read: Read) -> None:
    assert relations(read("Runs Windows 11.", title="Office Ruler Gaming Desktop Wi-Fi 6")) == []


def test_titles_name_what_the_product_is_for(read: Read) -> None:
    title = "Ink Cartridge For Officejet 6812, 6815 and Officejet Pro 6230, 2 Pack, Black (C2P20AN)"
    found = read("", title=title)
    assert relations(found) == [(C, "Officejet 6812"), (C, "6815"), (C, "Officejet Pro 6230")]
    assert values(found) == {"pack": "2 Pack", "color": "Black", "model": "C2P20AN"}


def test_the_brand_of_the_product_is_a_name(read: Read) -> None:
    assert relations(read("Works with caldoro capsules.", brand="Caldoro")) == [(C, "caldoro capsules")]


@pytest.mark.parametrize(
    ("title", "description", "attributes"),
    [
        ("Leather Desk Mat, Brown, 80 x 40 cm", "", {"material": "Leather", "color": "Brown", "size": "80 x 40 cm"}),
        ("Noodler's Ink 3 oz", "", {"weight": "3 oz"}),
        ("Stapler", "Weighs about 2.5 lbs.", {"weight": "about 2.5 lbs"}),
        ("Kettle 1.7 L 2200W 220V", "", {"volume": "1.7 L", "power": "2200W", "voltage": "220V"}),
        ("Power bank", "A cell of 10,000 mAh.", {"capacity": "10,000 mAh"}),
        ("Ruler 12-inch", "", {"length": "12-inch"}),
        ("Thing", "Made of stainless steel. Color: red.", {"material": "stainless steel", "color": "red"}),
        ("保温杯 不锈钢 黑色 500ml", "", {"material": "不锈钢", "color": "黑色", "volume": "500ml"}),
        ("Sleek Backpack", "This black canvas backpack is made of cotton.", {"color": "black", "material": "cotton"}),
        # what is near and is none
        ("20 lb Bond Paper", "Holds up to 5 kg. Next to a red wall.", {}),
        ("Leather Cleaner for Leather", "Black & Decker sells it.", {}),
        ("Cable 2-in-1", "The 4K screen of a phone.", {}),
    ],
)  # fmt: skip
def test_attributes(read: Read, title: str, description: str, attributes: dict[str, str]) -> None:
    assert values(read(description, title=title)) == attributes


def test_a_measure_is_one_value_however_it_is_written(read: Read) -> None:
    tails = {read("", title=f"Ruler {surface}").facts[0].tail for surface in ("12 inch", '12"', "30.48 cm", "12英寸")}
    assert tails == {"value:*/length/30.48 cm"}
    (entity,) = read("", title="Ruler 12 inch").entities
    assert entity.name == "12 inch"
    assert entity.properties == {"attribute": "length", "value": "30.48 cm", "number": 30.48, "unit": "cm"}


def test_evidence_cites_the_text(read: Read) -> None:
    found = read("Perfect for 🎒 trips? Ideal for camping trips.", title="Bag 🎒")
    fact = next(f for f in found.facts if f.tail == "use:camping trips")
    evidence = fact.evidence[0]
    assert (fact.head, evidence.source, evidence.method, evidence.field) == (
        "product:1",
        "doc:1",
        "rules",
        "description",
    )
    assert (evidence.at, evidence.confidence) == (5, CONFIDENCE["ideal-for"])


def test_reviews_are_not_read(extractor: RuleExtractor) -> None:
    review = Document("review:1", "product:1", "review", "Black, 5 kg, ideal for kids.")
    assert list(extractor.extract([review])) == [Extraction("review:1")]


def test_structured_fields_are_left_to_the_catalogue(extractor: RuleExtractor) -> None:
    product = Product(
        "1", "Mug", "Ideal for tea.", brand="For Kids", category=("For Dogs",), attributes={"color": "red"}
    )
    (found,) = extractor.extract([document_of(product)])
    assert relations(found) == [(U, "tea")]
    assert values(found) == {}


def test_values_are_scoped_by_the_documents_category(extractor: RuleExtractor) -> None:
    (found,) = extractor.extract([document_of(Product("1", "Mug, Red", category=("Kitchen", "Mugs")))])
    assert [fact.tail for fact in found.facts] == ["value:mugs/color/red"]


def test_what_the_schema_does_not_have_is_set_aside() -> None:
    schema = Schema({"USED_FOR": SHOP.relations["USED_FOR"]}, {"*": (Attribute("size"),)})
    (found,) = RuleExtractor(schema).extract([Document("d", "p", "product", "Mat, Red\nIdeal for kids and for yoga.")])
    assert [fact.relation for fact in found.facts] == ["USED_FOR"]
    assert {(a.quote, a.reason) for a in found.set_aside} == {("kids", "off schema"), ("Red", "off schema")}


def test_a_text_beyond_the_limit_is_cut_and_counted(read: Read) -> None:
    found = read("word " * (MAX_TEXT // 5) + "Ideal for kids.")
    assert relations(found) == []
    assert [aside.reason for aside in found.set_aside] == ["text too long"]


@pytest.mark.parametrize(
    ("name", "spans"),
    [
        ("shop_gazetteer", [("black", "color"), ("kids", "audience")]),
        ("shop_measures", [("5 kg", "mass")]),
        ("shop_relations", [("kids", "SUITS")]),
    ],
)
def test_each_component_serves_other_pipelines(name: str, spans: list[tuple[str, str]]) -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("shop_sentences")
    nlp.add_pipe(name)
    doc = nlp("A black sled of 5 kg, ideal for kids.")
    assert [(span.text, span.label_) for span in doc.spans[name]] == spans


def test_every_rule_has_a_confidence(extractor: RuleExtractor) -> None:
    assert {*patterns.CUES, *chinese.CUES, "accessory-of", "belongs-to"} <= set(CONFIDENCE)
    assert all(0 < confidence < 1 for confidence in CONFIDENCE.values())


def test_facts_are_proved(read: Read) -> None:
    def quoted(fact: Fact) -> bool:
        return all(e.quote and e.start is not None for e in fact.evidence)

    assert all(map(quoted, read("Ideal for kids, 5 kg, black.", title="Sled, Red").facts))
