"""`signalbox.health_check`: the gateway asks a cooling deployment itself, and no client has to find out."""

import json
import subprocess
import time
import urllib.request

import pytest
from aws import signature_fits
from gateway import SIGNALBOX, deployment
from provider import answer, error, whole
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


AWS = {"AWS_ACCESS_KEY_ID": "AKIDPROBE", "AWS_SECRET_ACCESS_KEY": "probe", "AWS_EC2_METADATA_DISABLED": "true"}
# The model: the base, what else its deployment says, the path and the header of the key that it is asked by, and where the limit of one token stands.
PROBED = {
    "gemini/gemini-2.5-flash": ("/v1beta", {}, "/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key", ["generationConfig", "maxOutputTokens"]),
    "cohere/command-a-03-2025": ("/v2", {}, "/v2/chat", "authorization", ["max_tokens"]),
    "ollama/llama3.2": ("", {}, "/api/chat", "authorization", ["options", "num_predict"]),
    "mistral/mistral-small-latest": ("/v1", {}, "/v1/chat/completions", "authorization", ["max_tokens"]),
    "azure/prod": ("", {"api_version": "2024-10-21"}, "/openai/deployments/prod/chat/completions", "api-key", ["max_tokens"]),
    "azure/responses/prod": ("", {"api_version": "2025-04-01-preview"}, "/openai/responses", "api-key", ["max_output_tokens"]),
    "bedrock/amazon.nova-lite-v1:0": ("", {"aws_region_name": "us-east-1"}, "/model/amazon.nova-lite-v1%3A0/converse", None, ["inferenceConfig", "maxTokens"]),
}


def named(model):
    return model.replace("/", ".").replace(":", ".")


@pytest.fixture(scope="module")
def simulators():
    """One for each model, by its name."""
    listeners = [f"--listen={named(model)}=127.0.0.1:0" for model in PROBED]
    sim = subprocess.Popen([SIGNALBOX, "sim", "--quiet", *listeners], stdout=subprocess.PIPE, text=True)
    yield {model: sim.stdout.readline().split()[1] for model in PROBED}
    sim.terminate()
    sim.wait()


def test_each_dialect_is_asked_in_its_own_words(simulators, provider, gateway):
    """Ill twice, to a client and to a probe; the next probe finds it well."""
    spare, deployments = provider(), []
    for model, (base, params, _, key, _) in PROBED.items():
        urllib.request.urlopen(f"{simulators[model]}/sim/fault", data=b"status=503,times=2").close()
        params = {"model": model, "api_base": simulators[model] + base, "order": 1} | params | ({"api_key": "os.environ/PROBE_KEY"} if key else {})
        deployments += [{"model_name": model, "litellm_params": params, "model_info": {"id": named(model)}}]
        deployments += [deployment(model, spare, id=f"spare.{len(deployments)}", order=2)]
    envoy = gateway(*deployments, signalbox=CHECKED, env=AWS | {"PROBE_KEY": "sk-probed"})
    asked = {}

    def are_probed():
        for model in PROBED:
            with urllib.request.urlopen(f"{simulators[model]}/sim/requests") as said:
                asked[model] = json.load(said)
        return all(len(seen) >= 3 for seen in asked.values())

    for model in PROBED:
        assert served_by(envoy, model).startswith("spare")
    assert envoy.becomes(are_probed), {model: len(seen) for model, seen in asked.items()}
    for model, (_, _, path, key, limit) in PROBED.items():
        client, *probes = asked[model]
        assert [probe["status"] for probe in probes] == [503, 200], model
        for probe in probes:
            told = probe["body"]
            for name in limit:
                told = told[name]
            assert (told, probe["path"], probe["stream"]) == (1 if "responses" not in model else 16, path, False), model
            assert "ping" in json.dumps(probe["body"])
            if key:
                assert probe["headers"][key].removeprefix("Bearer ") == "sk-probed", model
            else:
                assert signature_fits(probe["path"], probe["headers"], AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"], "us-east-1")
    time.sleep(0.3)
    for model in PROBED:
        assert served_by(envoy, model) == named(model), "it is well again"


def test_what_embeds_is_asked_for_an_embedding(provider, gateway):
    ok = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}
    first = provider(error(503), answer(200, ok))
    second = provider(answer(200, ok))
    ollama = provider(error(503), answer(200, {"model": "e", "embeddings": [[0.5]]}))
    envoy = gateway(
        deployment("m", first, "openai/text-embedding-3-small", id="first", order=1),
        deployment("m", second, "openai/text-embedding-3-small", id="second", order=2),
        deployment("o", ollama, "ollama/nomic-embed-text", id="third", order=1),
        deployment("o", second, "openai/text-embedding-3-small", id="fourth", order=2),
        signalbox=CHECKED,
    )
    for model in ("m", "o"):
        envoy.client().embeddings.create(model=model, input="a", encoding_format="float")
    assert envoy.becomes(lambda: len(first.requests) > 1 and len(ollama.requests) > 1)
    assert (first.requests[1].path, first.requests[1].json) == ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "ping"})
    assert (ollama.requests[1].path, ollama.requests[1].json["input"]) == ("/api/embed", ["ping"])
