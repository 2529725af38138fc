"""Envoy Gateway's own server, which reads the manifest from a directory and starts Envoy on this machine."""

import re

import anthropic_wire
import pytest
import yaml
from manifests import Policy, deployment
from programs import BIN, ENVOY, Program, Proxy, call, free_port, get, give_back, until
from provider import error, whole
from test_clients import MASTER, SECRETS, clients_of, in_place, jwks  # noqa: F401

VERSION = ENVOY.parent.name
CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "eg"},
    "spec": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
}
# Another host of the same listener, whose name comes before ours and after.
OTHERS = [
    document
    for name in ("aaa", "zzz")
    for document in (
        {
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "parentRefs": [{"name": "signalbox"}], "hostnames": [f"{name}.local"],
                "rules": [{"filters": [{"type": "ExtensionRef", "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": name}}]}],
            },
        },
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "HTTPRouteFilter", "metadata": {"name": name, "namespace": "default"},
            "spec": {"directResponse": {"statusCode": 200, "body": {"type": "Inline", "inline": name}}},
        },
    )
]


class EnvoyGateway(Proxy):
    def __init__(self, folder):
        self.folder, self.resources = folder, folder / "resources"
        for part in ("config", "state", "run", "resources", f"data/envoy-versions/{VERSION}/bin"):
            (folder / part).mkdir(parents=True)
        # Where its installer of Envoys would put a download, it takes what is there.
        (folder / f"data/envoy-versions/{VERSION}/bin/envoy").symlink_to(ENVOY)
        config = folder / "envoy-gateway.yaml"
        host = {"configHome": f"{folder}/config", "dataHome": f"{folder}/data", "stateHome": f"{folder}/state", "runtimeDir": f"{folder}/run"}
        config.write_text(yaml.safe_dump({
            "apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyGateway",
            "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
            "provider": {"type": "Custom", "custom": {
                "resource": {"type": "File", "file": {"paths": [str(self.resources)]}},
                "infrastructure": {"type": "Host", "host": host},
            }},
            "extensionApis": {"enableEnvoyPatchPolicy": True, "enableBackend": True},
        }))
        certificates = Program(folder, "certificates", BIN / "envoy-gateway", "certgen", "--local", "--config-home", folder / "config")
        assert certificates.process.wait(60) == 0, certificates.text()
        self.program = None
        self.config = config

    def apply(self, documents):
        """Puts a manifest in place. Its pods are this machine."""
        for document in documents:
            if document["kind"] == "EnvoyProxy":
                document["spec"]["provider"] = {"type": "Host", "host": {"envoyVersion": VERSION}}
        new = self.resources / "new"
        new.write_text("\n---\n".join(map(yaml.safe_dump, [CLASS, *OTHERS, *documents])))
        new.rename(self.resources / "all.yaml")
        if not self.program:
            self.program = Program(self.folder, "envoy-gateway", BIN / "envoy-gateway", "server", "--config-path", self.config)

    @property
    def admin(self):
        """The port of Envoy's admin interface."""
        newest = max(self.folder.glob("run/*/admin-address.txt"))
        return int(newest.read_text().rsplit(":", 1)[1])

    def log(self):
        return super().log() + "".join(log.read_text(errors="replace") for log in self.folder.glob("state/envoy-runs/*/std*.log"))

    def end(self):
        self.program.end()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = EnvoyGateway(tmp_path_factory.mktemp("envoy-gateway"))
    yield made
    made.end()


@pytest.fixture
def made(tmp_path, kubernetes):
    port = free_port()
    yield Policy(tmp_path / "policy", kubernetes, "signalbox", command="envoy-gateway", host="llm.local", port=port,
                 keys={"OPENAI_API_KEY": "key-one"}, router={"num_retries": 2})
    give_back(port)


def statuses(text):
    """The conditions of the kind, as the server logs them: type and status."""
    found = {}
    for block in re.split(r"Got new status for ", text)[1:]:
        kind, _, rest = block.partition("\\n") if "\\n" in block.split("\n")[0] else block.partition("\n")
        types = re.findall(r"status: \\?\"?(True|False|Unknown)", rest)
        found.setdefault(kind.strip(), []).append(types)
    return found


def test_a_policy_in_envoy_gateway(server, made, provider):
    one, two = provider(whole("one")), provider(anthropic_wire.message("two"))
    first = deployment("smart", one, key="OPENAI_API_KEY", id="one")
    second = deployment("smart", two, "anthropic/claude-sonnet-4-5", id="two")
    made.write(first, second)
    server.apply(made.documents())
    made.serves(seconds=60)
    assert {made.call().deployment for _ in range(30)} == {"one", "two"}
    one.play(error(503))
    assert [(it.status, it.deployment) for it in [made.call() for _ in range(6)]] == [(200, "two")] * 6
    assert one.requests[0].headers["authorization"] == "Bearer key-one"
    body = {"model": "smart", "messages": [{"role": "user", "content": "x" * 3_000_000}]}
    assert made.call(body=body).status == 200
    # Hosts of the same listener, which stand before ours and after it.
    for name in ("aaa", "zzz"):
        other = call(made.port, f"{name}.local")
        assert (other.status, other.body) == (200, name.encode()), other
        assert not [header for header in other.headers if "signalbox" in header]
    assert call(made.port, "nobody.local").status == 404
    text = server.program.text()
    assert "EnvoyPatchPolicy" in text
    policies = statuses(text)["EnvoyPatchPolicy"]
    assert policies and all(set(one) == {"True"} for one in policies[-2:]), policies

    # Its bootstrap takes the labels out of the names of our metrics.
    def counted():
        lines = get(f"http://127.0.0.1:{server.admin}/stats/prometheus").splitlines()
        return [line for line in lines if line.startswith("signalbox_attempts{")]

    wanted = ('deployment="two"', 'outcome="served"', 'policy="signalbox.default.signalbox"')
    assert until(lambda: [line for line in counted() if all(label in line for label in wanted)])


def test_clients_of_envoy_gateway(server, made, provider, jwks):
    upstream = provider(whole("one"))
    made.values, made.general, made.signalbox = SECRETS, MASTER, clients_of(jwks)
    made.write(deployment("smart", upstream, key="OPENAI_API_KEY"), deployment("other", provider(), id="other"))
    server.apply(made.documents())
    in_place(server, made, upstream, jwks)


def test_a_policy_changes(server, made, provider):
    """A listener of Envoy Gateway's is replaced as a whole; requests under way end on the old one."""
    one, two = provider(whole("one")), provider(whole("two"))
    made.write(deployment("smart", one, id="one"))
    server.apply(made.documents())
    until(lambda: made.call().deployment == "one", 60)
    made.write(deployment("smart", two, id="two"), before=made.file)
    server.apply(made.documents())
    until(lambda: made.call().deployment == "two", 60)
    assert all(made.call().status == 200 for _ in range(20))


def test_a_policy_whose_module_is_missing_leaves_the_one_in_force(server, made, provider):
    """Here the module is part of the listener, which Envoy takes as a whole or not at all."""
    made.write(deployment("smart", provider(whole("one")), id="one"))
    server.apply(made.documents())
    until(lambda: made.call().deployment == "one", 60)
    refused = lambda: int(server.stats("listener_manager.lds.update_rejected")["listener_manager.lds.update_rejected"])  # noqa: E731
    before = refused()
    made.module = "/nonexistent/signalbox.wasm"
    made.write(deployment("smart", provider(whole("two")), id="two"), before=made.file)
    server.apply(made.documents())
    until(lambda: refused() > before, 60, "the refusal")
    assert {made.call().deployment for _ in range(10)} == {"one"}
    assert call(made.port, "aaa.local").status == 200


def test_a_key_that_is_missing_costs_its_deployment_alone(server, made, provider):
    made.values = {}
    one, two = provider(whole("one")), provider(whole("two"))
    made.write(deployment("smart", one, key="NO_SUCH_KEY", id="one"), deployment("smart", two, id="two"))
    server.apply(made.documents())
    until(lambda: (it := made.call()).status == 200 and it.deployment == "two", 60)
    answers = [made.call() for _ in range(6)]
    assert not one.requests and not [it for it in answers if it.status not in (200, 503)], answers


def test_forged_headers_go_no_further(server, made, provider):
    one = provider(whole("one"))
    made.write(deployment("smart", one, key="OPENAI_API_KEY", id="one"))
    server.apply(made.documents())
    until(lambda: made.call().deployment == "one", 60)
    one.play(error(503))
    one.requests.clear()
    forged = {"x-signalbox-relay-to": "one", "x-signalbox-key": "x", "x-signalbox-deployment": "forged", "x-envoy-max-retries": "9", "x-envoy-retry-on": "5xx", "authorization": "Bearer client", "x-secret": "1"}
    answer = made.call(headers=forged)
    assert answer.status >= 500 and answer.deployment != "forged" and 0 < len(one.requests) <= 3, answer
    for request in one.requests:
        assert request.headers["authorization"] == "Bearer key-one"
        assert not {name for name in request.headers if name.startswith("x-s")}, request.headers


def test_the_api_server_takes_it(kubernetes, made, provider):
    kubernetes.apply(BIN / "envoy-gateway-crds", "--server-side")
    kubernetes.kubectl("wait", "--for", "condition=established", "--all", "crd", "--timeout=30s")
    made.module = "oci://registry.example.com/signalbox@sha256:" + "0" * 64
    made.apply(deployment("smart", provider(), key="OPENAI_API_KEY"))
    kinds = {it["kind"] for it in made.documents()}
    assert {"EnvoyProxy", "Gateway", "HTTPRoute", "HTTPRouteFilter", "EnvoyPatchPolicy", "ConfigMap"} <= kinds
    made.remove()
