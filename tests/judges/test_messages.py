"""Independent judges of Anthropic's clients at providers of OpenAI's dialect: the official SDKs' types and stream helpers, and LiteLLM's own
adapter on the same golden cases.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference to LiteLLM is listed in DIFFERENCES
with its reason; an unlisted one fails, and so does a listed one that no longer occurs.
"""

import json
import os
import pathlib
import subprocess

import anthropic
import anthropic.types
import httpx2
import litellm_oracle
import pytest
from pydantic_core import ValidationError
from sdk_types import fits_openai
from test_anthropic import extras, judged

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "messages"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
CASES = sorted(path.name for path in GOLDEN.iterdir())


def read(case, name):
    return (GOLDEN / case / name).read_bytes()


def settings(case):
    path = GOLDEN / case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def provider(case):
    return settings(case).get("provider", "openai")


def with_file(name, *, translated=True):
    found = [case for case in CASES if (GOLDEN / case / name).exists() and (provider(case) == "anthropic") != translated]
    assert found, f"no golden case has {name}"
    return found


def model(case):
    return settings(case).get("model", "gpt-4o")


def signalbox(*args, stdin):
    done = subprocess.run([BINARY, "translate", *args], input=stdin, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def our_request(case):
    flags = ["--drop-params"] if settings(case).get("drop_params") else []
    to = ["--to", provider(case), "--model", model(case), *flags]
    return json.loads(signalbox("request", "--from", "anthropic", *to, stdin=read(case, "client_request.json")))


def our_answer(case):
    status = str(settings(case).get("status", 200))
    args = ["--from", provider(case), "--to", "anthropic", "--status", status]
    return json.loads(signalbox("response", *args, stdin=read(case, "upstream_response.json")))


def our_stream(case):
    return signalbox("stream", "--from", provider(case), "--to", "anthropic", stdin=read(case, "upstream_response.sse"))


def served(body, content_type="text/event-stream", status=200):
    """Anthropic's client, in front of a server that answers this."""
    reply = httpx2.Response(status, headers={"content-type": content_type}, content=body)
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _request: reply))
    return anthropic.Anthropic(api_key="none", http_client=http, max_retries=0)


ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


# --- The official SDKs' types and helpers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", with_file("upstream_request.json"))
def test_requests_fit_the_openai_sdk(case):
    body = our_request(case)
    for message in body["messages"]:
        # DeepSeek's own, which its tests name.
        if provider(case) == "deepseek":
            message.pop("reasoning_content", None)
    fits_openai(body)


@pytest.mark.parametrize("extra", [{"top_k": 1}, {"max_tokens": "many"}, {"messages": [{"role": "robot", "content": "hi"}]}])
def test_the_sdk_judge_can_refuse(extra):
    sound = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    fits_openai(sound)
    with pytest.raises(ValidationError):
        fits_openai({**sound, **extra})


@pytest.mark.parametrize("case", with_file("upstream_response.json"))
def test_answers_fit_the_anthropic_sdk(case):
    answer = our_answer(case)
    if answer["type"] == "error":
        assert set(answer) == {"type", "error"} and set(answer["error"]) == {"type", "message"} and answer["error"]["message"]
        return
    assert not extras(anthropic.types.Message.model_validate(answer), set())


@pytest.mark.parametrize("case", with_file("upstream_response.sse") + with_file("upstream_response.sse", translated=False))
def test_the_anthropic_helper_puts_each_stream_together(case):
    stream = our_stream(case)
    is_broken = b"event: error" in stream
    with served(stream).messages.stream(**ASK) as events:
        if is_broken:
            with pytest.raises(anthropic.APIStatusError):
                events.get_final_message()
            return
        message = events.get_final_message()
    assert message.stop_reason and message.usage.output_tokens >= 0
    for block in message.content:
        assert block.type != "tool_use" or isinstance(block.input, dict)
    # What the same chunks say in one piece.
    assert [block.type for block in message.content] == [kind for kind, _ in gathered(stream)["content"]]


@pytest.mark.parametrize(("status", "error"), [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError)])
def test_the_anthropic_client_raises_on_our_errors(status, error):
    body = signalbox("response", "--from", "openai", "--to", "anthropic", "--status", str(status), stdin=b'{"error":{"message":"no"}}')
    with pytest.raises(error) as raised:
        served(body, "application/json", status).messages.create(**ASK)
    assert raised.value.body["error"]["message"] == "no"


# --- LiteLLM --------------------------------------------------------------------------------------------------------------


def essence(answer):
    """What a client acts on."""
    if answer.get("type") == "error" or "raises" in answer:
        return {"error": True}
    blocks = []
    for block in answer["content"]:
        kind = block["type"]
        said = {"text": "text", "thinking": "thinking", "redacted_thinking": "data"}.get(kind)
        if said is None:
            blocks.append((kind, {key: block[key] for key in ("id", "name", "input")}))
        elif block[said]:
            blocks.append((kind, block[said]))
    usage = answer.get("usage") or {}
    counts = {name: usage.get(name) or 0 for name in ("input_tokens", "output_tokens", "cache_read_input_tokens")}
    return {"content": [list(block) for block in blocks], "stop_reason": answer["stop_reason"], "usage": counts}


def parsed(arguments):
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments  # As it came: the SDK's helper holds that ours is JSON.


def comparable(request):
    """A request whose spelling says nothing: the limit's two names, arguments laid out otherwise, empty members."""
    if "raises" in request:
        return request
    request = json.loads(json.dumps(request))
    request["max_tokens"] = request.pop("max_completion_tokens", None) or request.get("max_tokens")
    for message in request["messages"]:
        if message.get("thinking_blocks") is None:
            message.pop("thinking_blocks", None)
        if isinstance(message.get("content"), list) and all(part["type"] == "text" for part in message["content"]):
            message["content"] = [part["text"] for part in message["content"]]
        elif isinstance(message.get("content"), str):
            message["content"] = [message["content"]]
        for call in message.get("tool_calls") or []:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return request


def gathered(stream):
    """The essence of a stream: its events put together."""
    message, blocks = {"content": []}, {}
    for event in stream.decode().split("\n\n"):
        data = [line.removeprefix("data:").strip() for line in event.split("\n") if line.startswith("data:")]
        if not data:
            continue
        event = json.loads(data[0])
        kind = event["type"]
        if kind == "error":
            return {"error": True}
        if kind == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif kind == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            for key, into in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                block[into] = block.get(into, "") + (delta.get(key) or "")
        elif kind == "message_delta":
            message["stop_reason"], message["usage"] = event["delta"]["stop_reason"], event.get("usage")
    for block in blocks.values():
        if block["type"] == "tool_use":
            block["input"] = parsed(block["json"] or "{}")
        message["content"].append(block)
    return essence(message) if "stop_reason" in message else {"error": True}


# (case, path, reason). Case "*": it may occur in any. A path covers what lies below it; `[]` is any index.
REQUEST_DIFFERENCES = [
    ("ids", "messages[].tool_calls[].id", "OpenAI takes ids of at most 64 characters; others refuse dots"),
    ("ids", "messages[].tool_call_id", "as above"),
    ("m1_instructions", "messages[0].content", "the billing line, another one on each request, keeps every prompt cache from being hit; one text for all"),
    ("m2_instructions_midway", "messages[2]", "LiteLLM lets the user say a later instruction, with a note of its own"),
    ("m4_image_in_result", "messages", "OpenAI's tool message takes text only"),
    ("m5_failed_result", "messages[].content", "LiteLLM loses is_error"),
    ("m7_choice_auto", "parallel_tool_calls", "LiteLLM loses disable_parallel_tool_use"),
    ("m8_provider_tool_beside", "web_search_options", "only OpenAI's search models take it; it is named as dropped"),
    ("m9_long_names", "messages[].tool_calls[].function.name", "another way to shorten a name"),
    ("m9_long_names", "tool_choice.function.name", "as above"),
    ("m9_long_names", "tools[].function.name", "as above, and OpenAI takes no dots"),
    ("m10_thinking_not_taken", "reasoning_effort", "OpenAI refuses it for models that do not reason"),
    ("m11_thinking_elsewhere", "messages[].reasoning_content", "OpenAI does not know it; nor thinking_blocks"),
    ("m11_thinking_elsewhere", "messages[].thinking_blocks", "as above"),
    ("m12_limits_and_names", "context_management", "OpenAI refuses what it does not know"),
    ("m12_limits_and_names", "top_k", "as above"),
    ("m12_limits_and_names", "user", "OpenAI takes 64 characters"),
    ("m13_document", "messages", "a PDF is a file, not an image; LiteLLM loses plain text"),
    ("m14_deferred_tool", "messages[2].content", "OpenAI's tool message takes text only"),
    ("m8_provider_tool_forced_dropped", "tool_choice", "LiteLLM forces a function that it does not send"),
    ("m8_provider_tool_forced_dropped", "web_search_options", "as m8_provider_tool_beside"),
    ("m14_deferred_tool", "tools[].function.parameters", "LiteLLM puts what it does not know into the schema"),
    ("m32_call_without_result", "messages", "OpenAI refuses a call without a result"),
    ("m32_result_too_late", "messages", "as above, and a result without a call"),
    ("m32_result_without_call", "messages", "as above"),
    ("m13_search_results", "messages", "LiteLLM loses what was found"),
    ("m1_nothing_said", "messages", "some servers refuse an empty text"),
    ("m8_schemas", "tools[].function.parameters.properties", "OpenAI refuses an object's schema without properties"),
    ("m8_schemas", "tools[].function.parameters.type", "as above, without a type"),
    ("m8_schemas", "tools[].function.parameters.anyOf", "OpenAI refuses a choice at the top"),
    ("m8_schemas", "tools[].function.parameters.description", "as above: the choice is told in words"),
    ("m8_schemas", "tools[].function.strict", "OpenAI refuses strict for a schema that is open"),
    ("nothing_vanishes", "cache_control", "OpenAI refuses what it does not know"),
    ("nothing_vanishes", "container", "as above"),
    ("nothing_vanishes", "service_tier", "the word has another meaning there"),
    ("nothing_vanishes", "messages[1].content[2]", "as m13_document"),
    ("nothing_vanishes", "reasoning_effort", "the client's own word for the effort goes before the budget"),
    ("nothing_vanishes", "stream_options", "the client is told its usage in any case, so the provider is asked for it"),
    ("nothing_vanishes", "tools[].function.parameters", "as m14_deferred_tool"),
    ("nothing_vanishes", "response_format.json_schema.strict", "OpenAI refuses strict for a schema that is open"),
    ("*", "response_format.json_schema.name", "another name for a schema that has none"),
    ("schema_open", "response_format.json_schema", "LiteLLM closes the schema, which changes what it says"),
]
ANSWER_DIFFERENCES = [
    ("answer_deprecated_call", "content", "LiteLLM loses function_call"),
    ("answer_deprecated_call", "stop_reason", "as above"),
    ("answer_everything", "content[][].id", "two calls have two ids"),
    ("answer_in_parts", "error", "LiteLLM fails on content in parts"),
    ("m18_arguments_quoted_twice", "error", "LiteLLM fails on arguments that are quoted twice"),
    ("answer_none", "error", "LiteLLM takes no choice at all for an answer"),
]
STREAM_DIFFERENCES = [
    ("m17_interleaved_calls", "content", "LiteLLM gives each piece to the call that began last"),
    ("m19_refusal", "content", "LiteLLM loses all but the first piece of a refusal"),
    ("m19_stop_with_calls", "stop_reason", "an answer with calls ends with tool_use, whatever reason was given"),
    ("stream_same_index_for_all_calls", "stop_reason", "as above"),
    ("m21_ids", "content[][].id", "two calls have two ids"),
    ("m22_cut", "error", "LiteLLM takes a stream that broke off for a whole one"),
    ("stream_empty", "error", "as above"),
    ("stream_emoji_in_halves", "content", "LiteLLM passes half a character on"),
    ("stream_not_json", "error", "LiteLLM fails on what is no JSON"),
]


def test_requests_agree_with_litellm():
    def theirs(case):
        return comparable(litellm_oracle.messages_request(json.loads(read(case, "client_request.json")), model(case)))

    cases = [case for case in with_file("upstream_request.json") if provider(case) == "openai"]
    judged(cases, REQUEST_DIFFERENCES, lambda case: comparable(our_request(case)), theirs)


def test_answers_agree_with_litellm():
    cases = [case for case in with_file("upstream_response.json") if "status" not in settings(case)]
    judged(cases, ANSWER_DIFFERENCES, lambda case: essence(our_answer(case)), lambda case: essence(litellm_oracle.messages_answer(read(case, "upstream_response.json"))))


def test_streams_agree_with_litellm():
    def theirs(case):
        return gathered(litellm_oracle.messages_stream(read(case, "upstream_response.sse")))

    def told(case, essence):
        # Where the provider counts nothing, LiteLLM does; we tell what we know.
        if b'"usage"' not in read(case, "upstream_response.sse"):
            essence.pop("usage", None)
        return essence

    cases = with_file("upstream_response.sse")
    judged(cases, STREAM_DIFFERENCES, lambda case: told(case, gathered(our_stream(case))), lambda case: told(case, theirs(case)))
