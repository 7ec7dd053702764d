"""The client against an endpoint that fails in every way: retried within limits, then said, and counted."""

import gzip
import json
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mining.errors import BudgetExhausted, ConfigurationError, ModelRefused, ModelUnavailable
from mining.language_model import Budget, Message, OpenAIModel, Price, Prompt, Reply, Retry, Usage

SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}
ASKED = Prompt((Message("system", "Be brief."), Message("user", "SECRET TEXT 画画")), SCHEMA, "1", max_tokens=50)
GOOD = '{"a":"画 🎨"}'
Start = Callable[..., Any]


def test_a_good_reply_comes_back_with_its_usage(endpoint: Start, said: Start) -> None:
    server = endpoint(said(GOOD))
    model = server.model(price=Price(10, 100))
    reply = model.complete(ASKED)
    assert reply == Reply(GOOD, "scripted", Usage(1, 0, 100, 10, pytest.approx(0.002)))
    assert model.usage == reply.usage
    sent = server.requests[0]
    assert (sent["temperature"], sent["seed"], sent["max_tokens"], sent["model"]) == (0, 0, 50, "scripted")
    assert sent["response_format"]["json_schema"]["schema"] == SCHEMA
    assert [message["content"] for message in sent["messages"]] == ["Be brief.", "SECRET TEXT 画画"]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_passing_failures_are_tried_again(endpoint: Start, said: Start, failed: Start, status: int) -> None:
    server = endpoint(failed(status), failed(status, retry_after="0.01"), said(GOOD))
    model = server.model()
    assert model.complete(ASKED).text == GOOD
    assert (model.usage.calls, model.usage.retries, model.usage.tokens) == (3, 2, 110)
    assert [request["seed"] for request in server.requests] == [0, 1, 2]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_lasting_failures_end_as_unavailable_after_the_last_attempt(
    endpoint: Start, failed: Start, status: int
) -> None:
    server = endpoint(failed(status))
    model = server.model()
    with pytest.raises(ModelUnavailable, match=rf"3 attempts: HTTP {status}"):
        model.complete(ASKED)
    assert model.usage == Usage(calls=3, retries=2)


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (401, "Incorrect API key provided: sk-secret", "API key"),
        (403, "forbidden", "API key"),
        (404, "The model `scripted` does not exist", "does not know the model"),
        (404, "Not Found", "/v1"),
        (429, "You exceeded your current quota: insufficient_quota", "quota"),
    ],
)
def test_what_no_retry_mends_is_asked_once(
    endpoint: Start, failed: Start, status: int, message: str, told: str
) -> None:
    server = endpoint(failed(status, message))
    with pytest.raises(ModelUnavailable, match=told) as error:
        server.model(api_key="sk-secret").complete(ASKED)
    assert len(server.requests) == 1
    assert "sk-secret" not in str(error.value)


def test_a_retry_after_beyond_the_longest_wait_ends_the_attempts(endpoint: Start, failed: Start) -> None:
    server = endpoint(failed(429, retry_after="3600"))
    with pytest.raises(ModelUnavailable, match="wait 3600 s"):
        server.model().complete(ASKED)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 4096 tokens"),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "Blocked by our content_filter"),
    ],
)
def test_a_text_that_is_not_taken_is_refused_at_once(endpoint: Start, failed: Start, status: int, message: str) -> None:
    server = endpoint(failed(status, message))
    with pytest.raises(ModelRefused):
        server.model().complete(ASKED)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "  \n",
        "I'm sorry, I can't do that.",
        '{"a": "cut',
        '{"b": 1}',
        "[1, 2]",
        '"a"',
        "{}",
        "PWNED",
        "[" * 5000,
    ],
)
def test_replies_that_are_not_the_json_asked_for_are_asked_again_then_refused(
    endpoint: Start, said: Start, content: str | None
) -> None:
    server = endpoint(said(content))
    model = server.model()
    with pytest.raises(ModelRefused, match="3 attempts"):
        model.complete(ASKED)
    assert model.usage == Usage(3, 2, 300, 30)


def test_a_broken_reply_is_shown_to_the_model_when_it_is_asked_again(endpoint: Start, said: Start) -> None:
    server = endpoint(said("Sure! a is 1"), said(f"```json\n{GOOD}\n```"))
    assert server.model().complete(ASKED).text == GOOD
    roles = [message["role"] for message in server.requests[1]["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert server.requests[1]["messages"][2]["content"] == "Sure! a is 1"


def test_a_refusal_and_a_content_filter_are_refusals(endpoint: Start, said: Start) -> None:
    server = endpoint(said(None, refusal="I cannot help with that"))
    with pytest.raises(ModelRefused, match="3 attempts: the model refused"):
        server.model().complete(ASKED)
    server = endpoint(said(None, finish="content_filter"))
    with pytest.raises(ModelRefused, match=r"1 attempt: .*content filter"):
        server.model().complete(ASKED)


def test_a_reply_that_was_cut_gets_more_room(endpoint: Start, said: Start) -> None:
    server = endpoint(said('{"a":"1', finish="length"), said('{"a":"1', finish="length"), said(GOOD))
    assert server.model().complete(ASKED).text == GOOD
    assert [request["max_tokens"] for request in server.requests] == [50, 100, 200]
    server = endpoint(said('{"a":"1', finish="length"))
    with pytest.raises(ModelRefused, match="length limit"):
        server.model(retry=Retry(attempts=5, first_wait=0)).complete(ASKED)
    assert [request["max_tokens"] for request in server.requests] == [50, 100, 200, 200, 200]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [null]}',
        b'{"choices": [{"message": null}]}',
        b'{"choices": [{"message": "hi"}]}',
        b'{"choices": {"0": 1}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_no_chat_completion_is_unavailable(endpoint: Start, answer: Start, body: bytes) -> None:
    server = endpoint(answer(body))
    with pytest.raises(ModelUnavailable, match="3 attempts"):
        server.model().complete(ASKED)


def test_a_body_that_cannot_be_decoded_is_unavailable(endpoint: Start, answer: Start) -> None:
    cut = gzip.compress(b"x" * 1000)[:20]
    server = endpoint(answer(cut, headers={"content-encoding": "gzip"}))
    with pytest.raises(ModelUnavailable):
        server.model().complete(ASKED)


def test_odd_usage_counts_as_the_worst_case(endpoint: Start, said: Start) -> None:
    for usage in ({"prompt_tokens": -5, "completion_tokens": 1}, {"prompt_tokens": "many"}, {"total_tokens": 3}):
        model = endpoint(said(GOOD, usage=usage)).model()
        model.complete(ASKED)
        assert model.usage == Usage(1, 0, ASKED.token_bound(), 50)


def test_a_slow_endpoint_times_out_and_is_billed_at_the_worst_case(endpoint: Start, answer: Start) -> None:
    server = endpoint(answer(b"{}", delay=20))
    budget = Budget("tokens", 10**6)
    with pytest.raises(ModelUnavailable, match="timeout"):
        server.model(timeout=0.15, retry=Retry(attempts=2, first_wait=0)).complete(ASKED, budget)
    assert budget.spent == 2 * (ASKED.token_bound() + 50)


def test_a_dropped_connection_is_tried_again(endpoint: Start, answer: Start, said: Start) -> None:
    server = endpoint(answer(b"", drop=True), said(GOOD))
    assert server.model().complete(ASKED).text == GOOD


def test_a_dead_endpoint_is_unavailable_and_costs_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    budget = Budget("tokens", 10**6)
    model = OpenAIModel(f"http://127.0.0.1:{port}/v1", "m", retry=Retry(attempts=2, first_wait=0))
    with pytest.raises(ModelUnavailable, match="base URL"):
        model.complete(ASKED, budget)
    assert (budget.spent, model.usage) == (0, Usage(calls=2, retries=1))


# ---- dialects -------------------------------------------------------------------------------------------------------


def test_an_endpoint_without_json_schema_is_asked_in_words_from_then_on(
    endpoint: Start, said: Start, failed: Start
) -> None:
    def script(request: dict[str, Any]) -> Any:
        if "response_format" in request:
            return failed(400, "response_format is not supported")
        return said(f"Here you are: {GOOD}")

    server = endpoint(script)
    model = server.model()
    assert [model.complete(ASKED).text for _ in range(2)] == [GOOD, GOOD]
    assert len(server.requests) == 5  # schema, bare schema, object, words; then words at once
    assert "maxLength" in server.requests[-1]["messages"][0]["content"]


@pytest.mark.parametrize("name", ["seed", "temperature"])
def test_a_parameter_that_is_not_taken_is_left_out(endpoint: Start, said: Start, failed: Start, name: str) -> None:
    server = endpoint(lambda r: failed(400, f"Unsupported parameter: '{name}'") if name in r else said(GOOD))
    model = server.model()
    model.complete(ASKED)
    model.complete(ASKED)
    assert [name in request for request in server.requests] == [True, False, False]
    assert all("json_schema" in request["response_format"] for request in server.requests)


def test_an_endpoint_that_names_its_limit_otherwise_is_understood(endpoint: Start, said: Start, failed: Start) -> None:
    told = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server = endpoint(lambda r: failed(400, told) if "max_tokens" in r else said(GOOD))
    server.model().complete(ASKED)
    assert server.requests[-1]["max_completion_tokens"] == 50


def test_one_bad_request_does_not_change_how_the_next_is_asked(endpoint: Start, said: Start, failed: Start) -> None:
    server = endpoint(lambda r: failed(400, "bad") if "BAD" in r["messages"][0]["content"] else said(GOOD))
    model = server.model()
    with pytest.raises(ModelRefused, match="does not accept"):
        model.complete(Prompt((Message("user", "BAD"),), SCHEMA, "1"))
    model.complete(ASKED)
    assert "json_schema" in server.requests[-1]["response_format"]


def test_a_grammar_goes_only_to_endpoints_that_take_one(endpoint: Start, said: Start, failed: Start) -> None:
    asked = Prompt(ASKED.messages, SCHEMA, "1", grammar="%llguidance {}")
    server = endpoint(said(GOOD))
    server.model().complete(asked)
    server.model(grammar=True).complete(asked)
    assert ["grammar" in request for request in server.requests] == [False, True]
    server = endpoint(lambda r: failed(400, "failed to parse grammar") if "grammar" in r else said(GOOD))
    server.model(grammar=True).complete(asked)
    assert "json_schema" in server.requests[-1]["response_format"]


# ---- budgets, threads, logs -----------------------------------------------------------------------------------------


def test_nothing_is_sent_once_the_budget_is_used_up(endpoint: Start, said: Start) -> None:
    server = endpoint(said(GOOD))
    model = server.model()
    budget = Budget("tokens", ASKED.token_bound() + 50 + 110)
    model.complete(ASKED, budget)
    model.complete(ASKED, budget)
    assert budget.spent == 220
    with pytest.raises(BudgetExhausted):
        model.complete(ASKED, budget)
    assert len(server.requests) == 2


def test_retries_are_paid_from_the_same_budget(endpoint: Start, said: Start) -> None:
    server = endpoint(said("nonsense"))
    budget = Budget("tokens", ASKED.token_bound() + 50 + 110)
    with pytest.raises(BudgetExhausted):
        server.model().complete(ASKED, budget)
    assert 1 <= len(server.requests) <= 2
    assert budget.spent == 110 * len(server.requests)


def test_a_budget_in_dollars_needs_a_price(endpoint: Start, said: Start) -> None:
    server = endpoint(said(GOOD))
    with pytest.raises(ConfigurationError, match="price"):
        server.model().complete(ASKED, Budget.parse("5usd"))
    assert not server.requests
    budget = Budget.parse("1usd")
    server.model(price=Price(100, 100)).complete(ASKED, budget)
    assert budget.spent == pytest.approx(110e-4)


def test_calls_from_many_threads_keep_to_the_concurrency_and_are_all_counted(endpoint: Start, said: Start) -> None:
    server = endpoint(said(GOOD, delay=0.01))
    model = server.model(concurrency=2)

    def work() -> None:
        for _ in range(3):
            model.complete(ASKED)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model.usage == Usage(12, 0, 1200, 120)
    assert server.most_at_once == 2


def test_logs_hold_no_key_and_no_text(
    endpoint: Start, said: Start, failed: Start, caplog: pytest.LogCaptureFixture
) -> None:
    server = endpoint(failed(500, "SECRET TEXT sk-secret"), said("SECRET REPLY"), said(GOOD))
    with caplog.at_level(logging.DEBUG, logger="shopgraph"):
        server.model(api_key="sk-secret").complete(ASKED)
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    assert len(caplog.records) == 2
    assert "attempt 1 of 3: HTTP 500" in caplog.text
    assert not any(secret in caplog.text for secret in ("sk-secret", "SECRET", json.dumps("画画"), "画画"))


def test_the_account_of_the_environment_stays_out(
    endpoint: Start, said: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-someone")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-someone")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-someone")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # a proxy would swallow requests to loopback
    server = endpoint(said(GOOD))
    server.model().complete(ASKED)
    sent = " ".join(server.headers[0].values())
    assert "of-someone" not in sent
