"""OpenAI's SDK in front, Anthropic's wire behind: requests, answers, streams and failures through the real Envoy."""

import json
import time

import httpx
import openai
import pytest
from anthropic_wire import MODEL, PING, begin, block, broken, call, events, message, refusal, streamed, thinking
from gateway import Gateway, deployment
from provider import Provider, answer, error, stream, tokens, whole
from sdk_types import fits_anthropic

HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
CLAUDE = "anthropic/claude-haiku-4-5"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
AUDIO = [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Gateways that several tests use one after the other, by name: starting an Envoy takes a second or two."""
    made = {}

    def take(name, providers, router, *deployments):
        if name not in made:
            folder = tmp_path_factory.mktemp("gateway")
            made[name] = Gateway(folder, list(deployments), router={"num_retries": 0, "disable_cooldowns": True} | router), providers
        return made[name]

    take.made = made
    yield take
    for envoy, _ in made.values():
        envoy.close()


@pytest.fixture
def claude(provider, gateway, shared):
    """A gateway with one Anthropic deployment of group `m`; `asked` is what that got."""

    def make(*script, **options):
        if options:
            upstream = provider(*script)
            envoy = gateway(deployment("m", upstream, CLAUDE, **options.pop("params", {})), **options)
        else:
            upstream = shared.made["claude"][1] if "claude" in shared.made else Provider()
            envoy, _ = shared("claude", upstream, {}, deployment("m", upstream, CLAUDE))
            upstream.play(*script)
            upstream.requests.clear()
        envoy.asked = upstream.requests
        return envoy

    return make


def ask(envoy, messages=HELLO, **options):
    return envoy.client().chat.completions.create(model="m", messages=messages, **options)


def raw(envoy, messages=HELLO, **options):
    return envoy.client().chat.completions.with_raw_response.create(model="m", messages=messages, **options)


def listen(envoy, messages=HELLO, **options):
    """The chunks of a stream."""
    return list(envoy.client().chat.completions.create(model="m", messages=messages, stream=True, **options))


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_plain_conversation(claude):
    envoy = claude(message("Hi."))
    got = raw(envoy, max_completion_tokens=99, stop=["END"])
    answer = got.parse()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Hi.", "stop")
    assert (answer.id, answer.model, answer.object) == ("msg_1", MODEL, "chat.completion")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (10, 5, 15)
    assert got.headers["x-signalbox-provider"] == "anthropic"
    assert got.headers["content-type"] == "application/json"
    asked = envoy.asked[0]
    fits_anthropic(asked.json)
    assert (asked.method, asked.path) == ("POST", "/v1/messages")
    assert asked.json["model"] == "claude-haiku-4-5"
    assert (asked.json["max_tokens"], asked.json["stop_sequences"]) == (99, ["END"])
    assert "Be brief." in json.dumps(asked.json["system"])
    assert [turn["role"] for turn in asked.json["messages"]] == ["user"]


def test_the_key_goes_where_anthropic_wants_it_and_the_clients_goes_nowhere(claude):
    envoy = claude(message("Hi."), params={"api_key": "os.environ/CLAUDE_KEY"}, env={"CLAUDE_KEY": "sk-ant-THE-KEY"})
    ask(envoy)
    headers = envoy.asked[0].headers
    assert headers["x-api-key"] == "sk-ant-THE-KEY"
    assert headers["anthropic-version"] == "2023-06-01"
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers
    assert "sk-client" not in json.dumps(headers)


def test_a_client_cannot_bring_a_key_of_its_own(claude):
    envoy = claude(message("Hi."), params={"api_key": "os.environ/CLAUDE_KEY"}, env={"CLAUDE_KEY": "sk-ant-THE-KEY"})
    ask(envoy, extra_headers={"x-api-key": "sk-ant-of-the-client", "anthropic-version": "1999-01-01"})
    headers = envoy.asked[0].headers
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-ant-THE-KEY", "2023-06-01")


def test_a_stream(claude):
    envoy = claude(streamed("Grüße, 😀"))
    chunks = listen(envoy, stream_options={"include_usage": True})
    assert text_of(chunks) == "Grüße, 😀"
    assert {chunk.id for chunk in chunks} == {"msg_1"}
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert (chunks[-1].choices, chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == ([], 10, 5)
    fits_anthropic(envoy.asked[0].json)
    assert envoy.asked[0].json["stream"] is True
    assert "stream_options" not in envoy.asked[0].json


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_stream_in_odd_pieces(claude, size):
    sent = b"".join(events("Grüße, 😀", call("weather", {"city": "Rom"})))
    envoy = claude(stream(*[sent[start : start + size] for start in range(0, len(sent), size)]))
    chunks = listen(envoy)
    assert text_of(chunks) == "Grüße, 😀"
    assert all(chunk.usage is None for chunk in chunks), "nobody asked for it"


def test_the_first_words_do_not_wait_for_the_last(claude):
    parts = events("Hello", "there")
    envoy = claude(stream(*parts[:5], 2.0, *parts[5:]))
    began, first = time.monotonic(), None
    for part in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True):
        if first is None and part.choices and part.choices[0].delta.content:
            first = time.monotonic() - began
    assert first < 1.5 < time.monotonic() - began


CALLS = [call("weather", {"city": "Rome"}, "toolu_1"), call("weather", {"city": "Oslo"}, "toolu_2")]


def test_parallel_calls_and_their_results(claude):
    envoy = claude(message("See.", *CALLS, stop="tool_use"), message("Warm and cold."))
    first = ask(envoy, tools=[WEATHER], tool_choice="required", parallel_tool_calls=True)
    choice = first.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "See.")
    made = [(it.id, it.function.name, json.loads(it.function.arguments)) for it in choice.message.tool_calls]
    assert made == [("toolu_1", "weather", {"city": "Rome"}), ("toolu_2", "weather", {"city": "Oslo"})]
    results = [{"role": "tool", "tool_call_id": it.id, "content": f"{n} degrees"} for n, it in enumerate(choice.message.tool_calls)]
    second = ask(envoy, [*HELLO, choice.message.model_dump(exclude_none=True), *results], tools=[WEATHER])
    assert second.choices[0].message.content == "Warm and cold."
    for asked in envoy.asked:
        fits_anthropic(asked.json)
    assert envoy.asked[0].json["tools"][0]["input_schema"]["required"] == ["city"]
    assert envoy.asked[0].json["tool_choice"]["type"] == "any"
    turns = envoy.asked[1].json["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"], "both results in one turn"
    assert [(part["type"], part["tool_use_id"]) for part in turns[2]["content"]] == [("tool_result", "toolu_1"), ("tool_result", "toolu_2")]


def test_streamed_parallel_calls(claude):
    envoy = claude(streamed("See.", *CALLS, stop="tool_use"))
    with envoy.client().chat.completions.stream(model="m", messages=HELLO, tools=[WEATHER]) as chunks:
        for _ in chunks:
            pass
        choice = chunks.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert [(it.id, json.loads(it.function.arguments)) for it in choice.message.tool_calls] == [
        ("toolu_1", {"city": "Rome"}),
        ("toolu_2", {"city": "Oslo"}),
    ]


def test_reasoning_is_told_and_taken_back(claude):
    envoy = claude(message(thinking("Let me see."), *CALLS[:1], stop="tool_use"), message("Warm."))
    first = ask(envoy, reasoning_effort="low", tools=[WEATHER]).choices[0].message
    assert first.reasoning_content == "Let me see."
    assert envoy.asked[0].json["thinking"]["type"] == "enabled"
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "21"}
    ask(envoy, [*HELLO, first.model_dump(exclude_none=True), result], reasoning_effort="low", tools=[WEATHER])
    for asked in envoy.asked:
        fits_anthropic(asked.json)
    blocks = envoy.asked[1].json["messages"][1]["content"]
    assert blocks[0] == {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}


def test_streamed_reasoning(claude):
    envoy = claude(streamed(thinking("Let me see."), "Warm."))
    chunks = listen(envoy, reasoning_effort="high")
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Let me see."
    assert text_of(chunks) == "Warm."


@pytest.mark.parametrize("is_stream", [False, True])
def test_cached_tokens_are_part_of_the_prompt(claude, is_stream):
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100}
    envoy = claude(streamed("Hi.", usage=usage) if is_stream else message("Hi.", usage=usage))
    if is_stream:
        told = listen(envoy, stream_options={"include_usage": True})[-1].usage
    else:
        told = ask(envoy).usage
    assert (told.prompt_tokens, told.completion_tokens, told.total_tokens) == (123, 5, 128)
    assert told.prompt_tokens_details.cached_tokens == 100


def test_a_structured_answer(claude):
    shape = {"name": "city", "strict": True, "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}}
    envoy = claude(message('{"name":"Rome"}'))
    got = ask(envoy, response_format={"type": "json_schema", "json_schema": shape})
    assert json.loads(got.choices[0].message.content) == {"name": "Rome"}
    fits_anthropic(envoy.asked[0].json)
    assert envoy.asked[0].json["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter")],
)
def test_finish_reasons(claude, stop, finish, is_stream):
    if is_stream:
        envoy = claude(streamed("Hi.", stop=stop))
        assert [chunk.choices[0].finish_reason for chunk in listen(envoy) if chunk.choices][-1] == finish
    else:
        envoy = claude(message("Hi.", stop=stop))
        assert ask(envoy).choices[0].finish_reason == finish


# --- Failures ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "raised", "kind"),
    [
        (refusal(400, "invalid_request_error", "temperature: too hot"), openai.BadRequestError, "bad_request"),
        (refusal(401, "authentication_error", "invalid x-api-key"), openai.InternalServerError, "auth"),
        (refusal(403, "permission_error"), openai.InternalServerError, "permission"),
        (refusal(404, "not_found_error", "model: claude-x"), openai.NotFoundError, "not_found"),
        (refusal(400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"), openai.BadRequestError, "context_window"),
        (refusal(413, "request_too_large", "Request exceeds the maximum size"), openai.BadRequestError, "context_window"),
        (refusal(429, "rate_limit_error", "slow down", retry_after="30"), openai.RateLimitError, "rate_limit"),
        (refusal(500, "api_error"), openai.InternalServerError, "upstream"),
        (refusal(529, "overloaded_error"), openai.InternalServerError, "overloaded"),
    ],
)
def test_errors_are_the_sdks_own_classes(claude, script, raised, kind):
    envoy = claude(script)
    with pytest.raises(raised) as failed:
        ask(envoy)
    response = failed.value.response
    assert response.headers["x-signalbox-error"] == kind
    may_pass = kind in ("rate_limit", "upstream", "overloaded")
    assert response.headers.get("x-should-retry") == (None if may_pass else "false"), "num_retries is 0: the SDK may try again"
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    if kind == "context_window":
        assert failed.value.code == "context_length_exceeded"
    if kind == "rate_limit":
        assert response.headers["retry-after"] == "30"


@pytest.fixture
def pair(shared):
    """Anthropic first, OpenAI as its fallback; or, with `reverse`, the other way round. `params` go to the first."""

    def make(first, second, reverse=False, **params):
        name = f"pair-{reverse}-{params}"
        one, two = shared.made[name][1] if name in shared.made else (Provider(), Provider())
        models = ["openai/gpt-x", CLAUDE] if reverse else [CLAUDE, "openai/gpt-x"]
        places = deployment("m", one, models[0], **params), deployment("other", two, models[1])
        envoy, _ = shared(name, (one, two), {"fallbacks": [{"m": ["other"]}]}, *places)
        for upstream, script in ((one, first), (two, second)):
            upstream.play(*script)
            upstream.requests.clear()
            upstream.cut.clear()
        return envoy, one, two

    return make


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "The weather?"}]},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]},
    {"role": "tool", "tool_call_id": "call_1", "content": "21"},
]


@pytest.mark.parametrize("is_stream", [False, True])
def test_from_anthropic_to_openai_the_fallback_gets_the_original(pair, is_stream):
    good = stream(*tokens(3)) if is_stream else whole("rescued")
    envoy, claude, other = pair([refusal(529, "overloaded_error")], [good])
    options = {"tools": [WEATHER], "seed": 7, "user": "u1"}
    if is_stream:
        assert text_of(listen(envoy, CONVERSATION, **options)) == "0 1 2 "
    else:
        got = raw(envoy, CONVERSATION, **options)
        assert got.parse().choices[0].message.content == "rescued"
        assert got.headers["x-signalbox-provider"] == "openai"
        assert "x-signalbox-dropped-params" not in got.headers, "the one that answered left nothing out"
    fits_anthropic(claude.requests[0].json)
    asked = other.requests[0]
    assert asked.path == "/v1/chat/completions"
    assert (asked.json["messages"], asked.json["tools"]) == (CONVERSATION, [WEATHER])
    assert (asked.json["model"], asked.json["seed"], asked.json["user"]) == ("gpt-x", 7, "u1")
    assert not {"x-api-key", "anthropic-version"} & set(asked.headers), "the first attempt's headers are gone"


@pytest.mark.parametrize("is_stream", [False, True])
def test_from_openai_to_anthropic_the_fallback_is_translated_from_the_original(pair, is_stream):
    good = streamed("rescued") if is_stream else message("rescued")
    envoy, openais, claude = pair([error(503)], [good], reverse=True)
    if is_stream:
        assert text_of(listen(envoy, CONVERSATION, tools=[WEATHER])) == "rescued"
    else:
        got = raw(envoy, CONVERSATION, tools=[WEATHER])
        assert got.parse().choices[0].message.content == "rescued"
        assert (got.headers["x-signalbox-provider"], got.headers["x-signalbox-fallbacks"]) == ("anthropic", "1")
    assert openais.requests[0].json["messages"] == CONVERSATION
    asked = claude.requests[0]
    fits_anthropic(asked.json)
    assert (asked.path, asked.json["model"]) == ("/v1/messages", "claude-haiku-4-5")
    assert int(asked.headers["content-length"]) == len(asked.body)


def test_there_and_back_again(provider, gateway):
    """OpenAI, Anthropic, OpenAI: each attempt starts from the client's own body."""
    one, two, three = provider(error(500)), provider(refusal(500, "api_error")), provider(whole("third"))
    envoy = gateway(
        deployment("m", one, "openai/gpt-one", order=1),
        deployment("m", two, CLAUDE, order=2),
        deployment("m", three, "openai/gpt-three", order=3),
        router={"num_retries": 0},
    )
    got = raw(envoy, CONVERSATION, tools=[WEATHER])
    assert got.parse().choices[0].message.content == "third"
    assert one.requests[0].body.replace(b"gpt-one", b"gpt-three") == three.requests[0].body
    fits_anthropic(two.requests[0].json)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([broken("overloaded_error", "Overloaded")], "overloaded"),
        ([begin(), PING, broken("overloaded_error", "Overloaded")], "overloaded"),
        ([begin(), broken("rate_limit_error", "slow down")], "rate_limit"),
        ([begin(), PING], "upstream"),
        ([b"not an event stream at all"], "upstream"),
        ([], "upstream"),
    ],
    ids=["error-first", "error-after-ping", "rate-limit", "truncated", "garbage", "empty"],
)
def test_a_stream_that_fails_before_its_first_word_moves_on(pair, script, kind):
    envoy, claude, _ = pair([stream(*script)], [stream(*tokens(2))])
    assert text_of(listen(envoy)) == "0 1 "
    assert len(claude.requests) == 1
    envoy, _, _ = pair([stream(*script)], [error(401)])
    with pytest.raises(openai.APIStatusError) as failed:
        listen(envoy)
    assert failed.value.response.headers["x-signalbox-error"] == kind


@pytest.mark.parametrize(
    ("rest", "said"),
    [([broken("overloaded_error", "Overloaded")], "Overloaded"), ([], "ended before")],
    ids=["error", "truncated"],
)
def test_a_stream_that_fails_after_its_first_word_is_an_error_event(pair, rest, said):
    envoy, _, other = pair([stream(begin(), *block(0, "Hello"), 0.3, *rest)], [stream(*tokens(2))])
    heard = ""
    with pytest.raises(openai.APIError, match=said):
        for part in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True):
            heard += text_of([part])
    assert heard == "Hello"
    assert other.requests == []


def test_pings_alone_do_not_hold_the_deadline_off(pair):
    pings = [part for _ in range(40) for part in (PING, 0.25)]
    envoy, claude, _ = pair([stream(begin(), *pings, *block(0, "late"))], [stream(*tokens(2))], stream_timeout=1)
    began = time.monotonic()
    assert text_of(listen(envoy)) == "0 1 "
    assert 0.9 < time.monotonic() - began < 4
    assert claude.cut.wait(5), "the late attempt is ended"


def test_an_html_page_with_a_good_status_moves_on(pair):
    envoy, _, _ = pair([answer(200, b"<html>Welcome</html>", "text/html")], [whole("rescued")])
    assert raw(envoy).parse().choices[0].message.content == "rescued"


# --- What Anthropic cannot express ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("messages", "options", "param"), [(HELLO, {"n": 2}, "n"), (AUDIO, {}, "messages")], ids=["n", "audio"])
def test_what_cannot_be_said_is_refused_by_name(claude, messages, options, param):
    envoy = claude(message("never"))
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy, messages, **options)
    assert refused.value.code == "unsupported_parameter"
    assert refused.value.param.startswith(param)
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert envoy.asked == []
    assert ask(envoy).choices[0].message.content == "never", "and the next request is served"


@pytest.mark.parametrize(("messages", "options"), [(HELLO, {"n": 2}), (AUDIO, {})], ids=["n", "audio"])
def test_what_only_openai_can_say_goes_to_openai(provider, gateway, messages, options):
    claude, other = provider(message("never")), provider(whole("here"))
    envoy = gateway(deployment("m", claude, CLAUDE, weight=1000), deployment("m", other, "openai/gpt-x", weight=1))
    for _ in range(3):
        assert ask(envoy, messages, **options).choices[0].message.content == "here"
    assert (len(claude.requests), len(other.requests)) == (0, 3)


def test_what_cannot_be_said_goes_to_a_fallback_that_can(pair):
    envoy, claude, _ = pair([message("never")], [whole("here")])
    assert ask(envoy, n=2).choices[0].message.content == "here"
    assert claude.requests == []


def test_dropped_parameters_are_named(claude):
    envoy = claude(message("Hi."), params={"drop_params": True})
    got = raw(envoy, n=2, seed=7)
    assert got.parse().choices[0].message.content == "Hi."
    assert {"n", "seed"} <= set(got.headers["x-signalbox-dropped-params"].split(", "))
    fits_anthropic(envoy.asked[0].json)
    assert not {"n", "seed"} & set(envoy.asked[0].json)


def test_what_chat_is_not_is_refused_by_a_group_of_anthropics_alone(claude):
    envoy = claude(message("never"))
    with pytest.raises(openai.BadRequestError) as refused:
        envoy.client().embeddings.create(model="m", input="x")
    assert "/embeddings" in str(refused.value)
    assert envoy.asked == []


def test_a_completion_is_a_chat_of_one_message(claude):
    envoy = claude(message("Hi."))
    got = envoy.client().completions.create(model="m", prompt="Say hi", max_tokens=5)
    assert (got.object, got.choices[0].text, got.choices[0].finish_reason) == ("text_completion", "Hi.", "stop")
    [asked] = envoy.asked
    assert (asked.path, asked.json["messages"][0]["content"][0]["text"]) == ("/v1/messages", "Say hi")
    with pytest.raises(openai.BadRequestError) as refused:
        envoy.client().completions.create(model="m", prompt=["a", "b"])
    assert refused.value.param == "prompt" and len(envoy.asked) == 1


def test_deep_nesting_is_no_trap(claude):
    deep = json.loads("[" * 500 + "]" * 500)
    envoy = claude(message("Hi."))
    assert ask(envoy, extra_body={"metadata": {"a": deep}}).choices[0].message.content == "Hi."
    schema = "{" + '"properties":{"a":{' * 3000 + "}}" * 3000 + "}"
    body = '{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":%s}}}' % schema


    assert httpx.post(f"{envoy.base}/v1/chat/completions", content=body, timeout=20).status_code in (200, 400)
    assert ask(envoy).choices[0].message.content == "Hi."


