"""What reads the texts: rules always, the small model where there is one, a language model where they leave a doubt."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from api.bootstrap import Shop
from api.extras import need
from api.reading import Reading
from api.settings import Settings
from kg.schema import SHOP, Schema
from mining.decisions import DecisionLog
from mining.extraction.cascade import Routed, doubtful, everywhere
from mining.extraction.judged import JudgedExtractor
from mining.extraction.llm import LLMExtractor
from mining.extraction.orders import Guarded
from mining.extraction.people import PeopleExtractor
from mining.language_model import Budget, LanguageModel, OpenAIModel, ReplyCache, local_server
from mining.reviews.extractor import ReviewExtractor
from mining.samples import sample_shop
from mining.types import Extractor

if TYPE_CHECKING:
    from mining.extraction.attribute_extractor import AttributeExtractor


@contextmanager
def extractors(opened: Shop, how: Reading) -> Iterator[tuple[list[Extractor], Schema]]:
    """What reads the texts, cheap readers first, and the schema that they read by.

    Rules and review rules always; the small model where one is given; a language model, or replies that it gave before.
    """
    budget = Budget.parse(how.llm_budget)
    replies, shipped = opened.workspace.cache / "replies.db", _shipped()
    small = _small_model(how) if how.model else None
    schema = small.schema if small else how.schema or SHOP
    chosen = readers(schema, how.reviews_model)
    if small:
        chosen.append(Guarded(small))
    with ExitStack() as stack:
        if budget.limit or replies.exists() or shipped:
            cache = stack.enter_context(ReplyCache(replies, shipped=shipped))
            model = stack.enter_context(language_model(opened.settings)) if budget.limit else None
            llm = LLMExtractor(model, schema=schema, cache=cache, budget=budget)
            chosen.append(Routed(llm, doubtful if how.ask == "doubtful" else everywhere))
        if opened.workspace.decisions.exists():
            chosen.append(PeopleExtractor(DecisionLog(opened.workspace.decisions), schema))
        yield chosen, schema


def _small_model(how: Reading) -> "AttributeExtractor":
    """Needs the extra ``train``: the model is read with PyTorch."""
    need("torch", "train")
    from mining.extraction.attribute_extractor import AttributeExtractor

    assert how.model is not None
    return AttributeExtractor.load(how.model, schema=how.schema, device=how.device)


def readers(schema: Schema = SHOP, reviews_model: Path | None = None) -> list[Extractor]:
    """The rules for products, with the small judge where they are silent, and for reviews; deaf to what a text orders
    instead of stating it."""
    rules = Guarded(JudgedExtractor(schema, overrules=False))
    if reviews_model is None:
        return [rules, Guarded(ReviewExtractor())]
    need("torch", "train")
    from mining.reviews.opinion_extractor import OpinionExtractor
    from mining.reviews.triplet_model import OpinionModel

    model = OpinionModel.load(reviews_model)
    return [rules, Guarded(ReviewExtractor(unless=model.languages)), Guarded(OpinionExtractor(model))]


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
