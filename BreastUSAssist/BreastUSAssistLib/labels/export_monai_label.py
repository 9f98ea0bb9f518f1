"""A folder that MONAI Label serves as it is: images on top, masks in labels/final, the AI's drafts in labels/original.

Layout: monailabel/datastore/local.py of Project-MONAI/MONAILabel. A file of the same name is of the same image.
"""

from pathlib import Path

from .export_pictures import lesion_mask, write_png
from .exporting import ExportContent, ExportedCase
from .masks import MaskStack

HELD_BACK = "held_back"
"""Folder of the patients held back, of the same layout: MONAI Label trains on all that it finds on top."""


def write_monai_label(folder: Path, content: ExportContent) -> None:
    """Write the folder. Raises OutputError."""
    for case in content.each():
        base = folder if case.part == "train" else folder / HELD_BACK
        final, original = base / "labels" / "final", base / "labels" / "original"
        for one in (final, original):
            one.mkdir(parents=True, exist_ok=True)
        labels, drafts = case.masks.labels(), content.store.drafts(case.record)
        for number in case.frames:
            name = f"{case.frame_name(number)}.png"
            write_png(base / name, content.pixels(case, number))
            write_png(final / name, lesion_mask(labels[number - 1]))
            draft = _draft(case, drafts, number)
            if draft is not None:
                write_png(original / name, lesion_mask(draft.labels()[number - 1]))
    content.notes.append('MONAI Label reads these files where MONAI_LABEL_DATASTORE_FILE_EXT names "*.png".')


def _draft(case: ExportedCase, drafts: tuple[MaskStack | None, ...], number: int) -> MaskStack | None:
    """Masks of the last run that saw the frame."""
    seen = [one for one in drafts if one is not None and number in one.spoken]
    return seen[-1] if seen and seen[-1].shape == case.masks.shape else None
