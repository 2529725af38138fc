"""Requests with the same long beginning stay together, so that the provider's prompt cache pays."""

import time

from gateway import deployment
from provider import error, whole


def ask(envoy, subject, question, tenant="t"):
    """On a connection of its own, so that all workers are asked."""
    messages = [{"role": "system", "content": f"You know all of {subject}. " + "word " * 2000}, {"role": "user", "content": question}]
    with envoy.client(default_headers={"x-tenant": tenant}) as client:
        return client.chat.completions.with_raw_response.create(model="m", messages=messages).headers["x-signalbox-deployment"]


def test_a_prefix_has_a_home_leaves_it_while_that_is_ill_and_returns(provider, gateway):
    upstreams = {f"m-{n}": provider(whole("x")) for n in range(1, 5)}
    envoy = gateway(
        *(deployment("m", upstream, id=name) for name, upstream in upstreams.items()),
        router={"cooldown_time": 3},
        signalbox={"affinity": {"min_prefix_tokens": 256, "tenant_header": "x-tenant"}},
        concurrency=2,
    )
    homes = {ask(envoy, "law", f"question {n}") for n in range(20)}
    assert len(homes) == 1, "whatever is asked, and whichever worker it is"
    (home,) = homes
    others = {ask(envoy, f"subject {n}", "why?") for n in range(24)}
    assert len(others) == 4, "other beginnings live elsewhere"
    assert len({ask(envoy, "law", "why?", tenant=f"tenant {n}") for n in range(24)}) == 4, "and so do other tenants'"

    upstreams[home].play(error(401))
    assert ask(envoy, "law", "again") != home
    envoy.settled()
    away = {ask(envoy, "law", f"again {n}") for n in range(6)}
    assert len(away) == 1 and home not in away, "together there too"
    upstreams[home].play(whole("x"))
    time.sleep(3.3)
    assert ask(envoy, "law", "and now") == home, "it finds out whether its home is well"
    envoy.settled()
    assert {ask(envoy, "law", f"and now {n}") for n in range(10)} == {home}


def test_a_short_prompt_has_no_home(provider, gateway):
    envoy = gateway(*(deployment("m", provider(), id=f"m-{n}") for n in range(3)), signalbox={"affinity": True})
    client = envoy.client()
    served = {
        client.chat.completions.with_raw_response.create(model="m", messages=[{"role": "user", "content": "hi"}]).headers["x-signalbox-deployment"]
        for _ in range(40)
    }
    assert len(served) == 3
