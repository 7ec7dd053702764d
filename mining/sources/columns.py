"""Which column is what: usual names in English and Chinese, a user's map before them, presets between the two.

A role lists tiers of names. Within a tier two columns of one file are ambiguous, and that is said rather than guessed;
between tiers the earlier one speaks, so that a file with ``item`` and ``asin`` is known by ``item``. Names are compared
without case, spaces and punctuation: ``Product ID``, ``productId`` and ``product_id`` are one.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from mining.errors import ColumnError
from mining.sources.text import words

Kind = Literal["products", "events", "reviews", "relations"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a column can be. ``tiers`` hold names as ``squash`` leaves them."""

    name: str
    tiers: tuple[frozenset[str], ...]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns of one file by role. ``attributes``: the columns that state one attribute each, by its name."""

    columns: Mapping[str, str]
    attributes: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def squash(name: str) -> str:
    """A column name for comparison."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())


def _role(name: str, *tiers: str, required: bool = False) -> Role:
    return Role(name, tuple(frozenset(map(squash, words(tier))) for tier in tiers), required)


_PRODUCT = ("product_id item_id product item 商品id 商品编号 产品id 物品id", "parent_asin", "asin sku goods_id spu")
_USER = (
    "user_id user customer_id customer uid member_id buyer_id 用户id 用户 会员id 买家id",
    "reviewer_id reviewer visitor_id visitor user_pseudo_id client_id profile_id",
)
_TIME = (
    "timestamp unix_review_time time at ts event_time datetime created_at occurred_at unix_time 时间 时间戳 发生时间",
    "date review_time review_date event_date 日期 评论时间 评价时间",
)
_RATING = "rating overall stars star_rating score 评分 星级"

ROLES: Mapping[Kind, tuple[Role, ...]] = {
    "products": (
        _role("id", f"id {_PRODUCT[0]}", *_PRODUCT[1:], required=True),
        _role(
            "title", "title name product_name product_title item_name 标题 商品名称 商品标题 名称 品名", required=True
        ),
        _role(
            "description", "description desc product_description 描述 商品描述 详情", "body text about long_description"
        ),
        _role("features", "features feature bullet_points bullets about_this_item highlights 卖点 特点"),
        _role("brand", "brand brand_name 品牌", "store manufacturer maker vendor seller_brand 厂商"),
        _role(
            "category",
            "categories category_path breadcrumb breadcrumbs 类目路径",
            "category category_name product_category 类目 分类 类别 品类",
            "main_category main_cat product_type department",
        ),
        _role("price", "price 价格 售价 单价", "sale_price current_price list_price unit_price"),
        _role("currency", "currency price_currency currency_code 币种"),
        _role("gtin", "gtin gtin13 ean barcode upc isbn 条码 条形码"),
        _role("mpn", "mpn part_number manufacturer_part_number item_model_number"),
        _role("images", "image_url image_urls images image im_url picture photo 图片", "image_url_high_res thumbnail"),
        _role(
            "available",
            "available availability in_stock is_available 是否有货",
            "current_stock stock inventory stock_quantity 库存",
        ),
        _role("attributes", "attributes attrs properties specs specifications details 属性 参数"),
    ),
    "events": (
        _role("product", *_PRODUCT, "id", required=True),
        _role("user", *_USER),
        _role("session", "session_id session sid visit_id 会话id"),
        _role("action", "action event event_type event_name behavior behaviour behavior_type type 行为 行为类型 事件"),
        _role("time", *_TIME),
        _role("value", "value", _RATING, "quantity qty count amount 数量"),
        _role("event_id", "event_id event_uuid 事件id", "id"),
        _role("history", "history item_history sequence"),
        _role("target", "target target_item next_item"),
    ),
    "reviews": (
        _role("product", *_PRODUCT, required=True),
        _role(
            "text", "review_text text review review_body comment content 评论 评价内容 评论内容", "body", required=True
        ),
        _role("title", "summary title review_title headline review_headline review_summary 评论标题"),
        _role("user", *_USER),
        _role("rating", _RATING),
        _role("time", *_TIME),
        _role("id", "review_id id 评论id"),
    ),
    "relations": (
        _role("head", "head source src from head_id", "product_id item_id product item asin id item1", required=True),
        _role("relation", "relation relation_type rel label type kind edge edge_type 关系", required=True),
        _role("tail", "tail target dst to tail_id", "related related_id related_item item2 other_id", required=True),
        _role("count", "count support weight n times 次数"),
    ),
}

# Columns that state one attribute of a product. Anything else that is not recognised is not guessed to be one.
ATTRIBUTES = frozenset(
    map(
        squash,
        words(
            "color colour material size style weight volume length width height depth diameter power voltage capacity "
            "pack pack_size model gender gender_affinity season pattern flavor flavour scent fragrance age_group "
            "age_range finish fit shape connectivity wattage resolution memory storage screen_size skin_type hair_type "
            "颜色 材质 尺寸 尺码 规格 型号 重量 容量 功率 电压 款式 风格 季节 适用人群 性别 口味 香味 产地 成分"
        ),
    )
)
MAPPED = "attribute."  # a role such as ``attribute.colour`` reads its column as that attribute
ATTRIBUTE_PREFIX = re.compile(r"^(?:attributes?|attr|属性)[._:]\s*(?=\S)", re.IGNORECASE)


def roles_of(
    kind: Kind,
    seen: Sequence[str],
    *,
    file: str,
    mapped: Mapping[str, str] | None = None,
    preset: Mapping[str, tuple[str, ...]] | None = None,
    optional: Iterable[str] = (),
) -> Roles:
    """The roles of the columns ``seen``. ``mapped`` (role → column) binds, ``preset`` (role → columns, first that is
    there) comes next, recognition last. ``optional`` names required roles that this file may lack.

    Raises ColumnError that lists the columns and the flag that settles it.
    """
    columns = dict(_mapped(kind, seen, mapped or {}, file))
    for name, usual in (preset or {}).items():
        column = next((c for c in usual if c in seen), None)
        if name not in columns and column is not None and column not in columns.values():
            columns[name] = column
    waived = frozenset(optional)
    for role in ROLES[kind]:
        if role.name not in columns:
            column = _recognised(role, seen, columns, file)
            if column is not None:
                columns[role.name] = column
            elif role.required and role.name not in waived:
                raise ColumnError(f"{file}: no column is recognised as {role.name!r}. {_advice(role.name, seen)}")
    return _roles(kind, columns, seen)


def _roles(kind: Kind, columns: Mapping[str, str], seen: Sequence[str]) -> Roles:
    attributes = {role.removeprefix(MAPPED): column for role, column in columns.items() if role.startswith(MAPPED)}
    rest = [name for name in seen if name not in columns.values()]
    if kind == "products":
        for name in filter(_is_attribute, rest):
            attributes.setdefault(ATTRIBUTE_PREFIX.sub("", name, count=1), name)
    return Roles(columns, attributes, tuple(name for name in rest if name not in attributes.values()))


def _is_attribute(name: str) -> bool:
    return squash(name) in ATTRIBUTES or bool(ATTRIBUTE_PREFIX.match(name))


def _mapped(kind: Kind, seen: Sequence[str], mapped: Mapping[str, str], file: str) -> Mapping[str, str]:
    known = [role.name for role in ROLES[kind]]
    for role, column in mapped.items():
        if role not in known and not (kind == "products" and role.startswith(MAPPED) and role != MAPPED):
            raise ColumnError(f"{file}: {kind} have no {role!r} to map; they have {', '.join(known)}")
        if column not in seen:
            raise ColumnError(f"{file}: --map {role}={column} names a column that is not there. {_advice(role, seen)}")
    return mapped


def _recognised(role: Role, seen: Sequence[str], taken: Mapping[str, str], file: str) -> str | None:
    used = set(taken.values())
    for tier in role.tiers:
        found = [name for name in seen if name not in used and squash(name) in tier]
        if len(found) > 1:
            either = " or ".join(map(repr, found))
            raise ColumnError(f"{file}: {role.name!r} may be {either}. {_advice(role.name, seen)}")
        if found:
            return found[0]
    return None


def _advice(role: str, seen: Sequence[str]) -> str:
    shown = ", ".join(name[:60] for name in seen[:40]) or "none"
    return f"Columns seen: {shown}. Say which one it is with --map {role}=COLUMN"
