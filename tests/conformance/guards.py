"""What guards a receiver, made for a test: bearer tokens and certificates."""

import re
import ssl
import subprocess
from pathlib import Path
from typing import Any

import grpc
import trustme

from tests.conformance.running import COMMAND, plain_environment


def add_token(file: Path, name: str, *options: str) -> str:
    """Make a token as people do, let it in by a file, and give it."""
    made = subprocess.run(
        [*COMMAND, "token", name, *options],
        capture_output=True,
        text=True,
        env=plain_environment(),
        check=True,
    )
    with file.open("a", encoding="utf-8") as entries:
        entries.write(made.stdout)
    found = re.search(r"shown once: (\S+)", made.stderr)
    assert found
    return found[1]


class Certificates:
    """An authority, a server's certificate and a client's, as PEM files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authority = authority.cert_pem.bytes()
        self._client = authority.issue_cert("client@example.org")
        server = authority.issue_cert("localhost", "127.0.0.1")
        self.files = {
            "tls_cert": folder / "server.pem",
            "tls_key": folder / "server.key",
            "tls_client_ca": folder / "authority.pem",
        }
        self.files["tls_cert"].write_bytes(_chain(server))
        self.files["tls_key"].write_bytes(server.private_key_pem.bytes())
        self.files["tls_client_ca"].write_bytes(self.authority)

    def settings(self, *names: str) -> dict[str, Any]:
        """Give the settings that name these files."""
        return {name: str(self.files[name]) for name in names}

    def grpc(self, client: bool = False) -> Any:
        """Give a sender's credentials, with a certificate of its own or without."""
        if not client:
            return grpc.ssl_channel_credentials(self.authority)
        key = self._client.private_key_pem.bytes()
        return grpc.ssl_channel_credentials(self.authority, key, _chain(self._client))

    def http(self, client: bool = False) -> ssl.SSLContext:
        """Give the same for HTTP."""
        context = ssl.create_default_context(cadata=self.authority.decode())
        if client:
            self._client.configure_cert(context)
        return context


def _chain(certificate: trustme.LeafCert) -> bytes:
    return b"".join(each.bytes() for each in certificate.cert_chain_pems)
