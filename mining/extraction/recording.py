"""Records a model's replies to given documents as a shipped cache, so that others can replay them without the model."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kg.schema import SHOP, Schema
from kg.types import Document
from mining.extraction.llm import LLMExtractor, LLMReport
from mining.language_model.cache import ReplyCache, export_replies
from mining.language_model.types import LanguageModel


@dataclass(frozen=True, slots=True)
class Recording:
    """How many replies were written, and how the documents were answered."""

    replies: int
    report: LLMReport


def record_replies(
    documents: Iterable[Document],
    model: LanguageModel,
    path: Path,
    *,
    cache: Path,
    schema: Schema = SHOP,
) -> Recording:
    """Asks ``model`` about every product document and writes the replies to ``path`` (JSONL, deterministic).

    ``cache`` is the working file: an interrupted recording goes on where it was, and replies to texts that have changed
    since are left out of ``path``. Documents that the model did not answer are counted in the report and not written.
    """
    asked = [document for document in documents if document.kind == "product"]
    with ReplyCache(cache) as replies:
        extractor = LLMExtractor(model, schema=schema, cache=replies)
        for _ in extractor.extract(asked):
            pass  # the replies go to the cache, one commit each
        keys = [extractor.prompt(document).key(model.name) for document in asked]
    return Recording(export_replies(cache, path, keys=keys), extractor.report)
