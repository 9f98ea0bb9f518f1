"""index.seal: checksums over the whole index as it was when a store was last closed.

The audit trail covers every value that is stored; a file of SQLite also has bytes that hold none. Where nothing was
added since the seal, a changed bit in those is told too.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import BreastUSAssistError
from ..files import write_text
from .index import LabelIndex

SEAL = "index.seal"
_BLOCK = 65536


def seal_index(folder: Path, index: LabelIndex) -> None:
    """Seal the index as it is now, unless it is sealed already, open for reading alone, or another one lies there now.

    A seal that cannot be written (a full disk) stays the old one: verification then says from which entry on it is
    missing, and no label depends on it.
    """
    if index.read_only or not index.in_place:
        return
    try:
        number, hashed = index.head()
        old = _read(folder)
        if old is not None and old["entry"] == number and old["hash"] == hashed.hex():
            return
        write_text(folder / SEAL, _text(_content(index)))
    except BreastUSAssistError:
        return


def seal_damage(folder: Path, index: LabelIndex) -> tuple[list[str], str]:
    """What is damaged by the seal, in words; and why the unused bytes could not be checked, or ""."""
    path = folder / SEAL
    if not path.exists():
        return [], "The index was never sealed: bytes of it that hold nothing could not be checked."
    sealed = _read(folder)
    if sealed is None:
        return [f"{SEAL} is damaged"], ""
    found = _content(index)
    if found["entry"] != sealed["entry"]:
        return [], (
            f"The index was sealed at entry {sealed['entry']} of {found['entry']}: bytes of it that hold nothing could "
            "not be checked."
        )
    blocks, before = found["blocks"], sealed["blocks"]
    changed = [i for i, (one, other) in enumerate(zip(blocks, before, strict=False)) if one != other]
    words = [f"index.sqlite has changed in bytes {i * _BLOCK} to {(i + 1) * _BLOCK - 1}" for i in changed]
    if len(blocks) != len(before):
        words.append("index.sqlite has another length than when it was sealed")
    return words, ""


def _content(index: LabelIndex) -> dict[str, Any]:
    with index.snapshot() as connection:
        number, hashed = index.head()
        image = connection.serialize()
    view = memoryview(image)
    blocks = [
        hashlib.blake2b(view[start : start + _BLOCK], digest_size=16).hexdigest()
        for start in range(0, len(view), _BLOCK)
    ]
    return {"entry": number, "hash": hashed.hex(), "blocks": blocks}


def _text(content: dict[str, Any]) -> str:
    bare = json.dumps(content, separators=(",", ":"))
    return f"{bare}\n{hashlib.sha256(bare.encode()).hexdigest()}\n"


def _read(folder: Path) -> dict[str, Any] | None:
    """The seal; None where there is none or it is damaged."""
    try:
        text = (folder / SEAL).read_bytes().decode("ascii")
        content = json.loads(text.partition("\n")[0])
    except (OSError, ValueError):
        return None
    return content if text == _text(content) else None
