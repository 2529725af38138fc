"""What Gemini's API says, as behaviours of a scripted provider."""

import json

from provider import answer, stream

USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}


def said(*parts, finish=None, usage=USAGE, **more):
    """One answer, or one event of a stream. A string is a part of text."""
    parts = [{"text": part} if isinstance(part, str) else part for part in parts]
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0} | ({"finishReason": finish} if finish else {})
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-served", "responseId": "resp-1"} | more


def call(name, args, signature=None, **more):
    part = {"functionCall": {"name": name, "args": args} | more}
    return part | ({"thoughtSignature": signature} if signature else {})


def generated(*parts, finish="STOP", **more):
    """A whole answer."""
    return answer(200, said(*parts, finish=finish, **more))


def streamed(*events):
    """A stream, each event with the line ends that Google sends."""
    return stream(*(f"data: {json.dumps(event)}\r\n\r\n".encode() for event in events))


def refusal(status, word, message, *details):
    """An error as Google tells it."""
    return answer(status, {"error": {"code": status, "message": message, "status": word, "details": list(details)}})
