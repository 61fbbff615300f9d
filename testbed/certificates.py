"""The certificate authority of one cluster and what it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

ADMINISTRATORS = "system:masters"


@dataclass(frozen=True)
class Pair:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Signs for one cluster; everything lies in one folder that dies with it.

    Attributes:
        certificate: file of the authority's own certificate.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self._authority = trustme.CA()
        self.certificate = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(str(self.certificate))

    def server(self, name: str) -> Pair:
        """Sign for a server on loopback; it may also present itself as a client."""
        names = ("localhost", "127.0.0.1", "kubernetes.default.svc", "10.96.0.1")
        return self._write(name, self._authority.issue_cert(*names, common_name=name))

    def client(self, user: str, group: str | None = None) -> Pair:
        """Sign for a user: the common name is the user, the organisation its group."""
        # Without a name of a host the list of names is empty and critical, which Go refuses; nobody looks at it.
        made = self._authority.issue_cert("client.testbed", common_name=user, organization_name=group)
        return self._write(user.replace(":", "-"), made)

    def trust(self, pair: Pair) -> ssl.SSLContext:
        """Return what a client needs to know the servers and to show who it is."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.load_cert_chain(pair.certificate, pair.key)
        return context

    def anonymous(self) -> ssl.SSLContext:
        """Return what a client with a token needs to know the servers."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def _write(self, name: str, made: trustme.LeafCert) -> Pair:
        pair = Pair(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        pair.key.touch(mode=0o600)
        made.private_key_pem.write_to_path(str(pair.key))
        pair.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return pair
