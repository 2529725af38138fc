"""Independent judges of what Cohere, Mistral and Ollama are sent: the types of their own SDKs.

Every request that a golden case of most dialects holds is written for each of them, by the binary that is judged: `SIGNALBOX_BIN`, or
target/debug/signalbox. The SDKs' types are held strictly: a member that they do not know fails, unless it is in ALLOWED with its reason.
"""

import inspect
import itertools
import json
import os
import pathlib
import subprocess
import typing
from concurrent.futures import ThreadPoolExecutor

import mistralai.client.models as mistral
import ollama._types as ollama
import pytest
from cohere.v2.raw_client import RawV2Client
from pydantic import TypeAdapter, create_model
from pydantic_core import SchemaValidator, ValidationError
from sdk_types import strict

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
MODELS = {"cohere": "command-a-03-2025", "mistral": "mistral-large-latest", "ollama": "llama3.1"}
# The folders of golden cases, and the dialect of their clients where a case says nothing.
FOLDERS = {"anthropic": "openai", "messages": "anthropic", "responses": "responses"} | dict.fromkeys(("cohere", "gemini", "ollama"), "openai")


def cases():
    """The name, the client's dialect, what is awaited and the request of every golden case."""
    for folder, usual in FOLDERS.items():
        for case in sorted((GOLDEN / folder).iterdir()):
            path = case / "case.json"
            settings = json.loads(path.read_text()) if path.exists() else {}
            file = case / ("openai_request.json" if folder == "anthropic" else "client_request.json")
            if file.exists():
                yield f"{folder}/{case.name}", settings.get("client", usual), settings.get("awaited", "chat"), file.read_bytes()


CASES = list(cases())


def written(provider, client, request, model=None):
    """The provider's request; none where it is refused, which is a 400 in the client's shape."""
    to = ["--from", client, "--to", provider, "--model", model or MODELS[provider], "--drop-params"]
    done = subprocess.run([BINARY, "translate", "request", *to], input=request, capture_output=True, timeout=30)
    body = json.loads(done.stdout)
    assert done.returncode == 0 or "error" in body, done.stderr.decode()
    return body if done.returncode == 0 else None


def validator(kind):
    return SchemaValidator(strict(TypeAdapter(kind).core_schema))


def of_method(method):
    """A type that has the parameters of an SDK's method as its members."""
    hints, members = typing.get_type_hints(method), inspect.signature(method).parameters
    members = {name: one for name, one in members.items() if name not in ("self", "request_options")}
    return create_model("Body", stream=(bool, False), **{name: (hints[name], ... if one.default is one.empty else None) for name, one in members.items()})


def closed(schema, within=""):
    """An open union of Mistral's SDK takes any member of an unknown type: one of those that are known. A name may stand once in the whole."""
    if isinstance(schema, list):
        return [closed(item, within) for item in schema]
    if not isinstance(schema, dict):
        return schema
    function = (schema.get("function") or {}).get("function") if schema.get("type") == "function-before" else None
    keywords = getattr(function, "keywords", {})
    if "variants" in keywords:
        choices = {tag: closed(TypeAdapter(kind).core_schema, f"{within}{next(NUMBERS)}.") for tag, kind in keywords["variants"].items()}
        return {"type": "tagged-union", "discriminator": keywords["disc_key"], "choices": choices}
    names = {key: within + schema[key] for key in ("ref", "schema_ref") if key in schema}
    return {key: value if key == "metadata" else closed(value, within) for key, value in schema.items()} | names


NUMBERS = itertools.count()


class OllamaChat(ollama.ChatRequest):
    messages: typing.Sequence[ollama.Message]  # The SDK takes anything besides.
    options: ollama.Options


class MistralChat(mistral.ChatCompletionRequest):
    tools: list[mistral.Tool] = []  # The others are its own, and none of a client's.


VALIDATORS = {
    "chat": {
        "cohere": validator(of_method(RawV2Client.chat)),
        "mistral": SchemaValidator(strict(closed(TypeAdapter(MistralChat).core_schema))),
        "ollama": validator(OllamaChat),
    },
    "embeddings": {
        "cohere": validator(of_method(RawV2Client.embed)),
        "mistral": validator(mistral.EmbeddingRequest),
        "ollama": validator(ollama.EmbedRequest),
    },
}
VALIDATORS["completion"] = {name: one for name, one in VALIDATORS["chat"].items() if name != "mistral"}  # It has an API for them.


def as_typed(provider, body):
    """A body in the form that its SDK's types have: they hold images as objects, and of a tool's schema a part."""
    for message in body.get("messages", []) if provider == "ollama" else []:
        if "images" in message:
            message["images"] = [{"value": image} for image in message["images"]]
    for tool in body.get("tools", []) if provider == "ollama" else []:
        assert isinstance(tool["function"].pop("parameters", {}), dict)
    return body


# (provider, case, where, reason): what a type does not have. Case "*": in any; `#` is any index.
OURS = "its server reads it, for results whose names are the same (`api/types.go`)"
THEIRS = "the client's own member, in the dialect that Mistral's is: what it does not know it names in its answer"
ALLOWED = [
    ("ollama", "*", "messages.#.tool_call_id", OURS),
    ("ollama", "*", "messages.#.tool_calls.#.id", OURS),
    ("mistral", "anthropic/deprecated_functions", "messages.#", THEIRS),
    ("mistral", "anthropic/functions", "messages.#", THEIRS),
    ("mistral", "anthropic/hints_dropped", "foo", THEIRS),
    ("mistral", "anthropic/hints_dropped", "moderation", THEIRS),
    ("mistral", "anthropic/thinking_not_taken", "top_k", THEIRS),
    ("mistral", "anthropic/unknown_role_refused", "messages.#", THEIRS),
    ("mistral", "anthropic/wrong_type_refused", "messages.#.tool.tool_call_id", THEIRS),
    ("mistral", "cohere/embeddings_floats", "input_type", THEIRS),
    ("mistral", "cohere/embeddings_of_tokens_refused", "input", THEIRS),
    ("mistral", "cohere/parameters", "safety_mode", THEIRS),
    ("mistral", "gemini/everything", "safety_settings", THEIRS),
    ("mistral", "ollama/options", "num_ctx", THEIRS),
    ("mistral", "ollama/options", "keep_alive", THEIRS),
    ("mistral", "ollama/options", "repeat_penalty", THEIRS),
]


def faults(provider, awaited, body):
    try:
        VALIDATORS[awaited][provider].validate_python(as_typed(provider, body))
    except ValidationError as error:
        for one in error.errors():
            yield ".".join("#" if isinstance(part, int) else part for part in one["loc"]), one["type"], one["input"]


@pytest.mark.parametrize("provider", MODELS)
def test_requests_fit_the_sdks_types(provider):
    asked = [(name, client, awaited, request) for name, client, awaited, request in CASES if provider in VALIDATORS[awaited]]
    with ThreadPoolExecutor(4) as several:
        bodies = list(several.map(lambda one: written(provider, one[1], one[3]), asked))
    assert sum(body is not None for body in bodies) > 220, "most are written"
    unlisted, occurred = [], set()
    for (name, _, awaited, _), body in zip(asked, bodies):
        for where, kind, found in faults(provider, awaited, body) if body is not None else ():
            rows = [row for row in ALLOWED if row[0] == provider and row[1] in ("*", name) and where.startswith(row[2])]
            occurred.update(rows)
            if not rows:
                unlisted.append(f"{name}: {where}: {kind}: {json.dumps(found)[:200]}")
    assert not unlisted, "\n".join(unlisted)
    gone = [row for row in ALLOWED if row[0] == provider and row not in occurred]
    assert not gone, f"listed, but no longer occurs: {gone}"


USER = {"role": "user", "content": "hi"}
BROKEN = [{"zz": 1}, {"messages": [USER | {"zz": 1}]}, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "zz": 1}]}]}, {"messages": "hi"}]


@pytest.mark.parametrize("broken", BROKEN, ids=str)
@pytest.mark.parametrize("provider", MODELS)
def test_the_judge_can_refuse(provider, broken):
    sound = {"model": "m", "messages": [USER], "options": {}} if provider == "ollama" else {"model": "m", "messages": [USER]}
    assert list(faults(provider, "chat", sound)) == []
    assert list(faults(provider, "chat", sound | broken))
