"""Clients that are known by a certificate of their mesh, by a token that Envoy has checked, and by their address."""

import json
import ssl
import time

import anthropic
import httpx
import openai
import pytest
import yaml
from gateway import Gateway, deployment
from identities import Authority, Issuer

HELLO = [{"role": "user", "content": "hello"}]
CHAT = {"model": "m", "messages": HELLO}


def ask(envoy, token, model="m"):
    got = envoy.client(api_key=token).chat.completions.with_raw_response.create(model=model, messages=HELLO)
    return got.status_code


def refused(envoy, token):
    with pytest.raises(openai.AuthenticationError) as error:
        ask(envoy, token)
    return error.value.code


class Mutual(Gateway):
    """A gateway that asks for certificates, as one at the edge of a mesh does."""

    def __init__(self, folder, authority, *deployments, **options):
        self.authority, self.pair = authority, authority.pair("gateway", address="127.0.0.1")
        super().__init__(folder, list(deployments), alone=True, **options)

    def configure(self, *parts):
        super().configure(*parts)
        bootstrap = yaml.safe_load(self.bootstrap.read_text())
        certificate, key = ({"filename": str(path)} for path in self.pair)
        context = {
            "tls_certificates": [{"certificate_chain": certificate, "private_key": key}],
            "validation_context": {"trusted_ca": {"filename": str(self.authority.path)}},
        }
        kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
        socket = {"name": "tls", "typed_config": {"@type": kind, "require_client_certificate": True, "common_tls_context": context}}
        bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] = socket
        self.bootstrap.write_text(json.dumps(bootstrap))

    def post(self, pair, **headers):
        context = ssl.create_default_context(cafile=self.authority.path)
        context.load_cert_chain(*pair)
        with httpx.Client(verify=context) as client:
            return client.post(f"https://127.0.0.1:{self.port}/v1/chat/completions", json=CHAT, headers={"host": "gateway"} | headers)


def test_a_certificate_of_the_mesh_says_who_asks(provider, tmp_path):
    authority = Authority(tmp_path)
    clients = [
        {"name": "till", "match": "spiffe://cluster.local/ns/shop/sa/till", "models": ["m"]},
        {"name": "shop", "match": "spiffe://cluster.local/ns/shop/*", "models": ["other"]},
    ]
    envoy = Mutual(tmp_path, authority, deployment("m", provider()), deployment("other", provider()), signalbox={"clients": clients, "access_log": True}, concurrency=2)
    try:
        till = authority.pair("till", "spiffe://cluster.local/ns/shop/sa/till")
        web = authority.pair("web", "spiffe://cluster.local/ns/shop/sa/web")
        other = authority.pair("other", "spiffe://cluster.local/ns/shopping/sa/web")
        for _ in range(3):
            assert envoy.post(till).status_code == 200
        assert envoy.post(till, authorization="Bearer dummy").status_code == 200, "a key of nobody's does not hide who it is"
        assert envoy.post(web).status_code == 403
        assert envoy.post(other).status_code == 401 and envoy.post(authority.pair("none")).status_code == 401
        forged = {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/till"}
        assert envoy.post(other, **forged).status_code == 401
        assert envoy.becomes(lambda: envoy.log.count(" client=till@") == 4)
    finally:
        envoy.close()


def test_the_principal_that_a_mesh_notes_says_who_asks(provider, tmp_path):
    """What a waypoint of Istio's does: it takes the identity from the connection's certificate, and notes it in filter state, under this name,
    for what is behind. Here Envoy's own filter notes it."""
    authority = Authority(tmp_path)

    class Noted(Mutual):
        def configure(self, *parts):
            super().configure(*parts)
            bootstrap = json.loads(self.bootstrap.read_text())
            text = {"text_format_source": {"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"}}
            noted = {"object_key": "io.istio.peer_principal", "factory_key": "envoy.string", "format_string": text}
            kind = "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config"
            manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
            manager["http_filters"].insert(0, {"name": "noted", "typed_config": {"@type": kind, "on_request_headers": [noted]}})
            self.bootstrap.write_text(json.dumps(bootstrap))

    clients = [{"name": "till", "match": "spiffe://cluster.local/ns/shop/sa/till"}]
    signalbox = {"clients": clients, "identity_from": ["peer_principal"], "access_log": True}
    envoy = Noted(tmp_path, authority, deployment("m", provider()), signalbox=signalbox, concurrency=2)
    try:
        assert [envoy.post(authority.pair(name, f"spiffe://cluster.local/ns/shop/sa/{name}")).status_code for name in ("till", "web")] == [200, 401]
        assert envoy.post(authority.pair("none")).status_code == 401
        assert envoy.becomes(lambda: envoy.log.count(" client=till@") == 1)
    finally:
        envoy.close()


@pytest.mark.parametrize(("account", "wanted"), [("till", 200), ("web", 401), (None, 401)])
def test_a_proxys_own_node_says_who_asks(provider, gateway, account, wanted):
    """A sidecar's bootstrap says whose pod it is."""

    def edit(bootstrap):
        bootstrap["node"]["metadata"] = {"NAMESPACE": "shop"} | ({"SERVICE_ACCOUNT": account} if account else {})

    signalbox = {"clients": [{"name": "till", "match": "node/shop/till"}], "identity_from": ["peer_certificate", "node"]}
    envoy = gateway(deployment("m", provider()), signalbox=signalbox, edit=edit)
    assert httpx.post(f"{envoy.base}/v1/chat/completions", json=CHAT).status_code == wanted


@pytest.fixture
def issuer():
    return Issuer()


def test_a_token_that_envoy_has_checked_says_who_asks(provider, gateway, tmp_path, issuer):
    upstream, keys = provider(), tmp_path / "jwks.json"
    keys.write_text(issuer.jwks())
    clients = [
        {"name": "key", "key": "sk-0123456789abcdef"},
        {"name": "ops", "jwt": {"groups": "ops", "realm.team": "t-*"}},
        {"name": "words", "jwt": {"scope": "llm.use"}},
        {"name": "rest", "jwt": {"sub": "svc-*"}, "models": ["other"]},
    ]
    jwt = {"issuer": issuer.name, "audiences": ["signalbox"], "jwks_file": str(keys)}
    envoy = gateway(deployment("m", upstream), deployment("other", upstream), signalbox={"clients": clients, "jwt": jwt, "access_log": True}, concurrency=2, alone=True)
    ops = {"groups": ["dev", "ops"], "realm": {"team": "t-1"}}
    assert ask(envoy, issuer.token(**ops)) == 200
    assert "authorization" not in upstream.requests[-1].headers
    assert ask(envoy, issuer.token(scope="a llm.use b")) == 200
    assert ask(envoy, issuer.token(sub="svc-1"), "other") == 200
    with pytest.raises(openai.PermissionDeniedError):
        ask(envoy, issuer.token(sub="svc-1"))
    assert ask(envoy, "sk-0123456789abcdef") == 200, "keys open beside tokens"
    claude = anthropic.Anthropic(base_url=envoy.base, api_key=issuer.token(**ops), max_retries=0)
    assert claude.messages.create(model="m", max_tokens=5, messages=HELLO).content
    assert envoy.becomes(lambda: all(f" client={name}@" in envoy.log for name in ("ops", "words", "rest", "key"))), envoy.log
    served = len(upstream.requests)
    for token in (
        issuer.token(groups=["devops"], realm={"team": "t-1"}),
        issuer.token(**ops, exp=int(time.time()) - 3600),
        issuer.token(**ops, aud="another"),
        issuer.token(**ops, iss="https://another.test/"),
        Issuer(issuer.name).token(**ops),
        issuer.token(**ops)[:-8] + "AAAAAAAA",
        ".".join(["eyJhbGciOiJub25lIn0", issuer.token(**ops).split(".")[1], ""]),
        "sk-wrong",
    ):
        assert refused(envoy, token) == "invalid_api_key", token
    assert httpx.post(f"{envoy.base}/v1/chat/completions", json=CHAT).status_code == 401
    assert len(upstream.requests) == served


def test_litellms_way_lets_every_valid_token_in(provider, gateway, issuer):
    with issuer.publishes() as address:
        settings = {"JWT_PUBLIC_KEY_URL": address, "JWT_AUDIENCE": "signalbox", "JWT_ISSUER": issuer.name}
        envoy = gateway(deployment("m", provider()), general={"enable_jwt_auth": True}, variables=settings, alone=True)
        assert ask(envoy, issuer.token()) == 200
        assert refused(envoy, issuer.token(aud="another")) == "invalid_api_key" and refused(envoy, "sk-any") == "invalid_api_key"


def test_addresses_that_are_not_named_are_not_let_in(provider, gateway):
    upstream = provider()
    closed = gateway(deployment("m", upstream), general={"allowed_ips": ["10.0.0.0/8", "192.0.2.7"]}, signalbox={"xff_num_trusted_hops": 1}, alone=True)
    got = httpx.post(f"{closed.base}/v1/chat/completions", json=CHAT)
    assert (got.status_code, got.json()["error"]["code"], got.headers["x-signalbox-error"]) == (403, "address_not_allowed", "address_not_allowed")
    of_claude = httpx.post(f"{closed.base}/v1/messages", json=CHAT | {"max_tokens": 5}).json()
    assert of_claude["error"]["type"] == "permission_error"
    assert upstream.requests == []
    through = {"x-forwarded-for": "10.1.2.3"}
    assert httpx.post(f"{closed.base}/v1/chat/completions", json=CHAT, headers=through).status_code == 200
    opened = gateway(deployment("m", upstream), general={"allowed_ips": ["127.0.0.1"]}, alone=True)
    assert ask(opened, "sk-any") == 200
