"""Connections: how they end, and which of their faults are the deployment's (A10, A11, B5 to B7)."""

import socket
import time

import httpx
import openai
import pytest
from gateway import deployment
from provider import answer, chunk, closed_port, reset, stream, whole
from wire import TwoAddresses

HELLO = [{"role": "user", "content": "hello"}]


def test_b6_a_client_learns_at_once_that_its_stream_is_cut(provider, gateway):
    envoy = gateway(deployment("m", provider(stream(chunk({"content": "a"}), 0.3, "reset"))))
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        for _ in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True):
            began = time.monotonic()
    assert time.monotonic() - began < 0.9, "not a second after the connection was lost"


def test_an_answer_with_more_than_a_hundred_headers_is_an_answer(provider, gateway):
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "logprobs": None, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "s", "choices": [choice]}
    envoy = gateway(deployment("m", provider(answer(200, body, **{f"x_h{n}": "1" for n in range(300)}))))
    assert envoy.client().chat.completions.create(model="m", messages=HELLO).choices[0].message.content == "hi"


def test_b5_equal_keys_are_one_secret(provider, gateway):
    one = provider()
    many = [deployment("m", one, id=f"d{n}", api_key="sk-the-same") for n in range(130)]
    envoy = gateway(*many, env={"SIGNALBOX_KEY_D0": "sk-the-same"}, followed=True)
    assert envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert one.requests[0].headers["authorization"] == "Bearer sk-the-same"


def ask(envoy, model="m"):
    return envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO)


def attempts(envoy, deployment, outcome):
    return int(envoy.stats().get(f"wasmcustom.signalbox.attempts.outcome.{outcome}.deployment.{deployment}", 0))


@pytest.fixture
def swallows():
    """A port that takes no connection and refuses none: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


def test_a10_a_connection_that_is_not_made_in_time_is_one_and_is_tried_once(provider, gateway, swallows):
    other = provider()
    envoy = gateway(
        deployment("m", f"http://127.0.0.1:{swallows}"),
        deployment("other", other),
        router={"fallbacks": [{"m": ["other"]}]},
        signalbox={"connect_timeout": 1},
    )
    began = time.monotonic()
    got = ask(envoy)
    assert got.headers["x-signalbox-attempts"] == "2" and time.monotonic() - began < 2.5
    assert envoy.becomes(lambda: "m-1 is cooling for 5 s: connect" in envoy.log)


def test_a11_of_two_addresses_the_one_that_answers_serves_and_nothing_cools(provider, tmp_path):
    one = provider()
    envoy = TwoAddresses(tmp_path, [deployment("m", f"http://localhost:{one.port}")])
    try:
        for _ in range(24):
            ask(envoy)
        assert len(one.requests) == 24
        assert envoy.becomes(lambda: attempts(envoy, "m-1", "served") == 24)
        assert "cooling" not in envoy.log and attempts(envoy, "m-1", "connect") == 0
    finally:
        envoy.close()


def test_a11_a_name_of_which_no_address_answers_is_a_failure(provider, tmp_path):
    other = provider()
    deployments = [deployment("m", f"http://localhost:{closed_port()}"), deployment("other", other)]
    envoy = TwoAddresses(tmp_path, deployments, router={"fallbacks": [{"m": ["other"]}]})
    try:
        assert ask(envoy).headers["x-signalbox-deployment"] == "other-1"
        assert envoy.becomes(lambda: "m-1 is cooling for 5 s: connect" in envoy.log)
    finally:
        envoy.close()


def test_b7_a_connection_that_the_provider_had_closed_costs_neither_the_retry_nor_health(provider, gateway):
    served = {}

    def once_a_connection(connection, request):
        served[connection] = served.get(connection, 0) + 1
        return (reset() if served[connection] > 1 else whole("hi"))(connection, request)

    envoy = gateway(deployment("m", provider(once_a_connection)), router={"num_retries": 0, "allowed_fails": 0})
    for _ in range(6):
        assert ask(envoy).parse().choices[0].message.content == "hi"
    assert envoy.becomes(lambda: attempts(envoy, "m-1", "served") == 6)
    assert "cooling" not in envoy.log and attempts(envoy, "m-1", "reset") == 0


def test_b7_a_provider_that_loses_every_new_connection_is_a_failure(provider, gateway):
    envoy = gateway(deployment("m", provider(reset())), router={"num_retries": 0, "allowed_fails": 0})
    with pytest.raises(openai.APIStatusError) as caught:
        ask(envoy)
    assert caught.value.response.headers["x-signalbox-error"] == "reset"


def test_b5_three_hundred_different_keys_start(provider, gateway):
    one = provider()
    many = [deployment(f"m{n}", one, id=f"d{n}", api_key=f"os.environ/K{n}") for n in range(300)]
    envoy = gateway(*many, env={f"K{n}": f"sk-{n}" for n in range(300)}, followed=True)
    for n in (0, 150, 299):
        ask(envoy, f"m{n}")
        assert one.requests[-1].headers["authorization"] == f"Bearer sk-{n}"
    dump = httpx.get(f"{envoy.admin}/config_dump").text
    assert "sk-299" not in dump and "sk-299" not in envoy.log
