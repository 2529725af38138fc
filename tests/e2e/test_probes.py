"""`signalbox.health_check`: the gateway asks a cooling deployment itself, and no client has to find out."""

import json
import time

from gateway import deployment
from provider import error, whole
from raw import post

HELLO = [{"role": "user", "content": "hello"}]
CHECKED = {"health_check": {"interval": 0.3, "timeout": 2}}


def served_by(envoy, model="m", **more):
    return envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, **more).headers["x-signalbox-deployment"]


def is_probe(request):
    return request.json["messages"] == [{"role": "user", "content": "ping"}]


def test_a_deployment_recovers_without_a_client(provider, gateway):
    # A success of a probe is not streamed and has one token.
    first, second = provider(error(503, retry_after="60"), error(503), whole("p")), provider()
    envoy = gateway(
        deployment("m", first, id="first", order=1, api_key="os.environ/FIRST_KEY"),
        deployment("m", second, id="second", order=2),
        signalbox=CHECKED,
        env={"FIRST_KEY": "sk-first"},
        concurrency=2,
    )
    assert served_by(envoy) == "second"
    assert envoy.becomes(lambda: len(first.requests) >= 3)
    time.sleep(0.5)
    client, *probes = first.requests
    assert not is_probe(client)
    assert len(probes) == 2 and all(is_probe(probe) for probe in probes), "until it is well, and no longer"
    gaps = [b.at - a.at for a, b in zip(probes, probes[1:])]
    assert all(gap > 0.2 for gap in gaps), f"one worker at a time: {gaps}"
    for probe in probes:
        assert probe.json["max_completion_tokens"] == 1 and probe.json["model"] == "upstream-model"
        assert probe.headers["authorization"] == "Bearer sk-first", "with the credentials of its cluster"
        assert probe.path == "/v1/chat/completions"
        told = {name for name in probe.headers if name.startswith(("x-signalbox", "x-envoy", "x-forwarded"))}
        assert told == set()
    assert served_by(envoy) == "first", "though the provider had asked for a minute"


def test_who_stays_ill_stays_out(provider, gateway):
    first, second = provider(error(401)), provider()
    envoy = gateway(deployment("m", first, id="first", order=1), deployment("m", second, id="second", order=2), signalbox=CHECKED, router={"cooldown_time": 30})
    assert served_by(envoy) == "second"
    began = time.monotonic()
    assert envoy.becomes(lambda: len(first.requests) >= 4)
    assert len(first.requests) <= 2 + (time.monotonic() - began) / 0.3, "no oftener than was wished"
    assert [served_by(envoy) for _ in range(3)] == ["second"] * 3
    assert [is_probe(request) for request in first.requests] == [False] + [True] * (len(first.requests) - 1)


def test_who_is_well_is_not_asked(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream, id="only"), signalbox=CHECKED)
    assert served_by(envoy) == "only"
    time.sleep(0.8)
    assert len(upstream.requests) == 1


def test_a_client_cannot_pass_for_a_probe(provider, gateway):
    upstream = provider()
    envoy = gateway(deployment("m", upstream, id="only"))
    body = json.dumps({"model": "m", "messages": HELLO}).encode()
    status, _ = post(envoy, body, b"x-signalbox-probe: 1\r\ncontent-type: application/json\r\nx-secret: of-the-client\r\n")
    assert status == 200
    (request,) = upstream.requests
    assert request.json["model"] == "upstream-model", "rewritten like any request"
    assert "x-signalbox-probe" not in request.headers and "x-secret" not in request.headers
