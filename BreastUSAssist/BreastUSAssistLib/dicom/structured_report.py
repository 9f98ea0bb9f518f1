"""DICOM Structured Report of an analysis: TID 1500 Imaging Measurement Report as a Comprehensive SR.

A draft: partial, preliminary, unverified, and observed by a device. The breast imaging report of TID 4200 is left to
the reader, because it stands for a signed report.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..birads.analysis import NOTICE, Analysis
from ..errors import UsageError
from .codes import (
    BREAST_ULTRASOUND,
    COMMENT,
    PRIVATE_SCHEME,
    PRIVATE_SCHEME_NAME,
    short_text,
)
from .provenance import (
    DRAFT,
    SOFTWARE,
    copy_patient_and_study,
    describe_equipment,
    laterality,
    series_references,
    stamp,
)
from .report_items import concept, lesion_group, no_lesion_group, text_item
from .source_frames import SourceFrame, source_frames
from .writing import set_file_meta, write_dataset

if TYPE_CHECKING:
    from pydicom import Dataset

RESEARCH_ONLY = "Research use only; AI draft. A named reader decides."
UNREAD = "not read by anyone"


def report_dataset(
    headers: "Sequence[Dataset]",
    analysis: Analysis,
    labels: np.ndarray,
    *,
    created: datetime,
    series_number: int = 901,
    state: str = UNREAD,
) -> "Dataset":
    """Build the Structured Report of `analysis`.

    One planar region of interest a lesion, outlined in its key frame (SCOORD POLYLINE): measurements in mm where the
    spacing is known and else in pixels, descriptors, the suggested category, the probability of cancer. Tracking UIDs
    are those of the Segmentation. Without a lesion, one group says that the algorithm ran and found none.

    Args:
        headers: source headers, one a file, as for `segmentation.segmentation_dataset`.
        analysis: what to report.
        labels: uint8 or uint16, (frames, rows, columns): 0 background, n lesion number n.
        created: date and time of the object.
        series_number: SeriesNumber of the new series.
        state: how far a reader is, in a few words; it stays UNVERIFIED whatever they say.

    Raises:
        UsageError: a lesion has no pixel in its key frame, or the labels or headers do not fit.
    """
    frames = source_frames(headers)
    _check(frames, analysis, labels)
    dataset = _document(headers, frames, analysis, created, series_number, state)
    dataset.update(_content(headers, frames, analysis, labels))
    set_file_meta(dataset)
    return dataset


def write_report(
    path: Path,
    headers: "Sequence[Dataset]",
    analysis: Analysis,
    labels: np.ndarray,
    *,
    created: datetime,
    series_number: int = 901,
    state: str = UNREAD,
) -> "Dataset":
    """Build the Structured Report (see `report_dataset`), write it to `path` whole, and return it.

    Raises:
        UsageError: as `report_dataset`.
        OutputError: the file cannot be written.
    """
    dataset = report_dataset(headers, analysis, labels, created=created, series_number=series_number, state=state)
    write_dataset(path, dataset)
    return dataset


def _check(frames: Sequence[SourceFrame], analysis: Analysis, labels: np.ndarray) -> None:
    size = (int(frames[0].header.Rows), int(frames[0].header.Columns))
    if labels.ndim != 3 or len(labels) > len(frames) or labels.shape[1:] != size:
        raise UsageError("The labels do not fit the source images; give one label image for every source frame.")
    for lesion in analysis.lesions:
        if lesion.key_frame > len(labels) or not (labels[lesion.key_frame - 1] == lesion.number).any():
            raise UsageError(f"Lesion {lesion.number} is not outlined in its key frame {lesion.key_frame}.")


def _document(
    headers: "Sequence[Dataset]",
    frames: Sequence[SourceFrame],
    analysis: Analysis,
    created: datetime,
    series_number: int,
    state: str,
) -> "Dataset":
    """Everything but the content: patient, study, series, equipment and state of the document (PS3.3 A.35.3)."""
    from pydicom import Dataset
    from pydicom.uid import ComprehensiveSRStorage, generate_uid

    dataset = Dataset()
    copy_patient_and_study(headers[0], dataset)
    describe_equipment(dataset, analysis.model)
    stamp(dataset, created)
    dataset.SOPClassUID = ComprehensiveSRStorage
    dataset.SOPInstanceUID = generate_uid(prefix=None)
    dataset.SeriesInstanceUID = generate_uid(prefix=None)
    dataset.Modality = "SR"
    dataset.SeriesNumber = series_number
    dataset.InstanceNumber = 1
    dataset.SeriesDescription = f"{DRAFT}: report"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    dataset.CompletionFlag = "PARTIAL"
    dataset.CompletionFlagDescription = short_text(f"{DRAFT}; {state}")
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.CurrentRequestedProcedureEvidenceSequence = [_evidence(frames)]
    scheme = Dataset()
    scheme.CodingSchemeDesignator = PRIVATE_SCHEME
    scheme.CodingSchemeName = PRIVATE_SCHEME_NAME
    scheme.CodingSchemeResponsibleOrganization = SOFTWARE
    dataset.CodingSchemeIdentificationSequence = [scheme]
    return dataset


def _evidence(frames: Sequence[SourceFrame]) -> "Dataset":
    from pydicom import Dataset

    study = Dataset()
    study.StudyInstanceUID = frames[0].header.StudyInstanceUID
    study.ReferencedSeriesSequence = series_references(frames)
    for series in study.ReferencedSeriesSequence:
        series.ReferencedSOPSequence = series.ReferencedInstanceSequence
        del series.ReferencedInstanceSequence
    return study


def _content(
    headers: "Sequence[Dataset]", frames: Sequence[SourceFrame], analysis: Analysis, labels: np.ndarray
) -> "Dataset":
    """Root container with the measurement report (PS3.16 TID 1500) and the notices."""
    from highdicom import sr

    side = laterality(headers)
    groups: list[Any] = [
        lesion_group(
            lesion, frames[lesion.key_frame - 1], labels[lesion.key_frame - 1] == lesion.number, analysis, side
        )
        for lesion in analysis.lesions
    ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_device(analysis)),
        procedure_reported=concept(BREAST_ULTRASOUND),
        imaging_measurements=groups or [no_lesion_group(frames, analysis)],
    )
    root: Dataset = report[0]
    # TID 1500 is extensible; these stand in the open for any reader of the tree.
    notices = [RESEARCH_ONLY, NOTICE, *(f"{gate.severity}: {gate.message}" for gate in analysis.gates)]
    for notice in notices:
        root.ContentSequence.append(text_item(COMMENT, notice, "CONTAINS"))
    return root


def _device(analysis: Analysis) -> Any:
    """This software as the observer (PS3.16 TID 1004); the UID follows from the version and the weights."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    entropy = [SOFTWARE, __version__, analysis.model.name, analysis.model.version, analysis.model.sha256]
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=entropy),
            name=f"{SOFTWARE} {__version__}",
            manufacturer_name=SOFTWARE,
            model_name=short_text(f"{analysis.model.name} {analysis.model.version}"),
            serial_number=short_text(analysis.model.sha256) or None,
        ),
    )
