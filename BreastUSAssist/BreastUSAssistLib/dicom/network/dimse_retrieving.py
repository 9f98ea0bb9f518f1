"""C-GET and C-MOVE (PS3.4 C.4.2, C.4.3): objects come one after another, each kept whole or not at all."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ...ultrasound.sop_classes import SECONDARY_CAPTURE, ULTRASOUND_CLASSES
from .activity import Activity
from .association import associated, broken, hang_up
from .dimse_objects import write_part_10
from .errors import NodeError
from .exchange import Attend, InstanceFound
from .listener import ReceivedInfo, node_listener
from .node_settings import DimseService, PacsNode
from .received_files import kept_as, read_identity, whole_file
from .storage_classes import EXPLICIT, IMPLICIT, fetching_contexts

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GET, MOVE = "1.2.840.10008.5.1.4.1.2.2.3", "1.2.840.10008.5.1.4.1.2.2.2"
"""Study Root Query/Retrieve Information Model (PS3.4 C.6.2)."""
LARGEST_OBJECT = 2**31
_NO_SPACE, _NOT_UNDERSTOOD, _ANOTHER_OBJECT, _NOT_ASKED_FOR = 0xA700, 0xC000, 0xA900, 0x0124


class Retrieval:
    """Brings instances of one study into a folder.

    Args:
        node: with a dimse part.
        study_uid: of the study.
        folder: that exists; files are named `<SOP instance UID>.dcm`.
        clock: seconds that only grow.
        attend: called for each object.
        came: told how many objects came so far.
    """

    def __init__(
        self,
        node: PacsNode,
        study_uid: str,
        folder: Path,
        *,
        clock: Callable[[], float],
        attend: Attend | None,
        came: Callable[[int], object],
    ) -> None:
        assert node.dimse is not None
        self._node, self._study_uid, self._folder = node, study_uid, folder
        self._dimse: DimseService = node.dimse
        self._clock, self._attend = clock, attend
        self._wanted: dict[str, InstanceFound] = {}
        self._trouble: BaseException | None = None
        self._came, self._count = came, 0
        self._activity = Activity()
        self.refused: dict[str, str] = {}
        """Objects that came and were not kept, and why."""

    def fetch(self, instances: Sequence[InstanceFound]) -> None:
        """Ask for those of these instances of one series that are not in the folder.

        Raises:
            NodeError: the association broke, or the node failed altogether; what came is kept.
            OutputError: the disk is full.
        """
        folder, study = self._folder, self._study_uid
        missing = [one for one in instances if whole_file(folder, one.sop_instance_uid, study) is None]
        self._wanted = {one.sop_instance_uid: one for one in missing}
        self._trouble = None
        if missing and self._dimse.retrieve == "get":
            self._get(missing)
        elif missing:
            self._move(missing)

    def _get(self, instances: Sequence[InstanceFound]) -> None:
        from pynetdicom import build_role, evt

        classes = {one.sop_class_uid for one in instances if one.sop_class_uid}
        if not classes or not all(one.sop_class_uid for one in instances):
            classes |= {*ULTRASOUND_CLASSES, SECONDARY_CAPTURE}
        with associated(
            self._node,
            fetching_contexts(classes, GET),
            largest=LARGEST_OBJECT,
            handlers=[(evt.EVT_C_STORE, self._store)],
            roles=[build_role(one, scp_role=True) for one in sorted(classes)],
            clock=self._clock,
            activity=self._activity,
        ) as association:
            self._follow(association.send_c_get(self._identifier(instances), GET))

    def _move(self, instances: Sequence[InstanceFound]) -> None:
        from pynetdicom.presentation import build_context

        destination = self._dimse.move_destination or self._dimse.calling_ae_title
        with (
            node_listener(
                self._node,
                destination,
                self._folder,
                keep=self._kept,
                wanted=self._is_wanted,
                largest_bytes=LARGEST_OBJECT,
                heard=self._activity.touch,
            ),
            associated(
                self._node,
                [build_context(MOVE, [EXPLICIT, IMPLICIT])],
                largest=2**20,
                clock=self._clock,
                activity=self._activity,
            ) as association,
        ):
            self._follow(association.send_c_move(self._identifier(instances), destination, MOVE))

    def _follow(self, answers: Any) -> None:
        """Wait for the last answer; PS3.4 tables C.4-2 and C.4-3 list the statuses."""
        for status, _ in answers:
            if self._trouble is not None:
                raise self._trouble
            if "Status" not in status:
                raise broken(self._node)
            code = int(status.Status)
            if code == 0xA801:
                raise NodeError(
                    f"Node {self._node.name} does not know our AE title as a destination; have it entered there.",
                    "credentials",
                )
            if code & 0xFF00 in (0xA700, 0xA900, 0xC000) and not self._some_came():
                raise NodeError(
                    f"Node {self._node.name} could not send the objects (status {code:04X}H); ask its administrator.",
                    "refused",
                    retryable=code & 0xFF00 == 0xA700,
                )
        if self._trouble is not None:
            raise self._trouble

    def _some_came(self) -> bool:
        return any((self._folder / f"{uid}.dcm").is_file() for uid in self._wanted)

    def _identifier(self, instances: Sequence[InstanceFound]) -> "Dataset":
        from pydicom.dataset import Dataset

        found = Dataset()
        found.QueryRetrieveLevel = "IMAGE"
        found.StudyInstanceUID = self._study_uid
        found.SeriesInstanceUID = instances[0].series_uid
        found.SOPInstanceUID = [one.sop_instance_uid for one in instances]
        return found

    def _store(self, event: Any) -> int:
        """Handler of C-STORE on the association of a C-GET."""
        uid = str(event.request.AffectedSOPInstanceUID)
        if uid not in self._wanted:
            return _NOT_ASKED_FOR
        status = _NO_SPACE
        try:
            if self._trouble is None:
                status = self._keep(event, uid)
        except InputError:
            self.refused[uid] = "what the node sent is not DICOM"
            status = _NOT_UNDERSTOOD
        except BaseException as error:  # of `attend`, or of the disk: raised again in the thread that asked
            self._trouble = error
            # The rest, which may be large, need not come any more.
            hang_up(event.assoc)
        self._activity.touch()
        return status

    def _keep(self, event: Any, uid: str) -> int:
        if self._attend is not None:
            self._attend()
        wanted = (uid, self._study_uid, self._wanted[uid].series_uid)
        try:
            with kept_as(self._folder, uid) as beside:
                write_part_10(beside, event)
                found = read_identity(beside)
                if (found.sop_instance_uid, found.study_uid, found.series_uid) != wanted:
                    raise _AnotherObjectError
        except _AnotherObjectError:
            self.refused[uid] = "the node sent another object in its place"
            return _ANOTHER_OBJECT
        self._tell()
        return 0

    def _is_wanted(self, info: ReceivedInfo) -> bool:
        wanted = self._wanted.get(info.sop_instance_uid)
        return wanted is not None and (info.study_uid, info.series_uid) == (self._study_uid, wanted.series_uid)

    def _kept(self, _path: Path, _info: ReceivedInfo) -> None:
        if self._attend is not None:
            try:
                self._attend()
            except BaseException as error:
                self._trouble = error
        self._tell()

    def _tell(self) -> None:
        self._count += 1
        self._came(self._count)


class _AnotherObjectError(Exception):
    """What came is not what it was announced as."""
