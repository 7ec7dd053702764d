"""``shopgraph extract --plan``: on a labelled sample, F1, money and time at each routing threshold, for a user to pick.

The small model keeps what it is sure of, a language model is asked for the rest. Without a budget nobody is asked:
tokens are estimated from the real prompts, and the language model's F1 is an assumption, which the report says.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.errors import FrontDoorError
from api.extraction import language_model
from api.extras import need
from api.settings import Settings
from api.workspace import write_json
from mining.extraction.attribute_rows import Row, read_rows
from mining.language_model import PRICES, Budget, LanguageModel, Price, ReplyCache
from mining.language_model.estimates import prompt_tokens, tokens

if TYPE_CHECKING:
    from mining.extraction.attribute_model import Answer, AttributeModel
    from mining.extraction.attribute_routing import AttributeAsker, Read
    from mining.extraction.routing_plan import Asked

ASSUMED_F1 = 0.8
LIST = "gpt-4o"
PRICED = f"{LIST}, list price of mid-2026"
REPLIES = Path("asked") / "replies.db"  # in the folder of the model, and no file of it


@dataclass(frozen=True, slots=True)
class Asking:
    """How a language model is asked, or priced. ``price``: ``2.5,10``, USD a million input and output tokens."""

    budget: str = "0"
    f1: float | None = None
    price: str | None = None
    core_hour: float = 0.05
    route_below: float | None = None
    settings: Settings = field(default_factory=Settings)

    @property
    def wanted(self) -> bool:
        """Whether products that the small model is not sure of are to be asked about."""
        return self.route_below is not None or Budget.parse(self.budget).limit > 0

    def priced(self) -> tuple[Price, str]:
        """The price and whose it is."""
        return (Price.parse(self.price), "as given") if self.price else (PRICES[LIST], PRICED)


def plan(
    model: Path | None, sample: Path, out: Path, asking: Asking, *, plots: Path | None = None, device: str = "cpu"
) -> dict[str, Any]:
    """Writes the plan as JSON, its pictures where asked, and the threshold beside the model where one is picked."""
    from mining.extraction import attribute_routing as routing
    from mining.extraction.attribute_model import AttributeModel

    if model is None:
        raise FrontDoorError("--plan is about a trained model: give --model FOLDER, as extract --train has kept it")
    if plots is not None:
        need("matplotlib", "plots")
    if asking.f1 is not None and not 0 <= asking.f1 <= 1:
        raise FrontDoorError(f"--llm-f1 is a share from 0 to 1; got {asking.f1}")
    if asking.route_below is not None:
        routing.checked(asking.route_below)
    rows = read_rows(sample, labels=True)
    if not rows:
        raise FrontDoorError(f"{sample}: has no rows; a plan needs labelled products")
    trained = AttributeModel.load(model, device=device)
    reads = routing.read(trained, rows)
    with asker(trained, model, asking) as (one, live):
        said = one.ask(rows, [read.answer for read in reads])
        pairs = enumerate(zip(reads, said, strict=True))
        asked = [_asked(one, number, read, answer) for number, (read, answer) in pairs]
    report = _report(trained, reads, asked, asking, live)
    write_json(out, report)
    if asking.route_below is not None:
        routing.keep_route(model, asking.route_below)
    pictures = _drawn(report, plots) if plots else []
    return {**report, "out": str(out), "pictures": [str(path) for path in pictures]}


def answered(
    model: "AttributeModel", folder: Path | None, rows: Sequence[Row], asking: Asking
) -> tuple[list["Answer"], dict[str, Any]]:
    """The answers of the small model, and of the language model for what is less sure than the picked threshold.

    Raises FrontDoorError where no threshold was picked.
    """
    from mining.extraction import attribute_routing as routing

    below = asking.route_below
    if below is None and folder is not None:
        below = routing.route_of(folder)
    if below is None:
        raise FrontDoorError("whom to ask? Give --route-below T, a threshold that extract --plan shows")
    reads = routing.read(model, rows)
    with asker(model, folder, asking) as (one, _):
        answers, counts = routing.routed(reads, one, routing.checked(below))
        report = one.extractor.report
    usage = {"calls": report.usage.calls, "tokens": report.usage.tokens, "usd": report.usage.usd}
    return answers, {"route_below": below, **counts, **usage}


@contextmanager
def asker(
    model: "AttributeModel", folder: Path | None, asking: Asking
) -> Iterator[tuple["AttributeAsker", LanguageModel | None]]:
    """Who is asked about rows: with a budget the language model, without one nobody, but what the configured endpoint
    has replied before is known."""
    from mining.extraction.attribute_routing import AttributeAsker

    budget = Budget.parse(asking.budget)
    known = {category: tuple(names) for category, names in model.schema.items()}
    replies = folder / REPLIES if folder else None
    if replies and budget.limit:
        replies.parent.mkdir(parents=True, exist_ok=True)
    kept = replies if replies and replies.parent.is_dir() else None
    with ExitStack() as stack:
        cache = stack.enter_context(ReplyCache(kept))
        replayed = kept is not None and asking.settings.llm_base_url is not None  # its name is part of what was kept
        live = stack.enter_context(language_model(asking.settings)) if budget.limit or replayed else None
        yield AttributeAsker(live, known, cache=cache, budget=budget if live else None), live


def _asked(asker: "AttributeAsker", number: int, read: "Read", answer: Any) -> "Asked":
    """Tokens by the prompt that would be sent, and by the reply that the labels ask for."""
    from mining.extraction.attribute_routing import document_of_row
    from mining.extraction.routing_plan import Asked

    prompt = asker.extractor.prompt(document_of_row(number, read.row))
    reply = [{"name": name, "value": values[0]} for name, values in read.row.values().items()]
    wanted = json.dumps({"attributes": reply}, ensure_ascii=False, separators=(",", ":"))
    schema = tokens(json.dumps(prompt.schema))
    return Asked(prompt_tokens(prompt.messages) + schema, tokens(wanted), answer)


def _report(
    model: "AttributeModel",
    reads: "Sequence[Read]",
    asked: "Sequence[Asked]",
    asking: Asking,
    live: LanguageModel | None,
) -> dict[str, Any]:
    from mining.extraction.calibration import calibration_error
    from mining.extraction.routing_plan import Costs, curve, measured

    price, whose = asking.priced()
    real = measured(reads, asked)
    assumed = (asking.f1,) * 2 if asking.f1 is not None else real or (ASSUMED_F1,) * 2
    costs = Costs(price, asking.core_hour, _speed(model, [read.row for read in reads]))
    told = _confidences(reads, model)
    answered = sum(one.answer is not None for one in asked)
    kept = model.reliability([read.row for read in reads])
    return {
        "products": len(reads),
        "threshold": model.threshold,
        "points": [asdict(point) for point in curve(reads, asked, (assumed[0], assumed[1]), costs)],
        "route_below": asking.route_below,
        "llm": {
            "name": live.name if live else None,
            "answered": answered,
            "f1": {"lenient": assumed[0], "strict": assumed[1]},
            "f1_is": _origin(asking, answered, len(reads)),
            "prompt_tokens": sum(one.prompt_tokens for one in asked) / len(asked),
            "answer_tokens": sum(one.answer_tokens for one in asked) / len(asked),
        },
        "assumptions": {
            "usd_per_million_tokens": {"input": price.prompt, "output": price.completion, "of": whose},
            "usd_per_core_hour": costs.core_hour,
            "products_per_cpu_second": round(costs.per_second, 1),
            "seconds_per_call": costs.call_seconds,
            "calls_at_once": costs.at_once,
            "tokens": "estimated from the real prompts by characters",
        },
        "reliability": {name: [asdict(part) for part in parts] for name, parts in kept.items()},
        "calibration_error": calibration_error(told),
    }


def _origin(asking: Asking, answered: int, products: int) -> str:
    """In words, where the F1 of the language model comes from."""
    if not answered and asking.f1 is None:
        return f"assumed to be {ASSUMED_F1}, since nobody was asked: give --llm-f1 or --llm-budget"
    rest = products - answered
    assumed = f"assumed by --llm-f1 on {rest:,} of {products:,} products" if asking.f1 is not None else ""
    alike = f"taken to be alike on the other {rest:,}"
    measured = f"measured on {answered:,} of {products:,} products"
    if not answered:
        return assumed
    return f"{measured}, {assumed or alike}" if rest else measured


def _speed(model: "AttributeModel", rows: Sequence[Row]) -> float:
    before = time.process_time()
    model.extract(rows)
    return len(rows) / max(1e-9, time.process_time() - before)


def _confidences(reads: "Sequence[Read]", model: "AttributeModel") -> list[tuple[float, bool]]:
    return [
        (value.confidence, value.value in read.row.gold.get(name, ()))
        for read in reads
        for name, value in read.answer.values.items()
    ]


def _drawn(report: Mapping[str, Any], folder: Path) -> list[Path]:
    from api import plan_pictures

    return plan_pictures.draw(report, folder)


def told(report: Mapping[str, Any]) -> str:
    """The table, with what it assumes."""
    llm, assumed = report["llm"], report["assumptions"]
    price = assumed["usd_per_million_tokens"]
    lines = [
        f"{report['products']:,} labelled products; of 1,000 products, at each routing threshold:",
        f"{'route below':>12} {'asked':>7} {'lenient F1':>11} {'strict F1':>10} {'USD':>10} {'seconds':>8}",
    ]
    lines += [
        f"{point['route_below']:>12.4f} {point['share']:>7.0%} {100 * point['lenient_f1']:>11.2f} "
        f"{100 * point['strict_f1']:>10.2f} {point['usd']:>10.5f} {point['seconds']:>8.1f}"
        for point in report["points"]
    ]
    lines += [
        f"F1 of the language model: {llm['f1']['lenient']:.3f} lenient, {llm['f1']['strict']:.3f} strict; "
        f"{llm['f1_is']}.",
        f"Money: {price['input']:g} and {price['output']:g} USD a million tokens ({price['of']}), "
        f"{llm['prompt_tokens']:.0f} + {llm['answer_tokens']:.0f} tokens a product, {assumed['tokens']}; "
        f"{assumed['usd_per_core_hour']:g} USD a core-hour.",
        f"Time: {assumed['products_per_cpu_second']:g} products a second of one core, "
        f"{assumed['seconds_per_call']:g} s a call, {assumed['calls_at_once']} at once.",
        f"Confidence: mean gap between promised and kept {report['calibration_error']:.3f}.",
    ]
    if report["route_below"] is not None:
        lines.append(f"picked: --route-below {report['route_below']:g}, kept beside the model")
    return "\n".join([*lines, f"in {report['out']}", *report["pictures"]])
