"""Gemini's wire behind OpenAI's SDK: requests, answers, streams and failures through the real Envoy."""

import httpx
import openai
import pytest
from anthropic_wire import message
from gateway import deployment
from google_wire import call, generated, refusal, said, streamed
from provider import answer, error, whole

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
FLASH = "gemini/gemini-3-flash-preview"
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
OFF = {"num_retries": 0, "disable_cooldowns": True}


def ask(envoy, messages=HELLO, **options):
    return envoy.client().chat.completions.create(model="m", messages=messages, **options)


def test_a_plain_conversation_and_its_key(provider, gateway):
    upstream = provider(generated("Hi."))
    envoy = gateway(deployment("m", upstream, FLASH, api_key="os.environ/GEMINI_API_KEY"), router=OFF, env={"GEMINI_API_KEY": "k-1"})
    said = ask(envoy, max_tokens=9)
    assert (said.choices[0].message.content, said.choices[0].finish_reason, said.usage.total_tokens) == ("Hi.", "stop", 13)
    (asked,) = upstream.requests
    assert asked.path == "/models/gemini-3-flash-preview:generateContent"
    assert asked.headers["x-goog-api-key"] == "k-1" and "authorization" not in asked.headers
    assert asked.json == {
        "contents": [{"role": "user", "parts": [{"text": "hello"}]}],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"maxOutputTokens": 9},
    }


def test_g1_a_tool_loop_in_a_stream_keeps_the_signature(provider, gateway):
    upstream = provider(
        streamed(said(call("weather", {"city": "Oslo"}, "U0lHMQ==")), said(call("weather", {"city": "Rome"})), said(finish="STOP")),
        streamed(said("It is "), said("fine."), said(finish="STOP")),
    )
    envoy = gateway(deployment("m", upstream, FLASH), router=OFF)
    with envoy.client().chat.completions.stream(model="m", messages=HELLO, tools=[WEATHER]) as events:
        message = events.get_final_completion().choices[0].message
    assert [made.function.arguments for made in message.tool_calls] == ['{"city":"Oslo"}', '{"city":"Rome"}']
    history = [*HELLO, message.model_dump(exclude_none=True)]
    for made in message.tool_calls:
        history.append({"role": "tool", "tool_call_id": made.id, "content": "fine"})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in ask(envoy, history, tools=[WEATHER], stream=True) if chunk.choices)
    assert text == "It is fine."
    assert [asked.path for asked in upstream.requests] == ["/models/gemini-3-flash-preview:streamGenerateContent?alt=sse"] * 2
    _, model, results = upstream.requests[1].json["contents"]
    assert [part.get("thoughtSignature") for part in model["parts"]] == ["U0lHMQ==", None]
    assert [part["functionResponse"]["response"] for part in results["parts"]] == [{"output": "fine"}] * 2


@pytest.mark.parametrize("first", ["gemini", "openai"])
def test_failover_across_dialects(first, provider, gateway):
    google, other = provider(), provider()
    entries = {"gemini": deployment("m", google, FLASH, order=1 if first == "gemini" else 2), "openai": deployment("m", other, order=2 if first == "gemini" else 1)}
    envoy = gateway(*entries.values(), router=OFF | {"num_retries": 1})
    if first == "gemini":
        google.play(refusal(503, "UNAVAILABLE", "The model is overloaded. Please try again later."))
        other.play(whole("from openai"))
    else:
        other.play(error(500))
        google.play(generated("from gemini"))
    assert ask(envoy).choices[0].message.content == f"from {'openai' if first == 'gemini' else 'gemini'}"


def test_g26_an_answer_that_is_none_moves_on(provider, gateway):
    broken = said(finish="MALFORMED_FUNCTION_CALL")
    google, other = provider(streamed(broken)), provider(streamed(said("well", finish="STOP")))
    envoy = gateway(deployment("m", google, FLASH, order=1), deployment("m", other, FLASH, order=2), router=OFF | {"num_retries": 1})
    text = "".join(chunk.choices[0].delta.content or "" for chunk in ask(envoy, stream=True) if chunk.choices)
    assert (text, len(google.requests), len(other.requests)) == ("well", 1, 1)


def test_g32_a_rate_limit_says_how_long(provider, gateway):
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "45.837906927s"}
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}]}
    google = provider(refusal(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", quota, retry))
    envoy = gateway(deployment("m", google, FLASH), router=OFF)
    with pytest.raises(openai.RateLimitError) as told:
        ask(envoy)
    assert told.value.response.headers["retry-after"] == "46"


@pytest.fixture
def vertex(provider, gateway, monkeypatch):
    """A gateway in front of a scripted Vertex AI, with a scripted metadata server that gives the token `ya29.t`."""
    token = {"access_token": "ya29.t", "expires_in": 3599, "token_type": "Bearer"}
    metadata = provider(*[answer(200, token)] * 20)
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")

    def make(upstream, model, router=OFF, more=(), **params):
        entry = deployment("m", upstream, model, **{"vertex_project": "p-1", "vertex_location": "global"} | params)
        envoy = gateway(entry, *more, router=router, alone=True)
        envoy.metadata = metadata
        return envoy

    return make


def test_vertex_by_the_token_of_the_metadata_server(provider, vertex):
    upstream = provider(generated("Hi."), streamed(said("He"), said("llo", finish="STOP")))
    envoy = vertex(upstream, "vertex_ai/google/gemini-2.5-flash")
    assert ask(envoy).choices[0].message.content == "Hi."
    assert "".join(chunk.choices[0].delta.content or "" for chunk in ask(envoy, stream=True) if chunk.choices) == "Hello"
    whole_path = "/v1/projects/p-1/locations/global/publishers/google/models/gemini-2.5-flash"
    assert [asked.path for asked in upstream.requests] == [f"{whole_path}:generateContent", f"{whole_path}:streamGenerateContent?alt=sse"]
    for asked in upstream.requests:
        assert asked.headers["authorization"] == "Bearer ya29.t"
        assert asked.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert not [name for name in asked.headers if name.startswith(("x-signalbox", "x-envoy", "x-forwarded"))]
    tokens = [asked for asked in envoy.metadata.requests if "service-accounts/default/token" in asked.path]
    assert len(tokens) == 1 and tokens[0].headers["metadata-flavor"] == "Google", "asked once, then kept"
    assert "ya29.t" not in envoy.bootstrap.read_text()


def test_claude_on_vertex(provider, vertex):
    reply = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "Hi."}]}
    upstream = provider(answer(200, reply | {"stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2}}))
    envoy = vertex(upstream, "vertex_ai/claude-sonnet-4-5@20250929")
    assert ask(envoy, max_tokens=9).choices[0].message.content == "Hi."
    (asked,) = upstream.requests
    assert asked.path == "/v1/projects/p-1/locations/global/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict"
    assert asked.headers["authorization"] == "Bearer ya29.t" and "x-api-key" not in asked.headers
    assert asked.json["anthropic_version"] == "vertex-2023-10-16" and "model" not in asked.json
    # The client's own bytes, but for the model.
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    got = httpx.post(f"{envoy.base}/v1/messages", json=body, headers={"anthropic-version": "2023-06-01"})
    assert got.status_code == 200 and got.json()["content"][0]["text"] == "Hi."
    assert upstream.requests[1].json == {"max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "anthropic_version": "vertex-2023-10-16"}


def test_claude_on_vertex_is_told_of_the_flags_that_it_knows(provider, vertex):
    upstream = provider(message("from claude"))
    envoy = vertex(upstream, "vertex_ai/claude-sonnet-4-5@20250929")
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    for flags, wanted, unknown in [
        ("oauth-2025-04-20, context-1m-2025-08-07,interleaved-thinking-2025-05-14", "context-1m-2025-08-07,interleaved-thinking-2025-05-14", "anthropic_beta.oauth-2025-04-20"),
        ("effort-2025-11-24", None, "anthropic_beta.effort-2025-11-24"),
        ("context-1m-2025-08-07", "context-1m-2025-08-07", None),
    ]:
        got = httpx.post(f"{envoy.base}/v1/messages", json=body, headers={"anthropic-beta": flags, "anthropic-version": "2023-06-01"})
        assert got.status_code == 200, got.text
        assert got.headers.get("x-signalbox-dropped-params") == unknown
        sent = upstream.requests[-1]
        assert sent.headers.get("anthropic-beta") == wanted and "anthropic-version" not in sent.headers


def test_claude_on_vertex_fetches_nothing(provider, vertex):
    upstream, other = provider(message("from vertex")), provider(message("from anthropic"))
    pointed = {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}}
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [pointed]}]}
    envoy = vertex(upstream, "vertex_ai/claude-sonnet-4-5@20250929", more=[deployment("m", other, "anthropic/claude-haiku-4-5", order=2)], order=1)
    assert httpx.post(f"{envoy.base}/v1/messages", json=body).json()["content"][0]["text"] == "from anthropic"
    assert upstream.requests == []
    alone = vertex(upstream, "vertex_ai/claude-sonnet-4-5@20250929")
    refused = httpx.post(f"{alone.base}/v1/messages", json=body)
    assert refused.status_code == 400 and "messages[0].content[0]" in refused.json()["error"]["message"], refused.text
    assert upstream.requests == []


def test_vertex_fails_over_behind_the_hop(provider, vertex):
    upstream, other = provider(refusal(503, "UNAVAILABLE", "The service is currently unavailable.")), provider(whole("from openai"))
    envoy = vertex(upstream, "vertex_ai/gemini-2.5-flash", router=OFF | {"num_retries": 1}, more=[deployment("m", other, order=2)], order=1)
    assert ask(envoy).choices[0].message.content == "from openai"
    assert len(upstream.requests) == 1


def test_vertex_by_a_token_that_somebody_else_renews(provider, gateway):
    upstream = provider(generated("Hi."))
    entry = deployment("m", upstream, "vertex_ai/gemini-2.5-flash", vertex_project="p", vertex_credentials="/nowhere.json")
    envoy = gateway(entry, router=OFF, env={"VERTEXAI_ACCESS_TOKEN": "ya29.own"})
    assert ask(envoy).choices[0].message.content == "Hi."
    assert upstream.requests[0].headers["authorization"] == "Bearer ya29.own"
