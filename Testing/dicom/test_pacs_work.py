"""Studies of a real PACS through pull, analysis and push, with what goes wrong on the way."""

import threading
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from BreastUSAssistLib.dicom.network.errors import NodeError
from BreastUSAssistLib.dicom.network.exchange import CommitOutcome, PushOutcome, StudyQuery
from BreastUSAssistLib.dicom.network.secrets import SecretStore
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.service.pacs.connecting import NodeConnections
from BreastUSAssistLib.service.pacs.ledger import Ledger
from BreastUSAssistLib.service.pacs.outages import Patience
from BreastUSAssistLib.service.pacs.searching import find_patiently
from BreastUSAssistLib.service.pacs.work import StudyWork, SystemClock, WorkSettings
from BreastUSAssistLib.service.pacs.work_folder import WorkFolder
from BreastUSAssistLib.service.pacs.work_item import NewItem
from dicom.orthanc import OrthancServer, free_port
from dicom.quick_analyst import quick_analyst
from dicom.small_studies import check_no_name_in, study_uid, write_study
from pydicom import dcmread
from pydicom.uid import CTImageStorage

QUICK = Patience(first_wait_s=0.05, longest_wait_s=0.2)


class HastyClock:
    """A clock whose waits are over at once, and counted."""

    def __init__(self):
        self.time = 1e9
        self._lock = threading.Lock()

    def now(self):
        with self._lock:
            return self.time

    def idle(self, news, seconds):
        with self._lock:
            self.time += seconds
        news.wait(0.0005)


class Job:
    """A work folder, and jobs in it one after the other."""

    def __init__(self, folder, orthanc):
        self.folder, self.orthanc = WorkFolder(folder), orthanc
        self.told, self.connections = [], 0
        self.node = orthanc.node()
        self.secrets = orthanc.secrets()

    def add(self, *numbers, **more):
        with Ledger(self.folder.ledger) as ledger:
            for number in numbers:
                new = NewItem(study_uid(number), "query", source="archive", **{"destination": "archive", **more})
                ledger.add(new, now=0.0)

    def connect(self, name):
        self.connections += 1
        return NodeConnections({"archive": self.node}, self.secrets)(name)

    @contextmanager
    def work(self, analyst=quick_analyst, clock=None, **settings):
        with self.folder.alone(), Ledger(self.folder.ledger) as ledger:
            ledger.free_leases()
            self.folder.sweep()
            yield StudyWork(
                self.folder,
                ledger,
                analyst,
                self.connect,
                settings=WorkSettings(**{"patience": QUICK, **settings}),
                clock=clock or SystemClock(),
                tell=self.told.append,
            )

    def run(self, analyst=quick_analyst, clock=None, **settings):
        with self.work(analyst, clock, **settings) as work:
            work.run()
        return work

    def states(self):
        with Ledger(self.folder.ledger) as ledger:
            return {item.study_uid.rpartition(".")[2]: item.state for item in ledger.items()}

    def note(self, number):
        with Ledger(self.folder.ledger) as ledger:
            return ledger.item(study_uid(number)).note

    def sent(self):
        """Number of objects in the PACS by study and modality, without the images."""
        found = Counter((one["StudyInstanceUID"], one["Modality"]) for one in self.orthanc.instances())
        return {key: count for key, count in found.items() if key[1] in ("SEG", "SR")}


@pytest.fixture
def job(tmp_path, orthanc):
    return Job(tmp_path / "work", orthanc)


def put(job, tmp_path, *numbers, images=1):
    for number in numbers:
        job.orthanc.store(*write_study(tmp_path / "in", number, images))
    job.add(*numbers)


def once(*numbers, each=1):
    return {(study_uid(number), modality): each for number in numbers for modality in ("SEG", "SR")}


def test_studies_go_through_and_are_never_sent_twice(job, tmp_path):
    put(job, tmp_path, 0, 1, 2)
    put(job, tmp_path, 3, images=3)
    assert job.run().error is None
    assert job.states() == dict.fromkeys("0123", "pushed")
    assert job.sent() == {**once(0, 1, 2), **once(3, each=3)}
    before = {one["SOPInstanceUID"] for one in job.orthanc.instances()}
    job.add(0, 1)
    job.run()
    assert {one["SOPInstanceUID"] for one in job.orthanc.instances()} == before
    check_no_name_in(*job.told)


@pytest.mark.parametrize(("transport", "retrieve"), [("both", "get"), ("dimse", "get"), ("dimse", "move")])
def test_studies_go_through_over_dicom_and_are_committed(tmp_path, transport, retrieve):
    port = free_port()
    orthanc = OrthancServer(tmp_path / "orthanc", modalities={"BREASTUSASSIST": ("127.0.0.1", port)}).start()
    try:
        job = Job(tmp_path / "work", orthanc)
        job.node = orthanc.node(transport=transport, listening_port=port, retrieve=retrieve)
        put(job, tmp_path, 0, 1, 2, 3)
        connections = NodeConnections({"archive": job.node}, job.secrets)
        job.connect = connections
        assert job.run().error is None
        assert job.states() == dict.fromkeys("0123", "pushed"), job.told
        assert job.sent() == once(0, 1, 2, 3)
        assert sum("and committed" in line for line in job.told) == 4
    finally:
        orthanc.kill()


def test_a_job_that_lost_its_last_answers_does_not_make_new_objects(job, tmp_path):
    put(job, tmp_path, 0, 1)
    job.run()
    before = {one["SOPInstanceUID"] for one in job.orthanc.instances()}
    with Ledger(job.folder.ledger) as ledger:
        # As if the program had been killed after the push, and once even before its results were noted.
        ledger._connection.execute("UPDATE item SET state = 'analyzed' WHERE name LIKE '%.0'")
        ledger._connection.execute("UPDATE item SET state = 'pulled' WHERE name LIKE '%.1'")
        ledger._connection.execute("DELETE FROM object WHERE item_id = (SELECT id FROM item WHERE name LIKE '%.1')")
    job.run()
    assert job.states() == {"0": "pushed", "1": "pushed"}
    assert {one["SOPInstanceUID"] for one in job.orthanc.instances()} == before
    assert any("already there" in line for line in job.told)


class Answers:
    """A node that answers as a test says."""

    def __init__(self, pushed=None, committed=None):
        self.pushed, self.committed, self.asked = pushed, committed, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def echo(self):
        pass

    def push(self, files, attend=None):
        self.asked += 1
        if isinstance(self.pushed, NodeError):
            raise self.pushed
        uids = [str(dcmread(path).SOPInstanceUID) for path in files]
        return tuple(PushOutcome(uid, self.pushed or "sent", "no room") for uid in uids)

    def commit(self, files):
        uids = [str(dcmread(path).SOPInstanceUID) for path in files]
        return CommitOutcome(frozenset(uids if self.committed else ()))


@pytest.mark.parametrize(
    ("answers", "asked", "words"),
    [
        (Answers(pushed="refused"), 1, "refused 2 of its objects: no room"),
        (Answers(), QUICK.attempts, "does not keep what it took"),
        (Answers(pushed=NodeError("It talks nonsense.", "nonsense")), 1, "nonsense"),
        (Answers(pushed=NodeError("It hung up.", "dropped")), QUICK.attempts, "hung up"),
    ],
)
def test_a_node_that_does_not_take_one_study_is_not_asked_for_ever(job, tmp_path, answers, asked, words):
    job.orthanc.store(*write_study(tmp_path / "in", 0))
    job.add(0, destination=None, hold=True)
    job.run()
    with Ledger(job.folder.ledger) as ledger:
        ledger.release_held("archive", now=0.0)
    answers.asked = 0
    job.connect = lambda name: answers
    assert job.run(clock=HastyClock()).error is None
    assert (job.states(), answers.asked) == ({"0": "failed"}, asked) and words in job.note(0)


def test_images_are_removed_once_the_drafts_are_there(job, tmp_path):
    put(job, tmp_path, 0)
    job.add(7)
    job.run(drop_images=True)
    assert job.states() == {"0": "pushed", "7": "failed"}
    assert not job.folder.images(study_uid(0)).exists() and job.folder.results(study_uid(0)).is_dir()


def test_a_search_waits_for_a_pacs_that_is_down(job, tmp_path):
    put(job, tmp_path, 0, 1)
    job.orthanc.kill()
    clock = HastyClock()

    def connect():
        if clock.now() > 1e9 + 600 and not job.orthanc.running:
            job.orthanc.start()
        return job.connect("archive")

    query = StudyQuery(modality="US")
    assert set(find_patiently(connect, query, clock=clock, tell=job.told.append)) == {study_uid(0), study_uid(1)}
    assert job.connections < 25 and len(job.told) == 1
    job.orthanc.kill()
    with pytest.raises(NodeError):
        find_patiently(lambda: job.connect("archive"), query, clock=clock, patience=Patience(give_up_s=60))


def test_only_ultrasound_is_pulled_and_studies_without_it_are_set_aside(job, tmp_path):
    put(job, tmp_path, 0, 1)
    for number in (1, 2):
        (path,) = write_study(tmp_path / "ct", number)
        other = dcmread(path)
        other.SOPClassUID = other.file_meta.MediaStorageSOPClassUID = CTImageStorage
        other.Modality = "CT"
        other.SOPInstanceUID = other.file_meta.MediaStorageSOPInstanceUID = f"{study_uid(number)}.9"
        other.SeriesInstanceUID = f"{study_uid(number)}.8"
        other.save_as(path, enforce_file_format=True)
        job.orthanc.store(path)
    job.add(2)
    job.run()
    assert job.states() == {"0": "pushed", "1": "pushed", "2": "set_aside"}
    assert job.sent() == once(0, 1)
    assert len(list(job.folder.images(study_uid(1)).iterdir())) == 1


def test_one_broken_study_costs_the_others_nothing(job, tmp_path):
    put(job, tmp_path, 0, 1, 2)
    job.add(7)

    def analyst(inputs, out):
        if inputs[0].name == study_uid(1):
            raise ZeroDivisionError("Zwetschgenkern^Ottilie")
        return quick_analyst(inputs, out)

    assert job.run(analyst).error is None
    assert job.states() == {"0": "pushed", "1": "failed", "2": "pushed", "7": "failed"}
    assert "ZeroDivisionError" in job.note(1) and "does not hold" in job.note(7)
    assert not any(path.name.startswith(".") for path in (job.folder.root / "results").iterdir())
    check_no_name_in(*job.told, job.note(1))
    with Ledger(job.folder.ledger) as ledger:
        ledger.retry_failed(now=0.0)
    job.run()
    assert job.states() == {"0": "pushed", "1": "pushed", "2": "pushed", "7": "failed"}


def test_a_pacs_that_is_down_for_an_hour_loses_nothing(job, tmp_path):
    put(job, tmp_path, *range(8))
    clock, back = HastyClock(), threading.Event()
    begun = clock.now()

    def analyst(inputs, out):
        if inputs[0].name == study_uid(2):
            job.orthanc.kill()
        return quick_analyst(inputs, out)

    def nurse():
        end = time.monotonic() + 90
        while time.monotonic() < end and (job.orthanc.running or clock.now() < begun + 3600):
            time.sleep(0.005)
        job.orthanc.start()
        back.set()

    thread = threading.Thread(target=nurse)
    thread.start()
    try:
        work = job.run(analyst, clock, patience=Patience(), ahead=3)
    finally:
        thread.join()
    assert back.is_set() and clock.now() > begun + 3600 and work.error is None
    assert job.states() == {str(number): "pushed" for number in range(8)}
    assert job.sent() == once(*range(8))
    assert job.connections < 400, "while it is down it is asked about once a minute, not all the time"
    assert sum("asked again later" in line for line in job.told) <= 2 and "archive answers again" in job.told
    check_no_name_in(*job.told)


def test_a_pacs_that_stays_away_ends_the_job_and_the_next_one_goes_on(job, tmp_path):
    put(job, tmp_path, 0, 1)
    job.orthanc.kill()
    work = job.run(clock=HastyClock(), patience=Patience(give_up_s=600))
    assert work.error is not None and work.error.kind == "unreachable"
    assert job.states() == {"0": "found", "1": "found"}
    job.orthanc.start()
    assert job.run().error is None
    assert job.sent() == once(0, 1)


def test_a_wrong_password_is_not_tried_over_and_over(job, tmp_path):
    put(job, tmp_path, *range(5))
    job.secrets = SecretStore(environment={"BREASTUS_PACS_ARCHIVE_PASSWORD": "planted-secret-wrong"})
    work = job.run()
    assert work.error.kind == "credentials" and job.connections <= 2
    assert job.states() == {str(number): "found" for number in range(5)}
    check_no_name_in(*job.told, str(work.error))


def test_drafts_that_are_held_go_nowhere_until_released(job, tmp_path):
    job.orthanc.store(*write_study(tmp_path / "in", 0))
    job.add(0, destination=None, hold=True)
    job.run()
    assert job.states() == {"0": "waiting"} and job.sent() == {}
    with Ledger(job.folder.ledger) as ledger:
        ledger.release_held("archive", now=0.0)
    job.run()
    assert job.states() == {"0": "pushed"} and job.sent() == once(0)


def test_a_result_that_was_changed_is_not_sent(job, tmp_path):
    job.orthanc.store(*write_study(tmp_path / "in", 0))
    job.add(0, destination=None, hold=True)
    job.run()
    (report,) = job.folder.results(study_uid(0)).glob("*/sr.dcm")
    report.write_bytes(report.read_bytes() + b"\0\0")
    with Ledger(job.folder.ledger) as ledger:
        ledger.release_held("archive", now=0.0)
    job.run()
    assert job.states() == {"0": "failed"} and job.sent() == {} and "was changed" in job.note(0)


def test_a_full_disk_stops_the_work_and_leaves_the_study_as_it_was(job, tmp_path):
    put(job, tmp_path, 0, 1)
    full = [True]

    def analyst(inputs, out):
        if full:
            raise OutputError("The disk is full; free space.")
        return quick_analyst(inputs, out)

    work = job.run(analyst, HastyClock(), patience=Patience(give_up_s=300))
    assert isinstance(work.error, OutputError) and set(job.states().values()) <= {"found", "pulled"}
    full.clear()
    assert job.run(analyst).error is None
    assert job.sent() == once(0, 1)


def test_a_job_stops_soon_and_goes_on_where_it_was(job, tmp_path):
    put(job, tmp_path, *range(6))
    with job.work(transfers=1) as work:

        def analyst(inputs, out):
            if inputs[0].name == study_uid(1):
                work.stop()
            return quick_analyst(inputs, out)

        work._analyst = analyst
        work.run()
    assert work.error is None and "pushed" not in {job.states()[number] for number in "2345"}
    job.run()
    assert job.sent() == once(*range(6))
