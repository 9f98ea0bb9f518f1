"""A case of the scene as DICOM SEG and SR, for the dialog Export to DICOM."""

import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError, InputError
from ..files import write_bytes
from .case_list import cases_of
from .case_record import SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE, CaseRecord
from .source import UltrasoundSource
from .source_headers import header_files

if TYPE_CHECKING:
    from ..birads.read_case import ReadCase
    from ..ultrasound.frame import Clip
    from .case import Case

CONFIDENCE = 1.000001
"""The dialog lists by 1 - confidence, keeps one plug-in a value, and chooses the first. Slicer's own SEG export says
exactly 1 for every segmentation, also for one on ultrasound without positions, which it cannot write."""
FILES = {"seg.dcm": "seg", "sr.dcm": "sr"}
"""Names of files in a case's folder -> their endings here."""


def exportable_source(scene: Any, item: int) -> UltrasoundSource | None:
    """The image whose case a subject hierarchy item belongs to: image, segmentation, table or record.

    Args:
        scene: vtkMRMLScene.
        item: ID of the item.

    Returns:
        None where it is of no case, the case has no lesion, or its DICOM files are not at hand.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    node = hierarchy.GetItemDataNode(item) if hierarchy is not None else None
    if node is None:
        return None
    for source in cases_of(scene):
        try:
            record = CaseRecord.find(scene, source)
        except (BreastUSAssistError, ImportError):
            # A damaged record: opening the case tells. Without packages nothing can be exported.
            continue
        if record is not None and node in _nodes_of(source, record):
            present = any(lesion.present for lesion in record.reading.lesions)
            return source if present and header_files(source) else None
    return None


def export_items(scene: Any, items: Iterable[int], folder: Path, *, created: datetime) -> tuple[str, ...]:
    """Write the cases that subject hierarchy items belong to, each once, see `export_case`; what could not be told.

    The items of a study (image, segmentation, table) are all of one case.
    """
    notes: list[str] = []
    done: list[Any] = []
    for item in items:
        source = exportable_source(scene, item)
        if source is not None and source.volume not in done:
            done.append(source.volume)
            notes += export_case(scene, source, folder, created=created)[1]
    return tuple(notes)


def export_case(
    scene: Any, source: UltrasoundSource, folder: Path, *, created: datetime
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write SEG and SR of a case into a folder, as the reader left it, each file whole.

    Args:
        scene: vtkMRMLScene.
        source: the image of the case.
        folder: an existing one; files of the same name are replaced.
        created: date and time of the objects.

    Returns:
        The files, and one sentence for each thing that could not be told.

    Raises:
        InputError: nothing could be written: the DICOM files of the image are gone, or no lesion is outlined.
        OutputError: the folder cannot be written.
    """
    from ..service.reading_export import ExportedReading, export_reading
    from ..ultrasound.case_names import safe_name
    from .case import open_case

    with tempfile.TemporaryDirectory(prefix="breastus-export-") as workspace:
        case = open_case(scene, source.volume)
        try:
            labels = case.labels()
            reading = ExportedReading(_clip(source), case.effective_analysis(labels), labels, _said(case))
            written = export_reading(Path(workspace), reading, tuple(FILES), created=created)
        finally:
            case.close()
        name = safe_name(source.name)
        found = [(written.folder / file, folder / f"{name}-{ending}.dcm") for file, ending in FILES.items()]
        files = [target for file, target in found if file.is_file()]
        for file, target in found:
            if file.is_file():
                write_bytes(target, file.read_bytes())
    if not files:
        raise InputError(" ".join(written.notes) or _("Nothing of this case can be exported."))
    return tuple(files), written.notes


def _nodes_of(source: UltrasoundSource, record: CaseRecord) -> list[Any]:
    linked = (record.linked(role) for role in (SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE))
    return [node for node in (source.volume, source.sequence, source.browser, record.node, *linked) if node is not None]


def _clip(source: UltrasoundSource) -> "Clip":
    from ..ultrasound.case_names import safe_name
    from ..ultrasound.frame import Clip
    from .dicom_images import headers_of
    from .pixel_calibration import calibration_of

    spaced = source.kind == "volume" and calibration_of(source).known
    return Clip(
        name=safe_name(source.name),
        kind=source.kind,
        frame_count=source.frame_count,
        decode=source.frame,
        paths=source.files,
        headers=tuple(headers_of(source)),
        times_ms=source.times_ms,
        slice_mm=abs(float(source.volume.GetSpacing()[2])) if spaced else None,
    )


def _said(case: "Case") -> "ReadCase":
    """The reading, with the AI's drafts, their outlines, and views in other cases beside it."""
    from ..birads.read_case import ReadCase, beside_lesions
    from ..service.drafts_file import with_outlines
    from .case_ties import partners_of

    names = {
        lesion.tracking_uid: one.reading.case for one in partners_of(case.record) for lesion in one.reading.lesions
    }
    lesions = case.lesions
    beside = beside_lesions(lesions, names)
    drafted = [
        case.record.draft_mask(lesion.number, lesion.ai.key_frame - 1) for lesion in lesions if lesion.ai is not None
    ]
    return ReadCase(reading=case.reading, beside=with_outlines(beside, np.stack(drafted)) if drafted else beside)
