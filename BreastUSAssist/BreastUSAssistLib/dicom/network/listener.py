"""A listener to which modalities and PACS send: storage, echo, and reports of storage commitment."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import InputError, OutputError, UsageError
from .association import MAXIMUM_LENGTH, Incoming, application_entity
from .dimse_objects import commitment_of, write_part_10
from .errors import NodeError
from .imports import import_before_threads
from .node_settings import PacsNode, TlsSettings
from .received_files import Identity, is_uid, kept_as, make_folder, read_identity
from .storage_classes import COMMITMENT, EXPLICIT, IMPLICIT, STORED, TRANSFER_SYNTAXES
from .tls import server_context

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_VERIFICATION = "1.2.840.10008.1.1"
_SUCCESS, _NO_SPACE, _NOT_OURS, _ANOTHER_OBJECT, _NOT_UNDERSTOOD = 0x0000, 0xA700, 0x0124, 0xA900, 0xC000
"""Statuses of C-STORE (PS3.4 table B.2-1, PS3.7 C)."""
_FAILED = 0x0110
_MOST_AT_ONCE = 50
"""Associations; with pynetdicom's ten, a few modalities that keep theirs open would shut out all others."""
_PATIENCE_S = 60.0
_HANDSHAKE_S = 15.0


Reported: TypeAlias = Callable[[str, tuple[str, ...], tuple[tuple[str, int], ...]], None]


@dataclass(frozen=True)
class ReceivedInfo:
    """What came, and from whom."""

    sop_class_uid: str
    sop_instance_uid: str
    series_uid: str
    study_uid: str
    modality: str
    transfer_syntax_uid: str
    calling_ae_title: str
    """As the sender calls itself."""


class StorageListener:
    """Listens while it is entered; each object is on the disk before its sender is told that it was received.

    Args:
        port: to listen on; 0 for a free one.
        ae_title: our title, which senders must call.
        keep: called with each file, `folder/<SOP instance UID>.dcm`, and what it is, before its sender is answered;
            where it raises, the sender is told to keep the object. Calls come from several threads, one at a time.
        folder: where objects are kept; one that comes again takes the place of the first.
        tls: with it TLS; its certificate is shown, and where it has a ca_file senders must show one that it signed.
        allowed_ae_titles: of senders; by default all.
        largest_bytes: of one object.
        address: of this computer to listen on; "0.0.0.0" for every network it has.
        wanted: whether an object is taken at all; by default every one.
        reported: called with transaction UID, the UIDs committed and those failed (UID, reason), by a node that
            reports storage commitment.
        patience_s: for each part of what comes.
        heard: called for each piece of what comes, from several threads.

    Raises (on entering):
        UsageError: the port is taken or not allowed, or pynetdicom is missing.
        OutputError: the folder cannot be made.
        NodeError: the certificates cannot be read.
    """

    def __init__(
        self,
        port: int,
        ae_title: str,
        keep: Callable[[Path, ReceivedInfo], None],
        folder: Path,
        *,
        tls: TlsSettings | None = None,
        allowed_ae_titles: Collection[str] | None = None,
        largest_bytes: int = 2**31,
        address: str = "127.0.0.1",
        wanted: Callable[[ReceivedInfo], bool] = lambda info: True,
        reported: Reported | None = None,
        patience_s: float = _PATIENCE_S,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self.port = port
        self.ae_title = ae_title
        self.folder = Path(folder)
        self.trouble: Exception | None = None
        """The first error of `keep` that is not about the object or the disk; raised again when the listener ends."""
        self._keep, self._wanted, self._reported = keep, wanted, reported
        self._tls, self._allowed = tls, allowed_ae_titles
        self._largest, self._address = largest_bytes, address
        self._patience_s, self._heard = patience_s, heard
        self._lock = threading.Lock()
        self._server: Any = None

    def __enter__(self) -> "StorageListener":
        import_before_threads()
        entity = application_entity(self.ae_title)
        make_folder(self.folder)
        entity.require_called_aet = True
        entity.maximum_associations = _MOST_AT_ONCE
        if self._allowed is not None:
            entity.require_calling_aet = sorted(self._allowed)
        entity.maximum_pdu_size = MAXIMUM_LENGTH
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._patience_s
        for one in STORED:
            entity.add_supported_context(one, list(TRANSFER_SYNTAXES))
        entity.add_supported_context(_VERIFICATION, [EXPLICIT, IMPLICIT])
        if self._reported is not None:
            # Who reports is the SCP of the commitment, and says so in its role.
            entity.add_supported_context(COMMITMENT, [EXPLICIT, IMPLICIT], scu_role=False, scp_role=True)
        context = None if self._tls is None else server_context("of this listener", self._tls)
        self._server = self._start(entity, context)
        self.port = self._server.server_address[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        server, self._server = self._server, None
        server.shutdown()
        for association in server.active_associations:
            association.abort()
        if self.trouble is not None and error is None:
            raise self.trouble

    def _start(self, entity: Any, context: Any) -> Any:
        from pynetdicom import evt

        from .listening import server_class

        handlers = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_ECHO, lambda event: _SUCCESS),
            (evt.EVT_N_EVENT_REPORT, self._report),
            (evt.EVT_CONN_OPEN, self._watch),
        ]
        try:
            server = entity.make_server(
                (self._address, self.port),
                evt_handlers=handlers,
                server_class=server_class(context, _HANDSHAKE_S),
            )
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "not allowed"
            raise PortTakenError(f"Port {self.port} cannot be listened on ({why}); choose another port.") from error
        entity._servers.append(server)  # shutdown() takes it out again
        threading.Thread(target=server.serve_forever, args=(0.05,), name="storage listener", daemon=True).start()
        return server

    def _watch(self, event: Any) -> None:
        from pynetdicom import evt

        incoming = Incoming(self._patience_s, self._largest + 2**16, heard=self._heard)
        incoming.watch(event)
        event.assoc.bind(evt.EVT_DIMSE_RECV, incoming.message_ended)

    def _store(self, event: Any) -> int:
        try:
            return self._store_one(event)
        except _RefusedError as refused:
            return refused.status
        except OutputError:
            return _NO_SPACE
        except OSError as error:
            return self._unexpected(error, _NO_SPACE)
        except InputError:
            return _NOT_UNDERSTOOD
        except Exception as error:  # the caller's `keep`: the sender must not believe that all is well
            return self._unexpected(error, _FAILED)

    def _unexpected(self, error: Exception, status: int) -> int:
        self.trouble = self.trouble or error
        return status

    def _store_one(self, event: Any) -> int:
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        if not is_uid(uid):
            return _NOT_UNDERSTOOD
        # One at a time: the disk is the bottleneck, and `keep` need not lock.
        with self._lock:
            with kept_as(self.folder, uid) as beside:
                write_part_10(beside, event)
                info = _info(read_identity(beside), str(event.assoc.requestor.ae_title).strip())
                if (info.sop_instance_uid, info.sop_class_uid) != (uid, str(request.AffectedSOPClassUID)):
                    raise _RefusedError(_ANOTHER_OBJECT)
                if not self._wanted(info):
                    raise _RefusedError(_NOT_OURS)
            self._keep(self.folder / f"{uid}.dcm", info)
        return _SUCCESS

    def _report(self, event: Any) -> tuple[int, "Dataset | None"]:
        if self._reported is not None:
            transaction, committed, failed = commitment_of(event)
            self._reported(transaction, committed, failed)
        return _SUCCESS, None


@contextmanager
def node_listener(
    node: PacsNode,
    ae_title: str,
    folder: Path,
    *,
    keep: Callable[[Path, ReceivedInfo], None],
    wanted: Callable[[ReceivedInfo], bool],
    reported: Reported | None = None,
    largest_bytes: int = 2**31,
    heard: Callable[[], None] = lambda: None,
) -> Iterator[StorageListener]:
    """Listen for what `node` sends to its `listening_port` and our title, for the time of one request to it.

    Raises:
        NodeError: another program listens there just now, which may end; it speaks TLS and we have no certificate; and
            as StorageListener.
    """
    dimse = node.dimse
    assert dimse is not None and dimse.listening_port is not None
    if dimse.tls is not None and dimse.tls.certificate is None:
        raise NodeError(
            f"Node {node.name} sends to listening_port over TLS, where we have to show a certificate; give certificate "
            "and key in its tls part, or take listening_port out.",
            "certificate",
        )
    listener = StorageListener(
        dimse.listening_port,
        ae_title,
        keep,
        folder,
        tls=dimse.tls,
        address=dimse.listening_address,
        wanted=wanted,
        reported=reported,
        largest_bytes=largest_bytes,
        heard=heard,
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(listener)
        except PortTakenError:
            raise NodeError(
                f"Port {dimse.listening_port}, to which node {node.name} sends, is in use on this computer; try again "
                "later, or give the node another listening_port.",
                "dropped",
            ) from None
        yield listener


class PortTakenError(UsageError):
    """The port cannot be listened on."""


class _RefusedError(Exception):
    """An object that is not taken, and the status that says why."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


def _info(identity: Identity, calling_ae_title: str) -> ReceivedInfo:
    return ReceivedInfo(
        sop_class_uid=identity.sop_class_uid,
        sop_instance_uid=identity.sop_instance_uid,
        series_uid=identity.series_uid,
        study_uid=identity.study_uid,
        modality=identity.modality,
        transfer_syntax_uid=identity.transfer_syntax_uid,
        calling_ae_title=calling_ae_title,
    )
