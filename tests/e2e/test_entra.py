"""Azure by tokens of Entra ID: the real Envoy gets them of a scripted login, through the hop within it."""

import json
import time
from urllib.parse import parse_qs

import openai
import pytest
from gateway import deployment
from provider import answer, error, stream, tokens, whole

OFF = {"num_retries": 0, "disable_cooldowns": True}
HELLO = [{"role": "user", "content": "hi"}]
PATH = "/openai/deployments/gpt/chat/completions?api-version=2025-01-01"


def token(text, seconds=3599):
    return answer(200, {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text})


def entry(upstream, **params):
    client = {"tenant_id": "t-1", "client_id": "c-1", "client_secret": "os.environ/ENTRA_SECRET"}
    return deployment("m", upstream, "azure/gpt", **{"api_version": "2025-01-01"} | (params or client))


def ask(envoy, **more):
    return envoy.client().chat.completions.create(model="m", messages=HELLO, **more)


@pytest.fixture
def entra(provider, gateway, monkeypatch):
    """A gateway in front of a scripted Azure, which gets its tokens of a scripted login."""

    def make(*entries, given, router=OFF, **more):
        login = provider(*given)
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"http://127.0.0.1:{login.port}/")
        monkeypatch.setenv("ENTRA_SECRET", "se/cret+1")
        envoy = gateway(*entries, router=router, alone=True, **more)
        envoy.login = login
        assert envoy.becomes(lambda: login.requests), "Envoy asks at its start"
        time.sleep(0.2)  # until it has read the answer
        return envoy

    return make


@pytest.mark.parametrize("followed", [False, True], ids=["one file", "a directory"])
def test_a_client_of_entra_is_asked_for_tokens(provider, entra, followed):
    upstream = provider(whole("Hi."), stream(*tokens(2)))
    envoy = entra(entry(upstream), given=[token("eyJ.1")] * 3, followed=followed)
    assert ask(envoy).choices[0].message.content == "Hi."
    assert "".join(chunk.choices[0].delta.content or "" for chunk in ask(envoy, stream=True) if chunk.choices) == "0 1 "
    for asked in upstream.requests:
        assert asked.path == PATH and asked.headers["authorization"] == "Bearer eyJ.1" and "api-key" not in asked.headers
        assert asked.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert not [name for name in asked.headers if name.startswith(("x-signalbox", "x-envoy", "x-forwarded"))]
    (login,) = envoy.login.requests
    assert login.path == "/t-1/oauth2/v2.0/token" and login.headers["content-type"] == "application/x-www-form-urlencoded"
    said = {name: value for name, (value,) in parse_qs(login.body.decode()).items()}
    assert said == {"grant_type": "client_credentials", "client_id": "c-1", "client_secret": "se/cret+1", "scope": "https://cognitiveservices.azure.com/.default"}
    dump = envoy.admin_get("/config_dump?include_eds") if hasattr(envoy, "admin_get") else ""
    assert "se/cret+1" not in envoy.bootstrap.read_text() + dump and "eyJ.1" not in envoy.log


def test_a_token_is_renewed_before_it_ends(provider, entra):
    upstream = provider(*[whole("Hi.")] * 2000)
    envoy = entra(entry(upstream), given=[token("eyJ.1", 4)] * 1000)
    ask(envoy)
    envoy.login.play(*[token("eyJ.2", 4)] * 1000)
    assert envoy.becomes(lambda: ask(envoy) and upstream.requests[-1].headers["authorization"] == "Bearer eyJ.2", 30)
    sent = [asked.headers["authorization"] for asked in upstream.requests]
    assert sent == sorted(sent) and set(sent) == {"Bearer eyJ.1", "Bearer eyJ.2"}


def test_without_a_token_another_deployment_serves(provider, entra):
    """The login fails, so that the hop has none: a failure like any other, until it has one."""
    upstream, other = provider(*[whole("from azure")] * 2000), provider(*[whole("from openai")] * 2000)
    refused = [answer(500, {}), *[answer(401, {"error": "invalid_client"})] * 1000]
    envoy = entra(entry(upstream), deployment("n", other), given=refused, router=OFF | {"fallbacks": [{"m": ["n"]}]})
    assert ask(envoy).choices[0].message.content == "from openai" and upstream.requests == []
    envoy.login.play(*[token("eyJ.1")] * 1000)
    assert envoy.becomes(lambda: ask(envoy).choices[0].message.content == "from azure", 30)


def test_two_clients_have_two_tokens(provider, entra):
    first, second = provider(whole("1")), provider(whole("2"))
    other = deployment("n", second, "azure/gpt", api_version="2025-01-01", tenant_id="t-1", client_id="c-2", client_secret="literal-secret", azure_scope="api://mine/.default")
    envoy = entra(entry(first), other, given=[token("eyJ.1"), token("eyJ.2")], env={"SIGNALBOX_KEY_N_2": "literal-secret", "SIGNALBOX_KEY_N_1": "literal-secret"})
    ask(envoy)
    envoy.client().chat.completions.create(model="n", messages=HELLO)
    asked = dict(zip([parse_qs(one.body.decode())["client_id"][0] for one in envoy.login.requests], ["eyJ.1", "eyJ.2"]))
    assert first.requests[0].headers["authorization"] == f"Bearer {asked['c-1']}" and second.requests[0].headers["authorization"] == f"Bearer {asked['c-2']}"


def secret(folder, name, text):
    """A file of Envoy's secret discovery, moved into its place."""
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    made = {"resources": [{"@type": kind, "name": name, "generic_secret": {"secret": {"inline_string": text}}}]}
    (folder / "new").write_text(json.dumps(made))
    (folder / "new").rename(folder / f"{name}.json")
    return str(folder / f"{name}.json")


def generated():
    content = {"role": "model", "parts": [{"text": "Hi."}]}
    return answer(200, {"responseId": "r1", "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}]})


AT_VERTEX = {"vertex_project": "p", "vertex_credentials": "/nowhere.json"}


@pytest.mark.parametrize("name", ["AD_TOKEN", "VERTEXAI_ACCESS_TOKEN"])
def test_a_token_that_somebody_else_renews(provider, gateway, tmp_path, name):
    """Under load: no request fails while the file is replaced, and none has the older token afterwards."""
    is_azure = name == "AD_TOKEN"
    upstream = provider(*[whole("Hi.") if is_azure else generated()] * 400)
    params = {"azure_ad_token": f"os.environ/{name}"} if is_azure else AT_VERTEX
    model = deployment("m", upstream, "azure/gpt" if is_azure else "vertex_ai/gemini-2.5-flash", **params)
    envoy = gateway(model, router=OFF, signalbox={"secret_files": {name: secret(tmp_path, name, "eyJ.1")}}, alone=True)
    ask(envoy)
    assert upstream.requests[0].headers["authorization"] == "Bearer eyJ.1" and "api-key" not in upstream.requests[0].headers
    secret(tmp_path, name, "eyJ.2")
    assert envoy.becomes(lambda: ask(envoy) and upstream.requests[-1].headers["authorization"] == "Bearer eyJ.2", 10)
    for _ in range(20):
        ask(envoy)
    sent = [asked.headers["authorization"] for asked in upstream.requests]
    assert sent == sorted(sent) and set(sent) == {"Bearer eyJ.1", "Bearer eyJ.2"}


def test_what_azure_says_of_a_token_is_azures(provider, entra):
    """A 401 of its own does not become one of the gateway's moments."""
    upstream = provider(error(401, "Access denied due to invalid subscription key or wrong API endpoint."))
    envoy = entra(entry(upstream), given=[token("eyJ.1")])
    with pytest.raises(openai.APIStatusError) as told:
        ask(envoy)
    assert told.value.status_code != 503 and len(upstream.requests) == 1
