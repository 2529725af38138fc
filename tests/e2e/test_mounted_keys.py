"""Keys in files that are mounted as Kubernetes mounts a Secret: all files of a volume change at once, by one symbolic link."""

import json
import os
import shutil

import pytest
from gateway import deployment
from provider import whole
from test_bedrock import ALONE, CLAUDE, converse
from test_shared_envoy import ask

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


class Volume:
    """A directory as the kubelet writes it: `FILE` leads to `..data/FILE`, and `..data` to the version in force."""

    def __init__(self, folder):
        self.folder, self.version = folder, 0
        folder.mkdir()

    def write(self, files):
        self.version += 1
        version = self.folder / f"..2026_{self.version}"
        version.mkdir()
        for name, text in files.items():
            (version / name).write_text(text)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..data_tmp").symlink_to(version.name)
        os.replace(self.folder / "..data_tmp", self.folder / "..data")
        # The version of before is gone at once.
        for former in self.folder.glob("..2026_*"):
            if former != version:
                shutil.rmtree(former)


def written(key):
    """A key as a file of its own, and as one of Envoy's secret discovery."""
    secret = {"@type": SECRET, "name": "MOUNTED", "generic_secret": {"secret": {"inline_string": key}}}
    return {"MOUNTED": key, "mounted.yaml": json.dumps({"resources": [secret]})}


# Where Envoy follows no directory, a file with nothing but a key is read at the start alone.
@pytest.mark.parametrize(("file", "followed"), [("mounted.yaml", False), ("mounted.yaml", True), ("MOUNTED", True)])
def test_a_new_key_comes_with_the_volume(gateway, provider, tmp_path, file, followed):
    volume = Volume(tmp_path / "keys")
    volume.write(written("sk-one"))
    one = provider(whole("hi"))
    signalbox = {"secret_files": {"MOUNTED": str(volume.folder / file)}}
    envoy = gateway(deployment("smart", one, api_key="os.environ/MOUNTED"), signalbox=signalbox, followed=followed, concurrency=2, alone=True)

    def sent():
        assert ask(envoy, "/v1/chat/completions")[0] == 200
        return one.requests[-1].headers["authorization"]

    assert sent() == "Bearer sk-one"
    for key in ("sk-two", "sk-three"):
        volume.write(written(key))
        assert envoy.becomes(lambda: [sent() for _ in range(6)] == [f"Bearer {key}"] * 6)
    if file == "mounted.yaml":
        # And without symbolic links, as anybody else replaces a file.
        (volume.folder / "new").write_text(written("sk-four")["mounted.yaml"])
        os.replace(volume.folder / "new", volume.folder / file)
        assert envoy.becomes(lambda: [sent() for _ in range(6)] == ["Bearer sk-four"] * 6)
    assert "sk-" not in json.dumps(envoy.stats()) and "sk-three" not in envoy.log


def test_access_keys_of_aws_come_with_the_volume(gateway, provider, tmp_path):
    volume, one = Volume(tmp_path / "keys"), provider(converse("Good."))

    def write(access):
        volume.write({"aws": f"[default]\naws_access_key_id={access}\naws_secret_access_key=x\n"})

    write("AKIDONE")
    keys = {"aws_access_key_id": "os.environ/ID", "aws_secret_access_key": "os.environ/SECRET", "aws_region_name": "us-east-1"}
    signalbox = {"secret_files": {"SIGNALBOX_AWS_SMART_1": str(volume.folder / "aws")}}
    envoy = gateway(deployment("smart", one, CLAUDE, **keys), signalbox=signalbox, env=ALONE, concurrency=2)

    def signed_by():
        assert ask(envoy, "/v1/chat/completions")[0] == 200
        return one.requests[-1].headers["authorization"].split("Credential=")[1].split("/")[0]

    assert signed_by() == "AKIDONE"
    for access in ("AKIDTWO", "AKIDTHREE"):
        write(access)
        assert envoy.becomes(lambda: {signed_by() for _ in range(6)} == {access}), signed_by()
