"""OpenAI's SDK in front, Bedrock behind: signatures, paths, answers, frames of streams and failures through the real Envoy."""

import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse

import envoys
import httpx
import openai
import pytest
from aws import event, exception, signature_fits
from gateway import deployment
from provider import answer

PAUSE = None
HELLO = [{"role": "user", "content": "hello"}]
CLAUDE = "bedrock/anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
AT = "/model/anthropic.claude-haiku-4-5-20251001-v1%3A0/converse"
KEYS = {"aws_access_key_id": "os.environ/MY_ID", "aws_secret_access_key": "os.environ/MY_SECRET", "aws_region_name": "us-east-1"}
MINE = "[default]\naws_access_key_id=AKIDMINE\naws_secret_access_key=mine\n"
USAGE = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
# No question to the machine's metadata, which is not there.
ALONE = {"AWS_EC2_METADATA_DISABLED": "true"}


def converse(text, stop="end_turn"):
    message = {"role": "assistant", "content": [{"text": text}]}
    return answer(200, {"output": {"message": message}, "stopReason": stop, "usage": USAGE, "metrics": {"latencyMs": 1}})


def refuses(status, kind, message):
    return answer(status, {"message": message}, x_amzn_errortype=kind)


def stream(*parts):
    def behave(connection, _request):
        head = "HTTP/1.1 200 X\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        for part in parts:
            if part is PAUSE:
                time.sleep(1)
                continue
            connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        connection.sendall(b"0\r\n\r\n")

    return behave


START = event("messageStart", role="assistant")
HI = event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hi"}, p="ab")
STOP = event("messageStop", stopReason="end_turn")
METADATA = event("metadata", usage=USAGE, metrics={"latencyMs": 1})
THROTTLED = exception("throttlingException", "Too many tokens, please wait before trying again.")


def assert_signed(request, access, secret, region, token=None):
    assert signature_fits(request.path, request.headers, access, secret, region, token, request.body)


def ask(envoy, model="m", **options):
    return envoy.client().chat.completions.create(model=model, messages=HELLO, **options)


def test_k20_k21_each_attempt_is_signed_for_what_it_sends(provider, gateway):
    first = provider(refuses(503, "ServiceUnavailableException", "Bedrock is unable to process your request."))
    second = provider(converse("Good."))
    envoy = gateway(
        deployment("m", first, CLAUDE, order=1, **KEYS),
        deployment("m", second, f"bedrock/{ARN}", order=2, **{**KEYS, "aws_region_name": "eu-west-1"}),
        env=ALONE | {"SIGNALBOX_AWS_M_1": MINE},
    )
    for _ in range(2):
        said = ask(envoy)
        assert (said.choices[0].message.content, said.usage.total_tokens) == ("Good.", 7)
    assert len(first.requests) >= 1 and len(second.requests) == 2
    for request in first.requests:
        assert request.path == AT
        assert_signed(request, "AKIDMINE", "mine", "us-east-1")
    for request in second.requests:
        assert request.path == f"/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/converse"
        assert request.headers["host"] == f"127.0.0.1:{second.port}"
        assert_signed(request, "AKIDMINE", "mine", "eu-west-1")
    assert first.requests[0].json == {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def test_the_usual_variables_sign_without_being_named(provider, gateway):
    upstream = provider(converse("Good."))
    env = ALONE | {"AWS_ACCESS_KEY_ID": "AKIDUSUAL", "AWS_SECRET_ACCESS_KEY": "usual", "AWS_SESSION_TOKEN": "tok"}
    envoy = gateway(deployment("m", upstream, CLAUDE, aws_region_name="us-east-2"), env=env)
    ask(envoy)
    assert upstream.requests[-1].headers["x-amz-security-token"] == "tok"
    assert_signed(upstream.requests[-1], "AKIDUSUAL", "usual", "us-east-2", "tok")


def test_k22_a_key_of_bedrocks_own_is_sent_and_nothing_is_signed(provider, gateway):
    upstream = provider(converse("Good."))
    env = ALONE | {"BEDROCK_KEY": "bk-1", "AWS_ACCESS_KEY_ID": "AKIDUSUAL", "AWS_SECRET_ACCESS_KEY": "usual"}
    envoy = gateway(deployment("m", upstream, CLAUDE, api_key="os.environ/BEDROCK_KEY", aws_region_name="us-east-1"), env=env)
    ask(envoy)
    headers = upstream.requests[-1].headers
    assert headers["authorization"] == "Bearer bk-1"
    assert not [name for name in headers if name.startswith("x-amz-")]


def test_a_profile_signs_and_roles_wait_for_their_credentials(provider, gateway, tmp_path):
    """What signs for a role is asked of AWS itself, which is not there: Envoy takes such entries, and serves the others."""
    upstream = provider(converse("Good."))
    file, token = tmp_path / "credentials", tmp_path / "token"
    file.write_text("[default]\naws_access_key_id=AKIDOTHER\naws_secret_access_key=other\n[prod]\naws_access_key_id=AKIDPROD\naws_secret_access_key=prod\n")
    token.write_text("t")
    role = {"aws_region_name": "us-east-1", "aws_role_name": "arn:aws:iam::123456789012:role/x", "aws_session_name": "s"}
    envoy = gateway(
        deployment("m", upstream, CLAUDE, aws_region_name="us-east-1", aws_profile_name="prod"),
        deployment("role", upstream, CLAUDE, aws_external_id="e", **role),
        deployment("web", upstream, CLAUDE, aws_web_identity_token=str(token), **role),
        env=ALONE | {"AWS_SHARED_CREDENTIALS_FILE": str(file)},
    )
    assert ask(envoy).choices[0].message.content == "Good."
    assert_signed(upstream.requests[-1], "AKIDPROD", "prod", "us-east-1")


STS = "127.44.3.1"  # where AWS' service of tokens stands in these tests


@pytest.fixture
def sts(tmp_path, monkeypatch):
    """Stands in for AWS' service of tokens, by a table of hosts that only the Envoy of this test sees. Gives what is asked of it."""
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "cert", "-days", "2", "-subj", "/CN=sts"], check=True, capture_output=True)
    hosts, envoy = tmp_path / "hosts", tmp_path / "envoy"
    hosts.write_text(f"127.0.0.1 localhost\n{STS} sts.us-east-1.amazonaws.com\n")
    envoy.write_text(f"#!/bin/sh\nexec unshare --mount sh -c 'mount --bind {hosts} /etc/hosts && exec {envoys.ENVOY} \"$@\"' envoy \"$@\"\n")
    envoy.chmod(0o755)
    if subprocess.run(["unshare", "--mount", "mount", "--bind", hosts, "/etc/hosts"], capture_output=True).returncode:
        pytest.skip("a table of hosts of its own takes the right to mount")
    asked = []

    class Tokens(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            asked.append(query | {"signed": self.headers.get("authorization", "")})
            result = {"AccessKeyId": "ASIAROLE", "SecretAccessKey": "role", "SessionToken": "tok-" + query["RoleArn"][-1], "Expiration": time.time() + 3600}
            action = query["Action"]
            body = json.dumps({f"{action}Response": {f"{action}Result": {"Credentials": result}}}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    try:
        server = http.server.ThreadingHTTPServer((STS, 443), Tokens)
    except PermissionError:
        pytest.skip("port 443 takes the right to listen there")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(envoys, "ENVOY", envoy)
    yield asked
    server.shutdown()
    server.server_close()


def test_a_role_signs_however_it_is_taken(provider, gateway, tmp_path, sts):
    upstream = provider(converse("Good."))
    file, token = tmp_path / "credentials", tmp_path / "token"
    file.write_text("[prod]\naws_access_key_id=AKIDPROD\naws_secret_access_key=prod\n")
    token.write_text("t")
    role = {"aws_region_name": "us-east-1", "aws_role_name": "arn:aws:iam::123456789012:role/"}

    def taken(name, **more):
        return deployment(name, upstream, CLAUDE, **{**role, "aws_role_name": role["aws_role_name"] + name[0]}, **more)

    envoy = gateway(
        taken("usual", aws_session_name="s", aws_external_id="e"),
        taken("keys", aws_access_key_id="os.environ/MY_ID", aws_secret_access_key="os.environ/MY_SECRET"),
        taken("profile", aws_profile_name="prod"),
        taken("web", aws_web_identity_token=str(token), aws_session_name="w"),
        env=ALONE
        | {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_ACCESS_KEY_ID": "AKIDUSUAL", "AWS_SECRET_ACCESS_KEY": "usual", "SIGNALBOX_AWS_KEYS_1": MINE},
    )
    for name, by in [("usual", "AKIDUSUAL"), ("keys", "AKIDMINE"), ("profile", "AKIDPROD"), ("web", "")]:
        assert ask(envoy, name).choices[0].message.content == "Good."
        assert_signed(upstream.requests[-1], "ASIAROLE", "role", "us-east-1", f"tok-{name[0]}")
        (one,) = [one for one in sts if one["RoleArn"].endswith("/" + name[0])]
        assert f"Credential={by}" in one["signed"] if by else not one["signed"]
    usual, web = ([one for one in sts if one["RoleArn"].endswith(end)][0] for end in ("/u", "/w"))
    assert (usual["Action"], usual["RoleSessionName"], usual["ExternalId"]) == ("AssumeRole", "s", "e")
    assert (web["Action"], web["RoleSessionName"], web["WebIdentityToken"]) == ("AssumeRoleWithWebIdentity", "w", "t")


def test_embeddings_are_signed_too(provider, gateway):
    titan = provider(answer(200, {"embedding": [0.5, 0.25], "inputTextTokenCount": 3}))
    cohere = provider(answer(200, {"embeddings": [[0.5], [0.25]], "response_type": "embeddings_floats", "id": "e", "texts": ["a", "b"]}))
    envoy = gateway(
        deployment("titan", titan, "bedrock/amazon.titan-embed-text-v2:0", aws_region_name="us-east-1"),
        deployment("cohere", cohere, "bedrock/us.cohere.embed-v4:0", aws_region_name="us-east-1"),
        env=ALONE | {"AWS_ACCESS_KEY_ID": "AKIDUSUAL", "AWS_SECRET_ACCESS_KEY": "usual"},
    )
    got = envoy.client().embeddings.create(model="titan", input="a", dimensions=256, encoding_format="float")
    assert (got.data[0].embedding, got.usage.prompt_tokens) == ([0.5, 0.25], 3)
    # The SDK asks for base64 by itself.
    assert [one.embedding for one in envoy.client().embeddings.create(model="cohere", input=["a", "b"]).data] == [[0.5], [0.25]]
    for one, model in [(titan, "amazon.titan-embed-text-v2%3A0"), (cohere, "us.cohere.embed-v4%3A0")]:
        assert one.requests[-1].path == f"/model/{model}/invoke"
        assert_signed(one.requests[-1], "AKIDUSUAL", "usual", "us-east-1")
    assert titan.requests[-1].json == {"inputText": "a", "dimensions": 256}
    with pytest.raises(openai.BadRequestError) as refused:
        envoy.client().embeddings.create(model="titan", input=["a", "b"])
    assert refused.value.param == "input"


def test_a_probe_is_signed_too(provider, gateway):
    first = provider(refuses(503, "ServiceUnavailableException", "Bedrock is unable to process your request."), converse("Pong."))
    second = provider(converse("Good."))
    envoy = gateway(
        deployment("m", first, CLAUDE, order=1, aws_region_name="us-east-1"),
        deployment("m", second, CLAUDE, order=2, aws_region_name="us-east-1"),
        signalbox={"health_check": {"interval": 0.3, "timeout": 2}},
        env=ALONE | {"AWS_ACCESS_KEY_ID": "AKIDUSUAL", "AWS_SECRET_ACCESS_KEY": "usual"},
    )
    assert ask(envoy).choices[0].message.content == "Good."
    assert envoy.becomes(lambda: len(first.requests) == 2)
    probe = first.requests[-1]
    assert (probe.path, probe.json) == (AT, {"messages": [{"role": "user", "content": [{"text": "ping"}]}], "inferenceConfig": {"maxTokens": 1}})
    assert_signed(probe, "AKIDUSUAL", "usual", "us-east-1")
    assert envoy.becomes(lambda: ask(envoy).choices[0].message.content == "Pong."), "it is well again"


@pytest.fixture
def bedrock(provider, gateway):
    def make(*scripts):
        providers = [provider(*script) for script in scripts]
        params = {"api_key": "os.environ/BEDROCK_KEY", "aws_region_name": "us-east-1"}
        entries = [deployment("m", one, CLAUDE, order=order, **params) for order, one in enumerate(providers, 1)]
        return gateway(*entries, env={"BEDROCK_KEY": "bk-1"}), providers

    return make


def test_p4_flags_of_messages_stand_in_the_body(bedrock):
    """In the first attempt and in the next; those that Bedrock does not take are named, and no header goes."""
    envoy, providers = bedrock([refuses(503, "ServiceUnavailableException", "Bedrock is unable to process your request.")], [converse("Good.")])
    asked = {"model": "m", "max_tokens": 9, "messages": HELLO}
    got = httpx.post(f"{envoy.base}/v1/messages", json=asked, headers={"anthropic-beta": "context-1m-2025-08-07,x-1", "anthropic-version": "2023-06-01"})
    assert got.status_code == 200, got.text
    assert got.headers["x-signalbox-dropped-params"] == "anthropic_beta.x-1"
    for one in providers:
        assert one.requests[-1].json["additionalModelRequestFields"] == {"anthropic_beta": ["context-1m-2025-08-07"]}
        assert not [name for name in one.requests[-1].headers if "anthropic" in name]


def listen(envoy):
    chunks = envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True, stream_options={"include_usage": True})
    return list(chunks)


def text_of(chunks):
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_a_stream_of_frames(bedrock):
    envoy, [upstream] = bedrock([stream(START[:50], START[50:] + HI, HI + STOP, METADATA)])
    chunks = listen(envoy)
    assert (text_of(chunks), chunks[-1].usage.total_tokens) == ("HiHi", 7)
    assert upstream.requests[-1].path == AT + "-stream"


def test_k24_an_exception_before_the_first_token_moves_on(bedrock):
    envoy, providers = bedrock([stream(THROTTLED)], [stream(START, HI, STOP, METADATA)])
    assert text_of(listen(envoy)) == "Hi"
    assert len(providers[1].requests) == 1


def test_k24_an_exception_in_all_of_them_is_the_clients(bedrock):
    envoy, _ = bedrock([stream(THROTTLED)])
    with pytest.raises(openai.RateLimitError):
        listen(envoy)


@pytest.mark.parametrize(
    "ending",
    [[THROTTLED], [HI[:-1] + bytes([HI[-1] ^ 1]), HI], []],
    ids=["k24_exception", "k26_damaged", "k28_no_stop"],
)
def test_what_breaks_after_the_first_token_is_an_error_event(bedrock, ending):
    envoy, _ = bedrock([stream(START, HI, PAUSE, *ending)])
    seen = []
    with pytest.raises(openai.APIError):
        for chunk in envoy.client().chat.completions.create(model="m", messages=HELLO, stream=True):
            seen.append(chunk)
    assert text_of(seen) == "Hi"
    assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)


def test_k27_k31_what_is_no_answer_moves_on(bedrock):
    unknown = answer(200, {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"})
    day = refuses(429, "ThrottlingException", "Too many tokens per day, please wait before trying again.")
    on_demand = "Invocation of model ID x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."
    for failure in [unknown, day, refuses(400, "ValidationException", on_demand)]:
        envoy, providers = bedrock([failure], [converse("Good.")])
        assert ask(envoy).choices[0].message.content == "Good."
        assert len(providers[0].requests) == 1
