"""Asking language models: a protocol, an OpenAI-compatible client, budgets, a reply cache and a local server."""

from mining.language_model.budget import FREE, PRICES, Budget, Price
from mining.language_model.cache import ReplyCache, export_replies, reply_usage
from mining.language_model.client import OpenAIModel
from mining.language_model.local import LocalServer, bundled_model, local_server
from mining.language_model.pacing import RateLimiter, Retry
from mining.language_model.types import LanguageModel, Message, Prompt, Reply, Usage

__all__ = [
    "FREE",
    "PRICES",
    "Budget",
    "LanguageModel",
    "LocalServer",
    "Message",
    "OpenAIModel",
    "Price",
    "Prompt",
    "RateLimiter",
    "Reply",
    "ReplyCache",
    "Retry",
    "Usage",
    "bundled_model",
    "export_replies",
    "local_server",
    "reply_usage",
]
