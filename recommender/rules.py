"""What the shop wants shown whatever a model says: rules that pin, hide or boost products for a time.

::

    {"rules": [
      {"name": "summer", "action": "pin", "products": ["cof-01"], "position": 1,
       "from": "2026-06-01", "until": "2026-07-01"},
      {"name": "recall 17", "action": "hide", "products": ["cof-03"]},
      {"name": "own brand", "action": "boost", "brand": "Caldoro", "by": 1.5},
    {"name": "sure toys", "action": "hide", "category": "Toys", "below": 0.2}
    ]}

A rule concerns the products that meet all of ``products``, ``category`` (a path or an id, with everything below it),
``brand``, ``attributes`` ({name: [values]}), ``min_price`` and ``max_price``. ``from`` and ``until`` are ISO 8601,
UTC where they name no zone, half-open. A rule changes ranks, never scores. ``below`` hides only where the score of the
answer is lower.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np

from kg import ids
from kg.types import Timestamp
from recommender.arrays import Bools, Floats
from recommender.errors import FilterError, RuleError
from recommender.filters import Filters, Shelf

RuleAction: TypeAlias = Literal["pin", "hide", "boost"]
ACTIONS: tuple[RuleAction, ...] = ("pin", "hide", "boost")
_Place = TypeVar("_Place")

_TARGETS = ("products", "category", "brand", "attributes", "min_price", "max_price")
MOST = 1e15
"""What no price and no factor reaches; JSON may hold numbers that are not finite, or have a thousand digits."""
MOST_LIFT = 1000
"""The largest factor of one boost: several of them together must stay numbers that can be ranked."""
_KNOWN = {"name", "action", "from", "until", *_TARGETS}
_OWN: Mapping[str, str] = {"pin": "position", "boost": "by", "hide": "below"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``position`` is the rank of the first product that is pinned, ``by`` the factor of a boost: above 1 it
    lifts, below 1 it lowers. ``below`` is the score from which on a product is not hidden, None where it always is.
    ``since`` and ``until`` are None where the window has no such end."""

    name: str
    action: RuleAction
    target: Filters
    position: int = 1
    by: float = 1.0
    since: Timestamp | None = None
    until: Timestamp | None = None
    below: float | None = None

    def holds(self, at: Timestamp) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    @property
    def label(self) -> str:
        """What ``Recommendation.moved_by`` calls it."""
        return f"rule: {self.name}"


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file, in its order. Raises RuleError that names the file, and the rule that is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise RuleError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path} cannot be read ({error})") from error
    rows = raw.get("rules") if isinstance(raw, dict) else None
    if not isinstance(rows, list):
        raise RuleError(f"{path}: expected an object with the field 'rules', a list of rules")
    rules: dict[str, Rule] = {}
    for number, row in enumerate(rows, start=1):
        named = row.get("name") if isinstance(row, dict) else None
        where = f"{path}: rule {named!r}" if isinstance(named, str) and named else f"{path}: rule number {number}"
        try:
            rule = _rule(row)
            if rule.name in rules:
                raise RuleError("another rule has the same name")
        except (RuleError, FilterError) as error:
            raise RuleError(f"{where}: {error}") from error
        rules[rule.name] = rule
    return tuple(rules.values())


def concerned(rule: Rule, shelf: Shelf) -> Bools:
    """The products that a rule is about, (n_items,); none where it asks for an attribute that no product has."""
    try:
        return shelf.kept(rule.target)
    except FilterError:
        return np.zeros(len(shelf.items), bool)


def boosts(rules: Sequence[Rule], shelf: Shelf) -> list[tuple[Rule, Bools]]:
    """Each rule that boosts, with the products that it concerns, (n_items,)."""
    return [(rule, concerned(rule, shelf)) for rule in rules if rule.action == "boost"]


def boosted(scores: Floats, boosting: Sequence[tuple[Rule, Bools]]) -> Floats:
    """What is ranked by instead of the score, (n_items,): a factor lifts a score below zero by dividing it."""
    keys = scores
    for rule, theirs in boosting:
        factor = np.where(keys > 0, rule.by, 1 / rule.by).astype(np.float32)
        keys = np.where(theirs, keys * factor, keys)
    return keys


def pins(rules: Sequence[Rule], shelf: Shelf) -> list[tuple[int, Rule, int]]:
    """(rank, rule, place) of each product that is pinned, by rank; several of one rule take the ranks that follow, in
    the order in which the rule names them. A product that two rules pin stands where the first puts it."""
    found: dict[int, tuple[int, Rule]] = {}
    for rule in rules:
        if rule.action != "pin":
            continue
        theirs = concerned(rule, shelf)
        named = [place for place in map(shelf.items.get, rule.target.only or ()) if place >= 0 and theirs[place]]
        for offset, place in enumerate(dict.fromkeys(named)):
            found.setdefault(place, (rule.position + offset, rule))
    return sorted(((rank, rule, place) for place, (rank, rule) in found.items()), key=lambda pin: pin[0])


def merged(natural: Sequence[_Place], pinned: Sequence[tuple[int, _Place]], k: int) -> list[_Place]:
    """The list with each pinned product at its rank, or at the next free one; what is pinned beyond the end of the list
    closes it. ``natural`` holds none of ``pinned``, which come by rank."""
    found: list[_Place] = []
    waiting, others = list(pinned), list(natural)
    while len(found) < k and (waiting or others):
        due = waiting and (waiting[0][0] <= len(found) + 1 or not others)
        found.append(waiting.pop(0)[1] if due else others.pop(0))
    return found


def _rule(row: object) -> Rule:
    if not isinstance(row, dict):
        raise RuleError(f"expected an object, found {type(row).__name__}")
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RuleError("expected a 'name' that is text")
    action = next((known for known in ACTIONS if known == row.get("action")), None)
    if action is None:
        raise RuleError(f"action is {row.get('action')!r}; expected one of {', '.join(ACTIONS)}")
    own = {_OWN[action]}
    unknown = sorted(set(row) - _KNOWN - own)
    if unknown:
        raise RuleError(f"unknown field {unknown[0]!r}; a rule to {action} has {', '.join(sorted(_KNOWN | own))}")
    if not any(field in row for field in _TARGETS):
        raise RuleError(f"concerns every product; expected one of {', '.join(_TARGETS)}")
    if action == "pin" and "products" not in row:
        raise RuleError("a pin names its 'products'")
    since, until = _moment(row, "from"), _moment(row, "until")
    if since is not None and until is not None and since >= until:
        raise RuleError(f"from {row['from']} is not before until {row['until']}: it would never hold")
    position, by = row.get("position", 1), _number(row, "by", 1.0)
    if type(position) is not int or position < 1:
        raise RuleError(f"position is {position!r}; expected a whole number from 1")
    if action == "boost" and ("by" not in row or by is None or not 1 / MOST_LIFT <= by <= MOST_LIFT):
        raise RuleError(f"by is {row.get('by')!r}; expected a factor from {1 / MOST_LIFT} to {MOST_LIFT}, such as 1.5")
    return Rule(name, action, _target(row), position, by or 1.0, since, until, _number(row, "below", None))


def _target(row: Mapping[str, Any]) -> Filters:
    category, brand = _text(row, "category"), _text(row, "brand")
    return Filters(
        category=category if category is None or category.startswith("category:") else _category(category),
        brand=brand if brand is None or brand.startswith("brand:") else ids.brand(brand),
        min_price=_number(row, "min_price", None),
        max_price=_number(row, "max_price", None),
        attributes=tuple(_attributes(row.get("attributes", {}))),
        only=tuple(_texts(row["products"], "products")) if "products" in row else None,
        available=False,
    )


def _category(path: str) -> str:
    return ids.category(tuple(path.split(" > ")))


def _attributes(raw: object) -> Iterator[tuple[str, str]]:
    if not isinstance(raw, dict):
        raise RuleError(f"attributes is {raw!r}; expected an object of lists, such as {{'color': ['black']}}")
    for name, values in raw.items():
        for value in _texts(values, f"attributes.{name}"):
            yield name, value


def _texts(raw: object, field: str) -> list[str]:
    if not isinstance(raw, list) or not raw or not all(isinstance(text, str) and text for text in raw):
        raise RuleError(f"{field} is {raw!r}; expected a list of texts")
    return raw


def _text(row: Mapping[str, Any], field: str) -> str | None:
    text = row.get(field)
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise RuleError(f"{field} is {text!r}; expected text")
    return text


def _number(row: Mapping[str, Any], field: str, default: float | None) -> float | None:
    number = row.get(field, default)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)):
        raise RuleError(f"{field} is {number!r}; expected a number")
    if number is not None and not abs(number) < MOST:
        raise RuleError(f"{field} is out of bounds; expected a number below {MOST:.0e}")
    return number


def _moment(row: Mapping[str, Any], field: str) -> Timestamp | None:
    raw = row.get(field)
    if raw is None:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except (TypeError, ValueError) as error:
        raise RuleError(f"{field} is {raw!r}; expected ISO 8601, such as 2026-06-01T08:00:00Z") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
