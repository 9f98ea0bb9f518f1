"""A connection to a named node: the same calls over DICOMweb and over DIMSE."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from .dimse import DimseConnection
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
from .node_settings import PacsNode
from .secrets import SecretStore
from .web import WebConnection

__all__ = [
    "Attend",
    "CommitOutcome",
    "EchoResult",
    "InstanceFound",
    "NodeConnection",
    "NodeError",
    "PacsConnection",
    "Progress",
    "PulledStudy",
    "PushOutcome",
    "StudyFound",
    "StudyQuery",
    "open_connection",
]


class PacsConnection(Protocol):
    """What can be asked of a node. Each call raises NodeError; `attend` may raise to end it.

    One connection serves one thread; several may be open to a node.
    """

    def echo(self) -> EchoResult:
        """Ask whether the node answers, once."""

    def find_studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """Studies that match, at most `query.limit`; the node decides which where there are more."""

    def instances(self, study_uid: str, attend: Attend | None = None) -> tuple[InstanceFound, ...]:
        """All objects of a study; NodeError missing where there are none."""

    def pull(
        self,
        study_uid: str,
        folder: Path,
        *,
        series: Collection[str] = (),
        attend: Attend | None = None,
        progress: Progress | None = None,
    ) -> PulledStudy:
        """Bring a study, or some of its series, into `folder` as `<SOP instance UID>.dcm`, each whole or not at all.

        What lies there already is not fetched again, so a pull that was ended goes on where it was. One pull at a time
        may use a folder.

        Raises:
            NodeError: as all; nonsense where something else came than was asked for, then that object is not kept.
            OutputError: the folder is not writable, or the disk is full.
        """

    def present(self, sop_instance_uids: Collection[str], attend: Attend | None = None) -> frozenset[str]:
        """Which of these objects the node holds."""

    def push(
        self, files: Sequence[Path], *, attend: Attend | None = None, progress: Progress | None = None
    ) -> tuple[PushOutcome, ...]:
        """Store these files in the node, those that it does not hold yet; one outcome a file, in their order.

        Where an answer is lost the node is asked whether the object arrived before it is sent again.

        Raises:
            NodeError: as all; what was sent before stays there, and is not sent again by the next push.
            InputError: one of the files is not a DICOM object; nothing was sent.
        """

    def commit(self, files: Sequence[Path], attend: Attend | None = None) -> CommitOutcome:
        """Ask the node to take over the responsibility for these files (PS3.4 annex J), or whether it holds them."""

    def close(self) -> None:
        """End the connection; each call opens another where it needs one."""


class NodeConnection:
    """A node with its ways: `web` first; `dimse` where that is all there is, and to commit."""

    def __init__(self, web: PacsConnection | None, dimse: PacsConnection | None) -> None:
        ways = [way for way in (web, dimse) if way is not None]
        self._ways = ways
        self._first, self._committing = ways[0], ways[-1]

    def __enter__(self) -> "NodeConnection":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def echo(self) -> EchoResult:
        """Ask on every way, so that a fault of one does not stay hidden."""
        results = [way.echo() for way in self._ways]
        return EchoResult(", ".join(result.text for result in results), sum(result.ms for result in results))

    def find_studies(self, query: StudyQuery) -> tuple[StudyFound, ...]:
        """See PacsConnection."""
        return self._first.find_studies(query)

    def instances(self, study_uid: str, attend: Attend | None = None) -> tuple[InstanceFound, ...]:
        """See PacsConnection."""
        return self._first.instances(study_uid, attend)

    def pull(
        self,
        study_uid: str,
        folder: Path,
        *,
        series: Collection[str] = (),
        attend: Attend | None = None,
        progress: Progress | None = None,
    ) -> PulledStudy:
        """See PacsConnection."""
        return self._first.pull(study_uid, folder, series=series, attend=attend, progress=progress)

    def present(self, sop_instance_uids: Collection[str], attend: Attend | None = None) -> frozenset[str]:
        """See PacsConnection."""
        return self._first.present(sop_instance_uids, attend)

    def push(
        self, files: Sequence[Path], *, attend: Attend | None = None, progress: Progress | None = None
    ) -> tuple[PushOutcome, ...]:
        """See PacsConnection."""
        return self._first.push(files, attend=attend, progress=progress)

    def commit(self, files: Sequence[Path], attend: Attend | None = None) -> CommitOutcome:
        """See PacsConnection."""
        return self._committing.commit(files, attend)

    def close(self) -> None:
        """See PacsConnection."""
        for way in self._ways:
            way.close()


def open_connection(
    node: PacsNode,
    secrets: SecretStore,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> NodeConnection:
    """A connection to `node`; nothing is sent before the first call.

    Args:
        node: of `nodes.load_nodes`.
        secrets: where its password or token is.
        clock: seconds that only grow.
        sleep: waits for seconds between tries.

    Raises:
        UsageError: the secret is not at hand, or a package is missing.
    """
    web = WebConnection(node, secrets.read_secret(node), clock=clock, sleep=sleep) if node.web else None
    dimse = DimseConnection(node, clock=clock, sleep=sleep) if node.dimse else None
    return NodeConnection(web, dimse)
