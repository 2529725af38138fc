"""Nobody is asked whose dialect cannot say the request, however the one before failed (D3). Envoy goes where it was told to without asking the filter
again, and an attempt that has begun cannot be led elsewhere."""

import openai
import pytest
from anthropic_wire import message
from gateway import deployment
from provider import closed_port, error, reset, silent, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
CUSTOM = [{"type": "custom", "custom": {"name": "grammar"}}]
PLAIN = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]


def ask(envoy, **more):
    got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO, **more)
    return got.headers["x-signalbox-deployment"]


@pytest.mark.parametrize(
    "fails",
    [error(503), error(401), reset(), silent(20), stream("reset"), stream(b"data: {", "reset"), stream(20)],
    ids=["503", "401", "reset", "silent", "reset-after-head", "reset-after-bytes", "silent-after-head"],
)
def test_d3_a_failure_leads_past_whom_the_request_cannot_be_told(provider, gateway, fails):
    first, claude, spare = provider(fails), provider(message("from claude")), provider(whole("from spare"))
    envoy = gateway(
        deployment("m", first, id="first"),
        deployment("claude", claude, "anthropic/claude-haiku-4-5", id="claude"),
        deployment("spare", spare, id="spare"),
        router={"fallbacks": [{"m": ["claude", "spare"]}], "num_retries": 1, "timeout": 1, "disable_cooldowns": True},
    )
    assert ask(envoy, tools=CUSTOM) == "spare"
    assert not claude.requests
    assert ask(envoy, tools=PLAIN) == "claude", "what it can say it is asked"
    assert "input_schema" in claude.requests[0].json["tools"][0]


def test_d3_a_refused_connection_leads_past_whom_the_request_cannot_be_told(provider, gateway):
    claude, spare = provider(message("from claude")), provider(whole("from spare"))
    envoy = gateway(
        deployment("m", f"http://127.0.0.1:{closed_port()}", id="first"),
        deployment("claude", claude, "anthropic/claude-haiku-4-5", id="claude"),
        deployment("spare", spare, id="spare"),
        router={"fallbacks": [{"m": ["claude", "spare"]}]},
    )
    assert ask(envoy, tools=CUSTOM) == "spare"
    assert ask(envoy, tools=PLAIN) == "claude"


def test_d3_the_first_cause_is_told_where_nobody_else_can_be(provider, gateway):
    first, claude = provider(reset()), provider(message("from claude"))
    envoy = gateway(
        deployment("m", first, id="first"),
        deployment("claude", claude, "anthropic/claude-haiku-4-5", id="claude"),
        router={"fallbacks": [{"m": ["claude"]}], "num_retries": 0},
    )
    with pytest.raises(openai.InternalServerError) as told:
        ask(envoy, tools=CUSTOM)
    assert told.value.response.headers["x-signalbox-error"] == "reset"
    assert not claude.requests
