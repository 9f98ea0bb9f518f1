"""The listener: what a modality sends is on the disk before it is told so; what is wrong is refused and not kept."""

import os
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import BreastUSAssistLib
import pytest
from BreastUSAssistLib.dicom.network.connection import NodeConnection, NodeError, StudyQuery, open_connection
from BreastUSAssistLib.dicom.network.listener import ReceivedInfo, StorageListener
from BreastUSAssistLib.dicom.network.node_settings import PacsNode, TlsSettings
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from BreastUSAssistLib.errors import InputError, OutputError, UsageError
from dicom import network_samples as samples
from dicom.certificates import Certificates
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE


class Kept:
    """Notes what a listener keeps, and that it was on the disk by then."""

    def __init__(self) -> None:
        self.infos: list[ReceivedInfo] = []
        self.threads_inside = 0

    def __call__(self, path: Path, info: ReceivedInfo) -> None:
        self.threads_inside += 1
        assert self.threads_inside == 1, "one at a time"
        assert str(dcmread(path).SOPInstanceUID) == info.sop_instance_uid
        self.infos.append(info)
        self.threads_inside -= 1


@contextmanager
def listening(folder: Path, keep: Any = None, **options: Any) -> Iterator[StorageListener]:
    with StorageListener(0, "DRAFTS", keep or Kept(), folder, **options) as listener:
        yield listener


def modality(listener: StorageListener, **dimse: Any) -> NodeConnection:
    """A connection to the listener, as from a modality; it holds nothing yet, so all is sent."""
    node = PacsNode.model_validate(
        {
            "name": "listener",
            "dimse": {"host": "127.0.0.1", "port": listener.port, "ae_title": "DRAFTS"}
            | {"calling_ae_title": "US1"}
            | dimse,
            "timeouts": {"connect_s": 5, "answer_s": 10},
            "retries": {"attempts": 1},
        }
    )
    return open_connection(node, SecretStore({}))


def send(listener: StorageListener, *files: Path, title: str = "US1", called: str = "DRAFTS") -> list[int | None]:
    """Statuses of C-STORE; None where the association ended."""
    return send_to(listener.port, *files, title=title, called=called)


def send_to(port: int, *files: Path, title: str = "US1", called: str = "DRAFTS") -> list[int | None]:
    entity = AE(title)
    entity.dimse_timeout = entity.acse_timeout = 10
    for path in files:
        entity.add_requested_context(dcmread(path).SOPClassUID, dcmread(path).file_meta.TransferSyntaxUID)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    statuses: list[int | None] = []
    for path in files:
        if not association.is_established:
            statuses.append(None)
            continue
        try:
            statuses.append(association.send_c_store(dcmread(path)).get("Status"))
        except ValueError:
            statuses.append(None)
    if association.is_established:
        association.release()
    return statuses


def test_what_is_sent_is_kept_as_it_is(tmp_path: Path, data_root: Path) -> None:
    real = [path for path in sorted((data_root / "dicom_us").glob("*.dcm")) if "DIRW0007" not in path.name]
    by_uid = {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in reversed(real)}
    files = [*samples.study(tmp_path / "a", 3), *by_uid.values()]
    kept = Kept()
    with listening(tmp_path / "kept", kept) as listener:
        assert send(listener, *files) == [0] * len(files)
    assert [info.sop_instance_uid for info in kept.infos] == [str(dcmread(path).SOPInstanceUID) for path in files]
    assert {info.calling_ae_title for info in kept.infos} == {"US1"}
    assert kept.infos[0].modality == "US" and kept.infos[0].study_uid == samples.study_uid_of(files)
    for info, path in zip(kept.infos, files, strict=True):
        assert samples.same(tmp_path / "kept" / f"{info.sop_instance_uid}.dcm", path)
    assert len(list((tmp_path / "kept").iterdir())) == len(files)


def test_the_same_object_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    kept = Kept()
    with listening(tmp_path / "kept", kept) as listener:
        assert send(listener, file, file) == [0, 0]
    assert len(kept.infos) == 2 and len(list((tmp_path / "kept").iterdir())) == 1


def test_several_modalities_at_once(tmp_path: Path) -> None:
    kept = Kept()
    studies = [samples.study(tmp_path / str(index), 3) for index in range(4)]
    statuses: list[int | None] = []
    with listening(tmp_path / "kept", kept) as listener:
        threads = [threading.Thread(target=lambda s=study: statuses.extend(send(listener, *s))) for study in studies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert statuses == [0] * 12 and len(kept.infos) == 12


def test_modalities_that_keep_their_associations_open_shut_out_no_other(tmp_path: Path) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    entity = AE("US1")
    entity.add_requested_context(dcmread(file).SOPClassUID)
    with listening(tmp_path / "kept", Kept()) as listener:
        silent = [entity.associate("127.0.0.1", listener.port, ae_title="DRAFTS") for _ in range(20)]
        assert all(one.is_established for one in silent) and send(listener, file) == [0]
        for one in silent:
            one.abort()


def test_it_answers_to_an_echo_of_who_is_allowed(tmp_path: Path) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    with listening(tmp_path / "kept", allowed_ae_titles=("US1", "US2")) as listener:
        assert "C-ECHO" in modality(listener).echo().text
        for wrong, words in (
            ({"calling_ae_title": "WHO"}, "does not know our AE title WHO"),
            ({"ae_title": "X"}, "not called X"),
        ):
            with pytest.raises(NodeError, match=words):
                modality(listener, **wrong).echo()
        assert send(listener, file, title="WHO") == [None]
        assert send(listener, file, called="X") == [None]
    assert list((tmp_path / "kept").iterdir()) == []


def test_it_is_no_archive(tmp_path: Path) -> None:
    with listening(tmp_path / "kept") as listener, pytest.raises(NodeError, match="does not offer this service"):
        modality(listener).find_studies(StudyQuery())


def test_objects_that_are_not_right_are_refused(tmp_path: Path) -> None:
    (good,) = samples.study(tmp_path / "a", 1)
    other = samples.written(samples.image(SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), tmp_path / "ct")
    with listening(tmp_path / "kept", wanted=lambda info: info.study_uid != "1.2.3") as listener:
        assert send(listener, other) == [None]  # CT is not taken at all
        unwanted = samples.written(samples.image(StudyInstanceUID="1.2.3"), tmp_path / "b")
        assert send(listener, unwanted) == [0x0124]
        entity = AE("US1")
        entity.add_requested_context(dcmread(good).SOPClassUID)
        association = entity.associate("127.0.0.1", listener.port, ae_title="DRAFTS")
        for content, status in (
            (b"", 0xC000),
            (b"\xff" * 100, 0xC000),
            (_encoded(dcmread(good)), 0xA900),  # announced under another UID
        ):
            assert _store_bytes(association, content, generate_uid()) == status
        association.release()
        assert send(listener, good) == [0]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [good.name]


def _encoded(dataset: Any) -> bytes:
    from pynetdicom.dsutils import encode

    return encode(dataset, True, True) or b""


def _store_bytes(association: Any, content: bytes, uid: str) -> int | None:
    from io import BytesIO

    from pynetdicom.dimse_primitives import C_STORE

    context = association.accepted_contexts[0]
    request = C_STORE()
    request.MessageID, request.Priority = 1, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = context.abstract_syntax, uid
    request.DataSet = BytesIO(content or b"\0")
    association._reactor_checkpoint.clear()
    while not association._is_paused:
        time.sleep(0.001)
    association.dimse.send_msg(request, context.context_id)
    _, answer = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return None if answer is None else answer.Status


def test_what_keeping_raises_is_told_to_the_sender(tmp_path: Path) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    for error, status in (
        (OutputError("no space"), 0xA700),
        (InputError("not ultrasound"), 0xC000),
        (OSError(28, "No space left"), 0xA700),
    ):

        def keep(path: Path, info: ReceivedInfo, error: Exception = error) -> None:
            raise error

        if isinstance(error, OSError):
            with pytest.raises(OSError), listening(tmp_path / "kept", keep) as listener:
                assert send(listener, file) == [status]
        else:
            with listening(tmp_path / "kept", keep) as listener:
                assert send(listener, file) == [status]

    def broken(path: Path, info: ReceivedInfo) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), listening(tmp_path / "kept", broken) as listener:
        assert send(listener, file) == [0x0110]
        assert isinstance(listener.trouble, ZeroDivisionError)


def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path: Path) -> None:
    small, large = (
        samples.written(samples.image(SOPInstanceUID=generate_uid(), PixelData=bytes(size)), tmp_path / "a")
        for size in (60 * 80, 2**20)
    )
    kept = Kept()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with listening(tmp_path / "kept", kept) as listener:
        # No file of this process may grow further, as on a disk that is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**19, limits[1]))
        try:
            assert send(listener, large, small) == [0xA700, 0]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert send(listener, large) == [0]
    assert [info.sop_instance_uid for info in kept.infos] == [small.stem, large.stem]
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == sorted([small.name, large.name])


def test_an_object_that_is_too_large_ends_the_association(tmp_path: Path) -> None:
    small, large = (
        samples.written(samples.image(SOPInstanceUID=generate_uid(), PixelData=bytes(size)), tmp_path / "a")
        for size in (60 * 80, 2**21)
    )
    with listening(tmp_path / "kept", largest_bytes=2**20) as listener:
        assert send(listener, large) == [None]
        assert send(listener, small) == [0]
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [small.name]


def test_a_sender_that_vanishes_in_the_middle(tmp_path: Path) -> None:
    from dicom.hostile_peers import Wire

    files = samples.study(tmp_path / "a", 2)
    kept = Kept()
    with listening(tmp_path / "kept", kept) as listener:
        wire = Wire(listener.port)
        with wire.open() as port:
            wire.cut_after = 150  # bytes of the listener's answers
            assert None in send_to(port, *files)
        assert send(listener, *files) == [0, 0]
    assert not [path for path in (tmp_path / "kept").iterdir() if path.name.startswith(".")]
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {path.name for path in files}


@pytest.mark.parametrize("tls", [False, True])
def test_silent_and_babbling_clients_hold_up_nobody(tmp_path: Path, certificates: Certificates, tls: bool) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    server = TlsSettings(certificate=certificates.server.certificate, key=certificates.server.key)
    with listening(tmp_path / "kept", tls=server if tls else None, patience_s=3) as listener:
        silent = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(5)]
        silent[0].sendall(b"\x01\x00\xff\xff\xff\xff" + bytes(1000))
        silent[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
        silent[2].sendall(bytes(range(256)) * 100)
        shown = {"tls": {"ca_file": certificates.authority}} if tls else {}
        with modality(listener, **shown) as connection:
            connection.echo()
        if not tls:
            assert send(listener, file) == [0]
        for one in silent:
            one.close()


def test_tls_lets_in_only_who_shows_a_certificate(tmp_path: Path, certificates: Certificates) -> None:
    server = TlsSettings(
        ca_file=certificates.authority, certificate=certificates.server.certificate, key=certificates.server.key
    )
    shown = {"certificate": certificates.client.certificate, "key": certificates.client.key}
    with listening(tmp_path / "kept", tls=server) as listener:
        modality(listener, tls={"ca_file": certificates.authority, **shown}).echo()
        for wrong in (None, {"ca_file": certificates.authority}):
            with pytest.raises(NodeError):
                modality(listener, tls=wrong).echo()
        context = ssl.create_default_context(cafile=str(certificates.authority))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            socket.create_connection(("127.0.0.1", listener.port)) as raw,
            pytest.raises(ssl.SSLError),
            context.wrap_socket(raw, server_hostname="127.0.0.1"),
        ):
            pass
    with (
        pytest.raises(NodeError, match="certificate of node"),
        listening(tmp_path, tls=TlsSettings(certificate=tmp_path / "none.crt", key=tmp_path / "none.key")),
    ):
        pass


LISTENING = """
import sys, time
from pathlib import Path
from BreastUSAssistLib.dicom.network.listener import StorageListener
with StorageListener(0, "DRAFTS", lambda path, info: None, Path(sys.argv[1])) as listener:
    print(listener.port, flush=True)
    time.sleep(120)
"""


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 4)
    child = subprocess.Popen(
        [sys.executable, "-c", LISTENING, str(tmp_path / "kept")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(BreastUSAssistLib.__file__).parents[1])},
    )
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        assert send_to(port, *files) == [0] * 4
    finally:
        child.kill()
        child.communicate(timeout=10)
    assert all(samples.same(tmp_path / "kept" / path.name, path) for path in files)


def test_a_port_that_is_taken_and_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    with listening(tmp_path / "kept") as listener:
        second = StorageListener(listener.port, "B", Kept(), tmp_path / "b")
        with pytest.raises(UsageError, match=f"Port {listener.port} cannot be listened on"):
            second.__enter__()
    with listening(tmp_path / "kept") as again:
        assert again.port != 0
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        StorageListener(0, "B", Kept(), tmp_path / "file" / "x").__enter__()
    with pytest.raises(UsageError):
        StorageListener(70000, "B", Kept(), tmp_path / "b").__enter__()


def test_leftovers_of_a_killed_listener_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".abc.part.dcm").write_bytes(b"half")
    with listening(tmp_path):
        assert list(tmp_path.iterdir()) == []
