"""How connections end and are found dead: B6, and answers with many headers."""

import time

import httpx
import openai
import pytest
from gateway import deployment
from provider import answer, chunk, stream

HELLO = [{"role": "user", "content": "hello"}]


def test_b6_a_client_learns_at_once_that_its_stream_is_cut(provider, gateway):
    envoy = gateway(deployment("m", provider(stream(chunk({"content": "a"}), 0.3, "reset"))))
    with pytest.raises((openai.APIError, httpx.HTTPError)):
        for _ in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True):
            began = time.monotonic()
    assert time.monotonic() - began < 0.9, "not a second after the connection was lost"


def test_an_answer_with_more_than_a_hundred_headers_is_an_answer(provider, gateway):
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "logprobs": None, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "s", "choices": [choice]}
    envoy = gateway(deployment("m", provider(answer(200, body, **{f"x_h{n}": "1" for n in range(300)}))))
    assert envoy.client().chat.completions.create(model="m", messages=HELLO).choices[0].message.content == "hi"


def test_b5_equal_keys_are_one_secret(provider, gateway):
    one = provider()
    many = [deployment("m", one, id=f"d{n}", api_key="sk-the-same") for n in range(130)]
    envoy = gateway(*many, env={"SIGNALBOX_KEY_D0": "sk-the-same"}, followed=True)
    assert envoy.client().chat.completions.create(model="m", messages=HELLO)
    assert one.requests[0].headers["authorization"] == "Bearer sk-the-same"
