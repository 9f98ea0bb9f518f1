"""Faults of a whole node, told from those of one study: one that is away or full costs no study its tries."""

import argparse
import threading
import time

import pytest
from BreastUSAssistLib.command_line import pacs, pacs_work
from BreastUSAssistLib.dicom.network.errors import NodeError
from BreastUSAssistLib.dicom.network.node_settings import Retries
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.service.pacs.connecting import NodeConnections
from BreastUSAssistLib.service.pacs.outages import Patience
from dicom.small_studies import write_study
from dicom.test_pacs_work import HastyClock, Job, once, put
from tiny_bundles import tiny_outline_bundle


def test_a_pacs_that_is_away_behind_its_gateway_loses_nothing(tmp_path, orthanc, https, certificates):
    job = Job(tmp_path / "work", orthanc)
    web = job.node.web.model_copy(update={"url": https.web_url, "ca_file": certificates.authority})
    node = job.node.model_copy(update={"web": web, "retries": Retries(attempts=1)})
    job.connect = NodeConnections({"archive": node}, job.secrets)
    put(job, tmp_path, *range(3))
    clock = HastyClock()
    begun = clock.now()
    orthanc.kill()

    def nurse():
        end = time.monotonic() + 60
        while time.monotonic() < end and clock.now() < begun + 3600:
            time.sleep(0.005)
        orthanc.start()

    thread = threading.Thread(target=nurse)
    thread.start()
    try:
        work = job.run(clock=clock, patience=Patience())
    finally:
        thread.join()
    assert work.error is None and clock.now() > begun + 3600
    assert job.states() == dict.fromkeys("012", "pushed")
    assert job.sent() == once(0, 1, 2)


class Failing:
    """A node that fails as a test says, and counts how often it is asked for a study."""

    def __init__(self, error, well=True):
        self.error, self.well, self.asked = error, well, 0

    def __call__(self, name):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def echo(self):
        if not self.well:
            raise self.error

    def instances(self, study_uid, attend=None):
        self.asked += 1
        raise self.error


def run_for(job, seconds, clock=None, **settings):
    """States after a job of so many seconds of its own clock."""
    clock = clock or HastyClock()
    begun = clock.now()
    with job.work(clock=clock, transfers=1, patience=Patience(), **settings) as work:
        thread = threading.Thread(target=work.run)
        thread.start()
        end = time.monotonic() + 60
        while thread.is_alive() and clock.now() < begun + seconds and time.monotonic() < end:
            time.sleep(0.002)
        work.stop()
        thread.join()
    return job.states()


@pytest.mark.parametrize(
    ("error", "well", "state"),
    [
        (NodeError("It is full.", "busy"), True, "found"),
        (NodeError("It hung up.", "dropped"), False, "found"),
        (NodeError("It hung up.", "dropped"), True, "failed"),
    ],
)
def test_only_what_a_study_does_wrong_by_itself_uses_up_its_tries(tmp_path, orthanc, error, well, state):
    job = Job(tmp_path / "work", orthanc)
    job.connect = Failing(error, well)
    job.add(0)
    assert run_for(job, 3600) == {"0": state}
    assert job.connect.asked < 100


def test_a_listener_does_not_lock_the_account_that_its_password_is_wrong_for(tmp_path, orthanc):
    job = Job(tmp_path / "work", orthanc)
    job.connect = Failing(NodeError("It does not know us.", "credentials"))
    job.add(*range(3))
    assert run_for(job, 3 * 3600, endless=True) == dict.fromkeys("012", "found")
    assert 2 <= job.connect.asked <= 5


def test_waiting_for_a_node_is_no_work(tmp_path, orthanc):
    waits = []

    class Counting(HastyClock):
        def idle(self, news, seconds):
            waits.append(seconds)
            super().idle(news, seconds)

    job = Job(tmp_path / "work", orthanc)
    job.connect = Failing(NodeError("Nobody is there.", "unreachable"))
    job.add(*range(20))
    assert set(run_for(job, 600, clock=Counting()).values()) == {"found"}
    assert sum(seconds < 0.1 for seconds in waits) < len(waits) / 10


def test_a_disk_that_is_full_is_no_fault_of_the_image(tmp_path):
    parser = argparse.ArgumentParser()
    pacs.add_to(parser.add_subparsers())
    asked = ["pacs", "run", "--node", "archive", "--hold", "--work", str(tmp_path / "work")]
    model = ["--model", str(tiny_outline_bundle()), "--reader", "none", "--backend", "onnxruntime"]
    analyst = pacs_work._analyst(parser.parse_args([*asked, *model]))
    (image,) = write_study(tmp_path / "in", 0)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        analyst([image], tmp_path / "file" / "out")
