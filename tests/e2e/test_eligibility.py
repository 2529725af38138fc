"""A deployment that cannot serve a request is not asked."""

import openai
import pytest
from gateway import deployment
from provider import Provider
from gateway import Gateway

HELLO = [{"role": "user", "content": "hello"}]
IMAGE = [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object", "properties": {}}}}


def place(group, upstream, name, info=None, **params):
    """A deployment with more in its `model_info`."""
    entry = deployment(group, upstream, id=name, **params)
    entry["model_info"] |= info or {}
    return entry


@pytest.fixture(scope="module")
def envoy(tmp_path_factory):
    upstream = Provider()
    lacks = {"supports_vision": False, "supports_function_calling": False, "supports_response_schema": False}
    entries = [
        place("m", upstream, "plain", lacks, order=1),
        place("m", upstream, "able", order=2),
        place("lone", upstream, "lone", lacks),
        place("tagged", upstream, "paid", tags=["paid"]),
        place("tagged", upstream, "free", tags=["free"]),
        place("where", upstream, "eu", region_name="eu"),
        place("where", upstream, "us", region_name="us"),
        place("small", upstream, "small", {"max_input_tokens": 1000}),
        place("medium", upstream, "medium", {"max_input_tokens": 1000}),
        place("large", upstream, "large", {"max_input_tokens": 100_000}),
    ]
    made = Gateway(
        tmp_path_factory.mktemp("gateway"),
        entries,
        router={"enable_tag_filtering": True, "enable_pre_call_checks": True, "context_window_fallbacks": [{"small": ["large"]}]},
    )
    made.upstream = upstream
    yield made
    made.close()
    upstream.close()


def ask(envoy, model, messages=HELLO, **more):
    """Which deployment served, and how many were asked."""
    envoy.upstream.requests.clear()
    got = envoy.client().chat.completions.with_raw_response.create(model=model, messages=messages, **more)
    return got.headers["x-signalbox-deployment"], len(envoy.upstream.requests)


@pytest.mark.parametrize("need", [{"messages": IMAGE}, {"tools": TOOLS}, {"response_format": SCHEMA}], ids=["image", "tools", "json_schema"])
def test_who_lacks_it_is_not_asked(envoy, need):
    assert ask(envoy, "m") == ("plain", 1)
    assert ask(envoy, "m", **need) == ("able", 1)
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy, "lone", **need)
    assert refused.value.code == "unsupported_value"
    assert envoy.upstream.requests == []


def test_tags_of_the_body_and_the_header(envoy):
    assert {ask(envoy, "tagged", extra_body={"metadata": {"tags": ["paid"]}})[0] for _ in range(6)} == {"paid"}
    assert {ask(envoy, "tagged", extra_headers={"x-litellm-tags": "free"})[0] for _ in range(6)} == {"free"}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy, "tagged", extra_body={"tags": ["other"]})
    assert refused.value.code == "no_deployment_with_tags"


def test_a_region(envoy):
    assert {ask(envoy, "where", extra_body={"allowed_model_region": "eu"})[0] for _ in range(6)} == {"eu"}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy, "where", extra_body={"allowed_model_region": "cn"})
    assert refused.value.code == "no_deployment_in_region"


def test_a_long_prompt_goes_to_the_larger_window_before_it_is_sent(envoy):
    long = [{"role": "user", "content": "word " * 4000}]
    assert ask(envoy, "small") == ("small", 1)
    assert ask(envoy, "small", long) == ("large", 1)
    with pytest.raises(openai.BadRequestError) as refused:
        ask(envoy, "medium", long)
    assert refused.value.code == "context_length_exceeded"
    assert envoy.upstream.requests == []
