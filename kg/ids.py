"""Entity ids come from content, with the type in them: ``brand:apple``, ``product:B00X``, ``value:laptops/ram/16 gb``.

The normal form is for identity only. What was written is kept, as it was written, in ``Entity.name`` and in quotes.
"""

import unicodedata


def normal_form(surface: str) -> str:
    """NFKC, case-folded, runs of white space to one space. Nothing else: ``C++``, ``-20°C`` and ``小米`` stay apart."""
    return " ".join(unicodedata.normalize("NFKC", surface).casefold().split())


def product_id(entity_id: str) -> str | None:
    """The shop's key behind a product's entity id, or None for anything that is no product."""
    return entity_id.removeprefix("product:") if entity_id.startswith("product:") else None


def product(shop_id: str) -> str:
    return f"product:{shop_id}"


def brand(name: str) -> str:
    return f"brand:{normal_form(name)}"


def category(path: tuple[str, ...]) -> str:
    return "category:" + " > ".join(normal_form(part) for part in path)


def value(category_name: str, attribute: str, surface: str) -> str:
    """A value is scoped by category and attribute, so that no value becomes a node with 300,000 edges."""
    return f"value:{normal_form(category_name)}/{normal_form(attribute)}/{normal_form(surface)}"


def named(type_name: str, surface: str) -> str:
    """The id of a use, audience, thing or aspect: its type and its normal form."""
    return f"{type_name.casefold()}:{normal_form(surface)}"
