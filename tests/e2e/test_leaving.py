"""F07: the client goes away. The upstream attempt ends, no counter leaks, and the deployment is not blamed."""

import socket
import struct
import time

import pytest
from gateway import deployment
from provider import DONE, answer, chunk, silent, stream, tokens, whole
from raw import connect, wait_for

HELLO = [{"role": "user", "content": "hello"}]
SLOW = [part for n in range(200) for part in (chunk({"content": f"{n} "}), 0.05)]
HALF = b'{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,'


def half_an_answer():
    """The first half of a whole answer, then silence."""

    def behave(connection, _request):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n" + HALF)
        return silent(20)(connection, _request)

    return behave


def half_an_error():
    """The head of an error, then silence."""

    def behave(connection, _request):
        connection.sendall(b"HTTP/1.1 503 X\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
        return silent(20)(connection, _request)

    return behave


def held_stream():
    """A stream that has said nothing meaningful yet."""
    return stream(chunk({"role": "assistant", "content": ""}), 20)


@pytest.mark.parametrize("farewell", ["close", "reset"])
@pytest.mark.parametrize(
    ("script", "is_stream", "reads"),
    [
        (silent(20), False, 0),
        (silent(20), True, 0),
        (half_an_answer(), False, 0),
        (half_an_error(), False, 0),
        (held_stream(), True, 0),
        (stream(*SLOW), True, 300),
    ],
    ids=["before-headers", "before-headers-of-a-stream", "mid-answer", "mid-error", "held-stream", "mid-stream"],
)
def test_f07_a_client_that_leaves_takes_its_attempt_along(provider, gateway, script, is_stream, reads, farewell):
    primary, other = provider(script), provider(whole("other"))
    envoy = gateway(
        deployment("m", primary, id="primary", order=1),
        deployment("m", other, id="other", order=2),
        router={"allowed_fails": 0, "cooldown_time": 60},
        signalbox={"first_token_timeout": 0},
    )
    connection = connect(envoy, is_stream)
    wait_for(primary.requests)
    assert len(connection.recv(reads, socket.MSG_WAITALL)) == reads
    if farewell == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

    assert primary.cut.wait(5), "the provider is told"
    for gauge in ("cluster.primary.upstream_rq_active", "http.signalbox.downstream_rq_active"):
        assert envoy.settles(gauge, 0)
    assert other.requests == [], "nobody is left to try it for"

    primary.play(whole("primary"))
    got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert got.headers["x-signalbox-deployment"] == "primary", "with allowed_fails 0, any blame would have cooled it"


def test_f07_a_client_that_leaves_while_a_retry_waits(provider, gateway):
    busy = answer(429, {"error": {"message": "slow down"}}, retry_after="2")
    upstream = provider(busy)
    envoy = gateway(deployment("m", upstream, id="primary"), router={"num_retries": 3})
    connection = connect(envoy, False)
    wait_for(upstream.requests)
    time.sleep(0.5)
    connection.close()
    assert envoy.settles("http.signalbox.downstream_rq_active", 0)
    assert envoy.settles("cluster.primary.upstream_rq_active", 0)
    upstream.play(whole("here"))
    assert envoy.client().chat.completions.create(model="m", messages=HELLO).choices[0].message.content == "here"
    assert len(upstream.requests) == 2, "the waiting retry went with its client"


def test_f07_a_client_that_leaves_in_the_middle_of_its_request(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream, id="primary"))
    connect(envoy, False, length=10_000).close()
    assert envoy.settles("http.signalbox.downstream_rq_active", 0)
    assert envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert len(upstream.requests) == 1


def test_f07_a_hundred_that_leave_leave_nothing(provider, gateway):
    upstream = provider(stream(*SLOW))
    envoy = gateway(deployment("m", upstream, id="primary"), router={"allowed_fails": 0}, concurrency=2)
    connections = [connect(envoy, True) for _ in range(100)]
    wait_for(upstream.requests, 100)
    for connection in connections:
        connection.recv(100)
        connection.close()
    for gauge in ("cluster.primary.upstream_rq_active", "http.signalbox.downstream_rq_active"):
        assert envoy.settles(gauge, 0)
    upstream.play(stream(*tokens(2)))
    heard = [part for part in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True)]
    assert [part.choices[0].finish_reason for part in heard if part.choices][-1] == "stop"


def test_a_slow_reader_gets_everything(provider, gateway):
    """Flow control: a client that reads slowly neither loses bytes nor makes the gateway forget any."""
    words = [chunk({"content": f"{n} " + "x" * 1000}) for n in range(3000)]
    upstream = provider(stream(*words, chunk({}, finish="stop"), b"data: [DONE]\n\n"))
    envoy = gateway(deployment("m", upstream, id="primary"))
    connection = connect(envoy, True)
    wait_for(upstream.requests)
    heard = b""
    while not heard.endswith(b"0\r\n\r\n"):
        piece = connection.recv(65_536)
        assert piece
        heard += piece
    assert heard.count(b'"content"') == 3000 and b"[DONE]" in heard
    connection.close()


def test_a_client_that_leaves_after_the_last_word_was_served(provider, gateway):
    """The official SDK closes a stream at `[DONE]`, which may come before the end of the bytes."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}
    upstream = provider(stream(chunk({"content": "a"}), chunk({}, finish="stop"), chunk({}, usage=usage), DONE, 5))
    envoy = gateway(deployment("m", upstream, "openai/gpt-4o-mini", id="mini"), signalbox={"access_log": True})
    with envoy.client() as client:
        assert [part for part in client.chat.completions.create(model="m", messages=HELLO, stream=True)]
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.served.deployment.mini", 1)
    assert envoy.settles("wasmcustom.signalbox.cost_nanodollars.deployment.mini", 750_000)
    assert envoy.becomes(lambda: " cost=0.00075 " in envoy.log)
    assert not envoy.stats().get("wasmcustom.signalbox.attempts.outcome.abandoned.deployment.mini")
