"""LiteLLM's own translation, in this process: no socket is opened, the cost map is the bundled one.

A peer, not the truth: where it differs, the providers' documentation and SDK types decide, and the difference is listed in the
test with its reason.
"""

import json
import logging
import os

os.environ.update(LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_LOG="CRITICAL")
logging.disable(logging.CRITICAL)

import httpx  # noqa: E402
import litellm  # noqa: E402
import openai  # noqa: E402
from litellm.llms.anthropic.chat.transformation import AnthropicConfig  # noqa: E402
from litellm.llms.anthropic.pass_through.adapters.transformation import AnthropicAdapter  # noqa: E402
from litellm.llms.custom_httpx.http_handler import HTTPHandler  # noqa: E402

litellm.telemetry = False
litellm.suppress_debug_info = True
litellm.drop_params = True
litellm.modify_params = True


def anthropic_request(request, model):
    """The body that LiteLLM would send to Anthropic, or the name of what it raises."""
    request = json.loads(json.dumps(request))
    messages = request.pop("messages")
    for message in messages:
        # As `litellm.completion` does before anything else.
        message["role"] = "system" if message["role"] == "developer" else message["role"]
    stream = request.pop("stream", None)
    for key in ("model", "stream_options"):
        request.pop(key, None)
    try:
        params = litellm.get_optional_params(model=model, custom_llm_provider="anthropic", messages=messages, **request)
        for key in ("json_mode", "stream", "extra_body"):
            params.pop(key, None)
        config = AnthropicConfig()
        body = config.transform_request(
            model=model, messages=messages, optional_params=params, litellm_params={}, headers={}
        )
    except Exception as error:
        return {"raises": type(error).__name__}
    return {**body, "stream": True} if stream else body


def _completion(body, content_type, status, stream):
    def reply(_request):
        return httpx.Response(status, headers={"content-type": content_type}, content=body)

    client = HTTPHandler()
    client.client = httpx.Client(transport=httpx.MockTransport(reply))
    return litellm.completion(
        model="anthropic/claude-haiku-4-5",
        messages=[{"role": "user", "content": "hi"}],
        api_key="none",
        api_base="http://upstream.invalid",
        client=client,
        stream=stream,
        stream_options={"include_usage": True} if stream else None,
        num_retries=0,
        max_retries=0,
    )


def anthropic_answer(body, status=200):
    """The completion that LiteLLM makes of an answer, as a dictionary, or the name of what it raises."""
    try:
        return _completion(body, "application/json", status, stream=False).model_dump(exclude_none=True)
    except Exception as error:
        return {"raises": type(error).__name__}


def anthropic_stream(body):
    """The chunks that LiteLLM makes of a stream, as dictionaries; what it raises is the last."""
    chunks = []
    try:
        for chunk in _completion(body, "text/event-stream", 200, stream=True):
            chunks.append(chunk.model_dump(exclude_none=True))
    except Exception as error:
        chunks.append({"raises": type(error).__name__})
    return chunks


def messages_request(request, model):
    """The chat completions request that LiteLLM makes of an Anthropic client's, or the name of what it raises."""
    request = json.loads(json.dumps(request))
    request["model"] = f"openai/{model}"
    try:
        body, _ = AnthropicAdapter().translate_completion_input_params_with_tool_mapping(request, custom_llm_provider="openai")
        body = json.loads(json.dumps(dict(body), default=lambda value: value.model_dump(exclude_none=True)))
    except Exception as error:
        return {"raises": type(error).__name__}
    return {**body, "model": model}


def _chat(body, content_type, stream):
    def reply(_request):
        return httpx.Response(200, headers={"content-type": content_type}, content=body)

    client = openai.OpenAI(api_key="none", base_url="http://upstream.invalid", http_client=httpx.Client(transport=httpx.MockTransport(reply)), max_retries=0)
    return litellm.completion(
        model="openai/gpt-4o",
        messages=[{"role": "user", "content": "hi"}],
        client=client,
        api_key="none",
        stream=stream,
        stream_options={"include_usage": True} if stream else None,
        num_retries=0,
    )


def messages_answer(body):
    """The message that LiteLLM makes of a completion, as a dictionary, or the name of what it raises."""
    try:
        answer = AnthropicAdapter().translate_completion_output_params(_chat(body, "application/json", stream=False))
        return json.loads(json.dumps(answer, default=lambda value: value.model_dump()))
    except Exception as error:
        return {"raises": type(error).__name__}


def messages_stream(body):
    """The bytes that LiteLLM makes of chunks; what it raises is the last event."""
    out = b""
    try:
        stream = _chat(body, "text/event-stream", stream=True)
        for piece in AnthropicAdapter().translate_completion_output_params_streaming(stream, "gpt-4o", is_async=False):
            out += piece
    except Exception as error:
        out += f"event: error\ndata: {json.dumps({'type': 'error', 'raises': type(error).__name__})}\n\n".encode()
    return out


def responses_request(request, model):
    """The chat completions request that LiteLLM makes of a Responses client's, or the name of what it raises."""
    from litellm.responses.litellm_completion_transformation.transformation import LiteLLMCompletionResponsesConfig

    request = json.loads(json.dumps(request))
    said = request.pop("input")
    stream = request.pop("stream", None)
    request.pop("model")
    try:
        body = LiteLLMCompletionResponsesConfig.transform_responses_api_request_to_chat_completion_request(
            model=model, input=said, responses_api_request=request, custom_llm_provider="openai", stream=stream
        )
        body = json.loads(json.dumps(dict(body), default=lambda value: value.model_dump(exclude_none=True)))
    except Exception as error:
        return {"raises": type(error).__name__}
    return {name: value for name, value in body.items() if value is not None}


def responses_answer(body):
    """The response that LiteLLM makes of a completion, as a dictionary, or the name of what it raises."""
    from litellm.responses.litellm_completion_transformation.transformation import LiteLLMCompletionResponsesConfig

    try:
        completion = _chat(body, "application/json", stream=False)
        answer = LiteLLMCompletionResponsesConfig.transform_chat_completion_response_to_responses_api_response(
            request_input="hi", responses_api_request={}, chat_completion_response=completion
        )
        return json.loads(answer.model_dump_json(exclude_none=True))
    except Exception as error:
        return {"raises": type(error).__name__}


def sent(provider, model, request, **settings):
    """The body that LiteLLM sends to a provider for a chat completions request, or the name of what it raises before."""
    bodies = []

    def caught(_client, request, **_):
        bodies.append(request.content)
        return httpx.Response(418, request=request, json={"error": {"message": "caught"}})

    request = json.loads(json.dumps(request)) | {"model": f"{provider}/{model}"}
    kept, httpx.Client.send = httpx.Client.send, caught
    try:
        # What it does for tools of MCP servers needs a package that is not here.
        litellm.completion(**request, **settings, api_key="none", num_retries=0, max_retries=0, _skip_mcp_handler=True)
    except Exception as error:
        raised = type(error).__name__
    finally:
        httpx.Client.send = kept
    bodies = [body for body in bodies if b"messages" in body]
    return json.loads(bodies[-1]) if bodies else {"raises": raised}
