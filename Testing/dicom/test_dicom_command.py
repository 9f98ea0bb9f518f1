"""`breastusassist dicom`: SEG and SR of written cases, and both read back into plain files."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.read_case import ReadCase
from BreastUSAssistLib.birads.reading_view import first_reading
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.service.case_folder import read_case_folder
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.service.segmentation_content import segmentation_schema
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts, sources
from PIL import Image
from pydicom import Dataset, dcmread


def stored(folder: Path, headers: Sequence[Dataset]) -> Path:
    """The images of `headers` as files: one alone, or a folder of them."""
    folder.mkdir(parents=True)
    for number, header in enumerate(headers, start=1):
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit, header.PixelRepresentation = 7, 0
        samples = int(header.SamplesPerPixel)
        if samples == 3:
            header.PlanarConfiguration = 0
        size = int(header.Rows) * int(header.Columns) * samples * int(header.get("NumberOfFrames", 1))
        header.PixelData = np.random.default_rng(number).integers(0, 200, size, np.uint8).tobytes() + b"\0" * (size % 2)
        header.save_as(folder / f"{folder.name}-{number}.dcm", implicit_vr=False, little_endian=True)
    return folder if len(headers) > 1 else folder / f"{folder.name}-1.dcm"


def exported(out: Path, source: Path, labels: np.ndarray, lesions: list[Lesion], **read: Any) -> Path:
    """The analysis.json of a case with these outlines; with `read`, as the reader left it."""
    clip = open_clip(source)
    analysis = drafts.analysis_of(labels, lesions)
    uids = tuple(str(header.SOPInstanceUID) for header in clip.headers)
    known = analysis.source.model_copy(update={"sop_instance_uids": uids})
    analysis = analysis.model_copy(update={"case": clip.name, "source": known, "lexicon": "birads-us-2013"})
    said = None
    if read:
        reading = first_reading(analysis).model_copy(update=read)
        said = ReadCase(reading=reading)
    case = ExportedReading(clip, analysis, labels, said)
    return export_reading(out, case, ("analysis.json", "masks"), created=drafts.CREATED).folder / "analysis.json"


def run(*arguments: object) -> int:
    return main(["dicom", *(str(argument) for argument in arguments)])


def masks_of(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "masks").iterdir())])


@pytest.mark.parametrize(
    "headers",
    [
        [sources.still()],
        [sources.cine(5, rgb=True)],
        sources.automated_volume(6),
        [sources.patient_volume(4)],
    ],
    ids=["still", "cine", "series", "volume"],
)
def test_outlines_go_out_and_come_back(headers: list[Dataset], tmp_path: Path, capsys: Any) -> None:
    source = stored(tmp_path / "images", headers)
    labels = drafts.two_lesions(open_clip(source).frame_count)
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    seg, out = tmp_path / "seg.dcm", tmp_path / "read"
    assert run("seg", "--from", case, "--source", source, "--out", seg, "--json") == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["segments"] == 2
    assert drafts.validator_errors(seg) == []
    assert run("read", seg, "--source", source, "--out", out, "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content == json.loads((out / "segmentation.json").read_text("utf-8"))
    jsonschema.validate(content, json.loads(segmentation_schema()), cls=jsonschema.Draft202012Validator)
    assert np.array_equal(masks_of(out), labels)
    lesions = read_case_folder(case).analysis.lesions
    assert [one["tracking_uid"] for one in content["segments"]] == [one.tracking_uid for one in lesions]
    assert [one["file"] for one in content["masks"]] == sorted(one["file"] for one in content["masks"])
    # An earlier run is replaced, anything else is not.
    assert run("read", seg, "--source", source, "--out", out) == 0
    (out / "note.txt").write_text("mine")
    assert run("read", seg, "--source", source, "--out", out) == 3
    assert "note.txt" in capsys.readouterr().err and (out / "note.txt").exists()


def test_stills_of_one_study_make_one_object_a_size(tmp_path: Path, capsys: Any) -> None:
    headers = [sources.still(50, 70), sources.still(60, 80), sources.still(50, 70, rgb=True), sources.still(60, 80)]
    for header in headers:
        header.StudyInstanceUID = headers[0].StudyInstanceUID
    headers[0].ImageLaterality, headers[2].ImageLaterality = "L", "R"
    files, cases, outlines = [], [], []
    for number, header in enumerate(headers):
        files.append(stored(tmp_path / f"image{number}", [header]))
        labels = drafts.two_lesions(1, header.Rows, header.Columns) if number != 3 else np.zeros((1, 60, 80), np.uint8)
        outlines.append(labels)
        cases.append(exported(tmp_path / "cases", files[-1], labels, drafts.lesions_of(labels)))
    # The second lesion of the first image is the first of the third, seen again.
    same = read_case_folder(cases[0]).analysis.lesions[1].tracking_uid
    content = json.loads(cases[2].read_text("utf-8"))
    content["lesions"][0]["tracking_uid"] = same
    cases[2].write_text(json.dumps(content))
    out = tmp_path / "out" / "seg.dcm"
    assert run("seg", "--from", *cases, "--source", tmp_path, "--out", out, "--json") == 0
    written = [Path(one["file"]) for one in json.loads(capsys.readouterr().out)["files"]]
    assert [path.name for path in written] == ["seg_50x70.dcm", "seg_60x80.dcm"] and not out.exists()
    small, large = (dcmread(path) for path in written)
    assert small.SeriesInstanceUID == large.SeriesInstanceUID and small.InstanceNumber != large.InstanceNumber
    assert [one.SegmentLabel for one in small.SegmentSequence] == [
        "Lesion 1, image 1",
        "Lesion 2, image 1",
        "Lesion 2, image 3",
    ]
    sides = [one.AnatomicRegionSequence[0].AnatomicRegionModifierSequence[0] for one in small.SegmentSequence]
    assert [side.CodeMeaning for side in sides] == ["Left", "Left", "Right"]
    for path in written:
        assert drafts.validator_errors(path) == []
    read = read_segmentation(written[0], [headers[0], headers[2]])
    assert np.array_equal(read.mask(2, 0), outlines[0][0] == 2)
    assert np.array_equal(read.mask(2, 1), outlines[2][0] == 1)
    assert np.array_equal(read.mask(3, 1), outlines[2][0] == 2)
    assert run("read", written[1], "--source", tmp_path, "--out", tmp_path / "read") == 0
    assert np.array_equal(masks_of(tmp_path / "read"), outlines[1])


def test_images_of_two_studies_are_refused(tmp_path: Path, capsys: Any) -> None:
    files = [stored(tmp_path / name, [sources.still()]) for name in ("a", "b")]
    labels = drafts.two_lesions(1)
    cases = [exported(tmp_path / "cases", file, labels, drafts.lesions_of(labels)) for file in files]
    assert run("seg", "--from", *cases, "--source", *files, "--out", tmp_path / "seg.dcm") == 2
    assert "different studies" in capsys.readouterr().err
    assert not (tmp_path / "seg.dcm").exists()


def test_made_up_geometry_is_marked_and_not_believed(tmp_path: Path) -> None:
    source, labels = stored(tmp_path / "images", [sources.cine(5)]), drafts.two_lesions(5)
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    seg, out = tmp_path / "seg.dcm", tmp_path / "read"
    assert run("seg", "--from", case, "--source", source, "--out", seg, "--geometry", "made-up") == 0
    written = dcmread(seg)
    assert written.ContentLabel == "MADE_UP_GEOMETRY"
    assert "made-up geometry" in written.SeriesDescription and "Made-up" in written.ContentDescription
    assert run("read", seg, "--source", source, "--out", out) == 0
    assert json.loads((out / "segmentation.json").read_text("utf-8"))["made_up_geometry"] is True
    assert np.array_equal(masks_of(out), labels)


def test_wrong_and_changed_images_are_named(tmp_path: Path, capsys: Any) -> None:
    header, labels = sources.cine(5), drafts.two_lesions(5)
    source = stored(tmp_path / "images", [header])
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    seg = tmp_path / "seg.dcm"
    assert run("seg", "--from", case, "--source", source, "--out", seg) == 0
    other = stored(tmp_path / "other", [sources.cine(5)])
    header.NumberOfFrames = 4
    shorter = stored(tmp_path / "shorter", [header])
    header.NumberOfFrames, header.Rows = 5, 61
    larger = stored(tmp_path / "larger", [header])
    capsys.readouterr()
    for wrong, sentence in (
        (other, f"lies on images that are not given: {header.SOPInstanceUID}"),
        (shorter, "changed since"),
        (larger, "changed since"),
    ):
        assert run("seg", "--from", case, "--source", wrong, "--out", tmp_path / "new.dcm") == 3
        assert sentence in capsys.readouterr().err
        assert run("read", seg, "--source", wrong, "--out", tmp_path / "read") == 3
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "new.dcm").exists() and not (tmp_path / "read").exists()


def test_a_bad_source_is_named_and_the_good_one_used(tmp_path: Path, capsys: Any) -> None:
    source, labels = stored(tmp_path / "images", [sources.still()]), drafts.two_lesions(1)
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    bad = tmp_path / "bad.dcm"
    bad.write_bytes(source.read_bytes()[:600])
    assert run("seg", "--from", case, "--source", bad, source, "--out", tmp_path / "seg.dcm") == 3
    assert str(bad) in capsys.readouterr().err
    assert (tmp_path / "seg.dcm").exists()


def test_damaged_cases_are_named(tmp_path: Path, capsys: Any) -> None:
    source, labels = stored(tmp_path / "images", [sources.still()]), drafts.two_lesions(1)
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    mask = next((case.parent / "masks").iterdir())
    content = json.loads(case.read_text("utf-8"))
    whole = mask.read_bytes()

    def told(sentence: str) -> None:
        assert run("seg", "--from", case, "--source", source, "--out", tmp_path / "seg.dcm") == 3
        assert sentence in capsys.readouterr().err

    mask.write_bytes(whole[:50])
    told("damaged or no PNG")
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(mask)
    told("is of 5 x 5 pixels")
    Image.fromarray(np.full((60, 80), 9, np.uint8)).save(mask)
    told("does not name there")
    mask.unlink()
    told("is missing")
    outside = tmp_path / "outside.png"
    outside.write_bytes(whole)
    content["frames"][0]["mask"] = "../../outside.png"
    case.write_text(json.dumps(content))
    told("outside its own folder")
    content["frames"][0]["mask"], content["source"]["rows"] = "masks/x.png", 10**9
    case.write_text(json.dumps(content))
    told("too large to hold")
    content["source"]["rows"], content["source"]["sop_instance_uids"], content["frames"] = 60, [], []
    case.write_text(json.dumps(content))
    told("was not made from DICOM")


def test_nothing_that_is_read_is_overwritten(tmp_path: Path, capsys: Any) -> None:
    source, labels = stored(tmp_path / "images", [sources.still()]), drafts.two_lesions(1)
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels))
    before = source.read_bytes()
    for part in ("seg", "sr"):
        for out in (source, case, tmp_path):
            assert run(part, "--from", case, "--source", source, "--out", out) == 2
        assert run(part, "--from", case, "--source", source.parent, "--out", source) == 2
    assert "overwrite" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.parametrize("accepted", [False, True])
def test_the_report_is_verified_where_the_reader_accepted(accepted: bool, tmp_path: Path, capsys: Any) -> None:
    source, labels = stored(tmp_path / "images", [sources.cine(5)]), drafts.two_lesions(5)
    read = {"reader": "Dr. Reader", "decision": "accepted", "decided": drafts.CREATED.isoformat()} if accepted else {}
    case = exported(tmp_path / "cases", source, labels, drafts.lesions_of(labels), **read)
    seg, sr, out = tmp_path / "seg.dcm", tmp_path / "sr.dcm", tmp_path / "read"
    assert run("seg", "--from", case, "--source", source, "--out", seg) == 0
    assert run("sr", "--from", case, "--source", source, "--out", sr, "--json") == 0
    state = json.loads(capsys.readouterr().out)["files"][0]["state"]
    assert state == ("verified" if accepted else "unverified")
    assert ("draft" in dcmread(seg).SeriesDescription) is not accepted
    assert drafts.validator_errors(sr) == [] and drafts.validator_errors(seg) == []
    assert run("read", sr, "--source", source, "--out", out) == 0
    findings = json.loads((out / "findings.json").read_text("utf-8"))
    uids = [one.SegmentLabel and one.TrackingUID for one in dcmread(seg).SegmentSequence]
    assert [one["tracking_uid"] for one in findings["lesions"]] == uids


def test_segments_that_overlap_are_each_kept_whole(tmp_path: Path) -> None:
    from dicom.test_segmentation_reading import made_by_highdicom

    header = sources.still(20, 30)
    source = stored(tmp_path / "images", [header])
    masks = np.zeros((20, 30, 2), np.uint8)
    masks[2:10, 2:10, 0] = masks[6:15, 6:20, 1] = 1
    made_by_highdicom(header, masks, "BINARY").save_as(tmp_path / "seg.dcm")
    out = tmp_path / "read"
    assert run("read", tmp_path / "seg.dcm", "--source", source, "--out", out) == 0
    (frame,) = json.loads((out / "segmentation.json").read_text("utf-8"))["masks"]
    for number in (1, 2):
        whole = np.asarray(Image.open(out / frame["whole"][str(number)]))
        assert np.array_equal(whole == 255, masks[..., number - 1] == 1)


def test_other_dicom_is_neither(tmp_path: Path, capsys: Any) -> None:
    source = stored(tmp_path / "images", [sources.still()])
    assert run("read", source, "--source", source, "--out", tmp_path / "read") == 3
    assert str(source) in capsys.readouterr().err
    shutil.copy(source, tmp_path / "text.dcm")
    (tmp_path / "text.dcm").write_text("no DICOM")
    assert run("read", tmp_path / "text.dcm", "--source", source, "--out", tmp_path / "read") == 3


def test_the_published_schema_is_current() -> None:
    assert resource_path("Schema", "segmentation-1.0.schema.json").read_text("utf-8") == segmentation_schema()
