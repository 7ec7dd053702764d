"""``shopgraph compress``: a trained model in 8 bits, fewer networks, a vocabulary cut to texts; and what that costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mining.extraction.attribute_rows import read_rows

if TYPE_CHECKING:
    from mining.extraction.compression_loss import Side


@dataclass(frozen=True, slots=True)
class Compress:
    """``texts``: files of products that the model is to read; without them its vocabulary stays whole. ``keep``: the
    pieces that these are cut into, or all of their writing systems. ``networks``: how many of those that are averaged
    stay, None for the usual number. ``check``: labelled products to measure on."""

    model: Path
    out: Path
    texts: Sequence[Path] = ()
    keep: Literal["texts", "scripts"] = "texts"
    networks: int | None = None
    check: Path | None = None
    device: str = "cpu"


def compress(asked: Compress) -> dict[str, Any]:
    """Writes the compressed model; returns its size beside the full one's and, where asked, loss and speed."""
    from mining.extraction import compression  # PyTorch: seconds that a help text need not wait for

    texts = [text for path in asked.texts for row in read_rows(path, labels=False) for text in row.texts.values()]
    rows = read_rows(asked.check, labels=True) if asked.check else []
    networks = compression.NETWORKS if asked.networks is None else asked.networks
    made = compression.compress(asked.model, asked.out, texts=texts, keep=asked.keep, networks=networks)
    sizes = {"bytes": made.bytes_after, "bytes_full": made.bytes_before}
    pieces = {"pieces": made.pieces_after, "pieces_full": made.pieces_before}
    kept = {"networks": made.networks_after, "networks_full": made.networks_before}
    return {"out": str(asked.out), **sizes, **pieces, **kept, **(_measured(asked, rows) if rows else {})}


def _measured(asked: Compress, rows: Any) -> dict[str, Any]:
    from mining.extraction.arithmetic import fastest
    from mining.extraction.attribute_model import AttributeModel
    from mining.extraction.compression_loss import compare

    full, small = (AttributeModel.load(folder, device=asked.device) for folder in (asked.model, asked.out))
    found = compare(full, small, rows)
    return {
        "arithmetic": fastest() if asked.device == "cpu" else "float32",
        "rows": found.rows,
        "rows_changed": found.changed,
        "values": found.values,
        "values_changed": found.values_changed,
        "full": _side(found.full),
        "compressed": _side(found.small),
    }


def _side(side: "Side") -> dict[str, float]:
    return {
        "lenient_f1": round(100 * side.lenient.f1, 2),
        "strict_f1": round(100 * side.strict.f1, 2),
        "per_cpu_second": round(side.by_processor, 1),
        "per_second": round(side.by_clock, 1),
    }


def told(report: Mapping[str, Any]) -> str:
    """Lines for a person."""
    size, before = report["bytes"] / 1e6, report["bytes_full"] / 1e6
    pieces = f"{report['pieces']:,} of {report['pieces_full']:,} pieces of the vocabulary"
    networks = f"{report['networks']} of {report['networks_full']} networks"
    lines = [f"{report['out']}: {size:.1f} MB of {before:.1f}, {pieces}, {networks}"]
    if "full" in report:
        full, small = report["full"], report["compressed"]
        loss = {name: full[name] - small[name] for name in ("lenient_f1", "strict_f1")}
        lines += [
            f"  F1 lenient {full['lenient_f1']:.2f} → {small['lenient_f1']:.2f} (loss {loss['lenient_f1']:.2f}), "
            f"strict {full['strict_f1']:.2f} → {small['strict_f1']:.2f} (loss {loss['strict_f1']:.2f})",
            f"  {report['values_changed']} of {report['values']:,} values changed, in {report['rows_changed']} of "
            f"{report['rows']:,} products",
            f"  products a CPU second {full['per_cpu_second']:.0f} → {small['per_cpu_second']:.0f}, a second "
            f"{full['per_second']:.0f} → {small['per_second']:.0f} ({report['arithmetic']} arithmetic)",
        ]
    return "\n".join(lines)
