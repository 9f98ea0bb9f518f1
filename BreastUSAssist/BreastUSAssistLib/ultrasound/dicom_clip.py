"""DICOM files to clips: a multi-frame file alone, or the one-frame files of a series together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from ..errors import InputError
from .dicom_frames import DicomFrames
from .dicom_source import DicomSource
from .frame import Clip, ClipKind, UltrasoundFrame
from .frame_order import in_frame_order
from .frame_times import frame_times_of
from .header_values import finite_list, value_of
from .quiet import quiet
from .sop_classes import ENHANCED_US_VOLUME
from .spacing import pixel_spacing_of, regions_of, slice_mm_of, volume_positions

if TYPE_CHECKING:
    from pydicom import Dataset

_LONGEST_GAP_S = 2.0
"""Frames of one sweep follow each other faster than this; a sonographer who stores stills does not."""
_DAY_S = 86_400


@dataclass(frozen=True, eq=False)
class SeriesFrames:
    """The frames of several one-frame files."""

    files: tuple[DicomFrames, ...]
    times_ms: tuple[float, ...] | None

    def __call__(self, index: int) -> UltrasoundFrame:
        """Decode frame `index`, from 0; raises InputError naming its file."""
        from dataclasses import replace

        frame = self.files[index](0)
        return replace(frame, time_ms=self.times_ms[index]) if self.times_ms else frame


def frames_of(source: DicomSource) -> DicomFrames:
    """The frames of one file with its regions, spacing and times. Raises InputError where the coding is unsupported."""
    header = source.header
    try:
        with quiet():
            return DicomFrames(
                source,
                regions=regions_of(header, int(header.Rows), int(header.Columns)),
                pixel_spacing=pixel_spacing_of(header),
                times_ms=frame_times_of(header, source.frame_count),
            )
    except (TypeError, ValueError, OverflowError, NotImplementedError):
        raise InputError(f"{source.label} has a damaged DICOM header; export it again from its source.") from None


def clip_of_file(name: str, frames: DicomFrames) -> Clip:
    """A still, a cine or a volume from one file."""
    source = frames.source
    with quiet():
        kind, slice_mm = _kind_of(source)
    return Clip(
        name=name,
        kind=kind,
        frame_count=source.frame_count,
        decode=frames,
        paths=(source.path,),
        headers=(source.header,),
        times_ms=frames.times_ms,
        slice_mm=slice_mm,
    )


def clip_of_series(name: str, files: Sequence[DicomFrames]) -> Clip:
    """A cine, or a volume where every file has its own position in the patient, from one-frame files in frame order."""
    headers = tuple(frames.source.header for frames in files)
    with quiet():
        slice_mm = _slice_mm_of_series(headers)
        times_ms = None if slice_mm else frame_times_of(headers[0], len(files))
    return Clip(
        name=name,
        kind="volume" if slice_mm else "cine",
        frame_count=len(files),
        decode=SeriesFrames(tuple(files), times_ms),
        paths=tuple(frames.source.path for frames in files),
        headers=headers,
        times_ms=times_ms,
        slice_mm=slice_mm,
    )


def grouped(files: Sequence[DicomFrames]) -> list[list[DicomFrames]]:
    """Files of one folder, put together where they are the frames of one clip; groups in the order of their first file.

    One-frame files make a clip when they share series, size, coding and regions and no two neighbours (see
    `frame_order.in_frame_order`) were taken more than two seconds apart: stills of an examination that share a series
    stay single cases.
    """
    with quiet():
        series: dict[tuple[object, ...], list[DicomFrames]] = {}
        for frames in files:
            series.setdefault(_series_key(frames), []).append(frames)
        groups: list[list[DicomFrames]] = []
        for members in series.values():
            ordered = in_frame_order(members)
            times = [_taken_at(frames.source.header) for frames in ordered]
            apart = any(
                early is not None and late is not None and _LONGEST_GAP_S < abs(late - early) < _DAY_S - _LONGEST_GAP_S
                for early, late in pairwise(times)
            )
            # A repeated SOP instance UID tells copies of one image, not frames of a sweep.
            copies = len({frames.sop_instance_uid for frames in ordered}) < len(ordered)
            if copies or (apart and len(_positions(tuple(frames.source.header for frames in ordered))) < len(ordered)):
                groups.extend([frames] for frames in ordered)
            else:
                groups.append(ordered)
        return groups


def _series_key(frames: DicomFrames) -> tuple[object, ...]:
    header = frames.source.header
    uid = str(header.get("SeriesInstanceUID") or "")
    if frames.source.frame_count > 1 or not uid:
        return (str(frames.source.path),)
    coding = tuple(str(value_of(header, k)) for k in ("SamplesPerPixel", "PhotometricInterpretation", "SOPClassUID"))
    return (uid, int(header.Rows), int(header.Columns), *coding, frames.regions, frames.pixel_spacing)


def _taken_at(header: "Dataset") -> float | None:
    """Seconds since midnight of acquisition, of the first of three attributes that holds a time."""
    moment = str(value_of(header, "AcquisitionDateTime") or "")[8:]
    text = moment or str(value_of(header, "AcquisitionTime") or value_of(header, "ContentTime") or "")
    try:
        return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:].partition("+")[0].partition("-")[0])
    except ValueError:
        return None


def _kind_of(source: DicomSource) -> tuple[ClipKind, float | None]:
    header = source.header
    if source.frame_count == 1:
        return "still", None
    positions = volume_positions(header)
    moved = len(set(positions)) > 1
    spaced = value_of(header, "SpacingBetweenSlices") and frame_times_of(header, source.frame_count) is None
    if moved or spaced or (header.get("SOPClassUID") == ENHANCED_US_VOLUME and not positions):
        return "volume", slice_mm_of(header)
    return "cine", None


def _positions(headers: Sequence["Dataset"]) -> set[tuple[float, ...]]:
    found = (finite_list(value_of(header, "ImagePositionPatient")) for header in headers)
    return {tuple(position) for position in found if len(position) == 3}


def _slice_mm_of_series(headers: Sequence["Dataset"]) -> float | None:
    """Median distance of neighbours where each file has its own position and all share an orientation."""
    if len(_positions(headers)) < len(headers) or any(
        not value_of(header, "ImageOrientationPatient") for header in headers
    ):
        return None
    positions = [finite_list(value_of(header, "ImagePositionPatient")) for header in headers]
    return median(math.dist(early, late) for early, late in pairwise(positions))
