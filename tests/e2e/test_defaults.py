"""What a deployment brings: parameters where the client gives none, `extra_body`, and headers that reach its provider and nobody else."""

import openai
import pytest
from gateway import deployment
from provider import USAGE, answer, error, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]
CLAUDE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}


def test_case_08_defaults_of_a_deployment_are_sent_and_those_of_others_are_not(gateway, provider):
    first, second, claude = provider(error(500)), provider(error(500)), provider(answer(200, CLAUDE))
    brought = {
        "api_key": "os.environ/HOUSE_KEY",
        "temperature": 0.1,
        "max_tokens": 77,
        "frequency_penalty": 0.2,
        "extra_body": {"top_k": 5},
        "extra_headers": {"x-team": "red 100%", "x-secret-note": "os.environ/NOTE"},
    }
    envoy = gateway(
        deployment("m", first, **brought),
        deployment("plain", second),
        deployment("claude", claude, model="anthropic/claude-haiku-4-5", api_key="os.environ/HOUSE_KEY", temperature=0.3, frequency_penalty=1, max_tokens=9, extra_body={"top_k": 7}),
        router={"num_retries": 0, "fallbacks": [{"m": ["plain", "claude"]}]},
        env={"NOTE": "a secret", "HOUSE_KEY": "k"},
    )
    reply = envoy.client().chat.completions.create(model="m", messages=HELLO, temperature=0.5)
    assert reply.choices[0].message.content == "hi"
    (sent,), (plain,), (translated,) = first.requests, second.requests, claude.requests
    assert sent.json == {"model": "upstream-model", "messages": HELLO, "temperature": 0.5, "max_tokens": 77, "frequency_penalty": 0.2, "top_k": 5}
    assert sent.headers["x-team"] == "red 100%" and sent.headers["x-secret-note"] == "a secret"
    assert sent.headers["authorization"] == "Bearer k" and sent.headers["content-length"] == str(len(sent.body))
    # The next deployments see the client's own request, and no header of the first.
    assert plain.json == {"model": "upstream-model", "messages": HELLO, "temperature": 0.5}
    assert "x-team" not in plain.headers and "x-secret-note" not in plain.headers
    body = translated.json
    assert (body["temperature"], body["max_tokens"], body["top_k"]) == (0.5, 9, 7)
    assert "frequency_penalty" not in body and "x-team" not in translated.headers
    bootstrap = envoy.bootstrap.read_text()
    assert "a secret" not in bootstrap and "frequency_penalty" in bootstrap


def test_case_08_a_client_cannot_send_a_header_that_the_deployment_brings(gateway, provider):
    upstream = provider(whole("hi"))
    envoy = gateway(deployment("m", upstream, extra_headers={"user-agent": "house/1"}, organization="org-7"))
    envoy.client(organization="org-client").chat.completions.create(model="m", messages=HELLO)
    (sent,) = upstream.requests
    assert sent.headers["user-agent"] == "house/1" and sent.headers["openai-organization"] == "org-7"


def test_case_08_streams_embeddings_and_completions_have_theirs(gateway, provider):
    upstream = provider(stream(*tokens(2)))
    envoy = gateway(
        deployment("m", upstream, temperature=0, stop=["x"], tools=[{"type": "function", "function": {"name": "f"}}], dimensions=3, extra_body={"store": True}, input_cost_per_token=1e-6, additional_drop_params=["seed"])
    )
    list(envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, seed=1))
    upstream.play(answer(200, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}], "model": "e", "usage": USAGE}))
    envoy.client().embeddings.create(model="m", input="x", encoding_format="float")
    chat, embedding = (request.json for request in upstream.requests)
    assert chat.pop("stream_options") == {"include_usage": True}, "the gateway's own wish stands beside"
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert chat == {"model": "upstream-model", "messages": HELLO, "stream": True, "temperature": 0, "stop": ["x"], "tools": tools, "store": True}
    assert embedding == {"model": "upstream-model", "input": "x", "encoding_format": "float", "dimensions": 3, "store": True}


def test_a_path_is_dropped_in_the_providers_own_shape(gateway, provider):
    first, claude = provider(error(500)), provider(answer(200, CLAUDE))
    dropped = ["tools[*].function.strict", "tools[*].strict", "messages[*].content"]
    envoy = gateway(
        deployment("m", first, additional_drop_params=dropped),
        deployment("claude", claude, model="anthropic/claude-haiku-4-5", additional_drop_params=["tools[*].input_schema.title"]),
        router={"num_retries": 0, "fallbacks": [{"m": ["claude"]}]},
    )
    schema = {"type": "object", "title": "T", "properties": {"strict": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    reply = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO, tools=[tool])
    (sent,), (translated,) = first.requests, claude.requests
    assert sent.json == {"model": "upstream-model", "messages": HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    assert "title" not in translated.json["tools"][0]["input_schema"] and "properties" in translated.json["tools"][0]["input_schema"]
    assert "tools[*].input_schema.title" in reply.headers["x-signalbox-dropped-params"]


def test_c2_thinking_of_a_deployment_yields_to_what_the_client_says_of_it(gateway, provider):
    claude = provider(answer(200, CLAUDE))
    thinking = {"type": "enabled", "budget_tokens": 2048}
    envoy = gateway(deployment("m", claude, model="anthropic/claude-sonnet-4-5", thinking=thinking, cache_control={"type": "ephemeral"}))
    envoy.client().chat.completions.create(model="m", messages=HELLO)
    envoy.client().chat.completions.create(model="m", messages=HELLO, reasoning_effort="low")
    first, second = (request.json for request in claude.requests)
    assert first["thinking"] == thinking and first["cache_control"] == {"type": "ephemeral"}
    assert second["thinking"] == {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize(("options", "gets"), [({}, True), ({"stream_options": {"include_usage": False}}, False)])
def test_stream_options_of_a_deployment_are_for_streams_and_yield_to_the_clients(gateway, provider, options, gets):
    upstream = provider(stream(*tokens(2)))
    envoy = gateway(deployment("m", upstream, stream_options={"include_usage": True}, input_cost_per_token=1e-6))
    chunks = list(envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, **options))
    assert any(chunk.usage for chunk in chunks) is gets
    upstream.play(whole("hi"))
    envoy.client().chat.completions.create(model="m", messages=HELLO)
    streamed, plain = (request.json for request in upstream.requests)
    assert streamed["stream_options"] == {"include_usage": True}, "the gateway counts what the client does not want to see"
    assert "stream_options" not in plain


def test_fireworks_short_names_are_made_full_ones(gateway, provider):
    upstream = provider(whole("hi"))
    envoy = gateway(deployment("m", upstream, model="fireworks_ai/llama"), deployment("w/*", upstream, model="fireworks_ai/*"))
    for name in ("m", "w/other", "w/accounts/me/models/x"):
        envoy.client().chat.completions.create(model=name, messages=HELLO)
    upstream.play(answer(200, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}], "model": "e", "usage": USAGE}))
    envoy.client().embeddings.create(model="m", input="x", encoding_format="float")
    wanted = ["accounts/fireworks/models/llama", "accounts/fireworks/models/other", "accounts/me/models/x", "llama"]
    assert [request.json["model"] for request in upstream.requests] == wanted


@pytest.mark.parametrize("member", ["api_base", "base_url", "api_key", "user_config", "litellm_credential_name"])
def test_a_client_names_no_host_and_no_key(gateway, provider, member):
    upstream = provider(whole("hi"))
    envoy = gateway(deployment("m", upstream))
    with pytest.raises(openai.BadRequestError) as raised:
        envoy.client().chat.completions.create(model="m", messages=HELLO, extra_body={member: "http://other.test/v1"})
    assert raised.value.param == member and "other.test" not in str(raised.value)
    assert not upstream.requests
