"""What an attack found (the numbers are the attack's), and what must be true since."""

import http.client
import json
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from gateway import WASM, deployment
from provider import DONE, answer, chunk, error, reset, silent, stream, tokens, whole
from raw import connect, post, wait_for

sys.path.append(str(Path(__file__).parents[1] / "faults"))

import trap  # noqa: E402


def body(text, model="m", **more):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": text}]} | more).encode()


def trap_the_vm(envoy):
    """A request of the size on which the module of the test traps."""
    padded = body("%").replace(b"%", b"x" * (trap.REQUEST_BYTES - len(body("%")) + 1))
    assert len(padded) == trap.REQUEST_BYTES
    try:
        post(envoy, padded)
    except (OSError, ValueError, KeyError, IndexError):
        pass  # whatever Envoy says of it is another test's


@pytest.fixture
def trappable(tmp_path):
    module = tmp_path / "traps.wasm"
    module.write_bytes(trap.with_traps(WASM.read_bytes()))
    return {"wasm": module, "may_trap": True}


def in_thread(envoy, text, got, **more):
    """Asks in a thread that does not outlive the tests; the answer's status, type and body go into `got`."""

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=30)
        try:
            connection.request("POST", "/v1/chat/completions", body(text, **more))
            answer = connection.getresponse()
            got[text] = answer.status, answer.getheader("content-type"), answer.read()
        except (OSError, http.client.HTTPException) as cut:
            got[text] = 0, repr(cut), b"{}"
        finally:
            connection.close()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread


def after(seconds, behaviour):
    def behave(connection, request):
        silent(seconds)(connection, request)
        return behaviour(connection, request)

    return behave


def test_s3_a_retry_of_a_dead_vms_request_finds_no_other_clients(provider, gateway, trappable):
    """Envoy keeps the filter state of a request whose VM died, and retries it: the flight it names must be nobody's."""
    upstream = provider(after(1.5, reset()), after(1.5, reset()), after(3, whole("for the new ones")))
    envoy = gateway(deployment("m", upstream), router={"num_retries": 3, "disable_cooldowns": True}, **trappable)
    got = {}
    old = [in_thread(envoy, f"old-{n}", got) for n in range(2)]
    wait_for(upstream.requests, 2)
    trap_the_vm(envoy)
    new = [in_thread(envoy, f"new-{n}", got) for n in range(2)]
    for thread in old + new:
        thread.join()
    said = got, envoy.log[-2000:]
    assert envoy.traps() == 1, said
    for n in range(2):
        assert got[f"new-{n}"][0] == 200 and b"for the new ones" in got[f"new-{n}"][2], said
        status, kind, answer = got[f"old-{n}"]
        assert (status, kind, json.loads(answer)["error"]["code"]) == (503, "application/json", "not_ready"), said
    asked = sorted(request.json["messages"][0]["content"] for request in upstream.requests)
    assert asked == ["new-0", "new-1", "old-0", "old-1"], "each prompt went out once, for its own client"
    assert envoy.settles("http.signalbox.downstream_rq_active", 0)


def test_s1_a_vm_that_dies_says_so_in_openais_shape(provider, gateway, trappable):
    """To the request that killed it, and to the others of the worker that have no answer yet."""
    envoy = gateway(deployment("m", provider(after(1, whole("late")))), **trappable)
    got = {}
    others = [in_thread(envoy, f"other-{n}", got) for n in range(3)]
    time.sleep(0.4)
    padded = body("%").replace(b"%", b"x" * (trap.REQUEST_BYTES - len(body("%")) + 1))
    status, answer = post(envoy, padded)
    assert (status, answer["error"]["code"]) == (503, "not_ready") and envoy.traps() == 1
    for thread in others:
        thread.join()
    assert all(status in (200, 503) and (status == 200 or json.loads(answer)["error"]["message"]) for status, _, answer in got.values()), got
    assert post(envoy, body("and the next one"))[0] == 200


BUFFERED = "wasmcustom.signalbox.buffered_bytes"


def refused(envoy, got):
    """Whether an answer is the refusal for want of memory."""
    status, _, answer = got
    return status == 503 and json.loads(answer)["error"]["code"] == "gateway_overloaded"


def stripped(size, model="m"):
    """A body with a wish for the gateway, which leaves it another than the one that Envoy has: it must be kept."""
    return body("x" * size, model, num_retries=0)


def test_s1_a_body_for_which_there_is_no_room_is_refused_and_nothing_else_is_touched(provider, gateway):
    upstream = provider(after(1.5, whole("slow")))
    envoy = gateway(deployment("m", upstream), signalbox={"max_buffered_bytes": 4_000_000, "max_request_bytes": 4_000_000})
    got = {}

    def ask(n):
        connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", stripped(1_000_000))
        answer = connection.getresponse()
        got[n] = answer.status, answer.getheader("retry-after"), answer.read()
        connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    assert envoy.becomes(lambda: int(envoy.stats().get(BUFFERED, 0)) >= 3_000_000)
    small = post(envoy, body("small"))
    for thread in threads:
        thread.join()
    served = [one for one in got.values() if one[0] == 200]
    without = [one for one in got.values() if refused(envoy, one)]
    assert (len(served), len(without)) == (3, 5), [one[0] for one in got.values()]
    assert all(one[1] == "1" for one in without) and len(upstream.requests) == 4
    assert small[0] == 200, "what fits is served meanwhile"
    assert envoy.settles(BUFFERED, 0)
    assert all(post(envoy, stripped(1_000_000))[0] == 200 for _ in range(3)), "and all is well again"
    assert envoy.settles(BUFFERED, 0)


def test_s1_a_body_that_envoy_holds_is_not_kept_twice(provider, gateway):
    """Also over retries, and into another dialect: each attempt reads it anew."""
    text = "ä" * 500_000
    first, second = provider(after(2, reset())), provider(after(1, whole("served")))
    envoy = gateway(
        deployment("m", first), deployment("other", second), router={"fallbacks": [{"m": ["other"]}], "num_retries": 0},
        signalbox={"max_buffered_bytes": 4_000_000, "max_request_bytes": 4_000_000},
    )
    got = {}
    threads = [in_thread(envoy, text + str(n), got) for n in range(6)]
    assert envoy.becomes(lambda: len(first.requests) == 6, 30)
    assert int(envoy.stats().get(BUFFERED, 0)) == 0
    for thread in threads:
        thread.join()
    assert [one[0] for one in got.values()] == [200] * 6
    for upstream, model in ((first, "upstream-model"), (second, "upstream-model")):
        seen = sorted(request.json["messages"][0]["content"] for request in upstream.requests)
        assert seen == [text + str(n) for n in range(6)]
        assert all(request.json["model"] == model for request in upstream.requests)
    assert envoy.settles(BUFFERED, 0)


def test_s1_a_large_body_is_translated_and_waits_for_its_time(provider, gateway):
    """A body that only Envoy has, held back until the provider's `retry-after` is over, and said in another dialect."""
    busy = provider(answer(429, {"error": {"message": "slow down"}}, retry_after=1), whole("served"))
    claude = provider(answer(200, {"id": "msg", "type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
    envoy = gateway(deployment("m", busy), deployment("claude", claude, "anthropic/claude-sonnet-4-5", api_key="os.environ/ANTHROPIC_TEST_KEY"), env={"ANTHROPIC_TEST_KEY": "k"})
    text = "x" * 2_000_000
    assert post(envoy, body(text))[0] == 200
    assert [len(request.json["messages"][0]["content"]) for request in busy.requests] == [len(text)] * 2
    status, got = post(envoy, body(text, "claude"))
    assert status == 200 and got["choices"][0]["message"]["content"] == "hi"
    assert text in json.dumps(claude.requests[0].json["messages"])
    assert post(envoy, body(text, "claude", logprobs=True, n=3))[0] == 400, "what the dialect cannot say is refused in either way"
    assert envoy.settles(BUFFERED, 0)


def endless(size, piece=65_536, begun=b": hi\n\n", then=30):
    """A stream whose event has no end for so many bytes."""
    return stream(begun, b'data: {"x": "', *[b"y" * piece] * (size // piece), then)


def test_s1_streams_without_a_line_end_end_in_an_error_and_cool_nobody(provider, gateway):
    upstream, calm = provider(endless(3_000_000)), provider(stream(*[part for event in tokens(40) for part in (event, 0.05)]))
    envoy = gateway(
        deployment("m", upstream), deployment("calm", calm), router={"num_retries": 0},
        signalbox={"max_buffered_bytes": 4_000_000, "max_request_bytes": 1_000_000},
    )
    got = {}
    untouched = in_thread(envoy, "calm", got, model="calm", stream=True)
    wait_for(calm.requests)
    held = [f"held-{n}" for n in range(8)]
    for name in held:
        in_thread(envoy, name, got, stream=True)
    assert envoy.becomes(lambda: sum(name in got for name in held) >= 6, 15)
    assert all(refused(envoy, one) for name, one in got.items() if name.startswith("held"))
    assert 0 < int(envoy.stats().get(BUFFERED, 0)) <= 4_100_000
    untouched.join()
    assert got["calm"][0] == 200 and got["calm"][2].endswith(DONE), "a small stream goes on"
    assert envoy.stats()["wasmcustom.signalbox.cooling.deployment.m-1"] == "0", "nobody is blamed"


def test_s1_a_stream_that_grows_after_its_first_token_ends_with_an_error_event(provider, gateway):
    first = chunk({"content": "first"})
    upstream = provider(stream(first, 0.5, b'data: {"x": "', *[b"y" * 65_536] * 60, 1))
    envoy = gateway(deployment("m", upstream), signalbox={"max_buffered_bytes": 2_000_000, "max_request_bytes": 1_000_000})
    got = {}
    in_thread(envoy, "x", got, stream=True).join()
    status, kind, text = got["x"]
    assert status == 200 and b"first" in text and b"gateway_overloaded" in text and DONE not in text
    assert envoy.settles(BUFFERED, 0)


def test_s1_a_stream_that_comes_as_one_piece_is_bounded_too(provider, gateway):
    """The first token and an event without an end, which Envoy hands over together."""
    piece = chunk({"content": "first"}) + b'data: {"x": "' + b"y" * 4_000_000
    upstream = provider(stream(b": hi\n\n", 0.2, piece, 1))
    envoy = gateway(deployment("m", upstream), signalbox={"max_buffered_bytes": 2_000_000, "max_request_bytes": 1_000_000})
    got = {}
    in_thread(envoy, "x", got, stream=True).join()
    assert b"gateway_overloaded" in got["x"][2] and DONE not in got["x"][2]
    assert envoy.settles(BUFFERED, 0)


def test_s1_what_was_kept_is_given_back_when_clients_leave(provider, gateway):
    upstream = provider(endless(1_000_000))
    envoy = gateway(deployment("m", upstream), signalbox={"max_buffered_bytes": 40_000_000})
    clients = [connect(envoy, True) for _ in range(10)]
    wait_for(upstream.requests, 10)
    assert envoy.becomes(lambda: int(envoy.stats().get(BUFFERED, 0)) >= 5_000_000, 20)
    for client in clients:
        client.close()
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=10) as connection:
        kept = stripped(1_000_000)
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(kept) + kept)
        wait_for(upstream.requests, 11)
    assert envoy.settles(BUFFERED, 0)
    assert envoy.settles("http.signalbox.downstream_rq_active", 0)


ELSEWHERE = ["../files", "%2e%2e/files", "..%2ffiles", "..%5cfiles", "resp_1/../../files", "resp_1/..;/files", "..;/files", "resp_1/files", "input_tokens", ".", "resp_1%00", "resp_1;x"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_s18_a_responses_path_leads_to_nothing_else_of_its_providers(provider, gateway, method):
    """The gateway's key goes along: files and models of the account could be reached, past every client's limits."""
    upstream = provider(answer(200, {"id": "resp_1", "object": "response"}))
    envoy = gateway(deployment("m", upstream))
    for path in ELSEWHERE:
        for payload in (b"", b'{"model":"another"}'):
            status, got = post(envoy, payload, path=f"/v1/responses/{path}".encode(), method=method.encode())
            assert (status, got["error"]["code"]) == (404, "not_found"), path
    assert post(envoy, b"", path=b"/v1/responses/resp_1", method=b"POST")[0] == 405
    assert upstream.requests == []
    for path, wanted in ((b"/v1/responses/resp_1", "GET"), (b"/v1/responses/resp_1", "DELETE"), (b"/v1/responses/resp_1/cancel", "POST"), (b"/v1/responses/resp_1/input_items?limit=1", "GET")):
        if wanted == method:
            assert post(envoy, b"", path=path, method=method.encode())[0] == 200
            assert upstream.requests[-1].path == path.decode()


@pytest.mark.parametrize("name", ["Model", "MODEL", "mod\\u0045l"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_s19_a_body_names_one_model_in_every_case_of_letters(provider, gateway, path, name):
    """Servers in Go and C# take names in any case: they would serve another model than the one that was looked at."""
    upstream = provider()
    envoy = gateway(deployment("m", upstream))
    rest = ',"max_tokens":5,"input":"hi","messages":[{"role":"user","content":"hi"}]}'
    for text in (f'{{"model":"m","{name}":"other"', f'{{"{name}":"other","model":"m"', f'{{"{name}":"m"'):
        status, got = post(envoy, (text + rest).encode(), path=path.encode())
        assert status == 400 and "model" in got["error"]["message"], got
    assert upstream.requests == []


def form(*fields, boundary="B"):
    """A form of fields, each a head and a value."""
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n' for head, value in fields]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()


CHEAP, SMART, SOUND = ('name="model"', "m"), ('name="model"', "other"), ('name="file"; filename="a; name=model.wav"', "RIFF\0")
FORMS = {
    "the model twice": form(CHEAP, SOUND, SMART),
    "another case": form(CHEAP, SOUND, ('NAME="Model"', "other")),
    "spaces": form(CHEAP, SOUND, ("name = model", "other")),
    "an encoded name": form(CHEAP, SOUND, ("name*=utf-8''model", "other")),
    "two names": form(CHEAP, SOUND, ('name="x"; name="model"', "other")),
    "bare line feeds": form(SMART).replace(b"\r\n", b"\n") + form(CHEAP, SOUND),
    "a folded head": form(CHEAP, SOUND, ('name="x";\r\n name="model"', "other")),
    "a boundary within a head": form(CHEAP, SOUND, ('x="--B"; name="model"', "other")),
    "after the end": form(CHEAP, SOUND) + form(SMART),
    "no end": form(CHEAP, SOUND)[: -len("--B--\r\n")],
    "a preamble": b"preamble\r\n" + form(CHEAP, SOUND),
    "a host": form(CHEAP, SOUND, ('name="api_base"', "http://127.0.0.1:1")),
}


@pytest.mark.parametrize("trick", FORMS)
def test_s19_a_form_is_one_that_every_reader_reads_alike(provider, gateway, trick):
    upstream = provider(answer(200, {"text": "hi"}))
    envoy = gateway(deployment("m", upstream))
    ask = {"path": b"/v1/audio/transcriptions", "headers": b"content-type: multipart/form-data; boundary=B\r\n"}
    status, got = post(envoy, FORMS[trick], **ask)
    assert status == 400 and got["error"]["type"] == "invalid_request_error", got
    assert upstream.requests == []
    assert post(envoy, form(CHEAP, SOUND), **ask)[0] == 200, "a plain one is served"
    two = ask | {"headers": b"content-type: multipart/form-data; boundary=A; boundary=B\r\n"}
    assert post(envoy, form(CHEAP, SOUND), **two)[0] == 400


def test_s20_what_a_path_asks_is_not_in_the_log(provider, gateway):
    """Clients of other gateways put keys there."""
    envoy = gateway(deployment("m", provider()), signalbox={"access_log": True})
    post(envoy, body("hi"), path=b"/v1/chat/completions?key=sk-secret-of-a-client&beta=true")
    assert envoy.becomes(lambda: " 200 POST /v1/chat/completions m -> " in envoy.log), envoy.log
    assert "sk-secret" not in envoy.log


@pytest.mark.parametrize("more", ["content-length: 5\r\n", "transfer-encoding: chunked\r\n", "transfer-encoding: xchunked\r\n", "x-signalbox-retry : now\r\n", "host: elsewhere\r\n", "connection: Upgrade\r\nupgrade: websocket\r\n"])
def test_s21_a_request_that_ends_in_two_places_or_becomes_another_is_refused(provider, gateway, more):
    upstream = provider()
    envoy = gateway(deployment("m", upstream))
    status, got = post(envoy, body("hi"), more.encode())
    assert status in (400, 403) and set(got["error"]) == {"message", "type", "param", "code"}, got
    assert upstream.requests == []


@pytest.mark.parametrize("kind", ["gemini/*", "vertex_ai/*", "vertex_ai/claude-*", "azure/*", "openai/*"])
def test_s22_a_models_name_leads_to_no_other_path_and_splits_no_header(provider, gateway, kind):
    """Where a pattern takes what a client names, and a provider has it in its path."""
    upstream = provider(error(400, "it cannot be read"))
    place = {"vertex_project": "p", "vertex_location": "us-central1"} if kind.startswith("vertex") else {}
    envoy = gateway(deployment("any/*", upstream, kind, **place), router={"num_retries": 0, "disable_cooldowns": True})
    for name in ("..", "../../files", "a/../../files", "./a", "a/.."):
        status, got = post(envoy, body("hi", f"any/{name}"))
        assert (status, got["error"]["code"]) == (404, "model_not_found"), name
    assert upstream.requests == []
    for name in ("a?key=x", "a#b", "a%2f..%2fb", "a b", "a\r\nx-evil: 1", "a\0b", "é", "a\\..\\b", "x" * 3000):
        status, got = post(envoy, body("hi", f"any/{name}"))
        assert status in (400, 502), (name, got)
        sent = upstream.requests[-1]
        assert "/../" not in sent.path and not {" ", "#", "\0", "\\"} & set(sent.path) and "x-evil" not in sent.headers, sent.path
        assert "key=x" not in sent.path.partition("?")[2] and "%2f.." not in sent.path
