"""A SEG and the SR that goes with it, found in the study: they name the same lesions by their tracking UIDs."""

import logging
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .dicom_database import study_files, value_in
from .dicom_offers import REPORT_CLASSES, SEGMENTATION_CLASSES
from .dicom_references import is_measurement_report, referenced_in

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..dicom.report_model import ReportRead

CONTENT_DATE, CONTENT_TIME = "0008,0023", "0008,0033"
_MOST = 50
"""Objects of a study that are looked into."""


def report_beside(file: str, tracking_uids: Collection[str]) -> "tuple[str, ReportRead] | None":
    """The report, with its file, that was made with a Segmentation; None where the study has none."""
    from ..dicom.report_reading import read_report

    found = []
    for other in _candidates(file, REPORT_CLASSES):
        if is_measurement_report(other):
            try:
                report = read_report(Path(other))
            except InputError as error:
                logging.debug("A report of the study is left out: %s", error)
                continue
            shared = {one.tracking_uid for one in report.lesions} & set(tracking_uids)
            found.append((len(shared), _closeness(file, other), other, report))
    best = max((one for one in found if one[0]), key=lambda one: one[:2], default=None)
    return (best[2], best[3]) if best is not None else None


def segmentation_beside(file: str, tracking_uids: Collection[str]) -> "tuple[str, Dataset] | None":
    """The Segmentation, with its file, that was made with a report; None where the study has none."""
    from ..dicom.reading import read_dataset

    found = []
    for other in _candidates(file, SEGMENTATION_CLASSES):
        try:
            dataset = read_dataset(Path(other))
        except InputError as error:
            logging.debug("A segmentation of the study is left out: %s", error)
            continue
        shared = tracking_uids_of(dataset) & set(tracking_uids)
        found.append((len(shared), _closeness(file, other), other, dataset))
    best = max((one for one in found if one[0]), key=lambda one: one[:2], default=None)
    return (best[2], best[3]) if best is not None else None


def tracking_uids_of(segmentation: "Dataset") -> set[str]:
    """Tracking UIDs of the segments of a Segmentation."""
    return {
        str(item.get("TrackingUID")) for item in segmentation.get("SegmentSequence") or () if item.get("TrackingUID")
    }


def _candidates(file: str, classes: Iterable[str]) -> list[str]:
    """Objects of the study on one of the same images, the newest ones first."""
    images = {uid for _class_uid, uid in referenced_in(file)}
    others = sorted((one for one in study_files(file, classes) if one != file), key=_made, reverse=True)
    return [one for one in others[:_MOST] if images & {uid for _class_uid, uid in referenced_in(one)}]


def _made(file: str) -> str:
    return value_in(file, CONTENT_DATE) + value_in(file, CONTENT_TIME)


def _closeness(file: str, other: str) -> float:
    """How near in time two objects were made: the SEG and SR of one export have the same time."""
    try:
        times = [datetime.strptime(_made(one)[:14], "%Y%m%d%H%M%S") for one in (file, other)]
    except ValueError:
        return float("-inf")
    return -abs((times[0] - times[1]).total_seconds())
