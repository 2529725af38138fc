"""Independent judges of what clients get of every provider's answers: the official SDKs' types, and their helpers for streams.

Each answer and each stream that a golden case holds, of whichever provider, is translated for every dialect of clients by the binary that
is judged: `SIGNALBOX_BIN`, or target/debug/signalbox. What a client acts on must be the same in all three.
"""

import json
import os
import pathlib
import subprocess

import anthropic
import anthropic.types
import httpx
import httpx2
import openai
import openai.types.chat
import openai.types.responses
import pytest
from openai.lib.streaming.chat._completions import ChatCompletionStreamState
from test_anthropic import extras

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
# The folders of golden cases, and their provider where a case says nothing.
FOLDERS = {"anthropic": "anthropic", "messages": "openai", "bedrock": "bedrock", "cohere": "cohere", "gemini": "gemini", "ollama": "ollama"}
CLIENTS = ["openai", "anthropic", "responses"]
# Members that clients know of other gateways, and Google's own for signatures.
BEYOND = {"reasoning_content", "thinking_blocks", "extra_content", "images"}


def settings(case):
    path = case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def cases(suffixes):
    """Each provider's answer of a chat: its name, its provider, the status, the file."""
    for folder, usual in FOLDERS.items():
        for case in sorted((GOLDEN / folder).iterdir()):
            said = settings(case)
            for file in (case / f"upstream_response.{suffix}" for suffix in suffixes):
                if file.exists() and said.get("awaited", "chat") == "chat":
                    yield pytest.param(said.get("provider", usual), said.get("status", 200), file, id=f"{folder}/{case.name}")


WHOLE = list(cases(["json"]))
STREAMS = list(cases(["sse", "stream"]))


def translated(kind, provider, client, file, *more):
    dialect = ["--dialect", "openai"] if is_compatible(file) else []
    args = [kind, "--from", provider, *dialect, "--to", client, "--model", "m", *more]
    done = subprocess.run([BINARY, "translate", *args], input=file.read_bytes(), capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def is_compatible(file):
    """Whether its provider speaks OpenAI's dialect."""
    return file.parent.parent.name == "messages" and settings(file.parent).get("provider") != "anthropic"


def is_verbatim(provider, client, file):
    """Its dialect is the client's: what passes is the provider's own."""
    return provider == client or client == "openai" and is_compatible(file)


def is_error(answer):
    """Whether it is an error, in the shape of some client's dialect."""
    if answer.get("type") == "error":
        assert set(answer["error"]) == {"type", "message"} and answer["error"]["message"]
        return True
    if answer.get("error") and "object" not in answer:
        assert set(answer["error"]) == {"message", "type", "param", "code"} and answer["error"]["message"]
        return True
    return False


def of_chat(answer):
    message = answer.choices[0].message
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []]
    text = (message.content or "") + (message.refusal or "")
    return {"text": text, "calls": calls, "thinks": bool(getattr(message, "reasoning_content", None))}, answer.usage.completion_tokens if answer.usage else 0


def of_messages(message):
    calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
    text = "".join(block.text for block in message.content if block.type == "text")
    thinks = any(block.type == "thinking" and block.thinking for block in message.content)
    return {"text": text, "calls": calls, "thinks": thinks}, message.usage.output_tokens


def of_responses(answer):
    calls = [(item.name, json.loads(item.arguments)) for item in answer.output if item.type == "function_call"]
    parts = [part for item in answer.output if item.type == "message" for part in item.content]
    text = "".join(part.text if part.type == "output_text" else part.refusal for part in parts)
    thinks = any(part.text for item in answer.output if item.type == "reasoning" for part in [*(item.summary or []), *(item.content or [])])
    return {"text": text, "calls": calls, "thinks": thinks}, answer.usage.output_tokens if answer.usage else 0


def whole(client, body):
    """What a client acts on, by the type of its SDK, and the tokens that were written; none of an error."""
    answer = json.loads(body)
    if is_error(answer):
        return None
    if client == "openai":
        typed = openai.types.chat.ChatCompletion.model_validate(answer, strict=True)
        assert not extras(typed, BEYOND)
        return of_chat(typed)
    if client == "anthropic":
        typed = anthropic.types.Message.model_validate(answer)
        assert not extras(typed, set()) and typed.stop_reason
        return of_messages(typed)
    typed = openai.types.responses.Response.model_validate(answer)
    assert not extras(typed, {"store", "status"})
    return None if typed.status == "failed" else of_responses(typed)


@pytest.mark.parametrize(("provider", "status", "file"), WHOLE)
def test_whole_answers_fit_every_sdk(provider, status, file):
    bodies = {client: translated("response", provider, client, file, "--status", str(status)) for client in CLIENTS}
    found = {client: whole(client, body) for client, body in bodies.items() if not is_verbatim(provider, client, file)}
    assert all(one == next(iter(found.values())) for one in found.values()), found


def served(client, body):
    """A client's SDK, in front of a server that streams this."""
    if client == "anthropic":
        reply = httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)
        return anthropic.Anthropic(api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(lambda _request: reply)), max_retries=0)
    reply = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    http = httpx.Client(transport=httpx.MockTransport(lambda _request: reply))
    return openai.OpenAI(api_key="none", base_url="http://upstream.invalid", http_client=http, max_retries=0)


HELLO = [{"role": "user", "content": "hi"}]


def streamed(client, body):
    """What the SDK's helper puts together of a stream; none where it ends in an error."""
    sdk = served(client, body)
    try:
        if client == "openai":
            state = ChatCompletionStreamState()
            for chunk in sdk.chat.completions.create(model="m", messages=HELLO, stream=True):
                assert not extras(chunk, BEYOND)
                state.handle_chunk(chunk)
            assert body.rstrip().endswith(b"data: [DONE]")
            return of_chat(state.current_completion_snapshot)
        if client == "anthropic":
            with sdk.messages.stream(model="m", max_tokens=9, messages=HELLO) as events:
                for event in events:
                    assert not extras(event, {"snapshot", "partial_json", "signature"}), event
                message = events.get_final_message()
            assert message.stop_reason
            return of_messages(message)
        with sdk.responses.stream(model="m", input="hi") as events:
            seen = list(events)
        assert [event.sequence_number for event in seen] == list(range(len(seen)))
        assert not set().union(*(extras(event, {"store", "status", "snapshot", "parsed_arguments", "parsed"}) for event in seen))
        last = seen[-1]
        assert last.type in ("response.completed", "response.incomplete", "response.failed")
        return None if last.type == "response.failed" else of_responses(last.response)
    except (openai.APIError, anthropic.APIError):
        return None


@pytest.mark.parametrize(("provider", "status", "file"), STREAMS)
def test_the_helpers_of_every_sdk_put_streams_together(provider, status, file):
    bodies = {client: translated("stream", provider, client, file) for client in CLIENTS if not is_verbatim(provider, client, file)}
    found = {client: streamed(client, body) for client, body in bodies.items()}
    assert all(one == next(iter(found.values())) for one in found.values()), found
