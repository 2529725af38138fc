"""Whose fault a failure is, as a client of the real Envoy sees it: A1 to A5, A7, A9 and S8 of issue 9.

What the words of each provider mean is tests/failures.rs's, row by row; here is what follows.
"""

import json
import time

import openai
import pytest
from anthropic_wire import message, refusal
from gateway import deployment
from provider import answer, error, whole

HELLO = [{"role": "user", "content": "hello"}]
KEY = "sk-proj-Ab12Cd34Ef56Gh78"


def ask(envoy, model="main", **options):
    return envoy.client(**options).chat.completions.with_raw_response.create(model=model, messages=HELLO)


def said(status, text, code=None, **headers):
    return error(status, text, code, "invalid_request_error", **headers)


@pytest.fixture
def pair(provider, gateway):
    def make(primary, other=whole("rescued"), model="openai/gpt-x", router=None, **params):
        first, second = provider(primary), provider(other)
        router = {"fallbacks": [{"main": ["other"]}]} | (router or {})
        envoy = gateway(deployment("main", first, model, **params), deployment("other", second), router=router)
        return envoy, first, second

    return make


@pytest.mark.parametrize(
    "refused",
    [
        said(400, "This organization has been disabled."),
        said(400, "Billing hard limit has been reached", "billing_hard_limit_reached"),
        said(412, "Account acme is suspended, possibly due to reaching the monthly spending limit"),
        said(400, "Organization has been restricted.", "organization_restricted"),
    ],
)
def test_a1_an_account_that_is_spent_is_left_and_rests_whatever_its_status(pair, refused):
    envoy, first, _ = pair(refused, cooldown_time=60)
    assert ask(envoy).parse().choices[0].message.content == "rescued"
    assert ask(envoy).parse().choices[0].message.content == "rescued"
    assert len(first.requests) == 1, "it rests"


def test_a1_alone_it_is_the_clients_quota_error(gateway, provider):
    envoy = gateway(deployment("main", provider(said(400, "This organization has been disabled."))))
    with pytest.raises(openai.RateLimitError) as failed:
        ask(envoy)
    assert failed.value.code == "insufficient_quota"
    assert failed.value.response.headers["x-signalbox-error"] == "quota"
    assert failed.value.response.headers["x-should-retry"] == "false", "trying again is pointless"


def test_a2_a_retired_model_is_left(pair):
    envoy, _, _ = pair(said(400, "The model `x` has been decommissioned and is no longer supported.", "model_decommissioned"))
    assert ask(envoy).parse().choices[0].message.content == "rescued"


def test_requests_own_fault_never_rests_a_deployment(gateway, provider):
    too_large = "Request too large for x on tokens per min (TPM): Limit 30000, Requested 50000."
    for refused in [
        said(429, too_large, "rate_limit_exceeded"),
        answer(403, b'{"error":{"code":403,"message":"Your input was flagged","metadata":{"reasons":["violence"]}}}'),
    ]:
        first = provider(refused, whole("served"))
        envoy = gateway(deployment("main", first, order=1, cooldown_time=60), deployment("main", provider(refused), order=2))
        with pytest.raises(openai.APIStatusError):
            ask(envoy)
        assert ask(envoy).parse().choices[0].message.content == "served"


@pytest.mark.parametrize("status", [409, 421, 425, 499])
def test_a5_what_passes_is_tried_again(gateway, provider, status):
    first = provider(error(status), whole("served"))
    envoy = gateway(deployment("main", first), router={"num_retries": 2})
    assert ask(envoy).parse().choices[0].message.content == "served"
    assert len(first.requests) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a5_a_web_page_is_nobodys_refusal(pair, status):
    envoy, _, _ = pair(answer(status, b"<!DOCTYPE html><html><title>Attention Required!</title></html>", "text/html"))
    assert ask(envoy).parse().choices[0].message.content == "rescued"


def test_a5_the_sdk_may_try_again_where_nobody_did(gateway, provider):
    """OpenAI's SDK alone is served after a 409: through the gateway too."""
    first = provider(error(409), whole("served"))
    envoy = gateway(deployment("main", first), router={"num_retries": 0})
    assert ask(envoy, max_retries=2).parse().choices[0].message.content == "served"
    assert len(first.requests) == 2
    lasts = {503: False, 500: False, 429: False, 400: True, 401: True}
    envoy = gateway(*(deployment(f"m{status}", provider(error(status))) for status in lasts), router={"num_retries": 0})
    for status, lasting in lasts.items():
        with pytest.raises(openai.APIStatusError) as failed:
            ask(envoy, f"m{status}")
        assert ("x-should-retry" in failed.value.response.headers) == lasting, status


def test_a7_for_what_we_translated_we_answer_once(pair):
    unknown = refusal(400, "invalid_request_error", "messages.1.content.0: quux is not a frobnicable block")
    envoy, first, second = pair(unknown, model="anthropic/claude-haiku-4-5", cooldown_time=60)
    for _ in range(2):
        assert ask(envoy).parse().choices[0].message.content == "rescued"
    assert (len(first.requests), len(second.requests)) == (2, 2), "and nothing rests"


def test_a7_the_clients_own_bytes_are_the_clients(pair):
    envoy, first, second = pair(said(400, "quux is not frobnicable"))
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy)
    assert "frobnicable" in str(refused.value)
    assert (len(first.requests), second.requests) == (1, [])


def test_a7_a_second_refusal_is_told(provider, gateway):
    unknown = refusal(422, "invalid_request_error", "quux is not frobnicable")
    third = provider(whole("never"))
    envoy = gateway(
        deployment("main", provider(unknown), "anthropic/claude-haiku-4-5"),
        deployment("other", provider(said(400, "nor is it here"))),
        deployment("more", third),
        router={"fallbacks": [{"main": ["other", "more"]}]},
    )
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask(envoy)
    assert "frobnicable" in str(refused.value)
    assert third.requests == []


def test_a7_a_refusal_that_is_known_is_told(pair):
    policy = refusal(400, "invalid_request_error", "Output blocked by content filtering policy")
    envoy, _, second = pair(policy, model="anthropic/claude-haiku-4-5")
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy)
    assert refused.value.code == "content_policy_violation"
    assert second.requests == []


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("20s", "20"),
        ("1m30s", "90"),
        ("7.2", "8"),
        ("48h", "3600"),
        ("soon", None),
        ("30 gallons", None),
    ],
)
def test_a9_a_wait_is_read_in_every_form_and_never_repeated_raw(gateway, provider, written, seconds):
    refused = error(429, "slow down", retry_after=written, retry_after_ms="what")
    envoy = gateway(deployment("main", provider(refused)), router={"num_retries": 0})
    with pytest.raises(openai.RateLimitError) as failed:
        ask(envoy)
    headers = failed.value.response.headers
    assert headers.get("retry-after") == seconds
    assert "retry-after-ms" not in headers


def test_a9_points_in_time_and_words(gateway, provider):
    def wait(refused):
        envoy = gateway(deployment("main", provider(refused)), router={"num_retries": 0})
        with pytest.raises(openai.RateLimitError) as failed:
            ask(envoy)
        return int(failed.value.response.headers["retry-after"])

    for form in ["%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%dT%H:%M:%SZ"]:
        # The provider sends no `date`; a gateway takes some seconds to start.
        later = time.strftime(form, time.gmtime(time.time() + 600))
        assert 540 <= wait(error(429, "no", retry_after=later)) <= 600, form
    assert wait(error(429, "Rate limit reached. Please try again in 1m30s. Visit https://x.y/billing")) == 90


def test_s8_what_a_provider_says_of_our_key_stays_here(gateway, provider):
    for status, text in [
        (401, f"Incorrect API key provided: {KEY}"),
        (401, "Invalid token 4f9a for account hunter2"),
        (403, "The key hunter2 may not use this model"),
        (400, "API key expired: hunter2"),
    ]:
        envoy = gateway(deployment("main", provider(error(status, text, "hunter2"))))
        with pytest.raises(openai.InternalServerError) as failed:
            ask(envoy)
        told = json.dumps(failed.value.response.json()) + str(failed.value.response.headers)
        assert "hunter2" not in told and KEY not in told, text
        assert "`openai`" in told, "whose it was"
        if status == 401:
            # The operator reads it, without the key.
            assert envoy.becomes(lambda: "signalbox: the account of main-1 is at fault: auth, status 401, it says: I" in envoy.log)
            assert KEY not in envoy.log


def test_what_is_left_of_the_money_may_pay_for_a_smaller_request(gateway, provider):
    less = {"error": {"code": 402, "message": "This request requires more credits, or fewer max_tokens. You requested up to 32000 tokens, but can only afford 4213"}}
    poor, other = provider(answer(402, less), answer(402, less), whole("small")), provider(whole("large"))
    envoy = gateway(deployment("main", poor, order=1), deployment("main", other, order=2))
    large = [ask(envoy) for _ in range(2)]
    assert [one.parse().choices[0].message.content for one in large] == ["large", "large"] and len(poor.requests) == 2, "it does not rest"
    assert ask(envoy).parse().choices[0].message.content == "small"


def test_a8_a_chat_is_not_answered_by_a_completion(gateway, provider):
    completion = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]}
    wrong, good = provider(answer(200, completion)), provider(whole("rescued"))
    envoy = gateway(deployment("main", wrong, order=1), deployment("main", good, order=2), deployment("text", wrong))
    assert ask(envoy).parse().choices[0].message.content == "rescued"
    assert envoy.client().completions.create(model="text", prompt="x").choices[0].text == "hi"
