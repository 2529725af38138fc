"""Independent judges of Responses, on either side: OpenAI's SDK, its types and its stream helper, and LiteLLM's own translation of the same
golden cases.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference to LiteLLM is listed in DIFFERENCES with its
reason; an unlisted one fails, and so does a listed one that no longer occurs.
"""

import json
import os
import pathlib
import subprocess

import anthropic
import httpx
import httpx2
import litellm_oracle
import openai
import openai.types.responses
import pytest
from pydantic_core import ValidationError
from sdk_types import fits_anthropic, fits_openai, fits_responses
from test_anthropic import extras, judged

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "responses"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
CASES = sorted(path.name for path in GOLDEN.iterdir())


def read(case, name):
    return (GOLDEN / case / name).read_bytes()


def settings(case):
    path = GOLDEN / case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def client(case):
    return settings(case).get("client", "responses")


def provider(case):
    return settings(case).get("provider", "groq")


def spoken(case):
    return settings(case).get("dialect", "anthropic" if provider(case) == "anthropic" else "openai")


def with_file(name, *, by=None, of=None):
    """The cases that are translated and have this file; `by` a client, `of` a provider's dialect."""
    found = [case for case in CASES if (GOLDEN / case / name).exists() and client(case) != spoken(case)]
    found = [case for case in found if by in (None, client(case)) and of in (None, spoken(case))]
    assert found, f"no golden case has {name}"
    return found


def signalbox(*args, stdin):
    done = subprocess.run([BINARY, "translate", *args], input=stdin, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def our_request(case):
    model = settings(case).get("model", "llama-3.3-70b-versatile")
    to = ["--to", provider(case), "--dialect", spoken(case), "--model", model]
    flags = ["--drop-params"] if settings(case).get("drop_params") else []
    return json.loads(signalbox("request", "--from", client(case), *to, *flags, stdin=read(case, "client_request.json")))


def our_answer(case):
    status = str(settings(case).get("status", 200))
    args = ["--from", provider(case), "--dialect", spoken(case), "--to", client(case), "--status", status]
    return json.loads(signalbox("response", *args, stdin=read(case, "upstream_response.json")))


def our_stream(case):
    args = ["--from", provider(case), "--dialect", spoken(case), "--to", client(case), "--thinking-blocks"]
    return signalbox("stream", *args, stdin=read(case, "upstream_response.sse"))


def served(body, content_type="text/event-stream", status=200):
    """OpenAI's client, in front of a server that answers this."""
    reply = httpx.Response(status, headers={"content-type": content_type}, content=body)
    http = httpx.Client(transport=httpx.MockTransport(lambda _request: reply))
    return openai.OpenAI(api_key="none", base_url="http://upstream.invalid", http_client=http, max_retries=0)


# --- OpenAI's types and helper --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", with_file("upstream_request.json", of="responses"))
def test_requests_fit_the_sdk_of_responses(case):
    body = our_request(case)
    assert body["store"] is (case == "c3_request"), "nothing is stored unless the client asks for it"
    for item in body["input"]:
        # The SDK types what the model said with an id and a state; the API takes it without, and so does LiteLLM send it.
        if item["type"] == "message" and item["role"] == "assistant":
            item.update(id="msg_1", status="completed")
            for part in item["content"]:
                part.update({"annotations": []} if part["type"] == "output_text" else {})
    fits_responses(body)


@pytest.mark.parametrize("extra", [{"top_k": 1}, {"max_output_tokens": "many"}, {"input": [{"type": "message", "role": "robot", "content": []}]}])
def test_the_sdk_judge_can_refuse(extra):
    sound = {"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}]}
    fits_responses(sound)
    with pytest.raises(ValidationError):
        fits_responses({**sound, **extra})


@pytest.mark.parametrize("case", with_file("upstream_request.json", by="responses", of="openai"))
def test_requests_fit_the_sdk_of_chat(case):
    body = our_request(case)
    for message in body["messages"]:
        # DeepSeek's own, which its tests name.
        if provider(case) == "deepseek":
            message.pop("reasoning_content", None)
    fits_openai(body)


@pytest.mark.parametrize("case", with_file("upstream_request.json", by="responses", of="anthropic"))
def test_requests_fit_the_anthropic_sdk(case):
    fits_anthropic(our_request(case))


@pytest.mark.parametrize("case", with_file("upstream_response.json", by="responses"))
def test_answers_fit_the_sdk(case):
    answer = our_answer(case)
    if "error" in answer and "object" not in answer:
        assert set(answer["error"]) == {"message", "type", "param", "code"}
        return
    # Nothing is stored, and a call says how far it came: the API's own members, which the SDK does not type.
    assert not extras(openai.types.responses.Response.model_validate(answer), {"store", "status"})


@pytest.mark.parametrize("case", with_file("upstream_response.sse", by="responses"))
def test_the_helper_puts_each_stream_together(case):
    stream = our_stream(case)
    with served(stream).responses.stream(model="m", input="hi") as events:
        seen = list(events)
    for number, event in enumerate(seen):
        assert event.sequence_number == number
        assert not extras(event, {"store", "status", "snapshot", "parsed_arguments", "parsed"}), event
    last = seen[-1]
    assert last.type in ("response.completed", "response.incomplete", "response.failed")
    if last.type == "response.failed":
        assert last.response.error.code and last.response.error.message
        return
    assert [item.id for item in last.response.output] == [event.item.id for event in seen if event.type == "response.output_item.done"]
    if last.type == "response.completed":
        said = [event.delta for event in seen if event.type == "response.output_text.delta"]
        assert last.response.output_text == "".join(said)


@pytest.mark.parametrize("case", ["verbatim_stream", "verbatim_error_event", "verbatim_failed_midway"])
def test_the_helper_reads_what_passes(case):
    args = ["--from", "openai", "--to", "responses"]
    stream = signalbox("stream", *args, stdin=read(case, "upstream_response.sse"))
    with served(stream).responses.stream(model="m", input="hi") as events:
        seen = [event.type for event in events]
    assert seen[0] == "response.created" and seen[-1] in ("response.completed", "response.failed")


@pytest.mark.parametrize("case", with_file("upstream_response.sse", by="openai"))
def test_chat_clients_read_each_stream(case):
    chunks, failed = [], False
    try:
        for chunk in served(our_stream(case)).chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
            chunks.append(chunk)
    except openai.APIError:
        failed = True
    assert failed == case.startswith("m33_failed"), chunks
    assert failed or len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("case", with_file("upstream_response.sse", by="anthropic"))
def test_anthropics_clients_read_each_stream(case):
    reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=our_stream(case))
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _request: reply))
    sdk = anthropic.Anthropic(api_key="none", http_client=http, max_retries=0)
    with sdk.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as events:
        if b"event: error" in reply.content:
            with pytest.raises(anthropic.APIStatusError):
                events.get_final_message()
            return
        assert events.get_final_message().stop_reason


@pytest.mark.parametrize(("status", "error"), [(400, openai.BadRequestError), (429, openai.RateLimitError)])
def test_the_client_raises_on_our_errors(status, error):
    args = ["--from", "anthropic", "--to", "responses", "--status", str(status)]
    body = signalbox("response", *args, stdin=b'{"error":{"message":"no"}}')
    with pytest.raises(error) as raised:
        served(body, "application/json", status).responses.create(model="m", input="hi")
    assert raised.value.body["message"] == "no"


# --- LiteLLM --------------------------------------------------------------------------------------------------------------


def comparable(request):
    """A request whose spelling says nothing: the limit's two names, a text in parts, members that say nothing."""
    if "raises" in request:
        return request
    request = json.loads(json.dumps(request))
    request["max_tokens"] = request.pop("max_completion_tokens", None) or request.get("max_tokens")
    request.pop("model", None)
    for name in ("stream_options", "custom_llm_provider"):
        request.pop(name, None)
    for tool in request.get("tools") or []:
        function = tool.get("function") or {}
        for name in ("description", "strict"):
            if not function.get(name):
                function.pop(name, None)
    for message in request["messages"]:
        content = message.get("content") or []
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        message["content"] = [part.get("text", part) if isinstance(part, dict) else part for part in parts]
        message["tool_calls"] = [
            {"id": call["id"], "name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            for call in message.get("tool_calls") or []
        ]
    return {name: value for name, value in request.items() if value not in (None, [], {}, False)}


def essence(answer):
    """What a client acts on."""
    if "raises" in answer or "object" not in answer:
        return {"error": True}
    items = []
    for item in answer["output"]:
        kind = item["type"]
        if kind == "message":
            items.append([kind, "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])])
        elif kind == "reasoning":
            items.append([kind, "".join(part["text"] for part in item.get("summary") or item.get("content") or [])])
        else:
            items.append([kind, item["call_id"], item["name"], item.get("arguments") or item.get("input")])
    usage = answer["usage"]
    details = usage.get("input_tokens_details") or {}
    counts = [usage["input_tokens"], details.get("cached_tokens") or 0, usage["output_tokens"], usage["total_tokens"]]
    return {"output": items, "status": answer["status"], "why": (answer.get("incomplete_details") or {}).get("reason"), "usage": counts}


# (case, path, reason). Case "*": it may occur in any. A path covers what lies below it; `[]` is any index.
FORM = "the tool takes `input`, and the grammar is told in a sentence; LiteLLM's own argument is another"
TURNS = "those compatible with OpenAI take one message of instructions, in front, and none of a developer's"
REQUEST_DIFFERENCES = [
    ("additional_tools", "tools", "LiteLLM loses them"),
    ("r1_nothing_said", "messages", "some servers refuse an empty text"),
    ("r2_output_without_call", "messages[].content[]", "a result without a call is refused, so it becomes a text of the user"),
    ("r2_output_without_call", "messages[].role", "as above"),
    ("r2_output_without_call", "messages[].tool_call_id", "as above"),
    ("r2_replayed_as_objects", "messages[].tool_calls[].arguments", "no spaces"),
    ("r2_replayed_as_objects", "messages[].content[]", "as above"),
    ("r3_bare_base64_and_original_detail", "messages[].content[].file.file_data", "a file is told by its type, too"),
    ("r3_bare_base64_and_original_detail", "messages[].content[].image_url.detail", "chat completions lack the word"),
    *[("r3_bare_base64_and_original_detail", member, "LiteLLM loses it") for member in ("prompt_cache_options", "prompt_cache_retention", "service_tier")],
    ("r6_hosted_tool_forced_dropped", "tool_choice", "LiteLLM forces a tool that it does not send"),
    ("r6_hosted_tool_forced_dropped", "web_search_options", "only OpenAI's search models take it; it is named as dropped"),
    ("r6_tools_found", "tools", "LiteLLM loses the tools that were found"),
    ("r6_tools_run_by_the_client", "messages", "LiteLLM loses what the client's own tools gave"),
    ("r8_allowed_hosted_tools", "tool_choice", "OpenAI refuses a choice of a tool that is not sent"),
    ("r8_allowed_hosted_tools", "web_search_options", "as r6_hosted_tool_forced_dropped"),
    *[(case, "messages", TURNS) for case in ("codex", "codex_openai", "r1_instructions_and_developer")],
    ("r1_developer_later", "messages[].role", TURNS),
    *[
        (case, f"tools[].function.{member}", FORM)
        for case in ("codex", "codex_openai", "r14_custom_tool_call", "r14_custom_tool_call_whole", "r4_custom_tool", "r8_choice_custom")
        for member in ("description", "parameters")
    ],
    ("r4_custom_tool", "messages[].tool_calls[].arguments", FORM),
    *[(case, "verbosity", "LiteLLM loses it") for case in ("codex_openai", "r7_schema_and_verbosity")],
    *[
        (case, "web_search_options", "only OpenAI's search models take it; the tool is named as dropped")
        for case in ("codex", "codex_openai", "r6_hosted_tools")
    ],
    ("codex_openai", "prompt_cache_key", "LiteLLM loses it, and with it hits of the prompt cache"),
    ("codex_openai", "reasoning_effort", "OpenAI refuses it for models that do not reason"),
    ("nothing_vanishes", "response_format", "what the client wrote, though it is the usual"),
    ("nothing_vanishes", "safety_identifier", "only OpenAI takes it"),
    ("nothing_vanishes", "tools[].defer_loading", "OpenAI refuses what it does not know"),
    ("parts", "messages", "LiteLLM loses sound and refusals"),
    ("r11_reasoning_elsewhere", "messages[].reasoning_content", "only DeepSeek wants it back"),
    ("r2_interrupted_call", "messages", "OpenAI refuses a call without a result"),
    ("r3_image_in_result", "messages", "OpenAI's tool message takes text only"),
    ("r5_long_namespaces", "tools[].function", "OpenAI takes names of 64 characters"),
    ("r5_namespaced_call", "tools[].function.description", "a namespace is no function; its description is named as dropped"),
    ("r5_namespaces", "raises", "LiteLLM fails on a function that has the name which it makes"),
    ("r6_hosted_history", "messages", "LiteLLM puts JSON into the model's mouth"),
    ("r6_hosted_tools", "tools", "OpenAI refuses a tool that it does not know"),
    ("r8_allowed_tools_elsewhere", "tool_choice", "only OpenAI knows allowed_tools; elsewhere only those are offered"),
    ("r8_allowed_tools_elsewhere", "tools", "as above"),
    ("r8_allowed_tools_openai", "tool_choice", "LiteLLM passes the shape of Responses on, which chat refuses"),
]
ANSWER_DIFFERENCES = []


def test_requests_agree_with_litellm():
    def theirs(case):
        return comparable(litellm_oracle.responses_request(json.loads(read(case, "client_request.json")), "gpt-4o"))

    cases = with_file("upstream_request.json", by="responses", of="openai")
    judged(cases, REQUEST_DIFFERENCES, lambda case: comparable(our_request(case)), theirs)


def test_answers_agree_with_litellm():
    cases = [case for case in with_file("upstream_response.json", by="responses", of="openai") if "status" not in settings(case)]
    judged(cases, ANSWER_DIFFERENCES, lambda case: essence(our_answer(case)), lambda case: essence(litellm_oracle.responses_answer(read(case, "upstream_response.json"))))


# --- The simulator --------------------------------------------------------------------------------------------------------


def test_the_simulator_fits_the_sdk():
    tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    ask = {"model": "gpt-4o", "input": [{"role": "user", "content": "Weather?"}], "tools": tools, "reasoning": {"effort": "low"}}
    with subprocess.Popen([BINARY, "sim", "--listen", "127.0.0.1:0", "--quiet"], stdout=subprocess.PIPE, text=True) as sim:
        try:
            address = sim.stdout.readline().split()[-1]
            client = openai.OpenAI(api_key="none", base_url=f"{address}/v1", max_retries=0)
            answer = client.responses.create(**ask)
            with client.responses.stream(**ask) as stream:
                events = list(stream)
            short = client.responses.create(model="gpt-4o", input="Hi", max_output_tokens=3)
        finally:
            sim.kill()
    assert [item.type for item in answer.output] == ["reasoning", "function_call"] and not extras(answer, set())
    assert not set().union(*(extras(event, {"parsed_arguments", "snapshot"}) for event in events))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[-1].type, short.status) == ("response.completed", "incomplete")
