"""The label store as a reader's day uses it: put, look again, revise, restore, go on."""

import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.verification import verify_store
from label_samples import KEY, NAME, drafted, label, outlines, picture, reading

STORED = Path(__file__).parent / "data" / "label-store-1.0.zip"
"""A store as the release of that format wrote it: one case of three versions, one of one."""


@pytest.fixture(params=[True, False], ids=["encrypted", "unencrypted"])
def store(request, tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=request.param, secret=KEY) as made:
        yield made


def test_a_label_is_read_back_as_the_reader_left_it(store):
    record = store.put(label(1, edit=9, patient="P-1", frames={1: picture(1)}))
    folder = store.folder
    store.close()
    with LabelStore.open(folder, secret=KEY) as again:
        assert again.get(record.case) == record
        assert np.array_equal(again.result(record).labels(), outlines(9))
        assert np.array_equal(again.drafts(record)[0].labels(), outlines(1))
        assert np.array_equal(again.frame(record, 1), picture(1)) and again.frame_numbers(record) == (1,)
        (analysis,) = again.analyses(record)
    assert analysis["lesions"] == drafted().model_dump(mode="json")["lesions"]
    said = reading().model_dump(exclude={"case"})
    assert record.reading.model_dump(exclude={"case"}) == said
    assert (record.reader, record.decision, record.seconds_spent) == ("AB", "accepted", 61.5)
    assert record.tools == ("click", "scribble", "removed")
    assert [model.sha256 for model in record.models] == [drafted().model.sha256]
    assert record.spacing == drafted().source.spacing


def test_every_change_is_a_version_and_none_is_overwritten(store):
    records = [store.put(label(1, kind, edit)) for kind, edit in (("autosaved", 2), ("autosaved", 3), ("accepted", 3))]
    case = records[0].case
    assert [(one.version, one.parent, one.kind) for one in store.history(case)] == [
        (1, None, "autosaved"),
        (2, 1, "autosaved"),
        (3, 2, "accepted"),
    ]
    for record, edit in zip(records, (2, 3, 3), strict=True):
        assert store.get(case, record.version) == record
        assert np.array_equal(store.result(record).labels(), outlines(edit))
    assert store.latest(case) == records[-1]


def test_putting_the_same_again_adds_nothing(store):
    first = store.put(label(1))
    longer = reading(seconds_spent=99.0, decided="2027-01-01T00:00:00+00:00")
    assert store.put(label(1, reading=longer)) == first
    assert store.put(label(1, reading=reading("CD"))).version == 2
    assert store.put(label(1)).version == 3, "only the latest version counts: going back is a change"


def test_a_version_made_from_an_older_one_says_so(store):
    for edit in (2, 3):
        store.put(label(1, edit=edit))
    assert store.put(label(1, edit=4, parent=1)).parent == 1
    for missing in (0, 4):
        with pytest.raises(UsageError, match=f"no version {missing}"):
            store.put(label(1, edit=5, parent=missing))
    with pytest.raises(UsageError, match="no version 1"):
        store.put(label(2, parent=1))
    assert len(store.history(store.case_of(label(1).image))) == 3


def test_an_older_version_is_brought_back_as_a_new_one(store):
    old, new = store.put(label(1, edit=2)), store.put(label(1, "rejected", 3))
    back = store.restore(old.case, 1, "CD")
    assert (back.version, back.parent, back.restored_from, back.restored_by) == (3, 2, 1, "CD")
    assert (back.kind, back.result, back.reading) == (old.kind, old.result, old.reading)
    assert store.get(old.case, 2) == new and store.latest(old.case) == back
    assert store.restore(old.case, 1, "CD") == back


def test_frames_once_stored_stay_with_later_versions(store):
    cine = [picture(seed) for seed in range(3)]
    image = identity_of(cine, "cine")
    masks = MaskStack.of_labels(outlines(0, 2), first_frame=2)
    colour = np.stack([picture(7), picture(8), picture(9)], axis=-1)
    store.put(label(image=image, result=masks, runs=[], frames={2: cine[1]}))
    record = store.put(label(image=image, result=masks, runs=[], kind="autosaved", frames={3: colour}))
    assert store.frame_numbers(record) == (2, 3)
    assert np.array_equal(store.frame(record, 2), cine[1]) and np.array_equal(store.frame(record, 3), colour)
    with pytest.raises(InputError, match=r"Frame 1 .* is not stored"):
        store.frame(record, 1)


def test_cases_are_told_apart_by_their_pixels_and_come_in_order(store):
    cases = [store.put(label(seed, kind)).case for seed, kind in enumerate(["autosaved", "accepted", "autosaved"])]
    assert len(set(cases)) == 3 and [one.case for one in store.list()] == cases
    assert [one.case for one in store.list(["accepted"])] == [cases[1]]
    assert [one.entry for one in store.list()] == [2, 3, 4], "behind the entry of the store itself"
    assert store.next_case() == cases[0] and store.next_case(cases[0]) == cases[2] and store.next_case(cases[2]) is None
    assert store.next_case(kinds=["rejected"]) is None
    store.put(label(0, "rejected"))
    assert store.next_case() == cases[2]
    assert store.counts() == {"accepted": 1, "rejected": 1, "autosaved": 1, "imported": 0}


def test_a_clock_set_back_changes_no_order(tmp_path):
    clock = iter([2e9, 2e9, 2e9 - 5e8, 2e9 - 1e9, -5.0])
    with LabelStore.create(tmp_path / "store", secret=KEY, clock=lambda: next(clock)) as store:
        records = [store.put(label(1, edit=edit)) for edit in (1, 2, 3)]
        assert [record.created[:4] for record in records] == ["2017", "2001", "1969"]
        assert [one.version for one in store.history(records[0].case)] == [1, 2, 3]
        assert store.latest(records[0].case) == records[-1]
    assert not verify_store(tmp_path / "store", secret=KEY).damages


def test_no_patient_is_named_anywhere(store):
    record = store.put(label(1, patient=f"{NAME} 1970", frames={1: picture(1)}))
    other = store.put(label(2, patient=f"{NAME} 1970"))
    assert record.patient == other.patient != store.put(label(3, patient="another")).patient
    assert store.put(label(1, "rejected")).patient == record.patient, "a later version keeps the patient"
    texts = [record.model_dump_json(), *map(str, store.analyses(record))]
    folder = store.folder
    store.close()
    stored = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(part in text for text in texts for part in ("Doe", "Jane", "1970"))
    assert not any(part in content for content in stored for part in (b"Doe", b"Jane"))


def test_an_encrypted_store_shows_nothing_without_its_key(tmp_path):
    with LabelStore.create(tmp_path / "store", secret=KEY) as store:
        record = store.put(label(1, frames={1: picture(1)}))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    for secret in (b"AB", b"1.2.826", record.image.sha256.encode(), picture(1).tobytes()[:64]):
        assert secret not in stored if len(secret) > 2 else True
    addresses = {path.name for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()}
    with LabelStore.create(tmp_path / "other", secret=KEY) as other:
        assert other.put(label(1, frames={1: picture(1)})).case != record.case
    others = {path.name for path in (tmp_path / "other" / "blobs").rglob("*") if path.is_file()}
    assert not addresses & others, "an address must not tell that two stores hold the same image"


@pytest.mark.parametrize(
    "secret", [KEY, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "correct horse battery staple", "größe-größe"]
)
def test_keys_and_passphrases_open_what_they_closed(secret, tmp_path, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", secret)
    with LabelStore.create(tmp_path / "store") as store:
        record = store.put(label(1))
    with LabelStore.open(tmp_path / "store") as store:
        assert store.latest(record.case) == record
    monkeypatch.setenv("BREASTUS_KEY", "f" * 64)
    with pytest.raises(UsageError, match=r"key does not fit the label store .*\.$"):
        LabelStore.open(tmp_path / "store")
    monkeypatch.delenv("BREASTUS_KEY")
    with pytest.raises(UsageError, match="neither in BREASTUS_KEY nor"):
        LabelStore.open(tmp_path / "store")


def test_a_short_passphrase_is_refused(tmp_path):
    with pytest.raises(UsageError, match="too short"):
        LabelStore.create(tmp_path / "store", secret="secret")
    assert not (tmp_path / "store").exists()


def test_what_does_not_fit_is_refused_and_nothing_is_stored(store):
    bad = [
        label(1, result=MaskStack.of_labels(outlines(1, 2))),
        label(1, frames={1: picture(1, 9, 9)}),
        label(1, frames={2: picture(1)}),
        label(1, frames={1: picture(1).astype(float)}),
        label(1, runs=[(drafted(), MaskStack.of_labels(outlines(1, 1, 9, 9)))]),
        label(1, reading=None),
        label(1, reading=reading("")),
        label(1, reading=reading(decision="open")),
        label(1, "rejected", reading=reading()),
    ]
    for new in bad:
        with pytest.raises(InputError, match=r"\.$"):
            store.put(new)
    assert store.list() == () and store.latest(store.case_of(label(1).image)) is None
    for name in ("", "case-x", "../../etc", "case-" + "a" * 17, "case-" + "A" * 16):
        with pytest.raises(InputError, match="no name of a case"):
            store.get(name)
    with pytest.raises(InputError, match="is not in the label store"):
        store.get("case-" + "a" * 16)


def test_a_store_of_the_first_version_still_opens_and_goes_on(tmp_path):
    with zipfile.ZipFile(STORED) as archive:
        archive.extractall(tmp_path / "store")
    assert not verify_store(tmp_path / "store", secret=KEY).damages
    with LabelStore.open(tmp_path / "store", secret=KEY) as store:
        case = store.case_of(label(1).image)
        assert [(one.version, one.kind) for one in store.history(case)] == [
            (1, "autosaved"),
            (2, "accepted"),
            (3, "autosaved"),
        ]
        assert np.array_equal(store.result(store.get(case, 2)).labels(), outlines(7))
        assert np.array_equal(store.frame(store.get(case, 1), 1), picture(1))
        assert store.put(label(1, edit=4, patient="P1")).version == 4
    assert not verify_store(tmp_path / "store", secret=KEY).damages


def test_a_copied_store_is_a_store(store, tmp_path):
    record = store.put(label(1))
    folder = store.folder
    store.close()
    shutil.copytree(folder, tmp_path / "moved")
    with LabelStore.open(tmp_path / "moved", secret=KEY) as moved:
        assert moved.latest(record.case) == record


def test_threads_and_a_second_store_object_may_put_at_once(store):
    with LabelStore.open(store.folder, secret=KEY) as second:
        work = [
            threading.Thread(target=lambda one=one, edit=edit: one.put(label(1, edit=edit)))
            for edit, one in enumerate([store, second] * 6)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        case = store.case_of(label(1).image)
        assert [one.version for one in store.history(case)] == list(range(1, 13)) and store.head() == second.head()
    assert not store.verify().damages


def test_what_is_done_with_a_store_is_in_its_trail(store):
    before = store.head()
    store.note("exported", format="nnunet", records=3)
    assert store.head() != before and store.list() == () and not store.verify().damages
