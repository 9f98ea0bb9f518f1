"""`breastusassist labels add`: any ultrasound into a store, where it waits for a reader."""

import json
from pathlib import Path

import nrrd
import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.labels.adding import add_images
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.worker_requests import Worksite, perform
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.phantom import render, save_dicom, save_png, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from BreastUSAssistLib.ultrasound.tissue import tissue_box
from label_samples import GATE, drafted, label, picture
from label_samples import reading as decided
from PIL import Image

PATIENT = "DOE_JANE_1950"
"""As a file may be called; it must be found nowhere in a store."""


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as made:
        yield made


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "in" / f"{PATIENT}.png"
    path.parent.mkdir()
    Image.fromarray(picture(0)).save(path)
    return path


def draft(clip: Clip) -> tuple[Analysis, MaskStack]:
    """A draft of any clip, without running a network."""
    assert clip.frame(0).pixels is clip.frame(0).pixels, "frames are decoded once"
    shape = (len(clip), clip.frame(0).rows, clip.frame(0).columns)
    source = drafted().source.model_copy(
        update={"kind": clip.kind, "frame_count": shape[0], "rows": shape[1], "columns": shape[2]}
    )
    frames = drafted().frames[: shape[0]]
    return drafted().model_copy(update={"source": source, "frames": frames}), MaskStack.of(shape, {})


def outcomes(store, clips, draft=None):
    report = add_images(store, clips, draft, gate=GATE)
    return [outcome for _, _, outcome in report.cases], report.bad


def opened(store: LabelStore, case: str, tmp_path: Path) -> dict:
    """The case as the panel is handed it."""
    site = Worksite(tmp_path)
    said = {"store": str(store.folder), "case": case, "reader": "AB"}
    answer = perform("open_label", said, site, lambda *_: None, lambda: None)
    site.close()
    return answer


def test_an_image_waits_and_is_drafted_later_and_nothing_comes_twice(store, image):
    clip = open_clip(image)
    assert outcomes(store, [clip, clip]) == (["added", "there"], [])
    (one,) = store.list()
    record = store.get(one.case)
    assert (record.kind, record.reader, record.reading, record.runs) == ("autosaved", "", None, ())
    assert np.array_equal(store.frame(record, 1), picture(0))
    assert outcomes(store, [clip], draft) == (["drafted"], [])
    assert outcomes(store, [clip], draft) == (["there"], [])
    assert outcomes(store, [clip]) == (["there"], [])
    assert len(store.history(one.case)) == 2 and store.frame_numbers(store.get(one.case)) == (1,)


def test_what_a_reader_or_an_import_left_stays_on_top(store, image):
    clip = open_clip(image)
    for kind, said in (("imported", None), ("autosaved", decided(decision="open")), ("accepted", decided())):
        record = store.put(label(0, kind, reading=said))
        assert outcomes(store, [clip], draft) == (["kept"], [])
        assert store.latest(record.case) == record


def test_bad_images_are_named_and_the_good_ones_added(store, image, tmp_path):
    def broken(index: int):
        raise ZeroDivisionError(PATIENT)

    clip = open_clip(image)
    odd = Clip("odd", "still", 1, broken, (tmp_path / "odd.png",))
    told: list[str] = []
    report = add_images(store, [InputError("gone.png is gone."), odd, clip], gate=GATE, tell=told.append)
    assert report.count("added") == 1 and len(report.bad) == 2
    assert report.bad[0] == "gone.png is gone." and "odd.png could not be added (ZeroDivisionError)" in report.bad[1]
    assert PATIENT not in report.bad[1] and len(told) == 3
    with pytest.raises(ZeroDivisionError):
        add_images(store, [odd], debug=True)


def test_still_cine_and_volume_open_as_they_were(store, tmp_path):
    cases = standard_cases()
    still = save_dicom(render(cases["irregular-spiculated"]), tmp_path / "in" / "still.dcm")
    cine = save_dicom(render(cases["cine"]), tmp_path / "in" / "cine.dcm")
    colour = tmp_path / "in" / "colour.png"
    Image.fromarray(np.stack([picture(1), picture(2), picture(3)], axis=2)).save(colour)
    volume = tmp_path / "in" / "volume.nrrd"
    voxels = np.random.default_rng(0).integers(0, 255, (31, 24, 5), np.uint8)
    nrrd.write(str(volume), voxels, {"space": "left-posterior-superior", "space directions": np.diag([0.2, 0.3, 0.5])})
    for path, kind in ((still, "still"), (cine, "cine"), (colour, "still"), (volume, "volume")):
        clip = open_clip(path)
        ((_, case, _),) = add_images(store, [clip], gate=GATE).cases
        answer = opened(store, case, tmp_path)
        pixels = np.stack([frame.pixels for frame in clip])
        frames = np.load(answer["frames"])
        assert answer["kind"] == kind and frames.shape[:3] == pixels.shape[:3]
        assert np.array_equal(frames, pixels if frames.ndim == pixels.ndim else pixels[..., 0])
        assert (answer["state"], answer["runs"], answer["reading"], answer["labels"]) == ("waiting", [], None, None)
        spacing = clip.frame(0).spacing_in(tissue_box(clip.frame(0)))
        assert answer["slice_mm"] == clip.slice_mm
        assert answer["times_ms"] == (None if clip.times_ms is None or len(clip) == 1 else pytest.approx(clip.times_ms))
        assert answer["spacing"] == (None if spacing is None else vars(spacing))


def test_the_command_adds_folders_and_names_bad_files(image, tmp_path, capsys):
    save_png(render(standard_cases()["normal"]), tmp_path / "in" / "more")
    (tmp_path / "in" / "bad.png").write_text("no image")
    store = str(tmp_path / "labels")
    assert main(["labels", "init", "--store", store, "--unencrypted"]) == 0
    capsys.readouterr()
    words = ["labels", "add", str(image.parent), "--store", store, "--deidentified", "tests"]
    assert main([*words, "--json"]) == 3
    out, err = capsys.readouterr()
    said = json.loads(out)
    assert [one["outcome"] for one in said["cases"]][:1] == ["added"] and "bad.png" in said["failures"][0]
    assert "bad.png" in err
    assert main(words) == 3
    assert "there already, 1 could not be added." in capsys.readouterr().out
    assert main(["labels", "add", str(image), "--store", store, "--deidentified", "tests"]) == 0
    assert main(["labels", "add", str(image), "--store", str(tmp_path / "none")]) == 3


def test_drafts_are_made_by_the_model_in_use_and_name_no_file(image, tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip("monai", reason="MONAI is not installed")
    from tiny_bundles import tiny_outline_bundle

    folder = tmp_path / "labels"
    main(["labels", "init", "--store", str(folder), "--unencrypted"])
    tiny = ["--model", str(tiny_outline_bundle()), "--reader", "none", "--backend", "torch"]
    assert main(["labels", "add", str(image), "--store", str(folder), "--draft", "--deidentified", "tests", *tiny]) == 0
    with LabelStore.open(folder) as store:
        (one,) = store.list()
        record = store.get(one.case)
        (analysis,) = store.analyses(record)
        answer = opened(store, one.case, tmp_path)
    assert answer["state"] == "drafted" and analysis["model"]["name"] == "tiny-outline"
    assert Analysis.model_validate_json(Path(answer["runs"][0]["analysis"]).read_text()).case == one.case
    assert np.load(answer["runs"][0]["labels"]).shape == (1, *picture(0).shape)
    assert PATIENT not in json.dumps(analysis) and PATIENT not in record.model_dump_json()


def test_real_images_come_out_as_they_went_in(data_root, store, tmp_path):
    busi = sorted((data_root / "busi" / "images").iterdir())[:2]
    dicom = [path for path in sorted((data_root / "dicom_us").iterdir()) if path.name.startswith("US-RGB")]
    for path in (*busi, *dicom):
        clip = open_clip(path)
        ((_, case, outcome),) = add_images(store, [clip], gate=GATE).cases
        frames = np.load(opened(store, case, tmp_path)["frames"])
        pixels = clip.frame(0).pixels
        assert outcome == "added" and np.array_equal(frames[0], pixels if frames.ndim == 4 else clip.frame(0).grey)
    assert len(store.list()) == len(busi) + len(dicom)
