"""What Anthropic's Messages API says, as behaviours of a scripted provider."""

import json

from provider import answer, stream

MODEL = "claude-haiku-4-5-20251001"
USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5}


def message(*content, stop="end_turn", usage=None, **more):
    """A whole message. A string is a text block."""
    blocks = [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": blocks, "stop_reason": stop}
    return answer(200, body | {"stop_sequence": None, "usage": USAGE | (usage or {})} | more, request_id="req_1")


def call(name, arguments, key="toolu_1"):
    return {"type": "tool_use", "id": key, "name": name, "input": arguments}


def thinking(text, signature="c2ln"):
    return {"type": "thinking", "thinking": text, "signature": signature}


def refusal(status, kind, text="it went wrong", **headers):
    """An error as Anthropic tells it."""
    return answer(status, {"type": "error", "error": {"type": kind, "message": text}, "request_id": "req_1"}, **headers)


def event(kind, **data):
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | data)}\n\n".encode()


PING = event("ping")


def broken(kind, text="it went wrong"):
    """An error within a stream."""
    return event("error", error={"type": kind, "message": text})


def begin(usage=None):
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [], "stop_reason": None, "stop_sequence": None}
    return event("message_start", message=start | {"usage": USAGE | {"output_tokens": 1} | (usage or {})})


def _pieces(text):
    return [text[:3], text[3:]] if len(text) > 3 else [text]


def block(index, content):
    """The events of one block; texts and arguments come in pieces."""
    if isinstance(content, str):
        content = {"type": "text", "text": content}
    kind = content["type"]
    field, delta, empty = {
        "text": ("text", "text_delta", {"text": ""}),
        "thinking": ("thinking", "thinking_delta", {"thinking": "", "signature": ""}),
        "tool_use": ("partial_json", "input_json_delta", {"input": {}}),
    }[kind]
    said = json.dumps(content["input"]) if kind == "tool_use" else content[field]
    deltas = [{"type": delta, field: piece} for piece in _pieces(said)]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": content["signature"]})
    events = [event("content_block_start", index=index, content_block=content | empty)]
    events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return events + [event("content_block_stop", index=index)]


def events(*content, stop="end_turn", usage=None):
    """A whole stream, event by event."""
    parts = [begin(usage), PING]
    for index, one in enumerate(content):
        parts += block(index, one)
    parts.append(event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": 5}))
    return parts + [event("message_stop")]


def streamed(*content, **options):
    return stream(*events(*content, **options))
