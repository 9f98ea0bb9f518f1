"""Damage in SQLite's write-ahead log, which SQLite itself passes over in silence.

A log is there while a store is open, and after its program was killed. SQLite reads it up to the first frame whose
checksum is wrong: right for a frame that was half written when the power went, wrong for one whose bits changed later,
since what was acknowledged behind it is gone with it. Format: sqlite.org/fileformat2.html, "The Write-Ahead Log".
"""

import struct
from pathlib import Path

from .index import INDEX

_HEAD = struct.Struct(">IIIIIIII")
_FRAME = struct.Struct(">IIIIII")
_MAGIC = 0x377F0682


def log_damage(folder: Path) -> list[str]:
    """What is damaged in the log beside the index, in words; nothing where there is no log.

    To be asked before the index is opened for writing, which folds what SQLite can read of the log into the index.
    """
    path = folder / f"{INDEX}-wal"
    for _ in range(3):
        try:
            log = path.read_bytes()
        except OSError:
            return []
        words = _damage(log)
        # Another process may have been writing at this moment: then it looks different each time.
        if not words or path.read_bytes() == log:
            return words
    return []


def _damage(log: bytes) -> list[str]:
    if len(log) < _HEAD.size:
        return []
    magic, _, page, _, salt1, salt2, sum1, sum2 = _HEAD.unpack_from(log)
    order = ">" if magic & 1 else "<"
    sums = _checksum(log[:24], order, (0, 0))
    if magic & ~1 != _MAGIC or sums != (sum1, sum2) or page == 0:
        return [f"{INDEX}-wal is damaged in its first bytes: what was stored last may be lost"]
    size = _FRAME.size + page
    good = True
    for number, start in enumerate(range(_HEAD.size, len(log) - size + 1, size), 1):
        _, commit, found1, found2, sum1, sum2 = _FRAME.unpack_from(log, start)
        if good:
            sums = _checksum(log[start : start + 8], order, sums)
            sums = _checksum(log[start + _FRAME.size : start + size], order, sums)
            good = (found1, found2, sum1, sum2) == (salt1, salt2, *sums)
            first_bad = number
        if not good and commit and (found1, found2) == (salt1, salt2):
            return [f"{INDEX}-wal is damaged at frame {first_bad}: what was stored after it may be lost"]
    return []


def _checksum(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
