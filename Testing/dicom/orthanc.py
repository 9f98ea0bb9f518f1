"""A real PACS for the tests: Orthanc on loopback, with HTTPS by nginx in front of it."""

import base64
import json
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from BreastUSAssistLib.dicom.network.nodes import PacsNode
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from dicom.certificates import Certificate, Certificates

USER, PASSWORD = "alice", "planted-secret-4711"
DICOMWEB_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_START_S = 30.0


def server_program(name: str, packages: str, complete: bool = True) -> str:
    """Path of a server; without it the test is skipped, or fails where everything is said to be installed (CI)."""
    # A user's PATH need not hold the folder of servers.
    found = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if found is not None and complete:
        return found
    missing = f"{name} is not installed (Debian packages {packages})"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def free_port() -> int:
    """A port that nothing listens on, below those that the system hands to clients: it stays free for a restart."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port between 20000 and 32000")


class OrthancServer:
    """Orthanc in a folder of its own; killed and started again it has the same ports and the same studies.

    Args:
        folder: for its files.
        dicom_tls: with certificates, DICOM is TLS, and clients must show a certificate of the same authority.
        modalities: application entities by title, (host, port), to which it may C-MOVE and report commitments.
        overwrite: whether an object that is sent again takes the place of the first one.
    """

    ae_title = "ORTHANC"
    user, password = USER, PASSWORD

    def __init__(
        self,
        folder: Path,
        *,
        dicom_tls: Certificates | None = None,
        modalities: Mapping[str, tuple[str, int]] | None = None,
        overwrite: bool = False,
    ) -> None:
        self._program = server_program("Orthanc", "orthanc, orthanc-dicomweb", DICOMWEB_PLUGIN.is_file())
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.dicom_tls = dicom_tls
        self.modalities = dict(modalities or {})
        self._overwrite = overwrite
        self._process: subprocess.Popen[bytes] | None = None
        self.http_port = self.dicom_port = 0

    @property
    def web_url(self) -> str:
        """Of its DICOMweb service, over plain HTTP."""
        return f"http://127.0.0.1:{self.http_port}/dicom-web"

    def node(self, name: str = "archive", transport: str = "web", **dimse: Any) -> PacsNode:
        """This server as a node: `web`, `dimse` or `both`, with short waits; `dimse` changes fields of that part."""
        tls = self.dicom_tls
        fields: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.dicom_port,
            "ae_title": self.ae_title,
            "listening_address": "127.0.0.1",
            "tls": tls and {"ca_file": tls.authority, "certificate": tls.client.certificate, "key": tls.client.key},
        }
        return PacsNode.model_validate(
            {
                "name": name,
                "web": {"url": self.web_url, "auth": "basic", "user": self.user} if transport != "dimse" else None,
                "dimse": {**fields, **dimse} if transport != "web" else None,
                "timeouts": {"connect_s": 5, "answer_s": 20, "commit_s": 10},
                "retries": {"attempts": 3, "first_wait_s": 0.05, "longest_wait_s": 0.2},
            }
        )

    def secrets(self) -> SecretStore:
        """Its password, as a node of any name asks for it."""
        return SecretStore(environment=_AnyPassword(self.password))

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "OrthancServer":
        """Start and wait until it answers; on the ports it had before, if it ran before."""
        assert not self.running
        known = self.http_port != 0
        for attempt in range(5):
            if not known:
                self.http_port, self.dicom_port = free_port(), free_port()
            self._write_configuration()
            log = open(self.folder / "orthanc.log", "ab")  # noqa: SIM115 - the child keeps it open
            with log:
                self._process = subprocess.Popen(
                    [self._program, str(self.folder / "orthanc.json")],
                    stdout=log,
                    stderr=log,
                    cwd=self.folder,
                    start_new_session=True,
                )
            if self._answers():
                return self
            self.kill()
            time.sleep(0.2 * (attempt + 1))
        raise RuntimeError((self.folder / "orthanc.log").read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        """End it as an administrator does."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End it with SIGKILL, as a power failure does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def restart(self) -> None:
        self.kill()
        self.start()

    def rest(self, path: str, method: str = "GET", data: bytes | None = None) -> Any:
        """Answer of Orthanc's own interface: JSON decoded, else bytes."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method, data=data)
        request.add_header("Authorization", _basic(self.user, self.password))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
        return json.loads(content) if is_json else content

    def store(self, *files: Path) -> None:
        """Put files into it, past the interfaces under test."""
        for file in files:
            self.rest("/instances", "POST", Path(file).read_bytes())

    def instances(self) -> list[dict[str, str]]:
        """SOPInstanceUID, SOPClassUID, Modality, SeriesInstanceUID and StudyInstanceUID of all that it holds."""
        tags = "SOPInstanceUID;SOPClassUID;Modality;SeriesInstanceUID;StudyInstanceUID"
        found = self.rest(
            "/tools/find",
            "POST",
            json.dumps(
                {"Level": "Instance", "Query": {}, "Expand": True, "RequestedTags": tags.split(";"), "Limit": 0}
            ).encode(),
        )
        return [self._tags(one["ID"], tags.split(";")) for one in found]

    def file(self, sop_instance_uid: str) -> bytes:
        """The stored file of one instance."""
        (found,) = self.rest("/tools/lookup", "POST", sop_instance_uid.encode())
        content = self.rest(f"/instances/{found['ID']}/file")
        assert isinstance(content, bytes)
        return content

    def log(self) -> str:
        return (self.folder / "orthanc.log").read_text(errors="replace")

    def _tags(self, identifier: str, tags: Sequence[str]) -> dict[str, str]:
        simplified = self.rest(f"/instances/{identifier}/simplified-tags")
        return {tag: str(simplified.get(tag, "")) for tag in tags}

    def _answers(self) -> bool:
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self.running:
            try:
                self.rest("/system")
                with socket.create_connection(("127.0.0.1", self.dicom_port), 1):
                    return True
            except OSError:
                time.sleep(0.03)
        return False

    def _write_configuration(self) -> None:
        content: dict[str, Any] = {
            "Name": "Test",
            "StorageDirectory": "storage",
            "IndexDirectory": "storage",
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": self.ae_title,
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: self.password},
            "DicomModalities": {
                title: {
                    "AET": title,
                    "Host": host,
                    "Port": port,
                    "UseDicomTls": self.dicom_tls is not None,
                    "AllowStorageCommitment": True,
                }
                for title, (host, port) in self.modalities.items()
            },
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "OverwriteInstances": self._overwrite,
            "SaveJobs": False,
            "Plugins": [str(DICOMWEB_PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        if self.dicom_tls is not None:
            content |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(self.dicom_tls.server.certificate),
                "DicomTlsPrivateKey": str(self.dicom_tls.server.key),
                "DicomTlsTrustedCertificates": str(self.dicom_tls.authority),
                "DicomTlsRemoteCertificateRequired": True,
            }
        (self.folder / "orthanc.json").write_text(json.dumps(content, indent=1))


class HttpsFront:
    """nginx that speaks HTTPS on loopback and passes everything on to `target_port`.

    Args:
        client_authority: clients must show a certificate signed by it.
    """

    def __init__(
        self, folder: Path, target_port: int, certificate: Certificate, client_authority: Path | None = None
    ) -> None:
        self._program = server_program("nginx", "nginx-light")
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        verify = f"ssl_client_certificate {client_authority}; ssl_verify_client on;" if client_authority else ""
        (self.folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {self.folder}/nginx.pid;
error_log {self.folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_max_body_size 0;
  client_body_temp_path {self.folder}/body;
  proxy_temp_path {self.folder}/proxy;
  fastcgi_temp_path {self.folder}/fastcgi;
  uwsgi_temp_path {self.folder}/uwsgi;
  scgi_temp_path {self.folder}/scgi;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {certificate.certificate};
    ssl_certificate_key {certificate.key};
    {verify}
    location / {{
      proxy_pass http://127.0.0.1:{target_port};
      proxy_set_header Host $http_host;
      proxy_set_header Forwarded "proto=https;host=127.0.0.1:{self.port}";
    }}
  }}
}}
""")

    @property
    def web_url(self) -> str:
        return f"https://127.0.0.1:{self.port}/dicom-web"

    def start(self) -> "HttpsFront":
        self._process = subprocess.Popen(
            [
                self._program,
                "-p",
                str(self.folder),
                "-c",
                str(self.folder / "nginx.conf"),
                "-e",
                str(self.folder / "start.log"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return self
            except OSError:
                time.sleep(0.03)
        self.stop()
        raise RuntimeError((self.folder / "start.log").read_text(errors="replace"))

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


class _AnyPassword(dict[str, str]):
    """An environment that has the same password for every node."""

    def __init__(self, password: str) -> None:
        super().__init__()
        self._password = password

    def get(self, key: str, default: Any = None) -> Any:
        return self._password if key.endswith("_PASSWORD") else default


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
