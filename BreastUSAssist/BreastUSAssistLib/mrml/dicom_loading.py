"""SEG and SR of Slicer's DICOM database put into the scene: their images first, then the case as they tell it.

A SEG brings the SR that was made with it, and the other way round: outlines are in the one, what was found and who
decided in the other. The second of them then has nothing left to do.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError, InputError
from .dicom_case import lesions_of, take_lesions, was_taken
from .dicom_companions import report_beside, segmentation_beside, tracking_uids_of
from .dicom_images import Loaded, Seek, headers_of, images_under
from .dicom_outlines import frame_keys
from .dicom_references import referenced_in
from .dicom_report import joined, reading_fields
from .source import UltrasoundSource

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..dicom.report_model import ReportRead
    from .dicom_lesions import ToldLesion


def load_segmentation(
    scene: Any, file: str, seek: Seek, on_load: Loaded = lambda source, files: None
) -> tuple[list[UltrasoundSource], list[str]]:
    """Lay a DICOM Segmentation on its images, pixel on pixel, as the segmentation of each case.

    Args:
        scene: vtkMRMLScene.
        file: the Segmentation.
        seek: asked for images that are neither in the scene nor in the database.
        on_load: told of each image that was not in the scene.

    Returns:
        The images that it lies on, and the SOP instance UIDs of those that are missing.

    Raises:
        InputError: it is damaged, its images are missing or changed, or the reader worked on the case already.
    """
    from ..dicom.reading import read_dataset

    dataset = read_dataset(Path(file))
    with _damage_told(file):
        uids = _outlined_images(dataset)
    sources, missing = images_under(scene, uids, seek, on_load)
    if not sources:
        text = _("The image that it lies on is not in the DICOM database ({uids}); import the image, then load again.")
        raise InputError(text.format(uids=listed(missing)))
    with _damage_told(file):
        beside = report_beside(file, tracking_uids_of(dataset))
    _take(scene, sources, dataset, beside[1] if beside is not None else None, str(dataset.SOPInstanceUID))
    return sources, missing


def load_report(
    scene: Any, file: str, seek: Seek, on_load: Loaded = lambda source, files: None
) -> "tuple[list[UltrasoundSource], list[str], ReportRead]":
    """Make the cases of images what a report (PS3.16 TID 1500) tells: drafts, the reader's changes, the decision.

    Args:
        scene: vtkMRMLScene.
        file: the report.
        seek: asked for images that are neither in the scene nor in the database.
        on_load: told of each image that was not in the scene.

    Returns:
        The images that it is about, the SOP instance UIDs of those that are missing, and what was read.

    Raises:
        InputError: it is damaged, its images changed, or the reader worked on the case already.
    """
    from ..dicom.report_reading import read_report

    report = read_report(Path(file))
    sources, missing = images_under(scene, [uid for _kind, uid in referenced_in(file)], seek, on_load)
    uids = {one.tracking_uid for one in report.lesions if one.tracking_uid}
    beside = segmentation_beside(file, uids) if sources else None
    _take(scene, sources, beside[1] if beside is not None else None, report, report.sop_instance_uid)
    return sources, missing, report


def _take(
    scene: Any,
    sources: Sequence[UltrasoundSource],
    segmentation: "Dataset | None",
    report: "ReportRead | None",
    loaded_uid: str,
) -> None:
    """Make the case of every image what SEG and SR tell; nothing is changed before all of it could be read."""
    from ..dicom.segmentation_reading import read_segmentation

    objects = [] if segmentation is None else [str(segmentation.SOPInstanceUID)]
    objects += [] if report is None else [report.sop_instance_uid]
    waiting: list[tuple[UltrasoundSource, list[ToldLesion]]] = []
    for source in sources:
        if was_taken(scene, source, loaded_uid):
            continue
        headers = headers_of(source)
        lesions = []
        with _damage_told(_("What DICOM tells of this case")):
            if segmentation is not None and _lies_on(segmentation, source):
                lesions = lesions_of(segmentation, read_segmentation(segmentation, headers))
            if report is not None:
                lesions = joined(report, lesions, frame_keys(headers), source)
        waiting.append((source, lesions))
    said = reading_fields(report) if report is not None else {}
    for source, lesions in waiting:
        take_lesions(scene, source, lesions, said, objects)


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """A damaged value shows itself where it is used, as any type of error; here it becomes a sentence."""
    try:
        yield
    except BreastUSAssistError:
        raise
    except Exception as error:
        raise InputError(_("{name} is damaged and cannot be read; export it again.").format(name=name)) from error


def _lies_on(segmentation: "Dataset", source: UltrasoundSource) -> bool:
    return bool(set(_outlined_images(segmentation)) & set(source.instance_uids))


def _outlined_images(segmentation: "Dataset") -> list[str]:
    """SOP instances that frames of a Segmentation are derived from; where it does not say, all that it refers to."""
    from ..dicom.source_matching import referenced_images

    groups = [
        group
        for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        for group in segmentation.get(keyword) or ()
    ]
    derived = [
        str(image.get("ReferencedSOPInstanceUID"))
        for group in groups
        for derivation in group.get("DerivationImageSequence") or ()
        for image in derivation.get("SourceImageSequence") or ()
    ]
    return list(dict.fromkeys(derived)) or [one.sop_instance_uid for one in referenced_images(segmentation)]


def listed(uids: Sequence[str]) -> str:
    """The first UIDs of many."""
    return ", ".join(uids[:3]) + ("…" if len(uids) > 3 else "")
