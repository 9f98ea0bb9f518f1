"""The gate of the label store: what lets pictures in, what is done to them, and what leaves the store again."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.labels.adding import add_images
from BreastUSAssistLib.labels.cleaning import clean_store
from BreastUSAssistLib.labels.export_query import ExportQuery
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.image_identity import identity_of_clip
from BreastUSAssistLib.labels.picture_evidence import has_pictures, with_evidence
from BreastUSAssistLib.labels.picture_gate import PictureGate
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.learning.label_data import LabelQuery, label_data
from BreastUSAssistLib.service.label_export import WRITERS
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import TextBox
from BreastUSAssistLib.ultrasound.phantom import render
from BreastUSAssistLib.ultrasound.phantom_dicom import save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from label_requests import Process
from label_samples import DECLARED, GATE, KEY, label, picture
from PIL import Image

OLD = Path(__file__).parent / "data" / "label-store-imported-1.0.zip"
"""Of a release that asked for no evidence."""


class Finder:
    """Finds text at one place of a whole phantom, wherever what is searched of it begins."""

    version = "finder 1"

    def __init__(self, boxes: tuple = ((50, 40, 70, 120),)) -> None:
        self.boxes = boxes
        self.searched = 0

    def __call__(self, searched: np.ndarray) -> list[TextBox]:
        self.searched += 1
        return [TextBox(box) for box in self.boxes]


def cleaning(*boxes: tuple) -> PictureGate:
    return PictureGate(open_finder=lambda: Finder(boxes))


def without_finder() -> PictureGate:
    def missing() -> Finder:
        raise UsageError("it is not installed")

    return PictureGate(open_finder=missing)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A phantom that says that it is de-identified, and one that does not."""
    folder = tmp_path_factory.mktemp("phantoms")
    made = render(PhantomSpec(240, 320, 0.14, seed=3))
    path = save_dicom(made, folder / "said.dcm")
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.PatientIdentityRemoved = "NO"
    dataset.save_as(folder / "plain.dcm")
    return path, folder / "plain.dcm"


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as made:
        yield made


def added(store, clip, gate):
    report = add_images(store, [clip], gate=gate)
    ((_, case, _),) = report.cases
    return store.latest(case), report


def test_a_header_that_says_so_lets_the_picture_in_as_it_is(store, files):
    clip = open_clip(files[0])
    record, report = added(store, clip, without_finder())
    assert record.deidentified.evidence == "header" and not report.withheld
    assert np.array_equal(store.frame(record, 1), clip.frame(0).pixels)


def test_without_evidence_and_finder_the_picture_stays_out_and_the_sentence_says_what_to_install(store, files):
    record, report = added(store, open_clip(files[1]), without_finder())
    assert record.frames is None and record.deidentified is None and not has_pictures(store, record)
    assert "install the text finder" in report.withheld[0] and "deidentify" in report.withheld[0]
    again, report = added(store, open_clip(files[1]), without_finder())
    assert again == record and report.count("there") == 1
    cleaned, report = added(store, open_clip(files[1]), cleaning())
    assert cleaned.version == 2 and report.count("added") == 1 and has_pictures(store, cleaned)


def test_a_picture_is_cleaned_outside_its_regions_and_its_text_filled(store, files):
    clip = open_clip(files[1])
    record, _ = added(store, clip, cleaning((50, 40, 70, 120)))
    was, now = clip.frame(0).pixels, store.frame(record, 1)
    top, left, bottom, right = clip.frame(0).regions[0].box
    kept = np.zeros(was.shape, bool)
    kept[top:bottom, left:right] = True
    text = np.zeros(was.shape, bool)
    text[top + 50 : top + 70, left + 40 : left + 120] = True
    assert was[~kept].any() and not now[~kept].any()
    assert np.array_equal(was[kept & ~text], now[kept & ~text])
    assert now[text].std() < was[text].std() / 2 and now[text].min() > 0
    said = record.deidentified
    assert (said.evidence, said.texts, said.finder) == ("cleaned", 1, "finder 1")
    assert said.blanked_share == pytest.approx(1 - (kept & ~text).mean(), abs=1e-4)
    assert record.case == store.case_of(identity_of_clip(clip)), "it is known again by its original pixels"


def test_what_is_mostly_text_stays_out(store, files):
    record, report = added(store, open_clip(files[1]), cleaning((0, 0, 200, 240)))
    assert record.frames is None and "looks like text" in report.withheld[0]


def test_a_named_person_may_declare_it(store, files):
    clip = open_clip(files[1])
    record, _ = added(store, clip, PictureGate(" Dr Who "))
    assert (record.deidentified.evidence, record.deidentified.by) == ("declared", "Dr Who")
    assert np.array_equal(store.frame(record, 1), clip.frame(0).pixels)


def test_the_store_itself_takes_no_picture_without_evidence(store):
    with pytest.raises(InputError, match="de-identified"):
        store.put(label(1, frames={1: picture(1)}, deidentified=None))
    record = store.put(label(1, frames={1: picture(1)}))
    assert store.put(label(1, edit=5)).deidentified == record.deidentified == DECLARED


def test_outlines_are_never_taken_for_surrounds(files):
    clip = open_clip(files[1])
    outlined = np.zeros(clip.frame(0).pixels.shape, bool)
    outlined[:12, :40] = True
    passed = cleaning()(clip, outlined)
    assert np.array_equal(passed.frames[1][:12, :40], clip.frame(0).pixels[:12, :40])


@pytest.fixture
def older(tmp_path):
    with zipfile.ZipFile(OLD) as archive:
        archive.extractall(tmp_path / "older")
    with LabelStore.open(tmp_path / "older", secret=KEY) as opened:
        yield opened


def export(store, out, form="datalist"):
    return export_labels(store, out, ExportQuery(format=form, kinds=("accepted", "imported")), WRITERS[form])


def test_pictures_of_an_older_store_leave_it_once_they_are_cleaned_or_declared(older, tmp_path):
    versions = {one.case: older.get(one.case) for one in older.list()}
    assert all(record.deidentified is None for record in versions.values())
    with pytest.raises(InputError, match="labels deidentify"):
        export(older, tmp_path / "none")
    assert export(older, tmp_path / "csv", "csv").record.counts.cases > 0
    with pytest.raises(InputError, match="labels deidentify"):
        label_data(older, LabelQuery(held_back=1e-9))
    bad = clean_store(older, without_finder())
    assert not bad.passed and "install" in bad.bad[0]
    report = clean_store(older, PictureGate("AB"))
    assert report.passed and not report.bad and clean_store(older, GATE).passed == []
    for case, old in versions.items():
        new = older.latest(case)
        if case in report.passed:
            same = {"version", "parent", "created", "software", "frames", "deidentified"}
            assert new.model_dump(exclude=same) == old.model_dump(exclude=same)
            assert with_evidence(older, old).deidentified == new.deidentified
    assert export(older, tmp_path / "out").record.counts.cases > 0
    assert label_data(older, LabelQuery(held_back=1e-9)).training
    assert not older.verify().damages


def test_restoring_an_older_version_does_not_bring_its_pictures_back(older):
    record = next(one for one in (older.get(each.case) for each in older.list()) if one.frames)
    clean_store(older, cleaning((2, 2, 9, 9)))
    cleaned = older.latest(record.case)
    restored = older.restore(record.case, record.version)
    assert restored.frames == cleaned.frames != record.frames and restored.deidentified.evidence == "cleaned"


def test_a_picture_that_stays_out_is_asked_for_once(tmp_path):
    process = Process(tmp_path)
    process.site.stores.gate = without_finder()
    first = process.autosave()
    assert first["picture"]["kept"] is False and "install" in first["picture"]["why"]
    again = process.autosave(case=first["case"], parent=first["version"], edit=7, spacing=None)
    assert again["version"] == 2 and again["picture"] is None
    anew = Process.__new__(Process)
    anew.store, anew.site, anew.told = process.store, type(process.site)(process.site.exchange), []
    assert anew.autosave(case=first["case"], parent=2, edit=8, spacing=None)["needs_frames"]
    process.site.close()
    anew.site.close()


def test_the_search_is_done_once_a_case(tmp_path):
    process, finder = Process(tmp_path), Finder(((5, 5, 9, 9),))
    process.site.stores.gate = PictureGate(open_finder=lambda: finder)
    first = process.autosave()
    assert first["picture"] == {
        "kept": True,
        "why": "",
        "evidence": "cleaned",
        "finder": "finder 1",
        "texts": 1,
        "blanked_share": first["picture"]["blanked_share"],
    }
    searched = finder.searched
    process.autosave(edit=4)
    assert process.keep(edit=5, case=first["case"], parent=2, spacing=None)["picture"] is None
    assert finder.searched == searched == 3
    process.site.close()


def test_the_command_cleans_an_older_store(older, tmp_path, capsys, monkeypatch):
    older.close()
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    call = ["labels", "deidentify", "--store", str(older.folder), "--json"]
    assert main([*call, "--deidentified", "public data set"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] and not said["failures"]
    assert main(call[:-1]) == 0 and "0 cases passed" in capsys.readouterr().out
    assert main(["labels", "show", said["passed"][0], "--store", str(older.folder)]) == 0
    assert "declared de-identified by public data set" in capsys.readouterr().out


def test_add_says_how_many_pictures_stayed_out(files, tmp_path, capsys, monkeypatch):
    from BreastUSAssistLib.ultrasound.deidentification import text_finding

    def missing(threads: int = -1) -> Finder:
        raise UsageError("it is not installed")

    monkeypatch.setattr(text_finding, "open_text_finder", missing)
    LabelStore.create(tmp_path / "store", encrypted=False).close()
    picture_file = tmp_path / "still.png"
    Image.fromarray(picture(3)).save(picture_file)
    assert main(["labels", "add", str(picture_file), str(files[1]), "--store", str(tmp_path / "store")]) == 0
    assert "2 without their pictures" in capsys.readouterr().out
