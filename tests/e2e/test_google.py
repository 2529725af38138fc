"""Gemini's wire behind OpenAI's SDK: requests, answers, streams and failures through the real Envoy."""

import openai
import pytest
from gateway import deployment
from google_wire import call, generated, refusal, said, streamed
from provider import error, whole

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
