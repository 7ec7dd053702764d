"""How a prompt is put to an endpoint: endpoints differ in what they take; what one rejects is left out."""

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

from mining.language_model.types import JsonSchema, Prompt

Format = Literal["grammar", "schema", "bare_schema", "object", "prompt"]

_SIMPLER: dict[Format, Format] = {
    "grammar": "schema",
    "schema": "bare_schema",
    "bare_schema": "object",
    "object": "prompt",
}
_LIMITS = ("maxItems", "maxLength", "minItems", "minLength")  # some endpoints reject a schema that has them


@dataclass(frozen=True, slots=True)
class Dialect:
    """What is sent beside the messages. ``format``: how the answer's form is asked for, strictest first."""

    format: Format = "schema"
    seed: bool = True
    temperature: bool = True
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"

    def __str__(self) -> str:
        left_out = [name for name in ("seed", "temperature") if not getattr(self, name)]
        return f"{self.format}, {self.limit}" + "".join(f", no {name}" for name in left_out)

    def without(self, said: str) -> "Dialect | None":
        """A simpler dialect for an endpoint that rejected this one with these words, or None at the simplest."""
        if "max_completion_tokens" in said and self.limit == "max_tokens":
            return replace(self, limit="max_completion_tokens")
        if "seed" in said and self.seed:
            return replace(self, seed=False)
        if "temperature" in said and self.temperature:
            return replace(self, temperature=False)
        simpler = _SIMPLER.get(self.format)
        return None if simpler is None else replace(self, format=simpler)

    def request(self, model: str, prompt: Prompt, max_tokens: int) -> dict[str, Any]:
        """The arguments of ``chat.completions.create``."""
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        request: dict[str, Any] = {"model": model, "messages": messages, self.limit: max_tokens}
        if self.seed:
            request["seed"] = prompt.seed
        if self.temperature:
            request["temperature"] = prompt.temperature
        if self.format == "grammar" and prompt.grammar is not None:
            request["extra_body"] = {"grammar": prompt.grammar}
        elif self.format in ("grammar", "schema", "bare_schema"):
            schema = _bare(prompt.schema) if self.format == "bare_schema" else prompt.schema
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "reply", "strict": True, "schema": schema},
            }
        else:
            messages[0] = {**messages[0], "content": f"{messages[0]['content']}\n\n{_in_words(prompt.schema)}"}
            if self.format == "object":
                request["response_format"] = {"type": "json_object"}
        return request


def _in_words(schema: JsonSchema) -> str:
    return "Answer with one JSON object that follows this JSON schema, and nothing else:\n" + json.dumps(
        schema, ensure_ascii=False, separators=(",", ":")
    )


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _bare(part) for name, part in schema.items() if name not in _LIMITS}
