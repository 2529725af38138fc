"""A policy in a gateway: the command, `kubectl apply`, and istiod over ADS to an Envoy."""

import threading
import time

import anthropic_wire
from conftest import other_host
from manifests import deployment
from programs import CHAT, Gateway, call, free_port, give_back, swap, until
from provider import DONE, chunk, error, whole

CLAUDE = "anthropic/claude-sonnet-4-5"


def untouched(port):
    """The other host of the listener answers as ever."""
    other = call(port, "other.local")
    assert (other.status, other.body) == (200, b"the other host"), other
    assert not [name for name in other.headers if "signalbox" in name]


def test_a_plain_call_and_failover_across_dialects(gateway, policy, provider, port):
    one, two = provider(whole("one")), provider(anthropic_wire.message("two"))
    made = policy("plain", keys={"OPENAI_API_KEY": "key-one", "ANTHROPIC_API_KEY": "key-two"}, router={"num_retries": 2})
    first = deployment("smart", one, key="OPENAI_API_KEY", id="one")
    second = deployment("smart", two, CLAUDE, key="ANTHROPIC_API_KEY", id="two")
    made.apply(first, second)
    made.serves()
    untouched(port)
    assert {made.call().deployment for _ in range(30)} == {"one", "two"}
    one.play(error(503))
    answers = [made.call() for _ in range(8)]
    assert [(it.status, it.deployment) for it in answers] == [(200, "two")] * 8, answers
    assert "2" in {it.headers["x-signalbox-attempts"] for it in answers}
    assert one.requests[0].headers["authorization"] == "Bearer key-one"
    assert two.requests[-1].headers["x-api-key"] == "key-two"
    assert not gateway.refused("plain")


def test_forged_headers_go_no_further(gateway, policy, provider):
    one = provider(whole("one"))
    made = policy("forged", keys={"OPENAI_API_KEY": "key-one"})
    made.apply(deployment("smart", one, key="OPENAI_API_KEY"))
    made.serves()
    one.play(error(503))
    one.requests.clear()
    forged = {
        "x-signalbox-relay-to": "plain", "x-signalbox-relay-flight": "1", "x-signalbox-deployment": "forged", "x-envoy-max-retries": "9",
        "x-envoy-retry-on": "5xx", "authorization": "Bearer client", "x-api-key": "client", "cookie": "a=b", "x-secret": "1",
    }
    answer = made.call(headers=forged)
    assert answer.status >= 500 and answer.deployment != "forged", answer
    attempts = len(one.requests)
    one.requests.clear()
    made.call()
    assert attempts <= 3 and one.requests
    for request in one.requests:
        assert request.headers["authorization"] == "Bearer key-one"
    # (Before an answer Envoy's router says which host was asked for; a proxy that is not ours alone cannot be told to keep that to itself.)
    names = {name for request in one.requests for name in request.headers} - {"x-envoy-original-host"}
    assert names <= {"host", "content-type", "content-length", "accept-encoding", "authorization", "user-agent", "accept"}, names


def test_a_body_of_three_megabytes(gateway, policy, provider):
    one, two = provider(error(503)), provider(whole("two"))
    made = policy("large", router={"num_retries": 2})
    made.apply(deployment("smart", one), deployment("smart", two))
    made.serves()
    body = {"model": "smart", "messages": [{"role": "user", "content": "x" * 3_000_000}]}
    answers = [made.call(body=body) for _ in range(4)]
    assert [it.status for it in answers] == [200] * 4
    assert all(len(request.body) > 3_000_000 for request in two.requests[-4:])


def test_a_policy_changes_during_a_stream(gateway, policy, provider):
    """The stream ends well; the next request has the new policy, also on a connection that was open before."""
    changed = threading.Event()

    def slow(connection, _request):
        """A stream that goes on until the policy has changed."""

        def send(part):
            connection.sendall(f"{len(part):x}\r\n".encode() + part + b"\r\n")

        connection.sendall(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        send(chunk({"role": "assistant", "content": ""}))
        for _ in range(600):
            send(chunk({"content": "and "}))
            if changed.wait(0.1):
                break
        for part in (chunk({"content": "last "}), chunk({}, finish="stop"), DONE, b""):
            send(part)

    one = provider(slow)
    made = policy("change")
    made.apply(deployment("smart", one), deployment("quick", other := provider(whole("quick"))))
    until(lambda: made.call(body=CHAT | {"model": "quick"}).status == 200)
    got = []
    thread = threading.Thread(target=lambda: got.append(made.call(body=CHAT | {"stream": True}, timeout=90)))
    thread.start()
    until(lambda: one.requests)
    assert made.call(body=CHAT | {"model": "fast"}).status == 404
    made.router = {"model_group_alias": {"fast": "quick"}}
    made.apply(deployment("smart", one), deployment("quick", other), before=made.file)
    until(lambda: made.call(body=CHAT | {"model": "fast"}).status == 200, what="the new policy")
    assert thread.is_alive(), "the stream ended too early"
    changed.set()
    thread.join()
    assert got[0].status == 200 and b"last " in got[0].body and got[0].body.rstrip().endswith(b"[DONE]")


class Load:
    """Requests one after the other, on several threads, until it ends."""

    def __init__(self, made, threads=4):
        self.made, self.answers, self.goes_on = made, [], True
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while self.goes_on:
            try:
                self.answers.append(self.made.call())
            except OSError as problem:
                self.answers.append(problem)
            time.sleep(0.01)

    def end(self):
        self.goes_on = False
        for thread in self.threads:
            thread.join()
        return [it for it in self.answers if getattr(it, "status", 0) != 200]


def test_a_retired_cluster_loses_no_request(gateway, policy, provider):
    """`--before`: the cluster stays for requests on their way to it, and goes with a later manifest."""
    one, two = provider(whole("one")), provider(whole("two"))
    made = policy("retire", router={"num_retries": 0})
    first, second = deployment("smart", one, id="one"), deployment("smart", two, id="two")
    made.apply(first, second)
    made.serves()
    load = Load(made)
    time.sleep(1)
    for _ in range(3):
        for now in ([second], [first, second], [first]):
            made.apply(*now, before=made.file)
            wanted = {it["model_info"]["id"] for it in now}
            seen = len(load.answers)
            until(lambda: len(load.answers) > seen + 40 and {getattr(it, "deployment", None) for it in load.answers[-20:]} <= wanted)
    failed = load.end()
    assert not failed and len(load.answers) > 300, (len(failed), failed[:3])
    clusters = [patch["patch"]["value"]["name"] for it in made.documents() for patch in it["spec"].get("configPatches", []) if patch["applyTo"] == "CLUSTER"]
    assert "signalbox.istio-egress.retire.two" in clusters


def test_two_policies_live_in_one_proxy(gateway, policy, provider, port):
    one, two = provider(whole("one")), provider(whole("two"))
    a, b = policy("team-a"), policy("team-b")
    a.apply(deployment("smart", one))
    b.apply(deployment("smart", two))
    assert a.serves().status == b.serves().status == 200
    bodies = [(a.call().body, b.call().body) for _ in range(5)]
    assert all(b"one" in of_a and b"two" in of_b for of_a, of_b in bodies)
    assert not gateway.refused("team-a") + gateway.refused("team-b")


def test_a_module_that_is_missing_costs_our_route_alone(gateway, policy, provider, port):
    made = policy("missing", module="/nonexistent/signalbox.wasm")
    made.apply(deployment("smart", provider()))
    until(lambda: (it := made.call()).status == 503 and b"fault filter abort" in it.body, what="the default of the filter")
    untouched(port)


def test_a_key_that_is_missing_costs_its_deployment_alone(gateway, policy, provider, port):
    """Its cluster is refused; the others serve."""
    one, two = provider(whole("one")), provider(whole("two"))
    made = policy("keyless", router={"num_retries": 2})
    made.apply(deployment("smart", one, key="NO_SUCH_KEY"), deployment("smart", two, id="two"))
    made.serves()
    untouched(port)
    # A request that is planned for it goes nowhere: which, chance decides.
    answers = [made.call() for _ in range(30)]
    assert not one.requests
    assert [it.deployment for it in answers if it.status == 200] and not [it for it in answers if it.status not in (200, 503)], answers


def test_a_key_is_rotated_by_kubernetes_symbolic_links(gateway, policy, provider):
    one = provider(whole("one"))
    made = policy("rotate", keys={"OPENAI_API_KEY": "key-one"})
    made.apply(deployment("smart", one, key="OPENAI_API_KEY"))
    made.serves()
    assert one.requests[-1].headers["authorization"] == "Bearer key-one"
    files = next(it["data"] for it in made.documents() if it["kind"] == "ConfigMap")
    swap(made.keys, OPENAI_API_KEY="key-two", **files)
    until(lambda: made.call().status == 200 and one.requests[-1].headers["authorization"] == "Bearer key-two", 10)
    assert "key-two" not in gateway.dump() and "key-one" not in gateway.dump()


def test_an_older_proxy_is_patched_by_nothing(tmp_path, kubernetes, istio, policy, provider):
    """Its control plane would drop what a retry at another provider needs."""
    port = free_port()
    made = policy("older", "--labels", "istio=older", port=port)
    made.apply(deployment("smart", provider()))
    kubernetes.apply(other_host("istio-egress", {"istio": "older"}, port, "other.older"))
    old = Gateway(tmp_path / "old", istio, "istio-egress", {"istio": "older"}, name="old", version="1.30.2")
    try:
        until(lambda: call(port, "other.older").status == 200, what="the older gateway")
        answer = made.call()
        assert (answer.status, answer.body) == (503, b"signalbox is not installed here")
        assert "signalbox.istio-egress" not in old.dump()
    finally:
        old.end()
        give_back(port)
