"""F10 and its kin: whatever comes in, the client gets a clear error in OpenAI's shape or correct service."""

import gzip
import zlib
import http.client
import json
import socket

import openai
import pytest
from gateway import deployment
from provider import stream, tokens, whole
from raw import post


@pytest.fixture
def envoy(provider, gateway):
    return gateway(deployment("m", provider(whole("fine"))), signalbox={"max_request_bytes": 2_000_000})


GOOD = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (b"", 400, None),
        (b"not json", 400, None),
        (b'{"model":"m","messages":[', 400, None),
        (b"[]", 400, None),
        (b'"text"', 400, None),
        (b"\xff\xfe\x00", 400, None),
        (b'{"messages":[]}', 400, "model"),
        (b'{"model":7,"messages":[]}', 400, "model"),
        (b'{"model":"m"}', 400, "messages"),
        (b'{"model":"\\ud800","messages":[]}', 400, "model"),
        (b'{"model":"m","model":"n","messages":[]}', 400, "model"),
        (b'{"model":"nope","messages":[]}', 404, "model"),
    ],
)
def test_a_bad_body_is_refused_in_openais_shape(envoy, body, status, param):
    got, answer = post(envoy, body)
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["param"] == param
    assert post(envoy, GOOD)[0] == 200, "and the next request is served"


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(envoy):
    assert post(envoy, b" " * 20_000_000)[0] == 413
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=20) as connection:
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(320):
                connection.sendall(piece)
        except ConnectionError:
            pass
        head = connection.recv(4096).decode()
    assert head.startswith("HTTP/1.1 413") and "request_too_large" in head
    assert post(envoy, GOOD)[0] == 200


def test_a_body_that_fills_envoys_own_buffer_at_once_is_refused_in_our_words(provider, gateway):
    """Envoy reads as much as its buffer holds in one go, and then answers before the filter is asked."""
    limits = {"max_request_bytes": 4096, "max_response_bytes": 4096}
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox=limits)
    for _ in range(10):
        status, answer = post(envoy, b" " * 8_000_000)
        assert (status, answer["error"]["code"]) == (413, "request_too_large")
    assert post(envoy, GOOD)[0] == 200


def test_a_compressed_body_is_inflated_or_refused_clearly(envoy):
    assert post(envoy, gzip.compress(GOOD), b"content-encoding: gzip\r\n")[0] == 200
    status, answer = post(envoy, zlib.compress(GOOD), b"content-encoding: deflate\r\n")
    assert status == 415
    assert "ompress" in answer["error"]["message"]


def test_deep_nesting_and_odd_headers_are_served(envoy):
    deep = b'{"model":"m","messages":[],"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    assert post(envoy, deep)[0] == 200
    assert post(envoy, GOOD, b"x-odd: \xff\xfe\x80\r\nuser-agent: \xc3(\r\n")[0] == 200
    assert post(envoy, GOOD, b"x-signalbox-retry: 1\r\nx-envoy-max-retries: 9\r\n")[0] == 200


def test_other_paths_and_methods_are_refused_in_openais_shape(envoy):
    assert post(envoy, GOOD, path=b"/v1/files")[0] == 404
    assert post(envoy, GOOD, path=b"/")[0] == 404
    assert post(envoy, b"", path=b"/v1/chat/completions", method=b"GET")[0] == 405
    assert post(envoy, b"", path=b"/v1/models/nope", method=b"GET")[0] == 404
    for method, path, status, allowed in (("HEAD", "/v1/models", 200, None), ("DELETE", "/v1/models", 405, "GET, HEAD"), ("GET", "/v1/embeddings", 405, "POST")):
        connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=5)
        connection.request(method, path)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("allow")) == (status, allowed), method
        connection.close()


def test_d2_a_model_is_found_by_its_encoded_name(provider, gateway):
    """The official SDK encodes a model's name in a path, slashes too; people type it as it is."""
    names = ["openai/gpt-4o", "llama3:8b", "my model", "ft:gpt-4o:acme::x%2Fy", "a//b"]
    there = provider()
    envoy = gateway(*(deployment(name, there) for name in names))
    client = envoy.client()
    for name in names:
        assert client.models.retrieve(name).id == name
    for path, found in (
        ("openai/gpt-4o", True),
        ("openai%2fgpt-4o", True),
        ("openai%2Fgpt-4o/?x=%2F", True),
        ("llama3%3A8b", True),
        ("openai%252Fgpt-4o", False),  # it was encoded twice: that is another name
        ("ft:gpt-4o:acme::x%252Fy", True),
        ("openai", False),
    ):
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=5)
            connection.request(method, f"/v1/models/{path}")
            answer = connection.getresponse()
            assert answer.status == (200 if found else 404), (method, path)
            connection.close()


def test_the_sdk_raises_its_own_class_for_an_unknown_model(envoy):
    with pytest.raises(openai.NotFoundError) as refused:
        envoy.client().chat.completions.create(model="nope", messages=[])
    assert refused.value.code == "model_not_found"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.response.headers["x-signalbox-error"] == "model_not_found", "for the access log"


@pytest.mark.parametrize("host", [b"host: gateway\r\n", b""])
def test_a_proxy_that_speaks_http_1_0_is_served(provider, gateway, host):
    envoy = gateway(deployment("m", provider(whole("fine"), stream(*tokens(3)))))
    for more, expected in ((b"", b'"content": "fine"'), (b',"stream":true', b"data: [DONE]")):
        body = GOOD[:-1] + more + b"}"
        with socket.create_connection(("127.0.0.1", envoy.port), timeout=5) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.0\r\n" + host + b"content-length: %d\r\n\r\n" % len(body) + body)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))  # to its end, which is the connection's
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0] and b"chunked" not in head.lower(), head
        assert expected in rest, rest
