"""How texts are read, as the user asked for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from kg.schema import Schema
from mining.schema.files import read_schema

Ask: TypeAlias = Literal["doubtful", "every"]


@dataclass(frozen=True, slots=True)
class Reading:
    """``schema``: None for ``SHOP`` and what the small model knows. ``model``: the folder of a small model.
    ``reviews_model``: the folder of one that reads reviews in the languages it was trained on. ``ask``: which product
    texts a language model is asked about, every one or those that the other readers leave in doubt."""

    llm_budget: str = "0"
    schema: Schema | None = None
    model: Path | None = None
    reviews_model: Path | None = None
    ask: Ask = "doubtful"
    device: str = "cpu"

    @classmethod
    def of(
        cls,
        llm_budget: str,
        schema: Path | None,
        model: Path | None,
        reviews_model: Path | None,
        ask: Ask,
        device: str,
    ) -> "Reading":
        """Raises SourceError where the schema's file cannot be read; names the line."""
        return cls(llm_budget, read_schema(schema) if schema else None, model, reviews_model, ask, device)
