"""A policy in every sidecar: istiod to istio-agent to Envoy."""

import hashlib
import http.server
import threading

import anthropic_wire
from manifests import deployment
from programs import WASM, call, until
from provider import error, whole

SIDECAR = ("--form", "sidecar")
HERE = "127.0.0.1"


def untouched(port):
    """Another service of the same port answers as ever."""
    other = call(port, "other.local", address=HERE)
    assert other.status == 200 and b"Hello." in other.body, other
    assert not [name for name in other.headers if "signalbox" in name]


def test_a_plain_call_and_failover(sidecar, policy, provider, sidecar_port):
    one, two = provider(whole("one")), provider(anthropic_wire.message("two"))
    made = policy("everywhere", *SIDECAR, port=sidecar_port, address=HERE, keys={"OPENAI_API_KEY": "key-one"}, router={"num_retries": 2})
    made.apply(deployment("smart", one, key="OPENAI_API_KEY", id="one"), deployment("smart", two, "anthropic/claude-sonnet-4-5", id="two"))
    made.serves()
    assert {made.call().deployment for _ in range(30)} == {"one", "two"}
    one.play(error(503))
    assert [(it.status, it.deployment) for it in [made.call() for _ in range(6)]] == [(200, "two")] * 6
    assert one.requests[0].headers["authorization"] == "Bearer key-one"
    untouched(sidecar_port)
    assert not sidecar.refused("everywhere")


def test_a_mesh_wide_policy_and_a_gateway_s_of_the_same_name(sidecar, gateway, policy, provider, sidecar_port):
    """What Istio serves by name reaches every proxy of the root namespace, a gateway's too."""
    wide, narrow = policy("same", *SIDECAR, port=sidecar_port, address=HERE, host="wide.local"), policy("same", host="narrow.local")
    wide.apply(deployment("smart", provider(whole("wide"))))
    narrow.apply(deployment("smart", provider(whole("narrow"))))
    assert b"wide" in wide.serves().body and b"narrow" in narrow.serves().body
    assert not gateway.refused("same") + sidecar.refused("same")


def test_a_kubernetes_service_is_a_name_too(sidecar, policy, provider, sidecar_port):
    made = policy("service", *SIDECAR, port=sidecar_port, address=HERE, host="llm.shop.svc.cluster.local")
    made.apply(deployment("smart", provider(whole("one"))))
    made.serves()


def test_a_module_that_cannot_be_fetched_costs_our_route_alone(sidecar, policy, provider, sidecar_port):
    """istio-agent puts another filter in its place, which Envoy refuses: a 403 would look like the client's own fault."""
    made = policy("unfetched", *SIDECAR, port=sidecar_port, address=HERE, module="oci://127.0.0.1:1/signalbox@sha256:" + "0" * 64)
    made.apply(deployment("smart", provider()))
    until(lambda: (it := made.call()).status == 503 and b"fault filter abort" in it.body, what="the default of the filter")
    untouched(sidecar_port)


def test_a_module_is_fetched_by_its_digest(sidecar, policy, provider, sidecar_port, tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    (served / "signalbox.wasm").write_bytes(WASM.read_bytes())

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(served))

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        digest = hashlib.sha256(WASM.read_bytes()).hexdigest()
        module = f"http://127.0.0.1:{server.server_port}/signalbox.wasm"
        made = policy("fetched", *SIDECAR, "--sha256", digest, port=sidecar_port, address=HERE, module=module)
        made.apply(deployment("smart", provider(whole("one"))))
        made.serves()
    finally:
        server.shutdown()
