"""One scripted loop of tools by a library for Python: `loops.py CLIENT BASE MODEL` prints what the program heard."""

import json
import sys

CLIENT, BASE, MODEL = sys.argv[1:]
LINE = 'call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}'
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather of a city.", "parameters": SCHEMA}
KEYS = {"base_url": f"{BASE}/v1", "api_key": "k", "max_retries": 0}
ASKED = []


def get_weather(city: str) -> str:
    """The weather of a city."""
    ASKED.append(city)
    return f"4 degrees in {city}"


def openai_chat():
    from openai import OpenAI

    client, messages, pieces = OpenAI(**KEYS), [{"role": "user", "content": LINE}], 0
    while True:
        with client.chat.completions.stream(model=MODEL, messages=messages, tools=[{"type": "function", "function": FUNCTION}]) as stream:
            pieces += sum(1 for _ in stream)
            message = stream.get_final_completion().choices[0].message
        if not message.tool_calls:
            return message.content, pieces
        messages.append(message.model_dump(exclude_none=True))
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": get_weather(**json.loads(call.function.arguments))})


def openai_responses():
    from openai import OpenAI

    client, items, pieces = OpenAI(**KEYS), [{"role": "user", "content": LINE}], 0
    while True:
        with client.responses.stream(model=MODEL, input=items, tools=[{"type": "function", "strict": False, **FUNCTION}], store=False) as stream:
            pieces += sum(1 for _ in stream)
            response = stream.get_final_response()
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text, pieces
        items += [{"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments} for call in calls]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": get_weather(**json.loads(call.arguments))} for call in calls]


def anthropic():
    from anthropic import Anthropic

    client, messages, pieces = Anthropic(**KEYS | {"base_url": BASE}), [{"role": "user", "content": LINE}], 0
    tool = {"name": "get_weather", "description": FUNCTION["description"], "input_schema": SCHEMA}
    while True:
        with client.messages.stream(model=MODEL, max_tokens=1000, messages=messages, tools=[tool]) as stream:
            pieces += sum(1 for _ in stream)
            message = stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return message.content[0].text, pieces
        messages.append({"role": "assistant", "content": [block.model_dump(include={"type", "id", "name", "input", "text"}) for block in message.content]})
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": get_weather(**call.input)} for call in calls]
        messages.append({"role": "user", "content": results})


def langchain(make):
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    weather, messages, pieces = tool(get_weather), [HumanMessage(LINE)], 0
    bound = make().bind_tools([weather])
    while True:
        answer = None
        for piece in bound.stream(messages):
            answer, pieces = piece if answer is None else answer + piece, pieces + 1
        if not answer.tool_calls:
            return answer.text, pieces
        messages.append(answer)
        messages += [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]


def langchain_openai(**options):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL, **KEYS, **options)


def langchain_anthropic():
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=MODEL, **KEYS | {"base_url": BASE}, max_tokens=1000)


LOOPS = {
    "openai chat": openai_chat,
    "openai responses": openai_responses,
    "anthropic": anthropic,
    "langchain openai": lambda: langchain(langchain_openai),
    "langchain openai responses": lambda: langchain(lambda: langchain_openai(use_responses_api=True)),
    "langchain anthropic": lambda: langchain(langchain_anthropic),
}
text, pieces = LOOPS[CLIENT]()
print(json.dumps({"text": text, "asked": ASKED, "pieces": pieces}))
