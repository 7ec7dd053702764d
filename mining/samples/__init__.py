"""The sample shop that ships with the package: where its files are and how they are read.

``shop/catalog.jsonl`` and ``shop/reviews.jsonl`` are the shop as a merchant would hand it over. ``shop/truth.json`` is
what was planted in it, for tests and benchmarks only. Events come from ``mining.samples.simulator``.
"""

import html
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from kg.types import Product


@dataclass(frozen=True, slots=True)
class SampleShop:
    """The files of the sample shop."""

    catalog: Path
    reviews: Path
    truth: Path


def sample_shop() -> SampleShop:
    """The sample shop's files, wherever the package is installed (as files, not inside an archive)."""
    folder = Path(str(files("mining.samples") / "shop"))
    return SampleShop(folder / "catalog.jsonl", folder / "reviews.jsonl", folder / "truth.json")


def sample_products() -> list[Product]:
    """The catalogue as products, entities decoded, in the order of the file.

    For the simulator and its tests only; a run reads the file through ``mining.sources`` as it would any shop's.
    """
    lines = sample_shop().catalog.read_text(encoding="utf-8").splitlines()
    return [_product(json.loads(line)) for line in lines]


def _product(row: dict[str, object]) -> Product:
    decoded = {key: html.unescape(value) if isinstance(value, str) else value for key, value in row.items()}
    category = decoded.pop("category")
    return Product(category=tuple(category) if isinstance(category, list) else (), **decoded)  # type: ignore[arg-type]
