"""What is known of a node: where it is, how it is spoken to, how long it is waited for. Never a secret."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION: Final = "1.0"
"""Of the file of nodes."""

Auth = Literal["none", "basic", "bearer", "certificate"]
SecretKind = Literal["password", "token"]

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _ae_title(title: str) -> str:
    """An application entity title (PS3.5 table 6.2-1, AE): 1 to 16 characters, spaces at the ends do not count."""
    if not re.fullmatch(r"[\x20-\x5b\x5d-\x7e]{1,16}", title) or not title.strip():
        raise ValueError("an AE title has 1 to 16 letters, digits or signs and no backslash")
    return title.strip()


def _host(host: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._:%-]{1,253}", host):
        raise ValueError("a host is a name or an address, without port, scheme or spaces")
    return host


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """Base: cannot be changed, knows no other fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(Settings):
    """Of DICOM over TLS (PS3.15 B.12): whom we trust, and who we are."""

    ca_file: Path | None = None
    """Certificates (PEM) of the authorities that sign for the node; without it those that this computer trusts."""
    certificate: Path | None = None
    """Our own (PEM), where the node asks for one."""
    key: Path | None = None
    """Its private key (PEM), without a passphrase."""

    @model_validator(mode="after")
    def _whole(self) -> "TlsSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together; give both or none")
        return self


class WebService(Settings):
    """A DICOMweb service (PS3.18)."""

    url: str
    """Root of the service, as in `https://pacs.example/dicom-web`."""
    auth: Auth = "none"
    """How we say who we are; the password or token is kept in the keyring, never here."""
    user: str | None = Field(default=None, min_length=1, max_length=200)
    """User name, for `basic`."""
    ca_file: Path | None = None
    """Certificates (PEM) of the authorities that sign for the node; without it those that this computer trusts."""
    certificate: Path | None = None
    """Our own (PEM), for `certificate`."""
    key: Path | None = None
    """Its private key (PEM), without a passphrase."""
    unencrypted: bool = False
    """Lets a password or token go over plain http to another computer: only on a network of one's own."""

    @model_validator(mode="after")
    def _whole(self) -> "WebService":
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("url must look like https://pacs.example/dicom-web")
        if parts.username is not None or parts.password is not None:
            raise ValueError('url must not hold a user or password; say auth = "basic" and user')
        _ = parts.port  # raises ValueError where it is no number
        _host(parts.hostname)
        if re.search(r"[^\x21-\x7e]", self.url):
            raise ValueError("url must be of plain letters without spaces")
        if (self.auth == "basic") != (self.user is not None):
            raise ValueError('auth = "basic" needs user, and no other auth has one')
        if (self.certificate is None) != (self.key is None) or (self.auth == "certificate") != bool(self.certificate):
            raise ValueError('certificate and key go together with auth = "certificate"')
        if parts.scheme == "http" and self.auth == "certificate":
            raise ValueError("a certificate is shown over https only; change url")
        if parts.scheme == "http" and self.auth != "none" and parts.hostname not in _LOOPBACK and not self.unencrypted:
            raise ValueError("a password would go unencrypted over http; use https, or add unencrypted = true by hand")
        return self


class DimseService(Settings):
    """A DICOM application entity (PS3.7, PS3.8)."""

    host: Host
    port: Port
    ae_title: AeTitle
    """Of the node."""
    calling_ae_title: AeTitle = "BREASTUSASSIST"
    """Ours, as the node knows us."""
    retrieve: Literal["get", "move"] = "get"
    """C-GET brings the images on the same connection; C-MOVE has the node send them to `listening_port`."""
    move_destination: AeTitle | None = None
    """Our title as the node's C-MOVE knows it; without it `calling_ae_title`."""
    listening_port: Port | None = None
    """On this computer, where the node sends what C-MOVE asks for and reports what it committed to keep."""
    listening_address: Host = "0.0.0.0"
    """Of this computer, on which that port is opened; by default on every network it has."""
    tls: TlsSettings | None = None
    """With it, DICOM over TLS."""

    @model_validator(mode="after")
    def _whole(self) -> "DimseService":
        if self.retrieve == "move" and self.listening_port is None:
            raise ValueError('retrieve = "move" needs listening_port, to which the node sends')
        return self


class Timeouts(Settings):
    """How long a node is waited for, in seconds."""

    connect_s: float = Field(default=10, gt=0, le=600)
    """Until the connection stands."""
    answer_s: float = Field(default=60, gt=0, le=3600)
    """Until an answer begins, and at most between two parts of it."""
    commit_s: float = Field(default=60, gt=0, le=86400)
    """Until the node reports what it committed to keep."""


class Retries(Settings):
    """How often a request is made again that nobody answered, or whose answer broke off."""

    attempts: int = Field(default=4, ge=1, le=20)
    """In all, with the first."""
    first_wait_s: float = Field(default=1, ge=0, le=3600)
    """Before the second; each wait after it is twice as long."""
    longest_wait_s: float = Field(default=30, ge=0, le=3600)


class NodeFields(Settings):
    """What the file of nodes says of one: DICOMweb, DIMSE, or both (DICOMweb is used, DIMSE to commit)."""

    web: WebService | None = None
    dimse: DimseService | None = None
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()

    @model_validator(mode="after")
    def _whole(self) -> "NodeFields":
        if self.web is None and self.dimse is None:
            raise ValueError("a node needs a web or a dimse part that says where it is")
        return self


class PacsNode(NodeFields):
    """A PACS, or another system that holds images."""

    name: str = Field(pattern=_NAME)
    """Short name by which commands call it."""

    @property
    def secret_kind(self) -> SecretKind | None:
        """What the node asks for: a password, a token, or nothing."""
        auth = self.web.auth if self.web else "none"
        return "password" if auth == "basic" else "token" if auth == "bearer" else None

    @property
    def place(self) -> str:
        """Host and port of the web service, else of the application entity: what a secret is kept for."""
        if self.web is not None:
            parts = urlsplit(self.web.url)
            return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        assert self.dimse is not None
        return f"{self.dimse.host}:{self.dimse.port}"


class NodesFile(Settings):
    """The file of nodes, once TOML is read."""

    schema_version: Literal["1.0"] = SCHEMA_VERSION
    nodes: dict[Annotated[str, Field(pattern=_NAME)], NodeFields] = Field(default_factory=dict)
    """By name."""
