"""A clip on its way to the analysis process: its pixels in one .npy file, the rest as JSON.

Both sides use this file, so it needs no installed package but NumPy at import.
"""

import os
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..ultrasound.case_names import safe_name
from ..ultrasound.frame import Clip, ClipKind, PixelSpacing, SourceReference, SpacingSource, UltrasoundFrame
from .worker_protocol import exchange_error, new_path

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..ultrasound.frame import UltrasoundRegion

KINDS: tuple[ClipKind, ...] = ("still", "cine", "volume")


@dataclass(frozen=True)
class WorkerClip:
    """A case, or a part of its frames, whose pixels lie in a .npy file."""

    name: str
    """Of the case, from a file or node, never from a patient attribute."""
    kind: ClipKind
    frames: str
    """Path of the .npy file: uint8, (frames, rows, columns) or (frames, rows, columns, 3), row 0 on top."""
    spacing: tuple[float, float, SpacingSource] | None = None
    """row_mm, column_mm and where they come from; None where unknown. Of source "user" it stands above the header's."""
    times_ms: tuple[float, ...] | None = None
    """Of each of these frames, since the first frame of the whole clip."""
    slice_mm: float | None = None
    header_files: tuple[str, ...] = ()
    """DICOM files of the whole clip, in frame order; empty for other sources."""
    first_frame: int = 1
    """1-based number, in the whole clip, of the first of these frames."""
    frame_count: int | None = None
    """Frames of the whole clip; None where these are all."""
    format: str = "slicer"
    """What the pixels were read from: png, nrrd, ...; "dicom" is said by itself where the header files can be read."""

    def to_json(self) -> dict[str, Any]:
        """As JSON; tuples become lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "WorkerClip":
        """Read back what `to_json` gave.

        Raises:
            InputError: it is no description of a clip.
        """
        try:
            spacing, times = content.get("spacing"), content.get("times_ms")
            return cls(
                name=str(content["name"]),
                kind=_one_of_kinds(content["kind"]),
                frames=str(content["frames"]),
                spacing=None if spacing is None else (float(spacing[0]), float(spacing[1]), spacing[2]),
                times_ms=None if times is None else tuple(map(float, times)),
                slice_mm=None if content.get("slice_mm") is None else float(content["slice_mm"]),
                header_files=tuple(map(str, content.get("header_files") or ())),
                first_frame=int(content.get("first_frame") or 1),
                frame_count=None if content.get("frame_count") is None else int(content["frame_count"]),
                format=str(content.get("format") or "slicer"),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError("The images could not be handed to the analysis program; try again.") from error

    @property
    def whole_count(self) -> int:
        """Frames of the whole clip."""
        return self.frame_count or (self.first_frame - 1 + len(self._pixels()))

    @property
    def is_part(self) -> bool:
        """Whether the whole clip has more frames than these."""
        return self.first_frame != 1 or self.whole_count != len(self._pixels())

    def clip(self) -> Clip:
        """These frames as a Clip, read from the file one at a time; those of a DICOM source with their regions.

        Raises:
            InputError: the pixels are gone, or no array of frames.
        """
        return self.clip_and_notes()[0]

    def clip_and_notes(self) -> tuple[Clip, tuple[str, ...]]:
        """See `clip`; and one sentence for each thing that the header files should have given and could not."""
        pixels = self._pixels()
        headers, notes = self._headers(pixels)
        decode = _Frames(pixels, self, tuple(header for header, _ in headers), tuple(regions for _, regions in headers))
        clip = Clip(
            name=safe_name(self.name),
            kind=self.kind,
            frame_count=len(pixels),
            decode=decode,
            paths=tuple(Path(path) for path in self.header_files) if headers else (),
            headers=self._headers_of_part([header for header, _ in headers], len(pixels)),
            times_ms=self.times_ms,
            format="dicom" if headers else self.format,
            slice_mm=self.slice_mm,
        )
        return clip, notes

    def all_headers(self) -> "tuple[Dataset, ...]":
        """Headers of the files of the whole clip; none where they cannot be used."""
        return tuple(header for header, _ in self._headers(self._pixels())[0])

    def _headers_of_part(self, headers: "list[Dataset]", count: int) -> "tuple[Dataset, ...]":
        """Of several one-frame files those of these frames alone."""
        return tuple(headers if len(headers) == 1 else headers[self.first_frame - 1 : self.first_frame - 1 + count])

    def _pixels(self) -> np.ndarray:
        try:
            pixels: np.ndarray = np.load(self.frames, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError("The images handed to the analysis program are gone or damaged; try again.") from error
        if pixels.dtype != np.uint8 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] == 3)):
            raise InputError("The images handed to the analysis program are not 8-bit grey or RGB frames; try again.")
        if not pixels.size:
            raise InputError("There is no image to analyse; choose a volume or sequence with at least one frame.")
        return pixels

    def _headers(
        self, pixels: np.ndarray
    ) -> "tuple[list[tuple[Dataset, tuple[UltrasoundRegion, ...]]], tuple[str, ...]]":
        """Header and regions of each file; nothing, and why, where any of them cannot be used."""
        if not self.header_files:
            return [], ()
        from ..ultrasound.dicom_source import read_dicom_source
        from ..ultrasound.quiet import quiet
        from ..ultrasound.spacing import regions_of

        rows, columns = pixels.shape[1:3]
        found, frames = [], 0
        for path in self.header_files:
            try:
                source = read_dicom_source(Path(path))
                if (int(source.header.Rows), int(source.header.Columns)) != (rows, columns):
                    return [], (_unusable("its size differs from the image shown"),)
                with quiet():
                    found.append((source.header, regions_of(source.header, rows, columns)))
                frames += source.frame_count
            except InputError:
                return [], (_unusable("a file is gone or cannot be read"),)
        if frames != self.whole_count:
            return [], (_unusable("it holds another number of frames"),)
        return found, ()


@dataclass(frozen=True, eq=False)
class _Frames:
    """Decodes the frames of a WorkerClip."""

    pixels: np.ndarray
    clip: WorkerClip
    headers: "tuple[Dataset, ...]"
    regions: "tuple[tuple[UltrasoundRegion, ...], ...]"

    def __call__(self, index: int) -> UltrasoundFrame:
        """Frame `index` of the part, from 0."""
        number = self.clip.first_frame + index
        several = len(self.headers) > 1
        file = number - 1 if several else 0
        spacing = None if self.clip.spacing is None else PixelSpacing(*self.clip.spacing)
        regions = self.regions[file] if self.regions else ()
        if spacing is not None and spacing.source == "user":
            regions = tuple(replace(region, spacing=spacing) for region in regions)
        header = self.headers[file] if self.headers else None
        path = Path(self.clip.header_files[file]) if header is not None else Path(safe_name(self.clip.name))
        return UltrasoundFrame(
            pixels=np.array(self.pixels[index]),
            source=SourceReference(
                path=path,
                frame_number=1 if several else number,
                sop_instance_uid=str(header.get("SOPInstanceUID")) if header is not None else None,
                sop_class_uid=str(header.get("SOPClassUID")) if header is not None else None,
            ),
            regions=regions,
            pixel_spacing=spacing,
            time_ms=self.clip.times_ms[index] if self.clip.times_ms else None,
        )


def write_frames(
    folder: Path, frames: Iterable[np.ndarray], count: int, name: str = "clip"
) -> Generator[int, None, Path]:
    """Write `count` frames to a new .npy file in `folder`, one a step, so that a caller can do other things between.

    Each step yields the number of frames written; the generator returns the path of the file, which appears whole or,
    when the generator is closed early, not at all.

    Args:
        folder: the client's exchange folder.
        frames: uint8, (rows, columns) or (rows, columns, 3), of one shape; views are copied to the file at once.
        count: how many.
        name: first part of the file's name.

    Raises:
        InputError: frames differ in size, are not 8 bits deep, or are not `count`.
        OutputError: the disk is full.
    """
    target = new_path(folder, name, ".npy")
    beside = target.with_suffix(".part")
    written, shape = 0, None
    try:
        with open(beside, "wb") as file:
            for frame in frames:
                if frame.dtype != np.uint8:
                    raise InputError("The frames are not 8 bits deep; convert them first.")
                if shape is None:
                    shape = frame.shape
                    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
                    np.lib.format.write_array_header_1_0(file, header)
                if frame.shape != shape:
                    raise InputError(f"Frame {written + 1} has another size than the first; choose frames of one size.")
                file.write(np.ascontiguousarray(frame).data)
                written += 1
                yield written
        if written != count or not written:
            raise InputError(f"{written} frames were given where {count} were announced; try again.")
        beside.replace(target)
    except OSError as error:
        raise exchange_error(folder, error) from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def write_frames_now(folder: Path, frames: np.ndarray, name: str = "clip") -> str:
    """Write frames (frames, rows, columns[, 3]) in one go; for a single frame, or where nothing waits."""
    steps = write_frames(folder, frames, len(frames), name)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return os.fspath(end.value)


def _one_of_kinds(value: object) -> ClipKind:
    for kind in KINDS:
        if kind == value:
            return kind
    raise ValueError("no kind of clip")


def _unusable(why: str) -> str:
    return f"The DICOM header was left out because {why}; load the image again from its DICOM files."
