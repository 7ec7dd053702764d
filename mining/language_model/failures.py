"""What one request to an endpoint can fail with, translated once from the client's exceptions and from odd replies."""

import email.utils
import time
from dataclasses import dataclass
from typing import Any, Literal

from mining.errors import ModelRefused, ModelUnavailable

Kind = Literal["unavailable", "refused"]

_RETRIED = (408, 409, 425, 429)
_CONTEXT = ("context_length", "exceed_context", "context size", "context length", "maximum context")
_FILTERED = ("content_filter", "content_policy", "content management policy")


@dataclass(slots=True, eq=False)
class Failure(Exception):
    """One failed attempt. ``billed``: the endpoint may have charged for it although nothing says how much.

    ``answer`` holds a reply that broke the format, to be shown to the model when it is asked again. ``rejected`` names
    what the endpoint said about a request that it did not understand.
    """

    kind: Kind
    reason: str
    retryable: bool
    wait: float | None = None
    billed: bool = False
    answer: str | None = None
    too_long: bool = False
    rejected: str | None = None

    def error(self, model: str, attempts: int) -> ModelUnavailable | ModelRefused:
        """The public exception for a failure that no further attempt will mend."""
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        if self.kind == "unavailable":
            return ModelUnavailable(f"language model {model!r} is not available after {tries}: {self.reason}")
        return ModelRefused(f"language model {model!r} gave no usable reply after {tries}: {self.reason}")


def translate(error: Exception) -> Failure:
    """A Failure for any exception of the OpenAI client; anything else is raised again."""
    import openai

    if isinstance(error, openai.APITimeoutError):
        return Failure("unavailable", "no reply within the timeout", True, billed=True)
    if isinstance(error, openai.APIStatusError):
        return _status(error.status_code, error.response.headers, _body_text(error))
    if isinstance(error, openai.APIConnectionError):
        never_sent = "Connect" in type(error.__cause__).__name__
        reason = f"no connection ({type(error.__cause__).__name__}); check the base URL and that the server runs"
        return Failure("unavailable", reason, True, billed=not never_sent)
    if isinstance(error, openai.OpenAIError):
        return Failure("unavailable", f"the client failed with {type(error).__name__}", False)
    raise error


def _body_text(error: Any) -> str:
    """The endpoint's own words in lower case, cut: they choose the remedy and are never logged in full."""
    return f"{error.code or ''} {error.message}".lower()[:2000]


def _status(status: int, headers: Any, said: str) -> Failure:
    if status in (401, 403):
        return Failure("unavailable", f"HTTP {status}: the API key is missing, wrong or not allowed", False)
    if status == 429 and "insufficient_quota" in said:
        return Failure("unavailable", "HTTP 429: the account's quota is used up", False)
    if status in _RETRIED or status >= 500:
        return Failure("unavailable", f"HTTP {status}", True, wait=retry_after(headers))
    if any(word in said for word in _CONTEXT):
        return Failure("refused", f"HTTP {status}: the text does not fit the model's context", False)
    if any(word in said for word in _FILTERED):
        return Failure("refused", f"HTTP {status}: the endpoint's content filter stopped it", False)
    if status == 404 and "model" in said:
        return Failure("unavailable", "HTTP 404: the endpoint does not know the model", False)
    if status == 404:
        return Failure("unavailable", "HTTP 404: no chat completions here; base URLs usually end in /v1", False)
    return Failure("refused", f"HTTP {status}: the endpoint does not accept the request", False, rejected=said)


def retry_after(headers: Any, *, now: float | None = None) -> float | None:
    """Seconds that the endpoint asks to wait (``Retry-After`` as seconds or date), or None."""
    milliseconds = headers.get("retry-after-ms")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        then = email.utils.parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return None
    return max(0.0, then - (time.time() if now is None else now))
