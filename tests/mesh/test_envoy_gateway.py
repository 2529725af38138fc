"""What `signalbox envoy-gateway` writes, held against Envoy Gateway's own definitions by the API server."""

from manifests import deployment
from programs import BIN


def test_the_api_server_takes_it(kubernetes, policy, provider):
    kubernetes.apply(BIN / "envoy-gateway-crds", "--server-side")
    kubernetes.kubectl("wait", "--for", "condition=established", "--all", "crd", "--timeout=30s")
    module = "oci://registry.example.com/signalbox@sha256:" + "0" * 64
    made = policy("gateway", command="envoy-gateway", module=module)
    made.apply(deployment("smart", provider(), key="OPENAI_API_KEY"))
    kinds = {it["kind"] for it in made.documents()}
    assert kinds == {"EnvoyProxy", "Gateway", "HTTPRoute", "HTTPRouteFilter", "EnvoyPatchPolicy", "ConfigMap"}
    shown = kubernetes.kubectl("get", "envoypatchpolicies", "-n", "default", "-o", "name").split()
    assert shown == ["envoypatchpolicy.gateway.envoyproxy.io/gateway", "envoypatchpolicy.gateway.envoyproxy.io/gateway-clusters"]
