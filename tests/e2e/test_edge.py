"""Which requests the gateway lets in at its edge, and in which words it refuses; the numbers are those of the attack that found the gaps."""

import http.client
import json
import re
import socket
import time
import urllib.error
import urllib.request

import pytest
from gateway import Gateway, deployment
from provider import Provider, whole
from raw import post

GOOD = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    upstream = Provider(whole("fine"))
    settings = {"allowed_hosts": [], "state_path": "/signalbox/state", "access_log": True}
    envoy = Gateway(tmp_path_factory.mktemp("gateway"), [deployment("m", upstream)], signalbox=settings)
    yield envoy, upstream
    envoy.close()


@pytest.fixture
def envoy(shared):
    envoy, upstream = shared
    upstream.requests.clear()
    envoy.upstream = upstream
    return envoy


def ask(envoy, method="POST", path="/v1/chat/completions", body=GOOD, **headers):
    """One request by `http.client`; its status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def code(got):
    """The code of an error, which must have OpenAI's shape."""
    status, headers, body = got
    assert headers["content-type"] == "application/json", got
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"], got
    assert headers["x-signalbox-error"] == error["code"], "for the access log"
    return status, error["code"]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions/", "/v1/completions", "//v1//embeddings?x=1"])
@pytest.mark.parametrize("method", ["GET", "DELETE", "TRACE", "PUT", "PATCH", "OPTIONS", "NONSENSE"])
def test_s9_only_a_post_is_served_whatever_body_another_brings(envoy, method, path):
    got = ask(envoy, method, path)
    assert code(got) in ((405, "method_not_allowed"), (400, "bad_request")), "what is no method at all, the codec refuses"
    assert got[0] == 400 or got[1]["allow"] == "POST"
    assert not envoy.upstream.requests


def test_s9_a_head_is_refused_without_a_body_and_a_post_is_served(envoy):
    status, headers, body = ask(envoy, "HEAD", body=b"")
    assert (status, headers["allow"], body) == (405, "POST", b"")
    assert ask(envoy)[0] == 200 and ask(envoy, path="/v1//chat/completions")[0] == 200
    assert len(envoy.upstream.requests) == 2
    for method in ("DELETE", "POST", "TRACE"):
        assert code(ask(envoy, method, "/v1/models")) == (405, "method_not_allowed")


HOSTS = ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.9.10:80", "[::1]:10000", "me.localhost", "app.localhost:3000"]


@pytest.mark.parametrize("host", HOSTS)
def test_s5_names_of_loopback_are_served(envoy, host):
    assert ask(envoy, host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.com", "127.evil.com", "localhost.evil.com", "127.0.0.1.evil.com:80", "10.0.0.1", "notlocalhost", "[::2]"])
def test_s5_on_loopback_another_name_is_refused(envoy, host):
    """A page whose name leads to loopback (DNS rebinding) is of the same origin to its browser."""
    for method, path, body in (("POST", "/v1/chat/completions", GOOD), ("GET", "/v1/models", b""), ("GET", "/signalbox/state", b"")):
        assert code(ask(envoy, method, path, body, host=host, sec_fetch_site="same-origin")) == (403, "host_not_allowed")
    assert not envoy.upstream.requests


def test_s5_other_names_are_a_setting(provider, gateway):
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox={"allowed_hosts": ["LLM.example.com", "*.internal"]})
    for host in ("llm.example.com", "llm.example.com:443", "a.b.internal:1", "localhost"):
        assert ask(envoy, host=host)[0] == 200, host
    for host in ("example.com", "xllm.example.com", "internal", "llm.example.com.evil.com", "gateway"):
        assert code(ask(envoy, host=host)) == (403, "host_not_allowed"), host
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox={"allowed_hosts": ["*"]})
    assert ask(envoy, host="evil.com")[0] == 200


FOREIGN = [
    {"origin": "https://evil.com", "content_type": "text/plain"},
    {"origin": "null"},
    {"origin": "http://localhost:3000", "sec_fetch_site": "same-site"},
    {"origin": "https://evil.com", "sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
    {"sec_fetch_site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_s5_a_page_of_another_origin_is_refused(envoy, headers):
    assert code(ask(envoy, **headers)) == (403, "origin_not_allowed")
    assert code(ask(envoy, "GET", "/v1/models", b"", **headers)) == (403, "origin_not_allowed")
    assert not envoy.upstream.requests


def test_s5_what_is_no_foreign_page_is_served(envoy):
    assert ask(envoy, sec_fetch_site="none")[0] == 200
    assert ask(envoy, sec_fetch_site="same-origin", origin=envoy.base)[0] == 200
    assert ask(envoy, content_type="text/plain")[0] == 200, "what a body calls itself decides nothing"


def test_s5_pages_that_are_named_may_ask_and_read(provider, gateway):
    page = "https://chat.example.com"
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox={"allowed_origins": [page]})
    preflight = {"origin": page, "access_control_request_method": "POST", "access_control_request_headers": "authorization,content-type"}
    status, headers, _ = ask(envoy, "OPTIONS", body=b"", sec_fetch_site="cross-site", **preflight)
    assert status == 200 and headers["access-control-allow-origin"] == page
    assert "authorization" in headers["access-control-allow-headers"] and "POST" in headers["access-control-allow-methods"]
    status, headers, _ = ask(envoy, origin=page, sec_fetch_site="cross-site")
    assert (status, headers["access-control-allow-origin"]) == (200, page)
    assert headers["access-control-expose-headers"] == "*"
    assert code(ask(envoy, origin="https://evil.com")) == (403, "origin_not_allowed")
    assert code(ask(envoy, "OPTIONS", body=b"", **(preflight | {"origin": "https://evil.com"}))) == (403, "origin_not_allowed")
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox={"allowed_origins": ["*"]})
    status, headers, _ = ask(envoy, origin="https://any.example", sec_fetch_site="cross-site")
    assert (status, headers["access-control-allow-origin"]) == (200, "https://any.example")


@pytest.mark.parametrize("path", ["/quitquitquit", "/drain_listeners", "/healthcheck/fail", "/logging?level=trace", "/runtime_modify?a=b", "/reset_counters", "/cpuprofiler?enable=y", "/stats/recentlookups/enable", "/", "/help"])
def test_s5_the_admin_port_changes_nothing(envoy, path):
    for method in ("POST", "GET"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(envoy.admin + path, method=method))
        assert refused.value.code == 403
    assert urllib.request.urlopen(f"{envoy.admin}/ready").read() == b"LIVE\n"


@pytest.mark.parametrize("path", ["/ready", "/stats", "/stats?filter=listener_manager", "/stats/prometheus", "/clusters", "/listeners", "/server_info", "/config_dump?resource=dynamic_listeners", "/memory", "/certs"])
def test_s5_the_admin_port_shows_what_it_showed(envoy, path):
    assert urllib.request.urlopen(envoy.admin + path).status == 200


STATE = "/signalbox/state"
SPELLINGS = ["/./signalbox/state", "//signalbox/state", "/signalbox//state", "/signalbox/./state", "/x/../signalbox/state", "/signalbox/state/", "/signalbox/%73tate", "/signalbox%2Fstate", "/%2e/signalbox/state", "/Signalbox/state", "/signalbox/state?x=1", "/signalbox/state?", "/signalbox\\state", "/signalbox/state;x"]


def test_s17_the_state_has_one_spelling(envoy):
    assert ask(envoy, "GET", STATE, b"")[0] == 200
    for spelling in SPELLINGS:
        status, _, body = ask(envoy, "GET", spelling, b"")
        assert status in (400, 404) and b"deployments" not in body, spelling
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=5) as connection:
        connection.sendall(b"GET http://localhost/signalbox/state#x HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"deployments" not in connection.recv(65_536)


def test_envoys_own_words_are_errors_in_openais_shape(envoy):
    """A request that the codec refuses, headers that are too many, and a body that its own buffer refuses."""
    for raw, status in (
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx_under: 1\r\ncontent-length: 0\r\n\r\n", 400),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + b"x-long: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n" + b"x-many: y\r\n" * 200 + b"\r\n", 431),
    ):
        with socket.create_connection(("127.0.0.1", envoy.port), timeout=5) as connection:
            try:
                connection.sendall(raw)
            except ConnectionError:
                pass
            reader = connection.makefile("rb")
            assert int(reader.readline().split()[1]) == status, raw[:80]
            headers = {}
            while (line := reader.readline()).strip():
                name, value = line.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers["content-length"]))
            assert code((status, headers, body))[0] == status
    assert not envoy.upstream.requests


def test_the_log_says_who_asked(envoy):
    assert post(envoy, GOOD, b"x-forwarded-for: 198.51.100.7\r\n", )[0] in (200, 403)
    ask(envoy, x_forwarded_for="198.51.100.7")
    assert envoy.becomes(lambda: re.search(r"200 POST .* client=127\.0\.0\.1 ", envoy.log))
    assert "198.51.100.7" not in envoy.log, "nobody stands before the gateway whose word counts"
    assert not [name for name in envoy.upstream.requests[-1].headers if "forwarded" in name or "envoy" in name]


def test_with_a_proxy_in_front_the_log_says_whom_that_named(provider, gateway):
    upstream = provider(whole("fine"))
    envoy = gateway(deployment("m", upstream), signalbox={"xff_num_trusted_hops": 1, "access_log": True})
    ask(envoy, x_forwarded_for="6.6.6.6, 198.51.100.7")
    assert envoy.becomes(lambda: "client=198.51.100.7 " in envoy.log)
    assert not [name for name in upstream.requests[-1].headers if "forwarded" in name or "envoy" in name]


def test_what_goes_to_third_parties_besides_is_a_setting(provider, gateway):
    upstream = provider(whole("fine"))
    sent = {"baggage": "user=7", "idempotency_key": "k", "x_app": "a"}
    envoy = gateway(deployment("m", upstream))
    ask(envoy, **sent)
    assert not {"baggage", "idempotency-key", "x-app"} & set(upstream.requests[-1].headers)
    envoy = gateway(deployment("m", upstream), signalbox={"forward_headers": ["Idempotency-Key", "x-app"]})
    ask(envoy, **sent)
    headers = upstream.requests[-1].headers
    assert (headers["idempotency-key"], headers["x-app"]) == ("k", "a") and "baggage" not in headers


def test_s4_a_body_that_drips_has_its_time(provider, gateway):
    upstream = provider(whole("fine"))
    envoy = gateway(deployment("m", upstream), signalbox={"request_body_timeout": 2, "access_log": True})
    for drips in (True, False):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", envoy.port), timeout=20) as connection:
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + GOOD)
            connection.settimeout(0.2)
            got = b""
            while not got and time.monotonic() - began < 15:
                try:
                    connection.sendall(b" " if drips else b"")
                    got = connection.recv(65_536)
                except TimeoutError:
                    pass
        head, _, rest = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408") and json.loads(rest)["error"]["code"] == "request_timeout"
        assert 1.5 < time.monotonic() - began < 8
    assert not upstream.requests and envoy.becomes(lambda: "error=request_timeout" in envoy.log)


@pytest.mark.long
@pytest.mark.parametrize("ends_with", ["silence", "leaving"])
def test_s4_slow_clients_with_much_to_say_are_bounded(provider, gateway, ends_with):
    """Forty uploads that never end, together eight times what may be held of them: past that they are refused, and others are served."""
    limits = {"max_buffered_bytes": 50_000_000, "max_request_bytes": 12_000_000, "request_body_timeout": 10}
    envoy = gateway(deployment("m", provider(whole("fine"))), signalbox=limits)
    before = int(envoy.stats()["server.memory_allocated"])
    slow = []
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", envoy.port), timeout=5)
        connection.setblocking(False)
        slow.append([connection, b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 12000000\r\n\r\n" + b" " * 10_000_000])
    most, until = 0, time.monotonic() + 6
    while time.monotonic() < until:
        for one in slow:
            try:
                one[1] = one[1][one[0].send(one[1][:500_000]):] if one[1] else b""
            except BlockingIOError:
                pass
            except OSError:
                one[1] = b""
        most = max(most, int(envoy.stats()["server.memory_allocated"]) - before)
    answers = []
    for connection, _ in slow:
        try:
            answers.append(connection.recv(65_536))
        except OSError:
            pass
    refused = [answer for answer in answers if b"503" in answer[:20] and b"gateway_overloaded" in answer]
    assert len(refused) > 25 and most < 120_000_000, (len(refused), most)
    assert ask(envoy)[0] == 200, "a small one is served all the same"
    if ends_with == "leaving":
        for connection, _ in slow:
            connection.close()
    assert envoy.becomes(lambda: envoy.stats()["http.signalbox.downstream_rq_active"] == "0", 30)
    large = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 11_000_000}]}).encode()
    assert ask(envoy, body=large)[0] == 200, "and all is well again"
    for connection, _ in slow:
        connection.close()
