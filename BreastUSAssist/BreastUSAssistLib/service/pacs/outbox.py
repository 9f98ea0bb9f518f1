"""Results on their way to a node: kept on the disk until the node has them."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from ...dicom.network.errors import NodeError
from ...dicom.network.nodes import default_nodes_file
from ...errors import BreastUSAssistError, UsageError
from ...files import folder_written_whole
from ...labels.durable import sync_folders, write_durably
from .acceptance import SENT, FileToSend, accepted_files
from .ledger import Ledger
from .outages import PATIENCE, Patience
from .study_steps import push_objects
from .work_folder import WorkFolder, checked_name
from .work_item import NewItem, StoredObject, WorkItem

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection

ENVIRONMENT = "BREASTUS_OUTBOX"
_OWNER = "outbox"
_SEGMENTATIONS = "1.2.840.10008.5.1.4.1.1.66."
"""What the SOP classes of segmentations begin with (PS3.4 B.5)."""
_LEASE_S = 900.0


@dataclass(frozen=True)
class OutboxItem:
    """The files of one case for one node."""

    key: str
    node: str
    files: tuple[Path, ...]
    """The outbox's own copies."""
    state: Literal["waiting", "sent", "failed"]
    attempts: int
    next_try: float | None
    """Seconds since 1970; None once it is sent or failed."""
    outcomes: tuple[tuple[str, str], ...]
    """SOP instance UID and "sent", "already there", "refused" or "" of each file."""
    words: str
    """What became of it, or the last trouble; one sentence without a patient or a secret."""


def default_outbox() -> Path:
    """The user's outbox: BREASTUS_OUTBOX, else a folder beside the file of nodes."""
    return Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else default_nodes_file().parent / "outbox"


class Outbox:
    """A folder of results to send. One program at a time sends an item; several may look."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time, patience: Patience = PATIENCE) -> None:
        """Open an outbox, made where it is missing.

        Raises:
            OutputError, InputError: as `Ledger`.
        """
        self._folder = WorkFolder(folder)
        self._ledger = Ledger(self._folder.ledger)
        self._clock = clock
        self._patience = patience

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close; what is in it stays."""
        self._ledger.close()

    def put(self, key: str, node: str, case_folder: Path, *, drafts: bool = False) -> OutboxItem:
        """Copy what is to be sent of a case into the outbox; the same key again gives the item that is there.

        Args:
            key: names the item, and its folder.
            node: name of the node that it goes to.
            case_folder: of an exported case; or one of its DICOM files.
            drafts: also where no reader has accepted.

        Raises:
            UsageError: its reader has not accepted the case, there is nothing to send, or the key is unusable.
            InputError: a file is damaged.
            OutputError: the outbox cannot be written; nothing is left in it.
        """
        known = self.get(key)
        if known is not None:
            return known
        files = accepted_files([Path(case_folder)], drafts=drafts)
        target = self._folder.results(key)
        with folder_written_whole(target, "choose another folder") as beside:
            write_durably({beside / _file_name(one): one.path.read_bytes for one in files})
        sync_folders([target, target.parent])
        copied = accepted_files([target], drafts=True)
        objects = [StoredObject(self._folder.relative(one.path), one.sop_instance_uid, one.sha256) for one in copied]
        new = NewItem(files[0].study_uid, "given", key, destination=node, state="analyzed", next_try=self._clock())
        self._ledger.add(new, objects, now=self._clock())
        return self._known(key)

    def get(self, key: str) -> OutboxItem | None:
        """The item of that key, or None."""
        item = self._ledger.item(checked_name(key))
        return None if item is None else self._shown(item)

    def items(self, node: str | None = None) -> tuple[OutboxItem, ...]:
        """All of it, or what goes to one node, in the order in which it came."""
        found = (self._shown(one) for one in self._ledger.items())
        return tuple(one for one in found if node in (None, one.node))

    def waiting(self, node: str | None = None) -> tuple[OutboxItem, ...]:
        """What is not sent yet."""
        return tuple(one for one in self.items(node) if one.state == "waiting")

    def send(self, key: str, connection: "PacsConnection", *, attend: Callable[[], None] | None = None) -> OutboxItem:
        """Try once, due or not; an item that is sent stays as it is.

        Raises:
            NodeError: the node did not take it; noted in the item, which waits for the next try.
            UsageError: there is no such item, or another program is sending it.
            InputError: a file is not the one that was put.
        """
        self._known(key)
        with self._folder.alone(key):
            return self._send_alone(key, connection, attend or (lambda: None))

    def _send_alone(self, key: str, connection: "PacsConnection", attend: Callable[[], None]) -> OutboxItem:
        # Nobody else is sending it, so a lease that is still there is a killed program's.
        self._ledger.free_leases(key)
        now = self._clock()
        item = self._ledger.claim_named(key, "analyzed", _OWNER, now=now, lease_s=_LEASE_S)
        if item is None:
            return self._known(key)
        try:
            pushed = push_objects(self._ledger.objects(item), self._folder, connection, attend)
        except BaseException as error:
            self._note_failure(item, error)
            raise
        now = self._clock()
        self._ledger.set_outcome(item, [(one.sop_instance_uid, one.state) for one in pushed.outcomes])
        if not pushed.complete:
            kind: Literal["refused", "dropped"] = "refused" if pushed.refused else "dropped"
            trouble = NodeError(
                f"{item.destination} did not take all of it: {pushed.words}; ask its administrator.", kind
            )
            until = now + self._wait_s(item, trouble)
            self._ledger.postpone(item, _OWNER, until=until, note=pushed.words, counted=True, now=now)
            raise trouble
        self._ledger.advance(item, "pushed", _OWNER, now=now, note=pushed.words)
        return self._known(key)

    def remove(self, key: str) -> None:
        """Take an item out of the outbox, sent or not; nothing where there is none."""
        self._ledger.remove(checked_name(key))
        shutil.rmtree(self._folder.results(key), ignore_errors=True)
        (self._folder.root / f"{key}.lock").unlink(missing_ok=True)

    def _note_failure(self, item: WorkItem, error: BaseException) -> None:
        """Give the item back; only a node's own sentence is noted, others could quote a file."""
        now, told = self._clock(), isinstance(error, NodeError)
        until = now + self._wait_s(item, error) if isinstance(error, BreastUSAssistError) else now
        note = str(error) if told else item.note
        with suppress(UsageError):
            self._ledger.postpone(item, _OWNER, until=until, note=note, counted=told, now=now)

    def _wait_s(self, item: WorkItem, error: BreastUSAssistError) -> float:
        """Before the next try unasked: what a person has to mend, as a password, is not asked every minute."""
        passing = isinstance(error, NodeError) and error.retryable
        return self._patience.wait_s(item.attempts + 1) if passing else self._patience.refused_wait_s

    def _known(self, key: str) -> OutboxItem:
        item = self.get(key)
        if item is None:
            raise UsageError(f"There is no {key} in the outbox.")
        return item

    def _shown(self, item: WorkItem) -> OutboxItem:
        objects = self._ledger.objects(item)
        state: Literal["waiting", "sent", "failed"] = (
            "sent" if item.state == "pushed" else "failed" if item.state == "failed" else "waiting"
        )
        return OutboxItem(
            item.name,
            item.destination or "",
            tuple(self._folder.root / one.path for one in objects),
            state,
            item.attempts,
            item.next_try if state == "waiting" else None,
            tuple((one.sop_instance_uid, one.outcome) for one in objects),
            item.note,
        )


def _file_name(file: FileToSend) -> str:
    return SENT[0] if file.sop_class_uid.startswith(_SEGMENTATIONS) else SENT[1]
