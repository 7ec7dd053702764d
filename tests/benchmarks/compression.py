"""What compressing the small model gains and costs: size, speed, memory, F1.

``python tests/benchmarks/compression.py --model FOLDER --test FILE [--texts FILE …]`` compresses a trained model twice
(whole vocabulary, and cut to ``--texts``), reads ``--test`` with each beside the full one, turn by turn in one process,
on each of ``--threads``, and measures in a process of its own what reading with it takes in memory.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def _memory(folder: Path, test: Path) -> str:
    """The most resident memory, in MB, of a process that loads the model and reads the file ten times over."""
    done = subprocess.run(
        [sys.executable, __file__, "--model", folder, "--test", test, "--once"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def _read_once(folder: Path, test: Path) -> None:
    from mining.extraction.attribute_model import AttributeModel
    from mining.extraction.attribute_rows import read_rows

    model, rows = AttributeModel.load(folder), read_rows(test, labels=False)
    model.extract([row for _ in range(10) for row in rows])
    # Not getrusage: its maximum begins with that of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    print(round(int(peak[1]) * 1024 / 1e6) if peak else "unknown")


def _measure(asked: argparse.Namespace) -> None:
    import torch

    from mining.extraction.arithmetic import fastest
    from mining.extraction.attribute_model import AttributeModel
    from mining.extraction.attribute_rows import read_rows
    from mining.extraction.compression import compress
    from mining.extraction.compression_loss import compare

    rows = read_rows(asked.test, labels=True)
    texts = [text for path in asked.texts for row in read_rows(path, labels=False) for text in row.texts.values()]
    print(f"{len(rows)} products, arithmetic of a compressed model here: {asked.arithmetic or fastest()}")
    print(f"full: {_memory(asked.model, asked.test)} MB of memory")
    with TemporaryDirectory() as scratch:
        for name, given in (("whole vocabulary", []), (f"cut to {len(texts)} texts", texts)):
            folder = Path(scratch) / name.replace(" ", "-")
            made = compress(asked.model, folder, texts=given, networks=asked.networks)
            print(f"8 bits, {name}: {made.bytes_after / 1e6:.1f} MB on disk (full {made.bytes_before / 1e6:.1f}), ")
            print(
                f"  {made.pieces_after:,} of {made.pieces_before:,} pieces, {made.networks_after} of "
                f"{made.networks_before} networks; {_memory(folder, asked.test)} MB of memory"
            )
            full, small = AttributeModel.load(asked.model), AttributeModel.load(folder)
            if asked.arithmetic:
                small.tagger = type(small.tagger).load(folder, arithmetic=asked.arithmetic)
            for threads in asked.threads:
                torch.set_num_threads(threads)
                found = compare(full, small, rows * asked.times, runs=asked.runs)
                print(
                    f"  {threads} threads: products a second by the clock (a CPU second), median of {asked.runs} runs"
                )
                for what, side in (("full", found.full), ("compressed", found.small)):
                    f1 = f"F1 lenient {100 * side.lenient.f1:.2f}, strict {100 * side.strict.f1:.2f}"
                    print(f"    {what:10} {side.by_clock:6.0f} ({side.by_processor:.0f}), {f1}")
                changed = f"{found.values_changed} of {found.values} values in {found.changed} of {found.rows} products"
                print(f"    changed: {changed}", flush=True)
            if not texts:
                break


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder of a trained model, 32 bits")
    parser.add_argument("--test", type=Path, required=True, help="labelled products to read")
    parser.add_argument("--texts", type=Path, nargs="*", default=[], help="products that the vocabulary is cut to")
    parser.add_argument("--networks", type=int, default=2, help="of those that are averaged, how many stay")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--times", type=int, default=4, help="how often the file is read in a run")
    parser.add_argument("--arithmetic", choices=("bfloat16", "int8", "float32"), help="instead of the fastest")
    parser.add_argument("--once", action="store_true", help="only read, and print the memory that it took")
    asked = parser.parse_args(argv)
    if asked.once:
        _read_once(asked.model, asked.test)
    else:
        _measure(asked)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
