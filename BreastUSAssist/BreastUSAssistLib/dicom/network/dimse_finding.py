"""C-FIND (PS3.4 C.4.1): studies, the instances of a study, and which instances a node holds."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...ultrasound.quiet import quiet
from .association import associated, broken
from .dimse_objects import text_in
from .errors import NodeError
from .exchange import Attend, InstanceFound, StudyFound, StudyQuery
from .node_settings import PacsNode
from .received_files import is_uid
from .storage_classes import EXPLICIT, IMPLICIT
from .study_search import days
from .web_answers import day_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""Study Root Query/Retrieve Information Model - FIND (PS3.4 C.6.2)."""
MOST_INSTANCES = 20000
"""Of one study."""
UIDS_AT_ONCE = 64
"""In one list of UIDs (PS3.4 C.2.2.2.2), which some nodes limit."""
_LARGEST_MATCH = 2**20
_PENDING = (0xFF00, 0xFF01)
_RETURNED = {
    "SERIES": ("SeriesInstanceUID", "Modality", "SeriesDescription"),
    "IMAGE": ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "NumberOfFrames"),
}
"""What is asked for at each level."""


class Finding:
    """Queries to a node, one association each; nothing is tried again here.

    Args:
        node: with a dimse part.
        clock: seconds that only grow.
    """

    def __init__(self, node: PacsNode, clock: Callable[[], float]) -> None:
        self._node, self._clock = node, clock

    def studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """Studies that match, at most `query.limit`; raises NodeError, UsageError."""
        found: dict[str, StudyFound] = {}
        identifier = _study_identifier(query)
        with self._associated() as association:
            for item in self._find(association, identifier, query.limit, None):
                study = _study(item)
                self._check_uid(study.study_uid)
                found.setdefault(study.study_uid, study)
        return tuple(found.values())

    def instances(self, study_uid: str, attend: Attend | None) -> tuple[InstanceFound, ...]:
        """All instances of a study, series by series; raises NodeError."""
        found: dict[str, InstanceFound] = {}
        with self._associated() as association:
            for series in self._below(association, "SERIES", {"StudyInstanceUID": study_uid}, attend):
                keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": text_in(series, "SeriesInstanceUID")}
                self._check_uid(keys["SeriesInstanceUID"])
                for item in self._below(association, "IMAGE", keys, attend):
                    instance = _instance(item, series, keys)
                    self._check_uid(instance.sop_instance_uid)
                    found.setdefault(instance.sop_instance_uid, instance)
                    if len(found) > MOST_INSTANCES:
                        raise self._nonsense(f"with more than {MOST_INSTANCES} objects in one study")
        if not found:
            raise NodeError(f"Node {self._node.name} does not hold this study; search again.", "missing")
        return tuple(found.values())

    def present(self, keys: Sequence[tuple[str, str, str]], attend: Attend | None) -> frozenset[str]:
        """Which of these (study UID, series UID, instance UID) the node holds; raises NodeError."""
        found: set[str] = set()
        by_series: dict[tuple[str, str], list[str]] = {}
        for study, series, uid in keys:
            by_series.setdefault((study, series), []).append(uid)
        if not by_series:
            return frozenset()
        with self._associated() as association:
            for (study, series), uids in by_series.items():
                for start in range(0, len(uids), UIDS_AT_ONCE):
                    some = uids[start : start + UIDS_AT_ONCE]
                    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": some}
                    for item in self._below(association, "IMAGE", asked, attend):
                        found.add(text_in(item, "SOPInstanceUID"))
        # A node that does not know a key answers with other objects too.
        return frozenset(uid for _, _, uid in keys if uid in found)

    def _below(self, association: Any, level: str, keys: dict[str, Any], attend: Attend | None) -> "list[Dataset]":
        """Series of a study, or instances of a series."""
        asked = _identifier(level, keys)
        for keyword in _RETURNED[level]:
            if keyword not in asked:
                setattr(asked, keyword, None)
        return self._find(association, asked, MOST_INSTANCES, attend)

    def _find(self, association: Any, identifier: "Dataset", limit: int, attend: Attend | None) -> "list[Dataset]":
        found: list[Dataset] = []
        with quiet():
            for status, item in association.send_c_find(identifier, FIND):
                if attend is not None:
                    attend()
                if "Status" not in status:
                    raise broken(self._node)
                if status.Status not in _PENDING:
                    if status.Status != 0:
                        raise failed(self._node, status.Status)
                elif item is None:
                    raise self._nonsense("with a match that cannot be read")
                else:
                    found.append(item)
                    if len(found) >= limit:
                        # The rest is not waited for: it may be endless.
                        association.abort()
                        break
        return found

    def _associated(self) -> AbstractContextManager[Any]:
        from pynetdicom.presentation import build_context

        contexts = [build_context(FIND, [EXPLICIT, IMPLICIT])]
        return associated(self._node, contexts, largest=_LARGEST_MATCH, clock=self._clock)

    def _check_uid(self, uid: str) -> None:
        if not is_uid(uid):
            raise self._nonsense("without a UID that was asked for")

    def _nonsense(self, what: str) -> NodeError:
        return NodeError(f"Node {self._node.name} answered {what}; check the node.", "nonsense")


def failed(node: PacsNode, status: int) -> NodeError:
    """The error for a status that is none of success (PS3.7 C)."""
    busy = status & 0xFF00 == 0xA700
    advice = "try again later" if busy else "ask its administrator"
    return NodeError(f"Node {node.name} failed (status {status:04X}H); {advice}.", "busy" if busy else "refused")


def _identifier(level: str, keys: dict[str, Any]) -> "Dataset":
    from pydicom.dataset import Dataset

    found = Dataset()
    found.QueryRetrieveLevel = level
    texts = "".join("".join(value) if isinstance(value, list) else str(value or "") for value in keys.values())
    if not texts.isascii():
        found.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        if value or level == "STUDY":
            setattr(found, keyword, value or None)
    return found


def _study_identifier(query: StudyQuery) -> "Dataset":
    texts = (query.patient_id, query.patient_name, query.accession_number, query.description, query.modality)
    if any("\\" in text for text in texts):
        raise UsageError("A backslash separates values in DICOM; search without it.")
    if query.study_uid and not is_uid(query.study_uid):
        raise UsageError("A UID has up to 64 digits and dots; check what was entered.")
    return _identifier(
        "STUDY",
        {
            "StudyInstanceUID": query.study_uid,
            "PatientID": query.patient_id,
            "PatientName": query.patient_name,
            "AccessionNumber": query.accession_number,
            "StudyDescription": query.description,
            "ModalitiesInStudy": query.modality,
            "StudyDate": days(query),
            "StudyTime": "",
            "NumberOfStudyRelatedInstances": "",
            "NumberOfStudyRelatedSeries": "",
        },
    )


def _study(item: "Dataset") -> StudyFound:
    return StudyFound(
        study_uid=text_in(item, "StudyInstanceUID"),
        patient_id=text_in(item, "PatientID"),
        patient_name=text_in(item, "PatientName"),
        accession_number=text_in(item, "AccessionNumber"),
        description=text_in(item, "StudyDescription"),
        study_date=day_of(text_in(item, "StudyDate")),
        study_time=text_in(item, "StudyTime"),
        modalities=tuple(part for part in text_in(item, "ModalitiesInStudy").split("\\") if part),
        instances=_number(item, "NumberOfStudyRelatedInstances"),
        series=_number(item, "NumberOfStudyRelatedSeries"),
    )


def _instance(item: "Dataset", series: "Dataset", keys: dict[str, str]) -> InstanceFound:
    return InstanceFound(
        sop_class_uid=text_in(item, "SOPClassUID"),
        sop_instance_uid=text_in(item, "SOPInstanceUID"),
        series_uid=keys["SeriesInstanceUID"],
        study_uid=keys["StudyInstanceUID"],
        modality=text_in(series, "Modality"),
        series_description=text_in(series, "SeriesDescription"),
        instance_number=_number(item, "InstanceNumber"),
        frames=_number(item, "NumberOfFrames"),
    )


def _number(item: "Dataset", keyword: str) -> int | None:
    try:
        return int(text_in(item, keyword))
    except ValueError:
        return None
