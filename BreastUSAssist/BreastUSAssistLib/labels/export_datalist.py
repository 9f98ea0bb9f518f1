"""A MONAI datalist: JSON that names image, mask and fold of each frame, for monai.data.load_decathlon_datalist."""

import json
from pathlib import Path
from typing import Any

from ..files import write_text
from .export_pictures import LESION, lesion_mask, write_png
from .exporting import ExportContent, ExportedCase

DATALIST = "datalist.json"
_SECTIONS = {"train": "training", "test": "test"}


def write_datalist(folder: Path, content: ExportContent) -> None:
    """Write images/, labels/ and datalist.json. Raises OutputError."""
    for name in ("images", "labels"):
        (folder / name).mkdir()
    sections: dict[str, list[dict[str, Any]]] = {"training": [], "test": []}
    for case in content.each():
        labels = case.masks.labels()
        for number in case.frames:
            name = f"{case.frame_name(number)}.png"
            write_png(folder / "images" / name, content.pixels(case, number))
            write_png(folder / "labels" / name, lesion_mask(labels[number - 1]))
            sections[_SECTIONS[case.part]].append(_item(case, name))
    description = {
        "name": "BreastUSAssist labels",
        "labels": {"0": "background", str(LESION): "lesion"},
        "modality": {"0": "US"},
        "numTraining": len(sections["training"]),
        "numTest": len(sections["test"]),
    }
    write_text(folder / DATALIST, json.dumps({**description, **sections}, indent=1) + "\n")


def _item(case: ExportedCase, name: str) -> dict[str, Any]:
    item: dict[str, Any] = {"image": f"images/{name}", "label": f"labels/{name}"}
    if case.fold is not None:
        item["fold"] = case.fold
    item["case"] = case.record.name
    if case.record.patient is not None:
        item["patient"] = case.record.patient
    if case.record.spacing is not None:
        item["pixel_mm"] = [case.record.spacing.row_mm, case.record.spacing.column_mm]
    if "pathology" in case.known:
        item["pathology"] = case.known["pathology"]
    return item
