"""Unpack zip archives within bounds: no path outside the folder, no bomb, no link, no password."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import InputError
from .case_names import safe_name

MAX_MEMBERS = 20_000
MAX_UNPACKED_BYTES = 16 << 30
MAX_RATIO = 200
"""Of unpacked to packed size, above `RATIO_FREE_BYTES`; deflated black frames alone can reach 1,000."""
RATIO_FREE_BYTES = 1 << 30
MAX_NESTING = 2
_CHUNK = 1 << 20


@dataclass
class UnpackBudget:
    """What may still be unpacked in this call, over all archives and archives inside them."""

    members: int = MAX_MEMBERS
    content: int = MAX_UNPACKED_BYTES


def unpack_zip(path: Path, label: str, folder: Path, budget: UnpackBudget) -> Iterator[tuple[Path, str] | InputError]:
    """Unpack the files of a zip archive into `folder`, keeping its folders.

    Files that are never images (macOS resource forks, hidden files) and links are left out.

    Args:
        path: the archive.
        label: the archive as sentences name it.
        folder: an empty folder that the caller owns.
        budget: lowered by what is unpacked.

    Yields:
        The path and the label of each file, or an InputError for one that is damaged.

    Raises:
        InputError: the archive as a whole is refused: damaged, encrypted, too large, or with paths that lead out.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check(members, path, label, budget)
            for number, member in enumerate(members):
                if _is_left_out(member):
                    continue
                inside = f"{label} ({member.filename})"
                target = _target(folder, member, number)
                try:
                    _write(archive, member, target, inside, budget)
                except InputError as error:
                    yield error
                else:
                    yield target, inside
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, zlib.error):
        raise InputError(f"{label} is a damaged zip archive; copy or pack it again.") from None
    except OSError as error:
        raise InputError(
            f"{label} could not be unpacked ({error.strerror or 'input error'}); unpack it first."
        ) from None


def _check(members: list[zipfile.ZipInfo], path: Path, label: str, budget: UnpackBudget) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > budget.members or total > budget.content:
        raise InputError(
            f"{label} holds {len(members)} files of {total / 1e9:.1f} GB, more than is unpacked; unpack it first."
        )
    if total > RATIO_FREE_BYTES and total > MAX_RATIO * max(path.stat().st_size, 1):
        raise InputError(f"{label} unpacks to {total / 1e9:.1f} GB from very little (a zip bomb?); unpack it first.")
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if ".." in parts or member.filename.startswith(("/", "\\")) or (parts and parts[0][1:2] == ":"):
            raise InputError(f"{label} holds a path that leads out of the archive, so it was not unpacked.")
        if member.flag_bits & 0x1:
            raise InputError(f"{label} is encrypted; unpack it with its password first.")


def _is_left_out(member: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(member.filename).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or "__MACOSX" in parts or any(part.startswith(".") for part in parts)


def _target(folder: Path, member: zipfile.ZipInfo, number: int) -> Path:
    """Place of a member: its folders and name made safe; a number keeps names apart that became the same."""
    parts = PurePosixPath(member.filename.replace("\\", "/")).parts
    parent = folder.joinpath(*(safe_name(part) for part in parts[:-1]))
    stem, suffix = Path(parts[-1]).stem, Path(parts[-1]).suffix
    target = parent / (safe_name(stem) + "".join(c for c in suffix if c.isalnum() or c == ".")[:16])
    return target if not target.exists() else parent / f"{number}" / target.name


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, label: str, budget: UnpackBudget) -> None:
    budget.members -= 1
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(member) as source, open(target, "wb") as file:
            while chunk := source.read(_CHUNK):
                budget.content -= len(chunk)
                if budget.content < 0:
                    raise InputError(f"{label} unpacks to more than is allowed; unpack the archive first.")
                file.write(chunk)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error):
        target.unlink(missing_ok=True)
        raise InputError(f"{label} is damaged inside the archive; copy or pack it again.") from None
    except BaseException:
        target.unlink(missing_ok=True)
        raise
