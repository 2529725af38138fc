"""What shows who a client is: certificates of a mesh, and tokens of an identity provider."""

import base64
import contextlib
import datetime
import ipaddress
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

NAME = x509.Name([])


class Authority:
    """A certificate authority, whose certificates lie in a folder."""

    def __init__(self, folder):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._signed(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mesh")]), self.key.public_key(), [], True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _signed(self, subject, public_key, names, is_authority=False):
        now = datetime.datetime.now(datetime.UTC)
        issuer = subject if is_authority else self.certificate.subject
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(hours=1))
        made = made.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return made.sign(self.key, hashes.SHA256())

    def pair(self, name, *uris, address=None):
        """The paths of a certificate with these URIs, or for an address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.IPAddress(ipaddress.ip_address(address))] if address else []
        certificate = self._signed(NAME, key.public_key(), names)
        paths = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        kind = serialization.PrivateFormat.PKCS8
        paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
        return paths


def _text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An identity provider that signs tokens."""

    def __init__(self, name="https://issuer.test/"):
        self.name, self.key = name, rsa.generate_private_key(65537, 2048)

    def jwks(self):
        """Its public key, as it publishes it."""
        public = self.key.public_key().public_numbers()
        number = lambda value: _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))  # noqa: E731
        return json.dumps({"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": number(public.n), "e": number(public.e)}]})

    @contextlib.contextmanager
    def publishes(self):
        """Publishes its keys: the address where they are."""
        keys = self.jwks().encode()

        class Keys(BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802
                self.send_response(200)
                self.send_header("content-length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/keys"
        finally:
            server.shutdown()

    def token(self, **claims):
        """A token with these claims besides those that it needs."""
        own = {"iss": self.name, "aud": "signalbox", "exp": int(time.time()) + 600, "sub": "somebody"}
        parts = [_text(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1", "typ": "JWT"}, own | claims)]
        signature = self.key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
        return ".".join([*parts, _text(signature)])
