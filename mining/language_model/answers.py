"""From what a model wrote to a JSON object: fences, thoughts and chatter are taken off, nothing is guessed."""

import json
import re
from typing import Any

from mining.language_model.types import JsonSchema

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_LONGEST = 200_000  # characters; a reply within max_tokens is far below


def read_object(content: str, schema: JsonSchema) -> dict[str, Any] | None:
    """The first JSON object in ``content`` that has the schema's required fields, or None."""
    text = _THOUGHTS.sub("", content[:_LONGEST])
    decoder = json.JSONDecoder()
    at = text.find("{")
    tries = 0
    while at >= 0 and tries < 20:  # each try may read to the end: chatter full of braces must not take for ever
        try:
            value, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and all(name in value for name in schema.get("required", ())):
            return value
        at = text.find("{", at + 1)
        tries += 1
    return None


def compact(value: dict[str, Any]) -> str:
    """One line of UTF-8 JSON; lone surrogates, which UTF-8 cannot hold, become question marks."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
