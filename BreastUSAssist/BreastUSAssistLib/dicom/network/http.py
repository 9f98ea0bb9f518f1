"""HTTP to one web service with limits on time and size, over Python's own http.client.

Not over a library of DICOMweb: those hold whole studies in memory, repeat requests on their own, follow redirects with
the password, and encode again what they send, whereas a file must go as it is.
"""

import base64
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlsplit

from .errors import NodeError
from .node_settings import PacsNode, WebService
from .tls import client_context, trouble_with_tls

SLOWEST = 4096
"""Bytes a second that an answer must bring, once `answer_s` is over; a slower one is given up."""
LONGEST_HEAD = 2**20
"""Bytes within which an answer's body must begin."""
_PIECE = 2**16
_BUSY = (429, 502, 503, 504, 507)
"""Too many requests, a gateway with nobody behind it, overload, no space: true for every request (RFC 9110 15.6)."""


class Answer:
    """What a service answered: status, headers, and a body that is read as it comes."""

    def __init__(self, response: http.client.HTTPResponse, node: str) -> None:
        self._response = response
        self._node = node
        self.status = response.status
        self.headers = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces.

        Raises:
            NodeError: dropped: it ends early, or comes too slowly.
        """
        declared = self.headers.get("Content-Length", "")
        missing = int(declared) if declared.isdecimal() and not self._response.chunked else 0
        with network_trouble(self._node):
            while piece := self._response.read1(_PIECE):
                missing -= len(piece)
                yield piece
        if missing > 0:
            raise dropped(self._node)
        self._response.close()

    def content(self, largest: int) -> bytes:
        """The whole body.

        Raises:
            NodeError: dropped, or nonsense: larger than `largest` bytes.
        """
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > largest:
                raise NodeError(
                    f"Node {self._node} answered with more than {largest // 2**20} MiB; narrow the query.", "nonsense"
                )
        return bytes(found)


class HttpService:
    """Requests to the web service of a node, one at a time, over a connection that is kept open between them.

    Args:
        node: with a web part.
        secret: password or token, where the node asks for one.
        clock: seconds that only grow.
    """

    def __init__(self, node: PacsNode, secret: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        assert node.web is not None
        self._node = node
        self._web: WebService = node.web
        self._clock = clock
        self._authorization = _authorization(self._web, secret)
        self._connection: _Connection | None = None

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Iterable[bytes] = (),
        length: int = 0,
        accepted: tuple[int, ...] = (200,),
    ) -> Iterator[Answer]:
        """Send a request and yield its answer; `body` has `length` bytes.

        Raises:
            NodeError: of any kind; a status that is not `accepted` is one.
        """
        # An idle connection may be closed by the other side just now. What only reads is asked again on a new one; what
        # stores is sent on a new one at once, because it would not be known whether it had arrived.
        reused = self._connection is not None and method == "GET"
        if not reused:
            self.close()
        finished = False
        try:
            try:
                answer = self._ask(method, path, headers or {}, body, length)
            except NodeError as error:
                if not reused or error.kind != "dropped":
                    raise
                self.close()
                answer = self._ask(method, path, headers or {}, body, length)
            self._check_status(answer, accepted)
            yield answer
            finished = True
        finally:
            if not finished or self._connection is None or not self._connection.used_up():
                self.close()

    def _ask(self, method: str, path: str, headers: Mapping[str, str], body: Iterable[bytes], length: int) -> Answer:
        if self._connection is None:
            self._connection = _Connection(self._node, self._clock)
        connection = self._connection
        connection.begin()
        with network_trouble(self._node.name):
            connection.putrequest(method, urlsplit(self._web.url).path.rstrip("/") + path, skip_accept_encoding=True)
            sent = {"User-Agent": "BreastUSAssist", "Accept-Encoding": "identity", **self._authorization, **headers}
            if method != "GET":
                sent["Content-Length"] = str(length)
            for name, value in sent.items():
                connection.putheader(name, value)
            connection.endheaders()
            refused_early = None
            try:
                for piece in body:
                    connection.send(piece)
            except (ConnectionResetError, BrokenPipeError) as error:
                # A service that refuses may answer before it has read all, and close: its answer says more.
                refused_early = error
            connection.begin()
            try:
                return connection.answer()
            except (OSError, http.client.HTTPException) as error:
                raise refused_early or error from None

    def _check_status(self, answer: Answer, accepted: tuple[int, ...]) -> None:
        status, name = answer.status, self._node.name
        if status in accepted:
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise NodeError(f"Node {name} answered in a coding that was not asked for; check its url.", "nonsense")
            return
        if status in (401, 403):
            raise NodeError(
                f"Node {name} does not accept our {self._node.secret_kind or 'request'} (HTTP {status}); "
                "enter user and password again, or ask its administrator.",
                "credentials",
            )
        if status in (404, 410):
            raise NodeError(f"Node {name} does not have what was asked for (HTTP {status}); check its url.", "missing")
        if status in _BUSY:
            raise NodeError(f"Node {name} cannot answer now (HTTP {status}); try again later.", "busy")
        if status in (408, 425) or (status >= 500 and status not in (501, 505)):
            raise NodeError(
                f"Node {name} cannot answer now (HTTP {status}); try again later.", "refused", retryable=True
            )
        if 300 <= status < 400:
            raise NodeError(f"Node {name} points to another address (HTTP {status}); enter that as its url.", "refused")
        raise NodeError(f"Node {name} refused the request (HTTP {status}); ask its administrator.", "refused")


class _Connection(http.client.HTTPConnection):
    """A connection whose reads end at a time that the whole answer is given."""

    def __init__(self, node: PacsNode, clock: Callable[[], float]) -> None:
        assert node.web is not None
        parts = urlsplit(node.web.url)
        https = parts.scheme == "https"
        super().__init__(parts.hostname or "", parts.port or (443 if https else 80))
        self._node, self._clock = node, clock
        self._context = client_context(node.name, node.web) if https else None
        self._begun, self._received, self._in_head = 0.0, 0, True
        self._response: http.client.HTTPResponse | None = None

    def begin(self) -> None:
        """Count the time of an answer from now."""
        self._begun, self._received, self._in_head = self._clock(), 0, True

    def connect(self) -> None:
        name, patience = self._node.name, self._node.timeouts.connect_s
        try:
            raw = socket.create_connection((self.host, self.port), patience)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise NodeError(
                f"Node {name} cannot be reached ({_reason(error)}); check its address, or try again later.",
                "unreachable",
            ) from None
        try:
            if self._context is not None:
                raw = self._context.wrap_socket(raw, server_hostname=self.host)
        except (ssl.SSLError, OSError) as error:
            raw.close()
            raise trouble_with_tls(name, error) from None
        raw.settimeout(self._node.timeouts.answer_s)
        self.sock = cast(Any, _TimedSocket(raw, self.time_left, self.count))

    def time_left(self) -> float:
        """Seconds that the next read may take; TimeoutError where the answer is too slow.

        A byte now and then must not hold us for ever, and a large file must not be cut for being large.
        """
        patience = self._node.timeouts.answer_s
        left = self._begun + patience + self._received / SLOWEST - self._clock()
        if left <= 0:
            raise TimeoutError("too slow")
        return min(left, patience)

    def count(self, received: int) -> None:
        """Note the bytes that came; ValueError where a head (or interim answers, RFC 9110 15.2) has no end."""
        self._received += received
        if self._in_head and self._received > LONGEST_HEAD:
            raise ValueError("endless head")

    def answer(self) -> Answer:
        """Status and headers of the answer to the request that was sent."""
        self._response = self.getresponse()
        self._in_head = False
        return Answer(self._response, self._node.name)

    def used_up(self) -> bool:
        """Whether the last answer was read to its end, so that another request may follow on this connection."""
        return self._response is not None and self._response.isclosed() and self.sock is not None

    def close(self) -> None:
        super().close()
        if self._response is not None:
            self._response.close()


class _TimedSocket:
    """The part of a socket that http.client uses, with a limit for each read; open until its readers are closed."""

    def __init__(self, raw: socket.socket, time_left: Callable[[], float], count: Callable[[int], None]) -> None:
        self.raw, self.time_left, self.count = raw, time_left, count
        self._patience = raw.gettimeout()
        self._readers, self._closed = 0, False

    def sendall(self, content: bytes) -> None:
        self.raw.settimeout(self._patience)
        self.raw.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self), _PIECE)

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self.raw.close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._closed:
            self.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, source: _TimedSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._source.raw.settimeout(self._source.time_left())
        received = self._source.raw.recv_into(buffer)
        self._source.count(received)
        return received

    def close(self) -> None:
        if not self.closed:
            self._source.reader_closed()
        super().close()


@contextmanager
def network_trouble(node: str) -> Iterator[None]:
    """Turn what sockets and http.client raise into our error; the cause is left out, it may quote the request."""
    try:
        yield
    except NodeError:
        raise
    except TimeoutError:
        raise NodeError(f"Node {node} does not answer in time; try again later.", "dropped") from None
    except ssl.SSLError as error:
        raise trouble_with_tls(node, error) from None
    except (http.client.RemoteDisconnected, http.client.IncompleteRead, OSError):
        raise dropped(node) from None
    except http.client.BadStatusLine as error:
        # The first bytes of a right answer, and no more of them.
        raise dropped(node) if "HTTP/".startswith(str(error.args[0])[:5]) else nonsense(node) from None
    except (http.client.HTTPException, ValueError):
        raise nonsense(node) from None


def nonsense(node: str) -> NodeError:
    """The error for an answer that is not HTTP."""
    return NodeError(f"Node {node} does not speak HTTP as it should; check its url.", "nonsense")


def dropped(node: str) -> NodeError:
    """The error for a connection that ended in the middle."""
    return NodeError(f"Node {node} ended the connection in the middle of its answer; try again.", "dropped")


def _authorization(web: WebService, secret: str | None) -> dict[str, str]:
    if web.auth == "basic":
        return {"Authorization": "Basic " + base64.b64encode(f"{web.user}:{secret}".encode()).decode()}
    return {"Authorization": f"Bearer {secret}"} if web.auth == "bearer" else {}


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "unknown host" if isinstance(error, socket.gaierror) else error.strerror or type(error).__name__
