"""How a shop writes values, learned from pairs of what texts say and what the catalogue wants.

Each attribute gets the rule that explains held-back pairs best: a case, signs left out, part of a code, a number times
the ratio of its unit, words written out, the likest known value. What was seen literally is answered literally.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]
"""(as the text says it, as it is wanted)."""
Rule: TypeAlias = Callable[[str], str | None]

FOLDS = 5
ROUNDING = 0.02
# Inch, foot, yard in centimetres; pound in kilograms and grams; ounce in grams; fluid ounce in millilitres; tens.
_DEFINED = (1.0, 2.54, 30.48, 91.44, 0.45359237, 453.59237, 28.349523, 29.5735, 10.0, 100.0, 1000.0, 0.1, 0.01, 0.001)
_TOKEN = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)?|\s+|.", re.S)
_NUMBER = re.compile(
    r"(?P<whole>\d+)[\s-]+(?P<a>\d+)/(?P<b>\d+)|(?P<c>\d+)/(?P<d>\d+)|(?P<plain>\d[\d,]*(?:\.\d+)?|\.\d+)"
)
_THOUSANDS = re.compile(r"\s?k\b|k(?=rpm)", re.I)


class NormalForms:
    """Rules by (category, attribute); without pairs a value stays as it is."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str, str, str]] = []
        self._exact: dict[tuple[str, str, str], str] = {}
        self._rules: dict[tuple[str, str], Rule] = {}
        self.chosen: dict[tuple[str, str], str] = {}

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str, str, str]]) -> "NormalForms":
        """From (category, attribute, as said, as wanted)."""
        made = cls()
        grouped: dict[tuple[str, str], list[Pair]] = defaultdict(list)
        for category, attribute, said, wanted in pairs:
            made.pairs.append((category, attribute, said, wanted))
            grouped[category, attribute].append((said, wanted))
        for key, known in grouped.items():
            for said, wanted in _majority(known):
                made._exact[(*key, said)] = wanted
            made.chosen[key], made._rules[key] = _best(_majority(known))
        return made

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Category → the attributes that have a wanted form."""
        found: dict[str, list[str]] = defaultdict(list)
        for category, attribute in sorted(self._rules):
            found[category].append(attribute)
        return {category: tuple(names) for category, names in found.items()}

    def form(self, category: str, attribute: str, said: str) -> str:
        """The value as it is wanted."""
        exact = self._exact.get((category, attribute, said))
        if exact is not None:
            return exact
        rule = self._rules.get((category, attribute))
        return (rule(said) if rule else None) or said


def _majority(pairs: Sequence[Pair]) -> list[Pair]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for said, wanted in pairs:
        counts[said][wanted] += 1
    return [(said, max(sorted(c), key=c.__getitem__)) for said, c in sorted(counts.items())]


def _best(pairs: Sequence[Pair]) -> tuple[str, Rule]:
    """The rule that answers most held-back pairs; the simplest of equals, then learned from all pairs."""

    def right(learn: Callable[[Sequence[Pair]], Rule]) -> int:
        count = 0
        for fold in range(min(FOLDS, len(pairs))):
            rule = learn([pair for at, pair in enumerate(pairs) if at % FOLDS != fold])
            count += sum((rule(said) or said) == wanted for said, wanted in pairs[fold::FOLDS])
        return count

    name = max(_RULES, key=lambda name: right(_RULES[name]))
    return name, _RULES[name](pairs)


def _as_said(pairs: Sequence[Pair]) -> Rule:
    return lambda said: said


def _in_capitals(pairs: Sequence[Pair]) -> Rule:
    return lambda said: said.upper()


def _without_signs(pairs: Sequence[Pair]) -> Rule:
    return lambda said: re.sub(r"[\W_]+", "", said)


def _part_of_code(pairs: Sequence[Pair]) -> Rule:
    """The digits [first, last) of a code, without leading zeros, that most pairs want."""

    def part(said: str, first: int, last: int) -> str:
        return re.sub(r"\D", "", said)[first:last].lstrip("0")

    places = [(first, last) for first in range(4) for last in range(first + 3, 14)]
    first, last = max(places, key=lambda p: sum(part(said, *p) == wanted for said, wanted in pairs))
    return lambda said: part(said, first, last) or None


def _number(pairs: Sequence[Pair]) -> Rule:
    """The number in a value times the ratio of its unit, with the decimals that pairs are written with."""
    ratios: dict[str, list[float]] = defaultdict(list)
    decimals: Counter[int] = Counter()
    for said, wanted in pairs:
        read, target = _read_number(said), _plain(wanted)
        if read and target is not None and read[0]:
            ratios[read[1]].append(target / read[0])
            decimals[len(wanted.partition(".")[2])] += 1
    if not ratios:
        return _as_said(pairs)
    commonest = max(sorted(ratios), key=lambda unit: len(ratios[unit]))
    common = _exact_ratio(median(ratios[commonest]))
    by_unit = {unit: _exact_ratio(median(found)) for unit, found in ratios.items()}
    digits = max(sorted(decimals), key=decimals.__getitem__)

    def rule(said: str) -> str | None:
        read = _read_number(said)
        return f"{read[0] * by_unit.get(read[1], common):.{digits}f}" if read else None

    return rule


def _exact_ratio(measured: float) -> float:
    """The definition that a measured ratio is a rounded picture of."""
    return next((ratio for ratio in _DEFINED if abs(measured / ratio - 1) < ROUNDING), measured)


def _read_number(said: str) -> tuple[float, str] | None:
    """(value, unit) of the first number; "10K" is ten thousand."""
    match = _NUMBER.search(said)
    if not match:
        return None
    if match["whole"]:
        value = int(match["whole"]) + int(match["a"]) / max(1, int(match["b"]))
    elif match["c"]:
        value = int(match["c"]) / max(1, int(match["d"]))
    else:
        value = float(match["plain"].replace(",", ""))
    rest = said[match.end() :]
    if _THOUSANDS.match(rest):
        return value * 1000, ""
    return value, re.sub(r"[\W\d_]*$", "", rest.strip().lower()) or rest.strip()


def _plain(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _written_out(pairs: Sequence[Pair]) -> Rule:
    """Words replaced one by one, where pairs differ in one word only: "2MB" and "G6"."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for said, wanted in pairs:
        tokens = _TOKEN.findall(said)
        for at, token in enumerate(tokens):
            before, after = "".join(tokens[:at]), "".join(tokens[at + 1 :])
            long_enough = len(wanted) >= len(before) + len(after)
            if token[0].isalpha() and long_enough and wanted.startswith(before) and wanted.endswith(after):
                found[token][wanted[len(before) : len(wanted) - len(after)].strip()] += 1
    words = {token: max(sorted(c), key=c.__getitem__) for token, c in found.items()}

    def rule(said: str) -> str:
        tokens = _TOKEN.findall(said)
        spaced = [f" {words[t]} " if t in words and words[t] != t else t for t in tokens]
        text = re.sub(r"\s+", " ", "".join(spaced)).strip()
        return re.sub(r"\s*([-/])\s*", r"\1", text) if re.search(r"[-/]", said) else text

    return rule


def _written_apart(pairs: Sequence[Pair]) -> Rule:
    """Words written out, and no hyphen between a number and its unit: "300-GB"."""

    def apart(said: str) -> str:
        return re.sub(r"(?<=\d)-(?=[^\W\d_])", " ", said)

    rule = _written_out([(apart(said), wanted) for said, wanted in pairs])
    return lambda said: rule(apart(said))


def _likest(pairs: Sequence[Pair]) -> Rule:
    """The wanted value that shares most with a value, in itself or in what was said for it: rare words and triples."""
    names = sorted({wanted for _, wanted in pairs})
    seen = [(_features(said), wanted) for said, wanted in [*pairs, *zip(names, names, strict=True)]]
    often = Counter(feature for features, _ in seen for feature in features)

    def weight(features: Iterable[str]) -> float:
        return sum(1 / math.sqrt(often[feature]) for feature in features)

    def rule(said: str) -> str | None:
        own = _features(said)
        votes: dict[str, float] = defaultdict(float)
        for features, wanted in seen:
            shared = weight(own & features)
            if shared:
                votes[wanted] += (shared / (weight(features) + 0.5 * len(own - features))) ** 3
        return max(sorted(votes), key=votes.__getitem__) if votes else None

    return rule


def _features(said: str) -> set[str]:
    words = re.findall(r"\w+", said.lower())
    return {f"={word}" for word in words} | {f" {w} "[at : at + 3] for w in words for at in range(len(w))}


_RULES: dict[str, Callable[[Sequence[Pair]], Rule]] = {
    "as said": _as_said,
    "in capitals": _in_capitals,
    "without signs": _without_signs,
    "number": _number,
    "part of a code": _part_of_code,
    "written out": _written_out,
    "written apart": _written_apart,
    "likest": _likest,
}
