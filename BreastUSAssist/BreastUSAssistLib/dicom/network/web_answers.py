"""DICOM JSON (PS3.18 F) as services answer it: bounded, checked, and no more of it read than is needed."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from .errors import NodeError
from .exchange import InstanceFound, StudyFound
from .received_files import is_uid

STUDY_FIELDS = ("StudyDescription", "NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries", "ModalitiesInStudy")
"""Asked for by name, because not every service returns them unasked."""
INSTANCE_FIELDS = ("SOPClassUID", "NumberOfFrames", "SeriesDescription", "Modality")
_LONGEST_TEXT = 1024

Item = Mapping[str, Any]


def items_of(content: bytes, node: str) -> list[Item]:
    """The answer to a search: a list of objects, one a match.

    Raises:
        NodeError: nonsense: something else.
    """
    try:
        found = json.loads(content) if content.strip() else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NodeError(f"Node {node} did not answer in DICOM JSON; check its url.", "nonsense")
    return found


def study_of(item: Item, node: str) -> StudyFound:
    """A study of the answer.

    Raises:
        NodeError: nonsense: it has no UID that can be one.
    """
    return StudyFound(
        study_uid=uid_of(item, "0020000D", node),
        patient_id=text_of(item, "00100020"),
        patient_name=text_of(item, "00100010"),
        accession_number=text_of(item, "00080050"),
        description=text_of(item, "00081030"),
        study_date=day_of(text_of(item, "00080020")),
        study_time=text_of(item, "00080030"),
        modalities=tuple(map(str, values_of(item, "00080061")))[:50],
        instances=number_of(item, "00201208"),
        series=number_of(item, "00201206"),
    )


def instance_of(item: Item, node: str) -> InstanceFound:
    """An instance of the answer; raises NodeError as `study_of`."""
    return InstanceFound(
        sop_class_uid=uid_of(item, "00080016", node),
        sop_instance_uid=uid_of(item, "00080018", node),
        series_uid=uid_of(item, "0020000E", node),
        study_uid=uid_of(item, "0020000D", node),
        modality=text_of(item, "00080060"),
        series_description=text_of(item, "0008103E"),
        instance_number=number_of(item, "00200013"),
        frames=number_of(item, "00280008"),
    )


def uid_of(item: Item, tag: str, node: str) -> str:
    """A UID that must be there; raises NodeError nonsense."""
    found = text_of(item, tag)
    if not is_uid(found):
        raise NodeError(f"Node {node} answered without a UID that was asked for; check the node.", "nonsense")
    return found


def values_of(item: Item, tag: str) -> list[Any]:
    """Values of an element, none where it is absent or not as it should be."""
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def text_of(item: Item, tag: str) -> str:
    """First value as text; of a person's name its alphabetic part, else the first that there is."""
    first = next(iter(values_of(item, tag)), None)
    if isinstance(first, dict):
        first = first.get("Alphabetic") or first.get("Ideographic") or first.get("Phonetic")
    return "" if first is None or isinstance(first, dict | list) else str(first).strip(" \0")[:_LONGEST_TEXT]


def number_of(item: Item, tag: str) -> int | None:
    """First value as a whole number: some services write it as text."""
    try:
        return int(text_of(item, tag))
    except ValueError:
        return None


def day_of(text: str) -> date | None:
    """A DICOM date (DA), None where it is none."""
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
