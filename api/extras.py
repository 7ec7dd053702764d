"""Optional parts, looked for before they are used."""

import importlib.util

from api.errors import MissingExtra


def has(module: str) -> bool:
    """Whether it is installed; it is not imported."""
    return importlib.util.find_spec(module) is not None


def need(module: str, extra: str) -> None:
    """Raises MissingExtra where the module that the extra brings is not installed."""
    if not has(module):
        raise MissingExtra(f"this needs the extra '{extra}': pip install '.[{extra}]' in the project's folder")
