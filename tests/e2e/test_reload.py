"""A configuration is replaced while requests are on their way: what is counted of them stays right."""

import concurrent.futures
import time

import openai
import pytest
from gateway import deployment
from provider import wait, whole
from raw import wait_for

HELLO = [{"role": "user", "content": "hello"}]


def slowly(connection, request):
    wait(connection, 3)
    return whole("slow")(connection, request)


def ask(envoy, model):
    # On a connection of its own: those that are open stay with the configuration they came by.
    with envoy.client() as client:
        return client.chat.completions.create(model=model, messages=HELLO).choices[0].message.content


def test_a_request_on_its_way_keeps_its_place_over_a_new_configuration(provider, gateway):
    only, other = provider(slowly, whole("quick")), provider(whole("other"))
    place = deployment("m", only, id="only", max_parallel_requests=1)
    envoy = gateway(place, followed=True)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, envoy, "m")
        wait_for(only.requests)
        # The same deployment, now behind another one: its index is a new one, its record is not.
        envoy.configure([deployment("n", other, id="other"), place])
        until = time.monotonic() + 2
        while True:
            try:
                assert ask(envoy, "n") == "other"
                break
            except openai.NotFoundError:
                assert time.monotonic() < until, "the new configuration was not taken over"
                time.sleep(0.05)
        with pytest.raises(openai.RateLimitError):
            ask(envoy, "m")
        assert first.result() == "slow"
    envoy.settled()
    assert ask(envoy, "m") == "quick", "its place is free again"
    assert len(only.requests) == 2
