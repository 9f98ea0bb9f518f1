"""Files, folders and zip archives to clips: the way in for every other layer.

What lies in a folder (or archive) beside images is treated so:
- text, spreadsheets, DICOMDIR and DICOM objects without a picture (SR, SEG, presentation states) are passed over;
- a damaged image, an empty file, or a file whose name claims a format that its content is not, gives an InputError;
- hidden files and links to folders are passed over; a folder without any image gives an InputError.
A file given by its own name always gives a clip or an InputError.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InputError
from .archives import MAX_NESTING, UnpackBudget, unpack_zip
from .case_names import CaseNames, stem_of
from .dicom_clip import clip_of_file, clip_of_series, frames_of, grouped
from .dicom_frames import DicomFrames
from .dicom_source import NoPictureError, read_dicom_source
from .frame import Clip, UltrasoundFrame
from .images import open_image
from .nifti_files import open_nifti
from .nrrd_files import open_nrrd
from .sniff import FileKind, claims_image, sniff

_READ = "DICOM, PNG, JPEG, TIFF, BMP, WebP, NRRD, NIfTI or zip"


def open_clips(inputs: Sequence[Path], workspace: Path) -> Iterator[Clip | InputError]:
    """Open every image of `inputs` without decoding pixels, one clip or one error at a time.

    The one-frame DICOM files of a series that lie in one folder become one clip, see `dicom_clip.grouped`; files given
    by their own names stay cases of their own.

    Args:
        inputs: files, folders (searched to the bottom) and zip archives.
        workspace: existing temporary folder of the caller for files unpacked from archives; it must stay until the
            clips have been used.

    Yields:
        Clips, and an InputError for each file that could not be opened; its message names the file.
    """
    opening = _Opening(Path(workspace))
    for item in inputs:
        yield from opening.anything(Path(item))


def open_clip(path: Path) -> Clip:
    """Open one file, or a folder that holds one clip.

    Raises:
        InputError: it cannot be opened, holds several clips, or is an archive.
    """
    path = Path(path)
    if not path.is_dir():
        if sniff(path) == "zip":
            raise InputError(f"{path} is an archive; unpack it and give one image of it.")
        return _Opening(path.parent).file(path)
    found = list(_Opening(path).folder(path, str(path)))
    clips = [entry for entry in found if isinstance(entry, Clip)]
    if len(clips) == 1:
        return clips[0]
    if not clips:
        raise next(entry for entry in found if isinstance(entry, InputError))
    raise InputError(f"{path} holds {len(clips)} clips; give one of its files.")


def read_frame(path: Path) -> UltrasoundFrame:
    """Decode the first frame of one file. Raises InputError naming it."""
    return open_clip(path).frame(0)


class _Opening:
    """One call of `open_clips`: names taken and room left for unpacking."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._names = CaseNames()
        self._budget = UnpackBudget()

    def anything(self, path: Path) -> Iterator[Clip | InputError]:
        try:
            is_folder = path.is_dir()
        except (OSError, ValueError):
            is_folder = False
        try:
            if is_folder:
                yield from self.folder(path, str(path))
            elif sniff(path) == "zip":
                yield from self._archive(path, str(path), 1)
            else:
                yield self.file(path)
        except InputError as error:
            yield error

    def file(self, path: Path) -> Clip:
        kind = sniff(path)
        if kind == "dicom":
            return clip_of_file(self._names.unique(stem_of(path)), frames_of(read_dicom_source(path)))
        return self._no_dicom(path, str(path), kind)

    def folder(self, root: Path, label: str, labels: dict[Path, str] | None = None, depth: int = 0) -> Iterator:
        """Everything below `root`, folder by folder; `labels` names the files of an unpacked archive."""
        nothing = True
        unreadable: list[OSError] = []
        for place, folders, files in os.walk(root, onerror=unreadable.append):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
            paths = [Path(place, name) for name in sorted(files) if not name.startswith(".")]
            for found in self._one_folder(Path(place), paths, label if Path(place) == root else "", labels, depth):
                nothing = False
                yield found
        for error in unreadable:
            nothing = False
            where = f"{label} (a folder in it)" if labels else error.filename
            yield InputError(f"{where} could not be opened ({error.strerror}); check its rights.")
        if nothing:
            yield InputError(f"{label} holds no ultrasound image; give a folder with {_READ} files.")

    def _one_folder(
        self, place: Path, paths: list[Path], title: str, labels: dict[Path, str] | None, depth: int
    ) -> Iterator[Clip | InputError]:
        """Clips and errors of one folder in the order of their (first) files."""
        dicom: list[DicomFrames] = []
        others: list[tuple[Path, str, FileKind]] = []
        errors: list[tuple[Path, InputError]] = []
        for path in paths:
            label = (labels or {}).get(path, str(path))
            try:
                kind = sniff(path)
                if kind == "dicom":
                    dicom.append(frames_of(read_dicom_source(path, label)))
                elif not _is_passed_over(path, kind):
                    others.append((path, label, kind))
            except NoPictureError:
                continue
            except InputError as error:
                errors.append((path, error))
        groups = {group[0].source.path: group for group in grouped(dicom)}
        waiting = {path: (label, kind) for path, label, kind in others}
        failed = dict(errors)
        folder_name = stem_of(Path(title)) if title and labels is not None else place.resolve().name
        for path in sorted({*groups, *waiting, *failed}):
            if path in failed:
                yield failed[path]
            elif path in groups:
                yield self._dicom_clip(groups[path], folder_name)
            elif waiting[path][1] == "zip":
                yield from self._archive(path, waiting[path][0], depth + 1)
            else:
                try:
                    yield self._no_dicom(path, *waiting[path], parent=folder_name)
                except InputError as error:
                    yield error

    def _dicom_clip(self, group: list[DicomFrames], folder_name: str) -> Clip:
        if len(group) > 1:
            return clip_of_series(self._names.unique(folder_name), group)
        return clip_of_file(self._names.unique(stem_of(group[0].source.path), folder_name), group[0])

    def _no_dicom(self, path: Path, label: str, kind: FileKind, parent: str = "") -> Clip:
        """Open a file that is not DICOM; the name is taken only once the file is known to be sound."""
        if kind == "empty":
            raise InputError(f"{label} is empty (0 bytes); copy or export it again.")
        if kind == "image":
            clip = open_image(path, "", label)
        elif kind == "nrrd":
            clip = open_nrrd(path, "", label)
        elif kind in ("nifti", "nifti_gz"):
            clip = open_nifti(path, "", label, compressed=kind == "nifti_gz")
        else:
            what = "a text file" if kind == "text" else "no image, damaged, or encrypted"
            raise InputError(f"{label} is {what}; give a {_READ} file.")
        return _renamed(clip, self._names.unique(stem_of(path), parent))

    def _archive(self, path: Path, label: str, depth: int) -> Iterator[Clip | InputError]:
        if depth > MAX_NESTING:
            yield InputError(f"{label} is an archive inside archives; unpack it first.")
            return
        labels: dict[Path, str] = {}
        failed = False
        try:
            folder = Path(tempfile.mkdtemp(prefix="archive-", dir=self._workspace))
            for entry in unpack_zip(path, label, folder, self._budget):
                if isinstance(entry, InputError):
                    failed = True
                    yield entry
                else:
                    labels[entry[0]] = entry[1]
        except InputError as error:
            yield error
            return
        except OSError as error:
            yield InputError(f"{label} could not be unpacked ({error.strerror}); unpack it first.")
            return
        if labels or not failed:
            yield from self.folder(folder, label, labels, depth)


def _renamed(clip: Clip, name: str) -> Clip:
    from dataclasses import replace

    return replace(clip, name=name)


def _is_passed_over(path: Path, kind: FileKind) -> bool:
    """Whether a file in a folder is no image and does not claim to be one."""
    if kind not in ("empty", "text", "other") or claims_image(path):
        return False
    # Without an extension it may be a DICOM file that was damaged or encrypted: only readable text is surely none.
    return kind == "text" or any(letter.isalpha() for letter in path.suffix)
