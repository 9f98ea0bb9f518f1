"""DIMSE with a real PACS, over plain connections and TLS, and with peers that misbehave."""

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from BreastUSAssistLib.dicom.network.connection import NodeConnection, NodeError, StudyQuery, open_connection
from BreastUSAssistLib.dicom.network.node_settings import PacsNode
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from dicom import network_samples as samples
from dicom import sources
from dicom.certificates import Certificates
from dicom.hostile_peers import Wire, peer
from dicom.orthanc import OrthancServer, free_port
from pydicom import dcmread
from pydicom.uid import generate_uid


@pytest.fixture
def returning(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[OrthancServer, PacsNode]:
    """A PACS that knows us, and its node with a port for what it sends back; with TLS where the test asks for it."""
    port = free_port()
    tls = request.getfixturevalue("certificates") if getattr(request, "param", "plain") == "tls" else None
    server = OrthancServer(
        tmp_path / "returning", modalities={"BREASTUSASSIST": ("127.0.0.1", port)}, dicom_tls=tls
    ).start()
    request.addfinalizer(server.kill)
    return server, server.node(transport="dimse", retrieve="move", listening_port=port)


def changed(node: PacsNode, **dimse: object) -> PacsNode:
    fields = node.model_dump()
    return PacsNode.model_validate({**fields, "dimse": fields["dimse"] | dimse})


def opened(node: PacsNode) -> NodeConnection:
    return open_connection(node, SecretStore({}), sleep=lambda seconds: None)


def test_real_files_come_back_as_they_are(
    returning: tuple[OrthancServer, PacsNode], data_root: Path, tmp_path: Path
) -> None:
    # Uncompressed, RLE, JPEG, a retired class, big endian, a palette: whatever the folder has.
    files = [path for path in sorted((data_root / "dicom_us").glob("*.dcm")) if "DIRW0007" not in path.name]
    by_uid = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in reversed(files)}
    _, node = returning
    for retrieve, most in (("get", 100), ("move", 3)):
        with opened(changed(node, retrieve=retrieve)) as connection:
            states = {outcome.state for outcome in connection.push(list(by_uid.values()))}
            assert states == ({"sent"} if retrieve == "get" else {"already there"})
            studies = connection.find_studies(StudyQuery(limit=most))
            pulled = [one for study in studies for one in connection.pull(study.study_uid, tmp_path / retrieve).files]
        assert {path.stem for path in pulled} == set(by_uid) or retrieve == "move"
        for path in pulled:
            ours, theirs = dcmread(path), dcmread(by_uid[path.stem])
            assert ours.file_meta.TransferSyntaxUID == theirs.file_meta.TransferSyntaxUID
            assert samples.same(path, by_uid[path.stem])


@pytest.mark.parametrize("returning", ["plain", "tls"], indirect=True)
def test_storage_commitment(returning: tuple[OrthancServer, PacsNode], tmp_path: Path) -> None:
    server, node = returning
    files = samples.study(tmp_path / "a", 3)
    with opened(node) as connection:
        assert "C-ECHO" in connection.echo().text
        assert {outcome.state for outcome in connection.push(files[:2])} == {"sent"}
        outcome = connection.commit(files)
        assert connection.present([path.stem for path in files]) == {path.stem for path in files[:2]}
    assert outcome.by == "storage commitment"
    assert outcome.committed == {path.stem for path in files[:2]}
    assert outcome.failed == ((files[2].stem, "it is not known there (0112H)"),)
    with opened(changed(node, listening_port=None, retrieve="get")) as connection:
        asked = connection.commit(files)
    assert (asked.by, asked.committed, len(asked.failed)) == ("query", outcome.committed, 1)
    both = server.node(transport="both", listening_port=node.dimse.listening_port if node.dimse else None)
    with open_connection(both, server.secrets()) as connection:
        assert connection.commit(files).by == "storage commitment"
        assert connection.echo().text == "DICOMweb answers, DICOM answers to C-ECHO"


def test_a_commitment_that_is_never_reported(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    # The PACS does not know where we are, so its report goes nowhere.
    node = orthanc.node(transport="dimse", listening_port=free_port())
    impatient = node.model_copy(update={"timeouts": node.timeouts.model_copy(update={"commit_s": 0.3})})
    with opened(impatient) as connection, pytest.raises(NodeError) as error:
        connection.push(files)
        connection.commit(files)
    assert error.value.kind in ("dropped", "refused")


def test_tls_with_the_right_certificates_alone(
    orthanc_tls: OrthancServer, certificates: Certificates, tmp_path: Path
) -> None:
    node = orthanc_tls.node(transport="dimse")
    files = samples.study(tmp_path / "a", 2)
    with opened(node) as connection:
        connection.push(files)
        assert len(connection.pull(samples.study_uid_of(files), tmp_path / "pulled").files) == 2
    tls = node.model_dump()["dimse"]["tls"]
    expired = {"certificate": certificates.expired.certificate, "key": certificates.expired.key}
    for wrong, kinds in (
        (None, ("dropped", "nonsense")),
        ({**tls, "ca_file": None}, ("certificate",)),
        ({"ca_file": certificates.authority}, ("certificate", "dropped")),
        ({**tls, **expired}, ("certificate", "dropped")),
    ):
        with opened(changed(node, tls=wrong)) as connection, pytest.raises(NodeError) as error:
            connection.echo()
        assert error.value.kind in kinds, (wrong, str(error.value))
    with opened(changed(node, host="localhost")) as connection:
        connection.echo()


@pytest.mark.parametrize(("name", "words"), [("expired", "has expired"), ("wrong_host", "is for another host")])
def test_certificates_that_are_not_right(certificates: Certificates, name: str, words: str) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown = getattr(certificates, name)
    context.load_cert_chain(shown.certificate, shown.key)

    def talk(client: socket.socket) -> None:
        context.wrap_socket(client, server_side=True)

    with (
        peer(talk) as port,
        opened(at(port, tls={"ca_file": certificates.authority})) as connection,
        pytest.raises(NodeError, match=words) as error,
    ):
        connection.echo()
    assert error.value.kind == "certificate" and not error.value.retryable


def test_a_port_for_a_node_with_tls_needs_a_certificate_of_ours(certificates: Certificates, tmp_path: Path) -> None:
    node = changed(at(free_port(), tls={"ca_file": certificates.authority}), listening_port=free_port())
    with opened(node) as connection, pytest.raises(NodeError, match="give certificate and key") as error:
        connection.commit(samples.study(tmp_path / "a", 1))
    assert error.value.kind == "certificate"


def test_a_node_that_has_another_name(orthanc: OrthancServer) -> None:
    node = changed(orthanc.node(transport="dimse"), ae_title="OTHER")
    with opened(node) as connection, pytest.raises(NodeError, match="is not called OTHER") as error:
        connection.echo()
    assert error.value.kind == "refused" and not error.value.retryable


def test_a_destination_that_the_node_does_not_know(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    orthanc.store(*files)
    node = orthanc.node(transport="dimse", retrieve="move", listening_port=free_port())
    with opened(node) as connection, pytest.raises(NodeError):
        connection.pull(samples.study_uid_of(files), tmp_path / "pulled")
    assert list((tmp_path / "pulled").iterdir()) == []


def test_a_port_of_ours_that_is_taken(returning: tuple[OrthancServer, PacsNode], tmp_path: Path) -> None:
    server, node = returning
    files = samples.study(tmp_path / "a", 1)
    server.store(*files)
    assert node.dimse is not None and node.dimse.listening_port is not None
    port = node.dimse.listening_port
    with (
        socket.create_server(("127.0.0.1", port)),
        opened(node) as connection,
        pytest.raises(NodeError, match=f"Port {port}, to which node archive sends, is in use") as error,
    ):
        connection.pull(samples.study_uid_of(files), tmp_path / "pulled")
    assert error.value.retryable


def test_an_object_of_a_class_that_is_not_taken(orthanc: OrthancServer, tmp_path: Path) -> None:
    good, bad = samples.study(tmp_path / "a", 2)
    dataset = dcmread(bad)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.99999.1"
    dataset.save_as(bad)
    with opened(orthanc.node(transport="dimse")) as connection:
        outcomes = connection.push([bad, good])
    assert [outcome.state for outcome in outcomes] == ["refused", "sent"]
    assert "class and coding" in outcomes[0].why


@pytest.mark.parametrize("cut_after", [10, 250, 700, 6000])
def test_a_cut_wire_leaves_nothing_half(orthanc: OrthancServer, tmp_path: Path, cut_after: int) -> None:
    files = samples.study(tmp_path / "a", 4)
    orthanc.store(*files)
    uid, folder = samples.study_uid_of(files), tmp_path / "pulled"
    wire = Wire(orthanc.dicom_port)
    with wire.open() as port:
        node = changed(orthanc.node(transport="dimse"), port=port)
        with opened(node.model_copy(update={"retries": node.retries.model_copy(update={"attempts": 1})})) as connection:
            wire.cut_after = cut_after
            with pytest.raises(NodeError) as error:
                connection.pull(uid, folder)
            assert error.value.kind == "dropped" and error.value.retryable
        left = list(folder.iterdir()) if folder.exists() else []
        assert all(samples.same(path, tmp_path / "a" / path.name) for path in left)
        with opened(node) as connection:
            wire.cut_after = cut_after
            assert len(connection.pull(uid, folder).files) == 4
            more = samples.study(tmp_path / "b", 3)
            wire.cut_after = cut_after
            assert {outcome.state for outcome in connection.push(more)} <= {"sent", "already there"}
    assert len(orthanc.instances()) == 7


def at(port: int, **dimse: object) -> PacsNode:
    return PacsNode.model_validate(
        {
            "name": "archive",
            "dimse": {"host": "127.0.0.1", "port": port, "ae_title": "PACS", **dimse},
            "timeouts": {"connect_s": 2, "answer_s": 2},
            "retries": {"attempts": 1},
        }
    )


def unit(kind: int, body: bytes) -> bytes:
    """A protocol data unit (PS3.8 9.3)."""
    return struct.pack(">BBL", kind, 0, len(body)) + body


def slowly(content: bytes, pause_s: float) -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.recv(65536)
        for byte in content:
            client.sendall(bytes([byte]))
            time.sleep(pause_s)

    return talk


def at_once(content: bytes, wait_s: float = 0) -> Callable[[socket.socket], None]:
    def talk(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(content)
        time.sleep(wait_s)

    return talk


@pytest.mark.parametrize(
    ("talk", "kinds"),
    [
        pytest.param(at_once(b""), ("dropped",), id="closes at once"),
        pytest.param(at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ("dropped", "nonsense"), id="HTTP"),
        pytest.param(at_once(b"\x02\x00\xff\xff\xff\xff" + bytes(2**16), 1), ("nonsense",), id="4 GiB announced"),
        pytest.param(at_once(unit(2, bytes(100))), ("dropped", "nonsense"), id="empty acceptance"),
        pytest.param(at_once(unit(2, b"\xff" * 5000)), ("dropped", "nonsense"), id="garbage acceptance"),
        pytest.param(at_once(unit(3, bytes([0, 1, 1, 3]))), ("credentials",), id="title not known"),
        pytest.param(at_once(unit(3, bytes([0, 2, 3, 2]))), ("busy",), id="busy"),
        pytest.param(at_once(unit(7, bytes(4))), ("dropped",), id="aborts"),
        pytest.param(slowly(unit(2, bytes(5000)), 0.05), ("dropped",), id="slowly"),
        pytest.param(at_once(b"", 3), ("dropped",), id="says nothing"),
    ],
)
def test_peers_that_misbehave(talk: Callable[[socket.socket], None], kinds: tuple[str, ...]) -> None:
    with peer(talk) as port, opened(at(port)) as connection, pytest.raises(NodeError) as error:
        connection.find_studies(StudyQuery(patient_name=samples.PLANTED[0]))
    assert error.value.kind in kinds, str(error.value)
    assert error.value.retryable == (error.value.kind in ("dropped", "busy"))
    samples.assert_nothing_planted(str(error.value))


def test_a_large_object_on_a_slow_line_is_not_given_up(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1, PixelData=bytes(3 * 2**20), Rows=1024, Columns=3072)
    uid = samples.study_uid_of(files)
    wire = Wire(orthanc.dicom_port)
    wire.pause_s = 0.06  # for each 64 KiB: longer in all than any single wait may be
    with wire.open() as port:
        node = changed(orthanc.node(transport="dimse"), port=port)
        patient = node.model_copy(update={"timeouts": node.timeouts.model_copy(update={"answer_s": 2.5})})
        with opened(patient) as connection:
            assert [outcome.state for outcome in connection.push(files)] == ["sent"]
            assert len(connection.pull(uid, tmp_path / "pulled").files) == 1


def test_too_large_an_answer_is_not_read(
    orthanc: OrthancServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = samples.study(tmp_path / "a", 1, PixelData=bytes(3 * 2**20), Rows=1024, Columns=3072)
    orthanc.store(*files)
    monkeypatch.setattr("BreastUSAssistLib.dicom.network.dimse_retrieving.LARGEST_OBJECT", 2**20)
    with opened(orthanc.node(transport="dimse")) as connection, pytest.raises(NodeError):
        connection.pull(samples.study_uid_of(files), tmp_path / "pulled")
    assert list((tmp_path / "pulled").iterdir()) == []


def test_the_answers_of_a_search_are_bounded(orthanc: OrthancServer, tmp_path: Path) -> None:
    for index in range(5):
        orthanc.store(*samples.study(tmp_path / str(index), 1, PatientID=f"P{index}"))
    with opened(orthanc.node(transport="dimse")) as connection:
        assert len(connection.find_studies(StudyQuery(limit=2))) == 2
        assert len(connection.find_studies(StudyQuery(limit=5))) == 5


def test_retired_and_multi_frame_classes_can_be_sent_and_fetched(orthanc: OrthancServer, tmp_path: Path) -> None:
    study = generate_uid()
    files = [
        samples.written(samples.image(SOPClassUID=one, SOPInstanceUID=generate_uid(), StudyInstanceUID=study), tmp_path)
        for one in (sources.US_RETIRED, sources.US_MULTI_FRAME, sources.ENHANCED_US_VOLUME, sources.SECONDARY_CAPTURE)
    ]
    with opened(orthanc.node(transport="dimse")) as connection:
        assert {outcome.state for outcome in connection.push(files)} == {"sent"}
        assert len(connection.pull(study, tmp_path / "pulled").files) == 4
