"""No request is refused while a deployment that may serve it was not asked in it (B8)."""

import time

import openai
import pytest
from gateway import deployment
from provider import error, whole

HELLO = [{"role": "user", "content": "hello"}]


def ask(envoy, model="m", **more):
    got = envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)
    return got.headers["x-signalbox-deployment"]


def test_b8_who_rests_is_asked_before_a_request_is_refused(provider, gateway):
    """One of two says 503 for nine seconds; the other said 503 twice and rests, but would serve now."""
    down, up = provider(error(503)), provider(error(503), error(503), whole("fine"))
    envoy = gateway(deployment("m", down, id="down"), deployment("m", up, id="up"), router={"num_retries": 2})
    while len(up.requests) < 2:
        with pytest.raises(openai.InternalServerError):
            ask(envoy)
        assert up.requests and down.requests, "each was asked"
    began = time.monotonic()
    served = []
    while time.monotonic() < began + 9:
        served.append(ask(envoy))
        time.sleep(0.25)
    assert set(served) == {"up"}


def test_b8_the_fallbacks_come_first_and_then_who_rests(provider, gateway):
    sick, spare = provider(error(401), whole("well again")), provider(whole("spare"), error(503))
    envoy = gateway(
        deployment("m", sick, id="sick"),
        deployment("spare", spare, id="spare"),
        router={"num_retries": 2, "fallbacks": [{"m": ["spare"]}], "cooldown_time": 20},
    )
    assert ask(envoy) == "spare"
    assert len(sick.requests) == 1
    assert ask(envoy) == "sick", "the fallback failed: one that rests may serve"
    assert len(spare.requests) == 2
