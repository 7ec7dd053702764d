"""What reads the texts: rules always, a language model where a budget or replies that it has given before are there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from api.bootstrap import Shop
from api.settings import Settings
from kg.schema import SHOP, Schema
from mining.extraction.llm import LLMExtractor
from mining.extraction.orders import Guarded
from mining.extraction.rules import RuleExtractor
from mining.language_model import Budget, LanguageModel, OpenAIModel, ReplyCache, local_server
from mining.reviews.extractor import ReviewExtractor
from mining.samples import sample_shop
from mining.types import Extractor


@contextmanager
def extractors(opened: Shop, llm_budget: str, schema: Schema = SHOP) -> Iterator[list[Extractor]]:
    """What reads the texts: rules and review rules always; a language model, or replies that it has given before."""
    budget = Budget.parse(llm_budget)
    replies, shipped = opened.workspace.cache / "replies.db", _shipped()
    chosen = readers(schema)
    with ExitStack() as stack:
        if budget.limit or replies.exists() or shipped:
            cache = stack.enter_context(ReplyCache(replies, shipped=shipped))
            model = stack.enter_context(language_model(opened.settings)) if budget.limit else None
            chosen.append(LLMExtractor(model, schema=schema, cache=cache, budget=budget))
        yield chosen


def readers(schema: Schema = SHOP) -> list[Extractor]:
    """The rules for products and for reviews, deaf to what a text orders instead of stating it."""
    return [Guarded(RuleExtractor(schema)), Guarded(ReviewExtractor())]


def _shipped() -> tuple[Path, ...]:
    """Replies of a larger model to the sample shop's texts, where they ship."""
    replies = sample_shop().catalog.with_name("replies.jsonl")
    return (replies,) if replies.exists() else ()


@contextmanager
def language_model(settings: Settings) -> Iterator[LanguageModel]:
    """The configured endpoint, or a small local one on loopback."""
    if settings.llm_base_url is None:
        with local_server(settings.llm_model) as server:
            yield server.model()
        return
    key = settings.llm_api_key.get_secret_value() if settings.llm_api_key else None
    model = OpenAIModel(settings.llm_base_url, settings.llm_model or "default", api_key=key)
    try:
        yield model
    finally:
        model.close()
