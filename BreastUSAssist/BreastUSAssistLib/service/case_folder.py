"""A case as it was written: analysis.json, the label images beside it, and reading.json where a reader was at work."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis, FrameResult
from ..birads.reading import Reading
from ..errors import InputError
from .analysis_file import read_analysis
from .case_files import READING
from .reading_file import read_reading

LARGEST_LABELS = 2**31
"""Bytes of all label images of a case together."""
ANALYSIS = "analysis.json"


@dataclass(frozen=True, eq=False)
class StoredCase:
    """What the files of one case hold, apart from the images themselves."""

    folder: Path
    analysis: Analysis
    labels: np.ndarray
    """uint8 or uint16, (frames of the source, rows, columns): 0 background, n lesion number n."""
    reading: Reading | None
    """None for a draft that nobody has read."""


def read_case_folder(path: Path) -> StoredCase:
    """Read the case that `write_case` or `export_reading` wrote.

    Args:
        path: its folder, or the analysis.json in it.

    Raises:
        InputError: a file is missing, damaged, or of another case; a label image lies outside the folder.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    analysis = read_analysis(folder / ANALYSIS if path.is_dir() else path)
    reading = read_reading(folder / READING) if (folder / READING).is_file() else None
    return StoredCase(folder, analysis, _labels(folder, analysis), reading)


def _labels(folder: Path, analysis: Analysis) -> np.ndarray:
    source = analysis.source
    shape = (source.frame_count, source.rows, source.columns)
    dtype = np.dtype(np.uint8 if all(one.number < 256 for one in analysis.lesions) else np.uint16)
    if min(shape) < 1 or np.prod(shape, dtype=np.int64) * dtype.itemsize > LARGEST_LABELS:
        raise InputError(f"{folder} is a case of {shape[0]} frames of {shape[1]} x {shape[2]}, too large to hold.")
    labels = np.zeros(shape, dtype)
    for frame in analysis.frames:
        if not 1 <= frame.frame_number <= source.frame_count:
            raise InputError(f"{folder} has a mask of frame {frame.frame_number}, which its image lacks; export again.")
        labels[frame.frame_number - 1] = _label_image(folder, frame, shape[1:])
    return labels


def _label_image(folder: Path, frame: FrameResult, size: tuple[int, ...]) -> np.ndarray:
    from PIL import Image

    path = folder / frame.mask
    # The name comes out of a file that anybody may have written.
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder} names a mask outside its own folder; export the case again.")
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            if (picture.height, picture.width) != size:
                raise InputError(
                    f"{path} is of {picture.height} x {picture.width} pixels but its image of {size[0]} x {size[1]}; "
                    "export the case again."
                )
            labels = np.asarray(picture)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; keep masks/ beside analysis.json.") from error
    except Exception as error:  # Pillow's decoders raise many types on damaged files
        raise InputError(f"{path} is damaged or no PNG picture; export the case again.") from error
    if labels.ndim != 2 or labels.dtype.kind not in "ui":
        raise InputError(f"{path} is no picture of labels (0 background, n lesion n); export the case again.")
    known = [0, *(one for one in frame.lesions)]
    if not np.isin(labels, known).all():
        raise InputError(f"{path} outlines a lesion that analysis.json does not name there; export the case again.")
    return labels
