"""A PACS, certificates, and what is in front of it, for the tests of the network."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dicom.certificates import Certificates
from dicom.orthanc import HttpsFront, OrthancServer


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and the certificates that it signed, made once."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancServer]:
    """An empty PACS: DICOM and DICOMweb, with a password."""
    server = OrthancServer(tmp_path / "orthanc").start()
    yield server
    server.kill()


@pytest.fixture
def orthanc_tls(tmp_path: Path, certificates: Certificates) -> Iterator[OrthancServer]:
    """An empty PACS whose DICOM port speaks TLS and asks for a certificate."""
    server = OrthancServer(tmp_path / "orthanc-tls", dicom_tls=certificates).start()
    yield server
    server.kill()


@pytest.fixture
def https(tmp_path: Path, orthanc: OrthancServer, certificates: Certificates) -> Iterator[HttpsFront]:
    """HTTPS in front of `orthanc`."""
    front = HttpsFront(tmp_path / "https", orthanc.http_port, certificates.server).start()
    yield front
    front.stop()
