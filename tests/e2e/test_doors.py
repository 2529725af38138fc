"""The other doors: Responses by the official OpenAI SDK, what is counted, and what passes as it came."""

import json
import random
import zlib

import anthropic
import httpx
import openai
import pytest
import zstandard
from anthropic_wire import message, streamed
from gateway import Gateway, deployment
from provider import DONE, Provider, answer, chunk, error, stream, whole

HELLO = [{"role": "user", "content": "hello"}]
USAGE = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5}


def response(text="Hi.", key="resp_1", status="completed"):
    said = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}
    return {"id": key, "object": "response", "created_at": 1, "status": status, "model": "gpt-4o", "output": [said], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": USAGE}


def told(text="Hi.", key="resp_1"):
    """The events of a streamed response."""
    done = response(text, key)
    begun = done | {"status": "in_progress", "output": [], "usage": None}
    item, part = done["output"][0], done["output"][0]["content"][0]
    at = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": [], "status": "in_progress"}},
        {"type": "response.content_part.added", "part": part | {"text": ""}} | at,
        {"type": "response.output_text.delta", "delta": text, "logprobs": []} | at,
        {"type": "response.output_text.done", "text": text, "logprobs": []} | at,
        {"type": "response.content_part.done", "part": part} | at,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    return [f"event: {it['type']}\ndata: {json.dumps(it | {'sequence_number': n})}\n\n".encode() for n, it in enumerate(events)]


class Doors:
    """A gateway with two OpenAI accounts (`gpt`), Claude (`claude`), a chat provider (`chat`), and a group of that and an account (`both`)."""

    def __init__(self, folder):
        self.one, self.two, self.claude, self.chat = (Provider() for _ in range(4))
        entries = [
            deployment("gpt", self.one, "openai/gpt-4o", id="one", order=1),
            deployment("gpt", self.two, "openai/gpt-4o", id="two", order=2),
            deployment("claude", self.claude, "anthropic/claude-haiku-4-5", id="claude-1"),
            deployment("chat", f"{self.chat.base}/v1", "hosted_vllm/small", id="chat-1"),
            deployment("both", f"{self.chat.base}/v1", "hosted_vllm/small", id="both-chat", order=1),
            deployment("both", self.two, "openai/gpt-4o", id="both-two", order=2),
        ]
        self.envoy = Gateway(folder, entries, router={"disable_cooldowns": True, "num_retries": 0})
        self.base = self.envoy.base
        self.client = self.envoy.client()

    def play(self, **scripts):
        for name in ("one", "two", "claude", "chat"):
            provider = getattr(self, name)
            provider.play(*scripts.get(name, [whole("unscripted")]))
            provider.requests.clear()
        return self

    def post(self, path, **options):
        return httpx.post(f"{self.base}{path}", timeout=20, **options)

    def close(self):
        self.envoy.close()
        for provider in (self.one, self.two, self.claude, self.chat):
            provider.close()


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    made = Doors(tmp_path_factory.mktemp("gateway"))
    yield made
    made.close()


@pytest.mark.parametrize("model", ["gpt", "claude", "chat"])
def test_a_response_from_every_dialect(doors, model):
    doors.play(one=[answer(200, response())], claude=[message("Hi.")], chat=[whole("Hi.")])
    got = doors.client.responses.create(model=model, input="hello", store=False)
    assert (got.output_text, got.status, got.object) == ("Hi.", "completed", "response")
    assert got.usage.input_tokens and got.id.startswith("resp_")
    if model == "gpt":
        assert doors.one.requests[0].path == "/v1/responses"
        assert doors.one.requests[0].json == {"model": "gpt-4o", "input": "hello", "store": False}


@pytest.mark.parametrize("model", ["gpt", "claude", "chat"])
def test_a_streamed_response_through_the_sdks_helper(doors, model):
    spoken = [chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo."}), chunk({}, "stop"), DONE]
    doors.play(one=[stream(*told("Hello."))], claude=[streamed("Hello.")], chat=[stream(*spoken)])
    with doors.client.responses.stream(model=model, input="hello") as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        last = events.get_final_response()
    assert text == "Hello." == last.output_text


def test_r17_a_prompt_that_is_too_long_has_its_code(doors):
    doors.play(claude=[answer(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 300 tokens > 200 maximum"}})])
    for stream_ in (False, True):
        with pytest.raises(openai.BadRequestError) as caught:
            doors.client.responses.create(model="claude", input="hello", stream=stream_)
        assert caught.value.code == "context_length_exceeded"


def test_r9_what_a_provider_keeps_is_asked_of_one_who_keeps(doors):
    doors.play(two=[answer(200, response())], chat=[whole("Made up.")])
    got = doors.client.responses.create(model="both", input="more", previous_response_id="resp_x")
    assert got.output_text == "Hi." and doors.chat.requests == []
    for model in ("chat", "claude"):
        with pytest.raises(openai.BadRequestError) as caught:
            doors.client.responses.create(model=model, input="more", previous_response_id="resp_x")
        assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "previous_response_id")
    assert doors.chat.requests == [] and doors.claude.requests == []


def test_r10_compaction_needs_one_who_has_it(doors):
    trigger = [{"role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
    doors.play(one=[answer(200, response())])
    got = doors.post("/v1/responses", json={"model": "chat", "input": trigger})
    assert got.status_code == 400 and "input" in got.text and doors.chat.requests == []
    assert doors.post("/v1/responses", json={"model": "gpt", "input": trigger}).status_code == 200
    got = doors.post("/v1/responses/compact", json={"model": "chat", "input": trigger})
    assert got.status_code == 400 and "/responses/compact" in got.json()["error"]["message"]
    doors.play(one=[answer(200, {"id": "cmp_1", "object": "response.compaction", "output": []})])
    assert doors.post("/v1/responses/compact", json={"model": "gpt", "input": "hi"}).json()["id"] == "cmp_1"
    assert doors.one.requests[0].path == "/v1/responses/compact"


@pytest.mark.parametrize("streamed_", [False, True])
def test_a_response_is_asked_again_where_it_is_kept(doors, streamed_):
    made = stream(*told(key="resp_two")) if streamed_ else answer(200, response(key="resp_two"))
    doors.play(one=[error(503)], two=[made, answer(200, response("More.", "resp_three"))])
    if streamed_:
        with doors.client.responses.stream(model="gpt", input="hello") as events:
            first = events.get_final_response()
    else:
        first = doors.client.responses.create(model="gpt", input="hello")
    assert first.id.startswith("resp_two_sb")
    doors.one.play(answer(200, response("Wrong.")))
    doors.one.requests.clear()
    more = doors.client.responses.create(model="gpt", input="more", previous_response_id=first.id)
    assert more.output_text == "More." and doors.one.requests == []
    assert doors.two.requests[-1].json["previous_response_id"] == "resp_two"
    for ask, method, path in [
        (doors.client.responses.retrieve, "GET", "/v1/responses/resp_two"),
        (doors.client.responses.cancel, "POST", "/v1/responses/resp_two/cancel"),
        (doors.client.responses.delete, "DELETE", "/v1/responses/resp_two"),
    ]:
        doors.two.play(answer(200, response(key="resp_two")))
        ask(first.id)
        assert (doors.two.requests[-1].method, doors.two.requests[-1].path) == (method, path)
    doors.two.play(answer(404, {"error": {"message": "Response not found.", "type": "invalid_request_error", "code": None}}))
    with pytest.raises(openai.NotFoundError):
        doors.client.responses.retrieve(first.id)
    assert doors.one.requests == []
    with pytest.raises(openai.NotFoundError) as caught:
        doors.client.responses.retrieve("resp_unknown")
    assert caught.value.code == "response_not_found"


def test_p5_tokens_are_counted_where_they_can_be(doors):
    doors.play(claude=[answer(200, {"input_tokens": 14})])
    sdk = anthropic.Anthropic(base_url=doors.base, api_key="k", max_retries=0)
    assert sdk.messages.count_tokens(model="claude", messages=HELLO).input_tokens == 14
    sent = doors.claude.requests[0]
    assert (sent.path, sent.json) == ("/v1/messages/count_tokens", {"model": "claude-haiku-4-5", "messages": HELLO})
    doors.play()
    short = sdk.messages.count_tokens(model="gpt", messages=HELLO).input_tokens
    long = sdk.messages.count_tokens(model="gpt", messages=[{"role": "user", "content": "hello there " * 90_000}]).input_tokens
    assert 0 < short < 100 < long and doors.one.requests == []
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.count_tokens(model="nobody", messages=HELLO)


def test_what_passes_is_routed_and_falls_back(doors):
    flagged = {"id": "modr-1", "model": "omni", "results": []}
    doors.play(one=[error(503)], two=[answer(200, flagged)])
    assert doors.client.moderations.create(model="gpt", input="hi").id == "modr-1"
    assert (doors.two.requests[0].path, doors.two.requests[0].json) == ("/v1/moderations", {"model": "gpt-4o", "input": "hi"})
    sound = bytes(range(256)) * 300
    doors.play(one=[answer(200, sound, content_type="audio/mpeg")])
    got = doors.client.audio.speech.create(model="gpt", voice="alloy", input="hi")
    assert got.read() == sound and got.response.headers["content-type"] == "audio/mpeg"
    doors.play(one=[answer(200, {"created": 1, "data": [{"b64_json": "AAAA"}], "usage": {"input_tokens": 4, "output_tokens": 5, "total_tokens": 9}})])
    assert doors.client.images.generate(model="gpt", prompt="a cat").data[0].b64_json == "AAAA"
    doors.play(chat=[answer(200, {"results": [{"index": 0, "relevance_score": 0.5}]})])
    assert doors.post("/v1/rerank", json={"model": "chat", "query": "q", "documents": ["d"]}).json()["results"][0]["index"] == 0
    got = doors.post("/v1/rerank", json={"model": "claude", "query": "q", "documents": ["d"]})
    assert got.status_code == 400 and "/rerank" in got.json()["error"]["message"]
    assert doors.post("/v1/videos", json={"model": "gpt"}).json()["error"]["code"] == "not_found"


def test_forms_name_their_model_in_a_field(doors):
    doors.play(one=[error(503)], two=[answer(200, {"text": "hello", "usage": {"type": "duration", "seconds": 1}})])
    sound = b"RIFF" + bytes(range(256)) * 2000
    got = doors.client.audio.transcriptions.create(model="gpt", file=("a.wav", sound), language="en")
    assert got.text == "hello"
    sent = doors.two.requests[0]
    assert sent.path == "/v1/audio/transcriptions" and sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sound in sent.body and b'name="model"\r\n\r\ngpt-4o\r\n' in sent.body and b'name="language"\r\n\r\nen\r\n' in sent.body
    assert int(sent.headers["content-length"]) == len(sent.body)
    doors.play(one=[answer(200, {"created": 1, "data": [{"b64_json": "AAAA"}]})])
    assert doors.client.images.edit(model="gpt", image=("a.png", b"PNG"), prompt="a cat").data[0].b64_json == "AAAA"
    assert b'name="model"\r\n\r\ngpt-4o\r\n' in doors.one.requests[0].body
    got = doors.post("/v1/audio/transcriptions", files={"file": ("a.wav", b"x")}, data={"language": "en"})
    assert got.status_code == 400 and got.json()["error"]["param"] == "model"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_json_is_sent_as_json_whatever_it_is_called(doors, path, kind):
    doors.play(chat=[whole("Hi.")])
    body = json.dumps({"model": "chat", "max_tokens": 9, "messages": HELLO}).encode()
    got = doors.post(path, content=body, headers={"content-type": kind} if kind else {})
    assert got.status_code == 200, got.text
    assert doors.chat.requests[0].headers["content-type"] == "application/json"


class Gzip:
    """One member, as long as it is given more."""

    def __init__(self):
        self.packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        self.compress, self.flush = self.packer.compress, self.packer.flush


PACKERS = {"gzip": Gzip, "zstd": lambda: zstandard.ZstdCompressor(level=9).compressobj()}


def packed(encoding, *parts):
    packer = PACKERS[encoding]()
    return b"".join([*map(packer.compress, parts), packer.flush()])


@pytest.mark.parametrize("encoding", PACKERS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_compressed_requests_are_read(doors, path, encoding):
    doors.play(chat=[whole("Hi.")])
    words = " ".join(str(n) for n in range(30_000))
    body = packed(encoding, json.dumps({"model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": words}]}).encode())
    got = doors.post(path, content=body, headers={"content-encoding": encoding, "content-type": "application/json"})
    assert got.status_code == 200, got.text
    sent = doors.chat.requests[0]
    assert sent.json["messages"][-1]["content"] == words and "content-encoding" not in sent.headers
    # One that nobody reads, and one that the body is not in.
    for other, status in (("br", 415), ("zstd" if encoding != "zstd" else "gzip", 400)):
        got = doors.post(path, content=body, headers={"content-encoding": other, "content-type": "application/json"})
        assert got.status_code == status, got.text


def test_zstd_whose_frame_says_its_size_is_read(doors):
    """As a whole, which is how most libraries write it, and in two frames."""
    doors.play(chat=[whole("Hi."), whole("Hi.")])
    body = json.dumps({"model": "chat", "messages": HELLO}).encode()
    compress = zstandard.ZstdCompressor(write_checksum=True).compress
    for content in (compress(body), compress(body[:20]) + compress(body[20:])):
        got = doors.post("/v1/chat/completions", content=content, headers={"content-encoding": "zstd"})
        assert got.status_code == 200, got.text
    assert [sent.json["messages"] for sent in doors.chat.requests] == [HELLO, HELLO]


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [40, 1000])
def test_a_bomb_is_refused(doors, size, encoding):
    """Of 1000 MB it is the ratio that stops it, of 40 MB with noise in between the largest body that is allowed."""
    doors.play(chat=[whole("Hi.")])
    noise = random.Random(7).randbytes(400_000).hex().encode() if size == 40 else b""
    parts = (noise[n * 20_000 : (n + 1) * 20_000] + b" " * 1_000_000 for n in range(size))
    body = packed(encoding, b'{"model":"chat","messages":[{"role":"user","content":"', *parts, b'"}]}')
    before = doors.envoy.stats()["server.memory_allocated"]
    got = doors.post("/v1/chat/completions", content=body, headers={"content-encoding": encoding, "content-type": "application/json"})
    assert got.status_code in (400, 413, 415), got.text
    assert doors.chat.requests == []
    assert int(doors.envoy.stats()["server.memory_allocated"]) - int(before) < 100_000_000


def test_r24_reasoning_that_another_account_sealed_is_left_out_once_it_is_refused(doors):
    refused = error(400, "The encrypted content gAAA... could not be verified.", code="invalid_encrypted_content", kind="invalid_request_error")
    doors.play(one=[error(503)], two=[refused, answer(200, response())])
    user, sealed = {"role": "user", "content": "hi"}, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    got = doors.post("/v1/responses", json={"model": "gpt", "input": [user, sealed, user], "store": False})
    assert (got.status_code, got.headers["x-signalbox-dropped-params"]) == (200, "input[1]")
    assert [it.json["input"] for it in doors.two.requests] == [[user, sealed, user], [user, user]]
    doors.play(one=[error(503)], two=[refused, refused])
    got = doors.post("/v1/responses", json={"model": "gpt", "input": [user, sealed], "store": False})
    assert (got.status_code, len(doors.two.requests)) in [(400, 2), (503, 2)], "once more, and no more"
