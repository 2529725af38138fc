"""The official Anthropic SDK against the gateway: whatever it does with Anthropic it can do here, whoever serves."""

import http.client
import json

import anthropic
import httpx
import pytest
from anthropic_wire import call, event, events, message, refusal, streamed, thinking
from gateway import Gateway, deployment
from provider import DONE, Provider, answer, chunk, error, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


class Doors:
    """A gateway whose group `claude` is served by Anthropic, `gpt` by OpenAI, and `both` by either."""

    def __init__(self, folder):
        self.claude, self.gpt = Provider(), Provider()
        haiku = "anthropic/claude-haiku-4-5"
        entries = [
            deployment("claude", self.claude, haiku, id="claude-1", api_key="os.environ/ANTHROPIC_API_KEY"),
            deployment("gpt", self.gpt, "openai/gpt-4o", id="gpt-1", api_key="os.environ/OPENAI_API_KEY"),
            deployment("both", self.gpt, "openai/gpt-4o", id="both-gpt", api_key="os.environ/OPENAI_API_KEY", order=1),
            deployment("both", self.claude, haiku, id="both-claude", api_key="os.environ/ANTHROPIC_API_KEY", order=2),
        ]
        router = {"disable_cooldowns": True, "num_retries": 1}
        keys = {"ANTHROPIC_API_KEY": "sk-anthropic", "OPENAI_API_KEY": "sk-openai"}
        self.envoy = Gateway(folder, entries, router=router, signalbox={"access_log": True}, env=keys)
        self.base = self.envoy.base

    def sdk(self, **options):
        return anthropic.Anthropic(**({"base_url": self.base, "api_key": "sk-client", "max_retries": 0, "timeout": 20} | options))

    def play(self, claude=(), gpt=()):
        for provider, script in ((self.claude, claude), (self.gpt, gpt)):
            provider.play(*(script or [whole("unscripted")]))
            provider.requests.clear()
        return self

    def ask(self, **body):
        return self.sdk().messages.create(**({"model": "claude", "max_tokens": 50, "messages": HELLO} | body))

    def refused(self, **body):
        with pytest.raises(anthropic.APIStatusError) as caught:
            self.ask(**body)
        return caught.value

    def close(self):
        self.envoy.close()
        self.claude.close()
        self.gpt.close()


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    made = Doors(tmp_path_factory.mktemp("gateway"))
    yield made
    made.close()


def test_p4_anthropics_own_requests_go_as_they_came(doors):
    doors.play(claude=[message("Hi.")])
    asked = {"model": "claude", "max_tokens": 50, "messages": HELLO, "x": [1.50, {"thinking": "free"}]}
    raw = json.dumps(asked, indent=2)
    headers = {"anthropic-version": "2026-10-21", "anthropic-beta": "x-1,y-2", "x-api-key": "sk-client", "authorization": "Bearer sk-client"}
    got = httpx.post(f"{doors.base}/v1/messages?beta=true&x=%20", content=raw, headers=headers | {"content-type": "application/json"})
    assert got.status_code == 200 and got.json()["content"] == [{"type": "text", "text": "Hi."}], got.text
    sent = doors.claude.requests[0]
    assert sent.path == "/v1/messages?beta=true&x=%20"
    assert sent.body.decode() == raw.replace('"claude"', '"claude-haiku-4-5"')
    assert (sent.headers["anthropic-version"], sent.headers["anthropic-beta"]) == ("2026-10-21", "x-1,y-2")
    assert sent.headers["x-api-key"] == "sk-anthropic" and "sk-client" not in str(sent.headers)
    assert got.headers["request-id"] == "req_1"


def test_p4_others_see_neither_query_nor_flags(doors):
    doors.play(gpt=[whole("Hi.")])
    got = doors.sdk(default_headers={"anthropic-beta": "x-1"}).beta.messages.create(model="gpt", max_tokens=50, messages=HELLO, betas=["y-2"])
    assert got.content[0].text == "Hi."
    sent = doors.gpt.requests[0]
    assert sent.path == "/v1/chat/completions"
    assert not [name for name in sent.headers if "anthropic" in name or name == "x-api-key"]
    assert sent.headers["authorization"] == "Bearer sk-openai"


# As Claude Code 2.1.328 writes it (`claude -p`), with shorter texts and fewer tools.
OF_CLAUDE_CODE = {
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>\nAttribution.\n</system-reminder>\n"}, {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]},
        {"role": "system", "content": [{"type": "text", "text": "# Environment\nPlatform: linux"}]},
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.328.4ed; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You are a Claude agent, built on Anthropic's Claude Agent SDK.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [WEATHER | {"name": "Bash"}, WEATHER | {"name": "DeferredToolPlaceholder", "defer_loading": True}],
    "metadata": {"user_id": '{"device_id":"d6f0","account_uuid":"","session_id":"28985cf7"}'},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "stream": True,
}
FLAGS = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,mid-conversation-tool-changes-2026-07-01,advanced-tool-use-2025-11-20,effort-2025-11-24"


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_what_claude_code_sends_is_served(doors, model):
    told = [chunk({"role": "assistant", "content": "Hi."}), chunk({}, "stop"), DONE]
    doors.play(claude=[streamed("Hi.")], gpt=[stream(*told)])
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": FLAGS, "x-app": "cli", "user-agent": "claude-cli/2.1.328 (external, sdk-cli)", "x-api-key": "sk-client", "x-stainless-retry-count": "0"}
    raw = json.dumps({"model": model} | OF_CLAUDE_CODE)
    got = httpx.post(f"{doors.base}/v1/messages?beta=true", content=raw, headers=headers | {"content-type": "application/json"}, timeout=20)
    assert got.status_code == 200 and '"message_stop"' in got.text.rstrip().rsplit("\n", 1)[-1], got.text
    if model == "claude":
        sent = doors.claude.requests[0]
        assert (sent.path, sent.headers["anthropic-beta"]) == ("/v1/messages?beta=true", FLAGS)
        assert sent.body.decode() == raw.replace('"claude"', '"claude-haiku-4-5"', 1)
        return
    sent = doors.gpt.requests[0].json
    said = json.dumps(sent["messages"])
    assert all(text in said for text in ("Attribution", "hello", "Platform: linux", "Claude Agent SDK"))
    assert "billing" not in said, "it differs with each version, and would change the prefix that a provider caches"
    assert [tool["function"]["name"] for tool in sent["tools"]][0] == "Bash" and sent["stream"]
    assert not {"metadata", "context_management", "output_config", "thinking"} & set(sent)


def test_chat_clients_have_the_version_that_the_translation_speaks(doors):
    doors.play(claude=[message("Hi.")])
    assert doors.envoy.client().chat.completions.create(model="claude", messages=HELLO).choices[0].message.content == "Hi."
    assert doors.claude.requests[0].headers["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_a_whole_answer(doors, model):
    doors.play(claude=[message("Hi.")], gpt=[whole("Hi.")])
    got = doors.ask(model=model, system="Be brief.")
    assert (got.type, got.role, got.stop_reason, got.content[0].text) == ("message", "assistant", "end_turn", "Hi.")
    assert got.usage.input_tokens and got.usage.output_tokens and got._request_id



def spoken(text, **more):
    """A stream of OpenAI's with this text."""
    pieces = [text[:3], text[3:]]
    parts = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": piece}) for piece in pieces], chunk({}, "stop")]
    usage = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, "prompt_tokens_details": {"cached_tokens": 75}}
    return stream(*parts, chunk(None, usage=usage | more), DONE)


@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_a_stream_through_the_sdks_helper(doors, model):
    doors.play(claude=[streamed("Hello there.")], gpt=[spoken("Hello there.")])
    with doors.sdk().messages.stream(model=model, max_tokens=50, messages=HELLO) as stream_:
        text = "".join(stream_.text_stream)
        last = stream_.get_final_message()
    assert text == "Hello there." == last.content[0].text
    assert last.stop_reason == "end_turn" and last.usage.output_tokens
    if model == "gpt":
        assert (last.usage.input_tokens, last.usage.cache_read_input_tokens) == (25, 75), "M20"
        assert doors.gpt.requests[0].json["stream_options"] == {"include_usage": True}


def test_a_stream_of_anthropics_own_keeps_its_bytes(doors):
    parts = events(thinking("Hm"), "Hello.", call("weather", {"city": "Rome"}), stop="tool_use")
    parts.insert(3, event("vertex_event", x=1))
    doors.play(claude=[stream(*parts)])
    got = httpx.post(f"{doors.base}/v1/messages", json={"model": "claude", "max_tokens": 50, "messages": HELLO, "stream": True})
    assert got.content == b"".join(part for part in parts if b"vertex_event" not in part), "M31"
    assert got.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("streamed_", [False, True])
def test_a_tool_loop_with_openai(doors, streamed_):
    calls = [{"index": index, "id": key, "type": "function", "function": {"name": "weather", "arguments": ""}} for index, key in ((0, "call_a"), (1, "call_b"))]
    pieces = [(0, '{"city":'), (1, '{"city":"Oslo"}'), (0, '"Rome"}')]
    if streamed_:
        parts = [chunk({"role": "assistant", "content": None, "tool_calls": calls})]
        parts += [chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}) for index, piece in pieces]
        script = stream(*parts, chunk({}, "tool_calls"), DONE)
    else:
        for made, arguments in zip(calls, ('{"city":"Rome"}', '{"city":"Oslo"}')):
            made["function"]["arguments"] = arguments
            made.pop("index")
        whole_ = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
        said = {"role": "assistant", "content": None, "tool_calls": calls}
        script = answer(200, whole_ | {"choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": "tool_calls"}]})
    doors.play(gpt=[script, whole("Fine.")])
    asked = {"model": "gpt", "max_tokens": 50, "tools": [WEATHER]}
    if streamed_:
        with doors.sdk().messages.stream(messages=HELLO, **asked) as stream_:
            first = stream_.get_final_message()
    else:
        first = doors.ask(**asked)
    assert first.stop_reason == "tool_use"
    assert [(block_.type, block_.name, block_.input) for block_ in first.content] == [
        ("tool_use", "weather", {"city": "Rome"}),
        ("tool_use", "weather", {"city": "Oslo"}),
    ]
    results = [{"type": "tool_result", "tool_use_id": block_.id, "content": "sunny"} for block_ in first.content]
    turns = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    assert doors.ask(**asked, messages=turns).content[0].text == "Fine."
    told = doors.gpt.requests[1].json["messages"]
    assert [made["id"] for made in told[1]["tool_calls"]] == [told[2]["tool_call_id"], told[3]["tool_call_id"]]


P6 = [
    (400, "invalid_request_error", "bad_request", anthropic.BadRequestError, 400, "invalid_request_error"),
    (401, "authentication_error", "auth", anthropic.InternalServerError, 502, "api_error"),
    (403, "permission_error", "permission", anthropic.InternalServerError, 502, "api_error"),
    (404, "not_found_error", "not_found", anthropic.NotFoundError, 404, "not_found_error"),
    (413, "request_too_large", "context_window", anthropic.BadRequestError, 400, "invalid_request_error"),
    (429, "rate_limit_error", "rate_limit", anthropic.RateLimitError, 429, "rate_limit_error"),
    (500, "api_error", "upstream", anthropic.InternalServerError, 502, "api_error"),
    (503, "api_error", "overloaded", anthropic.InternalServerError, 503, "overloaded_error"),
    (504, "timeout_error", "timeout", anthropic.InternalServerError, 504, "timeout_error"),
    (529, "overloaded_error", "overloaded", anthropic.InternalServerError, 503, "overloaded_error"),
]


@pytest.mark.parametrize("stream_", [False, True])
@pytest.mark.parametrize("case", P6, ids=lambda case: str(case[0]))
@pytest.mark.parametrize("model", ["claude", "gpt"])
def test_p6_and_p8_errors_are_anthropics(doors, model, case, stream_):
    status, kind, cause, raised, wanted, wanted_kind = case
    doors.play(claude=[refusal(status, kind)], gpt=[error(status, kind=kind)])
    got = doors.refused(model=model, stream=stream_)
    assert (got.status_code, got.body["error"]["type"]) == (wanted, wanted_kind), got.body
    assert isinstance(got, raised) or wanted in (503, 504, 529)
    assert got.body["type"] == "error" and got.body["error"]["message"]
    assert got.request_id and got.body["request_id"] == got.request_id
    assert got.response.headers["x-signalbox-error"] == cause


def test_p6_the_gateways_own_refusals_are_anthropics(doors):
    doors.play()
    unknown = doors.refused(model="nobody")
    assert (unknown.status_code, unknown.body["error"]["type"]) == (404, "not_found_error")
    assert unknown.body["request_id"] == unknown.response.headers["request-id"]
    asked = {"headers": {"anthropic-version": "2023-06-01"}}
    for method, path, body, status, kind in [
        ("POST", "/v1/messages", b"{", 400, "invalid_request_error"),
        ("POST", "/v1/messages", b'{"model":"gpt"}', 400, "invalid_request_error"),
        ("GET", "/v1/messages", None, 405, "invalid_request_error"),
        ("GET", "/v1/messages/batches", None, 404, "not_found_error"),
        ("GET", "/v1/models/nobody", None, 404, "not_found_error"),
    ]:
        got = httpx.request(method, doors.base + path, content=body, **asked)
        assert (got.status_code, got.json()["error"]["type"]) == (status, kind), got.text
        assert got.json()["type"] == "error"
    assert doors.gpt.requests == [] and doors.claude.requests == []


LONG = "This model's maximum context length is 262144 tokens. However, you requested 262462 tokens (230462 in the messages, 32000 in the completion)."


def test_p7_a_prompt_that_is_too_long_is_said_so_that_agents_shorten_it(doors):
    doors.play(gpt=[error(400, "This model's maximum context length is 8192 tokens.", code="context_length_exceeded", kind="invalid_request_error")])
    got = doors.refused(model="gpt", stream=True)
    assert got.status_code == 400 and got.body["error"]["message"].startswith("prompt is too long"), got.body
    doors.play(gpt=[error(400, LONG, code="context_length_exceeded", kind="invalid_request_error")])
    got = doors.refused(model="gpt")
    assert got.body["error"]["message"] == "input length and `max_tokens` exceed context limit: 230462 + 32000 > 262144"


def test_what_a_client_says_to_anthropic_survives_an_attempt_elsewhere(doors):
    doors.play(gpt=[error(500)], claude=[message("from claude")])
    headers = {"anthropic-version": "2026-10-21", "anthropic-beta": "x-1,y-2"}
    got = httpx.post(f"{doors.base}/v1/messages", json={"model": "both", "max_tokens": 50, "messages": HELLO}, headers=headers)
    assert (got.status_code, got.json()["content"][0]["text"]) == (200, "from claude")
    (gpt,), (sent,) = doors.gpt.requests, doors.claude.requests
    assert "anthropic-beta" not in gpt.headers
    assert (sent.headers["anthropic-version"], sent.headers.get("anthropic-beta")) == ("2026-10-21", "x-1,y-2")


def test_m22_a_stream_that_breaks_ends_with_an_error_event(doors):
    broken = chunk({"content": "Hi"}), b'data: {"error": {"message": "Overloaded", "code": 503}}\n\n'
    doors.play(gpt=[stream(chunk({"role": "assistant", "content": "Hi"}), 0.5, *broken)])
    asked = {"model": "gpt", "max_tokens": 50, "messages": HELLO, "stream": True}
    got = httpx.post(f"{doors.base}/v1/messages", json=asked)
    said = got.text.split("\n\n")
    assert said[-2].startswith("event: error\n") and "overloaded_error" in said[-2], got.text
    assert "message_stop" not in got.text and "[DONE]" not in got.text
    with pytest.raises(anthropic.APIStatusError):
        doors.play(gpt=[stream(chunk({"role": "assistant", "content": "Hi"}), 0.5, *broken)])
        for _ in doors.ask(model="gpt", stream=True):
            pass


def test_m8_a_search_is_asked_of_one_who_has_it(doors):
    doors.play(claude=[message("Found.")], gpt=[whole("Made up.")])
    assert doors.ask(model="both", tools=[SEARCH]).content[0].text == "Found."
    assert doors.gpt.requests == [] and doors.claude.requests[0].json["tools"] == [SEARCH]
    got = doors.refused(model="gpt", tools=[SEARCH])
    assert (got.status_code, got.body["error"]["type"]) == (400, "invalid_request_error")
    assert "tools.0" in got.body["error"]["message"] and doors.gpt.requests == []
    assert doors.ask(model="gpt", tools=[SEARCH, WEATHER]).content[0].text == "Made up."
    assert [tool["function"]["name"] for tool in doors.gpt.requests[0].json["tools"]] == ["weather"]


def test_m30_unsigned_thinking_stays_behind(doors):
    doors.play(claude=[message("Hi.")])
    said = [thinking("Hm", signature=""), thinking("So", signature="c2ln"), call("weather", {"city": "Rome"})]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    turns = [*HELLO, {"role": "assistant", "content": said}, {"role": "user", "content": [result]}]
    got = doors.sdk().messages.with_raw_response.create(model="claude", max_tokens=50, messages=turns, tools=[WEATHER])
    assert doors.claude.requests[0].json["messages"][1]["content"] == said[1:]
    assert got.headers["x-signalbox-dropped-params"] == "messages[1].content[0]"


def test_a_request_moves_on_to_another_dialect(doors):
    doors.play(gpt=[error(503)], claude=[streamed("Here.")])
    with doors.sdk().messages.stream(model="both", max_tokens=50, messages=HELLO) as stream_:
        assert stream_.get_final_text() == "Here."
    assert len(doors.gpt.requests) >= 1 and len(doors.claude.requests) == 1


def test_p3_the_wish_for_a_long_window_is_no_name(doors):
    doors.play(claude=[message("Hi.")])
    for model in ("claude[1m]", "claude[1M][1m]"):
        assert doors.ask(model=model).content[0].text == "Hi."
    assert {request.json["model"] for request in doors.claude.requests} == {"claude-haiku-4-5"}
    assert doors.refused(model="cl[1m]aude").status_code == 404


def test_p2_models_are_listed_in_both_shapes(doors):
    page = doors.sdk().models.list(limit=1000)
    assert [model.id for model in page] == ["claude", "gpt", "both"]
    assert (page.first_id, page.last_id, page.has_more) == ("claude", "both", False)
    assert doors.sdk().models.retrieve("gpt").display_name == "gpt"
    assert [model.id for model in doors.envoy.client().models.list()] == ["claude", "gpt", "both"]


@pytest.mark.parametrize("path", ["/", "/api/hello"])
def test_p1_agents_may_warm_their_connection(doors, path):
    connection = http.client.HTTPConnection("127.0.0.1", doors.envoy.port, timeout=5)
    connection.request("HEAD", path)
    got = connection.getresponse()
    assert (got.status, got.read()) == (200, b"")
    connection.close()


def test_the_log_tells_the_path_that_was_asked(doors):
    doors.play(gpt=[whole("Hi.")], claude=[message("Hi.")])
    doors.ask(model="gpt")
    doors.envoy.client().chat.completions.create(model="claude", messages=HELLO)
    line = lambda path, who: doors.envoy.becomes(lambda: [line for line in doors.envoy.log.splitlines() if path in line and who in line])  # noqa: E731
    assert line("POST /v1/messages ", "gpt-1") and line("POST /v1/chat/completions ", "claude-1")
    assert "POST /chat/completions" not in doors.envoy.log
