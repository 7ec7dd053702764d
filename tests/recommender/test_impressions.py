"""The log of impressions: answers and what came of them are kept once, joined, and forgotten with their person."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from recommender.errors import ImpressionError, PropensityError
from recommender.exploring import Lottery, propensities
from recommender.impressions import Impression, ImpressionLog, Outcome, Shown
from recommender.interleaving import Draft, Interleaved

LOTTERY = Lottery(("mug", "咖啡/机", "🎧"), (2, 3, 5), 1.5)
ANSWER = Impression("r1", 100, "ease", (Shown("k5", 1, 1.0), Shown("mug", 2, 0.55)), "用户 1", None, LOTTERY)


@pytest.fixture
def log(tmp_path):
    return ImpressionLog(tmp_path / "impressions.db")


def test_an_answer_comes_back_as_it_went_in_with_what_came_of_it(log):
    log.record(ANSWER)
    log.record(replace(ANSWER, request_id="r0", user_id=None, session_id="s", lottery=None))
    click, buy = Outcome("e1", "r1", "mug", "click"), Outcome("e2", "r1", "mug", "purchase", 2.0)
    assert log.join([click, buy]) == 2
    assert log.join([click]) == 1
    first, second = log.scan()
    assert second == replace(ANSWER, outcomes=(click, buy))
    assert (first.request_id, first.outcomes, first.lottery) == ("r0", (), None)


def test_what_names_no_answer_that_showed_it_is_not_joined(log):
    log.record(ANSWER)
    assert log.join([Outcome("e1", "r2", "mug", "click"), Outcome("e2", "r1", "tent", "click")]) == 0
    assert next(log.scan()).outcomes == ()


def test_a_request_id_counts_once(log):
    log.record(ANSWER)
    with pytest.raises(ImpressionError, match="UNIQUE"):
        log.record(ANSWER)
    assert len(list(log.scan())) == 1


def test_a_window_is_half_open_and_nothing_is_no_log(log):
    assert list(log.scan()) == []
    for at in (1, 2, 3):
        log.record(replace(ANSWER, request_id=str(at), at=at))
    assert [i.at for i in log.scan(2, 3)] == [2]


def test_a_person_is_forgotten_with_all_that_came_of_it(log, tmp_path):
    assert log.forget("用户 1") == 0
    log.record(ANSWER)
    log.record(replace(ANSWER, request_id="r2", user_id="other"))
    log.join([Outcome("e1", "r1", "mug", "click"), Outcome("e2", "r2", "mug", "click")])
    assert log.forget("用户 1") == 1
    (left,) = log.scan()
    assert (left.user_id, [o.event_id for o in left.outcomes]) == ("other", ["e2"])
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "用户 1".encode() not in held
    assert b"other" in held


def test_a_person_is_forgotten_as_who_they_were_before_they_logged_in(log):
    """The rule of the event log: a row without a user in one of their sessions is theirs, another user's is not."""
    for name, user, session in (
        ("r1", "ann", "s1"), ("r2", None, "s1"), ("r3", "bob", "s1"), ("r4", None, "s2"), ("r5", None, None),
        ("r6", "ann", None),
    ):  # fmt: skip
        log.record(replace(ANSWER, request_id=name, user_id=user, session_id=session))
    log.join([Outcome("e2", "r2", "mug", "click"), Outcome("e4", "r4", "mug", "click")])
    assert log.forget("ann") == 3
    assert [(i.request_id, len(i.outcomes)) for i in log.scan()] == [("r3", 0), ("r4", 1), ("r5", 0)]


def test_many_threads_write_one_file(log):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: log.record(replace(ANSWER, request_id=str(n))), range(40)))
    assert len(list(log.scan())) == 40


def test_a_file_of_another_owner_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("not a database, whatever its name says", encoding="utf-8")
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    for name in ("text.db", "other.db"):
        with pytest.raises(ImpressionError, match=name):
            ImpressionLog(tmp_path / name).record(ANSWER)


def test_the_propensity_of_any_product_at_any_rank(log):
    table = propensities(3, 1.5)
    assert ANSWER.propensity("🎧", 2) == table[2, 0]
    assert ANSWER.propensity("mug", 5) == table[0, 2]
    assert [ANSWER.propensity(*asked) for asked in (("k5", 1), ("mug", 1), ("k5", 2), ("mug", 4))] == [1, 0, 0, 0]


DRAFTED = replace(
    ANSWER, request_id="r2", lottery=None, interleaved=Interleaved("rival", Draft(("k5", "mug"), ("a", "b")))
)


def test_an_answer_of_two_models_comes_back_with_who_put_in_what(log):
    log.record(DRAFTED)
    assert list(log.scan()) == [DRAFTED]
    with pytest.raises(PropensityError, match="two models share"):
        DRAFTED.propensity("k5", 1)


def test_a_log_from_before_drafts_is_read_as_it_is_and_goes_on(log, tmp_path):
    path = tmp_path / "impressions.db"
    log.record(ANSWER)
    with sqlite3.connect(path) as old:
        old.execute("ALTER TABLE answers DROP COLUMN interleaved")
        old.execute("PRAGMA user_version = 1")
    old.close()
    assert list(log.scan()) == [ANSWER]
    log.forget("nobody")
    assert version(path) == 1  # reading changes nothing, and who erases leaves it to the service that still writes it
    with sqlite3.connect(path) as old:
        old.execute("INSERT INTO answers VALUES ('r9', 1, 'ann', NULL, 'ease', NULL)")  # as that service does
    old.close()
    assert log.forget("ann") == 1
    log.record(DRAFTED)
    assert list(log.scan()) == [ANSWER, DRAFTED]
    assert version(path) == 2


def version(path):
    with sqlite3.connect(path) as log:
        found = log.execute("PRAGMA user_version").fetchone()[0]
    log.close()
    return found


def test_people_are_users_then_sessions_then_whoever_came_once():
    assert ANSWER.person == ("user", "用户 1")
    assert replace(ANSWER, user_id=None, session_id="s").person == ("session", "s")
    assert replace(ANSWER, user_id=None).person == ("answer", "r1")
