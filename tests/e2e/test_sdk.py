"""The official OpenAI SDK and other clients against the gateway: whatever they do with OpenAI they can do here."""

import asyncio
import json
import socket
import subprocess
import time

import openai
import pydantic
import pytest
from gateway import Gateway, deployment
from provider import DONE, USAGE, Provider, answer, chunk, error, stream, tokens, whole

HELLO = [{"role": "user", "content": "hello"}]
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served-model", "usage": USAGE}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One Envoy with two workers for this file; nothing cools, so that no test sees another's failures."""
    upstream = Provider()
    envoy = Gateway(
        tmp_path_factory.mktemp("gateway"),
        [deployment("m", upstream, id="the-one")],
        router={"disable_cooldowns": True, "num_retries": 1},
        concurrency=2,
    )
    yield envoy, upstream
    envoy.close()
    upstream.close()


@pytest.fixture
def play(shared):
    """Sets the provider's script; returns the gateway and what the provider gets from now on."""

    def start(*script):
        envoy, upstream = shared
        upstream.play(*script)
        upstream.requests.clear()
        return envoy, upstream.requests

    return start


def completion(message, finish="stop"):
    choice = {"index": 0, "message": {"role": "assistant", "content": None} | message, "logprobs": None, "finish_reason": finish}
    return answer(200, HEAD | {"choices": [choice]})


def calling(arguments, key="call_1", index=0):
    return {"index": index, "id": key, "type": "function", "function": {"name": "Weather", "arguments": arguments}}


class City(pydantic.BaseModel):
    name: str
    people: int


class Weather(pydantic.BaseModel):
    """The weather of a city."""

    city: str


def test_a_sync_client_gets_what_the_provider_said(play):
    envoy, requests = play(whole("Hi."))
    got = envoy.client().chat.completions.create(model="m", messages=HELLO, temperature=0.5, seed=7)
    assert got.model_dump(exclude_none=True)["usage"] == USAGE
    assert got.choices[0].message.content == "Hi."
    assert requests[0].json == {"messages": HELLO, "model": "upstream-model", "temperature": 0.5, "seed": 7}


def test_headers_tell_who_served(play):
    envoy, _ = play(whole("Hi."))
    got = envoy.client().chat.completions.with_raw_response.create(model="m", messages=HELLO)
    assert got.headers["x-signalbox-deployment"] == "the-one"
    assert got.headers["content-type"] == "application/json"
    assert int(got.headers["content-length"]) == len(got.content)
    internal = [name for name in got.headers if name.startswith("x-envoy") or name == "x-signalbox-retry"]
    assert internal == []


def test_headers_tell_who_served_a_stream(play):
    envoy, _ = play(stream(*tokens(2)))
    with envoy.client().chat.completions.with_streaming_response.create(model="m", messages=HELLO, stream=True) as got:
        assert got.headers["x-signalbox-deployment"] == "the-one"
        assert got.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in got.headers
        assert [line for line in got.iter_lines() if line][-1] == "data: [DONE]"


def test_the_stream_helper_gathers_an_answer(play):
    envoy, _ = play(stream(*tokens(3)))
    with envoy.client().chat.completions.stream(model="m", messages=HELLO, stream_options={"include_usage": True}) as events:
        kinds = [event.type for event in events]
        final = events.get_final_completion()
    assert kinds.count("content.delta") == 4, "the empty one that tells the role, and three tokens"
    assert final.choices[0].message.content == "0 1 2 "
    assert final.usage.total_tokens == USAGE["total_tokens"]


def test_the_stream_helper_gathers_calls(play):
    parts = [chunk({"role": "assistant", "content": None, "tool_calls": [calling("")]})]
    parts += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in ('{"ci', 'ty":"Ro', 'me"}')]
    parts += [chunk({"tool_calls": [calling('{"city":"Oslo"}', "call_2", 1)]}), chunk({}, finish="tool_calls"), DONE]
    envoy, requests = play(stream(*parts))
    with envoy.client().chat.completions.stream(model="m", messages=HELLO, tools=[openai.pydantic_function_tool(Weather)]) as events:
        calls = [event.parsed_arguments for event in events if event.type == "tool_calls.function.arguments.done"]
    assert calls == [Weather(city="Rome"), Weather(city="Oslo")]
    assert requests[0].json["tools"][0]["function"]["name"] == "Weather" and requests[0].json["stream"] is True


def test_tools_go_there_and_back(play):
    envoy, requests = play(completion({"tool_calls": [calling('{"city":"Rome"}')]}, "tool_calls"), whole("Warm."))
    tools = [openai.pydantic_function_tool(Weather)]
    first = envoy.client().chat.completions.create(model="m", messages=HELLO, tools=tools).choices[0]
    assert (first.finish_reason, json.loads(first.message.tool_calls[0].function.arguments)) == ("tool_calls", {"city": "Rome"})
    back = [*HELLO, first.message, {"role": "tool", "tool_call_id": "call_1", "content": "21"}]
    assert envoy.client().chat.completions.create(model="m", messages=back, tools=tools).choices[0].message.content == "Warm."
    assert [message["role"] for message in requests[1].json["messages"]] == ["user", "assistant", "tool"]


def test_a_structured_answer_is_parsed(play):
    envoy, requests = play(whole('{"name":"Rome","people":2800000}'))
    got = envoy.client().chat.completions.parse(model="m", messages=HELLO, response_format=City)
    assert got.choices[0].message.parsed == City(name="Rome", people=2_800_000)
    assert requests[0].json["response_format"]["json_schema"]["strict"] is True


def test_a_structured_stream_is_parsed(play):
    parts = [chunk({"content": piece}) for piece in ('{"name":"Ro', 'me","people"', ":28}")]
    envoy, _ = play(stream(*parts, chunk({}, finish="stop"), DONE))
    with envoy.client().chat.completions.stream(model="m", messages=HELLO, response_format=City) as events:
        assert events.get_final_completion().choices[0].message.parsed == City(name="Rome", people=28)


def test_several_choices_come_through(play):
    choices = [{"index": n, "message": {"role": "assistant", "content": str(n)}, "logprobs": None, "finish_reason": "stop"} for n in range(3)]
    envoy, _ = play(answer(200, HEAD | {"choices": choices}))
    got = envoy.client().chat.completions.create(model="m", messages=HELLO, n=3)
    assert [choice.message.content for choice in got.choices] == ["0", "1", "2"]


def test_several_choices_are_streamed(play):
    def event(index, delta, finish=None):
        body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "s", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}
        return f"data: {json.dumps(body)}\n\n".encode()

    parts = [event(0, {"content": "a"}), event(1, {"content": "b"}), event(1, {}, "stop"), event(0, {"content": "c"}), event(0, {}, "stop")]
    envoy, _ = play(stream(*parts, DONE))
    heard = ["", ""]
    for got in envoy.client().chat.completions.create(model="m", messages=HELLO, n=2, stream=True):
        for choice in got.choices:
            heard[choice.index] += choice.delta.content or ""
    assert heard == ["ac", "b"]


@pytest.mark.parametrize(
    ("script", "raised"),
    [
        (error(400), openai.BadRequestError),
        (error(404), openai.NotFoundError),
        (error(409), openai.ConflictError),
        (error(422), openai.UnprocessableEntityError),
        (error(429, retry_after="60"), openai.RateLimitError),
        (error(401), openai.InternalServerError),
        (error(503), openai.InternalServerError),
    ],
)
def test_the_sdks_own_retries_do_not_multiply(play, script, raised):
    """The gateway tried what could be tried; an SDK with its default of two retries must not make three requests of one."""
    envoy, requests = play(script)
    client = envoy.client(max_retries=openai.DEFAULT_MAX_RETRIES)
    before = envoy.stats()["http.signalbox.downstream_rq_total"]
    with pytest.raises(raised) as failed:
        client.chat.completions.create(model="m", messages=HELLO)
    assert int(envoy.stats()["http.signalbox.downstream_rq_total"]) - int(before) == 1
    assert 1 <= len(requests) <= 2, "num_retries is 1"
    assert failed.value.response.headers["x-should-retry"] == "false"
    assert failed.value.body["message"]


def test_embeddings_in_both_encodings(play):
    def vectors(value):
        return answer(200, {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": value}], "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}})

    envoy, requests = play(vectors("AAAAPwAAgD4="), vectors([0.5, 0.25]))
    client = envoy.client()
    assert client.embeddings.create(model="m", input=["x"]).data[0].embedding == [0.5, 0.25]
    assert client.embeddings.create(model="m", input="x", encoding_format="float").data[0].embedding == [0.5, 0.25]
    assert [request.path for request in requests] == ["/v1/embeddings"] * 2
    assert requests[0].json["model"] == "upstream-model"


def test_completions_whole_and_streamed(play):
    def text(value, finish):
        return {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "c", "choices": [{"text": value, "index": 0, "logprobs": None, "finish_reason": finish}]}

    def event(value, finish=None):
        return f"data: {json.dumps(text(value, finish))}\n\n".encode()

    envoy, requests = play(answer(200, text(" hi", "stop")), stream(event("a"), event("b"), event("", "stop"), DONE))
    assert envoy.client().completions.create(model="m", prompt="x").choices[0].text == " hi"
    streamed = envoy.client().completions.create(model="m", prompt="x", stream=True)
    assert "".join(part.choices[0].text for part in streamed) == "ab"
    assert [request.path for request in requests] == ["/v1/completions"] * 2


def test_twenty_streams_at_once(shared):
    """Twenty streams of an async client, each its own and none behind another."""
    envoy, upstream = shared

    def echo(connection, request):
        name = request.json["messages"][0]["content"]
        parts = [part for n in range(10) for part in (chunk({"content": f"{name}.{n} "}), 0.1)]
        return stream(*parts, chunk({}, finish="stop"), DONE)(connection, request)

    upstream.play(echo)
    client = openai.AsyncOpenAI(base_url=f"{envoy.base}/v1", api_key="sk-client", max_retries=0, timeout=60)

    async def one(name):
        heard = ""
        messages = [{"role": "user", "content": name}]
        async for part in await client.chat.completions.create(model="m", messages=messages, stream=True):
            heard += "".join(choice.delta.content or "" for choice in part.choices)
        return heard

    async def all_of_them():
        async with client:
            return await asyncio.gather(*(one(f"s{n}") for n in range(20)))

    began = time.monotonic()
    heard = asyncio.run(all_of_them())
    assert heard == ["".join(f"s{n}.{k} " for k in range(10)) for n in range(20)]
    assert time.monotonic() - began < 10, "one takes a second; twenty after another would take twenty"


def test_an_async_client_may_leave_its_stream(play):
    envoy, _ = play(stream(*tokens(3)), whole("still here"))

    async def leave():
        async with openai.AsyncOpenAI(base_url=f"{envoy.base}/v1", api_key="k", max_retries=0) as client:
            async for _ in await client.chat.completions.create(model="m", messages=HELLO, stream=True):
                break
            return (await client.chat.completions.create(model="m", messages=HELLO)).choices[0].message.content

    assert asyncio.run(leave()) == "still here"


def test_many_requests_on_one_connection(play):
    """Whole answers, streams and refusals, one after the other on one socket: none leaves anything behind for the next."""
    envoy, requests = play(*[behaviour for _ in range(20) for behaviour in (whole("w"), stream(*tokens(2)), error(404))])
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=20) as connection:
        reader = connection.makefile("rb")
        for n in range(60):
            body = json.dumps({"model": "m", "messages": HELLO, "stream": n % 3 == 1}).encode()
            connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            status = int(reader.readline().split()[1])
            headers = {}
            while (line := reader.readline()).strip():
                name, value = line.decode().split(":", 1)
                headers[name.lower()] = value.strip()
            got = reader.read(int(headers["content-length"])) if "content-length" in headers else dechunked(reader)
            assert status == (404 if n % 3 == 2 else 200)
            assert (b"[DONE]" in got) == (n % 3 == 1)
    assert len(requests) == 60


def dechunked(reader):
    body = b""
    while size := int(reader.readline(), 16):
        body += reader.read(size)
        reader.readline()
    reader.readline()
    return body


def curl(*args):
    return subprocess.run(["curl", "-sS", "--http2-prior-knowledge", *args], capture_output=True, timeout=30, check=True).stdout.decode()


def has_curl():
    try:
        return "HTTP2" in subprocess.run(["curl", "--version"], capture_output=True, check=False).stdout.decode()
    except OSError:
        return False


@pytest.mark.skipif(not has_curl(), reason="no curl with HTTP/2 here")
def test_http2_clients_are_served(play):
    envoy, requests = play(whole("Hi."), stream(*tokens(2)), error(404))
    url = f"{envoy.base}/v1/chat/completions"
    form = "-w", "\n%{http_code} %{http_version}", "-H", "content-type: application/json"
    body = json.dumps({"model": "m", "messages": HELLO})
    text, told = curl(url, *form, "-d", body).rsplit("\n", 1)
    assert (json.loads(text)["choices"][0]["message"]["content"], told) == ("Hi.", "200 2")
    text, told = curl(url, *form, "-N", "-d", json.dumps({"model": "m", "messages": HELLO, "stream": True})).rsplit("\n", 1)
    assert text.rstrip().endswith("data: [DONE]") and told == "200 2"
    text, told = curl(url, *form, "-d", body).rsplit("\n", 1)
    assert json.loads(text)["error"]["message"] and told == "404 2"
    text, told = curl(url, *form, "-d", "{").rsplit("\n", 1)
    assert json.loads(text)["error"]["type"] == "invalid_request_error" and told == "400 2"
    assert len(requests) == 3


def test_expect_100_continue_is_answered(play):
    envoy, _ = play(whole("Hi."))
    body = json.dumps({"model": "m", "messages": HELLO}).encode()
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=5) as connection:
        head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body)
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
