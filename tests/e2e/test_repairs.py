"""What compatible servers write otherwise than clients read is put right on the way, for OpenAI's SDK and for Anthropic's."""

import json

import pytest
from gateway import Gateway, deployment
from provider import DONE, Provider, answer, chunk, stream, whole

HELLO = [{"role": "user", "content": "hello"}]


def call(name, arguments, index=0, **more):
    return {"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}} | more]}


def event(**more):
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"} | more
    return f"data: {json.dumps(body)}\n\n".encode()


def counted(tokens):
    return {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    provider = Provider()
    envoy = Gateway(tmp_path_factory.mktemp("gateway"), [deployment("m", provider, "hosted_vllm/m")])

    def play(behaviour):
        provider.play(behaviour)
        return envoy

    yield play
    envoy.close()
    provider.close()


def chunks_of(envoy, **more):
    return list(envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, **more))


def calls_of(chunks):
    """The calls as clients put them together."""
    calls = {}
    for piece in [piece for chunk in chunks for choice in chunk.choices for piece in choice.delta.tool_calls or []]:
        known = calls.setdefault(piece.index, {"id": piece.id, "name": piece.function.name, "arguments": ""})
        known["arguments"] += piece.function.arguments
        assert known["id"] == (piece.id or known["id"])
    return calls


def ends_of(chunks):
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def test_k49_k50_k51_each_call_has_its_number_and_id(served):
    pieces = [
        call("f", '{"x"', id="a", type="function"),
        call("", ":1}", id=""),
        call("g", '{"x":2}', id="b", type="function"),
        call("h", {"x": 3}),
    ]
    envoy = served(stream(*[chunk(piece) for piece in pieces], chunk({}, finish="stop"), DONE))
    chunks = chunks_of(envoy)
    calls = calls_of(chunks)
    assert [(number, each["name"], json.loads(each["arguments"])) for number, each in calls.items()] == [
        (0, "f", {"x": 1}),
        (1, "g", {"x": 2}),
        (2, "h", {"x": 3}),
    ]
    assert [calls[0]["id"], calls[1]["id"]] == ["a", "b"] and calls[2]["id"]
    assert ends_of(chunks) == ["tool_calls"]


def test_k53_k61_a_stream_has_an_end_that_clients_know(served):
    hi = chunk({"content": "Hi"})
    assert ends_of(chunks_of(served(stream(hi, DONE)))) == ["stop"]
    assert ends_of(chunks_of(served(stream(hi, chunk({}, finish="eos_token"), DONE)))) == ["stop"]
    assert ends_of(chunks_of(served(stream(chunk(call("f", "{}", id="a")), DONE)))) == ["tool_calls"]


def test_k57_usage_is_told_once(served):
    texts = [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}, {"index": 0, "delta": {}, "finish_reason": "stop"}]
    growing = [event(choices=[choice], usage=counted(n)) for n, choice in enumerate(texts, 1)]
    in_choice = [event(choices=texts[:1]), event(choices=[texts[1] | {"usage": counted(2)}])]
    for parts in (growing, in_choice):
        asked = chunks_of(served(stream(*parts, DONE)), stream_options={"include_usage": True})
        told = [(len(chunk.choices), chunk.usage.completion_tokens) for chunk in asked if chunk.usage]
        assert told == [(0, 2)]
    assert [chunk for chunk in chunks_of(served(stream(*growing, DONE))) if chunk.usage] == []


def test_k51_k52_k56_k58_a_whole_answer(served):
    called = {"function": {"name": "f", "arguments": {"city": "Rome"}}}
    message = {"role": "assistant", "content": None, "reasoning": "h", "tool_calls": [called]}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    behaviour = answer(200, body | {"usage": {"input_tokens": 11, "output_tokens": 2}})
    got = served(behaviour).client().chat.completions.create(model="m", messages=HELLO)
    (choice,) = got.choices
    (made,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.reasoning_content) == ("tool_calls", "h")
    assert (made.id[:5], made.type, made.function.arguments) == ("call_", "function", '{"city":"Rome"}')
    assert (got.usage.prompt_tokens, got.usage.completion_tokens, got.usage.total_tokens) == (11, 2, 13)


def test_g48_thinking_used_all(served):
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "length"}]}
    got = served(answer(200, body | {"usage": {"prompt_tokens": 9, "total_tokens": 73}})).client().chat.completions.create(model="m", messages=HELLO)
    assert (got.choices[0].message.content, got.choices[0].finish_reason, got.usage.completion_tokens) == (None, "length", 64)


def test_k62_a_server_that_cannot_call_tools_is_passed_by(tmp_path_factory):
    refusing, calling = Provider(), Provider()
    said = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
    refusing.play(answer(400, {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": 400}))
    calling.play(whole("by the other"))
    entries = [deployment("m", refusing, "hosted_vllm/a", order=1), deployment("m", calling, "hosted_vllm/b", order=2)]
    envoy = Gateway(tmp_path_factory.mktemp("gateway"), entries, router={"num_retries": 0})
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    try:
        for _ in range(2):
            got = envoy.client().chat.completions.create(model="m", messages=HELLO, tools=tools)
            assert got.choices[0].message.content == "by the other"
            # It is taken at its word: whoever needs tools is led past it from now on.
            assert len(refusing.requests) == 1
        # It does not rest: it serves what needs no tool.
        refusing.play(whole("plain"))
        assert envoy.client().chat.completions.create(model="m", messages=HELLO).choices[0].message.content == "plain"
    finally:
        envoy.close()
        refusing.close()
        calling.close()


def test_g46_a_model_that_cannot_be_told_to_think_is_asked_without(tmp_path_factory):
    ollama = Provider()
    said = answer(400, {"error": '"qwen3:8b" does not support thinking'})
    good = {"model": "qwen3:8b", "message": {"role": "assistant", "content": "Hi"}, "done": True, "done_reason": "stop", "eval_count": 1}
    ollama.play(said, answer(200, good))
    envoy = Gateway(tmp_path_factory.mktemp("gateway"), [deployment("m", ollama, "ollama_chat/qwen3:8b")], router={"num_retries": 0})
    try:
        for asked in (2, 3):
            raw = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO, reasoning_effort="low")
            assert raw.parse().choices[0].message.content == "Hi"
            assert "reasoning_effort" in raw.headers["x-signalbox-dropped-params"]
            # Later requests are sent without it at once.
            assert len(ollama.requests) == asked
        assert [request.json.get("think") for request in ollama.requests] == [True, None, None]
    finally:
        envoy.close()
        ollama.close()
