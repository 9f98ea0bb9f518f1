"""Ultrasound, SEG and SR loaded through the interface that Slicer's DICOM browser has for plug-ins."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
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
    (source,) = bench.sources()
    from BreastUSAssistLib.mrml.case import open_case

    case = open_case(bench.scene, source.volume)
    for index in range(frames):
        for number in (1, 2):
            assert np.array_equal(case.segmentation.mask(index, number), labels[index] == number)
