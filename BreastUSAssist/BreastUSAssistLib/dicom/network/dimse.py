"""DIMSE (PS3.7): C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE, and storage commitment."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...ultrasound.quiet import quiet
from .association import associated, broken
from .dimse_commitment import commit_files
from .dimse_objects import text_in
from .dimse_retrieving import Retrieval
from .errors import NodeError
from .exchange import (
    Attend,
    CommitOutcome,
    EchoResult,
    InstanceFound,
    Progress,
    PulledStudy,
    PushOutcome,
    StudyFound,
    StudyQuery,
)
from .node_settings import DimseService, PacsNode
from .received_files import Identity, is_uid, make_folder, read_identity, whole_file
from .retrying import Retrier
from .storage_classes import sending_contexts
from .study_search import days
from .web_answers import day_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""Study Root Query/Retrieve Information Model - FIND (PS3.4 C.6.2)."""
_VERIFICATION = "1.2.840.10008.1.1"
_LARGEST_ANSWER = 2**20
"""Bytes of one match."""
MOST_INSTANCES = 20000
_RETURNED = {
    "SERIES": ("SeriesInstanceUID", "Modality", "SeriesDescription"),
    "IMAGE": ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "NumberOfFrames"),
}
"""What is asked for at each level."""
_UIDS_AT_ONCE = 64
"""In one list of UIDs (PS3.4 C.2.2.2.2), which some nodes limit."""


class DimseConnection:
    """A node's application entity; see `connection.PacsConnection`. Each call makes the associations that it needs."""

    def __init__(
        self,
        node: PacsNode,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        assert node.dimse is not None
        self._node = node
        self._dimse: DimseService = node.dimse
        self._clock = clock
        self._retrier = Retrier(node.retries, sleep)

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def echo(self) -> EchoResult:
        """C-ECHO; once, so that a fault shows at once."""
        from_start = self._clock()
        with self._associated([_VERIFICATION]) as association:
            status = association.send_c_echo()
            if "Status" not in status:
                raise broken(self._node)
            if status.Status != 0:
                raise self._failed(status.Status)
        return EchoResult("DICOM answers to C-ECHO", (self._clock() - from_start) * 1000)

    def find_studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """C-FIND of studies."""
        items = self._retrier.run(lambda _: self._find(_study_identifier(query), query.limit, None))
        found: dict[str, StudyFound] = {}
        for item in items:
            study = _study(item)
            if not is_uid(study.study_uid):
                raise self._nonsense("without a UID that was asked for")
            found.setdefault(study.study_uid, study)
        return tuple(found.values())

    def instances(self, study_uid: str, attend: Attend | None = None) -> tuple[InstanceFound, ...]:
        """C-FIND of the series, then of the instances of each."""
        return self._retrier.run(lambda _: self._instances(study_uid, attend), attend)

    def _instances(self, study_uid: str, attend: Attend | None) -> tuple[InstanceFound, ...]:
        found: dict[str, InstanceFound] = {}
        for series in self._below("SERIES", {"StudyInstanceUID": _checked(study_uid)}, attend):
            keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": text_in(series, "SeriesInstanceUID")}
            if not is_uid(keys["SeriesInstanceUID"]):
                raise self._nonsense("without a UID that was asked for")
            for item in self._below("IMAGE", keys, attend):
                instance = _instance(item, series, keys)
                if not is_uid(instance.sop_instance_uid):
                    raise self._nonsense("without a UID that was asked for")
                found.setdefault(instance.sop_instance_uid, instance)
                if len(found) > MOST_INSTANCES:
                    raise self._nonsense(f"with more than {MOST_INSTANCES} objects in one study")
        if not found:
            raise NodeError(f"Node {self._node.name} does not hold this study; search again.", "missing")
        return tuple(found.values())

    def pull(
        self,
        study_uid: str,
        folder: Path,
        *,
        series: Collection[str] = (),
        attend: Attend | None = None,
        progress: Progress | None = None,
    ) -> PulledStudy:
        """C-GET or C-MOVE of the instances that are not in the folder yet."""
        wanted = [one for one in self.instances(study_uid, attend) if not series or one.series_uid in series]
        make_folder(folder)
        retrieval = Retrieval(self._node, study_uid, folder, clock=self._clock, attend=attend)
        there = sum(whole_file(folder, one.sop_instance_uid, study_uid) is not None for one in wanted)
        for chunk in _chunks(wanted):

            def fetch(_tried: int, chunk: Sequence[InstanceFound] = chunk) -> None:
                missing = [one for one in chunk if whole_file(folder, one.sop_instance_uid, study_uid) is None]
                if missing:
                    retrieval.fetch(missing, lambda count: progress and progress(there + count, len(wanted)))

            if attend is not None:
                attend()
            self._retrier.run(fetch, attend)
        files = {one.sop_instance_uid: whole_file(folder, one.sop_instance_uid, study_uid) for one in wanted}
        why = "the node did not send it, or not in a coding that is read here"
        skipped = tuple((uid, retrieval.refused.get(uid, why)) for uid, path in files.items() if path is None)
        if progress is not None:
            progress(len(wanted), len(wanted))
        return PulledStudy(tuple(path for path in files.values() if path is not None), skipped)

    def present(self, sop_instance_uids: Collection[str], attend: Attend | None = None) -> frozenset[str]:
        """C-FIND by instance alone, beyond the hierarchy of the standard (relational query, PS3.4 C.4.1.2.1).

        Nodes that want study and series too find nothing; `push` and `commit` know both from the files.
        """
        keys = [("", "", _checked(uid)) for uid in sop_instance_uids]
        return self._retrier.run(lambda _: self._present(keys, attend), attend)

    def push(
        self, files: Sequence[Path], *, attend: Attend | None = None, progress: Progress | None = None
    ) -> tuple[PushOutcome, ...]:
        """C-STORE of what the node does not hold yet, each file as it is."""
        identities = [read_identity(path) for path in files]
        outcomes: dict[str, PushOutcome] = {}

        def send(tried: int) -> None:
            waiting = [
                (path, one) for path, one in zip(files, identities, strict=True) if one.sop_instance_uid not in outcomes
            ]
            held = self._present([(one.study_uid, one.series_uid, one.sop_instance_uid) for _, one in waiting], attend)
            for uid in held:
                # After a lost answer the object may have arrived all the same.
                outcomes[uid] = PushOutcome(uid, "sent" if tried else "already there")
            self._store([pair for pair in waiting if pair[1].sop_instance_uid not in held], outcomes, attend, told)

        def told() -> None:
            if progress is not None:
                progress(len(outcomes), len(files))

        self._retrier.run(send, attend)
        told()
        return tuple(outcomes[one.sop_instance_uid] for one in identities)

    def commit(self, files: Sequence[Path], attend: Attend | None = None) -> CommitOutcome:
        """Storage commitment (PS3.4 J), asked once.

        A node that offers none, or that has no `listening_port` to report to, is asked whether it holds the objects.
        """
        identities = [read_identity(path) for path in files]
        listening = self._dimse.listening_port is not None
        outcome = commit_files(self._node, identities, self._clock, attend) if listening else None
        if outcome is not None:
            return outcome
        keys = [(one.study_uid, one.series_uid, one.sop_instance_uid) for one in identities]
        held = self._retrier.run(lambda _: self._present(keys, attend), attend)
        failed = [one.sop_instance_uid for one in identities if one.sop_instance_uid not in held]
        return CommitOutcome(held, tuple((uid, "the node does not hold it") for uid in failed), "query")

    def _present(self, keys: Sequence[tuple[str, str, str]], attend: Attend | None) -> frozenset[str]:
        """Which of (study UID, series UID, instance UID) the node holds."""
        found: set[str] = set()
        by_series: dict[tuple[str, str], list[str]] = {}
        for study, series, uid in keys:
            by_series.setdefault((study, series), []).append(uid)
        for (study, series), uids in by_series.items():
            for start in range(0, len(uids), _UIDS_AT_ONCE):
                some = uids[start : start + _UIDS_AT_ONCE]
                asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": some}
                for item in self._below("IMAGE", asked, attend):
                    found.add(text_in(item, "SOPInstanceUID"))
        return frozenset(uid for _, _, uid in keys if uid in found)

    def _store(
        self,
        files: Sequence[tuple[Path, Identity]],
        outcomes: dict[str, PushOutcome],
        attend: Attend | None,
        told: Callable[[], None],
    ) -> None:
        if not files:
            return
        contexts = sending_contexts({(one.sop_class_uid, one.transfer_syntax_uid) for _, one in files})
        with associated(self._node, contexts, largest=_LARGEST_ANSWER, clock=self._clock) as association:
            contexts = association.accepted_contexts
            accepted = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in contexts}
            for path, identity in files:
                uid = identity.sop_instance_uid
                if attend is not None:
                    attend()
                told()
                if uid in outcomes:
                    continue
                if (identity.sop_class_uid, identity.transfer_syntax_uid) not in accepted:
                    outcomes[uid] = PushOutcome(uid, "refused", "objects of this class and coding are not stored there")
                else:
                    outcomes[uid] = self._store_one(association, path, uid)

    def _store_one(self, association: Any, path: Path, uid: str) -> PushOutcome:
        from .dimse_sending import send_file

        status = send_file(association, path)
        if status is None:
            raise broken(self._node)
        if status == 0 or status & 0xF000 == 0xB000:
            return PushOutcome(uid, "sent")
        from .web import failure_reason

        if status & 0xFF00 == 0xA700:
            raise NodeError(f"Node {self._node.name} is out of space; try again later.", "refused", retryable=True)
        return PushOutcome(uid, "refused", failure_reason(status))

    def _below(self, level: str, keys: dict[str, Any], attend: Attend | None) -> "list[Dataset]":
        """Series of a study, or instances of a series."""
        asked = _identifier(level, keys)
        for keyword in _RETURNED[level]:
            if keyword not in asked:
                setattr(asked, keyword, None)
        return self._find(asked, MOST_INSTANCES, attend)

    def _find(self, identifier: "Dataset", limit: int, attend: Attend | None) -> "list[Dataset]":
        found: list[Dataset] = []
        with self._associated([FIND]) as association, quiet():
            for status, item in association.send_c_find(identifier, FIND):
                if attend is not None:
                    attend()
                if "Status" not in status:
                    raise broken(self._node)
                if status.Status in (0xFF00, 0xFF01):
                    if item is None:
                        raise self._nonsense("with a match that cannot be read")
                    found.append(item)
                    if len(found) >= limit:
                        # The rest is not waited for: it may be endless.
                        association.abort()
                        break
                elif status.Status != 0:
                    raise self._failed(status.Status)
        return found

    def _associated(self, classes: Sequence[str]) -> Any:
        from pynetdicom.presentation import build_context

        from .storage_classes import EXPLICIT, IMPLICIT

        contexts = [build_context(one, [EXPLICIT, IMPLICIT]) for one in classes]
        return associated(self._node, contexts, largest=_LARGEST_ANSWER, clock=self._clock)

    def _failed(self, status: int) -> NodeError:
        busy = status & 0xFF00 == 0xA700
        advice = "try again later" if busy else "ask its administrator"
        return NodeError(f"Node {self._node.name} failed (status {status:04X}H); {advice}.", "refused", retryable=busy)

    def _nonsense(self, what: str) -> NodeError:
        return NodeError(f"Node {self._node.name} answered {what}; check the node.", "nonsense")


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
    return _identifier(
        "STUDY",
        {
            "StudyInstanceUID": _checked(query.study_uid) if query.study_uid else "",
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


def _chunks(instances: Sequence[InstanceFound]) -> Iterator[Sequence[InstanceFound]]:
    """Instances of one series, not too many at once."""
    by_series: dict[str, list[InstanceFound]] = {}
    for one in instances:
        by_series.setdefault(one.series_uid, []).append(one)
    for some in by_series.values():
        for start in range(0, len(some), _UIDS_AT_ONCE):
            yield some[start : start + _UIDS_AT_ONCE]


def _checked(uid: str) -> str:
    if not is_uid(uid):
        raise UsageError("A UID has up to 64 digits and dots; check what was entered.")
    return uid
