"""200 generated studies with identifiers in every VR, every nesting, private elements, file meta, texts: none is left.

Each study has an image, a segmentation and a report; these still lie on their image afterwards.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.known_terms import known_terms
from BreastUSAssistLib.dicom.report_model import ReportRead
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.dicom.structured_report import report_dataset
from BreastUSAssistLib.ultrasound.deidentification.files import ReviewChoice, deidentify_files
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.review import drop_where_found
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from dicom.drafts import CREATED, MODEL, analysis_of, lesions_of, two_lesions, validator_errors
from dicom.sources import automated_volume, captures, cine, still
from PIL import Image, ImageDraw, ImageFont
from planted_identifiers import Planter, left_over
from pydicom import Dataset, dcmread

STUDIES, BATCHES, KINDS = 200, 8, 5
RIM = 6
"""Rows above the ultrasound region."""
KEY = DeidentificationKey(b"k" * 32)
OPTIONS = DeidentificationOptions(terms=known_terms())


class NoText:
    """A finder that finds nothing: these pixels hold no text."""

    version = "none"

    def __call__(self, picture: np.ndarray) -> tuple[()]:
        return ()


def deidentified(folder: Path, out: Path, key: DeidentificationKey = KEY):
    return deidentify_files(
        [folder],
        out,
        key,
        OPTIONS,
        ReviewChoice("drop", drop_where_found),
        open_finder=NoText,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
    )


@dataclass
class Study:
    planter: Planter
    images: list[Path]
    segmentation: Path
    report: Path
    kind: int


def with_pixels(header: Dataset, seed: int) -> Dataset:
    """The source with random pixels and, where it has regions, one that leaves a rim out."""
    shape = (int(header.get("NumberOfFrames") or 1), header.Rows, header.Columns, header.SamplesPerPixel)
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    if header.SamplesPerPixel == 3:
        header.PlanarConfiguration = 0
    header.PixelData = np.random.default_rng(seed).integers(0, 255, shape, np.uint8).tobytes()
    for region in header.get("SequenceOfUltrasoundRegions") or []:
        region.RegionLocationMinY0 = RIM
    return header


def source_of(seed: int) -> list[Dataset]:
    kinds = (
        lambda: [still()],
        lambda: [still(rgb=True)],
        lambda: [cine(4)],
        lambda: automated_volume(2),
        lambda: captures(1),
    )
    return [with_pixels(header, seed) for header in kinds[seed % KINDS]()]


def plant_pixels(header: Dataset, planter: Planter) -> None:
    """Plant into every frame: a text of bytes in the rim, and a name drawn across it, white as scanners write."""
    if not header.get("SequenceOfUltrasoundRegions"):
        return
    shape = (int(header.get("NumberOfFrames") or 1), header.Rows, header.Columns, header.SamplesPerPixel)
    pixels = np.frombuffer(header.PixelData, np.uint8).reshape(shape).copy()
    picture = Image.new("L", (header.Columns, RIM))
    ImageDraw.Draw(picture).text((0, -2), planter.text(), fill=255, font=ImageFont.load_default(8))
    pixels[:, :RIM][:, np.asarray(picture) > 128] = 255
    hidden = np.frombuffer(planter.text().encode("ascii", "replace"), np.uint8)
    pixels.reshape(shape[0], -1)[:, : len(hidden)] = hidden
    header.PixelData = pixels.tobytes()


def check_rim(images: Sequence[Dataset]) -> None:
    """Nothing of what was drawn outside the regions is left in any frame."""
    for image in images:
        if image.get("SequenceOfUltrasoundRegions"):
            pixels = image.pixel_array.reshape(int(image.get("NumberOfFrames") or 1), image.Rows, -1)
            assert not pixels[:, :RIM].any() and pixels[:, RIM:].any()


def plant_text(report: Dataset, planter: Planter) -> None:
    """Plant into the content of a report: texts, names, UIDs, dates, and the codes of unknown schemes."""
    for item in report.ContentSequence:
        if item.ValueType == "TEXT":
            item.TextValue = f"{planter.text()} {item.TextValue}"
        elif item.ValueType == "UIDREF":
            item.UID = planter.uid()
        elif item.ValueType == "PNAME":
            item.PersonName = planter.name()
        elif item.ValueType == "CODE":
            item.ConceptCodeSequence[0].CodeMeaning = planter.text()
            if planter.random.random() < 0.3:
                item.ConceptCodeSequence[0].CodeValue = planter.text()
                item.ConceptCodeSequence[0].CodingSchemeDesignator = planter.text()
        item.ConceptNameCodeSequence[0].CodeMeaning = planter.text() if "ConceptNameCodeSequence" in item else None
        if "ContentSequence" in item:
            plant_text(item, planter)


@cache
def objects_of(kind: int) -> tuple[list[Dataset], Dataset, Dataset]:
    """Images, segmentation and report of one kind of source, before anything is planted."""
    headers = source_of(kind)
    labels = two_lesions(sum(int(header.get("NumberOfFrames") or 1) for header in headers))
    lesions = lesions_of(labels)
    segmentation = segmentation_dataset(headers, labels, lesions, MODEL, created=CREATED)
    return headers, segmentation, report_dataset(headers, analysis_of(labels, lesions), labels, created=CREATED)


@cache
def report_of(kind: int) -> ReportRead:
    return read_report(objects_of(kind)[2])


def make_study(folder: Path, seed: int) -> Study:
    """Write one study with everything planted."""
    planter = Planter(seed)
    headers, segmentation, report = deepcopy(objects_of(seed % KINDS))
    objects = [*headers, segmentation, report]
    planter.new_uids(objects)
    for header in headers:
        planter.fixed_places(header)
        plant_pixels(header, planter)
    patient, date, time = planter.text(), planter.date(), planter.time()
    for one in objects:
        one.PatientID, one.StudyDate, one.StudyTime = patient, date, time
    segmentation.PixelData += planter.value("OB")
    for item in segmentation.SegmentSequence:
        item.SegmentDescription, item.SegmentAlgorithmName = planter.text(), planter.text()
    plant_text(report, planter)
    paths = [folder / f"{seed:03d}-{number}.dcm" for number in range(len(objects))]
    for one, path in zip(objects, paths, strict=True):
        planter.anywhere(one, 30)
        planter.everywhere(one, 0.04)
        planter.privately(one)
        planter.write(one, path)
    return Study(planter, paths[:-2], paths[-2], paths[-1], seed % KINDS)


def contents_of(paths: Sequence[Path], out: Path) -> list[tuple[str, bytes]]:
    """Bytes of each file, with its path below the folder of results as bytes too."""
    named = [(path.name, path.read_bytes()) for path in paths]
    return [*named, ("file names", "\n".join(str(path.relative_to(out)) for path in paths).encode())]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_nothing_planted_is_left_and_everything_still_resolves(batch: int, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    count = STUDIES // BATCHES
    studies = [make_study(folder, seed) for seed in range(batch * count, (batch + 1) * count)]
    outcome = deidentified(folder, out)
    assert outcome.failures == [] and outcome.done == sum(len(study.images) + 2 for study in studies)
    report = ("report", (out / "deidentification.json").read_bytes())
    for study in studies:
        written = sorted(out.glob(f"*/{KEY.uid(str(dcmread(study.report).StudyInstanceUID))}/*.dcm"))
        assert len(written) == len(study.images) + 2
        assert left_over(study.planter.planted, [*contents_of(written, out), report]) == []
        check_resolves(study, out, [dcmread(path) for path in written])


def test_the_search_sees_what_was_planted(tmp_path: Path) -> None:
    study = make_study(tmp_path, 3)
    paths = [*study.images, study.segmentation, study.report]
    found = {line.partition(": ")[2] for line in left_over(study.planter.planted, contents_of(paths, tmp_path))}
    planted = study.planter.planted
    assert sum(uid in found for uid in planted.uids) > 0.95 * len(planted.uids)
    assert sum(repr(text.lower().encode()) in found for text in planted.strings if text.isascii()) > 0.9 * len(
        [text for text in planted.strings if text.isascii()]
    )
    assert sum(raw.hex() in found for raw in planted.raw) > 0.95 * len(planted.raw) > 5


def check_resolves(study: Study, out: Path, written: Sequence[Dataset]) -> None:
    """The masks lie on the new images as they did on the old ones, and the report's outlines on the same frames."""
    by_uid = {str(one.SOPInstanceUID): one for one in written}
    headers = [dcmread(path, stop_before_pixels=True) for path in study.images]
    images = [by_uid[KEY.uid(str(header.SOPInstanceUID))] for header in headers]
    check_rim(images)
    before = dcmread(study.segmentation)
    after = by_uid[KEY.uid(str(before.SOPInstanceUID))]
    masks = read_segmentation(before, headers), read_segmentation(after, images)
    assert np.array_equal(masks[0].labels, masks[1].labels) and masks[1].labels.any()
    assert masks[1].frames_elsewhere == 0
    old, new = report_of(study.kind), read_report(by_uid[KEY.uid(str(dcmread(study.report).SOPInstanceUID))])
    assert len(new.lesions) == len(old.lesions) == 2
    for one, other, segment in zip(old.lesions, new.lesions, masks[1].segments, strict=True):
        assert one.ai is not None and other.ai is not None
        outline = other.ai.outlines[0]
        assert outline.sop_instance_uid in {str(image.SOPInstanceUID) for image in images}
        assert outline.points == one.ai.outlines[0].points
        assert outline.frame_number == one.ai.outlines[0].frame_number
        assert [one.value for one in other.ai.measurements] == [one.value for one in one.ai.measurements]
        assert segment.tracking_uid is not None and segment.tracking_uid.startswith("2.25.")


def test_the_same_key_gives_the_same_files_and_another_key_others(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(5):
        make_study(folder, seed)
    first, second, other = (tmp_path / name for name in ("first", "second", "other"))
    deidentified(folder, first)
    deidentified(folder, second)
    deidentified(folder, other, DeidentificationKey(b"o" * 32))
    names = [{str(path.relative_to(out)) for path in out.rglob("*.dcm")} for out in (first, second, other)]
    assert names[0] == names[1] and not names[0] & names[2]
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names[0])


@pytest.mark.parametrize("seed", range(KINDS))
def test_the_validator_finds_no_more_than_before(seed: int, tmp_path: Path) -> None:
    _, *made = objects_of(seed)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, one in enumerate(made):
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)
        assert validator_errors(folder / f"{number}.dcm") == []
    assert deidentified(folder, tmp_path / "out").failures == []
    for path in (tmp_path / "out").rglob("*.dcm"):
        assert validator_errors(path) == []
