"""Labels as a reader would leave them, for the tests and benchmarks of the label store."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.picture_gate import PictureGate
from BreastUSAssistLib.labels.record import Deidentification
from BreastUSAssistLib.service.analysis_file import read_analysis

KEY = "0123456789abcdef" * 4
NAME = "Doe^Jane"
"""Of a patient; it must be found nowhere in a store."""
DECLARED = Deidentification(evidence="declared", by="tests")
"""Pictures that were made up may be stored."""
GATE = PictureGate("tests")


@contextmanager
def fixed_salt(salt: bytes = bytes([10]) * 16) -> Iterator[None]:
    """New stores have this salt: pseudonyms, and with them who is held back, are the same in each run."""
    from BreastUSAssistLib.labels import store
    from pytest import MonkeyPatch

    with MonkeyPatch.context() as patch:
        patch.setattr(store, "new_salt", lambda: salt)
        yield


@cache
def drafted() -> Analysis:
    """A draft with lesions 1 and 2 whose case and files are named after a patient."""
    analysis = read_analysis(Path(__file__).parent / "unit" / "data" / "analysis-1.0.json")
    source = analysis.source.model_copy(update={"files": (f"{NAME}.dcm",)})
    return analysis.model_copy(update={"case": NAME, "source": source})


def picture(seed: int, rows: int = 48, columns: int = 65) -> np.ndarray:
    """A grey frame, uint8, (rows, columns), another for each seed."""
    return np.random.default_rng(seed).integers(0, 256, (rows, columns), np.uint8)


def outlines(seed: int, frames: int = 1, rows: int = 48, columns: int = 65) -> np.ndarray:
    """Label images, uint8, (frames, rows, columns), of lesions 1 and 2, others for each seed."""
    labels = np.zeros((frames, rows, columns), np.uint8)
    y, x = np.mgrid[:rows, :columns]
    for number in (1, 2):
        row, column, size = np.random.default_rng((seed, number)).uniform(0.2, 0.8, 3) * (rows, columns, rows / 3)
        labels[:, (y - row) ** 2 + (x - column) ** 2 < size**2] = number
    return labels


def reading(reader: str = "AB", **changes: object) -> Reading:
    """A reading that accepts, with one lesion corrected and one taken away."""
    first, second = drafted().lesions
    lesions = (
        LesionReading(
            tracking_uid=first.tracking_uid,
            number=1,
            run=0,
            revised=first,
            descriptors={"shape": "irregular", "margin": "not_circumscribed"},
            category="4C",
            note="seen with the colleague",
            edited_frames=(1,),
            tools=("click", "scribble"),
        ),
        LesionReading(tracking_uid=second.tracking_uid, number=2, run=0, present=False, tools=("removed",)),
    )
    said = {"case": NAME, "reader": reader, "lesions": lesions, "decision": "accepted", "seconds_spent": 61.5}
    return Reading.model_validate({**said, "decided": "2026-01-02T03:04:05+00:00", **changes})


def label(seed: int = 0, kind: str = "accepted", edit: int | None = None, **changes: object) -> NewLabel:
    """A label of the picture `seed`, drafted as outlines(seed) and left as outlines(edit)."""
    decision = {"accepted": "accepted", "rejected": "rejected"}.get(kind, "open")
    said = {
        "deidentified": DECLARED if changes.get("frames") else None,
        "kind": kind,
        "image": identity_of([picture(seed)], "still", (f"1.2.826.0.1.{seed}",)),
        "result": MaskStack.of_labels(outlines(seed if edit is None else edit)),
        "reading": reading(decision=decision),
        "runs": [(drafted(), MaskStack.of_labels(outlines(seed)))],
    }
    return NewLabel(**{**said, **changes})
