"""DICOM files among what the user names: files, folders to the bottom, zip archives."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError, UsageError
from ..archives import MAX_NESTING, UnpackBudget, unpack_zip
from ..sniff import claims_image, sniff


@dataclass(frozen=True)
class InputFile:
    """One DICOM file to de-identify."""

    path: Path
    label: str
    """As sentences on the terminal name it; not for a report."""
    asked_for: bool = True
    """Whether the user named the file itself; of a folder, what is no picture is passed over without a word."""


class PassedOverError(InputError):
    """A file in a folder that is no DICOM object, and whose name does not claim that it is one."""


def check_apart(inputs: Sequence[Path], out: Path) -> None:
    """Refuse originals in the folder of results: who passes the folder on would pass them on with it.

    Raises:
        UsageError: an input is `out` or lies in it.
    """
    for item in inputs:
        if Path(item).resolve().is_relative_to(out.resolve()):
            raise UsageError(f"{item} lies in the folder of results; choose an --out that holds no originals.")


def input_files(inputs: Sequence[Path], out: Path, workspace: Path) -> Iterator[InputFile | InputError]:
    """DICOM files, and an InputError for each that cannot be one; what lies in `out` is left alone.

    Args:
        inputs: files, folders and zip archives.
        out: folder of results, which may lie in an input folder.
        workspace: temporary folder for what archives hold; it must stay until the files were read.
    """
    search = _Search(out.resolve(), workspace)
    for item in inputs:
        yield from search.anything(Path(item), str(item), asked_for=True, depth=0)


class _Search:
    def __init__(self, out: Path, workspace: Path) -> None:
        self._out = out
        self._workspace = workspace
        self._budget = UnpackBudget()

    def anything(self, path: Path, label: str, *, asked_for: bool, depth: int) -> Iterator[InputFile | InputError]:
        try:
            if path.is_dir():
                yield from self._folder(path, label, depth)
                return
            kind = sniff(path)
            if kind == "dicom":
                yield InputFile(path, label, asked_for)
            elif kind == "zip":
                yield from self._archive(path, label, depth + 1)
            elif asked_for:
                yield InputError(f"{label} is no DICOM file; only DICOM is de-identified, so leave it out.")
            elif kind in ("empty", "other") and claims_image(path):
                yield InputError(f"{label} is empty, damaged or encrypted; copy or export it again.")
            else:
                yield PassedOverError(f"{label} is no DICOM file.")
        except InputError as error:
            yield error

    def _folder(self, root: Path, label: str, depth: int) -> Iterator[InputFile | InputError]:
        unreadable: list[OSError] = []
        nothing = True
        for place, folders, files in os.walk(root, onerror=unreadable.append):
            folders[:] = sorted(
                name for name in folders if not name.startswith(".") and (Path(place) / name).resolve() != self._out
            )
            for name in sorted(files):
                if name.startswith("."):
                    continue
                path = Path(place, name)
                inside = os.path.join(label, os.path.relpath(path, root))  # noqa: PTH118 - a label, not a path
                for found in self.anything(path, inside, asked_for=False, depth=depth):
                    nothing &= isinstance(found, PassedOverError)
                    yield found
        for error in unreadable:
            nothing = False
            yield InputError(f"{error.filename} could not be opened ({error.strerror}); check its rights.")
        if nothing:
            yield InputError(f"{label} holds no DICOM file; give a folder that does.")

    def _archive(self, path: Path, label: str, depth: int) -> Iterator[InputFile | InputError]:
        if depth > MAX_NESTING:
            yield InputError(f"{label} is an archive inside archives; unpack it first.")
            return
        folder = Path(tempfile.mkdtemp(prefix="archive-", dir=self._workspace))
        for entry in unpack_zip(path, label, folder, self._budget):
            if isinstance(entry, InputError):
                yield entry
            else:
                yield from self.anything(entry[0], entry[1], asked_for=False, depth=depth)
