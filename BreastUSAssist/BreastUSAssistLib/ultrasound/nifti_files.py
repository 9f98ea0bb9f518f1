"""NIfTI-1 and NIfTI-2 single-file images (https://nifti.nimh.nih.gov), gzipped or not."""

import gzip
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputError
from .frame import Clip
from .quiet import quiet
from .spacing import spacing_or_none
from .volumes import VolumeLayout, clip_of_volume, stored_array


def open_nifti(path: Path, name: str, label: str | None = None, *, compressed: bool) -> Clip:
    """Open a single-file NIfTI-1 or -2 image, gzipped or not.

    Raises:
        InputError: damaged, truncated, too large, or holding values that are not finite.
    """
    label = label or str(path)
    try:
        with quiet():
            layout, offset = _layout(path, label, compressed)
            load = partial(stored_array, path, label, layout, offset, compressed)
            return clip_of_volume(path, name, label, layout, load)
    except InputError:
        raise
    except OSError as error:
        reason = error.strerror or "damaged compression"
        raise InputError(f"{label} could not be read ({reason}); copy or export it again.") from None
    except Exception:  # nibabel raises many kinds
        raise InputError(f"{label} is a damaged NIfTI file; copy or export it again.") from None


def _layout(path: Path, label: str, compressed: bool) -> tuple[VolumeLayout, int]:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    with gzip.open(path, "rb") if compressed else open(path, "rb") as stream:
        first = stream.read(4)
        stream.seek(0)
        version_2 = 540 in (int.from_bytes(first, "little"), int.from_bytes(first, "big"))
        header = (Nifti2Header if version_2 else Nifti1Header).from_fileobj(stream)
    dtype = header.get_data_dtype()
    sizes = tuple(int(size) for size in header.get_data_shape())
    colour_axis = None
    if dtype.names:  # RGB24 and RGBA32: the channels are the fastest axis
        sizes, colour_axis, dtype = (len(dtype.names), *sizes), 0, np.dtype(np.uint8)
    shift = 0 if colour_axis is None else 1
    if colour_axis is None and len(sizes) == 5 and sizes[4] in (3, 4):
        colour_axis = 4
    if len(sizes) - shift < 2:
        raise InputError(f"{label} holds no image of two axes; give a frame or a volume.")
    sizes += (1,) * (4 + shift - len(sizes))
    zooms = [abs(float(value)) for value in header["pixdim"][1:5]]
    length_unit, time_unit = header.get_xyzt_units()
    to_mm = {"meter": 1000.0, "micron": 0.001}.get(length_unit, 1.0)
    depth, moments = sizes[2 + shift], sizes[3 + shift]
    if depth > 1 and moments > 1:
        raise InputError(f"{label} holds {moments} volumes of {depth} slices; save one volume or one cine alone.")
    spacing = spacing_or_none(zooms[1] * to_mm, zooms[0] * to_mm, "image_header")
    to_ms = {"sec": 1000.0, "msec": 1.0, "usec": 0.001}.get(time_unit)
    slope, intercept = (1.0 if value is None else value for value in header.get_slope_inter())
    layout = VolumeLayout(
        dtype=dtype,
        sizes=sizes,
        frame_axes=(shift, 1 + shift),
        stack_axis=3 + shift if moments > 1 else 2 + shift,
        colour_axis=colour_axis,
        kind="volume" if depth > 1 else "cine" if moments > 1 else "still",
        spacing=spacing,
        slice_mm=zooms[2] * to_mm if depth > 1 and spacing and zooms[2] > 0 else None,
        step_ms=zooms[3] * to_ms if moments > 1 and to_ms and zooms[3] > 0 else None,
        slope=float(slope),
        intercept=0.0 if header.get_slope_inter()[1] is None else float(intercept),
    )
    return layout, int(header["vox_offset"])
