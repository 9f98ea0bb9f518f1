"""DIMSE (PS3.7): C-ECHO, C-FIND, C-GET or C-MOVE, C-STORE, and storage commitment."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ...errors import UsageError
from .association import application_entity, associated, broken
from .dimse_commitment import commit_files
from .dimse_finding import UIDS_AT_ONCE, Finding, failed
from .dimse_retrieving import Retrieval
from .dimse_sending import Sending
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
from .node_settings import PacsNode
from .received_files import Identity, is_uid, make_folder, read_identity, whole_file
from .retrying import Retrier
from .storage_classes import EXPLICIT, IMPLICIT

_VERIFICATION = "1.2.840.10008.1.1"


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
        application_entity(node.dimse.calling_ae_title)  # says what is missing, if the package is
        self._node = node
        self._dimse = node.dimse
        self._clock = clock
        self._retrier = Retrier(node.retries, sleep)
        self._finding = Finding(node, clock)

    def close(self) -> None:
        """Nothing is kept open between calls."""

    def echo(self) -> EchoResult:
        """C-ECHO; once, so that a fault shows at once."""
        from pynetdicom.presentation import build_context

        started = self._clock()
        contexts = [build_context(_VERIFICATION, [EXPLICIT, IMPLICIT])]
        with associated(self._node, contexts, largest=2**16, clock=self._clock) as association:
            status = association.send_c_echo()
            if "Status" not in status:
                raise broken(self._node)
            if status.Status != 0:
                raise failed(self._node, status.Status)
        return EchoResult("DICOM answers to C-ECHO", (self._clock() - started) * 1000)

    def find_studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """C-FIND of studies."""
        return self._retrier.run(lambda _: self._finding.studies(query))

    def instances(self, study_uid: str, attend: Attend | None = None) -> tuple[InstanceFound, ...]:
        """C-FIND of the series, then of the instances of each."""
        uid = _checked(study_uid)
        return self._retrier.run(lambda _: self._finding.instances(uid, attend), attend)

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
        there = sum(whole_file(folder, one.sop_instance_uid, study_uid) is not None for one in wanted)

        def came(count: int) -> None:
            if progress is not None:
                progress(there + count, len(wanted))

        retrieval = Retrieval(self._node, study_uid, folder, clock=self._clock, attend=attend, came=came)
        for chunk in _chunks(wanted):
            if attend is not None:
                attend()
            self._fetch(retrieval, chunk, attend)
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
        return self._retrier.run(lambda _: self._finding.present(keys, attend), attend)

    def push(
        self, files: Sequence[Path], *, attend: Attend | None = None, progress: Progress | None = None
    ) -> tuple[PushOutcome, ...]:
        """C-STORE of what the node does not hold yet, each file as it is."""
        identities = [read_identity(path) for path in files]
        outcomes: dict[str, PushOutcome] = {}

        def told() -> None:
            if attend is not None:
                attend()
            if progress is not None:
                progress(len(outcomes), len(files))

        def send(tried: int) -> None:
            pairs = zip(files, identities, strict=True)
            waiting = [(path, one) for path, one in pairs if one.sop_instance_uid not in outcomes]
            for uid in self._finding.present([_keys(one) for _, one in waiting], attend):
                # After a lost answer the object may have arrived all the same.
                outcomes[uid] = PushOutcome(uid, "sent" if tried else "already there")
            Sending(self._node, self._clock).send(waiting, outcomes, told)

        self._retrier.run(send, attend)
        if progress is not None:
            progress(len(files), len(files))
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
        keys = [_keys(one) for one in identities]
        held = self._retrier.run(lambda _: self._finding.present(keys, attend), attend)
        missing = [uid for _, _, uid in keys if uid not in held]
        return CommitOutcome(held, tuple((uid, "the node does not hold it") for uid in missing), "query")

    def _fetch(self, retrieval: Retrieval, chunk: Sequence[InstanceFound], attend: Attend | None) -> None:
        self._retrier.run(lambda _: retrieval.fetch(chunk), attend)


def _keys(identity: Identity) -> tuple[str, str, str]:
    return identity.study_uid, identity.series_uid, identity.sop_instance_uid


def _chunks(instances: Sequence[InstanceFound]) -> Iterator[Sequence[InstanceFound]]:
    """Instances of one series, not too many at once."""
    by_series: dict[str, list[InstanceFound]] = {}
    for one in instances:
        by_series.setdefault(one.series_uid, []).append(one)
    for some in by_series.values():
        for start in range(0, len(some), UIDS_AT_ONCE):
            yield some[start : start + UIDS_AT_ONCE]


def _checked(uid: str) -> str:
    if not is_uid(uid):
        raise UsageError("A UID has up to 64 digits and dots; check what was entered.")
    return uid
