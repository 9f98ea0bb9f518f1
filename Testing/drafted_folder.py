"""A label folder of drafted phantoms that nobody has read yet, for the tests of the worklist."""

from functools import cache
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis, FrameResult, Spacing
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.ultrasound.phantom import LesionSpec, PhantomSpec, render
from dicom import drafts
from label_samples import DECLARED


@cache
def phantom(seed: int, frame_count: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Frames, uint8 (frames, rows, columns), and label images of the one lesion in them, another for each seed."""
    spec = PhantomSpec(
        rows=160,
        columns=200,
        spacing_mm=0.25,
        frame_count=frame_count,
        lesions=(LesionSpec(width_mm=10 + seed % 5, height_mm=7),),
        seed=seed,
    )
    made = render(spec)
    return np.stack([made.frame(index).grey for index in range(frame_count)]), np.asarray(made.masks, np.uint8)


def draft(labels: np.ndarray) -> Analysis:
    """What a network would say of the label images."""
    made = drafts.analysis_of(labels, drafts.lesions_of(labels))
    frames = tuple(
        FrameResult(
            frame_number=number,
            mask=f"masks/{number}.png",
            normal=0.1,
            benign=0.6,
            malignant=0.3,
            lesions=tuple(int(one) for one in np.unique(image) if one),
        )
        for number, image in enumerate(labels, start=1)
    )
    spacing = Spacing(row_mm=0.25, column_mm=0.25, source="ultrasound_region")
    source = made.source.model_copy(update={"spacing": spacing, "files": ()})
    return made.model_copy(update={"frames": frames, "source": source, "gates": ()})


def drafted_label(seed: int, frame_count: int = 1) -> NewLabel:
    """The case of phantom `seed` with its image and a draft that is as far off as drafts are."""
    frames, labels = phantom(seed, frame_count)
    drawn = np.roll(labels, 3, axis=2)
    return NewLabel(
        kind="autosaved",
        image=identity_of(frames, "still" if frame_count == 1 else "cine"),
        runs=[(draft(drawn), MaskStack.of_labels(drawn))],
        frames=dict(enumerate(frames, start=1)),
        deidentified=DECLARED,
        patient=f"patient {seed // 2}",
    )


def fill(folder: Path, count: int, frame_count: int = 1) -> list[str]:
    """Put `count` drafted cases into a new label folder; their names, in the order of the worklist."""
    with LabelStore.create(folder, encrypted=False) as store:
        return [store.put(drafted_label(seed, frame_count)).case for seed in range(count)]
