"""Prompts, budgets, prices, the reply cache, pacing: what needs no endpoint."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mining.errors import BudgetExhausted, ConfigurationError
from mining.language_model import (
    FREE,
    PRICES,
    Budget,
    Message,
    OpenAIModel,
    Price,
    Prompt,
    RateLimiter,
    Retry,
    Usage,
)
from mining.language_model.answers import compact, read_object
from mining.language_model.dialect import Dialect
from mining.language_model.failures import retry_after

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}


def prompt(text: str = "hello", **changes: object) -> Prompt:
    fields: dict[str, object] = {"messages": (Message("user", text),), "schema": SCHEMA, "version": "1", **changes}
    return Prompt(**fields)  # type: ignore[arg-type]


# ---- prompts --------------------------------------------------------------------------------------------------------


def test_a_key_depends_on_everything_that_can_change_the_reply() -> None:
    keys = {
        prompt().key("m"),
        prompt().key("n"),
        prompt("other").key("m"),
        prompt(version="2").key("m"),
        prompt(schema={}).key("m"),
        prompt(max_tokens=1).key("m"),
        prompt(temperature=0.5).key("m"),
        prompt(seed=1).key("m"),
        prompt(messages=(Message("system", "hello"),)).key("m"),
        prompt(messages=(Message("user", "hel"), Message("user", "lo"))).key("m"),
    }
    assert len(keys) == 10


def test_a_key_is_the_same_in_every_process_and_for_every_order_of_a_schema() -> None:
    turned = dict(reversed(list(SCHEMA.items())))
    # A change here makes every cache and every shipped file worthless.
    assert prompt("画画 🎨").key("m") == "307519bf32570bc38a2efef127247bc21e3a9c7a93bd05a27c53435b8ad514ec"
    assert prompt(schema=turned).key("m") == prompt().key("m")
    assert prompt(grammar="anything").key("m") == prompt().key("m")
    assert len(prompt("\ud800").key("m")) == 64  # a lone surrogate is no reason to stop


@given(st.text(max_size=200))
def test_the_token_bound_is_never_below_the_bytes_of_the_text(text: str) -> None:
    assert prompt(text).token_bound() >= len(text.encode("utf-8", "replace"))


# ---- prices and budgets ---------------------------------------------------------------------------------------------


def test_a_price_is_dollars_per_million_tokens() -> None:
    assert Price.parse("0.15,0.60").of(2_000_000, 1_000_000) == pytest.approx(0.90)
    assert Price.parse("0, 0").of(10**9, 10**9) == 0
    assert PRICES["gpt-4o-mini"] == Price(0.15, 0.60)


@pytest.mark.parametrize("text", ["", "1", "a,b", "1,2,3", "-1,2", "nan,1", "inf,1"])
def test_a_price_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="price"):
        Price.parse(text)


@pytest.mark.parametrize(
    ("text", "unit", "limit"),
    [
        ("0", "products", 0),
        ("500products", "products", 500),
        ("1 product", "products", 1),
        ("200000tokens", "tokens", 200_000),
        ("200_000 Tokens", "tokens", 200_000),
        ("5usd", "usd", 5),
        ("0.25USD", "usd", 0.25),
        ("0usd", "usd", 0),
    ],
)
def test_budgets_are_read(text: str, unit: str, limit: float) -> None:
    budget = Budget.parse(text)
    assert (budget.unit, budget.limit, budget.spent) == (unit, limit, 0)


@pytest.mark.parametrize("text", ["", "5", "usd", "-5usd", "5 eur", "1.5products", "5usd5usd", "∞tokens", "1e3tokens"])
def test_a_budget_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError, match="budget"):
        Budget.parse(text)


def test_a_budget_in_products_lets_exactly_so_many_through() -> None:
    budget = Budget.parse("2products")
    for _ in range(2):
        budget.take_product()
        budget.reserve(prompt(), 10**6, None)  # retries of one product are not counted again
    with pytest.raises(BudgetExhausted, match="2 products"):
        budget.take_product()


@pytest.mark.parametrize("text", ["0", "0tokens", "0usd"])
def test_a_budget_of_nothing_allows_nothing(text: str) -> None:
    budget = Budget.parse(text)
    with pytest.raises(BudgetExhausted):
        budget.take_product()
    with pytest.raises(BudgetExhausted):
        budget.reserve(prompt(), 1, FREE)


def test_a_budget_in_tokens_holds_the_worst_case_and_settles_for_what_was_used() -> None:
    bound = prompt().token_bound()
    budget = Budget("tokens", 2 * (bound + 100))
    first = budget.reserve(prompt(), 100, None)
    second = budget.reserve(prompt(), 100, None)
    with pytest.raises(BudgetExhausted, match="used up"):
        budget.reserve(prompt(), 100, None)
    budget.settle(first, Usage(prompt_tokens=10, completion_tokens=5))
    budget.settle(second, Usage())
    assert budget.spent == 15
    budget.reserve(prompt(), 100, None)


def test_a_budget_in_dollars_needs_a_price_and_keeps_it() -> None:
    budget = Budget.parse("1usd")
    with pytest.raises(ConfigurationError, match="price"):
        budget.reserve(prompt(), 10, None)
    with pytest.raises(BudgetExhausted):
        budget.reserve(prompt(), 10, Price(0, 100_001))
    held = budget.reserve(prompt(), 10, Price(0, 50_000))
    budget.settle(held, Usage(completion_tokens=4, usd=0.2))
    assert budget.spent == pytest.approx(0.2)


def test_threads_cannot_pass_a_budget_together() -> None:
    budget = Budget.parse("50products")
    passed: list[int] = []

    def take() -> None:
        for _ in range(40):
            try:
                budget.take_product()
            except BudgetExhausted:
                return
            passed.append(1)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 50


# ---- replies, dialects, pacing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a": "1"}', {"a": "1"}),
        ('```json\n{"a": "1"}\n```', {"a": "1"}),
        ('<think>{"a": "no"}</think>Sure: {"a": "yes"} Bye {"a": "late"}', {"a": "yes"}),
        ('{"b": 1} then {"a": "1"}', {"a": "1"}),
        ('{"a": "1"', None),
        ('["a"]', None),
        ("null", None),
        ("", None),
        ("[" * 100_000, None),
        ('{"a":' * 100_000, None),
        ("{" * 100_000, None),
    ],
)
def test_json_is_taken_from_chatter_and_never_guessed(content: str, value: object) -> None:
    assert read_object(content, SCHEMA) == value


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert compact({"a": "\ud800画"}) == '{"a":"?画"}'


def test_a_rejected_dialect_is_left_for_the_nearest_simpler_one() -> None:
    first = Dialect("grammar")
    assert first.without("unknown field: seed") == Dialect("grammar", seed=False)
    assert first.without("use max_completion_tokens instead") == Dialect("grammar", limit="max_completion_tokens")
    assert Dialect().without("temperature must be 1") == Dialect(temperature=False)
    formats = []
    dialect: Dialect | None = first
    while dialect is not None:
        formats.append(dialect.format)
        dialect = dialect.without("no such field")
    assert formats == ["grammar", "schema", "bare_schema", "object", "prompt"]


def test_the_schema_is_sent_as_far_as_the_dialect_goes() -> None:
    asked = prompt(grammar="start: x")
    assert Dialect("grammar").request("m", asked, 7)["extra_body"] == {"grammar": "start: x"}
    full = Dialect().request("m", asked, 7)
    assert full["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (full["max_tokens"], full["temperature"], full["seed"]) == (7, 0.0, 0)
    bare = Dialect("bare_schema").request("m", asked, 7)["response_format"]["json_schema"]["schema"]
    assert bare["properties"] == {"a": {"type": "string"}}
    plain = Dialect("prompt", seed=False, temperature=False).request("m", asked, 7)
    assert set(plain) == {"model", "messages", "max_tokens"}
    assert '"maxLength":9' in plain["messages"][0]["content"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": " 0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=10.0) == seconds


def test_waits_double_up_to_the_longest_and_never_undercut_what_is_asked() -> None:
    retry = Retry(first_wait=1, longest_wait=8)
    for failed, most in ((1, 1), (2, 2), (3, 4), (4, 8), (9, 8)):
        wait = retry.wait(failed, None)
        assert wait is not None
        assert most / 2 <= wait <= most
    assert retry.wait(1, 5.0) == 5.0
    assert retry.wait(1, 8.5) is None


def test_the_limiter_never_lets_more_in_than_it_has_places() -> None:
    limiter = RateLimiter(concurrency=2)
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with limiter.place():
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, inside) == (2, 0)


def test_starts_keep_the_pace_and_a_pause_holds_everyone() -> None:
    limiter = RateLimiter(per_minute=6000)
    begin = time.monotonic()
    for number in range(4):
        with limiter.place():
            assert time.monotonic() - begin >= number * 0.01
    limiter.pause(0.05)
    paused = time.monotonic()
    with limiter.place():
        assert time.monotonic() - paused >= 0.05


# ---- settings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://", "http://user:key@host/v1"])
def test_a_base_url_that_is_none_is_refused_without_repeating_a_key(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        OpenAIModel(url, "m")
    assert "key@" not in str(refused.value)


def test_a_model_shows_no_key_and_knows_list_prices() -> None:
    model = OpenAIModel("https://host/v1", "gpt-4o-mini", api_key="sk-secret")
    assert "sk-secret" not in repr(model)
    assert model.price == PRICES["gpt-4o-mini"]
    assert OpenAIModel("https://host/v1", "unheard-of").price is None
