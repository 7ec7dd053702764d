"""Products from catalogue rows, of any form and with any usual column names."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kg.types import Product
from mining.sources.columns import Roles, squash
from mining.sources.reading import Fields, Request, read_typed
from mining.sources.rows import OnReject, ReadReport
from mining.sources.shop import ShopFiles, catalogue_of, derived_products
from mining.sources.text import inline_text, is_missing, is_safe, plain_text, structured, title_text, words
from mining.sources.values import available_of, category_paths, id_of, price_of

MAX_ATTRIBUTE = 200  # characters; longer ones are prose, not values
MAX_IMAGES = 20

_GTIN = words("gtin gtin13 gtin14 ean upc isbn isbn13")
_MPN = words("mpn itemmodelnumber partnumber manufacturerpartnumber")
_BRAND = words("brand brandname 品牌")
# Keys under which Amazon's and other feeds hold the address of an image, best first.
_IMAGE_KEYS = ("hi_res", "large", "url", "src", "thumb")


def read_products(
    path: Path | str,
    *,
    on_reject: OnReject,
    columns: Mapping[str, str] | None = None,
    preset: str | None = None,
    encoding: str | None = None,
    report: ReadReport | None = None,
) -> Iterator[Product]:
    """The products of a catalogue file, or of a shop folder, in file order.

    ``columns`` maps roles to columns (``{"id": "artikel"}``; ``attribute.NAME`` reads a column as that attribute).
    A folder without a catalogue gives one product for each id that its events name; the report says so. Only ``id``
    must be there in every row: a missing title is left empty for cleaning to count. Raises SourceError, ColumnError.
    """
    report = ReadReport() if report is None else report
    source = catalogue_of(Path(path))
    if isinstance(source, ShopFiles):
        return derived_products(source, on_reject=on_reject, report=report)
    request = Request(source, "products", on_reject, columns, preset, encoding, report)
    return read_typed(request, lambda fields: (_product(fields),))


def product_of(values: Mapping[str, object], report: ReadReport | None = None) -> Product:
    """One product out of values by role (``id``, ``title``, ``category``, ``attributes`` …), read as a row of a file is
    read; the report notes what was changed or left out. Raises BadRow where there is no id."""
    fields = Fields(ReadReport() if report is None else report)
    fields.roles, fields.row, fields.values = Roles({role: role for role in values}), 1, values
    return _product(fields)


def _product(fields: Fields) -> Product:
    attributes = _attributes(fields)
    price, currency = _price(fields)
    return Product(
        id=id_of(fields.get("id"), "id"),
        title=_noted(fields, "title", title_text),
        description=_description(fields),
        brand=_noted(fields, "brand", title_text) or _named(attributes, _BRAND),
        category=_category(fields),
        price=price,
        currency=inline_text(fields.get("currency")).upper() or currency,
        gtin=_code(fields, "gtin") or _named(attributes, _GTIN),
        mpn=_code(fields, "mpn") or _named(attributes, _MPN),
        image_urls=_images(fields),
        available=fields.parsed("available", available_of, True),
        attributes=attributes,
    )


def _description(fields: Fields) -> str:
    parts = (_noted(fields, "description", plain_text), _noted(fields, "features", plain_text))
    return "\n".join(part for part in parts if part)


def _noted(fields: Fields, role: str, decode: Callable[[object], str]) -> str:
    value = fields.get(role)
    if isinstance(value, str) and not is_safe(value.replace("\r", "\n")):
        fields.note(f"{role}: control characters or broken Unicode replaced")
    return decode(value)


def _price(fields: Fields) -> tuple[float | None, str | None]:
    nothing: tuple[float | None, str | None] = (None, None)
    return fields.parsed("price", price_of, nothing)


def _code(fields: Fields, role: str) -> str | None:
    value = fields.get(role)
    return None if is_missing(value) else inline_text(value) or None


def _category(fields: Fields) -> tuple[str, ...]:
    """The longest path, the first of several."""
    raw: list[list[str]] = fields.parsed("category", category_paths, [])
    paths = [tuple(part for part in map(inline_text, path) if part) for path in raw]
    if len(paths) > 1:
        fields.note("category: several paths, the longest kept")
    return max(paths, key=len, default=())


def _images(fields: Fields) -> tuple[str, ...]:
    value = structured(fields.get("images"))
    urls = [_url(v) for v in value] if isinstance(value, list | tuple) else [_url(value)]
    return tuple(dict.fromkeys(url for url in urls if url))[:MAX_IMAGES]


def _url(value: object) -> str:
    if isinstance(value, dict):
        value = next((value[key] for key in _IMAGE_KEYS if value.get(key)), None)
    return value.strip() if isinstance(value, str) and not is_missing(value) and is_safe(value) else ""


def _attributes(fields: Fields) -> dict[str, str]:
    attributes: dict[str, str] = {}
    for name, value in _stated(fields):
        text = inline_text(value)
        name = inline_text(name).strip(" :")
        if not text or not name:
            continue
        if len(text) > MAX_ATTRIBUTE or len(name) > MAX_ATTRIBUTE:
            fields.note(f"attribute longer than {MAX_ATTRIBUTE} characters, left out")
        else:
            attributes.setdefault(name, text)
    return attributes


def _stated(fields: Fields) -> Iterator[tuple[object, object]]:
    """(name, value) of the attributes column, an object or a list of ``{name, value}``, and of single columns."""
    value = structured(fields.get("attributes"))
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple) and all(isinstance(v, dict) and {"name", "value"} <= v.keys() for v in value):
        yield from ((v["name"], v["value"]) for v in value)
    elif not is_missing(value):
        fields.note("attributes: neither an object nor a list of {name, value}, left out")
    for name, column in fields.roles.attributes.items():
        yield name, fields.values.get(column)


def _named(attributes: Mapping[str, str], names: frozenset[str]) -> str | None:
    return next((value for name, value in attributes.items() if squash(name) in names), None)
