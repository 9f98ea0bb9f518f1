"""Images, SEG and SR that the tests of the DICOM plug-in put into the database."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.structured_report import report_dataset
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom
from BreastUSAssistLib.ultrasound.phantom_spec import PhantomSpec
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts
from host.dicom_lib import export_chosen, offered_exports
from panel.dicom_bench import DicomBench, written
from pydicom import Dataset

ROWS, COLUMNS, SPACING = 96, 128, 0.4


def phantom(frames: int = 1, **changes: Any) -> Phantom:
    """A small phantom."""
    spec = {"rows": ROWS, "columns": COLUMNS, "spacing_mm": SPACING, "frame_count": frames, **changes}
    return render(PhantomSpec(**spec))


def image_of(bench: DicomBench, frames: int = 1, **changes: Any) -> Path:
    """A phantom in the database: a still, or a cine in one file."""
    path = save_dicom(phantom(frames, **changes), bench.folder / "image.dcm")
    bench.add(path)
    return path


def labels_of(frames: int) -> np.ndarray:
    """Two lesions, uint8 (frames, rows, columns)."""
    return drafts.two_lesions(frames, ROWS, COLUMNS)


def segmentation(image: Path, path: Path, labels: np.ndarray) -> Path:
    """A SEG of the lesions of `labels` on an image."""
    headers = open_clip(image).headers
    made = segmentation_dataset(headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)
    return written(made, path)


def draft_files(image: Path, folder: Path, labels: np.ndarray) -> tuple[Path, Path]:
    """SEG and SR of the same lesions, as an AI's draft that nobody has read."""
    headers, lesions = open_clip(image).headers, drafts.lesions_of(labels)
    seg = segmentation_dataset(headers, labels, lesions, drafts.MODEL, created=drafts.CREATED)
    report = report_dataset(headers, drafts.analysis_of(labels, lesions), labels, created=drafts.CREATED)
    return written(seg, folder / "draft-seg.dcm"), written(report, folder / "draft-sr.dcm")


def opened(bench: DicomBench) -> Any:
    """The case of the only image in the scene."""
    from BreastUSAssistLib.mrml.case import open_case

    (source,) = bench.sources()
    return open_case(bench.scene, source.volume)


def exported(bench: DicomBench, case: Any, folder: str = "export") -> dict[str, Path]:
    """SEG and SR of a case as the dialog Export to DICOM writes them, by "seg" and "sr"."""
    item = bench.item(case.source.volume)
    case.close()
    target = bench.folder / folder
    target.mkdir()
    assert export_chosen(offered_exports(item)[:1], target) == ""
    files = {path.stem.rpartition("-")[2]: path for path in target.iterdir()}
    assert set(files) == {"seg", "sr"}
    for path in files.values():
        assert drafts.validator_errors(path) == []
    return files


def image_file(header: Dataset, path: Path) -> Path:
    """A made-up header (dicom.sources) as an image with pixels: noise, the same for the same UID."""
    shape = (int(header.get("NumberOfFrames") or 1), header.Rows, header.Columns, header.SamplesPerPixel)
    seed = zlib.crc32(str(header.SOPInstanceUID).encode())
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    if header.SamplesPerPixel == 3:
        header.PlanarConfiguration = 0
    header.PixelData = np.random.default_rng(seed).integers(0, 256, shape, np.uint8).tobytes()
    header["PixelData"].VR = "OB"
    return written(header, path)
