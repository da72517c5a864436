"""Who this agent is to other nodes: a key of this process, and the certificate that the operator signs for it.

The key is never on a disk and never leaves the process; the next agent makes another one.
"""

from __future__ import annotations

import os
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orlop_api.peer import NodeCertificate, common_name


class Identity:
    """One key."""

    def __init__(self, node: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name(node))])
        asked = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self._key, hashes.SHA256())
        self.request = asked.public_bytes(serialization.Encoding.PEM).decode()
        """What the operator is asked to sign (PKCS 10, PEM)."""

    def server(self, certificate: NodeCertificate) -> ssl.SSLContext:
        """For clients that show a certificate of the same authority; others are refused in the handshake."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.verify_mode = ssl.CERT_REQUIRED
        return self._filled(context, certificate)

    def client(self, certificate: NodeCertificate) -> ssl.SSLContext:
        """For servers whose certificate is of the same authority, and for the very node that was asked for."""
        return self._filled(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)

    def _filled(self, context: ssl.SSLContext, certificate: NodeCertificate) -> ssl.SSLContext:
        """Raises ssl.SSLError where the certificate is not for this key."""
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=certificate.ca_bundle)
        key = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # OpenSSL reads files only; these are in memory (memfd_create(2)).
        descriptor = os.memfd_create("node-certificate", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, certificate.certificate.encode() + key)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return context
