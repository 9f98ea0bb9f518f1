"""COCO: images and one annotation a lesion and frame, its mask run-length encoded and so bit-exact.

Format: cocodataset.org, "Data format"; run lengths count pixels down each column, background first.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..birads.reading import LesionReading
from ..files import write_text
from .export_pictures import write_png
from .exporting import ExportContent, ExportedCase

CATEGORY = {"id": 1, "name": "lesion", "supercategory": "breast"}


def write_coco(folder: Path, content: ExportContent) -> None:
    """Write images/ and annotations/train.json, and test.json where patients are held back. Raises OutputError."""
    for name in ("images", "annotations"):
        (folder / name).mkdir()
    files: dict[str, dict[str, Any]] = {"train": _empty(), "test": _empty()}
    for case in content.each():
        into = files[case.part]
        for number in case.frames:
            name = f"{case.frame_name(number)}.png"
            write_png(folder / "images" / name, content.pixels(case, number))
            into["images"].append(_image(case, number, name, len(into["images"]) + 1))
            for lesion in case.masks.numbers:
                mask = case.masks.mask(number, lesion)
                if mask.any():
                    place = len(into["annotations"]) + 1
                    into["annotations"].append(_annotation(case, lesion, mask, place, len(into["images"])))
    for part, file in files.items():
        if part == "train" or file["images"]:
            write_text(folder / "annotations" / f"{part}.json", json.dumps(file, separators=(",", ":")) + "\n")


def run_lengths(mask: np.ndarray) -> list[int]:
    """Lengths of the runs of a bool mask (rows, columns) down its columns, the first of background, maybe 0."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return [0, *lengths] if flat[0] else lengths


def _empty() -> dict[str, Any]:
    info = {"description": "BreastUSAssist labels. Research use only, not for diagnosis.", "version": "1.0"}
    return {"info": info, "licenses": [], "categories": [CATEGORY], "images": [], "annotations": []}


def _image(case: ExportedCase, number: int, name: str, place: int) -> dict[str, Any]:
    image = {
        "id": place,
        "file_name": name,
        "width": case.record.image.columns,
        "height": case.record.image.rows,
        "case": case.record.name,
        "frame": number,
        "fold": case.fold,
        "patient": case.record.patient,
    }
    return {key: value for key, value in image.items() if value is not None}


def _annotation(case: ExportedCase, lesion: int, mask: np.ndarray, place: int, image: int) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "id": place,
        "image_id": image,
        "category_id": CATEGORY["id"],
        "iscrowd": 0,
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
        "attributes": {"lesion": lesion, **_attributes(case, lesion)},
    }


def _attributes(case: ExportedCase, number: int) -> dict[str, Any]:
    """What the reader says of a lesion; under "known" what came with an imported image."""
    reading = case.record.reading
    lesions: tuple[LesionReading, ...] = reading.lesions if reading else ()
    said = next((one for one in lesions if one.number == number), None)
    known = {"known": case.known} if case.known else {}
    if said is None:
        return known
    return {**({"category": said.category} if said.category else {}), **said.descriptors, **known}
