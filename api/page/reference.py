"""The API described: every route with its parameters and an example, from the OpenAPI description itself."""

import json
from typing import Any
from urllib.parse import quote

from nicegui import ui

from api.page.frame import MUTED, card, chip, muted

COLORS = {"get": "#2563eb", "post": "#16a34a"}
CODE = "whitespace-pre-wrap break-words font-mono text-xs bg-slate-900 text-slate-100 rounded-lg p-3 w-full"


def draw(described: dict[str, Any]) -> None:
    with card(f"{described['info']['title']} {described['info']['version']}"):
        ui.label(described["info"]["description"]).classes("whitespace-pre-wrap text-sm text-slate-700")
        ui.link("/openapi.json", "/openapi.json").classes("font-mono text-sm")
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            _operation(path, method, operation)


def _operation(path: str, method: str, operation: dict[str, Any]) -> None:
    with ui.column().classes("w-full bg-white rounded-xl shadow-sm border border-slate-200 p-4 gap-2"):
        with ui.row().classes("items-center gap-3").props('data-testid="operation"'):
            chip(method.upper(), COLORS.get(method, "#475569"))
            ui.label(path).classes("font-mono text-sm font-semibold")
            ui.label(operation["summary"]).classes("text-sm text-slate-600")
        if "description" in operation:
            muted(operation["description"])
        for parameter in operation.get("parameters", ()):
            _parameter(parameter)
        with ui.expansion("Example").classes("w-full text-sm").props("dense"):
            ui.label(curl(path, method, operation)).classes(CODE)
            for content in operation["responses"].get("200", {}).get("content", {}).values():
                if "example" in content:
                    ui.label(_pretty(content["example"])).classes(f"{CODE} mt-2")


def _parameter(parameter: dict[str, Any]) -> None:
    schema = parameter["schema"]
    kinds = [schema, *schema.get("anyOf", ())]
    told = [next((k["type"] for k in kinds if "type" in k), "any")]
    told += [f"{bound} {schema[key]}" for bound, key in (("≥", "minimum"), ("≤", "maximum")) if key in schema]
    told += [f"default {json.dumps(schema['default'])}"] if "default" in schema else []
    told += ["required"] if parameter.get("required") else []
    with ui.row().classes("items-baseline gap-3 pl-4"):
        ui.label(parameter["name"]).classes("font-mono text-sm w-32")
        ui.label(", ".join(told)).classes(f"{MUTED} w-56")
        ui.label(parameter.get("description", "")).classes("text-sm text-slate-600")


def curl(path: str, method: str, operation: dict[str, Any]) -> str:
    """A command that asks this route for its example: what is required, or else the first thing that may be said."""
    asked: list[str] = []
    parameters = operation.get("parameters", ())
    for parameter in sorted(parameters, key=lambda parameter: not parameter.get("required")):
        example = quote(str(parameter["schema"]["examples"][0]))
        if parameter["in"] == "path":
            path = path.replace("{" + parameter["name"] + "}", example)
        elif parameter.get("required") or not (asked or "default" in parameter["schema"]):
            asked.append(f"{parameter['name']}={example}")
    url = f"http://127.0.0.1:8000{path}" + (f"?{'&'.join(asked)}" if asked else "")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    if body is None:
        return f"curl '{url}'"
    return f"curl -X {method.upper()} '{url}' -H 'Content-Type: application/json' -d '{_pretty(body)}'"


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
