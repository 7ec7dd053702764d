"""Two models on the answers that the service has logged: ``shopgraph compare``.

Flow: log of impressions → answers that chance can be asked about → what each model's order would have earned, and the
difference; answers that both models share → whose products were preferred. Nothing is written.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.bootstrap import Shop
from api.errors import FrontDoorError
from api.progress import Bars
from api.serving import folder_of
from kg.types import ACTIONS, Action, Timestamp
from recommender import off_policy, replaying
from recommender.errors import OffPolicyError, RecommenderError
from recommender.impressions import Impression, ImpressionLog
from recommender.interleaving import verdict
from recommender.off_policy import Estimate, Report, Shown, Target
from recommender.recommender import Recommender

ESTIMATORS = ("ips", "snips", "dr")
REWARDS: tuple[Action, ...] = tuple(action for action in ACTIONS if action != "rating")
"""What counts where nothing is named: a rating may say that somebody was disappointed."""
_HOW = "serve with --log-answers and --explore-from RANK, or with --interleave MODEL"
_ADVICE = {
    replaying.CERTAIN: "exploration was off: what was shown had the propensity 1 and nothing else could have been "
    f"shown, so the log cannot say what another order would have earned; {_HOW}",
    replaying.INTERLEAVED: "two models share the lists, which says who is preferred and not what an order would earn",
    replaying.LEARNED: "a model has learned from later events than these answers; train it with --until a time before "
    "them, or compare on newer answers",
    replaying.NOBODY: "nobody is named in them, so that no history says how a model would have ordered; send a user_id "
    "or session_id",
    replaying.NO_PROBABILITY: "their propensities are no probabilities",
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What counts as a reward, within how many ranks, and the seed of folds and bootstrap."""

    actions: Collection[Action]
    k: int
    seed: int


def compare(
    opened: Shop,
    a: str,
    b: str,
    bars: Bars,
    *,
    actions: Collection[str] | None,
    k: int,
    seed: int,
    since: Timestamp | None = None,
    until: Timestamp | None = None,
) -> dict[str, Any]:
    """Models by id, ``current`` or folder, on the answers with ``since`` <= at < ``until``; ``REWARDS`` count where no
    ``actions`` are named.

    Raises FrontDoorError for a model that there is not, for one that is compared with itself, and where no answer was
    logged.
    """
    folders = [folder_of(opened.workspace.models, model) for model in (a, b)]
    if folders[0] == folders[1]:
        raise FrontDoorError(f"{a!r} and {b!r} are one model, {folders[0].name}; name two")
    answers = list(ImpressionLog(opened.workspace.impressions).scan(since, until))
    if not answers:
        when = "" if since is until is None else " of that time"
        raise FrontDoorError(
            f"{opened.workspace.impressions} holds no answer{when} that could compare two models: {_HOW}"
        )
    names = [folder.name for folder in folders]
    models = [Recommender.load(folder, opened.store, opened.log) for folder in folders]
    asked = _Asked(tuple(action for action in ACTIONS if action in (actions or REWARDS)), k, seed)
    return {
        "a": names[0], "b": names[1], "answers": len(answers), "actions": list(asked.actions), "k": k,
        "off_policy": _off_policy(answers, models, asked, bars),
        "interleaving": _interleaving(answers, names, asked),
        "interleaved_by_others": sum(_of_others(answer, names) for answer in answers),
    }  # fmt: skip


def _off_policy(
    answers: Sequence[Impression], models: Sequence[Recommender], asked: _Asked, bars: Bars
) -> dict[str, Any]:
    found = replaying.usable(answers, models)
    told: dict[str, Any] = {"usable": len(found.impressions), "left_out": found.left_out, "refused": None}
    if not found.impressions:
        reason, count = Counter(found.left_out).most_common(1)[0]
        return {**told, "refused": f"in {count:,} of {len(answers):,} answers {_ADVICE[reason]}"}
    if not any(_explored(impression, asked.k) for impression in found.impressions):
        return {**told, "refused": f"chance filled no rank up to {asked.k}, where all policies are alike; raise --k"}
    bars.start("comparing: ordering anew", len(models) * len(found.impressions))
    tables = [_tables(found.impressions, model, asked, bars) for model in models]
    bars.finish()
    deepest = min(filter(None, (_depth(*table) for table in tables)), default=asked.k)
    reports = [_report(*off_policy.upto(*table, deepest), asked.seed) for table in tables]
    sides = [_side(report, found.impressions, model) for report, model in zip(reports, models, strict=True)]
    told |= {"ranks": min(deepest, asked.k), "cut": deepest < _shown(found.impressions, asked.k)}
    told |= {"a": sides[0], "b": sides[1], "difference": None, "better": None, "undecided": None}
    one, two = reports
    for report in reports:
        if isinstance(report, Report):
            told |= {"users": report.users, "logged": _interval(report.logged)}
    if isinstance(one, Report) and isinstance(two, Report):
        told["difference"] = {name: _interval(one.difference(two, name)) for name in ESTIMATORS}
        try:
            told["better"] = off_policy.verdict(one, two)
        except OffPolicyError as error:
            told["undecided"] = str(error)
    return told


def _explored(impression: Impression, k: int) -> bool:
    ranks = impression.lottery.ranks if impression.lottery else ()
    return any(s.rank in ranks and s.rank <= k for s in impression.shown)


def _shown(impressions: Sequence[Impression], k: int) -> int:
    """The deepest rank that was shown, of the first k."""
    return min(k, max(s.rank for impression in impressions for s in impression.shown))


def _tables(impressions: Sequence[Impression], model: Recommender, asked: _Asked, bars: Bars) -> tuple[Shown, Target]:
    """The log, and this model's order."""
    order = replaying.ordered_by(model)

    def policy(impression: Impression) -> Sequence[str]:
        bars.advance()
        return order(impression)

    return replaying.tables(impressions, policy, actions=asked.actions, k=asked.k)


def _depth(shown: Shown, target: Target) -> int:
    """How deep the log knows an order; 0 where it does not, which ``_report`` tells the reason of."""
    try:
        return off_policy.depth(shown, target)
    except OffPolicyError:
        return 0


def _report(shown: Shown, target: Target, seed: int) -> Report | str:
    """What the log says of an order, or why it says nothing."""
    try:
        return off_policy.evaluate(shown, target, seed=seed)
    except OffPolicyError as error:
        return str(error)


def _side(report: Report | str, impressions: Sequence[Impression], model: Recommender) -> dict[str, Any]:
    told: dict[str, Any] = {"unfamiliar": replaying.unfamiliar(impressions, model)}
    if isinstance(report, str):
        return {**told, "refused": report}
    estimates = {name: _interval(getattr(report, name)) for name in ESTIMATORS}
    return {**told, "refused": None, "effective": report.effective, "rewards": report.rewards, **estimates}


def _interval(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _interleaving(answers: Sequence[Impression], names: Sequence[str], asked: _Asked) -> dict[str, Any] | None:
    """Answers won, and the test: of people, for the answers to one person are no independent trials."""
    found = replaying.credited(answers, names[0], names[1], actions=asked.actions, k=asked.k)
    if not found.answers:
        return None
    people = found.by_person()
    told = {"answers": _won(found.answers), "people": _won(people)}
    try:
        said = verdict(people)
    except RecommenderError as error:
        return {**told, "refused": str(error)}
    test = {"share": said.share, "low": said.low, "high": said.high, "p_value": said.p_value, "better": said.better}
    return {**told, "refused": None, **test}


def _of_others(answer: Impression, names: Sequence[str]) -> bool:
    return answer.interleaved is not None and {answer.model, answer.interleaved.rival} != set(names)


def _won(credits: Sequence[int]) -> dict[str, int]:
    wins, losses = sum(credit > 0 for credit in credits), sum(credit < 0 for credit in credits)
    return {"count": len(credits), "wins": wins, "ties": len(credits) - wins - losses, "losses": losses}


def told(report: Mapping[str, Any]) -> str:
    """As a person reads it."""
    lines = [
        "compare", f"  A is {report['a']}", f"  B is {report['b']}",
        f"  a reward: a product shown at a rank up to {report['k']} to which one of these was joined: "
        + ", ".join(report["actions"]),
    ]  # fmt: skip
    lines += [f"  {line}" for line in _off_policy_told(report["off_policy"], report["answers"])]
    shared = _interleaving_told(report["interleaving"], report["interleaved_by_others"])
    return "\n".join([*lines, *(f"  {line}" for line in shared)])


def _off_policy_told(found: Mapping[str, Any], answers: int) -> list[str]:
    left_out = ", ".join(f"{count:,} {reason}" for reason, count in found["left_out"].items())
    lines = [
        f"estimates from {found['usable']:,} of {answers:,} answers" + (f"; left out: {left_out}" * bool(left_out))
    ]
    if found["refused"]:
        return [*lines, f"nothing can be estimated: {found['refused']}"]
    if found["cut"]:
        lines.append(
            f"as with --k {found['ranks']}: too few effective answers speak for the ranks after {found['ranks']}"
        )
    sides = {"A": found["a"], "B": found["b"]}
    lines += [f"{name} cannot be estimated: {side['refused']}" for name, side in sides.items() if side["refused"]]
    lines += [
        f"{name} does not know a candidate in {side['unfamiliar']:,} of them and shows it last, which understates it"
        for name, side in sides.items()
        if side["unfamiliar"]
    ]
    shown = {name: side for name, side in sides.items() if not side["refused"]}
    if not shown:
        return lines
    told = ", ".join(f"{name} {side['effective']:,.0f}" for name, side in shown.items())
    lines.append(
        f"rewards of one answer, with 95 % intervals over {found['users']:,} people; effective answers: {told}"
    )
    lines.append(f"  {'as given':<9}{_told(found['logged'])}")
    for estimator in ESTIMATORS:
        told = "  ".join(f"{name} {_told(side[estimator])}" for name, side in shown.items())
        difference = f"  A - B {_told(found['difference'][estimator], '+')}" if found["difference"] else ""
        lines.append(f"  {estimator.upper():<9}{told}{difference}")
    return lines + ([_verdict(found)] if found["difference"] else [])


def _verdict(found: Mapping[str, Any]) -> str:
    if found["undecided"]:
        return str(found["undecided"]).replace("fewer ranks", "fewer ranks (--k)")
    more = f"{found['better'].upper()} earns more" if found["better"] else "neither is shown to earn more"
    return f"by DR, IPS and SNIPS, {more}"


def _told(interval: Mapping[str, float], sign: str = "") -> str:
    return "{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]".format(**interval, sign=sign)


def _interleaving_told(found: Mapping[str, Any] | None, others: int) -> list[str]:
    left_out = f"; {others:,} of other pairs of models" * bool(others)
    if found is None:
        return [f"interleaved: no list that these two share{left_out}"]
    lines = [f"interleaved: left out{left_out[1:]}"] * bool(others) + [
        "interleaved: {what}: {count:,}; won by A {wins:,}, by B {losses:,}, ties {ties:,}".format(
            what=what, **found[what]
        )
        for what in ("answers", "people")
    ]
    if found["refused"]:
        return [*lines, f"interleaved: nothing can be said: {found['refused']}"]
    better = f"{found['better'].upper()} is better" if found["better"] else "neither is shown to be better"
    share = "of people who preferred one, A has {share:.1%} [{low:.1%}, {high:.1%}], p = {p_value:.2g}".format(**found)
    return [*lines, f"interleaved: {share}: {better}"]
