"""Independent judges of the Anthropic codec: the official SDKs' types, and LiteLLM's translation of the same golden cases.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference to LiteLLM is listed in DIFFERENCES
with its reason; an unlisted one fails, and so does a listed one that no longer occurs.
"""

import json
import os
import pathlib
import re
import subprocess

import litellm_oracle
import openai.types.chat
import pytest
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from pydantic_core import ValidationError
from sdk_types import fits_anthropic

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "anthropic"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
CASES = sorted(path.name for path in GOLDEN.iterdir())


def with_file(*names):
    found = [case for case in CASES if all((GOLDEN / case / name).exists() for name in names)]
    assert found, f"no golden case has {names}"
    return found


def read(case, name):
    return (GOLDEN / case / name).read_bytes()


def settings(case):
    path = GOLDEN / case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def signalbox(*args, stdin, exit_code=0):
    done = subprocess.run([BINARY, "translate", *args], input=stdin, capture_output=True, timeout=30)
    assert done.returncode == exit_code, done.stderr.decode()
    return done.stdout


def model(case):
    named = json.loads(read(case, "openai_request.json"))["model"].removeprefix("anthropic/")
    return "claude-haiku-4-5" if named == "ALIAS" else named


def our_request(case):
    flags = ["--drop-params"] if settings(case).get("drop_params") else []
    body = read(case, "openai_request.json")
    return json.loads(signalbox("request", "--to", "anthropic", "--model", model(case), *flags, stdin=body))


def our_answer(case):
    status = str(settings(case).get("status", 200))
    return json.loads(signalbox("response", "--from", "anthropic", "--status", status, stdin=read(case, "upstream_response.json")))


def our_chunks(case):
    out = signalbox("stream", "--from", "anthropic", "--thinking-blocks", stdin=read(case, "upstream_response.sse")).decode()
    payloads = [line.removeprefix("data: ") for line in out.split("\n\n") if line.startswith("data: ")]
    done = bool(payloads) and payloads[-1] == "[DONE]"
    return [json.loads(payload) for payload in (payloads[:-1] if done else payloads)], done


# --- The official SDKs' types ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", with_file("upstream_request.json"))
def test_requests_fit_the_anthropic_sdk(case):
    # The SDK speaks API version 2026-10-21, which has no sampling; we speak 2023-06-01, which has.
    fits_anthropic({key: value for key, value in our_request(case).items() if key not in ("temperature", "top_p", "top_k")})


@pytest.mark.parametrize("extra", [{"seed": 1}, {"max_tokens": "many"}, {"messages": [{"role": "robot", "content": "hi"}]}])
def test_the_sdk_judge_can_refuse(extra):
    sound = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
    fits_anthropic(sound)
    with pytest.raises(ValidationError):
        fits_anthropic({**sound, **extra})
    sound["messages"][0]["content"][0].update(extra)
    with pytest.raises(ValidationError):
        fits_anthropic(sound)


def extras(value, allowed):
    """Fields beyond the SDK's types, anywhere in a model."""
    found = set()
    if hasattr(value, "model_fields_set"):
        found |= set(value.model_extra or {}) - allowed
        for name in type(value).model_fields:
            found |= extras(getattr(value, name), allowed)
    elif isinstance(value, list):
        for item in value:
            found |= extras(item, allowed)
    return found


BEYOND = {"reasoning_content", "thinking_blocks"}


@pytest.mark.parametrize("case", with_file("upstream_response.json"))
def test_answers_fit_the_openai_sdk(case):
    answer = our_answer(case)
    if "error" in answer:
        assert set(answer) == {"error"} and set(answer["error"]) == {"message", "type", "param", "code"}
        assert answer["error"]["message"] and answer["error"]["type"]
        return
    assert not extras(openai.types.chat.ChatCompletion.model_validate(answer), BEYOND)


@pytest.mark.parametrize("case", with_file("upstream_response.sse"))
def test_chunks_fit_the_openai_sdk(case):
    chunks, done = our_chunks(case)
    assert done != ("error" in chunks[-1]), "a stream ends well or with an error"
    for chunk in chunks if done else chunks[:-1]:
        assert not extras(openai.types.chat.ChatCompletionChunk.model_validate(chunk), BEYOND)
        assert len(chunk["choices"]) <= 1
    if done:
        assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert not chunks[-1]["choices"] and chunks[-1]["usage"]
        finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
        assert [reason is not None for reason in finishes].count(True) == 1 and finishes[-1]


@pytest.mark.parametrize("case", with_file("upstream_response.sse"))
def test_the_openai_helper_puts_each_stream_together(case):
    """C4, C5: `client.chat.completions.stream` accumulates deltas, and fails on lists whose elements have no index."""
    chunks, done = our_chunks(case)
    state = ChatCompletionStreamState()
    for chunk in chunks if done else chunks[:-1]:
        state.handle_chunk(openai.types.chat.ChatCompletionChunk.model_validate(chunk))
    if not done:
        return
    message = state.current_completion_snapshot.choices[0].message
    theirs = gathered(chunks)
    assert (message.content or "") == theirs["content"]
    assert [block["index"] for block in getattr(message, "thinking_blocks", None) or []] == list(range(len(theirs["thinking_blocks"])))
    for item in message.tool_calls or []:
        assert isinstance(json.loads(item.function.arguments), dict)


# --- LiteLLM --------------------------------------------------------------------------------------------------------------


def differences(ours, theirs, path=""):
    """The places where two JSON values differ, each as high up as the difference reaches: path, ours, theirs."""
    absent = "(absent)"
    if isinstance(ours, dict) and isinstance(theirs, dict):
        # A failure on one side is one difference, not one for each field of the other side.
        keys = set(ours) | set(theirs)
        for key in sorted(keys & {"raises", "error"} or keys):
            yield from differences(ours.get(key, absent), theirs.get(key, absent), f"{path}.{key}" if path else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs)):
            yield from differences(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield path, ours, theirs


def call(item):
    arguments = item["function"]["arguments"]
    try:
        arguments = arguments and json.loads(arguments)
    except ValueError:
        pass  # As it came: `test_the_openai_helper_puts_each_stream_together` holds that ours is JSON.
    return {"id": item["id"], "name": item["function"]["name"], "arguments": arguments}


def counted(usage):
    usage = usage or {}
    details = lambda name, key: (usage.get(name) or {}).get(key) or 0  # noqa: E731
    return {
        "prompt": usage.get("prompt_tokens"),
        "completion": usage.get("completion_tokens"),
        "cached": details("prompt_tokens_details", "cached_tokens"),
        "reasoning": details("completion_tokens_details", "reasoning_tokens"),
    }


def essence(answer):
    """What a client acts on."""
    if "error" in answer or "raises" in answer:
        return {"error": True}
    choice = answer["choices"][0]
    message = choice["message"]
    return {
        "id": answer["id"],
        "model": answer["model"],
        "content": message.get("content") or "",
        "reasoning": message.get("reasoning_content") or "",
        "thinking_blocks": message.get("thinking_blocks") or [],
        "calls": [call(item) for item in message.get("tool_calls") or []],
        "finish": choice["finish_reason"],
        "usage": counted(answer.get("usage")),
    }


def gathered(chunks):
    """The essence of a stream: its chunks put together."""
    message = {"content": "", "reasoning_content": "", "thinking_blocks": [], "tool_calls": []}
    whole = {"id": "", "model": "", "choices": [{"message": message, "finish_reason": None}]}
    for chunk in chunks:
        if "error" in chunk or "raises" in chunk:
            return {"error": True, "content": message["content"]}
        whole["id"], whole["model"] = chunk["id"], chunk["model"]
        whole["usage"] = chunk.get("usage") or whole.get("usage")
        for choice in chunk["choices"]:
            delta = choice["delta"]
            message["content"] += delta.get("content") or ""
            message["reasoning_content"] += delta.get("reasoning_content") or ""
            message["thinking_blocks"] += delta.get("thinking_blocks") or []
            for piece in delta.get("tool_calls") or []:
                if piece["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append({"id": piece["id"], "function": {"name": piece["function"]["name"], "arguments": ""}})
                message["tool_calls"][piece["index"]]["function"]["arguments"] += piece["function"].get("arguments") or ""
            whole["choices"][0]["finish_reason"] = choice.get("finish_reason") or whole["choices"][0]["finish_reason"]
    return essence(whole)


# (case, path, reason). Case "*": it may occur in any. A path covers what lies below it; `[]` is any index.
REQUEST_DIFFERENCES = [
    ("*", "max_tokens", "LiteLLM leaves a limit below the thinking budget, and does not know every maximum"),
    ("*", "tools[].type", "LiteLLM spells out the default type of a tool, custom"),
    ("allowed_tools", "tools", "LiteLLM offers all tools, whichever are allowed"),
    ("allowed_tools", "tool_choice.type", "as above: it leaves it to the model whether one is called"),
    ("allowed_tools_auto", "tools", "as above"),
    ("allowed_tools_auto", "tool_choice", "as above"),
    ("allowed_tools_none", "tool_choice", "as above: none may be called"),
    ("calls_without_results", "messages[].content", "a second result of a call, and one without a call, stay as texts"),
    ("calls_without_results", "tools[].input_schema.description", "a choice at the top is told in words, which LiteLLM leaves out"),
    ("assistant_first", "messages", "LiteLLM puts words of its own into an empty message; it lets the assistant begin"),
    ("broken_arguments", "raises", "LiteLLM refuses a history with arguments that are no object"),
    ("cache_marks", "messages[].content[].cache_control", "LiteLLM loses OpenAI's prompt_cache_breakpoint, and the mark of a message that has parts"),
    ("cache_marks", "messages[].content[].is_error", "LiteLLM loses it"),
    ("cache_marks", "messages[3].content", "LiteLLM loses a refusal"),
    ("calls_without_tools", "tools", "another name for the stand-in tool"),
    ("calls_without_tools", "tool_choice", "our stand-in tool can never be called"),
    ("deprecated_functions", "messages[].content[].id", "LiteLLM invents an id for a call and another one for its result"),
    ("deprecated_functions", "messages[].content[].tool_use_id", "as above"),
    ("files_by_url", "raises", "LiteLLM takes a file by URL in file_id only"),
    ("functions", "messages[].content[].id", "as deprecated_functions"),
    ("functions", "messages[].content[].name", "LiteLLM fits the names of tools, not those of functions"),
    ("functions", "messages[].content[].tool_use_id", "as deprecated_functions"),
    ("functions", "tools", "LiteLLM drops functions"),
    ("functions", "tool_choice", "as above"),
    ("functions_auto", "tools", "as above"),
    ("functions_auto", "tool_choice", "as above"),
    ("hints_dropped", "foo", "LiteLLM passes unknown fields on, which Anthropic refuses"),
    ("hints_dropped", "moderation", "as above"),
    ("image_by_url", "messages[].content[].source.media_type", "image/jpg is no media type; Anthropic takes image/jpeg"),
    ("json_object", "system", "LiteLLM leaves json_object out without a word to the model"),
    ("json_schema", "output_config", "LiteLLM sends the deprecated output_format of a beta"),
    ("json_schema", "output_format", "as above; and it inlines references, where we do as the official SDK does"),
    ("json_schema", "thinking", "LiteLLM leaves out thinking where none is asked for, though newer models think by default"),
    ("json_schema_by_tool", "tools[].description", "LiteLLM gives its answer tool no description"),
    ("json_schema_by_tool", "tools[].input_schema", "LiteLLM breaks local references"),
    ("json_schema_by_tool_stream", "tools[].description", "as json_schema_by_tool"),
    ("json_schema_by_tool_stream", "tools[].input_schema", "as json_schema_by_tool"),
    ("json_schema_by_tool_with_tools", "tools", "as json_schema_by_tool; and its answer tool stands first"),
    ("json_schema_by_tool_with_tools", "tool_choice", "with auto the model may answer in free text"),
    ("json_schema_by_tool_with_tools", "thinking", "Anthropic refuses thinking with a forced call"),
    ("mid_conversation_system", "messages", "LiteLLM puts a note of its own before a later instruction"),
    ("mid_conversation_system", "system", "Anthropic refuses blank texts"),
    ("nothing_vanishes", "messages", "LiteLLM puts words of its own into a blank text"),
    ("nothing_vanishes", "output_config", "as json_schema"),
    ("nothing_vanishes", "output_format", "as json_schema"),
    ("nothing_vanishes", "system", "Anthropic refuses blank texts"),
    ("parallel_calls", "tool_choice.disable_parallel_tool_use", "LiteLLM spells out the default, false"),
    ("pdf_file", "messages[].content[].title", "LiteLLM drops the file's name"),
    ("prefill_not_taken", "messages", "4.6 and later refuse a last turn of the assistant"),
    ("reasoning_adaptive_stream", "temperature", "this family takes no sampling parameter"),
    ("reasoning_budget", "temperature", "Anthropic refuses sampling together with thinking"),
    ("reasoning_budget", "top_p", "as above"),
    ("reasoning_never", "temperature", "Anthropic's temperature ends at 1"),
    ("reasoning_with_forced_call", "thinking", "Anthropic refuses thinking with a forced call"),
    ("reasoning_xhigh_unknown", "raises", "LiteLLM refuses an effort that the family does not know; we send the next lower one"),
    ("safety_identifier", "metadata", "OpenAI's successor of user; LiteLLM drops it"),
    ("semantic_dropped", "raises", "LiteLLM fails on tools that are no functions"),
    ("stop_sequences", "top_p", "4.5 and later refuse temperature and top_p together"),
    ("system_alone", "messages[].content[].text", "another filler where Anthropic wants a user's turn"),
    ("strict_tools", "tools[].input_schema", "a strict tool's schema is closed, as the official SDK makes it"),
    ("strict_tools", "tools[].strict", "LiteLLM drops it"),
    ("thinking_adaptive", "thinking.display", "newer models keep their thinking to themselves unless they are asked for it"),
    ("thinking_budget", "top_k", "Anthropic refuses sampling together with thinking"),
    ("thinking_budget_of_an_adaptive_model", "thinking.display", "as thinking_adaptive"),
    ("thinking_handed_back", "messages[].content[].extra", "LiteLLM passes unknown fields on"),
    ("thinking_not_taken", "cache_control", "LiteLLM passes on what Anthropic cannot read"),
    ("thinking_not_taken", "top_k", "as above"),
    ("thinking_unknown", "thinking", "as above"),
    ("tool_names", "messages[].content[].name", "LiteLLM fits the names on offer only"),
    ("tool_names", "tools[].name", "LiteLLM lets a name be longer than 64 characters, and a client's tool be called as its own"),
    ("tool_ids", "messages", "LiteLLM makes one id of two, and sends the id of an earlier turn again, which Anthropic refuses"),
    ("tool_result_lists", "messages", "LiteLLM keeps an empty text, and puts the user's words between results"),
]
ANSWER_DIFFERENCES = [
    ("*", "id", "LiteLLM invents an id, we keep Anthropic's"),
    ("calls_with_end_turn", "finish", "an answer with calls ends with tool_calls, whatever the reason given"),
    ("json_schema_by_tool", "calls", "LiteLLM knows from the request that the call is the answer; here it does not see the request"),
    ("json_schema_by_tool", "content", "as above"),
    ("json_schema_by_tool", "finish", "as above"),
    ("model_context_window_exceeded", "finish", "the answer was cut off, which OpenAI calls length"),
    ("server_tools", "error", "LiteLLM fails on a block that it cannot read"),
    ("usage_in_floats", "error", "LiteLLM fails on usage that is no integers"),
]
STREAM_DIFFERENCES = [
    ("*", "id", "LiteLLM invents an id, we keep Anthropic's"),
    ("*", "model", "LiteLLM names the model that was asked, we the one that answered"),
    ("*", "thinking_blocks", "LiteLLM streams pieces of a block, the signature apart; we a block that can be handed back as it is"),
    ("calls_interleaved_stream", "calls[].arguments", "LiteLLM gives a piece of arguments to the call that began last"),
    ("calls_with_end_turn_stream", "finish", "an answer with calls ends with tool_calls, whatever the reason given"),
    ("functions", "calls[].arguments", "as parallel_calls_stream"),
    ("tool_names", "calls[].arguments", "as parallel_calls_stream"),
    ("json_schema_by_tool_stream", "calls", "as json_schema_by_tool"),
    ("json_schema_by_tool_stream", "content", "as above"),
    ("json_schema_by_tool_stream", "finish", "as above"),
    ("parallel_calls_stream", "calls[].arguments", "a call without arguments must end as JSON"),
    ("server_tools_stream", "calls", "a tool that runs at Anthropic is not the client's call"),
    ("stream_empty", "error", "LiteLLM takes a stream that broke off for a whole one"),
    ("stream_ping_only", "error", "as above"),
    ("stream_truncated", "error", "as above"),
    ("stream_not_json", "content", "LiteLLM takes what is no JSON for the beginning of some and loses what follows"),
    ("stream_not_json", "usage.completion", "as above"),
    ("message_after_its_end_stream", "error", "LiteLLM takes another message for more of the same"),
    ("message_within_message_stream", "error", "as above"),
    ("thinking_twice_stream", "usage.reasoning", "as worked_example_b"),
    ("usage_in_floats_stream", "error", "LiteLLM fails on usage that is no integers"),
    ("worked_example_b", "usage.reasoning", "LiteLLM estimates thinking tokens where Anthropic names none"),
]


def covers(listed, path):
    """Whether a listed path is this one or stands above it; `[]` is any index."""
    plain = path if re.search(r"\[\d", listed) else re.sub(r"\[\d+\]", "[]", path)
    return plain == listed or plain.startswith((listed + ".", listed + "["))


def judged(cases, table, ours, theirs):
    """Holds two translations of the same cases against the table of their known differences."""
    unlisted, occurred = [], set()
    for case in cases:
        for path, left, right in differences(ours(case), theirs(case)):
            rows = [row for row in table if row[0] in ("*", case) and covers(row[1], path)]
            occurred.update(rows)
            if not rows:
                unlisted.append(f"{case}: {path}\n  ours   {json.dumps(left)}\n  theirs {json.dumps(right)}")
    assert not unlisted, "differs from LiteLLM, and is not listed:\n" + "\n".join(unlisted)
    gone = [row for row in table if row not in occurred]
    assert not gone, f"listed, but no longer occurs: {gone}"


def test_requests_agree_with_litellm():
    def theirs(case):
        return litellm_oracle.anthropic_request(json.loads(read(case, "openai_request.json")), model(case))

    judged(with_file("upstream_request.json"), REQUEST_DIFFERENCES, our_request, theirs)


def test_answers_agree_with_litellm():
    def theirs(case):
        body, status = read(case, "upstream_response.json"), settings(case).get("status", 200)
        return essence(litellm_oracle.anthropic_answer(body, status))

    judged(with_file("upstream_response.json"), ANSWER_DIFFERENCES, lambda case: essence(our_answer(case)), theirs)


def test_streams_agree_with_litellm():
    def theirs(case):
        return gathered(litellm_oracle.anthropic_stream(read(case, "upstream_response.sse")))

    judged(with_file("upstream_response.sse"), STREAM_DIFFERENCES, lambda case: gathered(our_chunks(case)[0]), theirs)
