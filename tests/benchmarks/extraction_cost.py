"""What the attribute values of a million titles cost: by the small model, and by GPT-4o with ten examples a title.

``python tests/benchmarks/extraction_cost.py --train T --test X [--schema S] (--model FOLDER | --per-cpu-second N)``
builds the very prompts that a language model would be sent for the titles of X (its ten likest labelled titles of T of
the category), estimates their tokens and the tokens of the right answers, and sets the list price beside the processor
time of the small model. Nobody is asked and no money is spent. Every assumption is a flag and is printed.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

from mining.extraction.attribute_rows import AttributeNames, Row, read_rows, schema_of
from mining.language_model import PRICES, Message
from mining.language_model.estimates import PER_TOKEN, prompt_tokens, tokens
from mining.schema.files import read_schema

MILLION = 1_000_000
Words: TypeAlias = Counter[str]


def prompt(row: Row, shots: Sequence[Row], names: Sequence[str]) -> list[Message]:
    """One title asked: the task, the attributes of its category, the examples as turns, the title."""
    task = (
        f"Extract the attribute values of the product title as JSON. Attributes: {', '.join(names)}. Copy each value "
        'from the title; "n/a" where the title states none. Answer with the JSON object only.'
    )
    turns = [
        message
        for shot in shots
        for message in (Message("user", _text(shot)), Message("assistant", right(shot, names)))
    ]
    return [Message("system", task), *turns, Message("user", _text(row))]


def right(row: Row, names: Sequence[str]) -> str:
    """The answer that the labels ask for, as a model writes it."""
    return json.dumps({name: (row.gold.get(name) or ("n/a",))[0] for name in names}, ensure_ascii=False)


def likest(row: Row, pool: Sequence[tuple[Row, Words]], count: int) -> list[Row]:
    """The rows whose words are most like these, by cosine; the most like it last, next to the question."""
    words = _words(row)
    ordered = sorted(pool, key=lambda pair: -_cosine(words, pair[1]))
    return [shot for shot, _ in ordered[:count]][::-1]


def _cosine(one: Words, other: Words) -> float:
    norm = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(count * other[word] for word, count in one.items()) / norm if norm else 0.0


def _words(row: Row) -> Words:
    return Counter(_text(row).casefold().split())


def _text(row: Row) -> str:
    return "\n".join(row.texts.values())


def asked_tokens(train: Sequence[Row], tests: Sequence[Row], schema: AttributeNames, shots: int) -> tuple[float, float]:
    """(input, output) tokens a title, on average."""
    pools: dict[str, list[tuple[Row, Words]]] = {}
    for row in train:
        pools.setdefault(row.category, []).append((row, _words(row)))
    given = answered = 0
    for row in tests:
        names = schema.get(row.category, ())
        given += prompt_tokens(prompt(row, likest(row, pools.get(row.category, []), shots), names))
        answered += tokens(right(row, names))
    return given / len(tests), answered / len(tests)


def read_per_cpu_second(folder: Path, rows: Sequence[Row], runs: int) -> float:
    """Titles that the model in this folder reads a second of processor time: median of the runs."""
    from mining.extraction.attribute_model import AttributeModel

    model, spent = AttributeModel.load(folder), []
    for run in range(runs + 1):
        before = time.process_time()
        model.extract(rows)
        if run:
            spent.append(time.process_time() - before)
    return len(rows) / median(spent)


def main(argv: list[str]) -> int:
    asked = _arguments(argv)
    train, tests = read_rows(asked.train, labels=True), read_rows(asked.test, labels=True)
    schema = read_schema(asked.schema).names() if asked.schema else schema_of([*train, *tests])
    given, answered = asked_tokens(train, tests, schema, asked.shots)
    llm = given * asked.input_price + answered * asked.output_price  # prices are by a million tokens too
    batch = llm / 2
    speed = asked.per_cpu_second or read_per_cpu_second(asked.model, tests * asked.times, asked.runs)
    reading = MILLION / speed / 3600 * asked.core_hour
    training = asked.training_seconds / 3600 * asked.core_hour
    small = reading + training
    print(
        f"assumptions: tokens by the rule of {PER_TOKEN} ASCII characters a token over {len(tests)} real prompts with"
    )
    print(
        f"  with {asked.shots} examples each of {len(train)} labelled titles, one title a call, no retry; {asked.llm}"
    )
    print(
        f"  at {asked.input_price:g} and {asked.output_price:g} USD a million input and output tokens ({asked.dated});"
    )
    print(f"  a core-hour of a rented CPU at {asked.core_hour:g} USD; {speed:.0f} titles a CPU second; training once,")
    print(f"  {asked.training_seconds:g} CPU seconds. Labels are needed by both sides and not priced.")
    print(f"{asked.llm}, {asked.shots} examples: {given:.0f} + {answered:.0f} tokens a title")
    print(f"  a million titles: {llm:,.0f} USD; by its batch interface at half price {batch:,.0f} USD")
    print(f"small model: a million titles: {small:.3f} USD (reading {reading:.3f}, training {training:.3f})")
    print(f"ratio: 1 / {llm / small:,.0f} (batch 1 / {batch / small:,.0f})")
    for bound in (100, 1000):
        most = max(0.0, 1 / bound - small / llm)
        print(f"  for 1/{bound}, at most {most:.3%} of the titles may be sent to {asked.llm} instead")
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="labelled titles: the examples")
    parser.add_argument("--test", type=Path, required=True, help="labelled titles that are asked about")
    parser.add_argument("--schema", type=Path, help="the attributes of each category; else those of the labels")
    parser.add_argument("--shots", type=int, default=10, help="examples a prompt")
    parser.add_argument("--llm", choices=sorted(PRICES), default="gpt-4o")
    parser.add_argument("--input-price", type=float, help="USD a million input tokens; default: list, mid-2026")
    parser.add_argument("--output-price", type=float, help="USD a million output tokens; default: list, mid-2026")
    parser.add_argument("--core-hour", type=float, default=0.05, help="USD an hour of one core")
    speed = parser.add_mutually_exclusive_group(required=True)
    speed.add_argument("--model", type=Path, help="folder of a trained model, whose speed is measured")
    speed.add_argument("--per-cpu-second", type=float, help="titles that it reads a CPU second, measured before")
    parser.add_argument("--training-seconds", type=float, default=1000.0, help="CPU seconds of training")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--times", type=int, default=4, help="how often the file is read in a run")
    asked = parser.parse_args(argv)
    asked.dated = "list, mid-2026" if asked.input_price is None and asked.output_price is None else "as given"
    asked.input_price = PRICES[asked.llm].prompt if asked.input_price is None else asked.input_price
    asked.output_price = PRICES[asked.llm].completion if asked.output_price is None else asked.output_price
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
