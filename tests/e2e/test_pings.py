"""What a client hears while its provider is silent in the middle of a stream (M23, R21), on the real Envoy.

Clients that count events alone get one each ten seconds, between two events of the answer; and nothing of an answer waits for that.
"""

import json
import time

import httpx
import pytest
from anthropic_wire import events
from gateway import deployment
from provider import DONE, chunk, silent, stream

ROLE = chunk({"role": "assistant", "content": ""})


def said(text):
    return chunk({"content": text})


def heard(envoy, path, body):
    """Each event with the seconds at which it came; the last one whole."""
    events, began, rest = [], time.monotonic(), ""
    with httpx.stream("POST", f"{envoy.base}{path}", json=body | {"stream": True}, timeout=40) as got:
        assert got.status_code == 200
        for text in got.iter_text():
            *whole, rest = (rest + text).split("\n\n")
            for event in whole:
                data = [line.removeprefix("data: ") for line in event.split("\n") if line.startswith("data: ")]
                events.append((time.monotonic() - began, json.loads(data[0]) if data and data[0] != "[DONE]" else {}))
    assert rest == ""
    return events


MESSAGES = ("/messages", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}, "ping")
RESPONSES = ("/responses", {"model": "m", "input": "hello"}, "keepalive")


@pytest.mark.parametrize("begun", [(ROLE, 0.2, said("a")), (ROLE + said("a"),)], ids=["role first", "at once"])
@pytest.mark.parametrize(("path", "body", "ping"), [MESSAGES, RESPONSES])
def test_m23_r21_a_client_hears_something_while_its_provider_is_silent(provider, gateway, path, body, ping, begun):
    one = provider(stream(*begun, 0.4, said("b"), 0.4, said("c"), 11.5, said("d"), 0.4, said("e"), 0.4, said("f"), chunk({}, "stop"), DONE))
    envoy = gateway(deployment("m", f"{one.base}/v1", "hosted_vllm/small"))
    events = heard(envoy, path, body)
    kinds = [event["type"] for _, event in events]
    assert kinds.count(ping) == 1 and kinds[-1] in ("message_stop", "response.completed")
    delta = [(at, event["delta"]) for at, event in events if event["type"] in ("content_block_delta", "response.output_text.delta")]
    texts = [(at, piece if isinstance(piece, str) else piece["text"]) for at, piece in delta]
    assert "".join(text for _, text in texts) == "abcdef"
    wanted = dict(zip("abcdef", (0, 0.4, 0.8, 12.3, 12.7, 13.1)))
    first = texts[0][0]
    late = {text: at - first - wanted[text] for at, text in texts}
    assert max(late.values()) < 0.3, late
    at = dict((event["type"], at) for at, event in events)[ping]
    assert 9.5 < at - first - 0.8 < 11
    if ping == "keepalive":
        assert [event["sequence_number"] for _, event in events] == list(range(len(events)))


def test_m23_also_where_the_bytes_pass(provider, gateway):
    parts = events("Hi there.")
    one = provider(stream(*parts[:1], 0.2, *parts[1:3], 11.5, *parts[3:]))
    got = heard(gateway(deployment("m", one, "anthropic/claude-haiku-4-5")), *MESSAGES[:2])
    kinds = [event["type"] for _, event in got]
    assert kinds.count("ping") >= 1 and kinds[0] == "message_start" and kinds[-1] == "message_stop"
