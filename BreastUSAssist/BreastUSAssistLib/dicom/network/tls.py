"""TLS: whom we trust, who we are, and what went wrong in words."""

import ssl
from typing import Protocol

from .errors import NodeError

_EXPIRED, _WRONG_HOST, _WRONG_ADDRESS = 10, 62, 64
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH."""
_ALERTS = ("ALERT", "CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")


class TlsFiles(Protocol):
    """Where the certificates are: a WebService or TlsSettings."""

    @property
    def ca_file(self) -> object: ...  # noqa: D102

    @property
    def certificate(self) -> object: ...  # noqa: D102

    @property
    def key(self) -> object: ...  # noqa: D102


def client_context(node: str, files: TlsFiles) -> ssl.SSLContext:
    """For connections to `node`: TLS 1.2 or later, certificate and host name checked.

    Raises:
        NodeError: certificate: one of the files is missing or is no certificate.
    """
    return _context(node, files, ssl.Purpose.SERVER_AUTH)


def server_context(name: str, files: TlsFiles) -> ssl.SSLContext:
    """For a listener: shows its certificate, and lets in only who shows one that `ca_file` signed, where that is given.

    Raises:
        NodeError: as `client_context`.
    """
    context = _context(name, files, ssl.Purpose.CLIENT_AUTH)
    if files.ca_file is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def trouble_with_tls(node: str, error: Exception | None) -> NodeError:
    """The error for a TLS connection that did not come to be, or broke."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = {
            _EXPIRED: "has expired; its administrator must renew it",
            _WRONG_HOST: "is for another host; check the node's address",
            _WRONG_ADDRESS: "is for another host; check the node's address",
        }.get(error.verify_code, "is not signed by an authority that we trust; give its ca_file")
        return NodeError(f"The certificate of node {node} {why}.", "certificate")
    if isinstance(error, ssl.SSLError) and any(sign in (error.reason or "") for sign in _ALERTS):
        return NodeError(f"Node {node} does not accept our certificate; give certificate and key.", "certificate")
    if isinstance(error, TimeoutError):
        return NodeError(f"Node {node} does not answer in time; try again later.", "unreachable")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return NodeError(f"Node {node} does not speak TLS as it should; check its address and port.", "nonsense")
    return NodeError(f"Node {node} ended the connection; try again later.", "dropped")


def _context(name: str, files: TlsFiles, purpose: ssl.Purpose) -> ssl.SSLContext:
    given = {part: getattr(files, part) for part in ("ca_file", "certificate", "key")}
    for part, path in given.items():
        if path is not None and not path.is_file():
            raise NodeError(f"The {part} of node {name} is not there ({path}); correct the node.", "certificate")
    try:
        context = ssl.create_default_context(
            purpose, cafile=None if given["ca_file"] is None else str(given["ca_file"])
        )
        if given["certificate"] is not None:
            # A passphrase would be asked for on the terminal; an empty one fails at once instead.
            context.load_cert_chain(str(given["certificate"]), str(given["key"]), password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise NodeError(
            f"The certificates of node {name} could not be read ({type(error).__name__}); they must be PEM files, the "
            "key without a passphrase.",
            "certificate",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
