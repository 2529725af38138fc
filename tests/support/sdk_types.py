"""The official SDKs' types as a judge of requests."""

import functools

import anthropic.types
import openai.types.chat
import openai.types.responses
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator


def strict(schema):
    """A validation schema that refuses unknown keys, and reads iterables at once instead of when somebody asks for them."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "model":
        # By its fields: a model's own validator, which allows what its class allows, would be taken in place of this schema.
        schema = {**schema["schema"], **{key: schema[key] for key in ("ref",) if key in schema}}
    schema = {key: value if key == "metadata" else strict(value) for key, value in schema.items()}
    if schema.get("type") == "generator":
        schema["type"] = "list"
    allows = (schema.get("config") or {}).get("extra_fields_behavior") == "allow"
    if schema.get("type") == "model-fields" or schema.get("type") == "typed-dict" and not allows:
        schema["extra_behavior"] = "forbid"
    return schema


@functools.cache
def anthropic_validator(streaming):
    params = anthropic.types.message_create_params
    kind = params.MessageCreateParamsStreaming if streaming else params.MessageCreateParamsNonStreaming
    return SchemaValidator(strict(TypeAdapter(kind).core_schema))


def fits_anthropic(body):
    """Raises where the SDK would not send this."""
    anthropic_validator(body.get("stream", False)).validate_python(body)


@functools.cache
def openai_validator(streaming):
    params = openai.types.chat.completion_create_params
    kind = params.CompletionCreateParamsStreaming if streaming else params.CompletionCreateParamsNonStreaming
    return SchemaValidator(strict(TypeAdapter(kind).core_schema))


def fits_openai(body):
    """Raises where the SDK would not send this."""
    openai_validator(body.get("stream", False)).validate_python(body)


@functools.cache
def responses_validator(streaming):
    params = openai.types.responses.response_create_params
    kind = params.ResponseCreateParamsStreaming if streaming else params.ResponseCreateParamsNonStreaming
    return SchemaValidator(strict(TypeAdapter(kind).core_schema))


def fits_responses(body):
    """Raises where the SDK would not send this."""
    responses_validator(body.get("stream", False)).validate_python(body)
