"""The mesh of the tests: one API server, one istiod, a gateway, a sidecar, for all of them."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from fixtures import provider  # noqa: E402, F401
from manifests import Policy  # noqa: E402
from programs import Agent, Gateway, Istio, Kubernetes, free_port, give_back, wait_for_port  # noqa: E402
from provider import Provider  # noqa: E402

EGRESS = {"istio": "egressgateway"}


def a_port():
    made = free_port()
    yield made
    give_back(made)


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory):
    made = Kubernetes(tmp_path_factory.mktemp("kubernetes"))
    made.namespace("istio-system", "istio-egress", "shop", "llm", "team-a", "team-b")
    yield made
    made.end()


@pytest.fixture(scope="session")
def istio(tmp_path_factory, kubernetes):
    made = Istio(tmp_path_factory.mktemp("istio"), kubernetes)
    yield made
    made.end()


@pytest.fixture(scope="session")
def port():
    """The port at which all hosts of the gateway are called."""
    yield from a_port()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory, kubernetes, istio, port):
    """A gateway with a host that is none of ours."""
    kubernetes.apply(other_host("istio-egress", EGRESS, port))
    made = Gateway(tmp_path_factory.mktemp("gateway"), istio, "istio-egress", EGRESS)
    wait_for_port(port)
    yield made
    made.end()


@pytest.fixture(scope="session")
def sidecar_port():
    yield from a_port()


@pytest.fixture(scope="session")
def sidecar(tmp_path_factory, kubernetes, istio, sidecar_port):
    """The sidecar of an application, which also knows a service that is none of ours."""
    other = Provider()
    kubernetes.apply([{
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": {"name": "other", "namespace": "shop"},
        "spec": {
            "hosts": ["other.local"], "addresses": ["240.240.77.2"], "location": "MESH_EXTERNAL", "resolution": "STATIC",
            "ports": [{"number": sidecar_port, "name": "http", "protocol": "HTTP", "targetPort": other.port}],
            "endpoints": [{"address": "127.0.0.1", "ports": {"http": other.port}}],
        },
    }])
    made = Agent(tmp_path_factory.mktemp("sidecar"), istio)
    wait_for_port(sidecar_port, 60)
    yield made
    made.end()
    other.close()


def other_host(namespace, labels, port, host="other.local"):
    """A host of the same gateway, which must not notice us."""
    api, metadata = "networking.istio.io/v1", {"name": host.replace(".", "-"), "namespace": namespace}
    server = {"port": {"number": port, "name": "http", "protocol": "HTTP"}, "hosts": [host]}
    answer = {"directResponse": {"status": 200, "body": {"string": "the other host"}}}
    return [
        {"apiVersion": api, "kind": "Gateway", "metadata": metadata, "spec": {"selector": labels, "servers": [server]}},
        {"apiVersion": api, "kind": "VirtualService", "metadata": metadata,
         "spec": {"hosts": [host], "gateways": [metadata["name"]], "http": [answer]}},
    ]


@pytest.fixture
def policy(tmp_path, kubernetes, port):
    """Makes policies. Each has a host of its own, and goes when its test ends."""
    made = []

    def make(name, *options, **more):
        more.setdefault("port", port)
        if more.get("command", "istio") == "istio" and not more.pop("is_tls", False) and "--form" not in options:
            options = ("--plaintext", *options)
        made.append(Policy(tmp_path / f"{name}-{len(made)}", kubernetes, name, *options, **more))
        return made[-1]

    yield make
    for one in made:
        one.remove()
