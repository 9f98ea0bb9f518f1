"""Web services that answer nonsense, too much, too slowly, or the wrong thing: a clear error, nothing half-stored."""

import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from BreastUSAssistLib.dicom.network.connection import NodeConnection, NodeError, StudyQuery, open_connection
from BreastUSAssistLib.dicom.network.node_settings import PacsNode
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from BreastUSAssistLib.errors import BreastUSAssistError, UsageError
from dicom import network_samples as samples
from dicom.certificates import Certificates
from dicom.hostile_peers import answers, http, peer, request_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import generate_uid

Talk = Callable[[socket.socket], None]


def connection_node(port: int, *, answer_s: float = 5, scheme: str = "http", **web: object) -> PacsNode:
    return PacsNode.model_validate(
        {
            "name": "archive",
            "web": {"url": f"{scheme}://127.0.0.1:{port}/dicom-web", "auth": "basic", "user": "alice", **web},
            "timeouts": {"connect_s": 2, "answer_s": answer_s},
            "retries": {"attempts": 1},
        }
    )


def connection(port: int, **options: object) -> NodeConnection:
    secrets = SecretStore({"BREASTUS_PACS_ARCHIVE_PASSWORD": samples.PLANTED[3]})
    return open_connection(connection_node(port, **options), secrets)  # type: ignore[arg-type]


def trouble_of(talk: Talk, **options: object) -> NodeError:
    """The error of a search in a service that talks so."""
    with peer(talk) as port, connection(port, **options) as node, pytest.raises(NodeError) as error:  # type: ignore[arg-type]
        node.find_studies(StudyQuery(patient_id=samples.PLANTED[1]))
    samples.assert_nothing_planted(str(error.value))
    assert "ode archive" in str(error.value) and str(error.value).endswith(".")
    assert "\n" not in str(error.value) and "http://" not in str(error.value)
    return error.value


def deep_json() -> bytes:
    return b"[" * 200_000


def study_json(**elements: object) -> bytes:
    return json.dumps([{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}} | elements]).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"garbage without an end of line" * 5000,
        b"SSH-2.0-OpenSSH\r\n",
        http(b"<html>Welcome</html>", "text/html"),
        http(b'{"error": "x"}'),
        http(b"[1, 2]"),
        http(b"\xff\xfe\x00"),
        http(deep_json()),
        http(b"[{}]"),
        http(b'[{"0020000D": {"vr": "UI", "Value": ["../../etc/passwd"]}}]'),
        http(b'[{"0020000D": 5}]'),
        http(b"[]", "application/dicom+json", "200 OK", "Content-Encoding: gzip"),
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 60_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_nonsense_is_called_nonsense(content: bytes) -> None:
    error = trouble_of(answers(content))
    assert error.kind in ("nonsense", "dropped") and (error.kind == "nonsense" or b"chunked" in content), error


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("401 Unauthorized", "credentials", False),
        ("403 Forbidden", "credentials", False),
        ("404 Not Found", "missing", False),
        ("400 Bad Request", "refused", False),
        ("302 Found", "refused", False),
        ("429 Too Many Requests", "busy", True),
        ("500 Oops", "refused", True),
        ("502 Bad Gateway", "busy", True),
        ("503 Service Unavailable", "busy", True),
    ],
)
def test_statuses(status: str, kind: str, retryable: bool) -> None:
    body = f"<html>{samples.PLANTED[0]} {samples.PLANTED[3]}</html>".encode()
    error = trouble_of(answers(http(body, "text/html", status, "Location: http://elsewhere.example/")))
    assert (error.kind, error.retryable) == (kind, retryable)


def test_a_redirect_is_not_followed_with_the_password() -> None:
    asked: list[bytes] = []

    def other(client: socket.socket) -> None:
        asked.append(request_of(client))

    with peer(other) as port:
        head = f"Location: http://127.0.0.1:{port}/"
        trouble_of(answers(http(b"", "text/html", "307 Temporary Redirect", head)))
    assert asked == []


@pytest.mark.parametrize(
    "content", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[", http(b"[" * 9)[:-3]]
)
def test_an_answer_that_ends_early_is_dropped(content: bytes) -> None:
    def talk(client: socket.socket) -> None:
        request_of(client)
        client.sendall(content)

    error = trouble_of(talk)
    assert error.kind == "dropped" and error.retryable


@pytest.mark.parametrize("slow_part", ["head", "body", "nothing"])
def test_a_byte_now_and_then_does_not_hold_us(slow_part: str) -> None:
    def talk(client: socket.socket) -> None:
        request_of(client)
        content = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        if slow_part == "body":
            client.sendall(content)
            content = b"[" + b" " * 1000
        for byte in content:
            if slow_part != "nothing":
                client.sendall(bytes([byte]))
            time.sleep(0.05)

    error = trouble_of(talk, answer_s=0.4)
    assert error.kind == "dropped" and error.retryable


def test_an_endless_answer_is_given_up() -> None:
    def talk(client: socket.socket) -> None:
        request_of(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n\r\n[")
        while True:
            client.sendall(b" " * 2**20)

    assert trouble_of(talk).kind == "nonsense"


def test_endless_pages_of_the_same_studies_end() -> None:
    page = b"[" + b",".join([study_json()[1:-1]] * 200) + b"]"
    with peer(answers(http(page))) as port, connection(port) as node:
        assert [study.study_uid for study in node.find_studies(StudyQuery(limit=1000))] == ["1.2.3"]


def test_a_tls_port_that_speaks_something_else() -> None:
    error = trouble_of(lambda client: client.sendall(b"HELLO\r\n" * 20), scheme="https")
    assert (error.kind, error.retryable) == ("nonsense", False)


def test_a_handshake_that_never_ends(certificates: Certificates) -> None:
    def talk(client: socket.socket) -> None:
        client.recv(10)
        time.sleep(4)

    error = trouble_of(talk, scheme="https")
    assert error.kind == "unreachable" and error.retryable


def test_a_certificate_that_expired(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.expired.certificate, certificates.expired.key)

    def talk(client: socket.socket) -> None:
        context.wrap_socket(client, server_side=True)

    error = trouble_of(talk, scheme="https", ca_file=certificates.authority)
    assert error.kind == "certificate" and "expired" in str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_an_answer_or_our_error(content: bytes, framed: bool) -> None:
    def talk(client: socket.socket) -> None:
        request_of(client)
        client.sendall(http(content) if framed else content)

    with peer(talk) as port, connection(port, answer_s=2) as node:
        try:
            node.find_studies(StudyQuery())
        except NodeError as error:
            assert str(error).startswith("Node archive")


class WadoService:
    """Answers the search for the instances of one study rightly, and their retrieval as told."""

    def __init__(self, files: list[Path], answer: Callable[[bytes], bytes]) -> None:
        self._files, self._answer = files, answer

    def talk(self, client: socket.socket) -> None:
        while request := request_of(client):
            content = self.answer(request)
            client.sendall(content)
            if b"Connection: close" in content[:300]:
                return

    def answer(self, request: bytes) -> bytes:
        path = request.split(b" ")[1]
        found = next((file for file in self._files if file.stem.encode() in path), None)
        return self._answer(found.read_bytes()) if found else http(self._instances())

    def _instances(self) -> bytes:
        items = []
        for file in self._files:
            header = dcmread(file, stop_before_pixels=True)
            tags = ("00080016", "00080018", "0020000D", "0020000E")
            items.append({tag: {"vr": "UI", "Value": [str(header[tag].value)]} for tag in tags})
        return json.dumps(items).encode()


def part(content: bytes, boundary: str = "b", kind: str = "application/dicom") -> bytes:
    return f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + content + b"\r\n"


def related(body: bytes, boundary: str = "b") -> bytes:
    return http(body, f'multipart/related; type="application/dicom"; boundary={boundary}')


def changed(content: bytes, keyword: str, tmp_path: Path, files: list[Path]) -> bytes:
    dataset = dcmread(files[0])
    setattr(dataset, keyword, generate_uid())
    dataset.save_as(tmp_path / "changed.dcm")
    return (tmp_path / "changed.dcm").read_bytes()


def test_objects_that_are_not_what_was_asked_for(tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    uid, folder = samples.study_uid_of(files), tmp_path / "pulled"
    bad: dict[str, Callable[[bytes], bytes]] = {
        "another instance": lambda c: related(part(changed(c, "SOPInstanceUID", tmp_path, files)) + b"--b--"),
        "another study": lambda c: related(part(changed(c, "StudyInstanceUID", tmp_path, files)) + b"--b--"),
        "no DICOM": lambda c: related(part(b"<html></html>") + b"--b--"),
        "only its start": lambda c: related(part(c[:300]) + b"--b--"),
        "empty": lambda c: related(part(b"") + b"--b--"),
        "HTML": lambda c: http(b"<html></html>", "text/html"),
        "JPEG": lambda c: related(part(c, kind="image/jpeg") + b"--b--"),
        "no boundary": lambda c: http(part(c) + b"--b--", "multipart/related"),
        "another boundary": lambda c: related(part(c, "c") + b"--c--"),
        "cut off": lambda c: related(part(c)),
        "cut off in the head": lambda c: related(b"--b\r\nContent-Type: app"),
        "endless head": lambda c: related(b"--b\r\n" + b"X" * 200_000),
        "two parts": lambda c: related(part(c) + part(c) + b"--b--"),
    }
    for name, answer in bad.items():
        with peer(WadoService(files, answer).talk) as port, connection(port) as node:
            with pytest.raises(NodeError) as error:
                node.pull(uid, folder)
            assert error.value.kind == "nonsense", name
            assert list(folder.iterdir()) == [], name
            samples.assert_nothing_planted(str(error.value))
    good: dict[str, Callable[[bytes], bytes]] = {
        "related": lambda c: related(b"preamble\r\n" + part(c) + b"--b--\r\nepilogue"),
        "plain": lambda c: http(c, "application/dicom"),
        "quoted": lambda c: http(part(c, "b:1") + b"--b:1--", 'multipart/related; boundary="b:1"'),
        "closing": lambda c: related(part(c) + b"--b--").replace(
            b"\r\nContent-Length", b"\r\nConnection: close\r\nX", 1
        ),
        "chunked": lambda c: chunked(part(c) + b"--b--"),
    }
    for name, answer in good.items():
        with peer(WadoService(files, answer).talk) as port, connection(port) as node:
            (path,) = node.pull(uid, tmp_path / name).files
            assert path.read_bytes() == files[0].read_bytes(), name


def test_a_service_that_cannot_send_what_it_stores_sends_it_its_own_way(tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 2)
    right = WadoService(files, lambda content: related(part(content) + b"--b--"))

    def talk(client: socket.socket) -> None:
        while request := request_of(client):
            choosy = b"transfer-syntax=*" in request
            client.sendall(http(b"", status="406 Not Acceptable") if choosy else right.answer(request))

    with peer(talk) as port, connection(port) as node:
        assert len(node.pull(samples.study_uid_of(files), tmp_path / "pulled").files) == 2


def chunked(body: bytes) -> bytes:
    pieces = [body[start : start + 777] for start in range(0, len(body), 777)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(f"{len(one):x}\r\n".encode() + one + b"\r\n" for one in pieces) + b"0\r\n\r\n"


def test_one_object_that_is_gone_does_not_end_the_pull(tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 3)

    def answer(content: bytes) -> bytes:
        gone = content == files[1].read_bytes()
        return http(b"", status="404 Not Found") if gone else related(part(content) + b"--b--")

    with peer(WadoService(files, answer).talk) as port, connection(port) as node:
        pulled = node.pull(samples.study_uid_of(files), tmp_path / "pulled")
    assert [path.name for path in pulled.files] == [files[0].name, files[2].name]
    assert pulled.skipped[0][0] == files[1].stem and "does not have" in pulled.skipped[0][1]


@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        ("200 OK", {"00081199": "UID"}, "sent", ""),
        (
            "202 Accepted",
            {"00081198": "UID", "reason": 0x0122},
            "refused",
            "of this class are not stored there",
        ),
        ("409 Conflict", {"00081198": "UID", "reason": 0xA901}, "refused", "does not fit its class (A901H)"),
        ("409 Conflict", {}, "refused", "it was not stored (HTTP 409)"),
        ("200 OK", None, "refused", "it was not stored (HTTP 200)"),
        ("409 Conflict", {"00081198": "UID", "reason": 0xA700}, NodeError, "out of space"),
    ],
)
def test_what_a_service_says_of_what_it_stored(
    tmp_path: Path, status: str, body: dict[str, object] | None, state: object, words: str
) -> None:
    (file,) = samples.study(tmp_path / "a", 1)
    item = {"00081155": {"vr": "UI", "Value": [file.stem]}}
    if body and "reason" in body:
        item["00081197"] = {"vr": "US", "Value": [body["reason"]]}  # type: ignore[dict-item]
    report = {tag: {"vr": "SQ", "Value": [item]} for tag in body or {} if tag != "reason"}
    content = b"<html>" if body is None else json.dumps(report).encode()

    def talk(client: socket.socket) -> None:
        while request := request_of(client):
            client.sendall(http(content, status=status) if request.startswith(b"POST") else http(b"[]"))

    with peer(talk) as port, connection(port) as node:
        try:
            (outcome,) = node.push([file])
        except NodeError as error:
            assert state is NodeError and words in str(error) and error.retryable
        else:
            assert (outcome.state, words in outcome.why) == (state, True)


def test_a_service_that_refuses_before_it_has_read_all(tmp_path: Path) -> None:
    (file,) = samples.study(tmp_path / "a", 1, PixelData=bytes(2**24))

    def talk(client: socket.socket) -> None:
        head = client.recv(4096)
        if head.startswith(b"POST"):
            client.sendall(http(b"", status="401 Unauthorized"))
        else:
            client.sendall(http(b"[]"))

    with peer(talk) as port, connection(port) as node, pytest.raises(BreastUSAssistError) as error:
        node.push([file])
    assert isinstance(error.value, NodeError) and error.value.kind in ("credentials", "dropped")


def test_a_token_goes_in_its_header_and_nowhere_else() -> None:
    asked: list[bytes] = []

    def talk(client: socket.socket) -> None:
        while request := request_of(client):
            asked.append(request)
            client.sendall(http(b"[]"))

    with peer(talk) as port:
        fields = {"url": f"http://127.0.0.1:{port}/dicom-web", "auth": "bearer"}
        node = PacsNode.model_validate({"name": "cloud", "web": fields})
        secrets = SecretStore({"BREASTUS_PACS_CLOUD_TOKEN": samples.PLANTED[3]})
        with open_connection(node, secrets) as connection:
            assert connection.find_studies(StudyQuery()) == ()
            samples.assert_nothing_planted(repr(connection) + repr(vars(connection)))
    (request,) = asked
    assert f"Authorization: Bearer {samples.PLANTED[3]}\r\n".encode() in request
    assert request.count(samples.PLANTED[3].encode()) == 1


def test_a_missing_secret_or_package_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with peer(lambda client: None) as port:
        with pytest.raises(UsageError, match="set BREASTUS_PACS_ARCHIVE_PASSWORD"):
            open_connection(connection_node(port), SecretStore({}, _NoKeyring()))
        dimse = {"host": "127.0.0.1", "port": port, "ae_title": "PACS"}
        monkeypatch.setitem(sys.modules, "pynetdicom", None)
        with pytest.raises(UsageError, match=r"needs pynetdicom; install breastusassist\[pacs\]"):
            open_connection(PacsNode.model_validate({"name": "a", "dimse": dimse}), SecretStore({}))


class _NoKeyring:
    def get_password(self, service_name: str, username: str) -> str | None:
        return None

    def set_password(self, service_name: str, username: str, password: str) -> None:
        raise AssertionError

    def delete_password(self, service_name: str, username: str) -> None:
        raise AssertionError
