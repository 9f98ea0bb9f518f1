"""The whole way with a small network, while PACS and program are killed: every study has its results once."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from BreastUSAssistLib.dicom.network.nodes import save_node
from BreastUSAssistLib.service.pacs.ledger import LEDGER, Ledger
from dicom.orthanc import free_port
from dicom.small_studies import check_no_name_in, study_uid, write_study
from pydicom import dcmread
from pydicom.uid import UltrasoundImageStorage
from pynetdicom import AE
from tiny_bundles import tiny_outline_bundle

STUDIES = int(os.environ.get("BREASTUS_KILLED_STUDIES", "100"))
LONGEST_S = 1800.0


class Client:
    """`breastusassist pacs` in a process of its own, started again after it was killed."""

    def __init__(self, folder, orthanc):
        self.folder, self.orthanc = folder, orthanc
        self.arguments = ("run", "--node", "archive", "--push-to", "archive", "--most", "1000")
        save_node(folder / "nodes.toml", orthanc.node())
        self.log = folder / "client.log"
        self._process = None

    def start(self):
        library = Path(__file__).resolve().parents[2] / "BreastUSAssist"
        command = [sys.executable, "-m", "BreastUSAssistLib", "pacs", *self.arguments, "--json", "--no-report"]
        command += ["--nodes", str(self.folder / "nodes.toml"), "--work", str(self.folder / "work")]
        command += ["--model", str(tiny_outline_bundle()), "--reader", "none", "--backend", "onnxruntime"]
        environment = {
            **os.environ,
            "PYTHONPATH": str(library),
            "BREASTUS_PACS_ARCHIVE_PASSWORD": self.orthanc.password,
        }
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)

    def kill(self):
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL, "it was still at work"

    def end(self):
        """As a service manager does."""
        self._process.terminate()
        return self._process.wait(60)

    def wait(self, seconds):
        return self._process.wait(seconds)

    def close(self):
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def done(self):
        """Number of studies that the ledger calls done; read beside the running client."""
        path = self.folder / "work" / LEDGER
        if not path.is_file():
            return 0
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as ledger:
            try:
                return ledger.execute("SELECT count(*) FROM item WHERE state = 'pushed'").fetchone()[0]
            except sqlite3.OperationalError:
                # It is being made, or a killed program left it to be recovered by the next.
                return 0

    def until(self, done):
        end = time.monotonic() + LONGEST_S / 6
        while self.done() < done:
            assert time.monotonic() < end and self._process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(0.1)


@pytest.fixture
def client(tmp_path, orthanc):
    made = Client(tmp_path, orthanc)
    yield made
    made.close()


def test_a_hundred_studies_survive_five_kills(client, orthanc, tmp_path):
    for number in range(STUDIES):
        orthanc.store(*write_study(tmp_path / "in", number))
    client.start()
    for share, victim in ((0.1, "server"), (0.25, "client"), (0.4, "server"), (0.6, "client"), (0.8, "server")):
        client.until(int(share * STUDIES))
        if victim == "server":
            orthanc.kill()
            time.sleep(0.3)
            orthanc.start()
        else:
            client.kill()
            client.start()
    assert client.wait(LONGEST_S) == 0, client.log.read_text()[-3000:]

    found = Counter((one["StudyInstanceUID"], one["Modality"]) for one in orthanc.instances())
    assert all(found[study_uid(number), "SR"] == 1 for number in range(STUDIES)), "a hundred results"
    assert set(found.values()) == {1}, "none of them twice, no image lost"
    segmentations = sum(modality == "SEG" for _, modality in found)
    assert segmentations > STUDIES / 2, "the tiny network outlines something in most phantoms"
    assert len(found) == 2 * STUDIES + segmentations
    with Ledger(tmp_path / "work" / LEDGER) as ledger:
        assert ledger.counts()["pushed"] == STUDIES and len(ledger.items()) == STUDIES
        for item in ledger.items():
            for one in ledger.objects(item):
                stored = dcmread(tmp_path / "work" / one.path, stop_before_pixels=True)
                assert stored.SOPInstanceUID == one.sop_instance_uid and stored.StudyInstanceUID == item.study_uid
    check_no_name_in(client.log.read_text())
    assert not list((tmp_path / "work").rglob("report.html"))
    assert not any(path.name.startswith(".") for path in (tmp_path / "work" / "results").iterdir())


def send(port, *paths):
    """As a modality that tries again until the listener is there."""
    end = time.monotonic() + LONGEST_S / 6
    while True:
        modality = AE("MODALITY")
        modality.add_requested_context(UltrasoundImageStorage)
        association = modality.associate("127.0.0.1", port, ae_title="BREASTUS")
        if association.is_established:
            break
        assert time.monotonic() < end, "nobody listens"
        time.sleep(0.1)
    assert [association.send_c_store(path).Status for path in paths] == [0] * len(paths)
    association.release()


def test_a_listener_that_is_killed_goes_on_with_what_it_received(client, orthanc, tmp_path):
    port = free_port()
    client.arguments = ("listen", "--port", str(port), "--ae-title", "BREASTUS", "--return-to", "archive")
    client.arguments += ("--address", "127.0.0.1", "--quiet-after", "1")
    client.start()
    first, second = write_study(tmp_path / "in", 0), write_study(tmp_path / "in", 1)
    send(port, *first)
    client.kill()
    client.start()
    client.until(1)
    send(port, *first, *second)
    client.until(2)
    assert client.end() == 0, client.log.read_text()
    found = Counter((one["StudyInstanceUID"], one["Modality"]) for one in orthanc.instances())
    assert set(found.values()) == {1} and found[study_uid(0), "SR"] == found[study_uid(1), "SR"] == 1
    check_no_name_in(client.log.read_text())
