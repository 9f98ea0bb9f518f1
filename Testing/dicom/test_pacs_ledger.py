"""The work ledger: forward only, on the disk, one owner an item, old files still read."""

import os
import sqlite3
import threading

import pytest
from BreastUSAssistLib.errors import InputError, OutputError, UsageError
from BreastUSAssistLib.service.pacs.ledger import Ledger
from BreastUSAssistLib.service.pacs.ledger_schema import NEWEST, VERSIONS
from BreastUSAssistLib.service.pacs.work_folder import WorkFolder, checked_name, checked_uid
from BreastUSAssistLib.service.pacs.work_item import ORDER, NewItem, StoredObject
from hypothesis import given, settings
from hypothesis import strategies as st

OBJECT = StoredObject("results/1.2.3/case/sr.dcm", "1.2.3.9", "ab" * 32)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def claimed(ledger, state="found", now=0.0, owner="me"):
    return ledger.claim(state, owner, now=now, lease_s=100)


def study(uid="1.2.3", **more):
    return NewItem(uid, "query", source="archive", destination="archive", **more)


def test_a_study_enters_once_and_moves_to_the_end(ledger):
    assert ledger.add(study(), now=1.0)
    assert not ledger.add(study(), now=2.0)
    item = ledger.advance(claimed(ledger), "pulled", "me", now=3.0)
    item = ledger.advance(claimed(ledger, "pulled", 3.0), "analyzed", "me", now=4.0, objects=[OBJECT])
    assert ledger.objects(item) == [OBJECT]
    ledger.set_outcome(item, [("1.2.3.9", "sent")])
    item = ledger.advance(claimed(ledger, "analyzed", 4.0), "pushed", "me", now=5.0)
    assert (item.state, ledger.objects(item)[0].outcome) == ("pushed", "sent")
    assert ledger.counts()["pushed"] == 1 and ledger.next_due(("found", "pulled", "analyzed")) is None


@settings(max_examples=30, deadline=None)
@given(moves=st.lists(st.sampled_from(ORDER), max_size=8))
def test_no_move_leads_backward(tmp_path_factory, moves):
    with Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite") as ledger:
        ledger.add(study(), now=0.0)
        for move in moves:
            item = ledger.item("1.2.3")
            if item.state in ("pushed", "set_aside", "failed"):
                break
            item = claimed(ledger, item.state)
            if ORDER.index(move) > ORDER.index(item.state):
                assert ledger.advance(item, move, "me", now=0.0).state == move
            else:
                with pytest.raises(UsageError, match="cannot become"):
                    ledger.advance(item, move, "me", now=0.0)
                ledger.postpone(item, "me", until=0.0, note="", counted=False, now=0.0)


def test_an_item_has_one_owner_until_its_lease_ends(ledger):
    ledger.add(study(), now=0.0)
    mine = claimed(ledger)
    assert claimed(ledger, owner="other") is None
    ledger.renew(mine, "me", now=50.0, lease_s=100)
    assert claimed(ledger, now=149.0, owner="other") is None
    assert claimed(ledger, now=151.0, owner="other") is not None
    with pytest.raises(UsageError, match="taken over"):
        ledger.advance(mine, "pulled", "me", now=152.0)
    assert ledger.item("1.2.3").state == "found"


def test_two_threads_never_get_the_same_item(ledger):
    for number in range(60):
        ledger.add(study(f"1.2.{number}"), now=0.0)
    got = []

    def take(owner):
        while (item := claimed(ledger, owner=owner)) is not None:
            got.append(item.name)

    threads = [threading.Thread(target=take, args=(str(number),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) == 60


def test_what_is_put_off_is_not_due_and_counts_its_tries(ledger):
    ledger.add(study(), now=0.0)
    ledger.postpone(claimed(ledger), "me", until=30.0, note="It broke off.", counted=True, now=0.0)
    assert claimed(ledger, now=29.0) is None and ledger.next_due(("found",)) == 30.0
    item = claimed(ledger, now=30.0)
    assert (item.attempts, item.note) == (1, "It broke off.")
    assert ledger.advance(item, "pulled", "me", now=31.0).attempts == 0


def test_a_clock_that_is_put_back_holds_up_nothing(ledger):
    ledger.add(NewItem("1.2.3", "received", next_try=1e9 + 30), now=1e9)
    assert ledger.claim("found", "a", now=1e9 - 30, lease_s=60) is None
    item = ledger.claim("found", "a", now=1e9 - 86400, lease_s=60)
    assert item is not None
    ledger.postpone(item, "a", until=1e9 - 86000, note="", counted=True, now=1e9 - 86400)
    assert ledger.claim("found", "a", now=1e9 - 86300, lease_s=60) is None


def test_a_node_that_rests_holds_up_no_other(ledger):
    ledger.add(study("1.2.1"), now=0.0)
    ledger.add(NewItem("1.2.2", "query", source="other"), now=0.0)
    assert ledger.claim("found", "me", now=1.0, lease_s=9, resting=("archive",)).name == "1.2.2"
    assert ledger.claim("found", "me", now=1.0, lease_s=9, resting=("archive",)) is None


def test_leases_of_a_killed_program_are_given_back(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add(study(), now=0.0)
        claimed(ledger)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert claimed(ledger, owner="other") is None
        assert ledger.free_leases() == 1
        assert claimed(ledger, owner="other") is not None


def test_received_images_are_known_again_and_late_ones_make_a_further_part(ledger):
    def arrive(uid, now, sha="a"):
        new = NewItem("1.2.3", "received", destination="archive", next_try=now + 10)
        return ledger.arrived(new, uid, sha, now=now)

    first = arrive("1.2.3.1", 0.0)
    assert (first.name, first.is_wanted) == ("1.2.3", True)
    assert arrive("1.2.3.1", 1.0).is_wanted, "the first one may not have been moved to its place"
    assert not arrive("1.2.3.1", 1.0, "other").is_same
    arrive("1.2.3.2", 5.0)
    assert ledger.next_due(("found",)) == 15.0
    assert claimed(ledger, now=14.0) is None
    ledger.advance(claimed(ledger, now=15.0), "pulled", "me", now=15.0)
    late = arrive("1.2.3.3", 20.0)
    assert (late.name, late.is_wanted) == ("1.2.3-2", True)
    again = arrive("1.2.3.1", 21.0)
    assert (again.name, again.is_wanted) == ("1.2.3", False)
    assert len(ledger.items()) == 2


def test_held_drafts_are_released_and_failed_studies_tried_again(ledger):
    ledger.add(study(hold=True), now=0.0)
    item = ledger.advance(claimed(ledger), "pulled", "me", now=0.0)
    ledger.advance(claimed(ledger, "pulled"), "waiting", "me", now=0.0, objects=[OBJECT])
    assert claimed(ledger, "analyzed") is None
    assert ledger.release_held("second", now=1.0) == 1
    item = claimed(ledger, "analyzed", now=1.0)
    assert item.destination == "second"
    ledger.advance(item, "failed", "me", now=2.0, note="It was refused.")
    ledger.add(study("1.2.4"), now=2.0)
    ledger.advance(claimed(ledger, now=2.0), "failed", "me", now=2.0)
    assert ledger.retry_failed(now=3.0) == 2
    assert [one.state for one in ledger.items()] == ["analyzed", "found"]
    assert ledger.objects(item) == [OBJECT], "what was made is pushed, nothing new is made"


def test_every_older_version_is_brought_to_this_one(tmp_path):
    for version in range(1, NEWEST + 1):
        path = tmp_path / f"{version}.sqlite"
        connection = sqlite3.connect(path)
        for statements in VERSIONS[:version]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(
            "INSERT INTO item (name, study_uid, origin, source, destination, state, next_try, added, changed) "
            "VALUES ('1.2.3', '1.2.3', 'query', 'a', 'b', 'pulled', 0, 0, 0)"
        )
        connection.execute(f"PRAGMA application_id={0x42555357}")
        connection.execute(f"PRAGMA user_version={version}")
        connection.commit()
        connection.close()
        with Ledger(path) as ledger:
            assert claimed(ledger, "pulled").destination == "b"


@pytest.mark.parametrize("change", ["newer", "other", "damaged", "text"])
def test_a_file_that_is_no_ledger_is_refused(tmp_path, change):
    path = tmp_path / "ledger.sqlite"
    if change == "text":
        path.write_text("not a database at all, but long enough to be looked at as one" * 20)
    else:
        with Ledger(path):
            pass
        connection = sqlite3.connect(path)
        connection.execute(
            {"newer": "PRAGMA user_version=999", "other": "PRAGMA application_id=7", "damaged": "PRAGMA user_version"}[
                change
            ]
        )
        connection.close()
    if change == "damaged":
        content = bytearray(path.read_bytes())
        content[0:16] = b"x" * 16
        path.write_bytes(content)
    with pytest.raises(InputError) as error:
        Ledger(path)
    assert str(error.value).startswith(str(path)) and str(error.value).endswith(".")


def test_a_ledger_on_a_file_where_a_folder_would_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be made"):
        Ledger(tmp_path / "file" / "ledger.sqlite")


def test_one_job_at_a_time_works_in_a_folder(tmp_path):
    folder = WorkFolder(tmp_path)
    with folder.alone(), pytest.raises(UsageError, match="Another program works"), WorkFolder(tmp_path).alone():
        pass
    with folder.alone():
        pass


@pytest.mark.parametrize("name", ["", "..", "../up", ".hidden", "a/b", "a\\b", "x" * 101, "na me", "1.2\n"])
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with pytest.raises(UsageError):
        checked_name(name)
    with pytest.raises(InputError):
        checked_uid(name)


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such permissions")
def test_a_folder_of_patients_that_is_made_here_is_for_its_owner_alone(tmp_path):
    with Ledger(tmp_path / "outbox" / "ledger.sqlite"):
        pass
    with WorkFolder(tmp_path / "work").alone():
        pass
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("outbox", "work")] == [0o700, 0o700]
