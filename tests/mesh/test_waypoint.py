"""A policy in a waypoint: istiod takes it, and Envoy the clusters, both filters and the listener. The routes follow when a service of the waypoint
has an address, which a controller gives; traffic needs what only Istio's own Envoy has. Both are beyond this test."""

import json

from manifests import deployment
from programs import Gateway, free_port, give_back, until


# A filter of that listener which only Istio's own Envoy has.
WITHOUT_ISTIO_S_OWN = {
    "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "stock", "namespace": "llm"},
    "spec": {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "way"}],
        "configPatches": [{
            "applyTo": "HTTP_FILTER", "patch": {"operation": "REMOVE"},
            "match": {"context": "SIDECAR_INBOUND", "listener": {"name": "main_internal", "filterChain": {"filter": {
                "name": "envoy.filters.network.http_connection_manager", "subFilter": {"name": "waypoint_upstream_peer_metadata"},
            }}}},
        }],
    },
}


def test_a_waypoint_gets_all_of_it(tmp_path, kubernetes, istio, sidecar, policy, provider):
    made = policy("way", "--form", "waypoint", "--namespace", "llm", host="llm.llm.svc.cluster.local", port=80)
    made.apply(deployment("smart", provider()))
    kubernetes.apply([WITHOUT_ISTIO_S_OWN])
    labels = {"gateway.networking.k8s.io/gateway-name": "way", "gateway.istio.io/managed": "istio.io-mesh-controller"}
    proxy = Gateway(tmp_path / "waypoint", istio, "llm", labels, name="way", kind="waypoint", agent=sidecar)
    try:
        def listener():
            dump = json.loads(proxy.dump())
            found = [it for part in dump["configs"] for it in part.get("dynamic_listeners", []) if it.get("name") == "main_internal"]
            return found and json.dumps(found[0]) if found and "active_state" in found[0] else None

        found = until(listener, 60, "the waypoint's listener")
        assert '"signalbox.llm.way.route"' in found and '"signalbox.llm.way.forged"' in found
        clusters = proxy.dump()
        for name in ("smart-1", "signalbox-none", "signalbox-relay"):
            assert f"signalbox.llm.way.{name}" in clusters
        assert not proxy.refused("way")
    finally:
        proxy.end()
