"""A manifest of images and masks into the label store: what each row says becomes one label of kind "imported"."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..birads.analysis import Spacing
from ..birads.lexicon import Lexicon, load_lexicon
from ..birads.reading import READER_CATEGORIES, LesionReading, Place, Reading
from ..errors import InputError
from ..labels.image_identity import identity_of
from ..labels.importing import ImportedImage, ImportReport, import_labels
from ..labels.known_values import known_text
from ..labels.mask_files import LAST_LESION, Masks, check_shape, read_mask_file
from ..labels.masks import MaskStack
from ..labels.new_label import NewLabel
from ..labels.picture_evidence import has_pictures
from ..labels.picture_gate import GatedPictures, PictureGate, outlined_in
from ..labels.record import ImageIdentity
from ..labels.store import LabelStore
from ..learning.manifest import ManifestRow, read_manifest
from ..ultrasound.frame import Clip
from ..ultrasound.reading import open_clip
from ..ultrasound.sniff import sniff

if TYPE_CHECKING:
    from ..birads.clinical import ClinicalParameters

Passed = Callable[[ImageIdentity, Clip, MaskStack | None], GatedPictures]
"""Lets the pictures of an image through to the store, or not."""
_ATTRIBUTE = {"echogenicity": "echo_pattern"}
"""Column of a manifest to attribute of the lexicon, where they differ."""
_TERM = {
    "echo_pattern": {"complex_cystic/solid": "complex_cystic_and_solid"},
    "posterior_features": {"no": "none"},
    "calcifications": {"in_a_mass": "in_mass"},
    "tissue_composition": {
        "homogeneous:_fat": "homogeneous_fat",
        "homogeneous:_fibroglandular": "homogeneous_fibroglandular",
        "heterogeneous:_predominantly_fat": "heterogeneous",
        "heterogeneous:_predominantly_fibroglandular": "heterogeneous",
    },
}
_NO_TERM = {"", "no", "none", "not_applicable", "not_available", "unknown", "indefinable"}
_NOT_CIRCUMSCRIBED = "not circumscribed"


def import_manifest(
    store: LabelStore,
    manifest: Path,
    root: Path,
    *,
    keep_pixels: bool = True,
    gate: PictureGate | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ImportReport:
    """Import every row of a manifest (see learning.manifest), in its order.

    Image: anything that `analyze` reads. Mask: a picture of labels, a folder of them (one a frame), an NRRD file of
    labels or of 3D Slicer's segments, or a DICOM Segmentation. A row without a mask gives a label without masks, which
    waits for a reader; where its pathology is normal, one that says that there is no lesion. Descriptors, category,
    side, age and complaints, and what labels.known_values lists, hold for every lesion of the image.

    Args:
        store: open store.
        manifest: CSV.
        root: folder that its paths start from.
        keep_pixels: store the frames too, so that models can be trained and labels exported without the images.
        gate: what pictures pass on their way into the store; None: one that nobody declares anything to.
        progress: called with images done and their number.

    Raises:
        InputError: the manifest cannot be read.
        OutputError: the store cannot be written.
    """
    rows = read_manifest(manifest, root)
    lexicon = load_lexicon()
    strange: dict[str, None] = {}
    gate = gate or PictureGate()

    def passed(image: ImageIdentity, clip: Clip, result: MaskStack | None) -> GatedPictures:
        latest = store.latest(store.case_of(image)) if keep_pixels else None
        if not keep_pixels or (latest is not None and has_pictures(store, latest)):
            return GatedPictures({}, None)
        return gate(clip, outlined_in(result))

    def image(row: ManifestRow) -> ImportedImage:
        return ImportedImage(row.name, lambda: label_of_row(row, lexicon, passed, strange))

    report = import_labels(store, map(image, rows), len(rows), progress)
    report.notes += list(strange)
    return report


def label_of_row(row: ManifestRow, lexicon: Lexicon, passed: Passed, strange: dict[str, None]) -> tuple[NewLabel, str]:
    """The label that one row gives, and a sentence where its pictures were not kept.

    `passed` lets pictures through; `strange` collects sentences on terms that the lexicon lacks.

    Raises:
        InputError: the row, its image or its mask cannot be used.
    """
    if row.problem is not None:
        raise InputError(row.problem)
    if not row.image.exists():
        raise InputError(f"{row.name} is not there; check --root and the manifest.")
    clip = open_clip(row.image)
    frames = list(clip)
    uids = [str(header.get("SOPInstanceUID") or "") for header in clip.headers]
    image = identity_of((frame.pixels for frame in frames), clip.kind, [uid for uid in uids if uid])
    shape = (image.frame_count, image.rows, image.columns)
    masks = _masks(row, clip, shape)
    result = None if masks is None else MaskStack.of(shape, masks)
    pictures = passed(image, replace(clip, decode=frames.__getitem__), result)
    label = NewLabel(
        kind="imported",
        image=image,
        result=result,
        reading=_reading(row, () if result is None else result.numbers, image.sha256, lexicon, strange),
        frames=pictures.frames,
        deidentified=pictures.deidentified,
        spacing=_spacing(row, clip),
        patient=row.patient,
        pathology=row.pathology,
    )
    return label, pictures.why


def _masks(row: ManifestRow, clip: Clip, shape: tuple[int, int, int]) -> Masks | None:
    if row.mask is None:
        return {} if row.pathology == "normal" else None
    name = row.mask.name
    if not row.mask.exists():
        raise InputError(f"The mask {name} of {row.name} is not there; check --root and the manifest.")
    if row.mask.is_file() and sniff(row.mask) == "dicom":
        return _segmentation_masks(row.mask, name, clip, shape)
    return read_mask_file(row.mask, name, shape)


def _segmentation_masks(path: Path, name: str, clip: Clip, shape: tuple[int, int, int]) -> Masks:
    """Lesions of a DICOM Segmentation; on an image that is no DICOM it lies frame on frame.

    The number is that in the segments' labels where each is called "Lesion n", as this project writes them; else it is
    that of the segment.
    """
    from ..dicom.segmentation_reading import read_segmentation

    read = read_segmentation(path, list(clip.headers) or None)
    check_shape(read.labels.shape, name, shape)
    called = [re.fullmatch(r"Lesion (\d{1,3})", segment.label) for segment in read.segments]
    own = [int(one[1]) for one in called if one is not None]
    numbers = own if len(set(own)) == len(read.segments) else [segment.number for segment in read.segments]
    if not all(1 <= number <= LAST_LESION for number in numbers):
        raise InputError(f"The mask {name} has a lesion beyond {LAST_LESION}; number lesions from 1.")
    lesion = dict(zip((segment.number for segment in read.segments), numbers, strict=True))
    found = {(frame + 1, lesion[number]): read.mask(number, frame) for number, frame in read.where}
    return {key: mask for key, mask in found.items() if np.any(mask)}


def _spacing(row: ManifestRow, clip: Clip) -> Spacing | None:
    if row.spacing_mm is not None:
        return Spacing(row_mm=row.spacing_mm[0], column_mm=row.spacing_mm[1], source="user")
    frame = clip.frame(0)
    found = frame.spacing_in((0, 0, frame.rows, frame.columns))
    return None if found is None else Spacing(row_mm=found.row_mm, column_mm=found.column_mm, source=found.source)


def _reading(
    row: ManifestRow, numbers: tuple[int, ...], sha256: str, lexicon: Lexicon, strange: dict[str, None]
) -> Reading | None:
    """What the row says of the case and of each of its lesions; None where it says nothing."""
    category = (row.birads or "").strip().upper()
    terms = _terms(row.other, lexicon, strange)
    known = {**row.other, **_own_columns(row)}
    lesions = tuple(
        LesionReading(
            tracking_uid=_tracking_uid(sha256, number),
            number=number,
            descriptors=terms,
            category=category if category in READER_CATEGORIES else None,
            note=known_text(known),
        )
        for number in numbers
    )
    side = row.other.get("side", "").lower()
    place = Place(side="left" if side == "left" else "right") if side in ("left", "right") else Place()
    reading = Reading(
        case="",
        reader=row.other.get("reader", "")[:200],
        place=place,
        clinical=_clinical(row.other),
        lesions=lesions,
    )
    return None if reading == Reading(case="") else reading


def _own_columns(row: ManifestRow) -> dict[str, str]:
    cells = {"pathology": row.pathology, "birads": row.birads, "dataset": row.dataset, "device": row.device}
    cells["fold"] = None if row.fold is None else str(row.fold)
    return {name: cell for name, cell in cells.items() if cell}


def _clinical(cells: Mapping[str, str]) -> "ClinicalParameters | None":
    from ..learning.clinical_fitting import parameters_of_row

    found = parameters_of_row(cells)
    return found if found.known else None


def _terms(cells: Mapping[str, str], lexicon: Lexicon, strange: dict[str, None]) -> dict[str, str]:
    """Term of each attribute that a column names; several kinds of a margin that is not circumscribed are just that."""
    terms = {}
    for column, cell in cells.items():
        attribute = _ATTRIBUTE.get(column, column)
        if attribute not in lexicon.attributes:
            continue
        text = cell.lower()
        if attribute == "margin" and text.startswith(_NOT_CIRCUMSCRIBED):
            kinds = text.removeprefix(_NOT_CIRCUMSCRIBED).lstrip(" -")
            text = kinds if kinds and "&" not in kinds else _NOT_CIRCUMSCRIBED
        term = "_".join(text.split())
        term = _TERM.get(attribute, {}).get(term, term)
        if term in lexicon.attributes[attribute].terms:
            terms[attribute] = term
        elif term not in _NO_TERM:
            strange[f"{column} '{cell}' is no term of the lexicon {lexicon.edition} and was left out."] = None
    return terms


def _tracking_uid(sha256: str, number: int) -> str:
    """The same for the same lesion of the same image in every import (a UID from a UUID, PS3.5 B.2)."""
    digest = hashlib.sha256(f"{sha256} {number}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"
