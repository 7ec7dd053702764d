"""The OpenAI client against any OpenAI-compatible endpoint: limits, retries, repair and costs in one place.

Flow of one prompt: reserve budget → wait for a place → request → settle → check → reply, or wait and try again.
"""

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mining.errors import ConfigurationError
from mining.language_model.answers import compact, read_object
from mining.language_model.budget import PRICES, Budget, Price
from mining.language_model.dialect import Dialect
from mining.language_model.failures import Failure, translate
from mining.language_model.pacing import RateLimiter, Retry
from mining.language_model.types import Message, Prompt, Reply, Usage

if TYPE_CHECKING:
    import openai

_log = logging.getLogger("shopgraph.mining.language_model")

_REPAIR = "That was not the JSON object asked for. Answer again with that one JSON object and nothing else."
_LONGEST_REPLY = 4  # a reply that was cut is asked for again with twice the room, up to so many times the first


@dataclass(slots=True)
class _Asking:
    """One prompt on its way: what changes from attempt to attempt."""

    prompt: Prompt
    max_tokens: int
    dialect: Dialect
    repair: tuple[Message, ...] = ()
    attempts: int = 0
    spent: Usage = field(default_factory=Usage)


class OpenAIModel:
    """A model behind an OpenAI-compatible ``base_url``. Implements LanguageModel.

    ``timeout`` is in seconds, for one attempt. ``price`` None means the list price where one is known. ``grammar`` says
    that the endpoint is llama.cpp and takes grammars. Raises ConfigurationError for a URL that is none. The key is
    neither logged nor shown.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        price: Price | None = None,
        timeout: float = 60.0,
        retry: Retry | None = None,
        concurrency: int = 2,
        per_minute: float | None = None,
        grammar: bool = False,
    ) -> None:
        _check_url(base_url)
        self._base_url = base_url
        self._model = model
        self._api_key = api_key
        self._timeout = timeout
        self._price = price if price is not None else PRICES.get(model)
        self._retry = retry or Retry()
        self._concurrency = concurrency
        self._limiter = RateLimiter(concurrency=concurrency, per_minute=per_minute)
        self._dialect = Dialect("grammar" if grammar else "schema")
        self._usage = Usage()
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    def __repr__(self) -> str:
        return f"OpenAIModel({self._base_url!r}, {self._model!r})"

    @property
    def name(self) -> str:
        return self._model

    @property
    def price(self) -> Price | None:
        return self._price

    @property
    def usage(self) -> Usage:
        return self._usage

    @property
    def concurrency(self) -> int:
        return self._concurrency

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def complete(self, prompt: Prompt, budget: Budget | None = None) -> Reply:
        """Asks until there is a JSON object with the schema's required fields, within the retry limits.

        Raises ModelUnavailable, ModelRefused, BudgetExhausted (before a request is sent), or ConfigurationError for a
        budget in dollars without a price.
        """
        asking = _Asking(prompt, prompt.max_tokens, self._dialect)
        while True:
            try:
                text = self._attempt(asking, budget)
            except Failure as failure:
                self._prepare_next(asking, failure)
            else:
                self._dialect = asking.dialect  # only what has worked is kept: a bad prompt teaches nothing
                return Reply(text, self._model, asking.spent)

    def _prepare_next(self, asking: _Asking, failure: Failure) -> None:
        """Changes what the next attempt should change and waits; raises where there will be none."""
        simpler = asking.dialect.without(failure.rejected) if failure.rejected is not None else None
        if simpler is not None:
            _log.info("the endpoint does not take %s; asking with %s", asking.dialect, simpler)
            asking.dialect = simpler
            asking.attempts -= 1  # not the model's failure
            return
        wait = self._retry.wait(asking.attempts, failure.wait)
        if not failure.retryable or asking.attempts >= self._retry.attempts or wait is None:
            if wait is None:
                failure.reason += f"; it asks to wait {failure.wait:.0f} s"
            raise failure.error(self._model, asking.attempts) from failure
        if failure.too_long:
            asking.max_tokens = min(asking.max_tokens * 2, asking.prompt.max_tokens * _LONGEST_REPLY)
        if failure.answer is not None:
            asking.repair = (Message("assistant", failure.answer), Message("user", _REPAIR))
        _log.warning("attempt %d of %d: %s", asking.attempts, self._retry.attempts, failure.reason)
        if failure.kind == "unavailable":
            if failure.wait is not None:
                self._limiter.pause(wait)
            time.sleep(wait)

    def _attempt(self, asking: _Asking, budget: Budget | None) -> str:
        prompt = asking.prompt
        if asking.repair:
            prompt = replace(prompt, messages=(*prompt.messages, *asking.repair))
        held = budget.reserve(prompt, asking.max_tokens, self._price) if budget else None
        used = worst = self._priced(prompt.token_bound(), asking.max_tokens)
        try:
            with self._limiter.place():
                asking.attempts += 1
                # A fixed seed would give the same broken reply again.
                varied = replace(prompt, seed=prompt.seed + asking.attempts - 1)
                body = self._send(asking.dialect.request(self._model, varied, asking.max_tokens))
            used = self._used(body, worst)
        except Failure as failure:
            if not failure.billed:
                used = Usage()
            raise
        finally:
            used = replace(used, calls=1, retries=int(asking.attempts > 1))
            asking.spent += used
            with self._lock:
                self._usage += used
            if budget and held:
                budget.settle(held, used)
        return _content(body, prompt)

    def _send(self, request: dict[str, Any]) -> Mapping[str, Any]:
        try:
            raw = self._connect().chat.completions.with_raw_response.create(**request)
            content = raw.http_response.content
        except Exception as error:
            raise translate(error) from error
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Failure("unavailable", "the endpoint's reply is not JSON", True, billed=True) from error
        if not isinstance(body, dict):
            raise Failure("unavailable", "the endpoint's reply is no JSON object", True, billed=True)
        return body

    def _connect(self) -> "openai.OpenAI":
        import openai

        with self._lock:
            if self._client is None:
                self._client = openai.OpenAI(
                    base_url=self._base_url,
                    api_key=self._api_key or "none",
                    max_retries=0,
                    timeout=self._timeout,
                    http_client=openai.DefaultHttpxClient(trust_env=not _is_loopback(self._base_url)),
                )
                # Only settings read the environment: the account's names must not come in behind our back.
                self._client.organization = self._client.project = None
            return self._client

    def _priced(self, prompt_tokens: int, completion_tokens: int) -> Usage:
        usd = self._price.of(prompt_tokens, completion_tokens) if self._price else 0.0
        return Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, usd=usd)

    def _used(self, body: Mapping[str, Any], worst: Usage) -> Usage:
        """What the endpoint says it used; the worst case where it says nothing usable."""
        said = body.get("usage")
        if not isinstance(said, dict):
            return worst
        prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
        if not isinstance(prompt, int) or not isinstance(completion, int) or prompt < 0 or completion < 0:
            return worst
        return self._priced(prompt, completion)


def _content(body: Mapping[str, Any], prompt: Prompt) -> str:
    """The JSON object in a chat completion, as compact text; raises Failure for everything else."""
    try:
        choice = body["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise Failure("unavailable", "the endpoint's reply is no chat completion", True) from error
    if choice.get("finish_reason") == "content_filter":
        raise Failure("refused", "the endpoint's content filter stopped the reply", False)
    if refusal:
        raise Failure("refused", "the model refused", True)
    if choice.get("finish_reason") == "length":
        raise Failure("refused", "the reply was cut at the length limit", True, too_long=True)
    if not isinstance(content, str) or not content.strip():
        raise Failure("refused", "the reply was empty", True)
    value = read_object(content, prompt.schema)
    if value is None:
        raise Failure("refused", "the reply was not the JSON asked for", True, answer=content[:2000])
    return compact(value)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"a language model's base URL looks like http://host:port/v1; got {url[:80]!r}")
    if parts.username or parts.password:
        raise ConfigurationError("the language model's key does not belong into its URL; set it as the API key")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
