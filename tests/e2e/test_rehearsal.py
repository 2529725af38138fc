"""What a request says to the gateway: rehearsals, its own time, its own retries and fallbacks."""

import time

import openai
import pytest
from gateway import deployment
from provider import chunk, error, silent, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
MEMBERS = {
    "mock_testing_fallbacks": "other",
    "mock_testing_context_fallbacks": "larger",
    "mock_testing_content_policy_fallbacks": "laxer",
    "mock_testing_rate_limit_error": "main-2",
}


def ask(envoy, model="main", stream=False, **more):
    return envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, stream=stream, extra_body=more)


@pytest.mark.parametrize("member", MEMBERS)
def test_a_rehearsal_shows_where_a_failure_leads_and_harms_nobody(provider, gateway, member):
    places = ("main-1", "main-2", "other", "larger", "laxer")
    upstreams = {name: provider(whole(name)) for name in places}
    envoy = gateway(
        deployment("main", upstreams["main-1"], order=1, id="main-1"),
        deployment("main", upstreams["main-2"], order=2, id="main-2"),
        *(deployment(name, upstreams[name], id=name) for name in places[2:]),
        router={
            "fallbacks": [{"main": ["other"]}],
            "context_window_fallbacks": [{"main": ["larger"]}],
            "content_policy_fallbacks": [{"main": ["laxer"]}],
            "allowed_fails": 0,
        },
        signalbox={"mock_testing": True},
    )
    got = ask(envoy, **{member: True})
    wanted = MEMBERS[member]
    assert (got.parse().choices[0].message.content, got.headers["x-signalbox-deployment"]) == (wanted, wanted)
    assert got.headers["x-signalbox-attempts"] == "1", "only what was really sent"
    assert got.headers["x-signalbox-fallbacks"] == ("0" if wanted == "main-2" else "1")
    assert b"mock" not in upstreams[wanted].requests[0].body
    # Nobody cools: the next request is served by the first.
    assert ask(envoy).headers["x-signalbox-deployment"] == "main-1"
    assert {name: len(upstream.requests) for name, upstream in upstreams.items() if upstream.requests} == {wanted: 1, "main-1": 1}


def test_a_rehearsal_needs_leave(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("main", upstream))
    with pytest.raises(openai.BadRequestError, match="mock_testing: true") as refused:
        ask(envoy, mock_testing_fallbacks=True)
    assert (refused.value.code, refused.value.param) == ("mock_testing_not_allowed", "mock_testing_fallbacks")
    assert upstream.requests == []


def test_a_rehearsal_that_leads_nowhere_is_an_error(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("main", upstream), signalbox={"mock_testing": True})
    with pytest.raises(openai.InternalServerError) as failed:
        ask(envoy, mock_testing_fallbacks=True)
    assert failed.value.response.headers["x-signalbox-error"] == "upstream"
    assert upstream.requests == []


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_requests_own_time_moves_it_on_and_cools_nobody(provider, gateway, is_stream):
    slow = stream(chunk({"role": "assistant", "content": ""}), 5) if is_stream else silent(5)
    first, second = provider(slow), provider(stream(chunk({"content": "rescued"}), chunk({}, finish="stop")) if is_stream else whole("rescued"))
    envoy = gateway(
        deployment("main", first, order=1, id="first"), deployment("main", second, order=2, id="second"), router={"allowed_fails": 0, "cooldown_time": 60}
    )
    for _ in range(2):
        began = time.monotonic()
        got = ask(envoy, stream=is_stream, timeout=0.8)
        assert got.headers["x-signalbox-deployment"] == "second"
        assert 0.4 < time.monotonic() - began < 2
    assert len(first.requests) == 2, "asked again: it was the caller that would not wait"
    assert "timeout" not in first.requests[0].json


def test_a_requests_own_time_is_told_when_nobody_keeps_it(provider, gateway):
    envoy = gateway(deployment("main", provider(silent(5))), router={"num_retries": 0})
    began = time.monotonic()
    with pytest.raises(openai.InternalServerError) as late:
        ask(envoy, timeout=0.6)
    assert time.monotonic() - began < 2
    assert late.value.status_code == 504 and late.value.response.headers["x-signalbox-error"] == "timeout"


def test_a_requests_own_retries_and_fallbacks(provider, gateway):
    bad, other, own = provider(error(500)), provider(whole("configured")), provider(whole("own"))
    envoy = gateway(
        deployment("main", bad),
        deployment("other", other),
        deployment("own", own),
        router={"fallbacks": [{"main": ["other"]}], "num_retries": 0, "disable_cooldowns": True},
    )

    def count(**more):
        bad.requests.clear()
        try:
            return ask(envoy, **more).parse().choices[0].message.content, len(bad.requests)
        except openai.InternalServerError:
            return "failed", len(bad.requests)

    assert count() == ("configured", 1)
    assert count(num_retries=1) == ("configured", 2)
    assert count(fallbacks=["own"]) == ("own", 1)
    assert count(disable_fallbacks=True) == ("failed", 1)
    assert count(disable_fallbacks=True, num_retries=2) == ("failed", 3)
