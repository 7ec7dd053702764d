"""Attribute values by a small model, relations by rules and judges: ``shopgraph extract``, line for line."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from api.curves import can_draw, curves
from api.errors import FrontDoorError
from api.planning import Asking, answered
from api.retraining import CURVE, Curve, Judgement, in_names, judge, point, read_curve, side_by_side
from api.settings import WeightsAndBiases
from api.workspace import write_json
from kg.schema import Schema
from mining import json_lines
from mining.extraction.attribute_rows import Row, read_rows, schema_of
from mining.extraction.weighing import Weighing
from mining.language import chinese_share
from mining.normal_values import in_form, refusal
from mining.schema.files import read_schema

if TYPE_CHECKING:
    from mining.extraction.attribute_model import Answer, AttributeModel
    from mining.extraction.tagger_training import Epoch, Options

MOSTLY_CHINESE = 0.3  # of the letters of the training texts
SAMPLE = 200  # texts that are looked at for their language
WDC = ("wdc_with_all_attributes", "wdc_normalized")


@dataclass(frozen=True, slots=True)
class Learning:
    """How the training differs from the usual one, by the names of its ``Options``; None: as usual."""

    batch: int | None = None
    accumulate: int | None = None
    swap: float | None = None
    weigh: Weighing | None = None
    agree: float | None = None
    adversarial: float | None = None

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Extract:
    """What to extract and how.

    ``encoder``: None chooses by the language of the texts. ``model``: the folder to keep the model in, or to take it
    from where there is no ``train``. ``more``: rows that people taught, learned beside ``train``; then a model that is
    in the folder stays there unless the new one is better. ``wanted``: ``train`` with the values as the catalogue wants
    them, by default the file beside it that the layout of WDC-PAVE puts there. ``masked``: products whose words the
    encoder learns to guess before. ``adapters``: what of the encoder learns. ``learning``: what else differs from the
    usual training. ``tensorboard``: a folder for the curves of the training, ``board``: where else they go.
    """

    test: Path
    out: Path
    train: Path | None = None
    more: Path | None = None
    dev: Path | None = None
    schema: Path | None = None
    wanted: Path | None = None
    model: Path | None = None
    encoder: str | None = None
    encoders: Path | None = None
    epochs: int | None = None
    device: str = "cpu"
    seed: int = 0
    asking: Asking = field(default_factory=Asking)
    masked: Sequence[Path] = ()
    adapters: Literal["none", "lora", "adalora"] = "none"
    learning: Learning = field(default_factory=Learning)
    tensorboard: Path | None = None
    board: WeightsAndBiases | None = None


def extract(asked: Extract, tell: Callable[[str], None]) -> dict[str, Any]:
    """Writes the predictions and returns counts for the user. The labels of the test file are not read."""
    rows = read_rows(asked.test, labels=False)
    schema = read_schema(asked.schema) if asked.schema else None
    model, verdict = trained(asked, schema, tell)
    if asked.asking.wanted:
        answers, counts = answered(model, asked.model, rows, asked.asking)
        routed = {"routed": counts}
    else:
        answers, routed = model.extract(rows), {}
    aside: Counter[str] = Counter()
    if schema is not None:
        answers = [on_schema(answer, schema, aside) for answer in answers]
    json_lines.write(asked.out, (line(row, answer) for row, answer in zip(rows, answers, strict=True)))
    values = sum(len(answer.values) for answer in answers)
    told = {"products": len(rows), "values": values, "threshold": model.threshold, "out": str(asked.out)}
    compared = {"compared": verdict.as_dict()} if verdict else {}
    return {**told, "set_aside": dict(sorted(aside.items())), **compared, **routed}


def extract_relations(test: Path, out: Path) -> dict[str, Any]:
    """Writes the relations that each text states, by rules and judges, and returns counts for the user.

    Where its encoder is installed, the contextual judge decides with the plain one; the log says where it is not.
    Raises SourceError that names the line that is none of ``{"id", "text"}``, or an encoder that is installed but
    broken; then nothing is written.
    """
    from mining.extraction import judge_context
    from mining.extraction.judged import JudgedExtractor
    from mining.extraction.orders import Guarded
    from mining.extraction.relation_texts import line_of, read_texts, stated

    texts = read_texts(test)
    context = judge_context.shipped() if texts else None
    found = stated(Guarded(JudgedExtractor(context=context)), texts)
    lines = [line_of(text, labels) for text, labels in zip(texts, found, strict=True)]
    json_lines.write(out, lines)
    judged = "rules and judge" if context is None else "rules and contextual judge"
    return {"texts": len(texts), "labels": sum(len(one["labels"]) for one in lines), "by": judged, "out": str(out)}


def trained(
    asked: Extract, schema: Schema | None, tell: Callable[[str], None]
) -> tuple["AttributeModel", Judgement | None]:
    """The model of the training file, or the one kept before; how both compare, where ``more`` was learned.

    Raises FrontDoorError where there is neither.
    """
    from mining.extraction.attribute_model import AttributeModel, attribute_options, cut, fit

    if asked.train is None:
        if asked.model is None:
            raise FrontDoorError("nothing to extract with: give --train FILE, or --model FOLDER of a trained model")
        if asked.masked or asked.adapters != "none" or asked.learning.given() or asked.tensorboard:
            flags = "--masked, --tensorboard and the flags from --adapters to --adversarial"
            raise FrontDoorError(f"{flags} are about a training: give --train FILE too")
        return AttributeModel.load(asked.model, device=asked.device), None
    raw, wanted = beside(asked.train, asked.wanted)
    rows = read_rows(raw, labels=True)
    dev = read_rows(asked.dev, labels=True) if asked.dev else []
    allowed = schema.names(row.category for row in [*rows, *dev]) if schema else schema_of([*rows, *dev])
    more = in_names(read_rows(asked.more, labels=True), allowed) if asked.more else []
    _ready(asked)
    old = _earlier(asked) if asked.more else None
    encoder = taught(
        asked.encoder or encoder_for(rows), asked.masked, asked.model, tell,
        encoders=asked.encoders, device=asked.device, seed=asked.seed,
    )  # fmt: skip
    usual = attribute_options([*rows, *more], encoder)
    if asked.more and not dev:
        rows, dev = cut(rows, asked.seed)  # the same rows judge the old model and the new one
    chosen = replace(
        usual,
        encoders=asked.encoders,
        epochs=asked.epochs or usual.epochs,
        adapters=asked.adapters,
        device=asked.device,
        seed=asked.seed,
        **asked.learning.given(),
    )
    unfinished = asked.model / "unfinished" if asked.model else None
    with curves(asked.tensorboard, asked.board, settings_of(chosen)) as drawn:
        model = fit(
            [*rows, *more],
            chosen,
            schema=allowed,
            dev=dev,
            wanted=read_rows(wanted, labels=True) if wanted else (),
            checkpoint=unfinished,
            on_epoch=_heard(tell, drawn, unfinished),
        )
    if unfinished is None:
        return model, None
    return _kept(unfinished.parent, model, old, dev if asked.more else None, read_curve(unfinished), tell)


def _ready(asked: Extract) -> None:
    """What is missing is told before anything learns. Raises MissingExtra, ConfigurationError."""
    from mining.extraction.low_rank import need_peft

    can_draw(asked.tensorboard, asked.board)
    if asked.adapters != "none":
        need_peft()


def settings_of(options: "Options") -> dict[str, Any]:
    """How is trained, as curves say it: no path of this machine."""
    told = {name: value for name, value in asdict(options).items() if name != "encoders"}
    return told | {"encoder": Path(str(told["encoder"])).name}


def _heard(
    tell: Callable[[str], None], drawn: Callable[["Epoch"], None], unfinished: Path | None
) -> Callable[["Epoch"], None]:
    """Tells and draws each epoch. The curve of the first network, which the others learn like, is kept beside the
    unfinished training, so that one killed in a further network still has it."""

    def heard(epoch: "Epoch") -> None:
        if unfinished and epoch.member == 0:
            earlier = [one for one in read_curve(unfinished) if one["epoch"] < epoch.number]
            write_json(unfinished / CURVE, [*earlier, point(epoch)])
        drawn(epoch)
        tell(epoch.told())

    return heard


def _earlier(asked: Extract) -> "AttributeModel | None":
    """The model that a new one is to replace. Read before anything is learned, so that a fault is told at once."""
    from mining.extraction.attribute_model import ATTRIBUTES, AttributeModel

    there = asked.model is not None and (asked.model / ATTRIBUTES).exists()
    return AttributeModel.load(asked.model) if asked.model and there else None


def _kept(
    folder: Path,
    model: "AttributeModel",
    old: "AttributeModel | None",
    judges: list[Row] | None,
    curve: Curve,
    tell: Callable[[str], None],
) -> tuple["AttributeModel", Judgement | None]:
    """The model that the folder holds in the end: the new one, unless ``judges`` find the old one as good."""
    verdict = None
    if judges is not None:
        verdict = judge(model, old, judges)
        tell(side_by_side(curve, read_curve(folder)))
        tell(verdict.told())
    if old is None or verdict is None or verdict.promoted:
        model.save(folder)
        write_json(folder / CURVE, curve)
        old = model
    _forget(folder / "unfinished")
    return old, verdict


def beside(train: Path, wanted: Path | None) -> tuple[Path, Path | None]:
    """(labels as texts say them, labels as the catalogue wants them): WDC-PAVE keeps them in folders side by side."""
    if wanted is not None or not train.parent.name.startswith("wdc_"):
        return train, wanted
    raw, normal = (train.parent.parent / name / train.name for name in WDC)
    return (raw if raw.is_file() else train), (normal if normal.is_file() else None)


def encoder_for(rows: list[Row]) -> str:
    """The default encoder for the language of the texts."""
    from mining.extraction.encoders import DEFAULT

    sample = " ".join(text for row in rows[:SAMPLE] for text in row.texts.values())
    return DEFAULT["zh" if chinese_share(sample) >= MOSTLY_CHINESE else "en"]


def taught(
    encoder: str,
    masked: Sequence[Path],
    model: Path | None,
    tell: Callable[[str], None],
    *,
    encoders: Path | None = None,
    epochs: int | None = None,
    device: str = "cpu",
    seed: int = 0,
) -> str:
    """The encoder; where there are ``masked`` products, the folder beside ``model`` of one that learned their words.

    Raises FrontDoorError where there is no folder to keep it in.
    """
    if not masked:
        return encoder
    if model is None:
        raise FrontDoorError("--masked keeps the encoder that it teaches beside the model: give --model FOLDER")
    from mining.extraction.examples import Example
    from mining.extraction.masked_words import Masking, teach

    rows = [row for path in masked for row in read_rows(path, labels=False)]
    texts = [Example(text, row.category) for row in rows for text in row.texts.values()]
    options = Masking(seed=seed, device=device)
    options = replace(options, epochs=epochs or options.epochs)
    folder = model / "encoder"
    teach(encoder, texts, folder, options, encoders=encoders, on_epoch=lambda epoch: tell(epoch.told()))
    return str(folder)


def on_schema(answer: "Answer", schema: Schema, aside: Counter[str]) -> "Answer":
    """The answer without what the schema does not allow, which is counted by reason in ``aside``.

    ``normalized`` gains the form of each attribute that the schema says one for; a form that was learned stays.
    """
    known = {attribute.name: attribute for attribute in schema.attributes_of(answer.category)}
    kept = {}
    for name, value in answer.values.items():
        reason = refusal(known[name], value.value) if name in known else "off schema"
        if reason is None:
            kept[name] = value
        else:
            aside[reason] += 1
    forms = {
        name: normal.form if name in kept and (normal := in_form(attribute, kept[name].value)) else None
        for name, attribute in known.items()
        if attribute.unit or attribute.values or attribute.normalise or attribute.abbreviations
    }
    learned = {n: v if n in kept else None for n, v in (answer.normalized or {}).items() if n in known}
    normalized = {**forms, **learned} if forms or answer.normalized is not None else None
    return replace(answer, attributes=tuple(known), values=kept, normalized=normalized)


def line(row: Row, answer: "Answer") -> dict[str, Any]:
    """A line of the predictions: what the row was, a value or null for each attribute of its category, the places."""
    told = {**row.own, "category": row.category, "attributes": answer.plain(), "spans": dict(_spans(answer))}
    return told if answer.normalized is None else {**told, "normalized": dict(answer.normalized)}


def _spans(answer: "Answer") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in answer.values.items():
        place = {"field": value.field, "start": value.start, "end": value.end}
        yield name, {**place, "confidence": round(value.confidence, 4)}


def _forget(folder: Path) -> None:
    """The finished model makes its checkpoint needless."""
    if folder.is_dir():
        shutil.rmtree(folder)
