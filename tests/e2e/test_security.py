"""What an attack found (the numbers are the attack's), and what must be true since."""

import http.client
import json
import sys
import threading
from pathlib import Path

import pytest
from gateway import WASM, deployment
from provider import reset, silent, whole
from raw import post, wait_for

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
    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", envoy.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", body(text, **more))
        answer = connection.getresponse()
        got[text] = answer.status, answer.getheader("content-type"), answer.read()
        connection.close()

    thread = threading.Thread(target=ask)
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
    wait_for(upstream.requests, 4)
    for thread in old + new:
        thread.join()
    assert envoy.traps() == 1
    asked = sorted(request.json["messages"][0]["content"] for request in upstream.requests)
    assert asked == ["new-0", "new-1", "old-0", "old-1"], "each prompt went out once, for its own client"
    for n in range(2):
        assert got[f"new-{n}"][0] == 200 and b"for the new ones" in got[f"new-{n}"][2]
        assert got[f"old-{n}"][0] == 503, got[f"old-{n}"]
    assert envoy.settles("http.signalbox.downstream_rq_active", 0)
