"""What is asked of a language model and what comes back: prompts, replies, usage and the protocol.

A prompt is a value: everything that can change the reply lies in it, so that its digest together with the model's name
is the identity of the reply.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from mining.language_model.budget import Budget, Price

Role = Literal["system", "user", "assistant"]
Origin = Literal["live", "cached", "replayed"]
JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A question with the JSON schema of its answer and the sampling that makes the answer repeatable.

    ``grammar`` is an optional llama.cpp grammar that says more than the schema can (each quote is a piece of the text);
    endpoints that take none are asked by ``schema``. It is derived from the messages and so no part of the key.
    """

    messages: tuple[Message, ...]
    schema: JsonSchema = field(hash=False)
    version: str
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    grammar: str | None = field(default=None, compare=False, repr=False)

    def key(self, model: str) -> str:
        """SHA-256, in hex, of content, model name, prompt version, schema and sampling."""
        identity = {
            "messages": [[message.role, message.content] for message in self.messages],
            "model": model,
            "sampling": {"max_tokens": self.max_tokens, "seed": self.seed, "temperature": self.temperature},
            "schema": self.schema,
            "version": self.version,
        }
        # ASCII, so that a lone surrogate in a product text cannot break the encoding.
        canonical = json.dumps(identity, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def token_bound(self) -> int:
        """No tokenizer makes more tokens than UTF-8 has bytes; templates add a few a message, some the schema."""
        content = sum(len(message.content.encode("utf-8", "replace")) for message in self.messages)
        return content + len(json.dumps(self.schema)) + 16 * (len(self.messages) + 4)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked of an endpoint. ``calls`` are requests sent, retries included; ``usd`` is 0 without a price."""

    calls: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.calls + other.calls,
            self.retries + other.retries,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
        )

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON object as compact text, who said it, and whether it was said now, found in the cache, or shipped."""

    text: str
    model: str
    usage: Usage = Usage()
    origin: Origin = "live"


class LanguageModel(Protocol):
    """Anything that answers a prompt with a JSON object. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The model's name, part of every cache key."""
        ...

    @property
    def price(self) -> "Price | None":
        """What a token costs, or None where nobody has said."""
        ...

    @property
    def usage(self) -> Usage:
        """Everything asked so far, failed attempts included."""
        ...

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        ...

    def complete(self, prompt: Prompt, budget: "Budget | None" = None) -> Reply:
        """Raises ModelUnavailable, ModelRefused or BudgetExhausted; never returns anything but a JSON object."""
        ...
