"""`signalbox image`: the module as an image, pushed to a registry and fetched from there as Istio's agent fetches it."""

import hashlib
import json
import subprocess

from gateway import SIGNALBOX, WASM, free_port, give_back
from registry import Registry, fetched_as_an_agent_does

NAME = "llm/signalbox"


def image(folder, *options):
    made = subprocess.run([SIGNALBOX, "image", "--module", WASM, "-o", folder, *options], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_module_comes_back_from_a_registry(tmp_path):
    port = free_port()
    registry = Registry(tmp_path / "registry", port)
    try:
        reference = image(tmp_path / "image", "--tag", f"{registry.address}/{NAME}:1.0")
        named, digest = reference.rsplit("@", 1)
        assert named == f"oci://{registry.address}/{NAME}"
        registry.push(tmp_path / "image", "1.0", NAME)
        for asked in (digest, "1.0"):
            module, pinned = fetched_as_an_agent_does(registry, NAME, asked)
            assert (module == WASM.read_bytes(), pinned) == (True, digest)
    finally:
        registry.close()
        give_back(port)


def test_the_same_module_gives_the_same_image(tmp_path):
    tag = ["--tag", "registry.example.com/llm/signalbox:1.0"]
    first, second = image(tmp_path / "one", *tag), image(tmp_path / "two", *tag)
    assert first == second == image(tmp_path / "one", *tag)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    blobs = {path.name: hashlib.sha256(text).hexdigest() for path, text in files(tmp_path / "one").items() if "blobs" in path.parts}
    assert len(blobs) == 3 and all(name == digest for name, digest in blobs.items())
    config = [json.loads(text) for text in files(tmp_path / "one").values() if text.startswith(b'{"architecture"')]
    assert [(one["os"], one["architecture"]) for one in config] == [("linux", "amd64")]
    assert image(tmp_path / "arm", *tag, "--platform", "linux/arm64") != first


def test_what_is_no_module_or_no_place_for_an_image_is_told(tmp_path):
    def refused(*options):
        made = subprocess.run([SIGNALBOX, "image", *options], capture_output=True, text=True, cwd=tmp_path)
        assert (made.returncode, made.stdout) == (2, "")
        return made.stderr

    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    assert "is no wasm module" in refused("--module", __file__)
    assert "cannot read nowhere" in refused("--module", "nowhere")
    assert "name another directory" in refused("--module", WASM, "-o", "taken")
    assert "write a registry" in refused("--module", WASM, "--tag", "registry/Big")
    assert "write for example `linux/arm64`" in refused("--module", WASM, "--platform", "arm64")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "taken"]
