"""AWS from the outside: signatures by AWS' own code, and frames of its event stream."""

import datetime
import json
import struct
import zlib
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signature_fits(path, headers, access, secret, region, token=None, body=None):
    """Recomputes the signature of what came. Without its body, by the hash of it that was signed."""
    scheme, _, rest = headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    date = headers["x-amz-date"]
    assert (scheme, parts["Credential"]) == ("AWS4-HMAC-SHA256", f"{access}/{date[:8]}/{region}/bedrock/aws4_request")
    signed = {name: headers[name] for name in parts["SignedHeaders"].split(";")}
    assert "host" in signed and "content-type" in signed
    # botocore believes this header, where it is there.
    digest = signed.pop("x-amz-content-sha256") if body is not None else None
    asked = AWSRequest("POST", f"http://{headers['host']}{path}", headers=signed, data=body)
    auth = SigV4Auth(Credentials(access, secret, token), "bedrock", region)
    if digest is not None:
        assert auth.payload(asked) == digest, "the hash is that of the body"
        asked.headers["x-amz-content-sha256"] = digest
    asked.context["timestamp"] = date
    asked.context["signing"] = {}
    canonical = auth.canonical_request(asked)
    assert canonical.split("\n")[1] == urlsplit(path).path.replace("%", "%25"), "the path is encoded twice"
    assert auth.signature(auth.string_to_sign(asked, canonical), asked) == parts["Signature"]
    now = datetime.datetime.now(datetime.timezone.utc)
    when = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    assert abs((now - when).total_seconds()) < 600
    return True


def frame(payload, **headers):
    """A frame of AWS' event stream."""
    head = b""
    for name, value in headers.items():
        name, value = ":" + name.replace("_", "-"), value.encode()
        head += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    frame = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


def event(name, **payload):
    return frame(json.dumps(payload).encode(), event_type=name, content_type="application/json", message_type="event")


def exception(name, message):
    return frame(json.dumps({"message": message}).encode(), exception_type=name, content_type="application/json", message_type="exception")
