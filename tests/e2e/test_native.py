"""Providers asked by their own dialects: Ollama's lines of JSON, Cohere's events, embeddings of both, and what strict providers refuse."""

import json

import pytest
from gateway import deployment
from provider import answer, error, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
ITEM = {"model": "llama3.1", "message": {"role": "assistant", "content": ""}, "done": False}


def line(content="", **more):
    return json.dumps(ITEM | {"message": {"role": "assistant", "content": content}} | more).encode() + b"\n"


LAST = line(done=True, done_reason="stop", prompt_eval_count=7, eval_count=2)


def told(envoy):
    chunks = envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True)
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_g47_ollamas_lines_are_a_stream_however_they_are_cut(provider, gateway):
    first, second = line("Hel"), line("lo")
    upstream = provider(stream(first[:20], first[20:] + second[:9], second[9:] + LAST))
    envoy = gateway(deployment("m", upstream, "ollama/llama3.1"))
    assert told(envoy) == "Hello"
    [asked] = upstream.requests
    assert (asked.path, asked.json["stream"]) == ("/api/chat", True)


def test_g47_an_error_of_ollamas_before_the_first_token_moves_on(provider, gateway):
    broken = provider(stream(b'{"error":"an error was encountered while running the model"}\n'))
    envoy = gateway(deployment("m", broken, "ollama/llama3.1", order=1), deployment("m", provider(stream(line("ok"), LAST)), "ollama/b", order=2))
    assert told(envoy) == "ok"


def test_g45_an_image_by_url_goes_to_a_deployment_that_takes_it(provider, gateway):
    blind, other = provider(error(500)), provider(whole("seen"))
    envoy = gateway(deployment("m", blind, "ollama_chat/llama3.1", order=1), deployment("m", other, order=2))
    image = [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}]
    got = envoy.client().chat.completions.create(model="m", messages=[{"role": "user", "content": image}])
    assert got.choices[0].message.content == "seen" and not blind.requests


@pytest.mark.parametrize("model, path, body", [
    ("ollama/nomic-embed-text", "/api/embed", {"model": "n", "embeddings": [[0.5, 0.25], [1, 0]], "prompt_eval_count": 4}),
    ("cohere/embed-v4.0", "/embed", {"id": "e", "embeddings": {"float": [[0.5, 0.25], [1, 0]]}, "meta": {"billed_units": {"input_tokens": 4}}}),
])
def test_embeddings_of_another_dialect_reach_the_sdk(provider, gateway, model, path, body):
    upstream = provider(answer(200, body))
    envoy = gateway(deployment("m", upstream, model))
    got = envoy.client().embeddings.create(model="m", input=["a", "b"])
    assert ([item.embedding for item in got.data], got.usage.prompt_tokens) == ([[0.5, 0.25], [1.0, 0.0]], 4)
    assert upstream.requests[0].path == path


def test_g34_mistral_gets_turns_in_its_order(provider, gateway):
    upstream = provider(whole("ok"))
    envoy = gateway(deployment("m", upstream.base + "/v1", "mistral/mistral-large-latest"))
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}, {"role": "tool", "tool_call_id": "call_1", "content": "1"}, *HELLO]
    envoy.client().chat.completions.create(model="m", messages=turns)
    sent = upstream.requests[0].json["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert "refusal" not in sent[1] and len(sent[2]["tool_call_id"]) == 9
