"""Answers that end with trailers: HTTP/2 providers and the gateways before them may send some, and then no piece of the body says that it is the last."""

import json

import httpx
import openai
import pytest
from anthropic_wire import message
from gateway import Gateway, deployment
from provider import chunk, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def heard(monkeypatch):
    """Envoy hears trailers from providers that speak HTTP/1 too, as it always does where they speak HTTP/2."""
    configure = Gateway.configure

    def with_trailers(self, *args):
        configure(self, *args)
        text = self.bootstrap.read_text()
        assert "http_protocol_options: {}" in text
        self.bootstrap.write_text(text.replace("http_protocol_options: {}", "http_protocol_options: {enable_trailers: true}"))

    monkeypatch.setattr(Gateway, "configure", with_trailers)


def trailed(*parts, status=200, kind="application/json"):
    def behave(connection, _request):
        connection.sendall(f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for part in parts:
            connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        connection.sendall(b"0\r\nx-checksum: 1\r\n\r\n")

    return behave


def body_of(answer):
    """What a behaviour of the simulated provider would send as a body."""
    sent = []
    answer(type("", (), {"sendall": staticmethod(sent.append)}), None)
    return b"".join(sent).split(b"\r\n\r\n", 1)[1]


def test_an_answer_with_trailers_is_an_answer(heard, provider, gateway):
    plain, claude = provider(trailed(body_of(whole("hi")))), provider(trailed(body_of(message("hi"))))
    streams = provider(trailed(*tokens(3), kind="text/event-stream"))
    envoy = gateway(
        deployment("m", plain), deployment("c", claude, model="anthropic/claude-haiku-4-5"), deployment("s", streams)
    )
    for group in ("m", "c"):
        got = envoy.client(timeout=5).chat.completions.create(model=group, messages=HELLO)
        assert got.choices[0].message.content == "hi"
    chunks = list(envoy.client(timeout=5).chat.completions.create(model="s", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "0 1 2 "
    for cluster in ("m-1", "c-1", "s-1"):
        stat = f"wasmcustom.signalbox.attempts.outcome.served.deployment.{cluster}"
        assert envoy.settles(stat, 1), (stat, {k: v for k, v in envoy.stats().items() if "attempts" in k})


def test_an_error_with_trailers_is_told_by_what_it_says(heard, provider, gateway):
    spent = json.dumps({"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}).encode()
    envoy = gateway(
        deployment("m", provider(trailed(spent, status=429))),
        deployment("n", provider()),
        deployment("lone", provider(trailed(spent, status=429))),
        router={"fallbacks": [{"m": ["n"]}], "num_retries": 0},
    )
    got = envoy.client(timeout=5).chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert got.headers["x-signalbox-fallbacks"] == "1"
    with pytest.raises(openai.RateLimitError) as failed:
        envoy.client(timeout=5).chat.completions.create(model="lone", messages=HELLO)
    assert failed.value.code == "insufficient_quota"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("status", [200, 503])
def test_a_head_and_trailers_without_a_body_are_a_failure_like_any_other(heard, provider, gateway, status, is_stream):
    envoy = gateway(
        deployment("m", provider(trailed(status=status))),
        deployment("n", provider(stream(*tokens(3)) if is_stream else whole("rescued"))),
        deployment("lone", provider(trailed(status=status))),
        router={"fallbacks": [{"m": ["n"]}], "num_retries": 0},
    )
    client = envoy.client(timeout=5)
    got = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=is_stream)
    assert got.headers["x-signalbox-fallbacks"] == "1"
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="lone", messages=HELLO, stream=is_stream)
    assert failed.value.response.json()["error"]["message"]
    assert failed.value.response.headers["x-signalbox-error"] == ("upstream" if status == 200 else "overloaded")
    assert "x-should-retry" not in failed.value.response.headers, "nobody tried again: the SDK may"


def test_a_stream_that_trailers_end_early_is_never_a_short_answer(heard, provider, gateway):
    envoy = gateway(deployment("m", provider(trailed(*tokens(60)[:41], kind="text/event-stream"))))
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        list(envoy.client(timeout=5).chat.completions.create(model="m", messages=HELLO, stream=True))
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.upstream.deployment.m-1", 1)


@pytest.mark.parametrize("commit", ["first_token", "complete"])
def test_a_stream_whose_last_word_is_trailers_is_whole_without_done(heard, provider, gateway, commit):
    envoy = gateway(deployment("m", provider(trailed(*tokens(5)[:-1], kind="text/event-stream"))), signalbox={"stream_commit": commit})
    chunks = list(envoy.client(timeout=5).chat.completions.create(model="m", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "0 1 2 3 4 "
    assert envoy.settles("wasmcustom.signalbox.attempts.outcome.served.deployment.m-1", 1)


def test_a_held_stream_that_trailers_end_moves_on(heard, provider, gateway):
    role = chunk({"role": "assistant", "content": ""})
    envoy = gateway(
        deployment("m", provider(trailed(role, kind="text/event-stream"))),
        deployment("n", provider(stream(*tokens(3)))),
        deployment("lone", provider(trailed(role, kind="text/event-stream"))),
        router={"fallbacks": [{"m": ["n"]}], "num_retries": 0},
    )
    client = envoy.client(timeout=5)
    got = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=True)
    assert got.headers["x-signalbox-fallbacks"] == "1"
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="lone", messages=HELLO, stream=True)
    assert failed.value.response.json()["error"]["code"] == "stream_truncated"
