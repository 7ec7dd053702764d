"""WDC-PAVE without its test split: ``python tests/benchmarks/wdc_pave.py --data EN_WDCPAVE [--out DIR]``.

Clusters of the training file are dealt into five parts by the SHA-256 of their number. Printed is how often a value,
given as the text says it, is brought into the form that the catalogue wants: rules and table of four parts, cells of
the fifth. ``--out`` writes one part and the other four in the published layout, for ``extraction.py`` and ``extract``.
"""

import argparse
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from mining.extraction.attribute_model import pairs_of
from mining.extraction.attribute_rows import Row, read_rows
from mining.extraction.normal_forms import NormalForms

RAW, NORMAL, FILE = "wdc_with_all_attributes", "wdc_normalized", "train_large.jsonl"
PARTS = 5

Form = Callable[[str, str, str], str]
"""(category, attribute, as said) → as wanted."""


def part_of(cluster: str | None) -> int:
    return int(sha256(str(cluster).encode()).hexdigest(), 16) % PARTS


def side(rows: Sequence[Row], part: int, *, held: bool) -> list[Row]:
    return [row for row in rows if (part_of(row.cluster) == part) is held]


def cells(raw: Sequence[Row], normal: Sequence[Row]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """(category, attribute, first value as said, all that are wanted) of every cell that has both."""
    wanted = {row.own["id"]: row.values() for row in normal}
    return [
        (row.category, attribute, said[0], wanted[row.own["id"]][attribute])
        for row in raw
        for attribute, said in row.values().items()
        if attribute in wanted.get(row.own["id"], {})
    ]


def print_forms(raw: Sequence[Row], normal: Sequence[Row]) -> None:
    """Accuracy a cell, each part held back once."""
    right, all_cells = {"as said": 0, "a dictionary": 0, "learned forms": 0}, 0
    for part in range(PARTS):
        known = pairs_of(side(raw, part, held=False), side(normal, part, held=False))
        forms, seen = NormalForms.of(known), {(c, a, said): form for c, a, said, form in known}
        ways: dict[str, Form] = {
            "as said": lambda category, attribute, said: said,
            "a dictionary": lambda category, attribute, said, seen=seen: seen.get((category, attribute, said), said),  # type: ignore[misc]
            "learned forms": forms.form,
        }
        asked = cells(side(raw, part, held=True), side(normal, part, held=True))
        of_part = {
            name: sum(form(category, attribute, said) in wanted for category, attribute, said, wanted in asked)
            for name, form in ways.items()
        }
        print(f"  part {part}: {len(asked)} cells, " + told(of_part, len(asked)))
        right = {name: right[name] + count for name, count in of_part.items()}
        all_cells += len(asked)
    print(f"all: {all_cells} cells, {told(right, all_cells)}")


def told(right: dict[str, int], of: int) -> str:
    return ", ".join(f"{name} {count / max(1, of):.1%}" for name, count in right.items())


def write_part(data: Path, out: Path, part: int) -> None:
    """``out/train`` and ``out/held``, each with both folders, lines as they are."""
    for folder in (RAW, NORMAL):
        lines = (data / folder / FILE).read_text("utf-8").splitlines(keepends=True)
        rows = read_rows(data / folder / FILE, labels=False)
        for name, held in (("train", False), ("held", True)):
            kept = [line for line, row in zip(lines, rows, strict=True) if (part_of(row.cluster) == part) is held]
            target = out / name / folder / FILE
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(kept), "utf-8")
            print(f"{target}: {len(kept)} offers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with the published layout")
    parser.add_argument("--out", type=Path, help="where a part and the other four are written")
    parser.add_argument("--part", type=int, choices=range(PARTS), default=0, help="the one that --out holds back")
    asked = parser.parse_args()
    print("a value, given as the text says it, in the wanted form; whole clusters held back")
    print_forms(*(read_rows(asked.data / folder / FILE, labels=True) for folder in (RAW, NORMAL)))
    if asked.out:
        write_part(asked.data, asked.out, asked.part)


if __name__ == "__main__":
    main()
