"""Relations by rules and a judge: the rules' facts, where the judge of ``mining.extraction.judge`` agrees, and its own.

The judge has read English. Where a sentence holds Chinese, what the rules say stands.
"""

import re
from collections.abc import Iterable, Iterator

from kg.schema import SHOP, Schema
from kg.types import Document
from mining.extraction import negation
from mining.extraction.judge import Judge, Verdict, Weighing, once, shipped
from mining.extraction.judge_features import Mark
from mining.extraction.rule_pipeline import ASIDE, SURENESS, text_of, words_of
from mining.extraction.rules import RuleExtractor
from mining.extraction.spacy_alone import Doc, Span

RULE = "judge"  # the rule of what the judge found itself
REASON = "unlikely"

_CHINESE = re.compile("[\u2e80-\u2fdf\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")


class Judging:
    """Puts the judge's relations into ``doc.spans["shop_relations"]``; how sure it is of each, into the user data.

    ``overrules``: what rules say and the judge finds unlikely is set aside; else it speaks where rules are silent.
    """

    def __init__(self, judge: Judge, context: Weighing | None = None, *, overrules: bool = True) -> None:
        self._judge, self._context, self._overrules = judge, context, overrules

    def __call__(self, doc: Doc) -> Doc:
        words = words_of(doc)
        foreign = {words.sentence[at] for at, word in enumerate(words.text) if _CHINESE.search(word)}
        ruled = list(doc.spans["shop_relations"])
        kept = [span for span in ruled if not self._overrules or words.sentence[span.start] in foreign]
        seen = self._judge.verdicts(words, marks_of(doc), self._context)
        ours = [verdict for verdict in seen if words.sentence[verdict.start] not in foreign]
        denied = [verdict for verdict in ours if _is_denied(doc, verdict)]
        taken = {place for span in kept for place in range(span.start, span.end)}
        likely = [v for v in ours if v not in denied and taken.isdisjoint(range(v.start, v.end))]
        said, sureness = [], {}
        for verdict in once(likely, words):
            span = Span(doc, verdict.start, verdict.end, label=verdict.relation, span_id=RULE)
            said.append(span)
            sureness[span.start_char, span.end_char] = verdict.confidence
        found = taken | {place for verdict in likely for place in range(verdict.start, verdict.end)}
        unlikely = [span for span in ruled if span not in kept and found.isdisjoint(range(span.start, span.end))]
        doc.user_data[ASIDE] += [(span.label_, span.start_char, span.end_char, REASON) for span in unlikely]
        doc.user_data[ASIDE] += _refused(doc, denied)
        doc.spans["shop_relations"] = sorted([*kept, *said], key=lambda span: (span.start_char, span.end_char))
        doc.user_data[SURENESS] = sureness
        return doc


def marks_of(doc: Doc) -> list[Mark]:
    """What the rules say of a document that they have read: its relations, and what they set aside."""
    marks = [Mark(span.start, span.end, span.label_, span.id_, "") for span in doc.spans["shop_relations"]]
    begins = {token.idx: token.i for token in doc}
    ends = {token.idx + len(token): token.i + 1 for token in doc}
    said = {(mark.start, mark.end) for mark in marks}
    for relation, start, end, reason in doc.user_data[ASIDE]:
        place = begins.get(start, -1), ends.get(end, -1)
        if place[0] >= 0 and place[1] >= 0 and place not in said:
            said.add(place)
            marks.append(Mark(*place, relation, "?", reason))
    return marks


def _is_denied(doc: Doc, verdict: Verdict) -> bool:
    """What a judge has learned is no proof against *Not for children*: whichever judge it is, the words decide."""
    span = doc[verdict.start : verdict.end]
    return negation.negated(text_of(doc), span.start_char, span.end_char)


def _refused(doc: Doc, denied: Iterable[Verdict]) -> Iterator[tuple[str, int, int, str]]:
    """What the text denies, as things set aside; what the rules set aside already is not said twice."""
    said = {(start, end) for _, start, end, _ in doc.user_data[ASIDE]}
    for verdict in denied:
        span = doc[verdict.start : verdict.end]
        if (span.start_char, span.end_char) not in said:
            yield verdict.relation, span.start_char, span.end_char, negation.REASON


class JudgedExtractor(RuleExtractor):
    """The rules' extractor with a judge of relations behind it. Keeps the laws of ``mining.types.Extractor``.

    Its method is the rules': the judge only decides what stands, and how sure it is. ``context`` weighs the judge's
    opinions anew by an encoder (``judge_context.shipped()``, None where it is missing); without, the judge decides.
    ``overrules`` as in ``Judging``.
    """

    def __init__(
        self,
        schema: Schema = SHOP,
        judge: Judge | None = None,
        context: Weighing | None = None,
        *,
        overrules: bool = True,
    ) -> None:
        super().__init__(schema)
        self._judging = Judging(judge or shipped(), context, overrules=overrules)

    def _doc(self, document: Document) -> Doc:
        return self._judging(super()._doc(document))
