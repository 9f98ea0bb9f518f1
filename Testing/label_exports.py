"""A label store with a case of each kind, its exports, and what the exports must agree with."""

from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Spacing
from BreastUSAssistLib.labels.export_query import ExportQuery
from BreastUSAssistLib.labels.export_split import parts_of
from BreastUSAssistLib.labels.exporting import export_labels
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.label_export import WRITERS
from label_samples import DECLARED, KEY, NAME, label, outlines, picture, reading
from PIL import Image


def fill(store: LabelStore) -> None:
    """Seven cases: corrected ones of three patients, a cine, colour, an overlap, one without lesion."""
    for seed in range(3):
        store.put(label(seed, edit=seed + 10, frames={1: picture(seed)}, patient=f"{NAME} {seed // 2}"))
    cine = [picture(seed, 40, 50) for seed in (20, 21, 22)]
    labels = outlines(5, 3, 40, 50)
    store.put(
        NewLabel(
            "imported",
            identity_of(cine, "cine"),
            MaskStack.of_labels(labels, spoken=[1, 3]),
            frames={1: cine[0], 2: cine[1]},
            deidentified=DECLARED,
            spacing=Spacing(row_mm=0.1, column_mm=0.2, source="user"),
        )
    )
    colour = np.stack([picture(seed, 40, 50) for seed in (30, 31, 32)], axis=-1)
    store.put(
        NewLabel(
            "imported",
            identity_of([colour], "still"),
            MaskStack.of_labels(labels[:1]),
            frames={1: colour},
            deidentified=DECLARED,
        )
    )
    one, other = np.zeros((2, 48, 65), bool)
    one[4:20, 4:20] = other[10:30, 10:30] = True
    both = MaskStack.of((1, 48, 65), {(1, 1): one, (1, 2): other})
    store.put(
        NewLabel("imported", identity_of([picture(40)], "still"), both, frames={1: picture(40)}, deidentified=DECLARED)
    )
    none = MaskStack.of((1, 48, 65), {})
    store.put(
        NewLabel("imported", identity_of([picture(50)], "still"), none, frames={1: picture(50)}, deidentified=DECLARED)
    )


def export(store: LabelStore, out: Path, form: str, replace: bool = False, **asked: object):
    query = ExportQuery.model_validate({"format": form, **asked})
    return export_labels(store, out, query, WRITERS[query.format], replace=replace)


def dividing(store: LabelStore) -> dict[str, float]:
    """A split that leaves cases on both sides: pseudonyms, and with them the sides, differ from store to store."""
    patients = {}
    for summary in store.list(("accepted", "imported")):
        record = store.get(summary.case)
        if record.result is not None:
            patients[record.case] = record.patient or record.case
    for seed in range(1000):
        parts = parts_of(patients, ExportQuery(format="csv", split=0.4, seed=seed))
        held_back = {patients[case] for case, (part, _) in parts.items() if part == "test"}
        if held_back and len(set(patients.values()) - held_back) > 1:
            return {"split": 0.4, "seed": seed}
    raise AssertionError("no seed divides the patients")


def truth(store: LabelStore, name: str) -> tuple[np.ndarray, MaskStack, int]:
    """Pixels, masks and number of the frame that a file is called after."""
    case, _, number = name.partition("_")
    record = store.get(case)
    masks = store.result(record)
    assert masks is not None
    return store.frame(record, int(number or 1)), masks, int(number or 1)


def lesion_anywhere(masks: MaskStack, number: int) -> np.ndarray:
    return np.any([masks.mask(number, lesion) for lesion in (0, *masks.numbers)], axis=0)


def check_pair(store: LabelStore, image: Path, mask: Path, name: str, grey: bool = False) -> None:
    pixels, masks, number = truth(store, name)
    if not (grey and pixels.ndim == 3):
        assert np.array_equal(np.asarray(Image.open(image)), pixels)
    found = np.asarray(Image.open(mask))
    assert found.dtype == np.uint8 and set(np.unique(found)) <= {0, 1}
    assert np.array_equal(found.astype(bool), lesion_anywhere(masks, number))


def every_file(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def expected_names(store: LabelStore) -> set[str]:
    names = set()
    for summary in store.list(("accepted", "imported")):
        record = store.get(summary.case)
        masks = store.result(record)
        if masks is not None:
            several = record.image.frame_count > 1
            frames = set(masks.spoken) & set(store.frame_numbers(record))
            names |= {f"{record.case}_{number:04d}" if several else record.case for number in frames}
    return names


def filled_store(folder: Path) -> Path:
    """A store in `folder` of the cases of `fill` and of some that no export takes."""
    with LabelStore.create(folder, secret=KEY) as store:
        fill(store)
        store.put(label(60, "autosaved", frames={1: picture(60)}))
        store.put(label(61, "rejected", reading=reading(decision="rejected"), frames={1: picture(61)}))
        store.put(
            NewLabel("imported", identity_of([picture(70)], "still"), frames={1: picture(70)}, deidentified=DECLARED)
        )
    return folder
