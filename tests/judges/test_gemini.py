"""Independent judges of the Gemini codec: the types of Google's own SDK, and LiteLLM's translation of the same golden cases.

The binary is the judged one: `SIGNALBOX_BIN`, or target/debug/signalbox. Every difference to LiteLLM is listed in DIFFERENCES
with its reason; an unlisted one fails, and so does a listed one that no longer occurs.
"""

import json
import os
import pathlib
import subprocess

import litellm
import pytest
from google.genai import types
from litellm.llms.vertex_ai.gemini.transformation import sync_transform_request_body

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "gemini"
BINARY = str(ROOT / os.environ.get("SIGNALBOX_BIN", "target/debug/signalbox"))


def read(case, name):
    return (GOLDEN / case / name).read_bytes()


def settings(case):
    path = GOLDEN / case / "case.json"
    return json.loads(path.read_text()) if path.exists() else {}


def of_google(case):
    return settings(case).get("provider", "gemini") == "gemini"


CASES = sorted(path.name for path in GOLDEN.iterdir() if of_google(path.name))
REQUESTS = [case for case in CASES if (GOLDEN / case / "upstream_request.json").exists()]
# LiteLLM fetches what stands at a URL.
CHATS = [case for case in REQUESTS if settings(case).get("client") != "anthropic" and case != "g19_media_by_url"]
# The row's own signature ends in bits that mean nothing, which the SDK refuses and Google does not say.
STRAY = "g5_signature_in_id"


def translated(case):
    given = settings(case)
    flags = ["--drop-params"] if given.get("drop_params") else []
    args = ["request", "--from", given.get("client", "openai"), "--to", "gemini", "--model", given.get("model", "gemini-2.5-flash")]
    done = subprocess.run([BINARY, "translate", *args, *flags], input=read(case, "client_request.json"), capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def strict(model, value):
    """Validates against a type of the SDK, whose models refuse unknown members."""
    return model.model_validate(value)


@pytest.mark.parametrize("case", REQUESTS)
def test_requests_fit_the_sdks_types(case):
    body = translated(case)
    assert set(body) <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings", "cachedContent", "labels"}
    for content in body["contents"]:
        assert content["role"] in ("user", "model") and content["parts"]
        for part in content["parts"]:
            # A part holds one thing.
            assert len(set(part) - {"thought", "thoughtSignature"}) == 1, part
            # The SDK's type holds bytes, and reads them from base64.
            if case != STRAY:
                strict(types.Part, part)
    if "systemInstruction" in body:
        strict(types.Content, body["systemInstruction"])
    for tool in body.get("tools", []):
        strict(types.Tool, tool)
    if "toolConfig" in body:
        strict(types.ToolConfig, body["toolConfig"])
    strict(types.GenerationConfig, body.get("generationConfig", {}))
    for setting in body.get("safetySettings", []):
        strict(types.SafetySetting, setting)


def test_the_judge_can_fail():
    with pytest.raises(ValueError):
        strict(types.Part, {"functionCal": {}})


def litellms(case):
    """The body that LiteLLM would send, made in this process."""
    request = json.loads(read(case, "client_request.json"))
    model = settings(case).get("model", "gemini-2.5-flash")
    messages = request.pop("messages")
    request.pop("model")
    request = {key: value for key, value in request.items() if key not in ("stream", "stream_options")}
    extra = {key: request.pop(key) for key in ("safety_settings", "metadata", "user") if key in request}
    params = litellm.utils.get_optional_params(model=model, custom_llm_provider="gemini", messages=messages, drop_params=True, **request)
    params.update({key: value for key, value in extra.items() if key == "safety_settings"})
    return sync_transform_request_body(
        gemini_api_key="k", messages=messages, api_base=None, model=model, client=None, timeout=None, extra_headers=None,
        optional_params=params, logging_obj=None, custom_llm_provider="gemini", litellm_params={}, vertex_project=None,
        vertex_location=None, vertex_auth_header=None,
    )  # fmt: skip


def plain(value):
    """Without what is said in two spellings, or means nothing."""
    names = {"system_instruction": "systemInstruction", "inline_data": "inlineData", "file_data": "fileData", "mime_type": "mimeType",
             "file_uri": "fileUri", "function_call": "functionCall", "function_response": "functionResponse", "function_declarations": "functionDeclarations",
             "response_mime_type": "responseMimeType", "response_json_schema": "responseJsonSchema", "frequency_penalty": "frequencyPenalty",
             "presence_penalty": "presencePenalty"}  # fmt: skip
    if isinstance(value, dict):
        return {names.get(key, key): plain(inner) for key, inner in value.items() if inner not in (None, {}, [])}
    return [plain(item) for item in value] if isinstance(value, list) else value


def differing(case):
    """The members of the top, or of `generationConfig`, that differ."""
    ours, theirs = plain(translated(case)), plain(dict(litellms(case)))
    found = set()
    for name in set(ours) | set(theirs):
        if ours.get(name) == theirs.get(name):
            continue
        if name != "generationConfig":
            found.add(name)
            continue
        ours_, theirs_ = ours.get(name, {}), theirs.get(name, {})
        found |= {f"generationConfig.{key}" for key in set(ours_) | set(theirs_) if ours_.get(key) != theirs_.get(key)}
    return found


REASONS = json.loads((pathlib.Path(__file__).with_name("gemini_differences.json")).read_text())


@pytest.mark.parametrize("case", CHATS)
def test_litellm_sends_the_same(case):
    try:
        found = differing(case)
    except litellm.exceptions.APIError as error:
        found = {f"LiteLLM refuses: {type(error).__name__}"}
    except Exception as error:  # noqa: BLE001  (LiteLLM fails in many ways)
        found = {f"LiteLLM fails: {type(error).__name__}"}
    assert found == set(REASONS.get(case, {})), "differences that are listed otherwise"


def test_every_difference_has_a_reason_and_a_case():
    assert set(REASONS) <= set(CHATS)
    assert all(reason for reasons in REASONS.values() for reason in reasons.values())
