"""A reader who works through a label store: takes the next case, corrects the draft by clicks, accepts the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.new_label import NewLabel
from BreastUSAssistLib.labels.record import Deidentification
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.learning import metrics
from BreastUSAssistLib.learning.interactive_evaluation import correct_lesion
from BreastUSAssistLib.learning.manifest import ManifestRow, load_image, mask_of
from BreastUSAssistLib.model.predictor import Predictor
from BreastUSAssistLib.model.refiner import Refiner
from BreastUSAssistLib.service.analyze import analyze_clip
from BreastUSAssistLib.ultrasound.reading import open_clip

READER = "simulated reader"
MOST_CLICKS = 10
"""After so many the simulated reader goes on by hand."""
TARGET_IOU = 0.85
LEXICON = "birads-us-2013"


@dataclass(frozen=True)
class Clicks:
    """What one lesion took."""

    to_target: int
    """Clicks until the IoU with the truth is at least TARGET_IOU; MOST_CLICKS where it never is."""


def put_draft(store: LabelStore, row: ManifestRow, predictor: Predictor) -> str:
    """Analyze the image without a lesion reader, keep the draft as a version nobody began, and return the case."""
    clip = open_clip(row.image)
    frames = {number: frame.pixels for number, frame in enumerate(clip, 1)}
    made = analyze_clip(clip, predictor, load_lexicon(LEXICON), created=datetime.now(UTC), new_uid=new_uid, reader=None)
    spoken = [frame.frame_number for frame in made.analysis.frames]
    label = NewLabel(
        kind="autosaved",
        image=identity_of(frames.values(), clip.kind),
        runs=[(made.analysis, MaskStack.of_labels(made.labels, spoken=spoken))],
        frames=frames,
        deidentified=Deidentification(evidence="declared", by="public data set"),
        patient=row.patient,
    )
    return store.put(label).case


def accept(store: LabelStore, case: str, row: ManifestRow) -> None:
    """Accept the case with the true outlines, over the draft it has."""
    record = store.get(case)
    labels = mask_of(row)
    if labels is None:
        labels = np.zeros((record.image.rows, record.image.columns), np.uint8)
    lesions = np.where(labels <= 100, labels, 0).astype(np.uint8)
    reading = Reading(case=case, reader=READER, decision="accepted", decided=datetime.now(UTC).isoformat())
    runs = list(zip(store.analyses(record), store.drafts(record), strict=True))
    from BreastUSAssistLib.birads.analysis import Analysis

    store.put(
        NewLabel(
            kind="accepted",
            image=record.image,
            result=MaskStack.of_labels(lesions[None], spoken=[1]),
            reading=reading,
            runs=[(Analysis.model_validate(analysis), masks) for analysis, masks in runs],
            patient=row.patient,
        )
    )


def clicks_needed(rows: Sequence[ManifestRow], predictor: Predictor, refiner: Refiner) -> tuple[Clicks, ...]:
    """Clicks of each lesion of the rows, starting from the draft that overlaps it most, else from nothing."""
    found = []
    for row in rows:
        grey, labels = load_image(row), mask_of(row)
        if labels is None:
            continue
        drafts = [lesion.pixels for lesion in predictor.predict(grey).lesions]
        for number in (int(one) for one in np.unique(labels) if 0 < one <= 100):
            truth = labels == number
            best = max(drafts, key=lambda draft: metrics.iou(truth, draft), default=np.zeros(truth.shape, bool))
            start = best if (best & truth).any() else np.zeros(truth.shape, bool)
            score = correct_lesion(refiner.open(grey), truth, start, MOST_CLICKS, labels > 100)
            found.append(Clicks(score.clicks_to(TARGET_IOU, MOST_CLICKS)))
    return tuple(found)
