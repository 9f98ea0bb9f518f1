"""What an evaluation says: the content of metrics.json. None means not defined or not known, never zero."""

from typing import Final, Literal

from ..birads.analysis import ModelUsed
from ..birads.lesion import Record

METRICS_VERSION: Final = "1.0"
Interval = tuple[float, float]


class Estimate(Record):
    """One number with its interval."""

    value: float
    interval: Interval | None = None
    """95 % percentile interval, patients resampled; None with too few patients."""


class Distribution(Record):
    """Of one number an image."""

    images: int
    mean: Estimate
    median: Estimate


class LesionDetection(Record):
    """Lesions against outlines, matched one to one at IoU >= 0.5."""

    lesions: int
    found: int
    sensitivity: Estimate
    outlines: int
    """Outlines drawn in images with lesions."""
    false_outlines: int
    """Of those, outlines that match no lesion."""


class NormalImages(Record):
    """Outlines where there is nothing to outline."""

    images: int
    false_outlines: int
    false_outlines_per_image: Estimate
    fraction_with_any: Estimate


class Malignancy(Record):
    """Malignant against benign by P(malignant | a lesion is there), one score an image."""

    benign: int
    malignant: int
    auc: Estimate | None
    """Mann-Whitney; None where one class is missing."""
    sensitivity_at_90_specificity: Estimate | None
    ece: Estimate
    """Expected calibration error, 15 equal-width bins."""
    brier: Estimate


class TimePerImage(Record):
    """Time of the prediction alone, without reading the image."""

    median_ms: float
    p95_ms: float


class GroupResult(Record):
    """Results of one data set, of one subgroup, or of all."""

    name: str
    images: int
    patients: int | None
    """None where no row names a patient; intervals then resample images."""
    images_without_patient: int
    dice: Distribution | None
    """Of the union of all lesions with the union of all outlines, over images that have lesions."""
    iou: Distribution | None
    hd95_px: Distribution | None
    """Over the images where both the truth and the draft are not empty."""
    hd95_mm: Distribution | None
    """Of those, over the images of known pixel size."""
    images_without_outline: int
    """Images with lesions whose draft is empty: no distance exists, and none is put in its place."""
    detection: LesionDetection | None
    normal: NormalImages | None
    malignancy: Malignancy | None
    time: TimePerImage


class LeftOut(Record):
    """A row that was not evaluated, or not fully, and why."""

    line: int
    image: str
    reason: str
    scores_missing: Literal["all", "masks"]


class Evaluation(Record):
    """A model against a manifest."""

    schema_version: Literal["1.0"] = METRICS_VERSION
    created: str | None = None
    software: str | None = None
    model: ModelUsed | None = None
    seed: int
    replicates: int
    folds: tuple[int, ...] | None
    """Folds that were evaluated; None means all rows, with or without a fold."""
    limit: int | None
    """Largest number of images, drawn at random by the seed; None means all."""
    rows: int
    """Of the manifest."""
    selected: int
    """After the choice of folds and the limit."""
    left_out: tuple[LeftOut, ...]
    overall: GroupResult
    datasets: tuple[GroupResult, ...]
    subgroups: dict[str, tuple[GroupResult, ...]]
    """By column of the manifest (device, birads): one result for each of its values."""
