"""multipart/related (RFC 2387) as DICOMweb uses it: one DICOM object read piece by piece, one written."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import NodeError
from .http import Answer

_LONGEST_HEAD = 2**14
_DICOM = "application/dicom"


def write_dicom_part(answer: Answer, write: Callable[[bytes], object], node: str, largest: int) -> None:
    """Hand the one DICOM object of `answer` to `write`, in pieces.

    Raises:
        NodeError: nonsense: the answer is not one DICOM object, is cut off, or larger than `largest` bytes; dropped.
    """
    kind = answer.headers.get_content_type()
    pieces = _counted(answer.pieces(), node, largest)
    if kind == _DICOM:
        for piece in pieces:
            write(piece)
        return
    boundary = answer.headers.get_param("boundary")
    if kind != "multipart/related" or not isinstance(boundary, str) or not 1 <= len(boundary) <= 200:
        raise _nonsense(node, "no DICOM object")
    _write_part(pieces, b"\r\n--" + boundary.encode("latin-1", "replace"), write, node)


def dicom_body(path: Path) -> tuple[Iterator[bytes], int, str]:
    """Body of a request that stores the file at `path` (PS3.18 10.5): its pieces, its length, its content type."""
    boundary = secrets.token_hex(24)
    head = f"--{boundary}\r\nContent-Type: {_DICOM}\r\n\r\n".encode()
    tail = f"\r\n--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        yield head
        with open(path, "rb") as file:
            while piece := file.read(2**18):
                yield piece
        yield tail

    length = len(head) + path.stat().st_size + len(tail)
    return pieces(), length, f'multipart/related; type="{_DICOM}"; boundary={boundary}'


def _write_part(pieces: Iterator[bytes], delimiter: bytes, write: Callable[[bytes], object], node: str) -> None:
    # The first delimiter may stand at the very start, without the line end before it.
    waiting = bytearray(b"\r\n")
    _read_until(pieces, waiting, delimiter, node)
    head = _read_until(pieces, waiting, b"\r\n\r\n", node)
    if _DICOM not in head.decode("latin-1").lower():
        raise _nonsense(node, "no DICOM object")
    for piece in pieces:
        waiting += piece
        at = waiting.find(delimiter)
        if at >= 0:
            break
        done = len(waiting) - len(delimiter)
        if done > 0:
            write(bytes(waiting[:done]))
            del waiting[:done]
    else:
        at = waiting.find(delimiter)
    if at < 0:
        raise _nonsense(node, "an answer that is cut off")
    write(bytes(waiting[:at]))
    del waiting[: at + len(delimiter)]
    for piece in pieces:
        if len(waiting) < _LONGEST_HEAD:
            waiting += piece
    if not waiting.startswith(b"--"):
        raise _nonsense(node, "more than the one object that was asked for")


def _read_until(pieces: Iterator[bytes], waiting: bytearray, mark: bytes, node: str) -> bytes:
    """What stands before `mark`; both are taken out of `waiting`."""
    while (at := waiting.find(mark)) < 0:
        piece = next(pieces, None)
        if piece is None or len(waiting) > _LONGEST_HEAD:
            raise _nonsense(node, "an answer that is cut off")
        waiting += piece
    found = bytes(waiting[:at])
    del waiting[: at + len(mark)]
    return found


def _counted(pieces: Iterator[bytes], node: str, largest: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > largest:
            raise _nonsense(node, f"an object of more than {largest / 2**30:g} GiB")
        yield piece


def _nonsense(node: str, what: str) -> NodeError:
    return NodeError(f"Node {node} answered with {what}; nothing of it was kept, check the node.", "nonsense")
