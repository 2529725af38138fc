"""Interception as a sidecar's `istio-init` sets it up: an application calls port 80 of an address, and netfilter leads it to Envoy. All of it runs
once more in a network namespace, where such a rule is nobody else's."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from manifests import deployment
from programs import Agent, call, until
from provider import whole

WITHIN = "SIGNALBOX_TESTS_NAMESPACE"
# Nobody's addresses, from which Istio takes those that it gives to names.
ADDRESSES = "240.240.0.0/16"


inner = pytest.mark.skipif(not os.environ.get(WITHIN), reason="needs a network namespace of its own")


@pytest.mark.skipif(bool(os.environ.get(WITHIN)), reason="this is the inner one")
@pytest.mark.skipif(not shutil.which("iptables") and not os.environ.get("CI"), reason="there is no iptables here")
def test_in_a_network_namespace():
    script = f'ip link set lo up && ip route add {ADDRESSES} dev lo src 127.0.0.1 && exec "$@"'
    # A short path: the sockets of istio-agent lie far below it, and the name of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="mesh-") as folder:
        again = [sys.executable, "-m", "pytest", "-q", "--basetemp", Path(folder) / "inner", Path(__file__)]
        ran = subprocess.run(["unshare", "--net", "bash", "-c", script, "-", *again], env={**os.environ, WITHIN: "1"}, capture_output=True, text=True)
    assert ran.returncode == 0 and "2 passed" in ran.stdout, ran.stdout[-6000:] + ran.stderr[-2000:]


@pytest.fixture(scope="module")
def application(tmp_path_factory, istio):
    """The sidecar of an application whose calls are intercepted."""
    rule = ["iptables", "-t", "nat", "-A", "OUTPUT", "-d", ADDRESSES, "-p", "tcp", "-j", "REDIRECT", "--to-ports", str(istio.outbound)]
    subprocess.run(rule, check=True)
    made = Agent(tmp_path_factory.mktemp("application"), istio, interception="REDIRECT")
    yield made
    made.end()


def calls(host):
    return call(80, host, address="240.240.0.1", timeout=5)


@inner
def test_an_application_is_intercepted(application, policy, provider):
    made = policy("taken", "--form", "sidecar", port=80)
    made.apply(deployment("smart", provider(whole("one")), id="one"))
    assert until(lambda: (it := calls(made.host)).status == 200 and it, 90, "an intercepted call").deployment == "one"
    assert calls("nobody.local").status == 502


@inner
def test_an_application_comes_to_the_egress_gateway_by_the_mesh_s_tls(application, kubernetes, istio, policy, provider, tmp_path):
    """The form that is written unless another one is asked for."""
    one = provider(whole("one"))
    signalbox = {"clients": [{"name": "app", "match": "spiffe://cluster.local/ns/shop/sa/app"}]}
    made = policy("led", "--service", "egress.local", port=80, is_tls=True, signalbox=signalbox)
    made.apply(deployment("smart", one, id="one"))
    kubernetes.apply([{
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "egress", "namespace": "istio-egress"},
        "spec": {
            "hosts": ["egress.local"], "location": "MESH_INTERNAL", "resolution": "STATIC",
            "ports": [{"number": 443, "name": "tls", "protocol": "TLS"}], "endpoints": [{"address": "127.0.0.1"}],
        },
    }])
    # Both have one authority.
    pair = application.folder / "certificate.pem", application.folder / "key.pem"
    gateway = Agent(tmp_path / "egress", istio, "istio-egress", "egress", "router", {"istio": "egressgateway"}, certificate=pair)
    try:
        answer = until(lambda: (it := calls(made.host)).status == 200 and it, 90, "a call by way of the gateway")
        assert answer.deployment == "one" and not gateway.refused("led")
        with pytest.raises(OSError):  # without that TLS nobody comes in
            call(443, made.host, address="127.0.0.1", timeout=5)
        # The gateway knows by that TLS who asks, and another service account is nobody.
        made.signalbox["clients"][0]["match"] = "spiffe://cluster.local/ns/shop/sa/web"
        made.apply(deployment("smart", one, id="one"), before=made.file)
        refused = until(lambda: (it := calls(made.host)).status == 401 and it, 60, "the new policy")
        assert b"invalid_api_key" in refused.body and calls(made.host).status == 401
    finally:
        gateway.end()
