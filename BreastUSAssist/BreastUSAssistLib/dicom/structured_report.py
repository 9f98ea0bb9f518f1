"""DICOM Structured Report of an analysis: TID 1500 Imaging Measurement Report as a Comprehensive SR.

Without a reader it is a draft: partial, preliminary, unverified, and observed by a device. With one, it says what the
reader left and beside it what the AI drafted; it is verified where a named reader accepted. The breast imaging report
of TID 4200 is left to the reader, because it stands for the clinical report.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..birads.analysis import NOTICE, Analysis
from ..birads.read_case import ReadCase
from ..errors import UsageError
from . import codes
from .codes import BREAST_ULTRASOUND, COMMENT, PRIVATE_SCHEME, PRIVATE_SCHEME_NAME
from .provenance import SOFTWARE, copy_patient_and_study, describe_equipment, laterality, series_references, stamp
from .report_groups import draft_group, lesion_group, no_lesion_group
from .report_items import ReportContext
from .report_observers import concept, device_context, person_context, text_item
from .report_state import decision_items, describe_state, has_spoken, is_verified
from .source_frames import SourceFrame, source_frames
from .writing import set_file_meta, write_dataset

if TYPE_CHECKING:
    from pydicom import Dataset

RESEARCH_ONLY = "Research use only; AI draft. A named reader decides."
ACCEPTED = "Research use only, not for diagnosis. Drafted by AI; a named reader accepted it."


def report_dataset(
    headers: "Sequence[Dataset]",
    analysis: Analysis,
    labels: np.ndarray,
    *,
    created: datetime,
    read: ReadCase | None = None,
    organization: str = "",
    series_number: int = 901,
) -> "Dataset":
    """Build the Structured Report of `analysis`.

    One planar region of interest a lesion, outlined in its key frame (SCOORD POLYLINE): measurements in mm where the
    spacing is known and else in pixels, descriptors, the suggested category, the probability of cancer. Tracking UIDs
    are those of the Segmentation. Without a lesion, one group says that the algorithm ran and found none.

    Where a reader has spoken, the reader's terms, category, outlines and notes are a person's, all else names its
    algorithm, and the AI's drafts stand in a container of their own with what became of them.

    Args:
        headers: source headers, one a file, as for `segmentation.segmentation_dataset`.
        analysis: what to report.
        labels: uint8 or uint16, (frames, rows, columns): 0 background, n lesion number n.
        created: date and time of the object.
        read: what the reader said, with the AI's drafts beside it; None for a draft that nobody has read. VERIFIED,
            COMPLETE and FINAL where a named reader accepted the case (see report_state.is_verified).
        organization: that the reader verifies for, where it is known.
        series_number: SeriesNumber of the new series.

    Raises:
        UsageError: a lesion has no pixel in its key frame, or the labels or headers do not fit.
    """
    frames = source_frames(headers)
    _check(frames, analysis, labels)
    said = read if read is not None and has_spoken(read.reading) else None
    dataset = _document(headers, frames, analysis, created, series_number)
    describe_state(dataset, said, organization)
    context = ReportContext(frames, analysis, laterality(headers), said)
    dataset.update(_content(context, labels, organization))
    set_file_meta(dataset)
    return dataset


def write_report(
    path: Path,
    headers: "Sequence[Dataset]",
    analysis: Analysis,
    labels: np.ndarray,
    *,
    created: datetime,
    read: ReadCase | None = None,
    organization: str = "",
    series_number: int = 901,
) -> "Dataset":
    """Build the Structured Report (see `report_dataset`), write it to `path` whole, and return it.

    Raises:
        UsageError: as `report_dataset`.
        OutputError: the file cannot be written.
    """
    dataset = report_dataset(
        headers,
        analysis,
        labels,
        created=created,
        read=read,
        organization=organization,
        series_number=series_number,
    )
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
) -> "Dataset":
    """Everything but the content and the state of the document: patient, study, series, equipment (PS3.3 A.35.3)."""
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
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
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


def _content(context: ReportContext, labels: np.ndarray, organization: str) -> "Dataset":
    """Root container with the measurement report (PS3.16 TID 1500), the AI's drafts, the decision and the notices."""
    from highdicom import sr

    analysis, read = context.analysis, context.read
    groups: list[Any] = [
        lesion_group(lesion, labels[lesion.key_frame - 1] == lesion.number, context) for lesion in analysis.lesions
    ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=device_context(analysis),
            observer_person_context=person_context(context.reader, organization) if read is not None else None,
        ),
        procedure_reported=concept(BREAST_ULTRASOUND),
        imaging_measurements=groups or [no_lesion_group(context)],
    )
    root: Dataset = report[0]
    # TID 1500 is extensible; what follows stands in the open for any reader of the tree.
    if read is not None:
        root.ContentSequence.extend([*_drafts(context), *decision_items(read.reading, context.reader)])
    verified = read is not None and is_verified(read.reading)
    notices = [ACCEPTED] if verified else [RESEARCH_ONLY, NOTICE]
    for notice in [*notices, *_removed(read), *(f"{gate.severity}: {gate.message}" for gate in analysis.gates)]:
        root.ContentSequence.append(text_item(COMMENT, notice, "CONTAINS"))
    return root


def _drafts(context: ReportContext) -> list[Any]:
    """A container with what the AI first drafted of each lesion of the reading, removed ones too."""
    from highdicom import sr

    assert context.read is not None
    groups = [draft_group(own, context) for own in context.read.reading.lesions]
    known = [group[0] for group in groups if group is not None]
    if not known:
        return []
    container = sr.ContainerContentItem(name=concept(codes.AI_DRAFTS), relationship_type="CONTAINS")
    container.ContentSequence = sr.ContentSequence(known)
    return [container]


def _removed(read: ReadCase | None) -> list[str]:
    """Sentences on the lesions that are none, for readers of the tree who do not look into the drafts."""
    lesions = read.reading.lesions if read is not None else ()
    return [f"The reader says that lesion {one.number} is none." for one in lesions if not one.present]
