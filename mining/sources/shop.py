"""What lies in a shop's folder: which file is the catalogue, which the log, and what can be derived
where one is missing.

Files are known by the first word of their names. Held-out files (``test``) are never read as behaviour: a model must
not learn what it is judged by; only their product ids count where the catalogue itself has to be derived.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kg.types import Product
from mining.errors import SourceError
from mining.sources.files import form_of
from mining.sources.reading import Fields, Request, read_typed
from mining.sources.rows import OnReject, ReadReport
from mining.sources.values import id_of

FileKind = Literal["catalog", "events", "reviews", "relations"]

# The first words of usual file names, best first.
_NAMES: dict[FileKind, tuple[str, ...]] = {
    "catalog": ("catalog", "catalogue", "products", "product", "items", "item", "meta", "goods", "商品"),
    "events": (
        "events", "event", "interactions", "log", "logs", "behavior", "behaviour", "ratings", "histories", "history",
        "train", "行为",
    ),
    "reviews": ("reviews", "review", "评论"),
    "relations": ("relations", "relation", "links", "related"),
}  # fmt: skip
_HELD_OUT = ("test", "valid", "validation", "dev", "holdout", "heldout")


@dataclass(frozen=True, slots=True)
class ShopFiles:
    """The files of one shop; None where there is none. ``held_out`` are test files, ``ignored`` is everything else
    that could be read and is not needed (``users``)."""

    folder: Path
    catalog: Path | None
    events: Path | None
    reviews: Path | None
    relations: Path | None
    held_out: tuple[Path, ...] = ()
    ignored: tuple[Path, ...] = ()


def find_shop_files(folder: Path | str) -> ShopFiles:
    """The shop's files by their names, without a map. Reviews stand in for a missing log: an Amazon review is a
    purchase. Raises SourceError for a folder with two files for one thing, or with nothing to start from."""
    folder = Path(folder)
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; expected one with a catalogue or events in it")
    files = sorted(path for path in folder.iterdir() if path.is_file() and form_of(path))
    held_out = tuple(path for path in files if _word(path) in _HELD_OUT)
    rest = [path for path in files if path not in held_out]
    found = {kind: _one(folder, kind, rest) for kind in _NAMES}
    if found["catalog"] is None and found["events"] is None and found["reviews"] is None:
        names = ", ".join(path.name for path in files) or "no readable file"
        raise SourceError(
            f"{folder} holds {names}; expected a catalogue (products, items) or events (events, interactions, train)"
        )
    ignored = tuple(path for path in rest if path not in found.values())
    return ShopFiles(
        folder,
        found["catalog"],
        found["events"] or found["reviews"],
        found["reviews"],
        found["relations"],
        held_out,
        ignored,
    )


def file_of(path: Path, kind: FileKind) -> Path:
    """The file itself, or the folder's file of that kind. SourceError where it has none."""
    if not path.is_dir():
        return path
    file: Path | None = getattr(find_shop_files(path), kind)
    if file is None:
        raise SourceError(f"{path} has no {kind} file; expected a name such as {_NAMES[kind][0]}.csv, or name the file")
    return file


def catalogue_of(path: Path) -> Path | ShopFiles:
    """The catalogue file, or the shop whose catalogue has to be derived."""
    if not path.is_dir():
        return path
    shop = find_shop_files(path)
    return shop.catalog or shop


def derived_products(shop: ShopFiles, *, on_reject: OnReject, report: ReadReport) -> Iterator[Product]:
    """One product for each id in the events and held-out files, in order of appearance; its title is its id."""
    files = [path for path in (shop.events, *shop.held_out) if path is not None]
    seen: set[str] = set()

    def make(fields: Fields) -> tuple[Product, ...]:
        product = id_of(fields.get("product"), "product id")
        if product in seen:
            return ()
        seen.add(product)
        return (Product(product, product),)

    for path in files:
        yield from read_typed(Request(path, "events", on_reject, report=report), make)
    report.file = ", ".join(map(str, files))
    report.derive(f"products: no catalogue; the ids in {', '.join(f.name for f in files)}, each its own title")


def _one(folder: Path, kind: FileKind, files: list[Path]) -> Path | None:
    for word in _NAMES[kind]:
        found = [path for path in files if _word(path) == word]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise SourceError(f"{folder} has more than one {kind} file ({names}); name the one to read")
        if found:
            return found[0]
    return None


def _word(path: Path) -> str:
    return re.split(r"[\W_]+", path.name.casefold(), maxsplit=1)[0]
