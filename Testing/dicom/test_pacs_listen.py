"""What a modality sends to the listener: analysed once it is complete, drafts returned once."""

import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from BreastUSAssistLib.dicom.network.connection import open_connection
from BreastUSAssistLib.dicom.network.listener import StorageListener
from BreastUSAssistLib.service.pacs.ledger import Ledger
from BreastUSAssistLib.service.pacs.outages import Patience
from BreastUSAssistLib.service.pacs.reception import Reception, ReceptionSettings
from BreastUSAssistLib.service.pacs.work import StudyWork, WorkSettings
from BreastUSAssistLib.service.pacs.work_folder import WorkFolder
from dicom.quick_analyst import quick_analyst
from dicom.small_studies import check_no_name_in, study_uid, write_study
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage
from pynetdicom import AE

LONGEST_S = 60
QUIET_S = 30


class SetClock:
    """Time stands still until a test moves it."""

    def __init__(self):
        self.time = 1e9

    def now(self):
        return self.time

    def idle(self, news, seconds):
        news.wait(0.05)


class Listening:
    """A listener with its job, in this process, as `breastusassist pacs listen` puts them together."""

    def __init__(self, folder, orthanc):
        self.folder, self.orthanc, self.told = WorkFolder(folder), orthanc, []
        self.clock = SetClock()

    @contextmanager
    def started(self, quiet_s=QUIET_S, **settings):
        node, clock = self.orthanc.node(), self.clock

        def connect(name):
            return open_connection(node, self.orthanc.secrets())

        received = ReceptionSettings(**{"destination": "archive", "quiet_s": quiet_s, **settings})
        with self.folder.alone(), Ledger(self.folder.ledger) as self.ledger:
            self.ledger.free_leases()
            self.folder.sweep()
            work = StudyWork(
                self.folder,
                self.ledger,
                quick_analyst,
                connect,
                settings=WorkSettings(endless=True, patience=Patience(first_wait_s=0.05, longest_wait_s=0.3)),
                clock=clock,
                tell=self.told.append,
            )
            reception = Reception(
                self.folder, self.ledger, received, now=clock.now, wake=work.wake, tell=self.told.append
            )
            reception.sweep()
            thread = threading.Thread(target=work.run)
            with StorageListener(0, "BREASTUS", reception.keep, self.folder.incoming) as listener:
                self.port = listener.port
                thread.start()
                try:
                    yield self
                finally:
                    work.stop()
                    thread.join()

    def send(self, *paths):
        """As a modality: the statuses that it was answered."""
        modality = AE("MODALITY")
        modality.add_requested_context(UltrasoundImageStorage)
        modality.add_requested_context(SecondaryCaptureImageStorage)
        association = modality.associate("127.0.0.1", self.port, ae_title="BREASTUS")
        assert association.is_established
        statuses = [association.send_c_store(path).Status for path in paths]
        association.release()
        return statuses

    def until(self, states):
        end = time.monotonic() + LONGEST_S
        while (now := {item.name: item.state for item in self.ledger.items()}) != states:
            assert time.monotonic() < end, (now, self.told)
            time.sleep(0.02)

    def sent(self):
        found = Counter((one["StudyInstanceUID"], one["Modality"]) for one in self.orthanc.instances())
        return {f"{key[0].rpartition('.')[2]} {key[1]}": count for key, count in found.items()}


@pytest.fixture
def listening(tmp_path, orthanc):
    return Listening(tmp_path / "work", orthanc)


def test_a_study_is_analysed_when_it_is_complete_and_its_drafts_returned(listening, tmp_path):
    first, second = write_study(tmp_path / "in", 0, 2)
    with listening.started():
        assert listening.send(first) == [0]
        listening.clock.time += QUIET_S - 1
        assert listening.send(second) == [0]
        listening.clock.time += QUIET_S - 1
        time.sleep(0.2)
        assert listening.ledger.counts()["found"] == 1, "it may not be complete yet"
        listening.clock.time += 1
        listening.until({study_uid(0): "pushed"})
        assert listening.sent() == {"0 SEG": 2, "0 SR": 2}
        # The modality sends all of it again, and one image that it had forgotten.
        (late,) = write_study(tmp_path / "late", 0)
        changed = dcmread(late)
        changed.SOPInstanceUID = changed.file_meta.MediaStorageSOPInstanceUID = f"{study_uid(0)}.99"
        changed.save_as(late, enforce_file_format=True)
        assert listening.send(first, second, late) == [0, 0, 0]
        listening.clock.time += QUIET_S
        listening.until({study_uid(0): "pushed", f"{study_uid(0)}-2": "pushed"})
        assert listening.sent() == {"0 SEG": 3, "0 SR": 3}
    assert not list(listening.folder.incoming.iterdir())
    check_no_name_in(*listening.told)


def test_other_objects_are_put_aside_and_told(listening, tmp_path):
    (path,) = write_study(tmp_path / "in", 0)
    other = dcmread(path)
    other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    other.Modality = "OT"
    other.save_as(path, enforce_file_format=True)
    with listening.started():
        assert listening.send(path) == [0] and listening.send(path) == [0]
        assert listening.ledger.items() == []
    assert len(list(listening.folder.aside(study_uid(0)).iterdir())) == 1
    assert listening.told == [f"{study_uid(0)}: an object of modality OT is no ultrasound and lies in aside/"]


def test_what_was_received_before_the_program_was_killed_is_not_lost(listening, tmp_path):
    first, second, third = write_study(tmp_path / "in", 0, 3)
    with listening.started(quiet_s=3600):
        listening.send(first, second)
    # Killed between noting an image and moving it, before noting one, and with something that is no DICOM.
    listening.folder.incoming.mkdir(exist_ok=True)
    moved = listening.folder.images(study_uid(0)) / f"{dcmread(second).SOPInstanceUID}.dcm"
    moved.rename(listening.folder.incoming / moved.name)
    (listening.folder.incoming / f"{dcmread(third).SOPInstanceUID}.dcm").write_bytes(third.read_bytes())
    (listening.folder.incoming / "1.2.dcm").write_bytes(b"half")
    with Ledger(listening.folder.ledger) as ledger:
        ledger.try_now(("found",), now=0.0)
    with listening.started():
        listening.clock.time += QUIET_S
        listening.until({study_uid(0): "pushed"})
        assert listening.sent() == {"0 SEG": 3, "0 SR": 3}
    assert not list(listening.folder.incoming.iterdir())
    assert (listening.folder.root / "aside" / "1.2.dcm").read_bytes() == b"half"


def test_images_are_taken_while_the_node_is_down_and_drafts_returned_later(listening, orthanc, tmp_path):
    orthanc.kill()
    with listening.started(quiet_s=0):
        assert listening.send(*write_study(tmp_path / "in", 0), *write_study(tmp_path / "in", 1)) == [0, 0]
        listening.until({study_uid(0): "analyzed", study_uid(1): "analyzed"})
        orthanc.start()
        listening.clock.time += 60
        listening.until({study_uid(0): "pushed", study_uid(1): "pushed"})
    assert listening.sent() == {"0 SEG": 1, "0 SR": 1, "1 SEG": 1, "1 SR": 1}
    check_no_name_in(*listening.told)


def test_an_image_that_comes_again_with_another_content_changes_nothing(listening, tmp_path):
    (path,) = write_study(tmp_path / "in", 0)
    with listening.started(hold=True, quiet_s=0):
        listening.send(path)
        listening.until({study_uid(0): "waiting"})
        (kept,) = listening.folder.images(study_uid(0)).iterdir()
        before = kept.read_bytes()
        changed = dcmread(path)
        changed.StudyDescription = "another"
        changed.save_as(path, enforce_file_format=True)
        assert listening.send(path) == [0]
        assert kept.read_bytes() == before and "another content" in listening.told[-1]
        assert listening.sent() == {}


def test_an_image_that_could_not_be_kept_is_taken_when_it_is_sent_again(listening, tmp_path):
    (path,) = write_study(tmp_path / "in", 0)
    in_the_way = listening.folder.images(study_uid(0))
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_bytes(b"")
    with listening.started():
        assert listening.send(path) == [0xA700]
        listening.clock.time += QUIET_S
        time.sleep(0.3)
        in_the_way.unlink()
        assert listening.send(path) == [0]
        listening.clock.time += QUIET_S
        listening.until({study_uid(0): "pushed"})
    assert listening.sent() == {"0 SEG": 1, "0 SR": 1}
