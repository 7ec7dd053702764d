"""Schema files: JSON, JSON lines and YAML to a ``Schema`` and back; what is wrong is said with file and line.

Forms: an object ``{"attributes": {category: [attribute, …]}}`` in JSON or YAML; JSON lines
``{"category", "attributes": [attribute, …]}``; JSON lines ``{"Category", "Attribute", "Human_Description", …}``. An
attribute is a name, or an object of ``FIELDS``. The category ``"*"`` holds what every category has.
"""

import json
import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from kg.errors import SchemaError
from kg.ids import normal_form
from kg.schema import SHOP, Attribute, Schema
from mining.normal_values import RULES, refusal
from mining.schema.marked import Broken, Marked, read_json, read_yaml
from mining.sources.text import is_safe
from mining.units import NAMES, unit_of

FIELDS = ("name", "definition", "unit", "values", "examples", "normalise", "abbreviations")
EXPECTED = "expected an object with the field 'attributes': {category: [{name, definition, unit, values, …}]}"
_YAML = (".yaml", ".yml")
_GUIDELINE = "Attribute"  # a row about one attribute, with whatever else its authors noted


def read_schema(path: Path) -> Schema:
    """The schema of a file, with the relations of ``SHOP``. Raises SchemaError that names file and line."""
    text = _text(path)
    try:
        return _Reading().schema(path, text)
    except Broken as broken:
        raise SchemaError(f"{path}, line {broken.line}: {broken.what}") from broken


def write_schema(schema: Schema, path: Path) -> None:
    """Writes the attributes of a schema, as YAML or JSON by the name of the file; whole or not at all."""
    text = told_schema(schema, yaml=path.suffix.casefold() in _YAML)
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = path.with_name(f".{path.name}.new")
    waiting.write_text(text, "utf-8")
    os.replace(waiting, path)


def told_schema(schema: Schema, *, yaml: bool) -> str:
    """The text of a schema file, the same for equal schemas."""
    plain = {"attributes": {c: [_told(a) for a in attributes] for c, attributes in schema.attributes.items()}}
    if not yaml:
        return json.dumps(plain, ensure_ascii=False, indent=1) + "\n"
    import yaml as writer

    return str(writer.safe_dump(plain, allow_unicode=True, sort_keys=False, width=120))


def _told(attribute: Attribute) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "name": attribute.name,
        "definition": attribute.definition,
        "unit": attribute.unit,
        "values": list(attribute.values),
        "examples": list(attribute.examples),
        "normalise": attribute.normalise,
        "abbreviations": dict(attribute.abbreviations),
    }
    return {name: value for name, value in whole.items() if value}


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SchemaError(f"{path}: cannot be read ({error.strerror}); name a schema file, JSON or YAML") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SchemaError(f"{path}, line {line}: not UTF-8 ({error.reason}); save the file as UTF-8") from error


class _Reading:
    """The attributes read so far, with the line of each name."""

    def __init__(self) -> None:
        self.attributes: dict[str, list[Attribute]] = {}
        self._lines: dict[tuple[str, str], int] = {}

    def schema(self, path: Path, text: str) -> Schema:
        if path.suffix.casefold() in _YAML:
            self._document(read_yaml(text))
        else:
            values = read_json(text)
            if values and (len(values) > 1 or _is_row(values[0])):
                for row in values:
                    self._row(row)
            else:
                self._document(values[0] if values else Marked(None, 1))
        if not any(self.attributes.values()):
            raise Broken(1, f"gives no attribute; {EXPECTED}")
        self._refuse_doubles_of_all()
        return Schema(SHOP.relations, {category: tuple(found) for category, found in self.attributes.items()})

    def _document(self, document: Marked) -> None:
        if document.value is None:
            raise Broken(document.line, f"the file is empty; {EXPECTED}")
        fields = _object(document, "the file", ("attributes",))
        if "attributes" not in fields:
            raise Broken(document.line, f"there is no field 'attributes'; {EXPECTED}")
        categories = fields["attributes"]
        if not isinstance(categories.value, dict):
            raise Broken(categories.line, f"'attributes' is {categories.kind}; {EXPECTED}")
        for category, listed in categories.value.items():
            self._category(category, listed)

    def _row(self, row: Marked) -> None:
        fields = row.value
        if not isinstance(fields, dict):
            raise Broken(row.line, f"expected an object a line, saw {row.kind}")
        if _GUIDELINE in fields:
            name, category = _text_of(fields[_GUIDELINE], _GUIDELINE), fields.get("Category", Marked(None, row.line))
            meaning = fields.get("Human_Description")
            definition = _text_of(meaning, "Human_Description", empty=True) if meaning else ""
            self._add(_text_of(category, "Category"), Attribute(name, definition), row.line)
            return
        known = _object(row, "a line", ("category", "attributes"))
        if len(known) < 2:
            raise Broken(row.line, "expected a category with a list of attributes, or Category and Attribute")
        self._category(_text_of(known["category"], "category"), known["attributes"])

    def _category(self, category: str, listed: Marked) -> None:
        if not category.strip():
            raise Broken(listed.line, "a category without a name; '*' names what all categories have")
        if not isinstance(listed.value, tuple):
            raise Broken(listed.line, f"the attributes of {category!r} are {listed.kind}; expected a list")
        self.attributes.setdefault(category, [])
        for one in listed.value:
            self._add(category, _attribute(one), one.line)

    def _add(self, category: str, attribute: Attribute, line: int) -> None:
        key = (category, normal_form(attribute.name))
        if key in self._lines:
            raise Broken(
                line, f"{category!r} has {attribute.name!r} twice, first on line {self._lines[key]}; rename or drop one"
            )
        self._lines[key] = line
        self.attributes.setdefault(category, []).append(attribute)

    def _refuse_doubles_of_all(self) -> None:
        for (category, name), line in self._lines.items():
            if category != "*" and ("*", name) in self._lines:
                first = self._lines["*", name]
                raise Broken(line, f"{name!r} of {category!r} is given for all categories on line {first}; drop one")


def _is_row(value: Marked) -> bool:
    return isinstance(value.value, dict) and not {"category", "Category", _GUIDELINE}.isdisjoint(value.value)


def _attribute(raw: Marked) -> Attribute:
    if isinstance(raw.value, str):
        return Attribute(_text_of(raw, "name"))
    fields = _object(raw, "an attribute", FIELDS)
    if "name" not in fields:
        raise Broken(raw.line, "an attribute without a 'name'; give it one")
    attribute = Attribute(
        name=_text_of(fields["name"], "name"),
        definition=_text_of(fields["definition"], "definition", empty=True) if "definition" in fields else "",
        unit=_text_of(fields["unit"], "unit") if _given(fields, "unit") else None,
        values=_texts(fields, "values"),
        examples=_texts(fields, "examples"),
        normalise=_text_of(fields["normalise"], "normalise") if _given(fields, "normalise") else None,
        abbreviations=_abbreviations(fields),
    )
    _refuse_contradictions(attribute, fields)
    return attribute


def _refuse_contradictions(attribute: Attribute, fields: Mapping[str, Marked]) -> None:
    if attribute.unit is not None and unit_of(attribute.unit) is None:
        raise Broken(fields["unit"].line, f"unknown unit {attribute.unit!r}; known are {', '.join(NAMES)}")
    if attribute.normalise is not None:
        line = fields["normalise"].line
        if attribute.normalise not in RULES:
            raise Broken(line, f"unknown rule {attribute.normalise!r}; known are {', '.join(RULES)}")
        if attribute.unit is not None or attribute.values:
            said = "its unit" if attribute.unit is not None else "its list of values"
            raise Broken(line, f"{attribute.name!r} has a rule beside {said}, which says the form already; drop one")
    if attribute.unit is not None and attribute.values:
        raise Broken(fields["values"].line, f"{attribute.name!r} has a unit and a list of values; drop one")
    listed = {normal_form(value) for value in attribute.values}
    for short, meant in attribute.abbreviations.items():
        if listed and normal_form(meant) not in listed:
            raise Broken(
                fields["abbreviations"].line, f"{short!r} stands for {meant!r}, which is not in the list of values"
            )
    for example in attribute.examples:
        reason = refusal(attribute, example)
        if reason:
            raise Broken(fields["examples"].line, f"the example {example!r} breaks the attribute: {reason}")


def _object(raw: Marked, what: str, known: tuple[str, ...]) -> dict[str, Marked]:
    if not isinstance(raw.value, dict):
        raise Broken(raw.line, f"{what} is {raw.kind}; expected an object with {', '.join(known)}")
    for name, value in raw.value.items():
        if name not in known:
            close = get_close_matches(name, known, 1)
            advice = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
            raise Broken(value.line, f"unknown field {name!r}; {advice}")
    return raw.value


def _given(fields: Mapping[str, Marked], name: str) -> bool:
    return name in fields and fields[name].value is not None


def _text_of(raw: Marked, what: str, *, empty: bool = False) -> str:
    """The text, without white space around it. ``empty``: it may be left empty."""
    if empty and raw.value is None:
        return ""
    if not isinstance(raw.value, str):
        raise Broken(raw.line, f"'{what}' is {raw.kind}; expected text")
    if not is_safe(raw.value):
        raise Broken(raw.line, f"'{what}' holds half a character (a lone surrogate); write it anew")
    if not raw.value.strip() and not empty:
        raise Broken(raw.line, f"'{what}' is empty; expected text")
    return raw.value.strip()


def _texts(fields: Mapping[str, Marked], name: str) -> tuple[str, ...]:
    """A list of texts, none empty and no two alike."""
    if not _given(fields, name):
        return ()
    raw = fields[name]
    if not isinstance(raw.value, tuple):
        raise Broken(raw.line, f"'{name}' is {raw.kind}; expected a list of texts")
    seen: dict[str, int] = {}
    texts = []
    for item in raw.value:
        if item.value is None or (isinstance(item.value, str) and not item.value.strip()):
            raise Broken(item.line, f"'{name}' holds an empty value; drop it")
        if not isinstance(item.value, str):
            raise Broken(item.line, f"'{name}' holds {item.kind}; expected text, in quotes")
        text = _text_of(item, name)
        if normal_form(text) in seen:
            raise Broken(item.line, f"'{name}' holds {text!r} twice, first on line {seen[normal_form(text)]}; drop one")
        seen[normal_form(text)] = item.line
        texts.append(text)
    return tuple(texts)


def _abbreviations(fields: Mapping[str, Marked]) -> dict[str, str]:
    if not _given(fields, "abbreviations"):
        return {}
    raw = fields["abbreviations"]
    if not isinstance(raw.value, dict):
        raise Broken(raw.line, f"'abbreviations' is {raw.kind}; expected an object such as {{HP: Hewlett-Packard}}")
    return {_text_of(Marked(s, m.line), "abbreviations"): _text_of(m, "abbreviations") for s, m in raw.value.items()}
