"""A6: a provider that refuses a member which the gateway added is asked again without it, and knows no more of it."""

import openai
import pytest
from gateway import deployment
from provider import answer, error, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]
PRICES = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000002}

OPENAI = (400, {"error": {"message": "Unrecognized request argument supplied: NAME", "type": "invalid_request_error", "param": None, "code": None}})
MISTRAL = (422, {"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "NAME"], "msg": "Extra inputs are not permitted", "input": {}}]}, "type": "invalid_request_error"})
FASTAPI = (422, {"detail": [{"loc": ["body", "NAME"], "msg": "extra fields not permitted", "type": "value_error.extra"}]})
SERDE = (400, {"error": "unknown field `NAME`"})


def refuses(name, status, body, otherwise):
    """A provider that refuses a member, and else answers."""

    def named(value):
        if isinstance(value, str):
            return value.replace("NAME", name)
        if isinstance(value, list):
            return [named(item) for item in value]
        return {key: named(item) for key, item in value.items()} if isinstance(value, dict) else value

    def behave(connection, request):
        return (answer(status, named(body)) if name in request.json else otherwise)(connection, request)

    return behave


def said(envoy, **more):
    chunks = envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, **more)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def has(request, name):
    return name in request.json


@pytest.mark.parametrize("refusal", [OPENAI, MISTRAL, FASTAPI, SERDE], ids=["openai", "mistral", "fastapi", "serde"])
def test_a6_usage_that_nobody_asked_for_is_not_asked_for_again(provider, gateway, refusal):
    picky = provider(refuses("stream_options", *refusal, stream(*tokens(3, usage=False))))
    envoy = gateway(deployment("m", picky, id="picky", **PRICES), router={"num_retries": 0, "allowed_fails_policy": {"BadRequestErrorAllowedFails": 0}})
    assert [said(envoy) for _ in range(3)] == ["0 1 2 "] * 3
    assert [has(request, "stream_options") for request in picky.requests] == [True, False, False, False]
    assert envoy.becomes(lambda: "picky refuses `stream_options`" in envoy.log)
    assert "cooling" not in envoy.log


def test_a6_it_costs_no_retry_and_leads_nowhere_else(provider, gateway):
    once = refuses("stream_options", *OPENAI, error(500))
    first, second = provider(once, once, stream(*tokens(2, usage=False))), provider(whole("second"))
    envoy = gateway(deployment("m", first, id="first", **PRICES), deployment("spare", second), router={"num_retries": 1, "fallbacks": [{"m": ["spare"]}]})
    assert said(envoy) == "0 1 ", "the refusal, a 500, and the one retry"
    assert len(first.requests) == 3 and not second.requests


def test_a6_what_the_client_sent_itself_is_the_clients(provider, gateway):
    picky = provider(refuses("stream_options", *OPENAI, stream(*tokens(2))))
    envoy = gateway(deployment("m", picky, id="picky", **PRICES))
    with pytest.raises(openai.BadRequestError):
        said(envoy, stream_options={"include_usage": True})
    with pytest.raises(openai.BadRequestError):
        said(envoy, stream_options={"include_usage": False})
    assert has(picky.requests[-1], "stream_options")


def test_a6_another_refusal_is_told(provider, gateway):
    picky = provider(error(400, "Invalid value for 'temperature'", kind="invalid_request_error"))
    envoy = gateway(deployment("m", picky, id="picky", **PRICES))
    with pytest.raises(openai.BadRequestError):
        said(envoy)
    assert len(picky.requests) == 1


def test_a6_what_a_tier_brings_is_left_out_where_it_is_refused(provider, gateway):
    picky = provider(refuses("seed", *FASTAPI, whole("fine")))
    tiers = {"SIMPLE": {"model_name": "m", "litellm_params": {"seed": 7, "top_p": 0.5}}}
    router = {"model_name": "smart", "litellm_params": {"model": "auto_router/complexity_router", "complexity_router_config": {"tiers": tiers}}}
    envoy = gateway(deployment("m", picky, id="picky"), router)
    create = envoy.client().chat.completions.with_raw_response.create
    for _ in range(2):
        answered = create(model="smart", messages=HELLO)
        assert answered.headers["x-signalbox-dropped-params"] == "seed"
    assert [has(request, "seed") for request in picky.requests] == [True, False, False]
    assert all(request.json["top_p"] == 0.5 for request in picky.requests)
    with pytest.raises(openai.UnprocessableEntityError):
        create(model="smart", messages=HELLO, seed=9)
    assert picky.requests[-1].json["seed"] == 9, "the client's own"


def test_a6_what_a_deployment_brings_is_left_out_where_it_is_refused(provider, gateway):
    picky = provider(refuses("seed", *FASTAPI, whole("fine")))
    envoy = gateway(deployment("m", picky, id="picky", seed=7, temperature=0.5, extra_body={"top_k": 3}))
    create = envoy.client().chat.completions.with_raw_response.create
    assert [create(model="m", messages=HELLO).headers["x-signalbox-dropped-params"] for _ in range(2)] == ["seed", "seed"]
    assert [has(request, "seed") for request in picky.requests] == [True, False, False]
    assert all((request.json["temperature"], request.json["top_k"]) == (0.5, 3) for request in picky.requests)
    with pytest.raises(openai.UnprocessableEntityError):
        create(model="m", messages=HELLO, seed=9)
    assert picky.requests[-1].json["seed"] == 9, "the client's own"
