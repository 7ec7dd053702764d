"""Reports and answers as a few lines for a terminal; the whole of each report is in its run folder."""

from collections.abc import Mapping
from typing import Any

from api.phrases import shortened

Report = Mapping[str, Any]


def summary(stage: str, report: Report) -> str:
    """What a stage did: what was read, kept, set aside and why; facts by relation and method; what won."""
    tellers = {"load": _load, "mine": _mine, "train": _train, "evaluate": _evaluate}
    return "\n".join([stage, *(f"  {line}" for line in tellers[stage](report))])


def _load(report: Report) -> list[str]:
    lines = []
    for kind in ("catalog", "relations", "reviews", "events"):
        file = report.get(kind)
        if file is None:
            continue
        read, rules = file["read"], file["cleaned"].get("rules", {})
        reasons = {**read["rejected"], **{r: c["count"] for r, c in rules.items()}, **file["set_aside"]}
        written = ", ".join(f"{n} {what}" for what, n in file["written"].items() if n) or "nothing new"
        lines.append(f"{kind}: {read['read']:,} rows read, {read['kept']:,} kept; wrote {written}{because(reasons)}")
    return lines


def because(reasons: Report) -> str:
    """What was set aside, the most frequent reason first; empty where there is nothing to tell."""
    told = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda r: -r[1]) if count)
    return f"; set aside or mended: {told}" if told else ""


def _mine(report: Report) -> list[str]:
    lines = []
    for name, one in report["text"]["extractors"].items():
        lines.append(f"{name}: {one['documents']} documents, {one['facts']} facts{because(one['set_aside'])}")
        usage = one.get("usage") or {}
        if usage.get("live") or usage.get("replayed") or usage.get("cached"):
            spent = usage["usage"]
            asked = f"{usage['live']} asked now, {usage['cached']} from the cache, {usage['replayed']} replayed"
            lines.append(
                f"  replies: {asked}; "
                f"{spent['prompt_tokens'] + spent['completion_tokens']:,} tokens, {spent['usd']:.4f} USD"
            )
    behavior = report["behavior"]
    lines.append(
        f"behaviour: {behavior['events']:,} events in {behavior['sessions']:,} sessions and {behavior['baskets']:,} "
        f"baskets; {report['bots']} bots left out{because(behavior['set_aside'])}{_made_up(behavior)}"
    )
    for relation, methods in report["health"]["facts"].items():
        told = ", ".join(f"{sum(buckets.values())} {method}" for method, buckets in methods.items())
        lines.append(f"{relation}: {told}")
    graph = report["graph"]
    lines.append(f"graph: {graph['entities']:,} entities, {graph['facts']:,} facts, {graph['components']} components")
    return lines


def _made_up(behavior: Report) -> str:
    """Pairs that a crowd of empty accounts made; nothing where there are none."""
    made = ", ".join(f"{count} {relation}" for relation, count in behavior.get("suspect_pairs", {}).items())
    return f"; pairs made by bursts of empty accounts, counted again without them: {made}" if made else ""


def _train(report: Report) -> list[str]:
    best: dict[str, float] = {}
    for tried in report["validation"]["tried"]:
        best[tried["model"]] = max(best.get(tried["model"], 0.0), tried["ndcg@10"])
    lines = [f"on {report['validation']['users']} validation users, NDCG@10:"]
    lines += [f"  {ndcg:.4f}  {model}" for model, ndcg in sorted(best.items(), key=lambda m: -m[1])]
    steps = report["validation"]["sum"]
    told = " → ".join(
        f"{'+ ' if place else ''}{step['adds']} {step['ndcg@10']:.4f}" for place, step in enumerate(steps)
    )
    found, lines = report.get("gate"), [*lines, *_ranker(report.get("ranker"))]
    if found is not None and not found["passed"]:
        return [*lines, f"chose: {told}  ({report['model']})", *_gate(found, report["model"])]
    served = f"serves: {told}  ({report['model']})"
    return [*lines, served, *(_gate(found, report["model"]) if found is not None else ()), *_memory(report)]


def _memory(report: Report) -> list[str]:
    """The peak, where the report knows it."""
    found = report.get("memory")
    if found is None:
        return []
    each = f"in each of {found['processes']} processes" if found["processes"] > 1 else "in all"
    on_gpu = f", {found['peak_bytes_cuda'] / 1e9:.2f} GB on the GPU" if "peak_bytes_cuda" in found else ""
    return [f"memory: at most {found['peak_bytes'] / 1e9:.2f} GB {each}{on_gpu}"]


def _ranker(found: Report | None) -> list[str]:
    if found is None:
        return []
    if "difference" not in found:
        return [f"ranker: none, {found['failed']}"]
    k = "ndcg@10"
    verdict = "served" if found["served"] else "not served: it is not shown to help"
    return [
        f"ranker: {found[k]:.4f} → {found[k + ' ranked']:.4f}, {_interval(found['difference'])} on {found['users']:,} "
        f"users out of fold; {verdict}"
    ]


def _gate(found: Report, model: str) -> list[str]:
    if found["in_service"] is None:
        return ["gate: nothing was in service, so there was nothing to be worse than"]
    difference, k = found["difference"], "ndcg@10"
    verdict = "passed" if found["passed"] else f"refused: {found['in_service']} stays in service, {model} is on disk"
    return [
        f"gate: NDCG@10 {found[k]:.4f}, in service {found[k + ' in service']:.4f} ({found['asked']}); difference "
        f"{_interval(difference)} on {difference['users']:,} users, may lose {found['tolerance']:.0%}",
        f"gate: {verdict}",
    ]


def _interval(found: Report) -> str:
    return f"{found['mean']:+.4f} [{found['low']:+.4f}, {found['high']:+.4f}]"


def _evaluate(report: Report) -> list[str]:
    lines = [
        f"{report['users']} users, {report['items']:,} products ranked; best baseline: {report['baseline'] or 'none'}",
        "recall@10  NDCG@10  coverage  novelty  diversity  Gini  model (relations)  NDCG@10 − best baseline",
    ]
    for one in sorted(report["summaries"], key=lambda s: -s["mean"]["ndcg"]):
        mean, against = one["mean"], one["against"].get("all")
        diversity = f"{mean['diversity']:9.3f}" if "diversity" in mean else f"{'-':>9}"
        told = f"  {_interval(against['ndcg'])}" if against else ""
        lines.append(
            f"{mean['recall']:9.4f}  {mean['ndcg']:7.4f}  {mean['coverage']:8.3f}  {mean['novelty']:7.2f}  {diversity}"
            f"  {mean['gini']:4.2f}  {one['model']} ({one['relations']}){told}"
        )
    failed = [row for row in report["rows"] if row["failed"]]
    lines += [f"failed: {row['model']} ({row['relations']}): {row['failed']}" for row in failed]
    shown = [one for one in report["summaries"] if one["model"] in ("served", report["baseline"])]
    for name, targets in report["targets"].items():
        told = ", ".join(f"{one['model']} {one['slices'][name]:.4f}" for one in shown)
        lines.append(f"{name}: {targets:,} targets; NDCG@10 {told if targets else 'of nobody'}")
    lines += [_brands(one["model"], one["mean"]) for one in shown if "unfairness_purchases" in one["mean"]]
    if report["unserved"]:
        lines.append(f"nothing could be chosen before the measured days: {report['unserved']}")
    return [*lines, *(f"wrote {path}" for path in report["written"])]


def _brands(model: str, mean: Report) -> str:
    return (
        f"brands: {model} gives {mean['unfairness_purchases']:.1%} of the exposure to other brands than purchases "
        f"would, {mean['unfairness_catalogue']:.1%} than the catalogue would"
    )


def proposed(report: Report) -> str:
    """What ``schema propose`` found and what a language model changed."""
    found = (
        f"{report['attributes']} attributes from {report['products']:,} products (categories: {report['categories']})"
    )
    text = f"{found} in {report['out']}: read it, change it, give it as --schema{because(report['set_aside'])}"
    model = ", ".join(f"{count} {what}" for what, count in report["language_model"].items())
    return f"{text}\nlanguage model: {model}" if model else text


def recommendations(answer: Report, *, reasons: int) -> str:
    """Ranked titles, each with its first reasons."""
    who = answer["user_id"] or "someone new"
    lines = [f"For {who} (model {answer['model']}, graph {answer['graph_version']}, as of {answer['as_of']}):"]
    for item in answer["items"]:
        score = f"[{item['id']}, {item['origin']}, {item['score']:.4f}]"
        lines.append(f"{item['rank']:>3}. {shortened(item['title'] or item['id'])}  {score}")
        if reasons and not item["reasons"]:
            lines.append("     because: no path of facts carries this score")
        for reason in item["reasons"][:reasons]:
            share = "" if reason["contribution"] is None else f"  (+{reason['contribution']:.4f})"
            lines.append(f"     because: {reason['text']}{share}")
    return "\n".join(lines)
