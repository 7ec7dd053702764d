"""From a cell to a typed value: ids, times, numbers, prices, actions. What cannot be read raises with its reason."""

import math
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

from kg.errors import EventError
from kg.types import Action, Timestamp
from mining.sources.text import MISSING, is_missing, is_safe, structured, words

MAX_ID = 512  # code points
LAST_SECOND = 253_402_300_799  # the end of the year 9999

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_MONTH_FIRST = re.compile(r"(\d{1,2}) (\d{1,2}), (\d{4})")  # Amazon's reviewTime: "09 13, 2009"
_AMOUNT = re.compile(r"[0-9][0-9.,'\u00a0\u202f ]*")

_ACTIONS: dict[Action, str] = {
    "view": "view views viewed pv pageview page_view visit browse product_view detail_page_view 浏览",
    "click": "click clicks clicked clk 点击",
    "cart": "cart addtocart add_to_cart added_to_cart cart_add basket add_to_basket 加购 加购物车",
    "purchase": "purchase purchased buy bought transaction order ordered purchase_complete 购买 下单 支付",
    "rating": "rating rate rated review reviewed 评分 评价",
}
_ACTION_OF: dict[str, Action] = {word: action for action, words in _ACTIONS.items() for word in words.split()}
# Google Retail's other event names: known, and about no single product that the user chose.
_NO_PRODUCT = words(
    "category_page_view completion home_page_view promotion_offered promotion_not_offered search "
    "shopping_cart_page_view"
)
# Only signs that mean one currency: "$" and "¥" do not.
_CURRENCIES = {"€": "EUR", "£": "GBP", "₹": "INR", "₩": "KRW", "元": "CNY", "US$": "USD", "円": "JPY", "₽": "RUB"}
_CODES = words("USD EUR GBP CNY RMB JPY INR KRW CAD AUD CHF SEK NOK DKK PLN BRL MXN RUB TRY HKD TWD SGD")


class BadRow(ValueError):
    """Why a row cannot be read. What stands before the first colon is counted, what stands behind it is detail."""


def id_of(value: object, what: str) -> str:
    """An id as text: whole numbers without ``.0``, white space around it removed, nothing else changed."""
    read = optional_id(value, what)
    if read is None:
        raise BadRow(f"{what} missing")
    return read


def optional_id(value: object, what: str) -> str | None:
    """As ``id_of``, None where the cell is missing."""
    if type(value) is int:
        return str(value)
    if isinstance(value, str):
        text = value.strip()
        if text in MISSING:
            return None
        if len(text) > MAX_ID:
            raise BadRow(f"{what} longer than {MAX_ID} characters")
        if not is_safe(text) or "\n" in text:
            raise BadRow(f"{what} with control characters or broken Unicode")
        return text
    if is_missing(value):
        return None
    if isinstance(value, float):
        if not value.is_integer():
            raise BadRow(f"{what} is a fraction or not finite: {value!r}")
        return str(int(value))
    if isinstance(value, bool | list | dict | tuple | bytes):
        raise BadRow(f"{what} is no text or whole number")
    return id_of(str(value), what)


def time_of(value: object) -> Timestamp:
    """Unix seconds of: seconds, milli-, micro- or nanoseconds (told apart by size), ISO 8601 (UTC where no zone is
    given), dates, ``MM DD, YYYY``. Fractions of a second are cut off."""
    if type(value) is int:
        return _scaled(value)
    if is_missing(value):
        raise BadRow("time missing")
    if isinstance(value, datetime):
        return _seconds(value)
    if isinstance(value, date):
        return int(datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp())
    if isinstance(value, float):
        return _scaled(value)
    if isinstance(value, str):
        return _time_of_text(value.strip())
    raise BadRow(f"time not recognised: a {type(value).__name__}")


@lru_cache(maxsize=65536)
def _time_of_text(text: str) -> Timestamp:
    if len(text) <= 40 and _NUMBER.fullmatch(text):
        return _scaled(int(text) if text.lstrip("+-").isdigit() else float(text))
    month_first = _MONTH_FIRST.fullmatch(text)
    if month_first:
        month, day, year = month_first.groups()
        text = f"{year}-{int(month):02d}-{int(day):02d}"
    elif text[:4].isdigit() and text[4:5] == "/":
        text = text.replace("/", "-", 2)
    try:
        read = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise BadRow(f"time not recognised: {text[:60]!r}") from None
    return _seconds(read)


def _seconds(moment: datetime) -> Timestamp:
    moment = moment.replace(microsecond=0)  # a float holds no microseconds of far years, and would round up
    return _ranged((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _scaled(number: float) -> Timestamp:
    """Below 1e11 seconds (until the year 5138), below 1e14 milli-, below 1e17 micro-, else nanoseconds."""
    if isinstance(number, float) and not math.isfinite(number):
        raise BadRow("time not finite")
    size = abs(number)
    for limit, unit in ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000)):
        if size < limit:
            return int(number // unit)
    raise BadRow(f"time out of range: {str(number)[:30]}")


def _ranged(seconds: float) -> Timestamp:
    if not abs(seconds) <= LAST_SECOND:
        raise BadRow(f"time out of range: {seconds!r}")
    return math.floor(seconds)


def number_of(value: object) -> float | None:
    """A finite number, None where the cell is missing; ValueError with the reason otherwise."""
    if type(value) is int or type(value) is float:
        number = float(value) if abs(value) < 1e300 or value != value else math.inf
    elif is_missing(value):
        return None
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()[:64]) and len(value) <= 64:
        number = float(value)
    elif isinstance(value, bool | str | list | dict):
        raise ValueError("not a number")
    else:
        number = float(str(value))  # decimal.Decimal of Parquet, numpy scalars
    if math.isnan(number):
        return None
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def price_of(value: object) -> tuple[float | None, str | None]:
    """(price, currency where its sign means one); ValueError with the reason for a range, a word, a negative price."""
    if not isinstance(value, str):
        price, currency = number_of(value), None
    elif is_missing(value):
        return None, None
    else:
        price, currency = _price_of_text(value.strip())
    if price is not None and price < 0:
        raise ValueError("negative")
    return price, currency


def _price_of_text(text: str) -> tuple[float | None, str | None]:
    if _NUMBER.fullmatch(text[:64]):
        return number_of(text), None
    amounts = _AMOUNT.findall(text[:200])
    rest = _AMOUNT.sub("", text[:200]).strip()
    if len(amounts) != 1 or len(text) > 64:
        raise ValueError("not one number")
    negative = rest.startswith(("-", "\u2212"))
    sign = rest.strip("-\u2212 ")
    if sign and sign not in _CURRENCIES and sign.upper() not in _CODES and sign not in ("$", "¥", "￥", "Rs.", "kr"):
        raise ValueError("not a price")
    currency = _CURRENCIES.get(sign) or ({"RMB": "CNY"}.get(sign.upper(), sign.upper()) if sign.isalpha() else None)
    amount = _amount(amounts[0])
    return (-amount if negative else amount), currency if currency in _CODES else None


def _amount(text: str) -> float:
    """``1,299.50``, ``1.299,50``, ``1 299,5``: the last of the two signs is the decimal one; a single sign is one
    unless exactly three digits follow a comma."""
    digits = re.sub(r"['\u00a0\u202f ]", "", text).rstrip(".,")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma > point >= 0 or (point < 0 and digits.count(",") == 1 and len(digits) - comma - 1 != 3):
        digits = digits.replace(".", "").replace(",", ".")
    else:
        digits = digits.replace(",", "")
    if digits.count(".") > 1:
        raise ValueError("not one number")
    return float(digits)


def action_of(word: str) -> Action:
    """The action that a shop's word means: ``buy`` and ``transaction`` are ``purchase``, ``pv`` is ``view``.

    Understands Google Retail's event types too. Raises EventError for a word it does not know, and for one that is
    about no product.
    """
    action = _ACTION_OF.get(word)
    if action is not None:
        return action
    key = re.sub(r"[\s\-]+", "_", word.strip().casefold())
    action = _ACTION_OF.get(key)
    if action is None:
        raise EventError(f"{_refusal(key)}: {word[:60]!r}; expected view, click, cart, purchase or rating")
    return action


def _refusal(key: str) -> Literal["action about no product", "unknown action"]:
    return "action about no product" if key in _NO_PRODUCT else "unknown action"


_YES = words("true yes y t 1 available instock in_stock in-stock 有货 在售 是")
_NO = words("false no n f 0 unavailable outofstock out_of_stock out-of-stock soldout 缺货 下架 否")


def available_of(value: object) -> bool:
    """Whether the product can be bought; a number says how many there are. ValueError where the cell says neither."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().casefold().rsplit("/", 1)[-1]  # schema.org writes https://schema.org/InStock
        if word in _YES or word.replace(" ", "") in _YES:
            return True
        if word in _NO or word.replace(" ", "") in _NO:
            return False
    number = number_of(value)
    return number is None or number > 0


_SEPARATORS = re.compile(r"\s*(?:>+|›|»|\||→|::)\s*")


def category_paths(value: object) -> list[list[str]]:
    """The raw category paths of a cell, from the root down: ``A > B > C``, a list, or a list of lists."""
    read = structured(value)
    if is_missing(read):
        return []
    if isinstance(read, str):
        return [[part for part in _SEPARATORS.split(read) if part.strip()]]
    if isinstance(read, dict):
        raise ValueError("not a path")
    if not isinstance(read, list | tuple):
        return [[str(read)]]
    if any(isinstance(part, list | tuple) for part in read):
        return [[str(p) for p in part] for part in read if isinstance(part, list | tuple)]
    if len(read) == 1 and isinstance(read[0], str):
        return category_paths(read[0]) if not read[0].lstrip().startswith("[") else [[read[0]]]
    return [[str(part) for part in read if not is_missing(part)]]
