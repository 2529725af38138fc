"""The module from a registry: `signalbox image`, skopeo, and istio-agent, which fetches it for both roles."""

import subprocess
import sys

from envoys import ROOT, free_port, give_back
from manifests import deployment
from programs import SIGNALBOX, WASM
from provider import error, whole

sys.path.append(str(ROOT / "tests" / "support"))

from registry import Registry  # noqa: E402

NAME = "llm/signalbox"


def test_istio_s_agent_fetches_the_image(sidecar, policy, provider, sidecar_port, tmp_path):
    port = free_port()
    registry = Registry(tmp_path / "registry", port)
    try:
        tag = f"{registry.address}/{NAME}:1.0"
        command = [SIGNALBOX, "image", "--module", WASM, "-o", tmp_path / "image", "--tag", tag]
        reference = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        registry.push(tmp_path / "image", "1.0", NAME)
        made = policy("pulled", "--form", "sidecar", port=sidecar_port, address="127.0.0.1", module=reference, router={"num_retries": 1})
        one, two = provider(error(503)), provider(whole("two"))
        made.apply(deployment("smart", one, id="one"), deployment("smart", two, id="two"))
        made.serves()
        # The attempt's filter is there too, which comes to the clusters by itself.
        assert {made.call().deployment for _ in range(6)} == {"two"}
    finally:
        registry.close()
        give_back(port)
