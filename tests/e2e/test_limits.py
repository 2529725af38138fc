"""A deployment without room is skipped before it is asked, and comes back when its window says so."""

import concurrent.futures
import datetime
import time

import openai
import pytest
from anthropic_wire import message
from gateway import deployment
from minute import within_a_minute
from provider import USAGE, answer, silent, whole

HELLO = [{"role": "user", "content": "hello"}]


def ask(envoy, model="m", **more):
    got = envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)
    return got.headers["x-signalbox-deployment"]


@within_a_minute
def test_a_limit_of_requests_ends_with_its_minute(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream, rpm=3), router={"routing_strategy": "usage-based-routing-v2"})
    for _ in range(3):
        ask(envoy)
    with pytest.raises(openai.RateLimitError) as full:
        ask(envoy)
    left = 60 - time.time() % 60
    assert abs(int(full.value.response.headers["retry-after"]) - left) <= 2
    assert full.value.code == "rate_limit_exceeded"
    assert len(upstream.requests) == 3


@within_a_minute
def test_a_limit_of_tokens_moves_requests_to_who_has_room(provider, gateway):
    first, second = provider(whole("x", usage=USAGE | {"prompt_tokens": 95, "total_tokens": 98})), provider()
    envoy = gateway(
        deployment("m", first, id="first", order=1, tpm=100),
        deployment("m", second, id="second", order=2),
        router={"optional_pre_call_checks": ["enforce_model_rate_limits"]},
    )
    assert [ask(envoy) for _ in range(3)] == ["first", "second", "second"]


def good(**headers):
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return answer(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "s", "choices": [choice], "usage": USAGE}, **headers)


def test_what_a_provider_says_of_its_limits_is_believed(provider, gateway):
    spent = good(x_ratelimit_limit_requests="60", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1500ms")
    first, second = provider(spent, good()), provider()
    envoy = gateway(deployment("m", first, id="first", order=1), deployment("m", second, id="second", order=2))
    assert ask(envoy) == "first"
    began = time.monotonic()
    assert [ask(envoy) for _ in range(4)] == ["second"] * 4, "it is not asked, because it said so"
    time.sleep(max(0, began + 1.7 - time.monotonic()))
    assert ask(envoy) == "first"


def test_so_is_anthropics_own_word(provider, gateway):
    now = datetime.datetime.now(datetime.UTC)
    reset = (now + datetime.timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%SZ")
    date = now.strftime("%a, %d %b %Y %H:%M:%S GMT")
    limits = {"anthropic_ratelimit_input_tokens_limit": "40000", "anthropic_ratelimit_input_tokens_remaining": "0", "anthropic_ratelimit_input_tokens_reset": reset}

    def spent(connection, request):
        body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        return answer(200, body, date=date, **limits)(connection, request)

    first, second = provider(spent), provider(message("other"))
    envoy = gateway(
        deployment("m", first, "anthropic/claude-haiku-4-5", id="first", order=1),
        deployment("m", second, "anthropic/claude-haiku-4-5", id="second", order=2),
    )
    assert [ask(envoy) for _ in range(3)] == ["first", "second", "second"]


@within_a_minute
def test_a_failure_leads_past_who_has_no_room(provider, gateway):
    """Ten requests fail together at the first; the second takes two a minute, the spare one takes the rest."""

    def down(connection, _request):
        time.sleep(0.5)
        return answer(401, {"error": {"message": "no"}})(connection, _request)

    first, second, spare = provider(down), provider(), provider()
    envoy = gateway(
        deployment("m", first, order=1),
        deployment("m", second, order=2, rpm=2),
        deployment("spare", spare),
        router={"fallbacks": [{"m": ["spare"]}], "optional_pre_call_checks": ["enforce_model_rate_limits"]},
    )
    clients = [envoy.client() for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        got = list(pool.map(lambda client: client.chat.completions.create(model="m", messages=HELLO), clients))
    assert len(got) == len(first.requests) == 10
    assert (len(second.requests), len(spare.requests)) == (2, 8)


def test_a_place_in_flight_is_free_again_when_its_client_leaves(provider, gateway):
    slow = provider(silent(20), whole("hi"))
    envoy = gateway(deployment("m", slow, max_parallel_requests=1))
    with pytest.raises(openai.APITimeoutError):
        ask(envoy, timeout=0.3)
    until = time.monotonic() + 3
    while True:
        try:
            ask(envoy)
            break
        except openai.RateLimitError:
            assert time.monotonic() < until, "the place was never given back"
            time.sleep(0.05)
