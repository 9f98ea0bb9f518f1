"""DICOMweb with a real PACS: what is found, fetched and stored, and what happens when the server or the wire fails."""

import logging
from datetime import date
from pathlib import Path

import pytest
from BreastUSAssistLib.dicom.network.connection import NodeError, StudyQuery, open_connection
from BreastUSAssistLib.dicom.network.node_settings import PacsNode
from BreastUSAssistLib.dicom.network.received_files import read_identity
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from BreastUSAssistLib.errors import InputError, OutputError, UsageError
from dicom import network_samples as samples
from dicom.certificates import Certificates
from dicom.hostile_peers import Wire
from dicom.orthanc import HttpsFront, OrthancServer
from pydicom.uid import generate_uid


def at(orthanc: OrthancServer, **web: object) -> PacsNode:
    """The node, its web part changed."""
    node = orthanc.node().model_dump()
    return PacsNode.model_validate({**node, "web": node["web"] | web})


def test_files_come_back_bit_for_bit(orthanc: OrthancServer, data_root: Path, tmp_path: Path) -> None:
    real = [path for path in sorted((data_root / "dicom_us").glob("*.dcm")) if "DIRW0007" not in path.name]
    by_uid = {read_identity(path).sop_instance_uid: path for path in real}
    files = list(by_uid.values())
    with open_connection(orthanc.node(), orthanc.secrets()) as node:
        assert node.echo().text == "DICOMweb answers"
        assert {outcome.state for outcome in node.push(files)} == {"sent"}
        assert [outcome.state for outcome in node.push(files)] == ["already there"] * len(files)
        for study in node.find_studies(StudyQuery()):
            pulled = node.pull(study.study_uid, tmp_path / "pulled")
            assert pulled.skipped == () and len(pulled.files) == study.instances
        outcome = node.commit(files)
    assert outcome.by == "query" and len(outcome.committed) == len(files) and outcome.failed == ()
    contents = {path.read_bytes() for path in (tmp_path / "pulled").iterdir()}
    assert contents == {path.read_bytes() for path in files}


def test_studies_are_found_by_what_is_known(orthanc: OrthancServer, tmp_path: Path) -> None:
    ours = samples.study(tmp_path / "a", StudyDescription="Brust links")
    samples_of_others = {"PatientName": "Smith^John A", "PatientID": "P 0", "AccessionNumber": "B2"}
    others = samples.study(tmp_path / "b", 1, StudyDate="20251231", **samples_of_others)
    orthanc.store(*ours, *others)
    uid = samples.study_uid_of(ours)
    queries = [
        StudyQuery(patient_name="zwetschgen*"),
        StudyQuery(patient_name="Zwetschgenknödel^Änne"),
        StudyQuery(patient_id=samples.PLANTED[1]),
        StudyQuery(accession_number=samples.PLANTED[2]),
        StudyQuery(description="Brust links", modality="US"),
        StudyQuery(date_from=date(2026, 1, 1)),
        StudyQuery(date_from=date(2026, 2, 3), date_to=date(2026, 2, 3)),
        StudyQuery(study_uid=uid),
    ]
    for transport in ("web", "dimse"):
        with open_connection(orthanc.node(transport=transport), orthanc.secrets()) as node:
            for query in queries:
                (found,) = node.find_studies(query)
                assert (found.study_uid, found.study_date, found.modalities) == (uid, date(2026, 2, 3), ("US",))
                assert (found.patient_name, found.patient_id) == (f"{samples.PLANTED[0]}^Änne", samples.PLANTED[1])
                assert (found.instances, found.series, found.description) == (3, 2, "Brust links")
                samples.assert_nothing_planted(repr(found) + repr(query))
            for name, count in {"Smith^John A": 1, "Smith^John B": 0, "smith*": 1, "*": 2, "Smith?John A": 1}.items():
                assert len(node.find_studies(StudyQuery(patient_name=name))) == count, (transport, name)
            assert len(node.find_studies(StudyQuery(patient_id="P 0"))) == 1
            assert node.find_studies(StudyQuery(modality="CT")) == ()
            assert len(node.find_studies(StudyQuery(limit=1))) == 1
            assert sorted(one.instance_number or 0 for one in node.instances(uid)) == [1, 2, 3]
            with pytest.raises(NodeError, match="does not hold this study") as error:
                node.instances("1.2.3")
            assert error.value.kind == "missing" and not error.value.retryable
            for query in (StudyQuery(study_uid="../x"), StudyQuery(patient_name="a\\b")):
                with pytest.raises(UsageError):
                    node.find_studies(query)


@pytest.mark.parametrize("transport", ["web", "dimse"])
def test_a_pull_goes_on_where_it_ended(orthanc: OrthancServer, tmp_path: Path, transport: str) -> None:
    orthanc.store(*samples.study(tmp_path / "a", 6))
    node = orthanc.node(transport=transport)
    folder = tmp_path / "pulled"

    def cancel() -> None:
        raise KeyboardInterrupt

    with open_connection(node, orthanc.secrets()) as connection:
        (study,) = connection.find_studies(StudyQuery())
        with pytest.raises(KeyboardInterrupt):
            connection.pull(study.study_uid, folder, attend=samples.when_there_are(2, folder, cancel))
        first = {path: path.stat().st_ino for path in folder.glob("*.dcm")}
        assert len(first) == 2
        (folder / ".killed.part.dcm").write_bytes(b"half")
        (folder / f"{generate_uid()}.dcm").write_bytes(b"of another program")
        told: list[tuple[int, int]] = []
        pulled = connection.pull(study.study_uid, folder, progress=lambda done, of: told.append((done, of)))
    assert len(pulled.files) == 6 and told[-1] == (6, 6)
    assert {path: path.stat().st_ino for path in first} == first
    assert not (folder / ".killed.part.dcm").exists()
    assert all(samples.same(path, tmp_path / "a" / path.name) for path in pulled.files)


@pytest.mark.parametrize("transport", ["web", "dimse"])
def test_some_series_of_a_study(orthanc: OrthancServer, tmp_path: Path, transport: str) -> None:
    files = samples.study(tmp_path / "a", 3)
    orthanc.store(*files)
    uid = samples.study_uid_of(files)
    with open_connection(orthanc.node(transport=transport), orthanc.secrets()) as node:
        second = next(one for one in node.instances(uid) if one.instance_number == 2)
        pulled = node.pull(uid, tmp_path / "pulled", series=(second.series_uid,))
    assert [path.name for path in pulled.files] == [files[1].name]


@pytest.mark.parametrize("transport", ["web", "dimse"])
def test_the_server_is_killed_in_the_middle(orthanc: OrthancServer, tmp_path: Path, transport: str) -> None:
    files = samples.study(tmp_path / "a", 4)
    orthanc.store(*files)
    uid = samples.study_uid_of(files)
    waits: list[float] = []

    def start_again(seconds: float) -> None:
        waits.append(seconds)
        if not orthanc.running:
            orthanc.start()

    with open_connection(orthanc.node(transport=transport), orthanc.secrets(), sleep=start_again) as node:
        pulled = node.pull(
            uid, tmp_path / "pulled", attend=samples.when_there_are(2, tmp_path / "pulled", orthanc.kill)
        )
        assert len(pulled.files) == 4 and waits
        orthanc.kill()
        more = samples.study(tmp_path / "b", 3)
        assert {one.state for one in node.push([*files, *more])} <= {"sent", "already there"}
        assert len(orthanc.instances()) == 7
    assert all(samples.same(path, tmp_path / "a" / path.name) for path in pulled.files)


@pytest.mark.parametrize("transport", ["web", "dimse"])
def test_a_server_that_is_away_is_given_up_in_the_end(orthanc: OrthancServer, tmp_path: Path, transport: str) -> None:
    files = samples.study(tmp_path / "a", 1)
    orthanc.kill()
    waits: list[float] = []
    with open_connection(orthanc.node(transport=transport), orthanc.secrets(), sleep=waits.append) as node:
        with pytest.raises(NodeError, match="cannot be reached") as error:
            node.push(files)
        assert waits == [0.05, 0.1]  # three attempts
        with pytest.raises(NodeError):
            node.echo()
    assert error.value.kind == "unreachable" and error.value.retryable


def test_a_lost_answer_does_not_store_twice(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 2)
    wire = Wire(orthanc.http_port)
    with wire.open() as port:
        node = at(orthanc, url=f"http://127.0.0.1:{port}/dicom-web")
        wire.lose_answer_to = b"POST"
        with open_connection(node, orthanc.secrets()) as connection:
            outcomes = connection.push(files)
    assert [one.state for one in outcomes] == ["sent", "sent"]
    assert sum(request.startswith(b"POST") for request in wire.requests) == 2
    assert len(orthanc.instances()) == 2


@pytest.mark.parametrize("cut_after", [1, 200, 4000, 20000])
def test_a_cut_wire_leaves_nothing_half(orthanc: OrthancServer, tmp_path: Path, cut_after: int) -> None:
    files = samples.study(tmp_path / "a", 4)
    orthanc.store(*files)
    uid, folder = samples.study_uid_of(files), tmp_path / "pulled"
    wire = Wire(orthanc.http_port)
    with wire.open() as port:
        node = at(orthanc, url=f"http://127.0.0.1:{port}/dicom-web")
        impatient = node.model_copy(update={"retries": node.retries.model_copy(update={"attempts": 1})})
        with open_connection(impatient, orthanc.secrets()) as connection:
            wire.cut_after = cut_after
            with pytest.raises(NodeError) as error:
                connection.pull(uid, folder)
            assert error.value.kind == "dropped"
            left = list(folder.iterdir()) if folder.exists() else []
            assert all(samples.same(path, tmp_path / "a" / path.name) for path in left)
        wire.cut_after = cut_after
        with open_connection(node, orthanc.secrets()) as connection:
            assert len(connection.pull(uid, folder).files) == 4


def test_a_wrong_password(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    wrong = SecretStore({"BREASTUS_PACS_ARCHIVE_PASSWORD": "wrong-4712"})
    with open_connection(orthanc.node(), wrong) as node:
        for ask in (node.echo, lambda: node.push(files), lambda: node.find_studies(StudyQuery())):
            with pytest.raises(NodeError, match="does not accept our password") as error:
                ask()
            assert error.value.kind == "credentials" and not error.value.retryable
            assert "4712" not in str(error.value)


def test_what_is_pushed_must_be_dicom_before_anything_is_sent(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    (tmp_path / "b.dcm").write_bytes(b"no DICOM")
    for transport in ("web", "dimse"):
        with open_connection(orthanc.node(transport=transport), orthanc.secrets()) as node:
            with pytest.raises(InputError, match=r"b\.dcm is not a DICOM file"):
                node.push([*files, tmp_path / "b.dcm"])
            assert orthanc.instances() == []


def test_a_folder_that_cannot_be_written(orthanc: OrthancServer, tmp_path: Path) -> None:
    files = samples.study(tmp_path / "a", 1)
    orthanc.store(*files)
    (tmp_path / "file").write_text("in the way")
    for transport in ("web", "dimse"):
        with open_connection(orthanc.node(transport=transport), orthanc.secrets()) as node, pytest.raises(OutputError):
            node.pull(samples.study_uid_of(files), tmp_path / "file" / "pulled")


def test_https_with_the_right_certificates_alone(
    orthanc: OrthancServer, https: HttpsFront, certificates: Certificates, tmp_path: Path
) -> None:
    files = samples.study(tmp_path / "a", 2)
    good = at(orthanc, url=https.web_url, ca_file=certificates.authority)
    with open_connection(good, orthanc.secrets()) as node:
        assert [one.state for one in node.push(files)] == ["sent", "sent"]
        assert len(node.pull(samples.study_uid_of(files), tmp_path / "pulled").files) == 2
    for node_without, words in (
        (at(orthanc, url=https.web_url), "is not signed by an authority that we trust"),
        (at(orthanc, url=f"http://127.0.0.1:{https.port}/dicom-web"), "refused the request"),
        (at(orthanc, url=orthanc.web_url.replace("http", "https")), "does not speak TLS"),
        (at(orthanc, url=https.web_url, ca_file=tmp_path / "none.crt"), "ca_file of node archive is not there"),
        (at(orthanc, url=https.web_url, ca_file=files[0]), "could not be read"),
    ):
        with open_connection(node_without, orthanc.secrets()) as node, pytest.raises(NodeError, match=words) as error:
            node.echo()
        assert not error.value.retryable


@pytest.mark.parametrize(("name", "words"), [("expired", "has expired"), ("wrong_host", "is for another host")])
def test_certificates_that_are_not_right(
    orthanc: OrthancServer, certificates: Certificates, tmp_path: Path, name: str, words: str
) -> None:
    front = HttpsFront(tmp_path / "front", orthanc.http_port, getattr(certificates, name)).start()
    try:
        node = at(orthanc, url=front.web_url, ca_file=certificates.authority)
        with open_connection(node, orthanc.secrets()) as connection, pytest.raises(NodeError, match=words) as error:
            connection.find_studies(StudyQuery())
        assert error.value.kind == "certificate" and not error.value.retryable
    finally:
        front.stop()


def test_a_server_that_asks_for_our_certificate(
    orthanc: OrthancServer, certificates: Certificates, tmp_path: Path
) -> None:
    front = HttpsFront(tmp_path / "front", orthanc.http_port, certificates.server, certificates.authority).start()
    shown = {"certificate": certificates.client.certificate, "key": certificates.client.key}
    try:
        node = at(orthanc, url=front.web_url, ca_file=certificates.authority, auth="certificate", user=None, **shown)
        with open_connection(node, orthanc.secrets()) as connection, pytest.raises(NodeError) as error:
            connection.echo()  # let in by the front, asked for a password by the PACS behind it
        assert error.value.kind == "credentials"
        without = at(orthanc, url=front.web_url, ca_file=certificates.authority)
        with open_connection(without, orthanc.secrets()) as connection, pytest.raises(NodeError, match="refused"):
            connection.echo()
    finally:
        front.stop()


def test_another_client_reads_what_we_stored(orthanc: OrthancServer, tmp_path: Path) -> None:
    import dicomweb_client
    import requests

    files = samples.study(tmp_path / "a", 2)
    with open_connection(orthanc.node(), orthanc.secrets()) as node:
        node.push(files)
    session = requests.Session()
    session.trust_env, session.auth = False, (orthanc.user, orthanc.password)
    client = dicomweb_client.DICOMwebClient(orthanc.web_url, session=session)
    (found,) = client.search_for_studies(fields=["PatientID"])
    assert len(client.retrieve_study(found["0020000D"]["Value"][0])) == 2


def test_nothing_of_a_patient_and_no_secret_is_logged(
    orthanc: OrthancServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    files = samples.study(tmp_path / "a", 2, StudyDate="Zwetschgenknödel")
    caplog.clear()
    capfd.readouterr()
    for transport in ("web", "dimse"):
        with open_connection(orthanc.node(transport=transport), orthanc.secrets()) as node:
            node.push(files)
            for study in node.find_studies(StudyQuery(patient_name=f"{samples.PLANTED[0]}*")):
                node.pull(study.study_uid, tmp_path / transport)
            orthanc.kill()
            with pytest.raises(NodeError) as error:
                node.find_studies(StudyQuery(patient_id=samples.PLANTED[1]))
            orthanc.start()
        samples.assert_nothing_planted(str(error.value) + repr(orthanc.node(transport=transport)))
    said = capfd.readouterr()
    samples.assert_nothing_planted(caplog.text + said.out + said.err)
