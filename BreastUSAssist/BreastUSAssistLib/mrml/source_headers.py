"""DICOM headers of the files that a case in the scene came from, where these are still at hand."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

from ..errors import InputError
from ..ultrasound.frame import UltrasoundRegion

if TYPE_CHECKING:
    from .source import UltrasoundSource


def header_files(source: "UltrasoundSource") -> tuple[Path, ...]:
    """DICOM files of a case that exist: those that it was read from, else what Slicer's DICOM database knows."""
    files = [path for path in source.files if path.is_file() and _is_dicom(path)]
    if files:
        return tuple(files)
    database: Any = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return ()
    found = (Path(database.fileForInstance(uid)) for uid in source.instance_uids)
    return tuple(dict.fromkeys(path for path in found if path.is_file()))


def read_regions(source: "UltrasoundSource") -> tuple[UltrasoundRegion, ...]:
    """Regions of the first DICOM file of a case; empty where there is none, or it is not of this size any more."""
    files = header_files(source)
    if not files:
        return ()
    from ..ultrasound.reading import open_clip

    try:
        clip = open_clip(files[0])
        header = clip.headers[0]
        if (int(header.Rows), int(header.Columns)) != (source.rows, source.columns):
            return ()
        from ..ultrasound.spacing import regions_of

        return regions_of(header, source.rows, source.columns)
    except (InputError, IndexError):
        return ()


def _is_dicom(path: Path) -> bool:
    from ..ultrasound.sniff import sniff

    try:
        return sniff(path) == "dicom"
    except InputError:
        return False
