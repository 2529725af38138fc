"""One scripted loop of tools by LangChain for Python: `loops.py CLIENT BASE MODEL` prints what the program heard."""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool

CLIENT, BASE, MODEL = sys.argv[1:]
LINE = 'call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}'
ASKED = []


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    ASKED.append(city)
    return f"4 degrees in {city}"


def model():
    if CLIENT == "openai":
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=MODEL, base_url=f"{BASE}/v1", api_key="k", max_retries=0)
    if CLIENT == "openai responses":
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(model=MODEL, base_url=f"{BASE}/v1", api_key="k", max_retries=0, use_responses_api=True)
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=MODEL, base_url=BASE, api_key="k", max_retries=0, max_tokens=1000)


bound, messages, pieces = model().bind_tools([get_weather]), [HumanMessage(LINE)], 0
while True:
    answer = None
    for piece in bound.stream(messages):
        answer, pieces = piece if answer is None else answer + piece, pieces + 1
    if not answer.tool_calls:
        break
    messages.append(answer)
    messages += [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
print(json.dumps({"text": answer.text, "asked": ASKED, "pieces": pieces}))
