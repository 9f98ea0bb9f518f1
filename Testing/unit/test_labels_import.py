"""Import of images and masks from outside into a label store."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import BreastUSAssistLib
import nrrd
import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.birads.reading_view import NO_MODEL
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.dicom.segmentation import write_segmentation
from BreastUSAssistLib.dicom.slicer_segmentation import write_slicer_segmentation
from BreastUSAssistLib.labels.known_values import known_of, known_of_note, known_text
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.learning.manifest import load_image, mask_of, read_manifest
from BreastUSAssistLib.service.label_import import import_manifest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, PhantomSpec, render, save_dicom
from BreastUSAssistLib.ultrasound.reading import open_clip
from label_samples import GATE, KEY, drafted, outlines, picture, reading
from PIL import Image

REAL = {
    "breast": ("breast/images/", 3),
    "busbra": ("busbra/images/bus_0001-", 2),
    "busi": ("busi/images/", 2),
}


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as store:
        yield store


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def real_rows(data_root: Path) -> list[dict[str, str]]:
    with (data_root / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [
        row for start, count in REAL.values() for row in [r for r in rows if r["image"].startswith(start)][:count]
    ]
    return [*chosen, next(row for row in rows if row["pathology"] == "normal")]


def save(path: Path, pixels: np.ndarray) -> str:
    Image.fromarray(pixels).save(path)
    return path.name


def only(store: LabelStore):
    (summary,) = store.list()
    return store.get(summary.case)


def masks_in(store: LabelStore) -> np.ndarray:
    result = store.result(only(store))
    assert result is not None
    return result.labels()


def test_real_images_are_in_the_store_with_all_that_their_table_says(store, data_root, tmp_path):
    rows = real_rows(data_root)
    manifest = table(tmp_path / "m.csv", rows)
    report = import_manifest(store, manifest, data_root, gate=GATE)
    assert (report.added, report.there, report.bad) == (len(rows), 0, [])
    patients = {}
    for row, cells, summary in zip(read_manifest(manifest, data_root), rows, store.list(), strict=True):
        record = store.get(summary.case)
        truth = mask_of(row)
        assert record.kind == "imported" and record.decision == "open"
        assert np.array_equal(store.frame(record, 1), load_image(row))
        assert np.array_equal(store.result(record).labels()[0], np.where(truth > 100, 0, truth))
        assert store.result(record).spoken == (1,)
        known = known_of(store, record)
        assert known["pathology"] == cells["pathology"]
        assert known.get("dataset", cells["dataset"]) == cells["dataset"]
        if cells["pixel_mm"]:
            assert record.spacing.row_mm == pytest.approx(float(cells["pixel_mm"]))
        patients.setdefault(cells["patient"], set()).add(record.patient)
        assert cells["patient"] not in record.model_dump_json()
    assert all(len(names) == 1 for names in patients.values()) and len(patients) < len(rows)
    breast = [row for row in rows if row["dataset"] == "breast"]
    for cells, summary in zip(breast, store.list(), strict=False):
        lesion = store.get(summary.case).reading.lesions[0]
        assert lesion.category == cells["birads"]
        assert lesion.descriptors["shape"] == cells["shape"]
        kinds = cells["margin"].removeprefix("not circumscribed - ")
        assert lesion.descriptors["margin"] == ("not_circumscribed" if "&" in kinds else kinds.replace(" ", "_"))
    assert store.verify().damages == []


def test_a_second_run_adds_nothing(store, data_root, tmp_path):
    manifest = table(tmp_path / "m.csv", real_rows(data_root))
    import_manifest(store, manifest, data_root, gate=GATE)
    head = store.head()
    again = import_manifest(store, manifest, data_root, gate=GATE)
    assert (again.added, again.there) == (0, len(store.list())) and store.head() == head


def test_a_run_cut_short_goes_on(store, root, tmp_path):
    rows = [{"image": save(root / f"{seed}.png", picture(seed)), "patient": "P"} for seed in range(4)]
    manifest = table(tmp_path / "m.csv", rows)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_manifest(store, manifest, root, progress=stop, gate=GATE)
    report = import_manifest(store, manifest, root, gate=GATE)
    assert (report.added, report.there) == (2, 2)
    assert len({store.get(one.case).patient for one in store.list()}) == 1


def test_an_import_hides_no_readers_label(store, root, tmp_path):
    image = save(root / "a.png", picture(0))
    row = {"image": image, "mask": save(root / "m.png", outlines(0)[0]), "pathology": "benign"}
    manifest = table(tmp_path / "m.csv", [row])
    import_manifest(store, manifest, root, gate=GATE)
    imported = only(store)
    left = MaskStack.of_labels(outlines(5))
    store.put(NewLabel("accepted", imported.image, left, reading(), [(drafted(), left)]))
    save(root / "m.png", outlines(1)[0])
    report = import_manifest(store, manifest, root, gate=GATE)
    assert (report.added, report.there, report.kept) == (0, 0, 1)
    assert only(store).kind == "accepted" and store.result(only(store)) == left
    assert known_of(store, only(store)) == {"pathology": "benign"}


def test_a_changed_mask_is_a_new_version(store, root, tmp_path):
    image = save(root / "a.png", picture(0))
    manifest = table(tmp_path / "m.csv", [{"image": image, "mask": save(root / "m.png", outlines(0)[0])}])
    import_manifest(store, manifest, root, gate=GATE)
    save(root / "m.png", outlines(1)[0])
    assert import_manifest(store, manifest, root, gate=GATE).added == 1
    assert only(store).version == 2 and np.array_equal(masks_in(store), outlines(1))


def test_two_rows_of_one_image_are_versions_of_one_case_and_told(store, root, tmp_path):
    save(root / "b.png", picture(0))
    rows = [
        {"image": save(root / name, picture(0)), "mask": save(root / f"m{name}", outlines(seed)[0])}
        for seed, name in enumerate(("a.png", "b.png"))
    ]
    manifest = table(tmp_path / "m.csv", rows)
    report = import_manifest(store, manifest, root, gate=GATE)
    assert report.added == 2 and "b.png has the same pixels as a.png" in report.notes[0]
    head = store.head()
    assert import_manifest(store, manifest, root, gate=GATE).there == 2 and store.head() == head


def test_an_image_without_a_mask_waits_and_a_normal_one_shows_no_lesion(store, root, tmp_path):
    rows = [
        {"image": save(root / "a.png", picture(0)), "pathology": ""},
        {"image": save(root / "b.png", picture(1)), "pathology": "normal"},
    ]
    import_manifest(store, table(tmp_path / "m.csv", rows), root, gate=GATE)
    waiting, normal = (store.get(one.case) for one in store.list())
    assert waiting.result is None
    assert store.result(normal).planes == {} and store.result(normal).spoken == (1,)


def test_pixels_can_be_left_out_and_come_later(store, root, tmp_path):
    manifest = table(tmp_path / "m.csv", [{"image": save(root / "a.png", picture(0))}])
    import_manifest(store, manifest, root, keep_pixels=False, gate=GATE)
    assert store.frame_numbers(only(store)) == ()
    assert import_manifest(store, manifest, root, gate=GATE).added == 1
    assert np.array_equal(store.frame(only(store), 1), picture(0))


@pytest.mark.parametrize("form", ["labels", "black and white", "colour", "palette", "one bit"])
def test_masks_of_many_programs_are_read_exactly(store, root, tmp_path, form):
    labels = outlines(0)[0]
    labels[0, 0] = 150 if form == "labels" else 0
    expected = np.where(labels > 100, 0, labels) if form in ("labels", "palette") else (labels > 0).astype(np.uint8)
    white = Image.fromarray(np.where(labels > 0, 255, 0).astype(np.uint8))
    mask = {"labels": Image.fromarray(labels), "black and white": white, "colour": white.convert("RGB")}.get(form)
    if form == "palette":
        mask = Image.fromarray(labels, "P")
        mask.putpalette([200, 10, 10] * 256)
    mask = mask or white.convert("1")
    mask.save(root / "m.png")
    manifest = table(tmp_path / "m.csv", [{"image": save(root / "a.png", picture(0)), "mask": "m.png"}])
    assert import_manifest(store, manifest, root, gate=GATE).bad == []
    assert np.array_equal(masks_in(store)[0], expected)


@pytest.fixture
def cine(root):
    """A phantom cine as DICOM, and label images of its frames."""
    save_dicom(render(PhantomSpec(160, 200, 0.2, lesions=(LesionSpec(),), frame_count=3)), root / "cine.dcm")
    clip = open_clip(root / "cine.dcm")
    frame = clip.frame(0)
    labels = np.concatenate([outlines(n, 1, frame.rows, frame.columns) for n in range(clip.frame_count)])
    labels[1] = 0
    labels[labels == 2] = 3
    return clip, labels


def lesions_of(labels: np.ndarray):
    first = drafted().lesions[0]
    return [first.model_copy(update={"number": int(n), "tracking_uid": f"1.2.{n}"}) for n in np.unique(labels) if n]


def test_a_cine_takes_its_masks_from_a_folder_a_segmentation_or_an_nrrd_file(store, root, tmp_path, cine):
    from datetime import datetime

    clip, labels = cine
    (root / "masks").mkdir()
    for number, one in enumerate(labels, 1):
        if number != 2:
            save(root / "masks" / f"cine_{number:04d}.png", one)
    write_segmentation(
        root / "seg.dcm", clip.headers, labels, lesions_of(labels), NO_MODEL, created=datetime(2026, 1, 2)
    )
    write_slicer_segmentation(root / "a.seg.nrrd", labels, lesions_of(labels), None, "cine")
    nrrd.write(str(root / "labels.nrrd"), labels.astype(np.int16), index_order="C")
    for mask in ("masks", "seg.dcm", "a.seg.nrrd", "labels.nrrd"):
        report = import_manifest(
            store, table(tmp_path / "m.csv", [{"image": "cine.dcm", "mask": mask}]), root, gate=GATE
        )
        assert report.bad == [], mask
        assert np.array_equal(masks_in(store), labels), mask
    # All of them say the same: one version.
    record = only(store)
    assert record.version == 1 and record.image.kind == "cine" and len(store.frame_numbers(record)) == len(labels)


def test_segments_that_slicer_cut_and_laid_over_each_other_come_to_their_place(store, root, tmp_path):
    first, second = np.zeros((2, 48, 65), bool)
    first[10:20, 12:30] = second[15:25, 20:40] = True
    layers = np.stack([first, second], axis=-1)[None, 10:25, 12:40].astype(np.uint8)
    header = {
        "kinds": ["list", "domain", "domain", "domain"],
        "Segmentation_ReferenceImageExtentOffset": "12 10 0",
        **{f"Segment{place}_ID": f"S{place}" for place in (0, 1)},
        **{f"Segment{place}_Layer": str(place) for place in (0, 1)},
        **{f"Segment{place}_LabelValue": "1" for place in (0, 1)},
    }
    nrrd.write(str(root / "m.seg.nrrd"), layers, header, index_order="C")
    manifest = table(tmp_path / "m.csv", [{"image": save(root / "a.png", picture(0)), "mask": "m.seg.nrrd"}])
    assert import_manifest(store, manifest, root, gate=GATE).bad == []
    result = store.result(only(store))
    assert np.array_equal(result.mask(1, 1), first) and np.array_equal(result.mask(1, 2), second)


def test_a_row_that_cannot_be_put_together_does_not_stop_the_others(store, root, tmp_path, cine):
    from datetime import datetime

    clip, labels = cine
    bare = pydicom.dcmread(root / "cine.dcm")
    write_segmentation(
        root / "seg.dcm", clip.headers, labels, lesions_of(labels), NO_MODEL, created=datetime(2026, 1, 2)
    )
    del bare.StudyInstanceUID
    bare.save_as(root / "bare.dcm")
    rows = [{"image": "bare.dcm", "mask": "seg.dcm"}, {"image": "cine.dcm", "mask": "seg.dcm"}]
    report = import_manifest(store, table(tmp_path / "m.csv", rows), root, gate=GATE)
    assert report.added == 1 and len(report.bad) == 1 and "StudyInstanceUID" in report.bad[0]


def test_bad_rows_are_named_and_the_good_ones_done(root, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    good = save(root / "good.png", picture(0))
    (root / "torn.png").write_bytes((root / "good.png").read_bytes()[:200])
    (root / "text.png").write_text("no mask")
    save(root / "small.png", np.ones((4, 4), np.uint8))
    colours = np.zeros((48, 65, 3), np.uint8)
    colours[..., 0] = 7
    save(root / "red.png", colours)
    other = save(root / "other.png", picture(1))
    bad = [
        {"image": "gone.png"},
        {"image": "torn.png"},
        {"image": "../../etc/passwd"},
        {"image": other, "mask": "gone-mask.png"},
        {"image": other, "mask": "small.png"},
        {"image": other, "mask": "text.png"},
        {"image": other, "mask": "red.png"},
        {"image": other, "pathology": "spiky"},
        {"image": "", "patient": "P"},
    ]
    manifest = table(tmp_path / "m.csv", [*bad[:4], {"image": good, "patient": "Doe^Jane"}, *bad[4:]])
    folder = str(tmp_path / "s")
    assert main(["labels", "init", "--store", folder]) == 0
    capsys.readouterr()
    call = [
        "labels",
        "import",
        "--store",
        folder,
        "--manifest",
        str(manifest),
        "--root",
        str(root),
        "--json",
        "--deidentified",
        "tests",
    ]
    assert main(call) == 3
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert (said["added"], said["bad"]) == (1, len(bad))
    names = ("gone.png", "torn.png", "passwd", "gone-mask.png", "small.png", "text.png", "red.png", "spiky", "Line 11")
    for name in names:
        assert name in err
    assert "Doe" not in out + err
    assert main(["labels", "list", "--store", folder]) == 0 and "1 imported" in capsys.readouterr().out


def test_a_killed_import_leaves_a_whole_store_and_goes_on(root, tmp_path, monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    rows = [{"image": save(root / f"{seed}.png", picture(seed, 300, 400))} for seed in range(40)]
    manifest = table(tmp_path / "m.csv", rows)
    folder = tmp_path / "s"
    LabelStore.create(folder).close()
    command = [sys.executable, "-m", "BreastUSAssistLib", "labels", "import", "--store", str(folder)]
    command += ["--manifest", str(manifest), "--root", str(root), "--deidentified", "tests"]
    child = subprocess.Popen(command, cwd=Path(BreastUSAssistLib.__file__).parents[1], stderr=subprocess.DEVNULL)
    while child.poll() is None:
        with LabelStore.open(folder) as store:
            done = len(store.list())
        if done > 3:
            child.kill()
    child.wait()
    with LabelStore.open(folder) as store:
        done = len(store.list())
        report = import_manifest(store, manifest, root, gate=GATE)
        assert (report.there, report.added) == (done, 40 - done)
        assert store.verify().damages == []


def test_known_values_come_back_from_their_text():
    values = {"pathology": "benign", "histology": "a; b: c", "name": "Doe^Jane", "fold": "2", "device": ""}
    text = known_text(values)
    assert "Doe" not in text
    assert known_of_note(text) == {"pathology": "benign", "histology": "a, b: c", "fold": "2"}
    assert known_of_note("seen with the colleague; pathology: benign") == {} == known_of_note("")
