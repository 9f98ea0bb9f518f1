"""A raw data set of nnU-Net version 2 with patient-wise splits.

Layout: documentation/dataset_format.md of MIC-DKFZ/nnUNet. One grey channel, all lesions one class; its
NaturalImage2DIO reads 2D pictures.
"""

import json
from pathlib import Path
from typing import Any

from ..files import write_text
from .export_pictures import LESION, grey_of, lesion_mask, write_png
from .exporting import ExportContent

_FOLDERS = {"train": ("imagesTr", "labelsTr"), "test": ("imagesTs", "labelsTs")}
SPLITS = "splits_final.json"


def write_nnunet(folder: Path, content: ExportContent) -> None:
    """Write the data set. Raises OutputError."""
    for case in content.each():
        images, labels = (folder / name for name in _FOLDERS[case.part])
        for one in (images, labels):
            one.mkdir(exist_ok=True)
        masks = case.masks.labels()
        for number in case.frames:
            name = case.frame_name(number)
            write_png(images / f"{name}_0000.png", grey_of(content.pixels(case, number)))
            write_png(labels / f"{name}.png", lesion_mask(masks[number - 1]))
    _write_json(folder / "dataset.json", _dataset(content))
    _write_json(folder / SPLITS, _splits(content))
    content.notes.append(
        f"nnU-Net splits by image unless {SPLITS} is copied into the data set's folder in nnUNet_preprocessed."
    )


def _dataset(content: ExportContent) -> dict[str, Any]:
    return {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": LESION},
        "numTraining": sum(len(case.frames) for case in content.cases if case.part == "train"),
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }


def _splits(content: ExportContent) -> list[dict[str, list[str]]]:
    """Names of the images to train on and to validate on, of each fold that has any."""
    training = [case for case in content.cases if case.part == "train"]
    names: dict[int, list[str]] = {
        fold: [] for fold in sorted({case.fold for case in training if case.fold is not None})
    }
    for case in training:
        if case.fold is not None:
            names[case.fold] += [case.frame_name(number) for number in case.frames]
    return [
        {
            "train": sorted(one for other, listed in names.items() if other != fold for one in listed),
            "val": sorted(held),
        }
        for fold, held in names.items()
    ]


def _write_json(path: Path, content: object) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")
