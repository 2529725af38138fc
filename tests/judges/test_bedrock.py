"""Independent judges of Bedrock's codec and of its simulator: botocore's model of the service, its parser of streams, and LiteLLM's translation
of the same golden cases.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference to LiteLLM is listed in bedrock_differences.json
with its reason; an unlisted one fails, and so does a listed one that no longer occurs.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import urllib.error
import urllib.request

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.validate
import httpx
import litellm
import pytest
from botocore.eventstream import ChecksumMismatch, EventStream
from botocore.exceptions import EventStreamError
from litellm.llms.bedrock.chat.converse_transformation import AmazonConverseConfig
from litellm.llms.bedrock.embed.amazon_nova_transformation import AmazonNovaEmbeddingConfig
from litellm.llms.bedrock.embed.amazon_titan_g1_transformation import AmazonTitanG1Config
from litellm.llms.bedrock.embed.amazon_titan_multimodal_transformation import AmazonTitanMultimodalEmbeddingG1Config
from litellm.llms.bedrock.embed.amazon_titan_v2_transformation import AmazonTitanV2Config
from litellm.llms.bedrock.embed.cohere_transformation import BedrockCohereEmbeddingConfig

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "bedrock"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
SERVICE = botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2"))


def read(case, name):
    return (GOLDEN / case / name).read_bytes()


def settings(case):
    path = GOLDEN / case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


CASES = sorted(path.name for path in GOLDEN.iterdir())
REQUESTS = [case for case in CASES if (GOLDEN / case / "upstream_request.json").exists()]
EMBEDDINGS = [case for case in REQUESTS if settings(case).get("awaited") == "embeddings"]
CHATS = [case for case in REQUESTS if case not in EMBEDDINGS]
STREAMS = [case for case in CASES if (GOLDEN / case / "upstream_response.stream").exists()]


def translated(case):
    given = settings(case)
    flags = ["--drop-params"] if given.get("drop_params") else []
    args = ["request", "--from", given.get("client", "openai"), "--to", "bedrock", "--model", given.get("model", MODEL)]
    done = subprocess.run([BINARY, "translate", *args, *flags], input=read(case, "client_request.json"), capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


# --- botocore


class Unfit(Exception):
    """A document is not what the model of the service says."""


def fits(value, shape, where="body", more=()):
    """Holds a JSON document to a shape: also to lengths, patterns, choices and unions, of which botocore checks few, and to its names."""
    told = shape.metadata

    def must(fact, what):
        if not fact:
            raise Unfit(f"{where}: {what}: {value!r}"[:400])

    if getattr(shape, "is_document_type", False):
        return
    if shape.type_name == "structure":
        must(isinstance(value, dict), "no object")
        must(set(value) <= set(shape.members) | set(more), f"unknown members beside {sorted(shape.members)}")
        must(set(shape.required_members) <= set(value), f"needs {shape.required_members}")
        must(not shape.is_tagged_union or len(value) == 1, "a union has one member")
        for name, inner in value.items():
            if name in shape.members:
                fits(inner, shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        must(isinstance(value, list), "no list")
        must(told.get("min", 0) <= len(value) <= told.get("max", 10**9), f"its length: {told}")
        for index, inner in enumerate(value):
            fits(inner, shape.member, f"{where}[{index}]")
    elif shape.type_name == "map":
        must(isinstance(value, dict) and told.get("min", 0) <= len(value) <= told.get("max", 10**9), f"no map: {told}")
        for name, inner in value.items():
            fits(name, shape.key, f"{where}.{name}")
            fits(inner, shape.value, f"{where}.{name}")
    elif shape.type_name == "string":
        must(isinstance(value, str), "no text")
        must(told.get("min", 0) <= len(value) <= told.get("max", 10**9), f"its length: {told}")
        must("enum" not in told or value in told["enum"], f"none of {told.get('enum')}")
        must("pattern" not in told or re.fullmatch(told["pattern"].replace("(?s)", ""), value, re.DOTALL), f"pattern {told.get('pattern')}")
    elif shape.type_name == "blob":
        must(isinstance(value, str) and base64.b64decode(value, validate=True) is not None, "no base64")
    elif shape.type_name == "boolean":
        must(isinstance(value, bool), "no boolean")
    elif shape.type_name in ("integer", "long"):
        must(isinstance(value, int) and told.get("min", 0) <= value <= told.get("max", 10**18), f"no number: {told}")
    elif shape.type_name in ("float", "double"):
        must(isinstance(value, (int, float)) and told.get("min", -1e99) <= value <= told.get("max", 1e99), f"no number: {told}")
    else:
        raise AssertionError(f"{where}: {shape.type_name}")


def is_stream(case):
    return bool(json.loads(read(case, "client_request.json")).get("stream"))


# The row's own data is no base64, which a client cannot know.
STRAY = {"m27_thinking_in_order"}


@pytest.mark.parametrize("case", [case for case in CHATS if case not in STRAY])
def test_requests_fit_the_services_model(case):
    operation = SERVICE.operation_model("ConverseStream" if is_stream(case) else "Converse")
    body = translated(case) | {"modelId": settings(case).get("model", MODEL)}
    found = botocore.validate.ParamValidator().validate(body, operation.input_shape)
    assert not found.has_errors(), found.generate_report()
    fits(body, operation.input_shape)
    blank = [text for text in texts(body) if not text.strip()]
    assert not blank, "the service refuses blank texts, which its model does not say"
    roles = [message["role"] for message in body["messages"]]
    assert roles == [("user", "assistant")[index % 2] for index in range(len(roles))]


def texts(value):
    """The texts of all blocks."""
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) and len(value) == 1 else []
    return own + [text for name, item in value.items() if name not in ("json", "input") for text in texts(item)]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "tool", "content": [{"text": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"text": "x", "cachePoint": {"type": "default"}}]}]},
        {"messages": [], "inferenceConfig": {"maxTokens": 0}},
        {"messages": [], "inferenceConfig": {"stopSequences": [""]}},
        {"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "a.b", "inputSchema": {"json": {}}}}]}},
        {"messages": [], "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1", "streamProcessingMode": "async"}},
        {"messages": [], "requestMetadata": {"user": "{}"}},
        {"messages": [], "stream": True},
    ],
)
def test_the_judge_can_fail(body):
    with pytest.raises(Unfit):
        fits(body | {"modelId": MODEL}, SERVICE.operation_model("Converse").input_shape)


# --- Streams


class Bytes:
    """A body as botocore reads it."""

    def __init__(self, data, cut=None):
        self.data, self.cut = data, cut or len(data) or 1

    def stream(self):
        return (self.data[at : at + self.cut] for at in range(0, len(self.data), self.cut))

    def close(self):
        pass


def heard_by_botocore(data, cut=None):
    """What botocore's parser reads of a stream: the text, the calls, why it ended, the usage, and the error."""
    shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    text, calls, stop, usage = "", {}, None, None
    try:
        for event in EventStream(Bytes(data, cut), shape, botocore.parsers.EventStreamJSONParser(), "ConverseStream"):
            [(name, event)] = event.items()
            if name == "contentBlockStart":
                calls[event["contentBlockIndex"]] = [event["start"]["toolUse"]["name"], ""]
            elif name == "contentBlockDelta":
                delta = event["delta"]
                text += delta.get("text", "")
                if "toolUse" in delta:
                    calls[event["contentBlockIndex"]][1] += delta["toolUse"]["input"]
            elif name == "messageStop":
                stop = event["stopReason"]
            elif name == "metadata" and "usage" in event:
                usage = event["usage"]
    except (EventStreamError, ChecksumMismatch) as error:
        return text, [tuple(call) for call in calls.values()], None, None, type(error).__name__
    # Without its last event an answer is none, and one that came out malformed is none either, which botocore leaves to its users.
    failure = None if stop and not stop.startswith("malformed_") else stop or "no end"
    return text, [tuple(call) for call in calls.values()], stop, usage, failure


def heard_by_ours(data, names):
    done = subprocess.run([BINARY, "translate", "stream", "--from", "bedrock", "--to", "openai"], input=data, capture_output=True, timeout=30)
    chunks = [json.loads(line[6:]) for line in done.stdout.decode().splitlines() if line.startswith("data: ") and line != "data: [DONE]"]
    error = next((chunk["error"] for chunk in chunks if "error" in chunk), None)
    choices = [choice for chunk in chunks for choice in chunk.get("choices", [])]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    calls = {}
    for piece in (piece for choice in choices for piece in choice["delta"].get("tool_calls", [])):
        call = calls.setdefault(piece["index"], ["", ""])
        call[0] += piece["function"].get("name", "")
        call[1] += piece["function"].get("arguments", "")
    stop = next((choice["finish_reason"] for choice in choices if choice.get("finish_reason")), None)
    return text, [(names.get(name, name), arguments) for name, arguments in map(tuple, calls.values())], stop, error


def alike(data, names=()):
    """What both hear of a stream."""
    text, calls, stop, _, failure = heard_by_botocore(data)
    assert (text, calls, stop, failure) == tuple(heard_by_botocore(data, 7)[index] for index in (0, 1, 2, 4)), "wherever it is cut"
    ours = heard_by_ours(data, dict(names))
    assert ours[0] == text
    assert bool(ours[3]) == bool(failure), (ours, failure)
    # The arguments of a call that breaks off are not handed on as if they were whole.
    if not failure:
        assert [(name, json.loads(arguments)) for name, arguments in ours[1]] == [(name, json.loads(arguments or "{}")) for name, arguments in calls]
        assert ours[2], "it ended"
    return text, calls, stop, failure


@pytest.mark.parametrize("case", STREAMS)
def test_golden_streams_are_heard_as_botocore_hears_them(case):
    alike(read(case, "upstream_response.stream"))


@pytest.fixture(scope="module")
def sim():
    process = subprocess.Popen([BINARY, "sim", "--quiet", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    base = process.stdout.readline().split()[1]

    def ask(how, body, model=MODEL):
        asked = urllib.request.Request(f"{base}/model/{urllib.request.quote(model, safe='')}/{how}", data=json.dumps(body).encode())
        try:
            with urllib.request.urlopen(asked) as said:
                return said.status, dict(said.headers), said.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    yield ask
    process.terminate()
    process.wait()


USER = {"role": "user", "content": [{"text": "call f {\"x\": [1, \"é\"]} and call f {}"}]}
TOOLS = {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]}
ASKED = {
    "text": {"messages": [{"role": "user", "content": [{"text": "hello"}]}]},
    "calls": {"messages": [USER], "toolConfig": TOOLS},
    "thoughts": {"messages": [{"role": "user", "content": [{"text": "hello"}]}], "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    "a limit": {"messages": [{"role": "user", "content": [{"text": "hello"}]}], "inferenceConfig": {"maxTokens": 3}},
}  # fmt: skip


@pytest.mark.parametrize("what", ASKED)
def test_the_simulator_answers_as_the_service_does(sim, what):
    operation = SERVICE.operation_model("Converse")
    fits(ASKED[what] | {"modelId": MODEL}, operation.input_shape)
    status, _, body = sim("converse", ASKED[what])
    assert status == 200
    fits(json.loads(body), operation.output_shape)


@pytest.mark.parametrize("what", ASKED)
def test_the_simulators_frames_are_botocores(sim, what):
    status, headers, data = sim("converse-stream", ASKED[what])
    assert (status, headers["content-type"]) == (200, "application/vnd.amazon.eventstream")
    shape = SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    for event in EventStream(Bytes(data), shape, Raw(), "ConverseStream"):
        fits({event["name"]: event["payload"]}, shape, more=())
    text, calls, stop, failure = alike(data)
    assert failure is None and stop == {"calls": "tool_use", "a limit": "max_tokens"}.get(what, "end_turn")
    assert bool(text) != (what == "calls") and len(calls) == (2 if what == "calls" else 0)


class Raw:
    """In botocore's place: the payload of each frame, without what fills it up."""

    def parse(self, response, _shape):
        payload = json.loads(response["body"])
        assert payload.pop("p")
        return {"name": response["headers"][":event-type"], "payload": payload}


@pytest.mark.parametrize("kind", ["overloaded", "rate_limit", "server"])
def test_the_simulators_exceptions_are_botocores(sim, kind):
    _, _, data = sim("converse-stream", ASKED["text"], f"{MODEL}@error_event={kind},error_after=3")
    text, _, _, failure = alike(data)
    assert text and failure == "EventStreamError"


@pytest.mark.parametrize("status", [400, 403, 404, 408, 424, 429, 500, 503])
def test_the_simulators_errors_are_botocores(sim, status):
    got, headers, body = sim("converse", ASKED["text"], f"{MODEL}@status={status}")
    assert got == status
    response = {"headers": {name.lower(): value for name, value in headers.items()}, "status_code": got, "body": body}
    operation = SERVICE.operation_model("Converse")
    error = botocore.parsers.create_parser("rest-json").parse(response, operation.output_shape)["Error"]
    assert error["Message"]
    shape = next(shape for shape in operation.error_shapes if shape.name == error["Code"])
    assert shape.metadata["error"]["httpStatusCode"] == status


# --- LiteLLM


@pytest.fixture(autouse=True)
def as_installed(monkeypatch):
    """LiteLLM mends messages only where it is told to, and other judges tell it."""
    monkeypatch.setattr(litellm, "modify_params", False)


def litellms(case):
    """The body that LiteLLM would send, made in this process."""
    request = json.loads(read(case, "client_request.json"))
    model = settings(case).get("model", MODEL)
    messages = request.pop("messages")
    own = {key: request.pop(key) for key in ("guardrailConfig",) if key in request}
    request = {key: value for key, value in request.items() if key not in ("model", "stream", "stream_options")}
    # `litellm.completion` knows only this name.
    for message in messages:
        message["role"] = "system" if message["role"] == "developer" else message["role"]
    params = litellm.utils.get_optional_params(model=model, custom_llm_provider="bedrock", messages=messages, drop_params=True, **request)
    # Its handler takes them out.
    for name in ("json_mode", "stream", "fake_stream"):
        params.pop(name, None)
    body = AmazonConverseConfig()._transform_request(model=model, messages=messages, optional_params=params | own, litellm_params={}, headers={})
    # Where a tool says nothing of itself, it writes the name twice.
    for tool in (tool["toolSpec"] for tool in body.get("toolConfig", {}).get("tools", []) if "toolSpec" in tool):
        if tool.get("description") == tool["name"]:
            del tool["description"]
    return body


def plain(value):
    """Without what says nothing, and what is JSON in a text as JSON."""
    if isinstance(value, dict):
        told = {key: plain(inner) for key, inner in value.items() if inner not in (None, {}, [])}
        return {key: json.loads(inner) if key == "schema" and isinstance(inner, str) else inner for key, inner in told.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


PARTS = ("inferenceConfig", "toolConfig", "additionalModelRequestFields")


def differing(ours, theirs):
    """The members of the top, or of those that have parts, that differ."""
    ours, theirs = plain(ours), plain(theirs)
    found = set()
    for name in set(ours) | set(theirs):
        one, other = ours.get(name), theirs.get(name)
        if one == other:
            continue
        if name not in PARTS:
            found.add(name)
            continue
        one, other = one or {}, other or {}
        found |= {f"{name}.{key}" for key in set(one) | set(other) if one.get(key) != other.get(key)}
    return found


REASONS = json.loads((pathlib.Path(__file__).with_name("bedrock_differences.json")).read_text())
OPENAIS = [case for case in CHATS if settings(case).get("client", "openai") == "openai"]


def compared(case, theirs):
    try:
        return differing(translated(case), json.loads(json.dumps(theirs(case))))
    except litellm.exceptions.APIError as error:
        return {f"LiteLLM refuses: {type(error).__name__}"}
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001  (LiteLLM fails in many ways)
        return {f"LiteLLM fails: {type(error).__name__}"}


@pytest.mark.parametrize("case", OPENAIS)
def test_litellm_sends_the_same(case):
    assert compared(case, litellms) == set(REASONS.get(case, {})), "differences that are listed otherwise"


def told(answer):
    """What a client is told of an answer."""
    message, usage = answer["choices"][0]["message"], answer["usage"]
    calls = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls") or []]
    counted = [usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], usage["prompt_tokens_details"]["cached_tokens"]]
    signed = [(block["thinking"], block["signature"]) for block in message.get("thinking_blocks") or []]
    return message["content"] or "", calls, answer["choices"][0]["finish_reason"], counted, message.get("reasoning_content"), signed


@pytest.mark.parametrize("what", ASKED)
def test_litellm_hears_the_same(sim, what):
    _, _, body = sim("converse", ASKED[what])
    done = subprocess.run([BINARY, "translate", "response", "--from", "bedrock", "--to", "openai"], input=body, capture_output=True, timeout=30)
    response = httpx.Response(200, content=body, request=httpx.Request("POST", "http://h"))
    theirs = AmazonConverseConfig()._transform_response(
        model=MODEL, response=response, model_response=litellm.ModelResponse(), stream=False, logging_obj=None, optional_params={},
        api_key="k", data="{}", messages=[], encoding=None,
    )  # fmt: skip
    assert told(json.loads(done.stdout)) == told(json.loads(theirs.model_dump_json()))


def litellms_embeddings(case):
    request = json.loads(read(case, "client_request.json"))
    model = settings(case)["model"]
    inputs = request["input"] if isinstance(request["input"], list) else [request["input"]]
    asked = {key: request[key] for key in ("dimensions", "encoding_format") if key in request}
    own = {key: request[key] for key in ("normalize", "input_type") if key in request}
    if "nova" in model:
        [one] = inputs
        more = {key: request[key] for key in ("embeddingPurpose",) if key in request}
        return AmazonNovaEmbeddingConfig()._transform_request(one, AmazonNovaEmbeddingConfig().map_openai_params(asked, {}) | more)
    configs = {"titan-embed-image": AmazonTitanMultimodalEmbeddingG1Config, "titan-embed-text-v2": AmazonTitanV2Config, "titan": AmazonTitanG1Config}
    config = next((config for name, config in configs.items() if name in model), None)
    if config:
        [one] = inputs
        return config()._transform_request(one, config().map_openai_params(asked, {}) | own)
    params = BedrockCohereEmbeddingConfig().map_openai_params(asked, {})
    return BedrockCohereEmbeddingConfig()._transform_request(model, inputs, params | own)


@pytest.mark.parametrize("case", EMBEDDINGS)
def test_litellm_embeds_the_same(case):
    assert compared(case, litellms_embeddings) == set(REASONS.get(case, {})), "differences that are listed otherwise"


def test_every_difference_has_a_reason_and_a_case():
    assert set(REASONS) <= set(OPENAIS) | set(EMBEDDINGS)
    assert all(reason for reasons in REASONS.values() for reason in reasons.values())
