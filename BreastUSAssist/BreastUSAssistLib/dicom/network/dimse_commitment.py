"""Storage commitment (PS3.4 annex J): the node says that it takes over the responsibility for objects."""

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from .association import NotOfferedError, associated, broken
from .dimse_objects import commitment_of, referenced
from .errors import NodeError
from .exchange import Attend, CommitOutcome
from .failure_reasons import failure_reason
from .listener import node_listener
from .node_settings import PacsNode
from .received_files import Identity
from .storage_classes import COMMITMENT, EXPLICIT, IMPLICIT

_INSTANCE = "1.2.840.10008.1.20.1.1"
"""The well-known instance of the Storage Commitment Push Model (PS3.4 J.3.5)."""
_REQUEST = 1
_SLICE_S = 0.25

_Report: TypeAlias = tuple[str, tuple[str, ...], tuple[tuple[str, int], ...]]


def commit_files(
    node: PacsNode, identities: Sequence[Identity], clock: Callable[[], float], attend: Attend | None
) -> CommitOutcome | None:
    """Ask for the commitment and wait for the report; None where the node offers no storage commitment.

    The report comes on this association, or on another that the node opens to our `listening_port`, which is needed.

    Raises:
        NodeError: refused; dropped where no report comes within `commit_s`.
    """
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid
    from pynetdicom import evt
    from pynetdicom.presentation import build_context

    reports: queue.SimpleQueue[_Report] = queue.SimpleQueue()

    def on_same_association(event: Any) -> tuple[int, None]:
        reports.put(commitment_of(event))
        return 0, None

    asked = Dataset()
    asked.TransactionUID = generate_uid()
    asked.ReferencedSOPSequence = referenced([(one.sop_class_uid, one.sop_instance_uid) for one in identities])
    try:
        with (
            _listening(node, reports),
            associated(
                node,
                [build_context(COMMITMENT, [EXPLICIT, IMPLICIT])],
                largest=2**24,
                handlers=[(evt.EVT_N_EVENT_REPORT, on_same_association)],
                clock=clock,
                patience_s=node.timeouts.answer_s + node.timeouts.commit_s,
            ) as association,
        ):
            status, _ = association.send_n_action(asked, _REQUEST, COMMITMENT, _INSTANCE)
            if "Status" not in status:
                raise broken(node)
            if status.Status != 0:
                raise NodeError(
                    f"Node {node.name} refused the storage commitment (status {int(status.Status):04X}H); ask its "
                    "administrator.",
                    "refused",
                )
            return _outcome(identities, _awaited(node, str(asked.TransactionUID), reports, clock, attend))
    except NotOfferedError:
        return None


@contextmanager
def _listening(node: PacsNode, reports: "queue.SimpleQueue[_Report]") -> Iterator[None]:
    """Listen for a report on another association."""
    assert node.dimse is not None
    with (
        TemporaryDirectory() as folder,
        node_listener(
            node,
            node.dimse.calling_ae_title,
            Path(folder),
            keep=lambda path, info: None,
            wanted=lambda info: False,
            reported=lambda *report: reports.put(report),
        ),
    ):
        yield


def _awaited(
    node: PacsNode,
    transaction: str,
    reports: "queue.SimpleQueue[_Report]",
    clock: Callable[[], float],
    attend: Attend | None,
) -> _Report:
    end = clock() + node.timeouts.commit_s
    while clock() < end:
        if attend is not None:
            attend()
        try:
            report = reports.get(timeout=_SLICE_S)
        except queue.Empty:
            continue
        if report[0] == transaction:
            return report
    raise NodeError(
        f"Node {node.name} did not report within {node.timeouts.commit_s:g} s what it committed to keep; check that it "
        "knows our host and listening_port, or try again later.",
        "dropped",
    )


def _outcome(identities: Sequence[Identity], report: _Report) -> CommitOutcome:
    _, committed, failed = report
    asked = [one.sop_instance_uid for one in identities]
    reasons: dict[str, str] = {uid: failure_reason(reason) for uid, reason in failed}
    kept = frozenset(uid for uid in asked if uid in committed and uid not in reasons)
    return CommitOutcome(
        kept, tuple((uid, reasons.get(uid, "the node did not mention it")) for uid in asked if uid not in kept)
    )
