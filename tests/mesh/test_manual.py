"""What the manual has people type beside our own commands: `docs/mesh.md`, against the API server."""

import json
import re
import subprocess

from envoys import ROOT
from manifests import deployment
from programs import BIN

MANUAL = (ROOT / "docs" / "mesh.md").read_text()


def written(beginning):
    """A line that is typed, or a block that is written into a file, by how it begins."""
    block = re.search(rf"^```\n({re.escape(beginning)}.*?)^```$", MANUAL, re.M | re.S)
    if block:
        return block[1]
    line = re.search(rf"^    ({re.escape(beginning)}(?:.*\\\n)*.*)$", MANUAL, re.M)
    return re.sub(r"\\\n\s*", "", line[1].split("  #")[0]).strip()


def types(kubernetes, folder, command):
    """Types it into a shell where `kubectl` is the tests' own."""
    text = f'kubectl() {{ "{BIN}/kubectl" --kubeconfig "{kubernetes.config}" "$@"; }}\n{command}'
    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0, (command, ran.stderr)
    return ran.stdout


def workload(name, namespace):
    """A deployment as Istio's charts make one."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }


def test_keys_are_mounted_in_a_gateway_and_in_a_waypoint(kubernetes, policy, provider, tmp_path):
    (tmp_path / "keys.yaml").write_text(written("spec:\n  template:"))
    kubernetes.apply([workload("istio-egressgateway", "istio-egress")])
    types(kubernetes, tmp_path, written("kubectl patch deployment istio-egressgateway"))
    pod = json.loads(kubernetes.kubectl("get", "deployment", "istio-egressgateway", "-n", "istio-egress", "-o", "json"))["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "auto" and container["volumeMounts"][0]["mountPath"] == "/var/run/signalbox/keys"
    assert [list(source) for source in pod["volumes"][0]["projected"]["sources"]] == [["secret"], ["configMap"]]

    way = policy("signalbox", "--form", "waypoint", "--namespace", "llm", host="llm.llm.svc.cluster.local", port=80)
    way.apply(deployment("smart", provider(), key="OPENAI_API_KEY"))
    for command in ("kubectl create configmap signalbox-pods", "kubectl patch gateway signalbox"):
        types(kubernetes, tmp_path, written(command))
    way.apply(deployment("smart", provider(), key="OPENAI_API_KEY"), before=way.file)
    gateway = json.loads(kubernetes.kubectl("get", "gateway", "signalbox", "-n", "llm", "-o", "json"))
    assert gateway["spec"]["infrastructure"]["parametersRef"]["name"] == "signalbox-pods", "another manifest leaves it"
    assert json.loads(kubernetes.kubectl("get", "configmap", "signalbox-pods", "-n", "llm", "-o", "json"))["data"]["deployment"].startswith("spec:")


def test_sidecars_have_a_copy_of_the_configmap(kubernetes, policy, provider, tmp_path):
    made = policy("signalbox", "--form", "sidecar", "--namespace", "istio-system", host="copy.local", port=80)
    made.apply(deployment("smart", provider(), key="OPENAI_API_KEY"))
    (tmp_path / "llm.yaml").write_text(made.file.read_text())
    types(kubernetes, tmp_path, written("sed -e"))
    copy = json.loads(kubernetes.kubectl("get", "configmap", "signalbox-keys", "-n", "shop", "-o", "json"))
    assert "OPENAI_API_KEY.yaml" in copy["data"]
