"""JSON and YAML as values that know their lines, so that an error can say where it is."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

DEEPEST = 20  # levels; a schema has five

Plain: TypeAlias = "str | float | bool | tuple[Marked, ...] | dict[str, Marked] | None"


class Broken(ValueError):
    """Something at ``line`` that cannot be read."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


@dataclass(frozen=True, slots=True)
class Marked:
    """A value and the line, from 1, on which it begins. YAML's plain scalars but null are text as written: a size
    ``1.50`` or a value ``no`` stays what the shop wrote."""

    value: Plain
    line: int

    @property
    def kind(self) -> str:
        """What it is, in the words of a message."""
        if self.value is None:
            return "nothing"
        names = {str: "text", bool: "true or false", tuple: "a list", dict: "an object"}
        return names.get(type(self.value), "a number")


def read_json(text: str) -> list[Marked]:
    """The JSON values of a text, one after another: one document, or JSON lines. Raises Broken."""
    reader = _Json(text)
    values = []
    while reader.sign():
        values.append(reader.value())
    return values


class _Json:
    """A place in a text, and what is read from there."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._scalars = json.JSONDecoder()

    def sign(self) -> str:
        """The next character that is no white space; empty at the end."""
        while self.text[self.at : self.at + 1] in (" ", "\t", "\r", "\n"):
            self.at += 1
        return self.text[self.at : self.at + 1]

    def line(self) -> int:
        return bisect_left(self._breaks, self.at) + 1

    def value(self, depth: int = 0) -> Marked:
        sign, line = self.sign(), self.line()
        if depth > DEEPEST:
            raise Broken(line, f"nested deeper than {DEEPEST} levels")
        if sign == "[":
            return Marked(tuple(self.value(depth + 1) for _ in self._items("]")), line)
        if sign == "{":
            return Marked(self._members(depth), line)
        try:
            read, self.at = self._scalars.raw_decode(self.text, self.at)
        except ValueError as error:  # also a number of too many digits
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise Broken(line, f"not JSON ({what})") from error
        return Marked(read, line)

    def _members(self, depth: int) -> dict[str, Marked]:
        held: dict[str, Marked] = {}
        for _ in self._items("}"):
            name = self.value(depth + 1)
            if not isinstance(name.value, str) or self.sign() != ":":
                raise Broken(self.line(), 'not JSON (expected "name": value)')
            self.at += 1
            _add(held, name.value, self.value(depth + 1), name.line)
        return held

    def _items(self, closing: str) -> Iterator[None]:
        """Once before each item of a list or object, past its comma; ends past the closing bracket."""
        self.at += 1
        first = True
        while self.sign() != closing:
            if not first:
                if self.sign() != ",":
                    raise Broken(self.line(), f"not JSON (expected a comma or {closing!r})")
                self.at += 1
            yield
            first = False
        self.at += 1


def read_yaml(text: str) -> Marked:
    """The one document of a YAML text; None as its value where the text is empty. Raises Broken."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Broken(mark.line + 1 if mark else 1, f"not YAML ({error.problem or error.context})") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Broken(line, f"not YAML (the character {error.character!r} may not stand there)") from error
    except RecursionError as error:
        raise Broken(1, f"nested deeper than {DEEPEST} levels") from error
    return Marked(None, 1) if root is None else _Yaml().value(root)


class _Yaml:
    """Each node is read once, so that aliases of aliases do not multiply."""

    def __init__(self) -> None:
        self._read: dict[int, Marked] = {}

    def value(self, node: Any, depth: int = 0) -> Marked:
        line = int(node.start_mark.line) + 1
        if depth > DEEPEST:
            raise Broken(line, f"nested deeper than {DEEPEST} levels")
        if id(node) not in self._read:
            self._read[id(node)] = Marked(self._plain(node, depth), line)
        return self._read[id(node)]

    def _plain(self, node: Any, depth: int) -> Plain:
        if node.id == "sequence":
            return tuple(self.value(item, depth + 1) for item in node.value)
        if node.id == "mapping":
            held: dict[str, Marked] = {}
            for name, value in node.value:
                if name.id != "scalar":
                    raise Broken(name.start_mark.line + 1, "a name must be text")
                _add(held, name.value, self.value(value, depth + 1), name.start_mark.line + 1)
            return held
        return None if node.tag.endswith(":null") else str(node.value)


def _add(held: dict[str, Marked], name: str, value: Marked, line: int) -> None:
    if name in held:
        raise Broken(line, f"{name!r} is given twice; keep one")
    held[name] = value
