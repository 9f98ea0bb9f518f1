"""A folder that MONAI Label serves as it is: images on top, masks in labels/final, the AI's drafts in labels/original.

Layout: monailabel/datastore/local.py of Project-MONAI/MONAILabel. A file of the same name is of the same image.
"""

from pathlib import Path

from .export_pictures import lesion_mask, write_png
from .exporting import ExportContent

HELD_BACK = "held_back"
"""Folder of the patients held back, of the same layout: MONAI Label trains on all that it finds on top."""


def write_monai_label(folder: Path, content: ExportContent) -> None:
    """Write the folder. Raises OutputError."""
    for case in content.each():
        base = folder if case.part == "train" else folder / HELD_BACK
        final, original = base / "labels" / "final", base / "labels" / "original"
        for one in (final, original):
            one.mkdir(parents=True, exist_ok=True)
        labels, drafts = case.masks.labels(), [one for one in content.store.drafts(case.record) if one is not None]
        drafted = [(one.spoken, one.labels()) for one in drafts if one.shape == case.masks.shape]
        for number in case.frames:
            name = f"{case.frame_name(number)}.png"
            write_png(base / name, content.pixels(case, number))
            write_png(final / name, lesion_mask(labels[number - 1]))
            # The last run that saw the frame.
            for spoken, draft in reversed(drafted):
                if number in spoken:
                    write_png(original / name, lesion_mask(draft[number - 1]))
                    break
    content.notes.append('MONAI Label reads these files where MONAI_LABEL_DATASTORE_FILE_EXT names "*.png".')
