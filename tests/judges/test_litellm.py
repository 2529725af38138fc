"""LiteLLM as a judge of requests to Cohere, Mistral, Ollama and Azure: what it sends for the same golden cases, made in this process.

A peer, not the truth. Every difference is listed in litellm_differences.json with its reason; an unlisted one fails, and so does a listed one
that no longer occurs. For Anthropic test_anthropic.py does this, for Gemini test_gemini.py.
"""

import collections
import json
import pathlib
import re

import litellm_oracle
import pytest
from test_anthropic import differences
from test_native import CASES, MODELS, written

# LiteLLM's name of each, ours, the model, and what it wants to be told besides.
PROVIDERS = {
    "cohere_chat": ("cohere", MODELS["cohere"], {}),
    "mistral": ("mistral", MODELS["mistral"], {}),
    "ollama_chat": ("ollama", MODELS["ollama"], {"api_base": "http://localhost:11434"}),
    "azure": ("azure", "gpt-4o", {"api_base": "https://x.openai.azure.com", "api_version": "2024-10-21"}),
}
# Those of chats.
FOLDERS = ("anthropic", "cohere", "ollama", "gemini")
CHATS = [(name, request) for name, client, awaited, request in CASES if (client, awaited) == ("openai", "chat") and name.startswith(FOLDERS)]
LISTED = json.loads(pathlib.Path(__file__).with_name("litellm_differences.json").read_text())


def plain(body):
    """A body whose spelling says nothing: a text in one part, a list that is empty, what is the usual."""
    body = json.loads(json.dumps(body))
    for message in body.get("messages", []):
        content = message.get("content")
        if isinstance(content, list) and all(part.get("type") == "text" and set(part) == {"type", "text"} for part in content):
            message["content"] = "".join(part["text"] for part in content)
        for name in ("content", "images", "tool_calls", "name"):
            if message.get(name, "") in (None, "", []):
                message.pop(name, None)
    return {name: value for name, value in body.items() if value is not None and (name, value) not in [("stream", False), ("options", {})]}


def found(provider):
    """Where the two differ, and in which cases."""
    ours, model, settings = PROVIDERS[provider]
    places = collections.defaultdict(set)
    for name, request in CHATS:
        asked = json.loads(request)
        mine, theirs = written(ours, "openai", request, model), litellm_oracle.sent(provider, model, asked, **settings)
        mine = {"raises": "refused"} if mine is None else plain(mine)
        if "raises" in mine and "raises" in theirs:
            continue
        for path, left, right in differences(mine, plain(theirs)):
            path = f"raises {right}" if path == "raises" else re.sub(r"\[\d+\]", "[]", path)
            places[path].add(name)
    return {path: sorted(names) for path, names in sorted(places.items())}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_litellm_sends_the_same(provider):
    listed = {one["at"]: one["cases"] for one in LISTED[provider]}
    assert found(provider) == listed, "differences that are listed otherwise"


def test_every_difference_has_a_reason():
    assert set(LISTED) == set(PROVIDERS)
    assert all(one["reason"] for rows in LISTED.values() for one in rows)
