"""Associations with a node (PS3.8) by pynetdicom, with limits on what comes in and on how long it may take."""

import logging
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from .activity import Activity, ended_when_idle
from .errors import NodeError
from .node_settings import PacsNode
from .storage_classes import register_retired_classes
from .tls import client_context, trouble_with_tls

if TYPE_CHECKING:
    from pynetdicom.association import Association
    from pynetdicom.presentation import PresentationContext


class NotOfferedError(NodeError):
    """The node has none of the services that were asked for."""


LARGEST_PDU = 2**20
"""Bytes of one protocol data unit that are accepted; pynetdicom alone accepts 4 GiB."""
MAXIMUM_LENGTH = 2**17
"""Of the units that we ask for (PS3.8 D.1): few large ones are faster."""
_LOGGER = "pynetdicom"
_GOODBYE_S = 2.0


class Incoming:
    """What comes in on one association: bounded in size and time, which pynetdicom leaves open.

    Args:
        patience_s: that one unit may take, and each sending.
        largest: bytes of one message.
        clock: seconds that only grow.
        heard: called for each piece that comes or goes.
    """

    def __init__(
        self,
        patience_s: float,
        largest: int,
        clock: Callable[[], float] = time.monotonic,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._patience_s, self._largest, self._clock, self._heard = patience_s, largest, clock, heard
        self._message = 0
        self._socket: socket.socket | None = None
        self.opened = False
        self.trouble: Exception | None = None
        """Why the connection was given up, or how the socket ended it."""

    def handlers(self) -> "list[tuple[Any, ...]]":
        """Handlers to bind to an association."""
        from pynetdicom import evt

        return [
            (evt.EVT_CONN_OPEN, self.watch),
            (evt.EVT_DIMSE_RECV, self.message_ended),
            (evt.EVT_DATA_SENT, lambda event: self._heard()),
        ]

    def watch(self, event: Any) -> None:
        """Handler of EVT_CONN_OPEN; `event` is an Event of pynetdicom."""
        self.opened = True
        connection = event.assoc.dul.socket
        self._socket = connection.socket
        # pynetdicom waits without limit in both directions once the connection stands.
        connection.socket.settimeout(self._patience_s)
        connection.recv = self._receive

    def message_ended(self, _event: Any) -> None:
        """Handler of EVT_DIMSE_RECV."""
        self._message = 0

    def _receive(self, wanted: int) -> bytearray:
        """In the place of AssociationSocket.recv: exactly `wanted` bytes, fewer where the other side closed."""
        assert self._socket is not None
        try:
            return self._received(self._socket, wanted)
        except OSError as error:
            self.trouble = self.trouble or error
            with suppress(OSError):  # it may be closed already
                self._socket.shutdown(socket.SHUT_RDWR)
            raise

    def _received(self, connection: socket.socket, wanted: int) -> bytearray:
        self._message += wanted
        if wanted > LARGEST_PDU or self._message > self._largest:
            raise _TooLargeError("more bytes than were to be expected")
        found, end = bytearray(), self._clock() + self._patience_s
        while len(found) < wanted:
            left = end - self._clock()
            if left <= 0:
                raise TimeoutError("too slow")
            connection.settimeout(left)
            piece = connection.recv(min(wanted - len(found), 2**16))
            if not piece:
                break
            found += piece
            self._heard()
        connection.settimeout(self._patience_s)
        return found


class _TooLargeError(OSError):
    """Something that must not be read whole."""


@contextmanager
def associated(
    node: PacsNode,
    contexts: "Sequence[PresentationContext]",
    *,
    largest: int,
    handlers: Sequence[tuple[Any, ...]] = (),
    roles: Sequence[Any] = (),
    clock: Callable[[], float] = time.monotonic,
    activity: Activity | None = None,
    patience_s: float | None = None,
) -> "Iterator[Association]":
    """An association with the node's application entity, released at the end, aborted on a failure.

    Args:
        node: with a dimse part.
        contexts: that are proposed; one that is needed must be checked by the caller.
        largest: bytes of one message that may come in.
        handlers: of pynetdicom's events.
        roles: role selections, for C-GET.
        clock: seconds that only grow.
        activity: touched by what comes and goes; others who know that the node is alive may touch it too.
        patience_s: without activity, after which the association is ended; by default the node's answer_s.

    Raises:
        NodeError: no association came to be; UsageError: the package is missing.
    """
    entity = application_entity(node.dimse.calling_ae_title if node.dimse else "")
    assert node.dimse is not None
    entity.connection_timeout = node.timeouts.connect_s
    entity.acse_timeout = node.timeouts.answer_s
    entity.dimse_timeout = entity.network_timeout = None  # see ended_when_idle
    activity = activity or Activity()
    incoming = Incoming(node.timeouts.answer_s, largest, clock, activity.touch)
    handshake: list[Exception] = []
    tls = _tls_arguments(node, handshake)
    try:
        association = entity.associate(
            node.dimse.host,
            node.dimse.port,
            contexts=list(contexts),
            ae_title=node.dimse.ae_title,
            max_pdu=MAXIMUM_LENGTH,
            ext_neg=list(roles),
            tls_args=tls,
            evt_handlers=[*incoming.handlers(), *handlers],
        )
    except OSError:  # the host's name has no address
        raise unreachable(node) from None
    if not association.is_established:
        raise _not_established(node, association, incoming, handshake)
    finished = False

    try:
        with ended_when_idle(activity, patience_s or node.timeouts.answer_s, lambda: hang_up(association)):
            yield association
        finished = True
    finally:
        if finished and association.is_established:
            # All is said: a node that is gone by now is not waited for.
            association.acse_timeout = min(_GOODBYE_S, node.timeouts.answer_s)
            association.release()
        else:
            association.abort()


def application_entity(title: str) -> Any:
    """An entity of pynetdicom; its log is switched off, because it quotes what is exchanged.

    Raises:
        UsageError: pynetdicom is missing.
    """
    try:
        from pynetdicom import AE
    except ImportError as error:
        raise UsageError("DICOM over DIMSE needs pynetdicom; install breastusassist[pacs].") from error
    logger = logging.getLogger(_LOGGER)
    if logger.level == logging.NOTSET:  # who sets a level wants to see it
        logger.setLevel(logging.CRITICAL + 1)
    register_retired_classes()
    return AE(ae_title=title)


def hang_up(association: Any) -> None:
    """End the connection at once, from any thread; who waits for its next message goes on without one.

    Not by abort(): an answer that is still on its way out would end pynetdicom's thread with a traceback.
    """
    connection = association.dul.socket
    if connection is not None and connection.socket is not None:
        with suppress(OSError):  # it may be closed already
            connection.socket.shutdown(socket.SHUT_RDWR)
    association.dimse.msg_queue.put((None, None))  # as pynetdicom itself does when a connection ends


def unreachable(node: PacsNode) -> NodeError:
    """Nobody answers at the node's address."""
    return NodeError(
        f"Node {node.name} cannot be reached over DICOM; check host and port, or try again later.", "unreachable"
    )


def broken(node: PacsNode) -> NodeError:
    """The node ended the association, or did not answer in time."""
    return NodeError(
        f"Node {node.name} ended the association or did not answer in time; try again, and check that it knows our AE "
        "title.",
        "dropped",
    )


def _tls_arguments(node: PacsNode, handshake: list[Exception]) -> tuple[ssl.SSLContext, str] | None:
    assert node.dimse is not None
    if node.dimse.tls is None:
        return None
    context = client_context(node.name, node.dimse.tls)

    class Socket(ssl.SSLSocket):
        """Notes why a handshake failed: pynetdicom only logs it."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except OSError as error:
                handshake.append(error)
                raise

    context.sslsocket_class = Socket
    return context, node.dimse.host


def _not_established(
    node: PacsNode, association: "Association", incoming: Incoming, handshake: list[Exception]
) -> NodeError:
    trouble = next(iter(handshake), incoming.trouble)
    if isinstance(trouble, _TooLargeError):
        return NodeError(f"Node {node.name} does not speak DICOM as it should; check host and port.", "nonsense")
    if handshake or isinstance(trouble, ssl.SSLError):
        return trouble_with_tls(node.name, trouble)
    if association.is_rejected:
        return _rejected(node, association)
    if association.rejected_contexts and not association.accepted_contexts:
        return NotOfferedError(
            f"Node {node.name} does not offer this service over DICOM; ask its administrator.", "refused"
        )
    return broken(node) if incoming.opened else unreachable(node)


def _rejected(node: PacsNode, association: "Association") -> NodeError:
    """In words (PS3.8 table 9-21)."""
    assert node.dimse is not None
    answer = association.acceptor.primitive
    result, source, reason = (getattr(answer, part, None) for part in ("result", "result_source", "diagnostic"))
    if source == 1 and reason == 3:
        return NodeError(
            f"Node {node.name} does not know our AE title {node.dimse.calling_ae_title}; have it entered there.",
            "credentials",
        )
    if source == 1 and reason == 7:
        return NodeError(f"Node {node.name} is not called {node.dimse.ae_title}; correct its AE title.", "refused")
    busy = result == 2 or source == 3
    advice = "try again later" if busy else "ask its administrator"
    return NodeError(f"Node {node.name} rejected the association; {advice}.", "busy" if busy else "refused")
