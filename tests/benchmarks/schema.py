"""How much of a known schema ``shopgraph schema propose`` finds by rules alone, in titles and descriptions only.

``--train FILE`` is a labelled file (``en_oamine``, ``en_wdcpave``). A proposed attribute counts as found if more of its
values, weighted by products, are labelled as one known attribute of the category than as all others together, and at
least two products say so; each known attribute is found once. Names need not agree.
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from kg.ids import normal_form
from kg.types import Product
from mining.extraction.attribute_rows import Row, read_rows
from mining.schema.induction import Proposed, induce

OFTEN = 0.05  # of the products of a category have a value of it


def products(rows: list[Row]) -> Iterator[Product]:
    for number, row in enumerate(rows):
        title = row.texts.get("input", row.texts.get("input_title", ""))
        yield Product(str(number), title, row.texts.get("input_description", ""), category=(row.category,))


def labelled(rows: list[Row]) -> dict[str, dict[str, Counter[str]]]:
    """Category → attribute → normal form of a value → products."""
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows:
        for attribute, values in row.values().items():
            found[row.category][attribute].update({normal_form(value) for value in values})
    return found


def meant(proposed: Proposed, known: Mapping[str, Counter[str]]) -> tuple[str, int] | None:
    """The known attribute that a proposal finds, and how many products say so."""
    votes: Counter[str] = Counter()
    for value, count in proposed.values.items():
        for attribute, values in known.items():
            if normal_form(value) in values:
                votes[attribute] += min(count, values[normal_form(value)])
    best = votes.most_common(1)
    if best and best[0][1] >= 2 and best[0][1] > sum(votes.values()) - best[0][1]:
        return best[0]
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--show", action="store_true", help="every proposal with what it was taken for")
    asked = parser.parse_args()
    rows = read_rows(asked.train, labels=True)
    known, proposal = labelled(rows), induce(products(rows))
    found: set[tuple[str, str]] = set()
    right = same_name = total = 0
    for category, proposals in proposal.proposed.items():
        for proposed in sorted(proposals, key=lambda p: -p.support):
            total += 1
            match = meant(proposed, known[category])
            fresh = match is not None and (category, match[0]) not in found
            if match is not None and fresh:
                found.add((category, match[0]))
                right += 1
                same_name += normal_form(match[0]) == normal_form(proposed.name)
            if asked.show:
                taken = "nothing" if match is None else match[0] if fresh else f"{match[0]} again"
                print(f"{category:24} {proposed.name:16} {proposed.support:5}  {taken:20} {list(proposed.values)[:5]}")
    everything = {(c, a) for c, attributes in known.items() for a in attributes}
    often = {(c, a) for c, a in everything if sum(known[c][a].values()) >= OFTEN * proposal.products[c]}
    print(f"{len(rows)} products in {len(known)} categories, {len(everything)} known attributes, {total} proposed")
    print(f"found: {right}; precision {right / total:.3f}, recall {right / len(everything):.3f}")
    print(f"of the {len(often)} in at least {OFTEN:.0%} of the products: recall {len(found & often) / len(often):.3f}")
    print(f"with the very name: {same_name}")


if __name__ == "__main__":
    main()
