"""An Envoy that somebody else configures, as a mesh does: older control planes, filters that clusters share, statistics as Istio wants them."""

import json
import urllib.request

import pytest
from gateway import deployment
from provider import error, whole

KEYS = {"FIRST_KEY": "sk-first-secret", "SECOND_KEY": "sk-second-secret"}


def filters(bootstrap, role):
    """The plugin configurations of a role, as they stand in a bootstrap."""

    def within(node):
        if isinstance(node, dict):
            if node.get("root_id") == role:
                yield node["configuration"]
            node = list(node.values())
        for part in node if isinstance(node, list) else []:
            yield from within(part)

    return list(within(bootstrap))


def shared(bootstrap):
    """All clusters have the same attempt filter."""
    for configuration in filters(bootstrap, "attempt"):
        configuration["value"] = json.dumps({"role": "attempt", "naming": {"clusters": ""}})


def without_refresh(bootstrap):
    """As a control plane leaves it that does not know the field."""
    listener = bootstrap["static_resources"]["listeners"][0]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        route.get("route", {}).get("retry_policy", {}).pop("refresh_cluster_on_retry", None)


def ask(envoy, path, model="smart"):
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    request = urllib.request.Request(f"{envoy.base}{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as failed:
        return failed.code, failed.headers, json.loads(failed.read())


def two(first, second):
    """One deployment, and another dialect to fall back to."""
    made = [
        deployment("smart", first, api_key="os.environ/FIRST_KEY"),
        deployment("claude", second, "anthropic/claude-haiku-4-5", api_key="os.environ/SECOND_KEY"),
    ]
    return made, {"fallbacks": [{"smart": ["claude"]}], "num_retries": 0}


@pytest.mark.parametrize(
    ("form", "path", "member", "word"),
    [("own", "/v1/chat/completions", "code", "wrong_cluster"), ("shared", "/v1/messages", "type", "overloaded_error")],
)
def test_a_key_does_not_go_where_an_older_control_plane_sends_a_retry(gateway, provider, form, path, member, word):
    first, second = provider(error(503)), provider(whole("never asked"))
    deployments, router = two(first, second)

    def edit(bootstrap):
        without_refresh(bootstrap)
        if form == "shared":
            shared(bootstrap)

    envoy = gateway(*deployments, router=router, env=KEYS, edit=edit)
    status, headers, answer = ask(envoy, path)
    assert (status, answer["error"][member], headers["x-signalbox-error"]) == (503, word, "wrong_cluster"), answer
    # What was planned for the second would have gone to the first, with the first's key.
    assert (len(first.requests), len(second.requests)) == (1, 0)
    assert "refresh_cluster_on_retry" in envoy.log


def test_clusters_may_share_their_filter(gateway, provider):
    first = provider(error(503))
    second = provider(whole("hi"))
    made = [deployment("smart", first, api_key="os.environ/FIRST_KEY", order=1), deployment("smart", second, api_key="os.environ/SECOND_KEY", order=2)]
    envoy = gateway(*made, router={"num_retries": 1}, env=KEYS, edit=shared, concurrency=2)
    for _ in range(4):
        status, headers, _ = ask(envoy, "/v1/chat/completions")
        assert (status, headers["x-signalbox-deployment"]) == (200, "smart-2")
    keys = [{request.headers["authorization"] for request in one.requests} for one in (first, second)]
    assert keys == [{f"Bearer {KEYS['FIRST_KEY']}"}, {f"Bearer {KEYS['SECOND_KEY']}"}]


def test_statistics_in_the_form_that_istio_takes_apart(gateway, provider):
    def edit(bootstrap):
        for configuration in filters(bootstrap, "route"):
            configuration["value"] = json.dumps(json.loads(configuration["value"]) | {"naming": {"metrics": "istio"}})
        # What Istio's bootstrap makes of `extraStatTags: [deployment, outcome, type]`.
        tags = [{"tag_name": tag, "regex": f"({tag}=\\.=(.*?);\\.;)"} for tag in ("deployment", "outcome", "type")]
        bootstrap["stats_config"] = {"stats_tags": tags}

    envoy = gateway(deployment("smart", provider(whole("hi")), id="a.b"), edit=edit)
    assert ask(envoy, "/v1/chat/completions")[0] == 200

    def seen():
        text = urllib.request.urlopen(f"{envoy.admin}/stats/prometheus").read().decode()
        return {line for line in text.splitlines() if line.startswith("signalbox_")}

    wanted = {
        'signalbox_attempts{outcome="served",deployment="a.b"} 1',
        'signalbox_tokens{type="input",deployment="a.b"} 5',
        'signalbox_tokens{type="output",deployment="a.b"} 3',
        'signalbox_in_flight{deployment="a.b"} 0',
    }
    assert envoy.becomes(lambda: wanted <= {in_order(line) for line in seen()}), seen()


def in_order(line):
    """Labels in the order of the tests, whatever Envoy's is."""
    name, rest = line.split("{")
    labels, value = rest.split("}")
    return f"{name}{{{','.join(sorted(labels.split(','), reverse=True))}}}{value}"
