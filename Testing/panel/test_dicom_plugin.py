"""Ultrasound, SEG and SR loaded through the interface that Slicer's DICOM browser has for plug-ins."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts
from pydicom import Dataset

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host import clear
from host.dicom_lib import offered_exports
from panel.dicom_bench import DicomBench, dicom_bench, written
from panel.dicom_samples import exported, image_of, labels_of, opened, phantom, segmentation


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("frames", [1, 5])
def test_ultrasound_is_loaded_with_pixel_size_and_times(bench: DicomBench, frames: int) -> None:
    image = image_of(bench, frames)
    assert bench.load(image) == []
    (source,) = bench.sources()
    assert source.volume.GetSpacing()[:2] == pytest.approx((0.4, 0.4))
    assert source.frame_count == frames
    if frames > 1:
        assert np.diff(source.times_ms) == pytest.approx(phantom(5).spec.frame_time_ms)
    assert bench.item(source.volume)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_segmentation_brings_its_image_and_lies_on_it_pixel_on_pixel(bench: DicomBench, frames: int) -> None:
    image = image_of(bench, frames)
    labels = labels_of(frames)
    seg = segmentation(image, bench.folder / "seg.dcm", labels)
    bench.add(seg)
    assert bench.load(seg) == []
    case = opened(bench)
    for index in range(frames):
        for number in (1, 2):
            assert np.array_equal(case.segmentation.mask(index, number), labels[index] == number)


def test_who_drew_an_outline_stays_known(bench: DicomBench) -> None:
    image = image_of(bench, 5)
    labels = labels_of(5)
    origins = ("automatic", "semiautomatic")
    lesions = [drafts.lesion(number, labels, origin=origin) for number, origin in enumerate(origins, start=1)]
    made = segmentation_dataset(open_clip(image).headers, labels, lesions, drafts.MODEL, created=drafts.CREATED)
    seg = written(made, bench.folder / "seg.dcm")
    bench.add(seg)
    assert bench.load(seg) == []
    case = opened(bench)
    assert [lesion.tracking_uid for lesion in case.reading.lesions] == [lesion.tracking_uid for lesion in lesions]
    assert [lesion.ai is not None for lesion in case.lesions] == [True, False], "a draft that is not known is none"
    for number, origin in enumerate(origins, start=1):
        frame = next(index for index in range(5) if (labels[index] == number).any())
        assert case.segmentation.origin(number, frame) == origin
    assert case.runs[0].model.name == drafts.MODEL.name
    again = case.effective_analysis()
    assert [lesion.origin for lesion in again.lesions] == list(origins)


def test_a_case_is_exported_and_comes_back_the_same(bench: DicomBench) -> None:
    image = image_of(bench, 5)
    labels = labels_of(5)
    seg = segmentation(image, bench.folder / "seg.dcm", labels)
    bench.add(seg)
    bench.load(seg)
    case = opened(bench)
    extra = np.zeros((96, 128), bool)
    extra[60:80, 20:50] = True
    case.set_mask(1, 1, extra)
    uids = [lesion.tracking_uid for lesion in case.reading.lesions]
    for node in (case.source.volume, case.segmentation.node, case.table):
        exports = offered_exports(bench.item(node))
        assert exports[0].pluginClass == "DICOMBreastUSPlugin"
        assert exports[0].name and exports[0].tooltip
    files = exported(bench, case)
    clear()
    bench.add(*files.values())
    assert bench.load(files["seg"]) == []
    again = opened(bench)
    assert [lesion.tracking_uid for lesion in again.reading.lesions] == uids
    assert np.array_equal(again.mask(1, 1), extra)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segmentations_of_other_software_are_laid_too(bench: DicomBench, kind: str) -> None:
    image = image_of(bench, 1)
    labels = labels_of(1)
    pixels = labels if kind == "LABELMAP" else np.stack([labels == 1, labels == 2], axis=-1)
    seg = written(of_highdicom(open_clip(image).headers[0], pixels, kind), bench.folder / "seg.dcm")
    bench.add(seg)
    (offer,) = bench.offers(seg)
    assert offer.name.startswith("20: SEG")
    assert bench.load(seg) == []
    case = opened(bench)
    assert np.array_equal(case.labels(), labels)
    assert [lesion.ai is not None for lesion in case.lesions] == [False, True], "the first was drawn by hand"
    assert case.runs[0].model.name == "other network"


def test_segments_that_overlap_stay_whole(bench: DicomBench) -> None:
    image = image_of(bench, 1)
    masks = np.zeros((1, 96, 128, 2), bool)
    masks[0, 20:50, 20:60, 0] = masks[0, 40:70, 40:90, 1] = True
    seg = written(of_highdicom(open_clip(image).headers[0], masks, "BINARY", by_hand=0), bench.folder / "seg.dcm")
    bench.add(seg)
    assert bench.load(seg) == []
    case = opened(bench)
    for number in (1, 2):
        assert np.array_equal(case.mask(0, number), masks[0, ..., number - 1])
        assert np.array_equal(case.segmentation.mask(0, number), masks[0, ..., number - 1])
    assert len(case.runs) == 2, "a run's label images have no room for what overlaps"


def of_highdicom(header: Dataset, pixels: np.ndarray, kind: str, by_hand: int = 1) -> Dataset:
    """A Segmentation of two segments as highdicom writes it, one of them drawn by hand, the others by a network."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    network = hd.AlgorithmIdentificationSequence(
        "other network", family=codes.DCM.ArtificialIntelligence, version="2.1"
    )
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"region {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Mass,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL
            if number == by_hand
            else hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=None if number == by_hand else network,
        )
        for number in (1, 2)
    ]
    made: Dataset = hd.seg.Segmentation(
        source_images=[header],
        pixel_array=pixels.astype(float if kind == "FRACTIONAL" else np.uint8),
        segmentation_type=kind,
        segment_descriptions=descriptions,
        series_instance_uid=hd.UID(),
        series_number=20,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="other",
        manufacturer_model_name="other",
        software_versions="1",
        device_serial_number="1",
    )
    made.PatientOrientation = None
    return made


def test_a_case_that_is_open_in_the_panel_follows(bench: DicomBench) -> None:
    image = image_of(bench, 3)
    first = segmentation(image, bench.folder / "first.dcm", labels_of(3))
    labels = np.zeros((3, 96, 128), np.uint8)
    labels[1, 10:30, 20:50] = labels[2, 12:30, 20:50] = 1
    second = segmentation(image, bench.folder / "second.dcm", labels)
    bench.add(first, second)
    assert bench.load(first) == []
    waiting: list[Callable[[], None]] = []
    (source,) = bench.sources()
    from BreastUSAssistLib.mrml.case import open_case

    shown = open_case(bench.scene, source.volume, later=waiting.append)
    assert len(shown.segmentation.numbers()) == 2
    assert bench.load(second) == []
    while waiting:
        waiting.pop(0)()
    shown.catch_up()
    assert np.array_equal(shown.labels(), labels), "untouched drafts make way for those of another run"
    assert [lesion.ai is not None for lesion in shown.lesions] == [True]
    assert opened(bench).reading == shown.reading
