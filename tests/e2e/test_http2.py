"""Clients of HTTP/2: whole answers, streams and large bodies, many at once on one connection, and bodies that end with trailers."""

import json
import time

import pytest
from anthropic_wire import message
from gateway import deployment
from http2 import Connection
from provider import DONE, chunk, error, stream, tokens, whole
from raw import wait_for

HELLO = [{"role": "user", "content": "hello"}]
TRAILERS = [("x-checksum", "1")]


def said(body):
    return json.loads(body)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("model", ["openai/upstream-model", "anthropic/claude-haiku-4-5", "openai/m"])
def test_a_request_that_ends_with_trailers_is_a_request(provider, gateway, model):
    upstream = provider(message("hi") if model.startswith("anthropic") else whole("hi"))
    envoy = gateway(deployment("m", upstream, model=model))
    with Connection(envoy) as client:
        body, good = client.answer(client.ask({"model": "m", "messages": HELLO}, trailers=TRAILERS))
    assert (said(body), good) == ("hi", True)
    (request,) = upstream.requests
    assert request.json["model"] == model.split("/")[1]
    assert "x-checksum" not in request.headers


def test_a_request_with_trailers_is_tried_again_whole(provider, gateway):
    bad, good = provider(error(503)), provider(whole("rescued"))
    envoy = gateway(deployment("m", bad), deployment("n", good), router={"fallbacks": [{"m": ["n"]}]})
    with Connection(envoy) as client:
        body, _ = client.answer(client.ask({"model": "m", "messages": HELLO}, trailers=TRAILERS))
    assert said(body) == "rescued"
    assert good.requests[0].json["messages"] == HELLO


def test_a_request_with_trailers_waits_as_long_as_the_provider_asks(provider, gateway):
    upstream = provider(error(429, retry_after="1"), whole("patient"))
    envoy = gateway(deployment("m", upstream))
    with Connection(envoy) as client:
        body, _ = client.answer(client.ask({"model": "m", "messages": HELLO}, trailers=TRAILERS))
    assert said(body) == "patient"
    assert upstream.requests[1].at - upstream.requests[0].at > 0.8
    assert upstream.requests[1].json["model"] == "upstream-model"


def test_a_bad_request_with_trailers_is_refused(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream), signalbox={"max_request_bytes": 20_000})
    with Connection(envoy) as client:
        for body in (b"", b"{", b'{"model":"no","messages":[]}', b" " * 30_000):
            got, _ = client.answer(client.ask(body, trailers=TRAILERS))
            assert json.loads(got)["error"]["type"] == "invalid_request_error"
    assert upstream.requests == []


def test_many_at_once_on_one_connection(provider, gateway):
    def echo(connection, request):
        said = request.json["messages"][0]["content"]
        if request.json.get("stream"):
            return stream(chunk({"content": said[:9]}), 0.2, chunk({"content": said[9:]}), chunk({}, finish="stop"), DONE)(connection, request)
        return whole(said)(connection, request)

    envoy = gateway(deployment("m", provider(echo)))
    # Within the windows that the edge grants: this client heeds none.
    texts = {n: f"request {n} " + "x" * 600 * n for n in range(40)}
    with Connection(envoy) as client:
        asked = {n: client.ask({"model": "m", "stream": n % 2 == 1, "messages": [{"role": "user", "content": text}]}) for n, text in texts.items()}
        for n, number in asked.items():
            body, good = client.answer(number)
            assert good
            if n % 2:
                parts = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
                assert "".join(part["choices"][0]["delta"].get("content", "") for part in parts) == texts[n]
            else:
                assert said(body) == texts[n]


def test_one_stream_that_is_reset_leaves_the_others_alone(provider, gateway):
    slow = stream(*[part for n in range(20) for part in (chunk({"content": f"{n} "}), 0.05)], chunk({}, finish="stop"), DONE)
    upstream = provider(slow)
    envoy = gateway(deployment("m", upstream, id="primary"), router={"allowed_fails": 0})
    with Connection(envoy) as client:
        first, second = (client.ask({"model": "m", "stream": True, "messages": HELLO}) for _ in range(2))
        wait_for(upstream.requests, 2)
        while first not in client.bodies:
            client.frame()
        client.reset(first)
        body, good = client.answer(second)
        assert good and body.endswith(b"data: [DONE]\n\n")
        assert upstream.cut.wait(5), "the provider is told"
        upstream.play(stream(*tokens(2)))
        assert client.answer(client.ask({"model": "m", "stream": True, "messages": HELLO}))[0].endswith(b"[DONE]\n\n")
    assert envoy.settles("cluster.primary.upstream_rq_active", 0)
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.abandoned.deployment.primary", 1)
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.served.deployment.primary", 2)


TRICKS = [
    (":path", "/v1/models"), (":authority", "elsewhere"), (":method", "GET"), (":status", "200"), (":other", "x"), ("connection", "close"), ("transfer-encoding", "chunked"),
    ("upgrade", "websocket"), ("X-Upper", "x"), ("x-a\nx-b", "x"), ("x-a", "x\r\nx-b: y"), ("", "x"), ("te", "gzip"), ("content-length", "3"), ("host", "elsewhere"),
]


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: repr(trick[0]))
def test_a_head_that_is_two_heads_is_refused(provider, gateway, trick):
    """Pseudo headers twice or after the others, what belongs to a connection, names and values with line ends, a length that is not the body's."""
    upstream = provider()
    envoy = gateway(deployment("m", upstream))
    good = {"model": "m", "messages": HELLO}
    with Connection(envoy) as client:
        client.ask(good, more=[trick])
        time.sleep(0.3)
    # Envoy takes `:authority` for the host, whatever `host` says, and leaves `te` out.
    assert len(upstream.requests) <= (trick[0] in ("host", "te")), upstream.requests
    for request in upstream.requests:
        assert request.headers["host"] == f"127.0.0.1:{upstream.port}" and "te" not in request.headers
    upstream.requests.clear()
    with Connection(envoy) as client:
        client.ask(good)
        wait_for(upstream.requests)
