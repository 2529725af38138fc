"""What crosses the gateway in headers, and what must not: in both directions, on every kind of answer."""

import json
import re
import urllib.request

import openai
import pytest
from gateway import Gateway, deployment
from provider import USAGE, Provider, answer, error, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]
GOOD = {"id": "c", "object": "chat.completion", "created": 1, "model": "s", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "logprobs": None, "finish_reason": "stop"}], "usage": USAGE}
# What a provider may say by mistake or malice, in the words of this gateway.
FORGED = {
    "x_signalbox_retry": "now",
    "x_signalbox_deployment": "forged",
    "x_signalbox_error": "forged",
    "x_should_retry": "true",
    "x_envoy_upstream_service_time": "1",
    "x_envoy_retry_on": "5xx",
    "set_cookie": "a=b",
    "alt_svc": 'h3=":443"',
    "server_timing": "forged;dur=1",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    upstream, other = Provider(), Provider()
    envoy = Gateway(
        tmp_path_factory.mktemp("gateway"),
        [deployment("m", upstream, id="the-one"), deployment("other", other, id="the-other")],
        router={"disable_cooldowns": True, "num_retries": 0, "fallbacks": [{"m": ["other"]}]},
    )
    yield envoy, upstream, other
    envoy.close()


@pytest.fixture
def play(shared):
    def start(*script, other=(error(401),)):
        envoy, *upstreams = shared
        for upstream, its in zip(upstreams, (script, other)):
            upstream.play(*its)
            upstream.requests.clear()
        return envoy, *upstreams

    return start


def forged_stream(connection, _request):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in FORGED.items())
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{lines}connection: close\r\n\r\n"
    connection.sendall(head.encode() + b"".join(tokens(2)))
    return False


@pytest.mark.parametrize(
    ("script", "is_stream"),
    [(answer(200, GOOD, **FORGED), False), (forged_stream, True), (answer(503, {"error": {"message": "no"}}, **FORGED), False)],
    ids=["whole", "stream", "error"],
)
def test_a_provider_cannot_speak_in_our_name(play, script, is_stream):
    envoy, upstream, _ = play(script)
    client = envoy.client()
    try:
        got = client.chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=is_stream)
        headers = got.headers
        assert headers["x-signalbox-deployment"] == "the-one"
        assert headers["x-signalbox-attempts"] == "1"
        assert "x-signalbox-error" not in headers
        if is_stream:
            got.close() if hasattr(got, "close") else None
    except openai.APIStatusError as failed:
        headers = failed.response.headers
        assert headers["x-should-retry"] == "false"
        assert headers["x-signalbox-error"] == "overloaded"
    assert len(upstream.requests) == 1, "a provider cannot make Envoy ask it again"
    told = {name for name in headers if name.startswith("x-envoy") or name in ("x-signalbox-retry", "set-cookie", "alt-svc")}
    assert told == set()
    assert "forged" not in json.dumps(dict(headers))
    assert headers.get("x-should-retry") != "true"


def test_the_word_for_a_retry_never_reaches_the_client(play):
    """Neither on an answer after a retry, nor on the error after the last one."""
    envoy, _, _ = play(error(500), other=(whole("rescued"), error(500)))
    got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert got.headers["x-signalbox-attempts"] == "2" and "x-signalbox-retry" not in got.headers
    with pytest.raises(openai.InternalServerError) as failed:
        envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert failed.value.response.headers["x-signalbox-attempts"] == "2"
    assert "x-signalbox-retry" not in failed.value.response.headers


def test_a_client_cannot_speak_envoys_words(play):
    """No header of a client's makes Envoy retry, route or mirror otherwise."""
    envoy, upstream, other = play(error(400))
    forged = {
        "x-envoy-max-retries": "5",
        "x-envoy-retry-on": "retriable-4xx,5xx",
        "x-envoy-retriable-status-codes": "400",
        "x-envoy-retriable-header-names": "content-type",
        "x-envoy-upstream-rq-per-try-timeout-ms": "1",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-original-path": "/x",
        "x-envoy-decorator-operation": "x",
        "x-signalbox-retry": "1",
        "x-signalbox-deployment": "the-other",
    }
    with pytest.raises(openai.BadRequestError):
        envoy.client().chat.completions.create(model="m", messages=HELLO, extra_headers=forged)
    assert (len(upstream.requests), len(other.requests)) == (1, 0)
    assert not [name for name in upstream.requests[0].headers if name.startswith(("x-envoy", "x-signalbox"))]


def test_a_provider_gets_what_it_may_and_nothing_else(play):
    envoy, upstream, _ = play(whole("hi"))
    private = {
        "authorization": "Bearer sk-client",
        "cookie": "session=1",
        "x-api-key": "client",
        "api-key": "client",
        "x-forwarded-for": "10.1.2.3",
        "forwarded": "for=10.1.2.3",
        "referer": "http://internal",
        "x-internal": "secret",
        "x-stainless-os": "Linux",
        "proxy-authorization": "Basic x",
        "te": "trailers",
        "baggage": "user=7",
        "idempotency-key": "k",
    }
    open_ = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    envoy.client().chat.completions.create(model="m", messages=HELLO, extra_headers=private | open_)
    headers = upstream.requests[0].headers
    assert open_.items() <= headers.items()
    assert headers["user-agent"].startswith("OpenAI/Python")
    allowed = {"host", "content-type", "content-length", "accept-encoding", "accept", "user-agent", "traceparent"}
    assert set(headers) <= allowed, set(headers) - allowed
    assert headers["accept-encoding"] == "identity"
    assert headers["host"] == f"127.0.0.1:{upstream.port}"


def test_the_second_attempt_is_as_clean_as_the_first(play):
    envoy, upstream, other = play(error(503), other=(whole("hi"),))
    envoy.client().chat.completions.create(model="m", messages=HELLO)
    first, second = upstream.requests[0].headers, other.requests[0].headers
    assert first.keys() == second.keys()
    assert (first["host"], second["host"]) == (f"127.0.0.1:{upstream.port}", f"127.0.0.1:{other.port}")


def test_odd_bytes_from_a_provider_are_no_trap(play):
    def odd(connection, _request):
        body = json.dumps(GOOD).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-odd: \xff\xfe\x80\r\nx-empty:\r\ncontent-length: %d\r\n\r\n"
        connection.sendall(head % len(body) + body)

    envoy, _, _ = play(odd)
    assert envoy.client().chat.completions.create(model="m", messages=HELLO).choices[0].message.content == "hi"


@pytest.mark.parametrize("status", [100, 204, 301, 304, 599])
def test_odd_statuses_are_failures_and_no_trap(play, status):
    def odd(connection, _request):
        if status == 100:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            return whole("rescued")(connection, _request)
        connection.sendall(b"HTTP/1.1 %d X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        return False

    envoy, upstream, _ = play(odd, other=(whole("rescued"),))
    got = envoy.client().chat.completions.with_raw_response
    try:
        assert got.create(model="m", messages=HELLO).parse().choices[0].message.content == "rescued"
    except openai.APIStatusError as failed:
        assert failed.response.json()["error"]["message"], "the client is told in its own dialect"
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [200, 400, 401, 418, 500])
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_error_without_a_body_is_told_in_openais_shape(play, status, is_stream):
    """Envoy has no buffer to write to where headers end an answer."""

    def bare(connection, _request):
        connection.sendall(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)

    envoy, _, _ = play(bare, other=(bare,))
    with pytest.raises(openai.APIStatusError) as failed:
        envoy.client(timeout=5).chat.completions.create(model="m", messages=HELLO, stream=is_stream)
    assert failed.value.response.json()["error"]["message"]
    assert failed.value.response.headers["x-should-retry"] == "false"


def test_nothing_in_envoys_configuration_sends_the_retry_word_out(shared):
    """The route asks Envoy to retry on our word, and Envoy's own words are kept from the client."""
    envoy, *_ = shared
    dump = urllib.request.urlopen(f"{envoy.admin}/config_dump").read().decode()
    assert "x-signalbox-retry" in dump
    added = re.findall(r'"(?:response|request)_headers_to_add"', dump)
    assert not [place for place in added if "x-signalbox-retry" in place]
    assert '"suppress_envoy_headers": true' in dump


# What providers' sites say besides, and names that are nearly those that pass.
SITE = {
    "strict_transport_security": "max-age=31536000", "access_control_allow_origin": "*", "access_control_expose_headers": "x-request-id",
    "location": "https://elsewhere.example/", "www_authenticate": "Bearer realm=x", "set_cookie": "a=b", "alt_svc": "h3", "server": "cloudflare",
    "via": "1.1 x", "cf_ray": "1", "openai_organization": "acme-corp", "openai_project": "proj_1", "anthropic_organization_id": "org-1", "x_amzn_requestid": "r",
    "x_powered_by": "x", "content_security_policy": "x", "content_typ": "x", "content_typex": "x", "x_request_idx": "x", "x_request_i": "x", "x": "x",
    "llm_provider_x": "x", "refresh": "0; url=https://elsewhere.example/", "clear_site_data": "*", "link": "<x>", "nel": "{}", "report_to": "{}", "x_envoy_upstream_service_time": "1",
}
KEPT = {
    "x_request_id": "req-1", "request_id": "req-2", "openai_processing_ms": "7", "openai_version": "2020-10-01", "cache_control": "no-store",
    "x_ratelimit_remaining_requests": "9", "anthropic_ratelimit_tokens_limit": "8",
}
OURS = re.compile("x-signalbox-.*|server-timing|x-should-retry|content-(type|length)|cache-control|date|transfer-encoding|retry-after")


@pytest.mark.parametrize("kind", ["whole", "stream", "error", "large"])
def test_s11_what_a_providers_site_says_does_not_reach_a_client(play, kind):
    said = SITE | KEPT

    def streams(connection, _request):
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in said.items())
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{lines}transfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in tokens(2)) + b"0\r\n\r\n")

    large = GOOD | {"padding": "x" * 9_000_000}
    script = {"whole": answer(200, GOOD, **said), "stream": streams, "error": answer(400, {"error": {"message": "no"}}, **said), "large": answer(200, large, **said)}[kind]
    envoy, *_ = play(script)
    try:
        got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO, stream=kind == "stream")
        headers = dict(got.headers)
        got.close() if hasattr(got, "close") else None
    except openai.APIStatusError as failed:
        headers = dict(failed.response.headers)
    kept = {name.replace("_", "-"): value for name, value in KEPT.items()}
    assert {name: headers.get(name) for name in kept if name != "cache-control"} == {name: kept[name] for name in kept if name != "cache-control"}
    assert not [name for name in headers if name not in kept and not OURS.fullmatch(name)], headers
