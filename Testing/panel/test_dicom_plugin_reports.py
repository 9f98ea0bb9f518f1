"""A reader's case that went out as SEG and SR comes back from the DICOM browser as it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom import drafts

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host import clear
from panel.dicom_bench import DicomBench, dicom_bench
from panel.dicom_samples import exported, image_of, labels_of, opened, segmentation


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened_bench:
        yield opened_bench


def read_case(bench: DicomBench, frames: int) -> Any:
    """A drafted case in which a reader changed an outline, terms and categories, removed a lesion and added one."""
    image = image_of(bench, frames)
    bench.add(segmentation(image, bench.folder / "draft-seg.dcm", labels_of(frames)))
    bench.load(bench.folder / "draft-seg.dcm")
    case = opened(bench)
    key = case.lesions[0].current.key_frame - 1
    case.set_mask(key, 1, drafts.ellipse(96, 128, (30, 40), (9, 14)))
    case.set_term(1, "shape", "oval")
    case.set_category(1, "4A")
    case.set_note(1, "seen before")
    case.remove_lesion(2)
    added = case.add_lesion()
    case.set_mask(key, added.number, drafts.ellipse(96, 128, (70, 90), (10, 12)))
    lesion = case.lesions[0].current
    own = lesion.model_copy(update={"number": added.number, "tracking_uid": added.tracking_uid, "origin": "manual"})
    case.set_revised(own)
    case.set_revised(lesion.model_copy(update={"origin": "semiautomatic"}))
    case.decide("A. Reader", "accepted", "", datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    return case


@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("first", ["seg", "sr"])
def test_a_verified_case_comes_back(bench: DicomBench, frames: int, first: str) -> None:
    case = read_case(bench, frames)
    reading, labels = case.reading, case.labels()
    before = case.lesions
    files = exported(bench, case)
    clear()
    bench.add(*files.values())
    other = "sr" if first == "seg" else "seg"
    assert bench.load(files[first]) == []
    assert bench.load(files[other]) == [], "the second finds that it was taken with the first"
    again = opened(bench)
    assert np.array_equal(again.labels(), labels)
    read = again.reading
    assert (read.decision, read.reader, read.decided) == (reading.decision, reading.reader, reading.decided)
    for lesion in reading.lesions:
        back = read.lesion(lesion.tracking_uid)
        assert back is not None
        assert (back.number, back.present, back.category) == (lesion.number, lesion.present, lesion.category)
        assert (back.descriptors, back.note) == (lesion.descriptors, lesion.note)
        assert (back.run is None) == (lesion.run is None)
    for lesion, was in zip(again.lesions, before, strict=True):
        assert (lesion.ai is None) == (was.ai is None)
        if lesion.ai is not None and was.ai is not None:
            assert lesion.ai.measurements.area.px == was.ai.measurements.area.px
            assert terms(lesion.ai) == terms(was.ai)
            assert lesion.ai.assessment.category == was.ai.assessment.category
            assert lesion.ai.assessment.probability_malignant == was.ai.assessment.probability_malignant


def terms(lesion: Any) -> dict[str, str]:
    return {one.attribute: one.term for one in lesion.descriptors}
