"""200 combinations of source, frames, lesions, type and missing attributes: SEG and SR valid, and read by all."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import write_segmentation
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.dicom.source_frames import plane_positions, source_frames
from BreastUSAssistLib.dicom.structured_report import write_report
from dicom import drafts, sources
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

COUNT, BATCH = 200, 25
KINDS: dict[str, Callable[[int, int, int], Sequence[Dataset]]] = {
    "still": lambda _, r, c: [sources.still(r, c)],
    "colour still": lambda _, r, c: [sources.still(r, c, rgb=True)],
    "retired class": lambda _, r, c: [sources.still(r, c, sop_class=sources.US_RETIRED)],
    "cine": lambda n, r, c: [sources.cine(n, r, c)],
    "colour cine": lambda n, r, c: [sources.cine(n, r, c, rgb=True)],
    "stills": sources.stills,
    "colour stills": lambda n, r, c: sources.stills(n, r, c, rgb=True),
    "captures": sources.captures,
    "capture clip": lambda n, r, c: [sources.capture_clip(n, r, c)],
    "study": sources.study,
    "automated volume": sources.automated_volume,
    "volume": lambda n, r, c: [sources.enhanced_volume(n, r, c)],
    "volume in the patient": lambda n, r, c: [sources.patient_volume(n, r, c)],
}
OPTIONAL = (
    *sources.TYPE_2,
    "SpecificCharacterSet",
    "SeriesNumber",
    "InstanceNumber",
    "StudyDescription",
    "ImageType",
    "PositionReferenceIndicator",
    "SequenceOfUltrasoundRegions",
    "SliceThickness",
    "ImageLaterality",
)


@dataclass(frozen=True)
class Combination:
    """One source with its lesions, and how the Segmentation is to be written."""

    kind: str
    headers: Sequence[Dataset]
    labels: np.ndarray
    fractional: bool
    made_up: bool
    mm: bool


def combination(number: int) -> Combination:
    """The same for the same number; every kind of source comes with every type of Segmentation."""
    chance = random.Random(number)
    kind = list(KINDS)[number % len(KINDS)]
    rows, columns = chance.randint(9, 70), chance.randint(9, 90)
    headers = KINDS[kind](chance.choice((1, 2, 5, 9)), rows, columns)
    for keyword in OPTIONAL:
        drop = chance.random()
        for header in headers:
            if keyword in header and drop < 0.35:
                delattr(header, keyword)
            elif keyword in sources.TYPE_2 and drop < 0.5:
                setattr(header, keyword, None)
    if chance.random() < 0.2:
        for header in headers:
            header.LossyImageCompression, header.LossyImageCompressionRatio = "01", [8.5]
            header.LossyImageCompressionMethod = ["ISO_10918_1"]
    fractional = number // len(KINDS) % 2 == 1
    labels = outlines(chance, len(source_frames(headers)), rows, columns)
    return Combination(kind, headers, labels, fractional, chance.random() < 0.2, chance.random() < 0.5)


def outlines(chance: random.Random, frames: int, rows: int, columns: int) -> np.ndarray:
    """One to four lesions, each in some of the frames, also a single pixel and one at the border."""
    labels = np.zeros((frames, rows, columns), np.uint8 if chance.random() < 0.7 else np.uint16)
    for number in range(1, chance.choice((1, 1, 1, 2, 2, 4)) + 1):
        for index in chance.sample(range(frames), chance.randint(1, frames)):
            center = chance.randrange(rows), chance.randrange(columns)
            axes = chance.uniform(0.5, rows / 2), chance.uniform(0.5, columns / 2)
            labels[index][drafts.ellipse(rows, columns, center, axes)] = number
    return labels


def highdicom_masks(path: Path, headers: Sequence[Dataset], segments: int) -> np.ndarray:
    """Pixels as highdicom lays them on the source frames: (frames, rows, columns, segments)."""
    import highdicom

    segmentation = highdicom.seg.segread(path)
    found = []
    options = {"assert_missing_frames_are_empty": True, "rescale_fractional": False, "ignore_spatial_locations": True}
    for header in headers:
        frames = source_frames([header])
        if frames[0].frame_number is None:
            found.append(segmentation.get_pixels_by_source_instance([header.SOPInstanceUID], **options))
        else:
            numbers = [frame.frame_number for frame in frames]
            found.append(segmentation.get_pixels_by_source_frame(header.SOPInstanceUID, numbers, **options))
    masks = np.concatenate(found)
    assert masks.shape[-1] == segments
    return masks


@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
def test_every_combination_is_valid_and_comes_back(first: int, tmp_path: Path) -> None:
    import highdicom

    for number in range(first, first + BATCH):
        one = combination(number)
        lesions = [
            lesion.model_copy(update={"origin": ("automatic", "semiautomatic", "manual")[(number + lesion.number) % 3]})
            for lesion in drafts.lesions_of(one.labels, mm=one.mm)
        ]
        seg, sr = tmp_path / f"{number}-seg.dcm", tmp_path / f"{number}-sr.dcm"
        write_segmentation(
            seg,
            one.headers,
            one.labels,
            lesions,
            drafts.MODEL,
            created=drafts.CREATED,
            probability=np.where(one.labels > 0, 0.8, 0.3).astype(np.float32),
            fractional=one.fractional,
            geometry="made_up" if one.made_up else "source",
        )
        write_report(
            sr, one.headers, drafts.analysis_of(one.labels, lesions, mm=one.mm), one.labels, created=drafts.CREATED
        )
        assert drafts.validator_errors(seg) == [], (number, one.kind)
        assert drafts.validator_errors(sr) == [], (number, one.kind)
        ours = read_segmentation(seg, one.headers)
        theirs = highdicom_masks(seg, one.headers, len(lesions))
        for segment, lesion in enumerate(lesions, start=1):
            outlined = one.labels == lesion.number
            own = np.stack([ours.mask(segment, index) for index in range(len(one.labels))])
            assert np.array_equal(own, outlined), (number, one.kind)
            inside = theirs[..., segment - 1] >= (128 if one.fractional else 1)
            assert np.array_equal(inside, outlined), (number, one.kind)
            assert ours.segments[segment - 1].tracking_uid == lesion.tracking_uid
            assert ours.segments[segment - 1].algorithm_type == lesion.origin.upper()
        assert ours.made_up_geometry == (one.made_up and plane_positions(source_frames(one.headers)) is None)
        assert highdicom.sr.srread(sr).SOPClassUID == ComprehensiveSRStorage
