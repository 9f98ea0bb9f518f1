"""NRRD files (https://teem.sourceforge.net/nrrd/format.html) with their data attached."""

import bz2
import math
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from .frame import Clip, ClipKind
from .quiet import quiet
from .spacing import spacing_or_none
from .volumes import VolumeLayout, check_unpacked_size, clip_of_volume, stored_array, truncated

_COLOUR_KINDS = (
    "RGB-color",
    "RGBA-color",
    "HSV-color",
    "XYZ-color",
    "3-color",
    "4-color",
    "vector",
    "3-vector",
    "4-vector",
)
_TIME_KINDS = ("time", "list")
_MM_A_UNIT = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001}
_TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "signed long long", "signed long long int", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}


def open_nrrd(path: Path, name: str, label: str | None = None) -> Clip:
    """Open an NRRD file: raw, gzip, bzip2 or text encoding.

    Raises:
        InputError: damaged, truncated, too large, detached from its data, or holding values that are not finite.
    """
    import nrrd

    label = label or str(path)
    try:
        with quiet():
            with open(path, "rb") as file:
                header = nrrd.read_header(file)
                offset = file.tell()
            layout = _layout(header, label)
            return clip_of_volume(path, name, label, layout, partial(_array, path, label, header, layout, offset))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{label} could not be read ({error.strerror or 'input error'}); check the file.") from None
    except Exception:  # pynrrd raises many kinds
        raise InputError(f"{label} is a damaged NRRD file; copy or export it again.") from None


def _array(path: Path, label: str, header: dict[str, Any], layout: VolumeLayout, offset: int) -> np.ndarray:
    encoding = str(header["encoding"]).lower()
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            for _ in range(int(header.get("line skip", 0))):
                file.readline()
            if encoding == "raw":
                skip = int(header.get("byte skip", 0))
                start = file.tell() + skip if skip >= 0 else path.stat().st_size - layout.size_in_bytes
                return stored_array(path, label, layout, start, compressed=False)
            check_unpacked_size(label, layout.size_in_bytes)
            if encoding in ("txt", "text", "ascii"):
                values = np.array(file.read().split(), dtype=layout.dtype)
            else:
                data = _unpacked(file, encoding, int(header.get("byte skip", 0)), layout.size_in_bytes)
                values = np.frombuffer(data[: len(data) // layout.dtype.itemsize * layout.dtype.itemsize], layout.dtype)
    except (zlib.error, EOFError, ValueError):
        raise InputError(f"{label} has damaged compressed data; copy or export it again.") from None
    count = math.prod(layout.sizes)
    if len(values) < count:
        raise truncated(label)
    return values[:count].reshape(layout.sizes[::-1])


def _unpacked(file: BinaryIO, encoding: str, skip: int, due: int) -> bytes:
    """At most `due` bytes after `skip`, so that a small file cannot fill memory."""
    if encoding in ("bz2", "bzip2"):
        return bz2.BZ2Decompressor().decompress(file.read(), skip + due)[skip:]
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(file.read(), skip + due)[max(skip, 0) :]


def _layout(header: dict[str, Any], label: str) -> VolumeLayout:
    if "data file" in header or "datafile" in header:
        raise InputError(f"{label} keeps its pixels in another file; save it as one .nrrd file.")
    encoding = str(header.get("encoding", "")).lower()
    if encoding not in ("raw", "gzip", "gz", "bzip2", "bz2", "txt", "text", "ascii"):
        raise InputError(f"{label} has an encoding that is not read here; save it with raw or gzip encoding.")
    sizes = tuple(int(size) for size in header["sizes"])
    spacings = _spacings(header, len(sizes))
    colour, times, space = _axes(header, sizes, spacings)
    if len(space) not in (2, 3):
        raise InputError(f"{label} has {len(space)} spatial axes; give a frame or a volume.")
    depth = sizes[space[2]] if len(space) == 3 else 1
    if depth > 1 and times is not None and sizes[times] > 1:
        raise InputError(f"{label} holds several volumes of {depth} slices; save one volume or one cine alone.")
    stack = space[2] if len(space) == 3 and depth > 1 else times
    kind: ClipKind = "volume" if depth > 1 else "cine" if stack is not None and sizes[stack] > 1 else "still"
    column_mm, row_mm = spacings[space[0]], spacings[space[1]]
    layout = VolumeLayout(
        dtype=_dtype(header),
        sizes=sizes,
        frame_axes=(space[0], space[1]),
        stack_axis=stack,
        colour_axis=colour,
        kind=kind,
        spacing=spacing_or_none(row_mm, column_mm, "image_header"),
    )
    slice_mm = spacings[space[2]] if kind == "volume" else math.nan
    return replace(layout, slice_mm=slice_mm if layout.spacing and slice_mm > 0 else None)


def _axes(
    header: dict[str, Any], sizes: tuple[int, ...], spacings: list[float]
) -> tuple[int | None, int | None, list[int]]:
    """Colour axis, time axis, and the spatial axes, fastest first."""
    kinds = [str(kind) for kind in header.get("kinds", [])] or [""] * len(sizes)
    colour = next((a for a, kind in enumerate(kinds) if kind in _COLOUR_KINDS and sizes[a] in (1, 3, 4)), None)
    if colour is None and not any(kinds) and len(sizes) > 2 and sizes[0] in (3, 4) and min(sizes[1:3]) > 4:
        colour = 0
    times = next((a for a, kind in enumerate(kinds) if kind in _TIME_KINDS and a != colour), None)
    space = [axis for axis in range(len(sizes)) if axis not in (colour, times)]
    without_direction = [axis for axis in space if math.isnan(spacings[axis])]
    if times is None and len(space) == 3 and len(without_direction) == 1 and "space directions" in header:
        times = without_direction[0]
        space.remove(times)
    return colour, times, space


def _spacings(header: dict[str, Any], dimension: int) -> list[float]:
    """Step along each axis in mm, NaN where the header gives none."""
    directions = header.get("space directions")
    if directions is not None:
        steps = [float(np.linalg.norm(row)) if row is not None else math.nan for row in directions]
        units = [str(unit) for unit in header.get("space units", [])]
        scale = _MM_A_UNIT.get(units[0].lower(), math.nan) if units and units[0] else 1.0
        return [step * scale for step in steps]
    steps = [abs(float(step)) for step in header.get("spacings", [math.nan] * dimension)]
    units = [str(unit).lower() for unit in header.get("units", [])] or [""] * dimension
    return [step * (_MM_A_UNIT.get(unit, math.nan) if unit else 1.0) for step, unit in zip(steps, units, strict=True)]


def _dtype(header: dict[str, Any]) -> np.dtype:
    declared = str(header["type"]).lower()
    name = next(dtype for dtype, names in _TYPES.items() if declared in names)
    big = str(header.get("endian", "little")).lower() == "big"
    return np.dtype(name).newbyteorder(">" if big else "<")
