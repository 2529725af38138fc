"""A 200 is an answer only if it holds one: the next deployment serves, for each way to say nothing with a good status."""

import time

import httpx
import openai
import pytest
from anthropic_wire import PING, begin, block, event, message
from gateway import Gateway, deployment
from provider import DONE, USAGE, Provider, answer, chunk, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]
ROLE = chunk({"role": "assistant", "content": ""})
NOT_UTF8 = ROLE.replace(b'"content": ""', b'"content": "\xff"')


def rescued(connection, request):
    served = stream(chunk({"content": "rescued"}), chunk({}, finish="stop"), DONE) if request.json.get("stream") else whole("rescued")
    return served(connection, request)


def embedded(connection, request):
    data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    return answer(200, {"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}})(connection, request)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Asks once a provider that plays a script, in its dialect, with a fallback behind. One gateway for all: an Envoy takes a second."""
    primary, claude, other, embedder = Provider(), Provider(), Provider(rescued), Provider(embedded)
    envoy = Gateway(
        tmp_path_factory.mktemp("gateway"),
        [
            deployment("main", primary),
            deployment("claude", claude, "anthropic/claude-haiku-4-5"),
            deployment("other", other),
            deployment("embed", primary),
            deployment("embedder", embedder),
        ],
        router={
            "num_retries": 0,
            "disable_cooldowns": True,
            "fallbacks": [{"main": ["other"]}, {"claude": ["other"]}, {"embed": ["embedder"]}],
        },
    )

    def play(model, *script):
        (claude if model == "claude" else primary).play(*script)
        return envoy

    yield play
    envoy.close()
    for each in (primary, claude, other, embedder):
        each.close()


def text_of(envoy, model):
    got = envoy.client().chat.completions.with_raw_response.create(model=model, messages=HELLO)
    return got.parse().choices[0].message.content, got.headers


def read(envoy, model):
    parts = envoy.client().chat.completions.create(model=model, messages=HELLO, stream=True)
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


def completion(**more):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE} | more


def choice(**more):
    return completion(choices=[{"index": 0} | more])


WHOLE = {
    "choices missing": completion(),
    "choices null": completion(choices=None),
    "choices empty": completion(choices=[]),
    "choice without a message": choice(finish_reason="stop"),
    "message null": choice(message=None, finish_reason="stop"),
    "nothing, and no end": choice(message={"role": "assistant", "content": None}, finish_reason=None),
    "base_resp": completion(choices=None, base_resp={"status_code": 1008, "status_msg": "insufficient balance"}),
    "error": {"error": {"message": "it broke", "code": 500}},
    "detail": {"detail": "Internal error"},
    "code and msg": {"code": 1001, "msg": "it broke", "data": None},
    "gave up": choice(message={"role": "assistant", "content": "Hi"}, finish_reason="insufficient_system_resource"),
    "own error": choice(message={"content": ""}, finish_reason="error", error={"code": 502, "message": "gone"}),
    "not UTF-8": b'{"choices":[{"index":0,"message":{"role":"assistant","content":"\xff"},"finish_reason":"stop"}]}',
}


@pytest.mark.parametrize("shape", WHOLE)
def test_a8_a_whole_answer_without_an_answer_moves_on(asked, shape):
    text, headers = text_of(asked("main", answer(200, WHOLE[shape])), "main")
    assert (text, headers["x-signalbox-attempts"], headers["x-signalbox-model-group"]) == ("rescued", "2", "other")


@pytest.mark.parametrize("data", [[], None, [{"object": "embedding", "index": 0, "embedding": None}], {}])
def test_a8_embeddings_without_one_move_on(asked, data):
    envoy = asked("embed", answer(200, {"object": "list", "data": data, "model": "e", "usage": USAGE}))
    got = envoy.client().embeddings.create(model="embed", input="hello", encoding_format="float")
    assert got.data[0].embedding == [0.5]


def test_a8_a_completion_without_choices_moves_on(asked):
    envoy = asked("main", answer(200, {"object": "text_completion", "choices": []}))
    got = httpx.post(f"{envoy.base}/v1/completions", json={"model": "main", "prompt": "hello"})
    assert (got.status_code, got.headers["x-signalbox-model-group"]) == (200, "other")


@pytest.mark.parametrize(
    ("content", "stop"), [("", "stop"), (None, "length"), ("", "content_filter")], ids=["stop", "length", "content_filter"]
)
def test_a8_an_empty_answer_that_ended_is_one(asked, content, stop):
    text, headers = text_of(asked("main", answer(200, choice(message={"role": "assistant", "content": content}, finish_reason=stop))), "main")
    assert (text, headers["x-signalbox-attempts"]) == (content, "1")


STREAMS = {
    "[DONE] alone": [DONE],
    "a role": [ROLE, DONE],
    "comments": [b": keep-alive\n\n", b": keep-alive\n\n", DONE],
    "comments, no [DONE]": [b": keep-alive\n\n"],
    "detail": [b'data: {"detail":"it broke"}\n\n', DONE],
    "a role and code": [ROLE, b'data: {"code":500,"msg":"it broke"}\n\n', DONE],
    "choices null": [b'data: {"choices":null}\n\n', DONE],
    "usage alone": [chunk({}, usage=USAGE), DONE],
    "base_resp": [b'data: {"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}\n\n', DONE],
    "own error": [b'data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502,"message":"x"}}]}\n\n'],
    "gave up": [chunk({}, finish="insufficient_system_resource"), DONE],
    "network_error": [ROLE, chunk({}, finish="network_error"), DONE],
    "event: error": [b"event: error\ndata: it broke\n\n"],
    "not UTF-8": [ROLE, NOT_UTF8, chunk({}, finish="stop"), DONE],
}


@pytest.mark.parametrize("shape", STREAMS)
def test_a8_a_stream_without_an_answer_moves_on(asked, shape):
    assert read(asked("main", stream(*STREAMS[shape])), "main") == "rescued"


@pytest.mark.parametrize("shape", ["choices empty", "detail", "code and msg", "base_resp"])
def test_a8_a_document_in_place_of_a_stream_moves_on(asked, shape):
    assert read(asked("main", answer(200, WHOLE[shape])), "main") == "rescued"


def test_a8_a_stream_that_only_ends_is_an_answer(asked):
    assert read(asked("main", stream(ROLE, chunk({}, finish="stop"), DONE)), "main") == ""


@pytest.mark.parametrize(
    "body",
    [
        {"type": "message", "role": "assistant", "stop_reason": "end_turn"},
        {"type": "message", "content": None, "stop_reason": "end_turn"},
        {"type": "message", "content": [], "stop_reason": None},
        {"type": "completion", "completion": "Hi"},
        {"detail": "it broke"},
        {"code": 500, "msg": "it broke"},
        {"error": {"message": "it broke"}},
    ],
    ids=["no content", "content null", "nothing, and no end", "another type", "detail", "code and msg", "error"],
)
def test_a8_a_message_without_an_answer_moves_on(asked, body):
    text, headers = text_of(asked("claude", answer(200, body)), "claude")
    assert (text, headers["x-signalbox-attempts"]) == ("rescued", "2")


def test_a8_an_empty_message_that_ended_is_an_answer(asked):
    text, headers = text_of(asked("claude", message()), "claude")
    assert (text, headers["x-signalbox-attempts"]) == ("", "1")


CLAUDES = {
    "message_stop alone": [event("message_stop")],
    "pings": [PING, PING, event("message_stop")],
    "no end": [begin(), event("message_stop")],
    "an end of nothing": [event("message_delta", delta={"stop_reason": "end_turn"}), event("message_stop")],
    "detail": [b'data: {"detail":"it broke"}\n\n', event("message_stop")],
    "OpenAI's error": [b'data: {"error":{"message":"it broke"}}\n\n'],
    "not UTF-8": [begin(), b'event: content_block_delta\ndata: {"type":"content_block_delta","x":"\xff"}\n\n', event("message_stop")],
}


@pytest.mark.parametrize("shape", CLAUDES)
def test_a8_a_stream_of_anthropics_without_an_answer_moves_on(asked, shape):
    assert read(asked("claude", stream(*CLAUDES[shape])), "claude") == "rescued"


def raw(envoy, model):
    body = {"model": model, "messages": HELLO, "stream": True}
    return httpx.post(f"{envoy.base}/v1/chat/completions", json=body, timeout=10).text


def test_s10_bytes_that_are_not_utf8_after_the_first_token_are_an_error(asked):
    text = raw(asked("main", stream(*tokens(2)[:2], 0.2, NOT_UTF8, chunk({}, finish="stop"), DONE)), "main")
    assert '"content": "0 "' in text
    assert text.rstrip().endswith('"code":"invalid_utf8"}}')
    assert "[DONE]" not in text
    bad = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\xff"}}\n\n'
    text = raw(asked("claude", stream(begin(), *block(0, "Hello."), 0.2, bad, event("message_stop"))), "claude")
    assert text.rstrip().endswith('"code":"invalid_utf8"}}')
    assert "[DONE]" not in text


def test_a_broken_choice_after_the_first_token_is_an_error(asked):
    gone = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":429,"message":"slow down"}}]}\n\n'
    with pytest.raises(openai.APIError, match="slow down"):
        read(asked("main", stream(*tokens(2)[:2], 0.2, gone, DONE)), "main")


@pytest.mark.parametrize(
    ("model", "ping"),
    [
        ("main", b": OPENROUTER PROCESSING\n\n"),
        ("main", b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("claude", PING),
        ("claude", b": keep-alive\n\n"),
    ],
)
def test_b4_what_shows_that_a_provider_thinks_reaches_the_client(asked, model, ping):
    """As soon as it comes, as a comment, and without harm to the answer."""
    script = tokens(2) if model == "main" else [begin(), *block(0, "Hello."), *streamed_end()]
    envoy = asked(model, stream(*script[:4], 0.3, ping, 0.7, *script[4:]))
    body = {"model": model, "messages": HELLO, "stream": True}
    seen, began = [], time.monotonic()
    with httpx.stream("POST", f"{envoy.base}/v1/chat/completions", json=body, timeout=10) as got:
        for line in got.iter_lines():
            seen.append((line, time.monotonic() - began))
    comments = [(line, at) for line, at in seen if line.startswith(":")]
    assert len(comments) == 1
    assert comments[0][1] < 0.9, "before the rest of the answer"
    assert seen[-1][0] == "data: [DONE]" or seen[-2][0] == "data: [DONE]"
    assert not any("ping" in line and not line.startswith(":") for line, _ in seen)


def streamed_end():
    return [event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}), event("message_stop")]
