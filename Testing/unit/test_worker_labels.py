"""Requests about the label store: what a reader left is kept, and comes back to whom it may come back."""

import os
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis, Spacing
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.errors import BreastUSAssistError, InputError, UsageError
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.label_packing import pack_labels, unpack_labels
from BreastUSAssistLib.service.worker_protocol import REQUESTS, take_array, write_array
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_requests import SHAPE, Process, array_of, draft, frames, masks, reading
from label_samples import KEY
from worker_child import answer, handed, new_client, poll_until


@pytest.fixture
def process(tmp_path):
    made = Process(tmp_path)
    yield made
    made.site.close()


def test_there_is_nothing_before_there_is_a_store(process):
    assert process.find(clip=process.clip()) == {"case": None}
    for do in ("worklist", "open_label"):
        with pytest.raises(InputError, match=r"There are no labels in .* yet"):
            process.ask(do, reader="AB", case="case-" + "a" * 16)
    assert not process.store.exists()
    for do in ("worklist", "open_label", "find_label"):
        with pytest.raises(UsageError, match="No folder"):
            process.ask(do, store="", reader="AB")


def test_what_a_reader_left_comes_back_as_it_was(process):
    kept = process.autosave(edit=7)
    assert (kept["version"], kept["kind"], kept["new"]) == (1, "autosaved", True)
    assert process.state(kept["case"]) == "in_work"
    opened = process.open(kept["case"])
    assert np.array_equal(array_of(opened, "frames"), frames(0))
    assert np.array_equal(array_of(opened, "labels"), masks(7))
    assert np.array_equal(np.load(opened["runs"][0]["labels"]), masks(0))
    run = Analysis.model_validate_json(Path(opened["runs"][0]["analysis"]).read_text())
    assert run.lesions == draft().lesions and run.case == kept["case"]
    back = Reading.model_validate_json(opened["reading"])
    assert back == reading("AB", "open").model_copy(update={"case": kept["case"]})
    assert opened["spacing"] == draft().source.spacing.model_dump()
    assert (opened["kind"], opened["times_ms"], opened["slice_mm"]) == ("cine", [0.0, 40.0, 80.0], None)
    assert (opened["parent"], opened["blind"], opened["dispute"], opened["notes"]) == (1, False, None, [])
    (version,) = opened["versions"]
    assert (version["version"], version["kind"], version["reader"]) == (1, "autosaved", "AB")


def test_an_image_is_found_by_its_pixels_its_hash_and_its_name(process):
    case = process.autosave(edit=7)["case"]
    sha256 = identity_of(frames(0), "cine").sha256
    answers = [process.find(**what) for what in ({"clip": process.clip()}, {"sha256": sha256}, {"case": case})]
    for found in answers:
        assert (found["case"], found["stored"], found["state"]) == (case, True, "in_work")
        assert np.array_equal(array_of(found, "labels"), masks(7))
        assert not {"frames", "times_ms", "spacing"} & set(found)
    assert process.find(clip=process.clip(1)) == {"case": None}
    assert process.find(sha256="0" * 64) == {"case": None}
    assert process.find(case="case-" + "a" * 16) == {"case": None}
    with pytest.raises(InputError, match="not understood"):
        process.find(sha256="none")
    with pytest.raises(InputError, match="All frames"):
        process.find(clip=process.clip(frame_count=5))


def test_the_same_work_is_stored_once_and_frames_are_not_sent_again(process):
    first = process.autosave(edit=7)
    again = process.autosave(edit=7)
    assert (again["name"], again["new"]) == (first["name"], False)
    process.told.clear()
    later = process.autosave(edit=8, case=first["case"], runs_of=1, runs=None, parent=1)
    assert (later["version"], later["new"], process.told) == (2, True, [])
    with LabelStore.open(process.store) as store:
        one, other = store.get(first["case"], 1), store.get(first["case"], 2)
        assert (one.runs, one.frames, one.spacing, one.image) == (other.runs, other.frames, other.spacing, other.image)
        assert other.parent == 1 and one.result != other.result
    assert process.keep(case=first["case"], edit=8)["kind"] == "accepted"
    elsewhere = process.autosave(case="case-" + "a" * 16)
    assert elsewhere == {"name": None, "needs_frames": True}


def test_a_case_whose_pixels_are_not_stored_asks_for_them(process):
    with LabelStore.create(process.store, encrypted=False) as store:
        from label_samples import label

        case = store.put(
            label(
                0,
                "imported",
                image=identity_of(frames(0), "cine"),
                runs=(),
                reading=None,
                result=MaskStack.of_labels(masks(3)),
            )
        ).case
    with pytest.raises(InputError, match=r"The image of case-.* is not in the label store; open the image itself"):
        process.open(case)
    found = process.find(clip=process.clip())
    assert found["stored"] is False and np.array_equal(array_of(found, "labels"), masks(3)) and found["runs"] == []
    assert process.autosave(case=case)["needs_frames"]
    assert process.autosave()["version"] == 2
    assert np.array_equal(array_of(process.open(case), "frames"), frames(0))


def test_packed_outlines_and_those_under_others_are_kept_whole(process):
    labels = masks(7)
    under = np.zeros(SHAPE[1:], bool)
    under[10:30, 10:30] = True
    labels[0][under] = 2
    packed = [pack_labels(image) for image in labels]
    hidden = [{"number": 1, "frame": 1, "pixels": pack_labels(under)}]
    runs = [{"analysis": draft().model_dump_json(), "packed": [pack_labels(one) for one in masks(0)]}]
    case = process.autosave(packed=packed, hidden=hidden, runs=runs, labels=None)["case"]
    opened = process.open(case)
    assert np.array_equal(np.load(opened["runs"][0]["labels"]), masks(0))
    labels[0][labels[0] == 1] = 0
    assert np.array_equal(array_of(opened, "labels"), labels), "what is said of lesion 1 as a whole is all of it"
    (told,) = opened["hidden"]
    assert (told["number"], told["frame"]) == (1, 1)
    assert np.array_equal(unpack_labels(told["pixels"], *SHAPE[1:]) > 0, under)
    for wrong in ({"packed": [*packed, packed[0]]}, {"packed": ["!"]}, {"packed": packed, "first_frame": 3}):
        with pytest.raises(InputError):
            process.autosave(labels=None, **wrong)


@given(labels=arrays(np.uint8, (2, 5, 6), elements=st.integers(0, 3)), hidden=st.booleans())
def test_masks_are_the_same_however_they_are_handed(tmp_path_factory, labels, hidden):
    from BreastUSAssistLib.service.worker_label_masks import handed_masks, hidden_planes, written_masks

    folder = tmp_path_factory.mktemp("exchange")
    path = str(write_array(folder, "labels", labels))
    given_hidden = [{"number": 3, "frame": 2, "pixels": pack_labels(labels[1] >= 2)}] if hidden else []
    one = handed_masks({"labels": path, "hidden": given_hidden}, labels.shape, [1])
    other = handed_masks({"packed": list(map(pack_labels, labels)), "hidden": given_hidden}, labels.shape, [1])
    assert one == other and one.to_bytes() == other.to_bytes()
    written = {"labels": written_masks(folder, "back", one), "hidden": hidden_planes(one)}
    assert handed_masks(written, labels.shape, one.spoken) == one


def test_requests_that_keep_nothing(process):
    open_one = reading("AB", "open").model_dump_json()
    decided = reading("AB", "accepted").model_dump_json()
    for what, words in (
        ({"reading": open_one}, "no label"),
        ({"reading": decided, "kind": "autosaved"}, "no work in progress|cannot be kept"),
        ({"reading": "{}"}, "could not be handed on"),
        ({"parent": 4}, "no version 4"),
        ({"settles": True}, "not in the label store"),
        ({"labels": process.array(masks(0)[:1])}, "do not fit"),
        ({"clip": process.clip(frame_count=7)}, "all frames"),
    ):
        with pytest.raises(BreastUSAssistError, match=words):
            process.keep(**what)
    with pytest.raises(UsageError, match="under its reader's name"):
        process.autosave(" ")
    if process.store.exists():
        with LabelStore.open(process.store) as store:
            assert store.list() == ()
    named = process.autosave("CD", reading=reading("", "open").model_dump_json())
    assert process.open(named["case"])["versions"][0]["reader"] == "CD"


def test_spacing_the_reader_measured_stands_above_that_of_the_draft(process):
    case = process.keep(clip=process.clip(spacing=(0.3, 0.2, "user")))["case"]
    assert process.open(case)["spacing"] == {"row_mm": 0.3, "column_mm": 0.2, "source": "user"}
    process.autosave(case=case)
    assert process.open(case)["spacing"] == draft().source.spacing.model_dump()
    measured = Spacing(row_mm=0.5, column_mm=0.5, source="user").model_dump()
    process.autosave(case=case, edit=9, spacing=measured)
    assert process.open(case)["spacing"] == measured
    alone = process.keep(seed=1, runs=[], clip=process.clip(1, spacing=(0.1, 0.1, "image_header")))["case"]
    assert process.open(alone)["spacing"] == {"row_mm": 0.1, "column_mm": 0.1, "source": "image_header"}


def test_a_damaged_record_is_a_sentence_and_the_next_one_is_stored(process):
    case = process.autosave("AB")["case"]
    process.autosave("AB", edit=7, case=case)
    process.site.close()
    import sqlite3

    connection = sqlite3.connect(process.store / "index.sqlite")
    connection.execute("DROP TRIGGER trail_unchanged")
    connection.execute("UPDATE trail SET text = zeroblob(40) WHERE version = 2")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match=f"{case}/2 is damaged"):
        process.open(case)
    assert any("is damaged" in one for one in process.ask("worklist", reader="AB")["damaged"])
    assert process.autosave("AB", edit=8)["version"] == 3
    opened = process.open(case)
    assert np.array_equal(array_of(opened, "labels"), masks(8)) and "/2 is damaged" in opened["notes"][0]


def test_a_store_whose_key_is_missing_is_a_sentence(process, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    case = process.autosave("AB", encrypted=True)["case"]
    process.site.close()
    monkeypatch.setenv("BREASTUS_KEY", "f" * 64)
    for do in ("worklist", "open_label", "find_label"):
        with pytest.raises(UsageError, match="key does not fit"):
            process.ask(do, reader="AB", case=case)
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    assert process.open(case)["case"] == case


def test_a_store_that_was_taken_away_or_replaced_is_not_written_to_any_more(process, tmp_path):
    case = process.autosave("AB")["case"]
    process.store.rename(tmp_path / "elsewhere")
    assert process.find(case=case) == {"case": None}
    LabelStore.create(process.store, encrypted=False).close()
    seal = (process.store / "index.seal").read_bytes()
    process.ask("worklist", reader="AB")
    assert (process.store / "index.seal").read_bytes() == seal, "the one that was there before seals it no more"
    assert process.autosave("AB", seed=1)["version"] == 1
    with LabelStore.open(tmp_path / "elsewhere") as before, LabelStore.open(process.store) as now:
        assert [one.case for one in before.list()] == [case] and before.header.id != now.header.id
        assert not now.history(case)
    process.site.close()
    for folder in (tmp_path / "elsewhere", process.store):
        with LabelStore.open(folder) as store:
            assert not store.verify().damages


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
def test_what_was_acknowledged_outlives_the_process(process):
    """The process is killed while it works; the one that follows goes on where the reader was."""
    client = new_client()
    try:
        said = {"store": str(process.store), "reader": "AB", "encrypted": False, "declared_by": "tests"}
        kept = []
        for edit in (7, 8):
            work = {
                "kind": "autosaved",
                "reading": reading("AB", "open").model_dump_json(),
                "runs": [{"analysis": draft().model_dump_json(), "packed": list(map(pack_labels, masks(0)))}],
                "packed": list(map(pack_labels, masks(edit))),
            }
            image = {"case": kept[0]["case"]} if kept else {"clip": handed(client, frames(0))}
            kept.append(answer(client, "keep_label", {**said, **work, **image}))
        assert answer(client, "worklist", {**said, "move": "next"})["case"] == kept[0]["case"]
        client.request("open_label", {**said, "case": kept[0]["case"]}, lambda event: None)
        client._child.process.kill()
        poll_until(client, lambda: not client.running)
        looked = answer(client, "worklist", said)
        assert (looked["case"], looked["state"]) == (kept[0]["case"], "in_work")
        opened = answer(client, "open_label", {**said, "case": kept[0]["case"]})
        assert np.array_equal(take_array(opened["frames"]), frames(0))
        assert np.array_equal(take_array(opened["labels"]), masks(8)) and opened["parent"] == kept[1]["version"] == 2
    finally:
        client.close()
    with LabelStore.open(process.store) as store:
        assert not store.verify().damages


def test_every_request_is_known(process):
    known = set(REQUESTS)
    assert {
        "worklist",
        "open_label",
        "find_label",
        "keep_label",
        "learning_state",
        "train",
        "promote",
        "rollback",
    } < known
    with pytest.raises(BreastUSAssistError, match="knows no request"):
        process.ask("unknown")
