"""DICOM headers of the files that a case in the scene came from, where these are still at hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

from ..errors import InputError
from ..ultrasound.frame import PixelSpacing, UltrasoundRegion

if TYPE_CHECKING:
    from .source import UltrasoundSource


def header_files(source: "UltrasoundSource") -> tuple[Path, ...]:
    """DICOM files of a case, as many as still exist, in frame order."""
    return tuple(path for path in source.files if path.is_file() and _is_dicom(path))


def database_files(instance_uids: Iterable[str]) -> tuple[Path, ...]:
    """Files of SOP instances in Slicer's DICOM database; none where there is no database or it does not know them."""
    database: Any = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return ()
    found = (database.fileForInstance(uid) for uid in instance_uids)
    return tuple(dict.fromkeys(Path(path) for path in found if path))


def read_geometry(source: "UltrasoundSource") -> tuple[tuple[UltrasoundRegion, ...], PixelSpacing | None]:
    """Regions and PixelSpacing of the first DICOM file of a case; none where there is none, or it has another size."""
    files = header_files(source)
    if not files:
        return (), None
    from ..ultrasound.reading import open_clip
    from ..ultrasound.spacing import pixel_spacing_of, regions_of

    try:
        header = open_clip(files[0]).headers[0]
    except (InputError, IndexError):  # the file changed since; the case itself is in the scene
        return (), None
    if (header.get("Rows"), header.get("Columns")) != (source.rows, source.columns):
        return (), None
    return regions_of(header, source.rows, source.columns), pixel_spacing_of(header)


def _is_dicom(path: Path) -> bool:
    from ..ultrasound.sniff import sniff

    try:
        return sniff(path) == "dicom"
    except InputError:
        return False
