"""The client dialects, each as its official SDK speaks it, behind one small interface: `Got` is what any of them hears.

A new client dialect is one class here: `ask` sends a conversation of plain pieces, `back` carries on with the results of tools.
"""

import json
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pydantic

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}


class City(pydantic.BaseModel):
    """What a structured answer holds."""

    name: str
    people: int


@dataclass
class Got:
    """An answer, without a dialect. `stop` is one of end, length, tools, sequence, refusal."""

    text: str
    stop: str
    usage: tuple[int, int, int]  # of the prompt, those of it from a cache, of the answer
    calls: list[tuple[str, dict]] = field(default_factory=list)
    thoughts: str = ""
    refusal: str = ""
    parsed: Any = None
    pieces: int = 0
    turn: Any = None
    ids: list[str] = field(default_factory=list)


class Chat:
    """OpenAI chat completions."""

    path = "/v1/chat/completions"
    stops = {"stop": "end", "length": "length", "tool_calls": "tools", "content_filter": "refusal"}
    tells_sequence = False

    def __init__(self, base):
        self.sdk = openai.OpenAI(base_url=f"{base}/v1", api_key="sk-client", max_retries=0, timeout=30)
        self.errors = openai

    def user(self, text, image=False):
        if not image:
            return {"role": "user", "content": text}
        url = {"url": f"data:image/png;base64,{PIXEL}"}
        return {"role": "user", "content": [{"type": "text", "text": text}, {"type": "image_url", "image_url": url}]}

    def back(self, got, results):
        outputs = [{"role": "tool", "tool_call_id": key, "content": result} for key, result in zip(got.ids, results, strict=True)]
        return [got.turn, *outputs]

    def ask(self, model, messages, stream=False, tools=False, schema=False, effort=None, stop=None, limit=None):
        options = {}
        if tools:
            options["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER, "strict": True}}]
        if schema:
            options["response_format"] = City
        if effort:
            options["reasoning_effort"] = effort
        if stop:
            options["stop"] = [stop]
        if limit:
            options["max_completion_tokens"] = limit
        chat = self.sdk.chat.completions
        if stream:
            pieces = 0
            with chat.stream(model=model, messages=messages, stream_options={"include_usage": True}, **options) as events:
                try:
                    for event in events:
                        pieces += event.type in ("content.delta", "tool_calls.function.arguments.delta", "refusal.delta")
                    answer = events.get_final_completion()
                except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
                    # The helper takes both for errors, but it has heard the answer.
                    for _ in events._raw_stream:
                        pass
                    answer = events.current_completion_snapshot
        else:
            answer = (chat.parse if schema else chat.create)(model=model, messages=messages, **options)
            pieces = 0
        choice, usage = answer.choices[0], answer.usage
        message = choice.message
        calls = message.tool_calls or []
        return Got(
            text=message.content or "",
            stop=self.stops[choice.finish_reason],
            usage=(usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0, usage.completion_tokens),
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            thoughts=getattr(message, "reasoning_content", None) or "",
            refusal=message.refusal or "",
            parsed=getattr(message, "parsed", None),
            pieces=pieces,
            turn=message.model_dump(exclude_none=True, exclude={"parsed"}),
            ids=[call.id for call in calls],
        )

    def listen(self, model, messages):
        """The text of a stream until it ends or fails."""
        for chunk in self.sdk.chat.completions.create(model=model, messages=messages, stream=True):
            yield "".join(choice.delta.content or "" for choice in chunk.choices)


class Messages:
    """Anthropic messages."""

    path = "/v1/messages"
    stops = {"end_turn": "end", "max_tokens": "length", "tool_use": "tools", "stop_sequence": "sequence", "refusal": "refusal"}
    tells_sequence = True

    def __init__(self, base):
        self.sdk = anthropic.Anthropic(base_url=base, api_key="sk-client", max_retries=0, timeout=30)
        self.errors = anthropic

    def user(self, text, image=False):
        if not image:
            return {"role": "user", "content": text}
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        return {"role": "user", "content": [{"type": "image", "source": source}, {"type": "text", "text": text}]}

    def back(self, got, results):
        outputs = [{"type": "tool_result", "tool_use_id": key, "content": result} for key, result in zip(got.ids, results, strict=True)]
        return [got.turn, {"role": "user", "content": outputs}]

    def ask(self, model, messages, stream=False, tools=False, schema=False, effort=None, stop=None, limit=None):
        options = {"max_tokens": limit or 4000}
        if tools:
            options["tools"] = [{"name": "get_weather", "input_schema": WEATHER}]
        if schema:
            options["output_format"] = City
        if effort:
            options["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        if stop:
            options["stop_sequences"] = [stop]
        if stream:
            pieces = 0
            with self.sdk.messages.stream(model=model, messages=messages, **options) as events:
                for event in events:
                    pieces += event.type == "content_block_delta"
                answer = events.get_final_message()
        else:
            answer = (self.sdk.messages.parse if schema else self.sdk.messages.create)(model=model, messages=messages, **options)
            pieces = 0
        of = {kind: [block for block in answer.content if block.type == kind] for kind in ("text", "tool_use", "thinking")}
        cached = answer.usage.cache_read_input_tokens or 0
        stop = self.stops[answer.stop_reason]
        text = "".join(block.text for block in of["text"])
        content = [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in answer.content]
        return Got(
            text="" if stop == "refusal" else text,
            stop=stop,
            usage=(answer.usage.input_tokens + cached + (answer.usage.cache_creation_input_tokens or 0), cached, answer.usage.output_tokens),
            calls=[(block.name, block.input) for block in of["tool_use"]],
            thoughts="".join(block.thinking for block in of["thinking"]),
            refusal=text if stop == "refusal" else "",
            parsed=getattr(answer, "parsed_output", None),
            pieces=pieces,
            turn={"role": "assistant", "content": content},
            ids=[block.id for block in of["tool_use"]],
        )

    def listen(self, model, messages):
        with self.sdk.messages.stream(model=model, messages=messages, max_tokens=4000) as events:
            yield from events.text_stream


class Responses:
    """OpenAI responses."""

    path = "/v1/responses"
    tells_sequence = False

    def __init__(self, base):
        self.sdk = openai.OpenAI(base_url=f"{base}/v1", api_key="sk-client", max_retries=0, timeout=30)
        self.errors = openai

    def user(self, text, image=False):
        if not image:
            return {"role": "user", "content": text}
        url = f"data:image/png;base64,{PIXEL}"
        return {"role": "user", "content": [{"type": "input_text", "text": text}, {"type": "input_image", "image_url": url, "detail": "auto"}]}

    def back(self, got, results):
        outputs = [{"type": "function_call_output", "call_id": key, "output": result} for key, result in zip(got.ids, results, strict=True)]
        return [*got.turn, *outputs]

    def ask(self, model, messages, stream=False, tools=False, schema=False, effort=None, stop=None, limit=None):
        options = {"store": False}
        if tools:
            options["tools"] = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}]
        if schema:
            options["text_format"] = City
        if effort:
            options["reasoning"] = {"effort": effort, "summary": "auto"}
        if limit:
            options["max_output_tokens"] = limit
        responses = self.sdk.responses
        if stream:
            pieces = 0
            with responses.stream(model=model, input=messages, **options) as events:
                for event in events:
                    pieces += event.type in ("response.output_text.delta", "response.function_call_arguments.delta", "response.refusal.delta")
                # The helper knows no other end than `completed`.
                answer = event.response if event.type == "response.incomplete" else events.get_final_response()
        else:
            answer = (responses.parse if schema else responses.create)(model=model, input=messages, **options)
            pieces = 0
        calls = [item for item in answer.output if item.type == "function_call"]
        said = [part for item in answer.output if item.type == "message" for part in item.content]
        refusal = "".join(part.refusal for part in said if part.type == "refusal")
        thoughts = [item for item in answer.output if item.type == "reasoning"]
        reason = answer.incomplete_details.reason if answer.incomplete_details else None
        stop = {"max_output_tokens": "length", "content_filter": "refusal"}.get(reason, "tools" if calls else "refusal" if refusal else "end")
        text = "".join(part.text for part in said if part.type == "output_text")
        return Got(
            text="" if stop == "refusal" else text,
            stop=stop,
            usage=(answer.usage.input_tokens, answer.usage.input_tokens_details.cached_tokens, answer.usage.output_tokens),
            calls=[(call.name, json.loads(call.arguments)) for call in calls],
            thoughts="".join(part.text for item in thoughts for part in [*(item.summary or []), *(item.content or [])]),
            refusal=refusal or (text if stop == "refusal" else ""),
            parsed=answer.output_parsed if schema else None,
            pieces=pieces,
            turn=[item.model_dump(exclude_none=True, exclude={"parsed_arguments", "status"}) for item in answer.output],
            ids=[call.call_id for call in calls],
        )

    def listen(self, model, messages):
        with self.sdk.responses.stream(model=model, input=messages, store=False) as events:
            for event in events:
                if event.type == "response.output_text.delta":
                    yield event.delta
                elif event.type == "response.failed":
                    raise openai.APIError(event.response.error.message, request=None, body=None)
                elif event.type == "error":
                    raise openai.APIError(event.message, request=None, body=None)
