"""Which column is what: usual names, tiers, maps, presets, and the errors that name the flag."""

import pytest

from mining.errors import ColumnError, ConfigurationError
from mining.sources import PRESETS, ROLES, roles_of
from mining.sources.columns import Kind, squash
from mining.sources.presets import preset_of


@pytest.mark.parametrize(
    "column", ["id", "item", "asin", "sku", "product_id", "Product ID", "productId", "parent_asin", "商品ID"]
)
def test_usual_names_of_the_id(column: str) -> None:
    assert roles_of("products", [column, "title"], file="f").columns["id"] == column


@pytest.mark.parametrize(
    ("kind", "seen", "columns"),
    [
        ("products", ["item", "asin", "name"], {"id": "item", "title": "name"}),
        (
            "products",
            ["商品ID", "标题", "品牌", "类目", "价格"],
            {"id": "商品ID", "title": "标题", "brand": "品牌", "category": "类目", "price": "价格"},
        ),
        (
            "events",
            ["id", "visitorid", "itemid", "event", "timestamp"],
            {"event_id": "id", "user": "visitorid", "product": "itemid", "action": "event", "time": "timestamp"},
        ),
        ("events", ["user", "id"], {"user": "user", "product": "id"}),
        (
            "events",
            ["reviewerID", "asin", "overall", "unixReviewTime", "reviewTime"],
            {"user": "reviewerID", "product": "asin", "value": "overall", "time": "unixReviewTime"},
        ),
        (
            "reviews",
            ["reviewerID", "asin", "reviewText", "summary", "overall", "unixReviewTime"],
            {
                "user": "reviewerID",
                "product": "asin",
                "text": "reviewText",
                "title": "summary",
                "rating": "overall",
                "time": "unixReviewTime",
            },
        ),
        (
            "reviews",
            ["rating", "title", "text", "asin", "parent_asin", "user_id", "timestamp"],
            {
                "rating": "rating",
                "title": "title",
                "text": "text",
                "product": "parent_asin",
                "user": "user_id",
                "time": "timestamp",
            },
        ),
        ("relations", ["head", "relation", "tail"], {"head": "head", "relation": "relation", "tail": "tail"}),
    ],
)
def test_usual_files(kind: Kind, seen: list[str], columns: dict[str, str]) -> None:
    assert roles_of(kind, seen, file="f").columns == columns


def test_a_missing_column_lists_what_is_there_and_the_flag() -> None:
    with pytest.raises(ColumnError, match=r"shop\.csv.*'id'.*Columns seen: artikel, title.*--map id=COLUMN"):
        roles_of("products", ["artikel", "title"], file="shop.csv")


@pytest.mark.parametrize(
    ("seen", "either"),
    [(["id", "product_id", "title"], "'id' or 'product_id'"), (["id", "title", "name"], "'title' or 'name'")],
)
def test_ambiguity_is_said_and_not_guessed(seen: list[str], either: str) -> None:
    with pytest.raises(ColumnError, match=f"may be {either}.*--map"):
        roles_of("products", seen, file="f")


def test_a_map_settles_both() -> None:
    assert roles_of("products", ["artikel", "title"], file="f", mapped={"id": "artikel"}).columns["id"] == "artikel"
    roles = roles_of("products", ["id", "product_id", "title"], file="f", mapped={"id": "product_id"})
    assert roles.columns == {"id": "product_id", "title": "title"}
    assert roles.unused == ("id",)


def test_a_map_of_nothing_is_refused() -> None:
    with pytest.raises(ColumnError, match="products have no 'tittle' to map; they have id, title"):
        roles_of("products", ["id", "title"], file="f", mapped={"tittle": "title"})
    with pytest.raises(ColumnError, match="--map id=sku names a column that is not there"):
        roles_of("products", ["id", "title"], file="f", mapped={"id": "sku"})


def test_attribute_columns_are_known_by_name_prefix_or_map() -> None:
    seen = ["id", "title", "Colour", "attr.neck", "shelf", "sales_rank"]
    roles = roles_of("products", seen, file="f", mapped={"attribute.place": "shelf"})
    assert roles.attributes == {"Colour": "Colour", "neck": "attr.neck", "place": "shelf"}
    assert roles.unused == ("sales_rank",)


def test_no_name_stands_in_two_tiers_of_one_role() -> None:
    for kind, roles in ROLES.items():
        for role in roles:
            names = [name for tier in role.tiers for name in tier]
            assert len(names) == len(set(names)), (kind, role.name)


def test_a_preset_comes_before_recognition_and_after_the_map() -> None:
    preset = PRESETS["amazon2023"].roles["products"]
    seen = ["main_category", "title", "store", "categories", "parent_asin", "id"]
    assert roles_of("products", seen, file="f", preset=preset).columns["id"] == "parent_asin"
    assert roles_of("products", seen, file="f", preset=preset, mapped={"id": "id"}).columns["id"] == "id"


def test_presets_name_only_roles_that_exist() -> None:
    for preset in PRESETS.values():
        for kind, wanted in preset.roles.items():
            assert set(wanted) <= {role.name for role in ROLES[kind]}, preset.name


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ConfigurationError, match="amazon2014, amazon2018, amazon2023, retailrocket"):
        preset_of("amazon1999")


def test_names_are_compared_without_case_and_punctuation() -> None:
    assert squash("Product-ID ") == squash("productId") == squash("ＰＲＯＤＵＣＴ＿ＩＤ") == "productid"
