"""DICOM objects of cases that were written before: analysis.json and masks, laid on the images they were made from."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..dicom.report_state import is_verified
from ..dicom.segmentation_geometry import Geometry
from ..dicom.segmentation_study import SegmentedImage, study_segmentations
from ..dicom.source_frames import frame_count
from ..dicom.source_matching import check_given
from ..errors import BreastUSAssistError, InputError
from ..ultrasound.frame import Clip
from ..ultrasound.reading import open_clips
from .case_folder import ANALYSIS, StoredCase

if TYPE_CHECKING:
    from pydicom import Dataset


def open_sources(inputs: Sequence[Path], workspace: Path) -> tuple[list[Clip], list[BreastUSAssistError]]:
    """The DICOM images among `inputs` (files, folders, archives), and an error for each file that could not be opened.

    Args:
        inputs: as of `open_clips`.
        workspace: existing temporary folder for what archives hold.
    """
    clips: list[Clip] = []
    failures: list[BreastUSAssistError] = []
    for found in open_clips(inputs, workspace):
        if not isinstance(found, Clip):
            failures.append(found)
        elif found.headers:
            clips.append(found)
    return clips, failures


def headers_of_case(case: StoredCase, clips: Sequence[Clip]) -> "list[Dataset]":
    """Headers of the images that a case was made from, in its order.

    Raises:
        InputError: the case was not made from DICOM; an image is not among `clips`, or was changed since.
    """
    name, source = str(case.folder / ANALYSIS), case.analysis.source
    if not source.sop_instance_uids:
        raise InputError(f"{name} was not made from DICOM images, so no DICOM object can refer to them.")
    given: dict[str, Dataset] = {}
    for clip in clips:
        for header in clip.headers:
            given.setdefault(str(header.get("SOPInstanceUID") or ""), header)
    check_given(name, [uid for uid in source.sop_instance_uids if uid not in given])
    headers = [given[uid] for uid in source.sop_instance_uids]
    sizes = {(int(header.Rows), int(header.Columns)) for header in headers}
    frames = sum(frame_count(header) for header in headers)
    if sizes != {(source.rows, source.columns)} or frames != source.frame_count:
        now = " and ".join(f"{rows} x {columns}" for rows, columns in sorted(sizes))
        raise InputError(
            f"{name} was made from {source.frame_count} frames of {source.rows} x {source.columns} pixels, but the "
            f"images given are {frames} of {now}: they were changed since; give the images it was made from."
        )
    return headers


def segmentations_of_cases(
    cases: Sequence[StoredCase], clips: Sequence[Clip], *, created: datetime, geometry: Geometry = "source"
) -> "list[Dataset]":
    """Segmentations of cases of one study: one object a size of image (see `study_segmentations`).

    Raises:
        InputError: as `headers_of_case`.
        UsageError: as `study_segmentations`.
    """
    images = [
        SegmentedImage(
            headers_of_case(case, clips),
            case.labels,
            case.analysis.lesions,
            case.analysis.model,
            accepted=case.reading is not None and is_verified(case.reading),
        )
        for case in cases
    ]
    return study_segmentations(images, created=created, geometry=geometry)
