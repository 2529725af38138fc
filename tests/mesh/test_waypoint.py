"""A policy in a waypoint, and calls through it: an application's request comes as ztunnel sends it, by CONNECT on the mesh's own TLS (HBONE), to
the listeners that istiod writes. What only Istio's own Envoy has in these is taken out or said in the plain Envoy's words; the rest is as it is."""

import json

import anthropic_wire
import pytest
from manifests import deployment
from programs import ENVOY, Gateway, Istio, Program, call, free_port, give_back, until, wait_for_port
from provider import error, whole

NAME, NAMESPACE, HOST = "way", "llm", "llm.llm.svc.cluster.local"
LABELS = {"gateway.networking.k8s.io/gateway-name": NAME, "gateway.istio.io/managed": "istio.io-mesh-controller"}
HTTP = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def noted(key, text, **more):
    """What Istio's `connect_authority` notes of a connection."""
    return {"object_key": key, "shared_with_upstream": "ONCE", "format_string": {"text_format_source": {"inline_string": text}}} | more


def as_plain_envoy_has_it(port):
    """Istio's listeners without what its own Envoy alone has: peer metadata, and its kind of text in filter state. They listen at a port of ours."""
    authority = {
        "name": "connect_authority",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [
                noted("envoy.filters.listener.original_dst.local_ip", "%REQ(:AUTHORITY)%"),
                noted("envoy.filters.listener.original_dst.remote_ip", "%DOWNSTREAM_REMOTE_ADDRESS%"),
                noted("io.istio.peer_principal", "%DOWNSTREAM_PEER_URI_SAN%", factory_key="envoy.string"),
            ],
        },
    }

    def filtered(listener, name, operation, **value):
        chain = {"filter": {"name": "envoy.filters.network.http_connection_manager", "subFilter": {"name": name}}}
        where = {"context": "SIDECAR_INBOUND", "listener": {"name": listener, "filterChain": chain}}
        return {"applyTo": "HTTP_FILTER", "match": where, "patch": {"operation": operation} | value}

    listens = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}
    return {
        "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "plain", "namespace": NAMESPACE},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": NAME}],
            "configPatches": [
                filtered("main_internal", "waypoint_upstream_peer_metadata", "REMOVE"),
                filtered("connect_terminate", "waypoint_downstream_peer_metadata", "REMOVE"),
                filtered("connect_terminate", "connect_authority", "REPLACE", value=authority),
                {
                    "applyTo": "LISTENER", "match": {"context": "SIDECAR_INBOUND", "listener": {"name": "connect_terminate"}},
                    "patch": {"operation": "MERGE", "value": listens},
                },
            ],
        },
    }


def deployed(kubernetes):
    """What Istio's controller and Kubernetes make of the Gateway: a service with an address, its pod, and their statuses."""
    kubernetes.apply([
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": LABELS},
         "spec": {"clusterIP": "10.96.200.1", "selector": LABELS, "ports": [{"name": "mesh", "port": 15008, "appProtocol": "hbone"}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{NAME}-1", "namespace": NAMESPACE, "labels": LABELS},
         "spec": {"serviceAccountName": NAME, "containers": [{"name": "istio-proxy", "image": "x"}]}},
    ])
    ready = {"type": "Ready", "status": "True"}
    running = {"phase": "Running", "podIP": "10.77.0.2", "podIPs": [{"ip": "10.77.0.2"}], "conditions": [ready]}
    reached = {"addresses": [{"type": "IPAddress", "value": "10.96.200.1"}]}
    for kind, name, status in (("pod", f"{NAME}-1", running), ("gateway", NAME, reached)):
        kubernetes.kubectl("patch", kind, name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


class Tunnel:
    """ztunnel: what it is sent it sends on by CONNECT, on the mesh's own TLS, to the waypoint."""

    def __init__(self, folder, port, to, pair):
        self.port = free_port()
        certificate, key = ({"filename": str(path)} for path in pair)
        tcp = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "tunnel", "cluster": "waypoint", "tunneling_config": {"hostname": to},
        }
        tls = {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "alpn_protocols": ["h2"],
                "tls_certificates": [{"certificate_chain": certificate, "private_key": key}],
                "validation_context": {"trusted_ca": certificate},
            },
        }
        at = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}  # noqa: E731
        cluster = {
            "name": "waypoint", "type": "STATIC", "connect_timeout": "2s", "transport_socket": {"name": "tls", "typed_config": tls},
            "load_assignment": {"cluster_name": "waypoint", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(port)}}]}]},
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": HTTP, "explicit_http_config": {"http2_protocol_options": {}}},
            },
        }
        listener = {"name": "tunnel", "address": at(self.port), "filter_chains": [{"filters": [{"name": "tcp", "typed_config": tcp}]}]}
        file = folder / "tunnel.json"
        file.write_text(json.dumps({"static_resources": {"listeners": [listener], "clusters": [cluster]}}))
        self.program = Program(folder, "tunnel", ENVOY, "-c", file, "--use-dynamic-base-id", "-l", "warning")
        wait_for_port(self.port)

    def call(self, **options):
        return call(self.port, HOST, address="127.0.0.1", **options)

    def end(self):
        self.program.end()
        give_back(self.port)


@pytest.fixture
def ambient(tmp_path, kubernetes):
    """An istiod that knows of ambient mode."""
    (tmp_path / "ambient").mkdir()
    made = Istio(tmp_path / "ambient", kubernetes, PILOT_ENABLE_AMBIENT="true")
    yield made
    made.end()


@pytest.fixture
def way(policy):
    """The policy for the waypoint."""
    return policy(NAME, "--form", "waypoint", "--namespace", NAMESPACE, host=HOST, port=80, keys={"OPENAI_API_KEY": "key-one"}, router={"num_retries": 2})


def test_calls_through_a_waypoint(tmp_path, kubernetes, ambient, sidecar, way, provider):
    one, two = provider(whole("one")), provider(anthropic_wire.message("two"))
    first, second = deployment("smart", one, key="OPENAI_API_KEY", id="one"), deployment("smart", two, "anthropic/claude-sonnet-4-5", id="two")
    way.signalbox = {"identity_from": ["peer_principal"], "clients": [{"name": "app", "match": "spiffe://cluster.local/ns/shop/sa/app"}]}
    port = free_port()
    way.apply(first, second)
    kubernetes.apply([as_plain_envoy_has_it(port)])
    deployed(kubernetes)
    proxy = Gateway(tmp_path / "waypoint", ambient, NAMESPACE, LABELS, name=NAME, kind="waypoint", agent=sidecar)
    tunnel = None
    try:
        address = kubernetes.kubectl("get", "service", "llm", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}")
        # The sidecar's certificate, which is its own authority, is both ends'.
        pair = sidecar.folder / "certificate.pem", sidecar.folder / "key.pem"
        tunnel = Tunnel(tmp_path, port, f"{address}:80", pair)
        until(lambda: tunnel.call().status == 200, 90, "a call through the waypoint")
        assert {tunnel.call().deployment for _ in range(30)} == {"one", "two"}
        one.play(error(503))
        assert [(it.status, it.deployment) for it in [tunnel.call() for _ in range(6)]] == [(200, "two")] * 6
        assert one.requests[0].headers["authorization"] == "Bearer key-one"
        body = {"model": "smart", "messages": [{"role": "user", "content": "x" * 3_000_000}]}
        assert tunnel.call(body=body).status == 200
        # All that the waypoint was given, Envoy took.
        dump = proxy.dump()
        for name in ("one", "signalbox-none", "signalbox-relay", "forged", "route"):
            assert f'"signalbox.{NAMESPACE}.{NAME}.{name}"' in dump, name
        assert '"inbound|http|80"' in dump and not proxy.refused(NAME)
        # The waypoint knows by that TLS who asks: another service account is nobody, whatever it says of itself.
        way.signalbox["clients"][0]["match"] = "spiffe://cluster.local/ns/shop/sa/web"
        way.apply(first, second, before=way.file)
        forged = {"x-forwarded-client-cert": "URI=spiffe://cluster.local/ns/shop/sa/web"}
        refused = until(lambda: (it := tunnel.call(headers=forged)).status == 401 and it, 60, "the new policy")
        assert b"invalid_api_key" in refused.body and tunnel.call(headers=forged).status == 401
    finally:
        for it in (tunnel, proxy):
            if it:
                it.end()
        give_back(port)
