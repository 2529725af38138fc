"""Large configurations: Kubernetes takes them, and so does the mesh."""

import time

from manifests import deployment
from programs import until
from provider import whole


def test_five_hundred_deployments(gateway, policy, provider, capsys):
    one = provider(whole("one"))
    made = policy("many", keys={f"KEY_{n}": f"key-{n}" for n in range(3)})
    many = [deployment(f"group-{n // 5}", one, key=f"KEY_{n % 3}", id=f"deployment-{n}") for n in range(500)]
    since = time.monotonic()
    made.write(*many)
    written = time.monotonic()
    made.kubernetes.apply(made.file)
    applied = time.monotonic()
    body = {"model": "group-99", "messages": [{"role": "user", "content": "hi"}]}
    until(lambda: made.call(body=body).status == 200, 120, "500 deployments")
    served = time.monotonic()
    kinds = [it["kind"] for it in made.documents()]
    with capsys.disabled():
        print(
            f"\n500 deployments: written in {written - since:.1f} s, {made.file.stat().st_size / 1e6:.1f} MB of YAML in "
            f"{kinds.count('EnvoyFilter')} EnvoyFilters; applied in {applied - written:.1f} s, first answer {served - written:.1f} s after that began"
        )
