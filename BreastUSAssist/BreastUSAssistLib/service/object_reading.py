"""DICOM Segmentations and reports to plain files: label images as PNG and JSON."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..birads.analysis import mask_name
from ..dicom.reading import read_dataset
from ..dicom.segmentation_reading import SEGMENTATION_CLASSES, SegmentationLabels, read_segmentation
from ..dicom.source_matching import match_sources
from ..errors import InputError, OutputError
from ..files import folder_written_whole, write_bytes, write_text
from ..ultrasound.frame import Clip
from .segmentation_content import MaskContent, SegmentationContent, segment_content

if TYPE_CHECKING:
    from pydicom import Dataset

SEGMENTATION, FINDINGS, MASKS = "segmentation.json", "findings.json", "masks"
_REPORT_CLASSES = "1.2.840.10008.5.1.4.1.1.88."


def read_object(path: Path, clips: Sequence[Clip], out: Path) -> Path:
    """Read a Segmentation or a report on ultrasound and write what it holds into the folder `out`, whole.

    Of a Segmentation: masks/, a label image for each frame of each clip that it lies on, and segmentation.json. Of a
    report: findings.json.

    Args:
        path: the DICOM file.
        clips: images, among which all that it lies on must be.
        out: new or empty, or of an earlier run, which is replaced.

    Returns:
        The JSON file.

    Raises:
        InputError: damaged, of another kind, or on images that are not given or were changed since.
        OutputError: `out` holds other files, or cannot be written.
    """
    dataset = read_dataset(path)
    kind = str(dataset.get("SOPClassUID") or "")
    _check_target(out)
    match_sources(dataset, [header for clip in clips for header in clip.headers], str(path))
    if kind in SEGMENTATION_CLASSES:
        return _write_segmentation(dataset, path, clips, out)
    if kind.startswith(_REPORT_CLASSES):
        return _write_report(dataset, out)
    raise InputError(f"{path} is neither a DICOM Segmentation nor a report; choose a file of modality SEG or SR.")


def _write_report(dataset: "Dataset", out: Path) -> Path:
    from ..dicom.report_reading import read_report

    content = read_report(dataset).model_dump_json(indent=2) + "\n"
    with folder_written_whole(out) as folder:
        write_text(folder / FINDINGS, content)
    return out / FINDINGS


def _write_segmentation(dataset: "Dataset", path: Path, clips: Sequence[Clip], out: Path) -> Path:
    with folder_written_whole(out) as folder:
        masks: list[MaskContent] = []
        reads = []
        for clip in _clips_of(dataset, clips, str(path)):
            read = read_segmentation(dataset, clip.headers, name=str(path))
            masks += [_write_masks(folder, clip, read, index) for index in range(len(read.labels))]
            reads.append(read)
        content = SegmentationContent(
            sop_instance_uid=str(dataset.get("SOPInstanceUID") or ""),
            segmentation_type=reads[0].segmentation_type,
            fractional_type=reads[0].fractional_type,
            made_up_geometry=reads[0].made_up_geometry,
            segments=tuple(segment_content(segment) for segment in reads[0].segments),
            masks=tuple(masks),
        )
        write_text(folder / SEGMENTATION, content.model_dump_json(indent=2) + "\n")
    return out / SEGMENTATION


def _clips_of(dataset: "Dataset", clips: Sequence[Clip], name: str) -> list[Clip]:
    """The clips with an image that the Segmentation lies on, each image in one clip only."""
    headers = [header for clip in clips for header in clip.headers]
    wanted = {str(header.SOPInstanceUID) for header in match_sources(dataset, headers, name)}
    found = []
    for clip in clips:
        own = {str(header.get("SOPInstanceUID")) for header in clip.headers}
        if own & wanted:
            wanted -= own
            found.append(clip)
    return found


def _write_masks(folder: Path, clip: Clip, read: SegmentationLabels, index: int) -> MaskContent:
    name = mask_name(clip.name, index + 1, len(read.labels))
    labels = read.labels[index]
    _write_png(folder / name, labels)
    numbers = sorted({number for number, at in read.where if at == index})
    masks = {number: read.mask(number, index) for number in numbers}
    masks = {number: mask for number, mask in masks.items() if mask.any()}
    whole = {}
    if sum(int(mask.sum()) for mask in masks.values()) > int((labels > 0).sum()):
        for number, mask in masks.items():
            whole[number] = name.replace(".png", f"_segment_{number}.png")
            _write_png(folder / whole[number], mask.astype(np.uint8) * 255)
    uid, frame_number = read.sources[index]
    return MaskContent(file=name, sop_instance_uid=uid, frame_number=frame_number, segments=tuple(masks), whole=whole)


def _write_png(path: Path, labels: np.ndarray) -> None:
    from PIL import Image

    picture = io.BytesIO()
    Image.fromarray(labels).save(picture, "PNG")
    write_bytes(path, picture.getvalue())


def _check_target(out: Path) -> None:
    """Refuse a folder whose replacement would lose anything but an earlier run."""
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(f"{out} is a file where the folder would be; choose another --out.")
    try:
        foreign = sorted(path.name for path in out.iterdir() if path.name not in (SEGMENTATION, FINDINGS, MASKS))
    except OSError as error:
        raise OutputError(f"{out} could not be read ({error.strerror}); choose another --out.") from error
    if foreign:
        raise OutputError(f"{out} holds other files ({foreign[0]}); choose a new or empty folder with --out.")
