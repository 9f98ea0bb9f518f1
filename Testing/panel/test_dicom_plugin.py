"""Ultrasound, SEG and SR loaded through the interface that Slicer's DICOM browser has for plug-ins."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host import clear
from host.dicom_lib import export_chosen, offered_exports
from panel.dicom_bench import DicomBench, dicom_bench, written


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened:
        yield opened


def phantom(**changes: object) -> Phantom:
    return render(PhantomSpec(**{"rows": 96, "columns": 128, "spacing_mm": 0.4, **changes}))  # type: ignore[arg-type]


def labels_of(frames: int) -> np.ndarray:
    return drafts.two_lesions(frames, 96, 128)


def segmentation(image: Path, path: Path, labels: np.ndarray) -> Path:
    """A SEG of two lesions on an image."""
    headers = open_clip(image).headers
    made = segmentation_dataset(headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    return written(made, path)


def opened(bench: DicomBench) -> Any:
    """The case of the only image in the scene."""
    from BreastUSAssistLib.mrml.case import open_case

    (source,) = bench.sources()
    return open_case(bench.scene, source.volume)


@pytest.mark.parametrize("frames", [1, 5])
def test_ultrasound_is_loaded_with_pixel_size_and_times(bench: DicomBench, frames: int) -> None:
    image = save_dicom(phantom(frame_count=frames), bench.folder / "image.dcm")
    bench.add(image)
    assert bench.load(image) == []
    (source,) = bench.sources()
    assert source.volume.GetSpacing()[:2] == pytest.approx((0.4, 0.4))
    assert source.frame_count == frames
    if frames > 1:
        assert np.diff(source.times_ms) == pytest.approx(phantom(frame_count=5).spec.frame_time_ms)
    assert bench.item(source.volume)


@pytest.mark.parametrize("frames", [1, 5])
def test_a_segmentation_brings_its_image_and_lies_on_it_pixel_on_pixel(bench: DicomBench, frames: int) -> None:
    image = save_dicom(phantom(frame_count=frames), bench.folder / "image.dcm")
    labels = labels_of(frames)
    seg = segmentation(image, bench.folder / "seg.dcm", labels)
    bench.add(image, seg)
    assert bench.load(seg) == []
    case = opened(bench)
    for index in range(frames):
        for number in (1, 2):
            assert np.array_equal(case.segmentation.mask(index, number), labels[index] == number)


def test_who_drew_an_outline_stays_known(bench: DicomBench) -> None:
    image = save_dicom(phantom(frame_count=5), bench.folder / "image.dcm")
    labels = labels_of(5)
    origins = ("automatic", "semiautomatic")
    lesions = [drafts.lesion(number, labels, origin=origin) for number, origin in enumerate(origins, start=1)]
    made = segmentation_dataset(open_clip(image).headers, labels, lesions, drafts.MODEL, created=drafts.CREATED)
    seg = written(made, bench.folder / "seg.dcm")
    bench.add(image, seg)
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
    image = save_dicom(phantom(frame_count=5), bench.folder / "image.dcm")
    labels = labels_of(5)
    seg = segmentation(image, bench.folder / "seg.dcm", labels)
    bench.add(image, seg)
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
    case.close()
    folder = bench.folder / "export"
    folder.mkdir()
    assert export_chosen(exports[:1], folder) == ""
    files = sorted(folder.iterdir())
    assert [path.name[-7:] for path in files] == ["seg.dcm", "-sr.dcm"]
    for path in files:
        assert drafts.validator_errors(path) == []
    clear()
    bench.add(*files)
    assert bench.load(files[0]) == []
    again = opened(bench)
    assert [lesion.tracking_uid for lesion in again.reading.lesions] == uids
    assert np.array_equal(again.mask(1, 1), extra)
