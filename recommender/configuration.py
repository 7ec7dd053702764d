"""A model's configuration back from the line that manifests keep of it: the repr of a frozen dataclass.

Only the models of this room can come out, with literals and other models as their settings: the text is parsed, never
run.
"""

import ast
import importlib
import math
from typing import Any

from recommender.errors import ConfigurationError
from recommender.model import Model

MODULES = {
    "Als": "als",
    "Chebyshev": "chebyshev",
    "Coupling": "coupling",
    "Ease": "ease",
    "ItemKNN": "itemknn",
    "Lae": "lae",
    "LightGCN": "lightgcn",
    "Mixture": "mixture",
    "Popularity": "popularity",
    "RandomWalk": "randomwalk",
    "Relational": "relational",
    "Relations": "relations",
    "Sasrec": "sasrec",
    "Slist": "slist",
    "Spectral": "spectral",
    "Texts": "texts",
}
"""Class → its module in ``models``, imported when it is asked for: some bring torch along."""
_NUMBERS = {"inf": math.inf, "nan": math.nan}


def read_model(text: str) -> Model:
    """The model whose ``repr`` this is. Raises ConfigurationError for anything else."""
    try:
        body = ast.parse(text, mode="eval").body
        if not isinstance(body, ast.Call):
            raise ValueError("it makes no model")
        model: Model = _value(body)
    except (SyntaxError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{text[:80]!r} is no configuration of a model ({error}); train again") from error
    return model


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        given = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
        return _class(node.func.id)(*map(_value, node.args), **given)
    if isinstance(node, ast.Tuple):
        return tuple(map(_value, node.elts))
    if isinstance(node, ast.List):
        return list(map(_value, node.elts))
    if isinstance(node, ast.Dict):
        keys = [None if key is None else _value(key) for key in node.keys]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.Name) and node.id in _NUMBERS:
        return _NUMBERS[node.id]
    return ast.literal_eval(node)


def _class(name: str) -> Any:
    if name not in MODULES:
        raise ValueError(f"there is no model {name}")
    return getattr(importlib.import_module(f"recommender.models.{MODULES[name]}"), name)
