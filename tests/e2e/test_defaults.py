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


@pytest.mark.parametrize("member", ["api_base", "base_url", "api_key", "user_config", "litellm_credential_name"])
def test_a_client_names_no_host_and_no_key(gateway, provider, member):
    upstream = provider(whole("hi"))
    envoy = gateway(deployment("m", upstream))
    with pytest.raises(openai.BadRequestError) as raised:
        envoy.client().chat.completions.create(model="m", messages=HELLO, extra_body={member: "http://other.test/v1"})
    assert raised.value.param == member and "other.test" not in str(raised.value)
    assert not upstream.requests
