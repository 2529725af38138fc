"""The faults of the catalogue that end before the first token, and those that a stream can show after it.

The names are the catalogue's: S for the public ones, F for ours.
"""

import time

import openai
import pytest
from gateway import deployment
from provider import (
    DONE,
    USAGE,
    answer,
    chunk,
    closed_port,
    error,
    reset,
    silent,
    stream,
    tokens,
    whole,
)

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def pair(provider, gateway):
    """A primary and a fallback, each a group of one."""

    def make(script, fallback=(whole("rescued", model="fallback-model"),), **options):
        primary, other = provider(*script), provider(*fallback)
        router = {"fallbacks": [{"main": ["other"]}]} | options.pop("router", {})
        params = options.pop("params", {})
        envoy = gateway(deployment("main", primary, **params), deployment("other", other), router=router, **options)
        return envoy, primary, other

    return make


def ask(envoy, **options):
    return envoy.client().chat.completions.with_raw_response.create(model="main", messages=HELLO, **options)


def text_of(got):
    return got.parse().choices[0].message.content


def read(envoy, **options):
    """The text of a stream, and its last chunk's usage."""
    text, usage = "", None
    for part in envoy.client().chat.completions.create(model="main", messages=HELLO, stream=True, **options):
        text += "".join(choice.delta.content or "" for choice in part.choices)
        usage = part.usage or usage
    return text, usage


RESCUE = (stream(chunk({"content": "rescued"}), chunk({}, finish="stop"), DONE),)


def test_s02_a_rate_limit_for_ever_is_left_for_the_fallback(pair):
    envoy, primary, _ = pair([error(429, code="rate_limit_exceeded")])
    assert text_of(ask(envoy)) == "rescued"
    assert len(primary.requests) <= 4


def test_s04_unavailable_for_ever_is_left_for_the_fallback(pair):
    envoy, primary, _ = pair([error(503)])
    got = ask(envoy)
    assert text_of(got) == "rescued"
    assert got.headers["x-signalbox-fallbacks"] == "1"
    assert len(primary.requests) <= 6


def test_s05_a_reset_before_any_byte_is_tried_again(pair):
    envoy, primary, other = pair([reset(), whole("second try")])
    assert text_of(ask(envoy)) == "second try"
    assert (len(primary.requests), len(other.requests)) == (2, 0)


def test_s06_a_silent_provider_is_asked_once(pair):
    envoy, primary, _ = pair([silent(30)], router={"timeout": 2})
    began = time.monotonic()
    assert text_of(ask(envoy)) == "rescued"
    assert 1.5 < time.monotonic() - began < 6
    assert len(primary.requests) == 1
    assert primary.cut.wait(5), "the silent attempt is ended"


def test_s06_a_silent_stream_is_bound_by_its_own_timeout(pair):
    envoy, primary, _ = pair([silent(30)], fallback=RESCUE, params={"stream_timeout": 1})
    began = time.monotonic()
    assert read(envoy)[0] == "rescued"
    assert time.monotonic() - began < 5
    assert len(primary.requests) == 1


def test_s07_a_late_first_token_is_not_waited_for(pair):
    late = stream(chunk({"role": "assistant", "content": ""}), 20, *tokens(3))
    envoy, primary, _ = pair([late], fallback=RESCUE, params={"stream_timeout": 1})
    began = time.monotonic()
    assert read(envoy)[0] == "rescued"
    assert 0.9 < time.monotonic() - began < 1.9
    assert primary.cut.wait(5)
    assert len(primary.requests) == 1


def test_s07_the_default_deadline_is_ten_seconds(pair):
    envoy, _, _ = pair([stream(20, *tokens(3))], fallback=RESCUE)
    began = time.monotonic()
    assert read(envoy)[0] == "rescued"
    assert 9 < time.monotonic() - began < 15


def test_s07_the_last_candidate_may_take_its_time(pair):
    late = stream(chunk({"role": "assistant", "content": ""}), 3, *tokens(3)[1:])
    envoy, _, _ = pair([error(401)], fallback=(late,), router={"stream_timeout": 1})
    assert read(envoy)[0] == "0 1 2 "


def test_s08_a_stream_that_ends_early_is_never_a_short_answer(pair):
    events = tokens(60)
    envoy, _, other = pair([stream(*events[:41])])
    with pytest.raises(openai.APIError) as failed:
        read(envoy)
    assert "ended before its answer was complete" in str(failed.value)
    assert other.requests == [], "what was said cannot be taken back"


def test_s08_a_stream_that_is_reset_is_never_a_short_answer(pair):
    envoy, _, _ = pair([stream(*tokens(60)[:41], 0.2, "reset")])
    with pytest.raises(Exception) as failed:  # the SDK lets the transport's own error through
        read(envoy)
    assert "closed" in str(failed.value) or "incomplete" in str(failed.value) or isinstance(failed.value, openai.APIError)


def test_s08_a_stream_that_ends_before_its_first_token_moves_on(pair):
    envoy, _, _ = pair([stream(chunk({"role": "assistant", "content": ""}))], fallback=RESCUE, router={"num_retries": 0})
    assert read(envoy)[0] == "rescued"


def test_s10_an_event_that_is_not_json_is_left_out(pair):
    events = tokens(20)
    events.insert(10, b"data: {not json\n\n")
    envoy, _, _ = pair([stream(*events)])
    assert read(envoy)[0] == "".join(f"{n} " for n in range(20))


def test_s10_also_when_the_events_come_in_odd_pieces(pair):
    events = tokens(20)
    events.insert(10, b"data: {not json\n\n")
    whole_stream = b"".join(events)
    pieces = [whole_stream[start : start + 37] for start in range(0, len(whole_stream), 37)]
    envoy, _, _ = pair([stream(*pieces)])
    assert read(envoy)[0] == "".join(f"{n} " for n in range(20))


def test_s11_a_whole_stream_without_done_is_whole(pair):
    envoy, _, _ = pair([stream(*tokens(5)[:-1])])
    began = time.monotonic()
    assert read(envoy, stream_options={"include_usage": True}) == ("0 1 2 3 4 ", openai.types.CompletionUsage(**USAGE))
    assert time.monotonic() - began < 8


def test_s12_a_prompt_that_is_too_long_goes_to_the_fallback_at_once(pair):
    envoy, primary, _ = pair([error(400, "maximum context length is 8192 tokens", "context_length_exceeded")])
    assert text_of(ask(envoy)) == "rescued"
    assert len(primary.requests) == 1


def test_s13_a_refusal_by_policy_is_told_and_not_routed_round(pair):
    envoy, primary, other = pair([error(400, "rejected as a result of our safety system", "content_policy_violation")])
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy)
    assert refused.value.code == "content_policy_violation"
    assert "safety system" in str(refused.value)
    assert (len(primary.requests), len(other.requests)) == (1, 0)


def test_s16_the_answer_names_the_fallback_model_and_its_usage(pair):
    envoy, _, _ = pair([error(503)])
    served = ask(envoy).parse()
    assert served.model == "fallback-model"
    assert served.usage.total_tokens == USAGE["total_tokens"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [("rate_limit_exceeded", "rate_limit"), ("overloaded_error", "overloaded"), ("server_error", "upstream")],
)
def test_f01_a_stream_that_begins_with_an_error_moves_on(pair, code, kind):
    event = f'data: {{"error":{{"message":"no","type":"{code}","code":"{code}"}}}}\n\n'.encode()
    envoy, primary, _ = pair([stream(event)], fallback=RESCUE, router={"num_retries": 0})
    assert read(envoy)[0] == "rescued"
    assert len(primary.requests) == 1
    envoy, _, _ = pair([stream(event)], fallback=(stream(event),), router={"num_retries": 0})
    with pytest.raises(openai.APIStatusError) as failed:
        read(envoy)
    assert failed.value.response.headers["x-signalbox-error"] == kind


@pytest.mark.parametrize(
    "broken",
    [answer(200, b"<html>Welcome to nginx</html>", "text/html"), answer(200, b'{"id":"chatcmpl-1","choices":[{"ind'), answer(200, b"")],
    ids=["html", "cut", "empty"],
)
def test_f02_an_answer_that_cannot_be_read_moves_on(pair, broken):
    envoy, _, _ = pair([broken], router={"num_retries": 0})
    assert text_of(ask(envoy)) == "rescued"
    envoy, _, _ = pair([broken], fallback=RESCUE, router={"num_retries": 0})
    assert read(envoy)[0] == "rescued"


def test_f03_a_host_that_cannot_be_resolved_moves_on_at_once(provider, gateway):
    other = provider(whole("rescued"))
    envoy = gateway(
        deployment("main", "http://no-such-host.invalid"), deployment("other", other), router={"fallbacks": [{"main": ["other"]}]}
    )
    began = time.monotonic()
    assert text_of(ask(envoy)) == "rescued"
    assert time.monotonic() - began < 6


def test_f04_a_tls_handshake_that_fails_moves_on_at_once(provider, gateway):
    plain, other = provider(), provider(whole("rescued"))
    envoy = gateway(
        deployment("main", f"https://localhost:{plain.port}"),
        deployment("other", other),
        router={"fallbacks": [{"main": ["other"]}]},
    )
    began = time.monotonic()
    assert text_of(ask(envoy)) == "rescued"
    assert time.monotonic() - began < 6


def test_f05_a_refused_connection_moves_on_at_once(provider, gateway):
    other = provider(whole("rescued"))
    envoy = gateway(
        deployment("main", f"http://127.0.0.1:{closed_port()}"),
        deployment("other", other),
        router={"fallbacks": [{"main": ["other"]}]},
    )
    began = time.monotonic()
    assert text_of(ask(envoy)) == "rescued"
    assert time.monotonic() - began < 2


def test_an_error_within_a_committed_stream_is_an_error_event(pair):
    event = b'data: {"error":{"message":"Provider disconnected","code":502}}\n\n'
    envoy, _, _ = pair([stream(*tokens(9)[:5], event, DONE)])
    with pytest.raises(openai.APIError, match="Provider disconnected"):
        read(envoy)


def test_the_first_real_cause_is_the_final_error(pair):
    envoy, _, _ = pair([error(429, "slow down", retry_after="30")], fallback=(error(401, "bad key"),), router={"num_retries": 0})
    with pytest.raises(openai.RateLimitError) as failed:
        ask(envoy)
    assert "slow down" in str(failed.value)
    assert failed.value.response.headers["retry-after"] == "30"
    assert failed.value.response.headers["x-should-retry"] == "false"
    assert failed.value.response.headers["x-signalbox-attempts"] == "2"


def test_an_error_without_a_body_is_still_an_error_in_openais_shape(pair):
    envoy, _, _ = pair([answer(503, b"")], router={"num_retries": 0})
    assert text_of(ask(envoy)) == "rescued"
    envoy, _, _ = pair([answer(503, b"")], fallback=(answer(500, b""),), router={"num_retries": 0})
    with pytest.raises(openai.InternalServerError) as failed:
        ask(envoy)
    assert failed.value.status_code == 503
    assert failed.value.response.json()["error"]["message"]
    assert failed.value.response.headers["x-signalbox-error"] == "overloaded"
    assert failed.value.response.headers["x-signalbox-attempts"] == "2"


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
        (401, openai.InternalServerError),
    ],
)
def test_every_status_raises_the_sdks_own_class(provider, gateway, status, raised):
    envoy = gateway(deployment("main", provider(error(status))), router={"num_retries": 0})
    with pytest.raises(raised):
        ask(envoy)


def test_a_retry_waits_as_long_as_the_provider_asks(pair):
    """S01 of the catalogue, with nothing to fall back on."""
    envoy, primary, other = pair([error(429, retry_after="2"), whole("patient")])
    assert text_of(ask(envoy)) == "patient"
    assert primary.requests[1].at - primary.requests[0].at > 1.8
    assert other.requests == []


def test_s03_one_500_is_tried_again_at_the_same_provider(pair):
    envoy, primary, other = pair([error(500), whole("second try")])
    assert text_of(ask(envoy)) == "second try"
    assert (len(primary.requests), len(other.requests)) == (2, 0)


def test_a_refused_connection_is_known_for_what_it_is_and_cools_at_once(gateway, provider):
    good = provider(whole("rescued"))
    dead = f"http://127.0.0.1:{closed_port()}"
    envoy = gateway(
        deployment("main", dead, order=1, cooldown_time=60), deployment("main", good, order=2), router={"num_retries": 2}
    )
    first, second = ask(envoy), ask(envoy)
    assert (first.headers["x-signalbox-attempts"], second.headers["x-signalbox-attempts"]) == ("2", "1")
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.connect.deployment.main-1", 1)


def test_a_reset_is_no_refusal_and_does_not_cool_at_once(gateway, provider):
    bad, good = provider(reset()), provider(whole("rescued"))
    envoy = gateway(deployment("main", bad, order=1, cooldown_time=60), deployment("main", good, order=2))
    assert [ask(envoy).headers["x-signalbox-attempts"] for _ in range(2)] == ["2", "2"]
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.reset.deployment.main-1", 2)


def test_a_lone_deployment_that_refuses_is_said_to_refuse(gateway):
    envoy = gateway(deployment("main", f"http://127.0.0.1:{closed_port()}"))
    with pytest.raises(openai.APIStatusError) as raised:
        ask(envoy)
    assert raised.value.response.headers["x-signalbox-error"] == "connect"
