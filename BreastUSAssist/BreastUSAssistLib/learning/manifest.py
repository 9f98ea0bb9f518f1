"""Tables of images with what is known of them: paths, truth masks, pathology, patient, fold.

Only the column `image` is required. An empty cell or a missing column means unknown, never "no".
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from PIL import Image

Pathology = Literal["normal", "benign", "malignant"]
PATHOLOGIES = ("normal", "benign", "malignant")
LAST_LESION_LABEL = 100
"""Labels 1..100 of a mask are lesion instances; 101 and above are other findings that are not the target."""

_LARGEST_TABLE = 256 * 2**20
_LARGEST_IMAGE = 100_000_000
_UNKNOWN = {"", "na", "n/a", "nan", "none", "null", "unknown"}


@dataclass(frozen=True)
class ManifestRow:
    """One image of a manifest. None means unknown."""

    line: int
    """Line of the table on which the row ends, 1-based, for messages."""
    name: str
    """Path of the image as the table writes it."""
    image: Path
    mask: Path | None = None
    id: str | None = None
    dataset: str | None = None
    patient: str | None = None
    fold: int | None = None
    pathology: Pathology | None = None
    birads: str | None = None
    device: str | None = None
    spacing_mm: tuple[float, float] | None = None
    """Distance between rows and between columns, from `pixel_mm` (square pixels) or `row_mm` and `column_mm`."""
    other: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    """Every other cell that is not empty, by column."""
    problem: str | None = None
    """Why the row cannot be used, in words; its image and mask are then not read."""


def read_manifest(csv_path: Path, root: Path) -> list[ManifestRow]:
    """Read a manifest; `image` and `mask` are paths below `root`.

    Comma, semicolon, tab or bar separated; UTF-8 with or without byte-order mark, or UTF-16 with one; any line ends. A
    row that cannot be used (path outside `root`, a fold that is no number, ...) is kept with its `problem`, so that the
    others are still done. Files are not opened here.

    Raises:
        InputError: the table cannot be read, has no column `image`, or has no rows.
    """
    text = _table_text(Path(csv_path))
    header, _, _ = text.lstrip().partition("\n")
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    root = Path(root).resolve()
    rows: list[ManifestRow] = []
    columns: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _columns(csv_path, cells)
            else:
                rows.append(_row(reader.line_num, columns, cells, root))
    except csv.Error as error:
        raise InputError(
            f"{csv_path} is not a readable table (line {reader.line_num}: {error}); save it as CSV."
        ) from error
    if not rows:
        raise InputError(f"{csv_path} holds no rows; list one image a row under a column named image.")
    return rows


def load_image(row: ManifestRow) -> np.ndarray:
    """Grey levels of the row's image: uint8, (rows, columns); colour is turned to luminance (ITU-R BT.601).

    Raises:
        InputError: the row has a problem, or its image is missing, damaged, too large or not 8 bits deep.
    """
    _refuse_problem(row)
    picture = _open(row.image, row.name)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"), dtype=np.uint8)
    if picture.mode in ("P", "PA", "LA", "RGB", "RGBA", "CMYK", "YCbCr"):
        from ..ultrasound.frame import SourceReference, UltrasoundFrame

        return UltrasoundFrame(np.asarray(picture.convert("RGB")), SourceReference(row.image)).grey
    raise InputError(f"{row.name} has {picture.mode} pixels, not 8 bits a channel; convert it to an 8-bit picture.")


def mask_of(row: ManifestRow, shape: tuple[int, int] | None = None) -> np.ndarray | None:
    """Truth of the row as a label image, uint8 (rows, columns); None where it is unknown.

    0 is background, 1..100 are lesion instances, 101 and above other findings that are not the target and take no part
    in any score. An image whose pathology is normal and that has no mask gives None too; see `evaluation`.

    Raises:
        InputError: the row has a problem; its mask is missing, damaged, no label image (a picture of 0 and 255, or
            colours), or not of `shape`.
    """
    _refuse_problem(row)
    if row.mask is None:
        return None
    name = row.mask.name
    picture = _open(row.mask, name)
    if picture.mode not in ("1", "L", "P"):
        raise InputError(
            f"The mask {name} has {picture.mode} pixels; save it as an 8-bit label image (1..100 lesions)."
        )
    labels = np.asarray(picture).astype(np.uint8)
    if labels.max(initial=0) == 255 and not ((labels > 0) & (labels < 255)).any():
        raise InputError(
            f"The mask {name} holds only 0 and 255; save lesions as 1..100 (101 and above: not the target)."
        )
    if shape is not None and labels.shape != shape:
        raise InputError(
            f"The mask {name} is {labels.shape[1]} x {labels.shape[0]} pixels but its image {shape[1]} x {shape[0]}; "
            "give the mask of that image."
        )
    return labels


def _table_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise InputError(f"{path} is larger than 256 MB; split the manifest.")
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding)
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); check --manifest.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; save the table as CSV in UTF-8.") from error


def _columns(path: Path, cells: list[str]) -> list[str]:
    columns = [cell.strip().lower() for cell in cells]
    if "image" not in columns:
        raise InputError(f"{path} has no column named image; its first line must name the columns.")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise InputError(f"{path} names the column {twice[0]} twice; keep one of them.")
    return columns


def _row(line: int, columns: list[str], cells: list[str], root: Path) -> ManifestRow:
    # A cell past the header has no name; a row that is too short has unknowns at its end.
    known = {name: cell.strip() for name, cell in zip(columns, cells, strict=False) if name}
    known = {name: cell for name, cell in known.items() if cell.lower() not in _UNKNOWN}
    name = known.pop("image", "")
    if not name:
        return ManifestRow(
            line, f"line {line}", root, problem=f"Line {line} of the manifest names no image; fill it in."
        )
    try:
        image = _below(root, name)
        mask = _below(root, known.pop("mask")) if "mask" in known else None
        fold = _whole(name, "fold", known.pop("fold", None))
        pathology = _pathology(name, known.pop("pathology", None))
        spacing = _spacing(name, known)
    except InputError as error:
        return ManifestRow(line, name, root, problem=str(error))
    texts = {key: known.pop(key, None) for key in ("id", "dataset", "patient", "birads", "device")}
    other = MappingProxyType(known)
    return ManifestRow(
        line, name, image, mask, fold=fold, pathology=pathology, spacing_mm=spacing, other=other, **texts
    )


def _below(root: Path, name: str) -> Path:
    try:
        path = (root / name.replace("\\", "/")).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{name!r} is not a usable path; correct it in the manifest.") from error
    if not path.is_relative_to(root):
        raise InputError(f"{name} lies outside the folder given with --root; name paths below it.")
    return path


def _whole(name: str, column: str, cell: str | None) -> int | None:
    if cell is None:
        return None
    try:
        return int(cell)
    except ValueError as error:
        raise InputError(
            f"{name} has the {column} {cell!r}, which is not a whole number; correct the manifest."
        ) from error


def _pathology(name: str, cell: str | None) -> Pathology | None:
    if cell is None:
        return None
    if cell.lower() not in PATHOLOGIES:
        raise InputError(f"{name} has the pathology {cell!r}; use normal, benign, malignant or leave it empty.")
    return cast(Pathology, cell.lower())


def _spacing(name: str, known: dict[str, str]) -> tuple[float, float] | None:
    square, row, column = (known.pop(key, None) for key in ("pixel_mm", "row_mm", "column_mm"))
    cells = (row, column) if row is not None and column is not None else (square, square)
    if cells[0] is None or cells[1] is None:
        return None
    try:
        spacing = float(cells[0]), float(cells[1])
    except ValueError as error:
        raise InputError(f"{name} has a pixel size that is not a number; correct the manifest.") from error
    if not all(np.isfinite(value) and value > 0 for value in spacing):
        raise InputError(f"{name} has a pixel size that is not above zero; correct the manifest.")
    return spacing


def _refuse_problem(row: ManifestRow) -> None:
    if row.problem is not None:
        raise InputError(row.problem)


def _open(path: Path, name: str) -> "Image.Image":
    from PIL import Image

    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > _LARGEST_IMAGE:
                raise InputError(
                    f"{name} is {picture.width} x {picture.height} pixels, too large; crop it to the image."
                )
            picture.load()
            return picture.copy()
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name} is not there; check --root and the manifest.") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} has far too many pixels; crop it to the image.") from error
    # Pillow's decoders raise many types on damaged files.
    except Exception as error:
        raise InputError(f"{name} is damaged or not a picture; replace it.") from error
