"""Clients that are known, behind istiod: keys in mounted files, hashes, tokens, addresses, and who a sidecar's own pod is."""

import hashlib
import json

import pytest
from identities import Issuer
from manifests import deployment
from programs import swap, until
from provider import whole

HASHED = "sk-by-hash-5501ee"
HASH = "sha256:" + hashlib.sha256(HASHED.encode()).hexdigest()
SECRETS = {"OPENAI_API_KEY": "key-of-the-provider", "SHOP_KEY": "sk-shop-77aa01", "MASTER": "sk-master-3b2f9c"}
CLIENTS = [{"name": "shop", "key": "os.environ/SHOP_KEY", "rpm": 1000}, {"name": "hashed", "key": HASH, "models": ["other"]}]
MASTER = {"master_key": "os.environ/MASTER"}


@pytest.fixture
def jwks():
    """An issuer, and the address at which it publishes its keys."""
    issuer = Issuer()
    with issuer.publishes() as address:
        yield issuer, address


def come(made, key=None, header="authorization"):
    """The status and the code of the error of a request with a key."""
    given = {} if key is None else {header: f"Bearer {key}" if header == "authorization" else key}
    answer = made.call(headers=given)
    code = json.loads(answer.body)["error"]["code"] if answer.headers.get("x-signalbox-error") else None
    return answer.status, code


REFUSED = (401, "invalid_api_key")


def comes(made, key, wanted=(200, None), seconds=60):
    """Waits until a key is worth this, for all workers."""
    last = []

    def all_agree():
        last[:] = [come(made, key) for _ in range(6)]
        return set(last) == {wanted}

    try:
        until(all_agree, seconds)
    except AssertionError:
        raise AssertionError(f"{last} instead of {wanted}") from None


def in_place(proxy, made, provider, jwks):
    """What holds of clients in every proxy of a mesh."""
    issuer, _ = jwks
    comes(made, SECRETS["SHOP_KEY"])
    comes(made, SECRETS["MASTER"])
    for header in ("authorization", "x-api-key", "api-key"):
        assert come(made, SECRETS["SHOP_KEY"], header) == (200, None), header
    assert come(made, HASHED) == (403, "key_model_access_denied"), "a client that may not ask for this model"
    ops = issuer.token(groups=["dev", "ops"])
    comes(made, ops)
    wrong = [None, "", "sk-wrong", SECRETS["SHOP_KEY"][:-1], issuer.token(groups=["dev"]), Issuer(issuer.name).token(groups=["ops"]), ops[:-8] + "AAAAAAAA"]
    assert [come(made, key) for key in wrong] == [REFUSED] * len(wrong)
    for request in provider.requests:
        assert request.headers["authorization"] == f"Bearer {SECRETS['OPENAI_API_KEY']}"
        assert not any(key in repr(request.headers) for key in (SECRETS["SHOP_KEY"], SECRETS["MASTER"], ops))
    # New keys, by Kubernetes' symbolic links.
    files = next(it["data"] for it in made.documents() if it["kind"] == "ConfigMap")
    swap(made.keys, **SECRETS | {"SHOP_KEY": "sk-shop-new", "OPENAI_API_KEY": "key-new"}, **files)
    comes(made, "sk-shop-new")
    comes(made, SECRETS["SHOP_KEY"], REFUSED)
    assert provider.requests[-1].headers["authorization"] == "Bearer key-new"
    keys = [*SECRETS.values(), HASHED, "sk-shop-new", "key-new"]
    assert "signalbox-key/SHOP_KEY" in proxy.dump()
    for text in (proxy.dump(), made.file.read_text(), made.said, proxy.log(), json.dumps(proxy.stats())):
        assert not any(key in text for key in keys)
    assert not proxy.refused(made.name)


def clients_of(jwks):
    issuer, uri = jwks
    return {"clients": [*CLIENTS, {"name": "ops", "jwt": {"groups": "ops"}}], "jwt": {"issuer": issuer.name, "audiences": ["signalbox"], "jwks_uri": uri}}


def test_clients_of_a_gateway(gateway, policy, provider, jwks, port):
    upstream = provider(whole("one"))
    made = policy("clients", keys=SECRETS, general=MASTER, signalbox=clients_of(jwks))
    made.apply(deployment("smart", upstream, key="OPENAI_API_KEY"), deployment("other", provider(), id="other"))
    assert "needs SHOP_KEY (the key of the client `shop`)" in made.said and "needs MASTER (the key of the client `master`)" in made.said
    in_place(gateway, made, upstream, jwks)


def test_clients_of_a_sidecar(sidecar, policy, provider, jwks, sidecar_port):
    upstream = provider(whole("one"))
    made = policy("known", "--form", "sidecar", port=sidecar_port, address="127.0.0.1", keys=SECRETS, general=MASTER, signalbox=clients_of(jwks))
    made.apply(deployment("smart", upstream, key="OPENAI_API_KEY"), deployment("other", provider(), id="other"))
    in_place(sidecar, made, upstream, jwks)


def test_a_clients_key_that_is_missing_costs_that_client_alone(gateway, policy, provider, port):
    some = [{"name": "lost", "key": "os.environ/NO_SUCH_KEY"}, {"name": "shop", "key": "os.environ/SHOP_KEY"}, {"name": "hashed", "key": HASH}]
    made = policy("lost", keys={"SHOP_KEY": SECRETS["SHOP_KEY"], "NO_SUCH_KEY": ""}, signalbox={"clients": some})
    made.apply(deployment("smart", provider(whole("one"))))
    comes(made, SECRETS["SHOP_KEY"])
    comes(made, HASHED)
    assert [come(made, key) for key in ("", None, "sk-wrong")] == [REFUSED] * 3


@pytest.mark.parametrize("is_mounted", [False, True])
def test_without_its_master_key_a_gateway_is_closed(gateway, policy, provider, is_mounted):
    """No volume at all, and one in which the key is empty."""
    made = policy(f"closed-{is_mounted}".lower(), keys={"MASTER": ""} if is_mounted else None, general=MASTER)
    made.apply(deployment("smart", provider(whole("one"))))
    comes(made, "sk-any", REFUSED)
    assert come(made) == REFUSED and come(made, "") == REFUSED


def test_addresses_that_are_let_in(gateway, policy, provider):
    opened = policy("near", general={"allowed_ips": ["127.0.0.0/8"]})
    closed = policy("far", general={"allowed_ips": ["10.0.0.0/8"]})
    upstream = provider(whole("one"))
    opened.apply(deployment("smart", upstream))
    closed.apply(deployment("smart", upstream))
    opened.serves()
    until(lambda: closed.call().status == 403)
    assert opened.call().status == 200 and closed.call(headers={"x-forwarded-for": "10.1.2.3"}).status == 403


def test_a_sidecar_knows_its_own_pod(sidecar, policy, provider, sidecar_port):
    """`node`: who the pod is, as istio-agent told Envoy."""

    def of(name, pattern):
        signalbox = {"identity_from": ["node"], "clients": [{"name": "pod", "match": pattern}]}
        made = policy(name, "--form", "sidecar", port=sidecar_port, address="127.0.0.1", signalbox=signalbox)
        made.apply(deployment("smart", provider(whole("one"))))
        return made

    comes(of("own-pod", "node/shop/app"), None)
    comes(of("other-pod", "node/shop/web"), None, REFUSED)
