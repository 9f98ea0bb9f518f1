"""Peers that answer badly, on real sockets of loopback: scripted ones, and one that cuts the wire to a real PACS."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def peer(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Port of a server that has `talk` with each client, in a thread of its own, and then closes."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_talk, args=(talk, client), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def _talk(talk: Callable[[socket.socket], None], client: socket.socket) -> None:
    client.settimeout(20)
    with client, contextlib.suppress(OSError):
        talk(client)


def request_of(client: socket.socket) -> bytes:
    """One HTTP request: its head, and its body where it tells the length."""
    content = b""
    while b"\r\n\r\n" not in content:
        piece = client.recv(65536)
        if not piece:
            return content
        content += piece
    head, _, body = content.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    missing = int(lines[0].split(b":")[1]) - len(body) if lines else 0
    while missing > 0:
        piece = client.recv(65536)
        if not piece:
            break
        body += piece
        missing -= len(piece)
    return head + b"\r\n\r\n" + body


def answers(content: bytes) -> Callable[[socket.socket], None]:
    """A talk that answers every request with the same bytes."""

    def talk(client: socket.socket) -> None:
        while request_of(client):
            client.sendall(content)

    return talk


def http(body: bytes, kind: str = "application/dicom+json", status: str = "200 OK", *more: str) -> bytes:
    """An answer of HTTP/1.1."""
    head = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Wire:
    """Passes everything on to `target` until it is cut; counts what went by.

    Args:
        target: port of the real server.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_after: int | None = None
        """Bytes from the server, of the connections from now on, after which both sides are closed; each time once."""
        self.lose_answer_to: bytes = b""
        """Start of a request whose answer is lost: it reaches the server, and then both sides are closed; once."""
        self.pause_s = 0.0
        """Before each piece of up to 64 KiB, in both directions."""
        self.requests: list[bytes] = []
        """First bytes of what the client sent, a piece each."""

    @contextmanager
    def open(self) -> Iterator[int]:
        """The port that is spoken to in place of the server's."""
        with peer(self._talk) as port:
            yield port

    def _talk(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target), 5) as server:
            lost = threading.Event()
            forward = threading.Thread(target=self._forward, args=(client, server, lost), daemon=True)
            forward.start()
            self._back(server, client, lost)
            for one in (server, client):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            forward.join(5)

    def _forward(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                self.requests.append(piece[:200])
                if self.lose_answer_to and piece.startswith(self.lose_answer_to):
                    self.lose_answer_to = b""
                    lost.set()
                time.sleep(self.pause_s)
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _back(self, server: socket.socket, client: socket.socket, lost: threading.Event) -> None:
        passed, limit = 0, self.cut_after
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                if lost.is_set():
                    return
                if limit is not None and passed + len(piece) >= limit:
                    self.cut_after = None
                    client.sendall(piece[: limit - passed])
                    return
                passed += len(piece)
                time.sleep(self.pause_s)
                client.sendall(piece)
